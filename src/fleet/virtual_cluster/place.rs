//! On which host a new virtual cluster goes.

use std::collections::BTreeSet;

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
use crate::host::records::{RecordError, Records};
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
    /// A virtual cluster, or what is left of one, is in the namespace already.
    taken: bool,
}

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
                    refusals.push((host.name().to_owned(), error));
                }
            }
        }
        let chosen = match options.iter().position(|option| option.taken) {
            // What stands there says what is to be done, and a second one of the name must not be made elsewhere.
            Some(taken) if !pinned => Some(taken),
            _ if pinned => Some(0),
            _ => most_room(&choosing, &options, namespace, share),
        };
        // Where it fits nowhere, the ledger of the fullest may still have dead entries: it is asked, and says no.
        let chosen = chosen.or_else(|| least_short(&options, share));
        let Some(option) = chosen.filter(|index| *index < options.len()).map(|index| options.swap_remove(index)) else {
            if !denied.is_empty() {
                return Ok(None);
            }
            let group = group.map(|group| group.name.clone()).unwrap_or_default();
            return Err(Error::NoHost { group, refusals });
        };
        let on_its_way = Some(fleet.arrivals.sets_out(&option.uid, namespace, share.charged()));
        Ok(Some(Target { host: option.host, uid: option.uid, limit: option.limit, on_its_way }))
    }
}

async fn look_at(fleet: &Fleet, host: &Host, group: Option<&Membership>, wanted: &Wanted) -> Result<Spot, RecordError> {
    let uid = host.identity().await.map_err(StoreError::from)?.uid.clone();
    let nodes = fleet.readings.nodes(host).await.map_err(StoreError::from)?;
    let ledger = LedgerBook::capacity(host).read().await?.unwrap_or_default();
    let taken = Records::of(host).get(&wanted.namespace).await?.is_some();
    let limit = rules(group, host, wanted.host_capacity).capacity(&nodes);
    Ok(Spot { limit, host: host.clone(), uid, ledger, taken })
}

/// The host with the most room, those on their way included.
fn most_room(choosing: &Choosing<'_>, options: &[Spot], namespace: &str, share: &Share) -> Option<usize> {
    let candidates = options.iter().map(|Spot { host, uid, limit, ledger, .. }| {
        let used = ledger.used(Account::Capacity).saturating_add(choosing.taken_soon(uid, ledger));
        Candidate { key: host.name(), limit: *limit, used }
    });
    let candidates: Vec<Candidate<'_>> = candidates.collect();
    let chosen = choose(&candidates, share.charged());
    for line in explain(&candidates, share.charged(), chosen) {
        tracing::info!(namespace, "placement: {line}");
    }
    chosen
}

/// The host where the fewest resources are short.
fn least_short(options: &[Spot], share: &Share) -> Option<usize> {
    let short = |option: &Spot| option.limit.shortage(option.ledger.used(Account::Capacity), share.charged()).len();
    options.iter().enumerate().min_by_key(|(_, option)| short(option)).map(|(index, _)| index)
}
