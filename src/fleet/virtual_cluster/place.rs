//! On which host a new virtual cluster goes.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;

use super::Operation;
use super::error::Error;
use super::membership::{Membership, rules};
use super::wanted::Wanted;
use crate::domain::ledger::{Account, Ledger};
use crate::domain::limit::Limit;
use crate::domain::placement::{Candidate, choose, explain};
use crate::fleet::Fleet;
use crate::fleet::arrivals::{Choosing, OnItsWay};
use crate::fleet::connections::HostCluster;
use crate::host::Host;
use crate::host::ledgers::LedgerBook;
use crate::host::record::Share;
use crate::host::records::Records;
use crate::host::store::StoreError;

/// The host that was chosen.
pub(super) struct Target<'a> {
    pub host: Host,
    /// UID of the host.
    pub uid: String,
    /// What it can carry.
    pub limit: Limit,
    /// As long as this lives, others of this process count it as taken.
    pub on_its_way: Option<OnItsWay<'a>>,
}

/// A host that comes into question.
struct Spot {
    host: Host,
    uid: String,
    limit: Limit,
    ledger: Ledger,
}

/// How old what this process knows of a ledger may be while hosts are compared: who is chosen asks its own.
const LEDGER_FRESH: Duration = Duration::from_secs(5);

/// The hosts that come into question for what is wanted: the one that it names, or all of the group's that answer.
///
/// # Errors
/// The one that it names cannot be used.
pub fn candidates(fleet: &Fleet, wanted: &Wanted, group: Option<&Membership>) -> Result<Vec<Host>, Error> {
    let Some(key) = &wanted.host else {
        return Ok(group.into_iter().flat_map(|group| group.hosts.iter().map(|(_, host)| host.clone())).collect());
    };
    match fleet.connections.get(key)? {
        HostCluster::Known(host) => Ok(vec![host]),
        HostCluster::Unknown => Err(Error::HostUnknown { key: key.clone() }),
    }
}

impl<'a> Operation<'a> {
    /// The host for a new virtual cluster: the pinned one, or that with the most room. Those whose UIDs are in `denied` have
    /// said no; none is left when all have.
    pub(super) async fn choose(
        &mut self,
        wanted: &Wanted,
        group: Option<&Membership>,
        share: &Share,
        denied: &BTreeSet<String>,
    ) -> Result<Option<Target<'a>>, Error> {
        let fleet = self.fleet;
        let hosts = candidates(fleet, wanted, group)?;
        let pinned = wanted.host.is_some();
        let namespace = wanted.namespace.as_str();
        let choosing = fleet.arrivals.choosing().await;
        let (mut options, mut refusals) = (Vec::new(), Vec::new());
        for host in hosts {
            match look_at(fleet, &host, group, wanted).await {
                Ok(option) if denied.contains(&option.uid) => {}
                Ok(option) => options.push(option),
                Err(error) if pinned => return Err(error.into()),
                Err(error) => {
                    tracing::info!(host = host.name(), %error, "not a candidate");
                    refusals.push((host.name().to_owned(), error.into()));
                }
            }
        }
        let chosen = if pinned { Some(0) } else { most_room(&choosing, &options, namespace, share) };
        // Where it fits nowhere, the ledger of the fullest may still have dead entries: it is asked, and says no.
        let chosen = chosen.or_else(|| least_short(&options, share));
        let Some(option) = chosen.filter(|index| *index < options.len()).map(|index| options.swap_remove(index)) else {
            if !denied.is_empty() {
                return Ok(None);
            }
            let group = group.map(|group| group.name.clone()).unwrap_or_default();
            return Err(Error::NoHost { group, refusals });
        };
        let sets_out = |option: Spot| {
            let on_its_way = Some(fleet.arrivals.sets_out(&option.uid, namespace, share.charged()));
            Target { host: option.host, uid: option.uid, limit: option.limit, on_its_way }
        };
        let target = sets_out(option);
        drop(choosing);
        if pinned {
            return Ok(Some(target));
        }
        // The reservation finds what stands on the chosen one. What stands on another says what is to be done, and a second one of
        // the name must not be made elsewhere.
        let look = |other: &Spot| {
            let records = Records::of(&other.host);
            async move { records.get(namespace).await }
        };
        let others = join_all(options.iter().map(look)).await;
        let taken = others.iter().position(|found| matches!(found, Ok(Some(_))));
        Ok(Some(taken.map_or(target, |taken| sets_out(options.swap_remove(taken)))))
    }
}

async fn look_at(fleet: &Fleet, host: &Host, group: Option<&Membership>, wanted: &Wanted) -> Result<Spot, StoreError> {
    let uid = host.identity().await?.uid.clone();
    let nodes = fleet.readings.nodes(host).await?;
    let ledger = LedgerBook::capacity(host).read_within(LEDGER_FRESH).await?.unwrap_or_default();
    let limit = rules(group, host, &wanted.host_capacity).capacity(&nodes);
    Ok(Spot { limit, host: host.clone(), uid, ledger })
}

/// The host with the most room, those on their way included.
fn most_room(choosing: &Choosing<'_>, options: &[Spot], namespace: &str, share: &Share) -> Option<usize> {
    let candidates = options.iter().map(|Spot { host, uid, limit, ledger, .. }| {
        let used = ledger.used(Account::Capacity).saturating_add(&choosing.taken_soon(uid, ledger));
        Candidate { key: host.name(), limit: limit.clone(), used }
    });
    let candidates: Vec<Candidate<'_>> = candidates.collect();
    let asked = share.charged();
    let chosen = choose(&candidates, &asked);
    for line in explain(&candidates, &asked, chosen) {
        tracing::info!(namespace, "placement: {line}");
    }
    chosen
}

/// The host where the fewest resources are short.
fn least_short(options: &[Spot], share: &Share) -> Option<usize> {
    let asked = share.charged();
    let short = |option: &Spot| option.limit.shortage(&option.ledger.used(Account::Capacity), &asked).len();
    options.iter().enumerate().min_by_key(|(_, option)| short(option)).map(|(index, _)| index)
}
