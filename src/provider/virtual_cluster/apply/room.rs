//! Room for a virtual cluster: entered in the ledgers before anything is made, given back after everything is gone.
//!
//! The order is quota, then capacity, and the reverse when it is given back. A ledger that says no is first compared with
//! the records, and those who hold room and have stopped are cleaned up; only then is the no said to the user.

use std::collections::BTreeMap;
use std::convert::Infallible;

use futures::future::join_all;

use super::reclaim::{self, Watched};
use super::{Apply, Failed};
use crate::domain::accounting::{Accounting, Choice, Refused, Request};
use crate::domain::ledger::{Account, Holding, Ledger, Recorded, Refusal, quota_key};
use crate::domain::limit::Limit;
use crate::domain::size::Size;
use crate::domain::transition;
use crate::host::Host;
use crate::host::lease;
use crate::host::ledgers::{GroupRef, LedgerBook, LedgerError, holding, recorded};
use crate::host::record::{Phase, Share};
use crate::host::records::claim::Claim;
use crate::host::records::{RecordError, Records, Stored};
use crate::provider::Configured;
use crate::provider::explain::Explain;
use crate::provider::virtual_cluster::fit::{When, refuse};
use crate::provider::virtual_cluster::membership::{Membership, limit};
use crate::provider::virtual_cluster::spec::Spec;
use terraform_plugin::{AttributePath, Report};

/// Where a virtual cluster gets its room.
pub(super) struct Room<'g> {
    pub group: Option<&'g Membership>,
    pub host: Host,
    /// UID of the host.
    pub uid: String,
    pub namespace: String,
    /// What the host can carry.
    pub limit: Limit,
}

/// There is no room.
pub(super) enum Denied {
    Quota,
    Capacity,
}

/// Where a ledger's entries are compared with records.
struct Behind<'b> {
    book: &'b LedgerBook,
    account: Account,
    hosts: Vec<(String, Host)>,
    /// The group whose entries the ledger has; all, for a host's capacity.
    group: Option<&'b str>,
    /// The entry that room is wanted for.
    key: &'b str,
}

impl Behind<'_> {
    fn key(&self, uid: &str, namespace: &str) -> String {
        match self.account {
            Account::Capacity => namespace.to_owned(),
            Account::Quota => quota_key(uid, namespace),
        }
    }
}

/// What a virtual cluster of this spec takes.
pub(super) fn share(spec: &Spec) -> Option<Share> {
    Some(Share { group: spec.cluster_group.clone(), size: spec.size()?, paused: spec.paused })
}

/// What is held while one share becomes another.
pub(super) fn during(before: Option<&Share>, after: &Share) -> Share {
    let Some(before) = before else { return after.clone() };
    let (size, paused) = transition::during((before.size, before.paused), (after.size, after.paused));
    Share { group: after.group.clone(), size, paused }
}

impl Apply<'_> {
    /// Enters the share in the ledgers. The quota is asked only where it grows.
    pub(super) async fn admit(
        &mut self,
        room: &Room<'_>,
        claim: &Claim,
        share: &Share,
    ) -> Result<Result<(), Denied>, Failed> {
        let record = claim.record();
        let quota_grows = record.share.as_ref().is_none_or(|held| share.size.growth_from(held.size) != Size::ZERO)
            || record.phase == Phase::Reserved;
        let entry = Holding {
            name: record.name.clone(),
            group: share.group.clone(),
            size: share.size,
            paused: share.paused,
            record: claim.record_uid(),
        };
        let mut given_back = None;
        if let Some(group) = room.group.filter(|_| quota_grows) {
            let (home, reference) = self.home(group)?;
            let book = LedgerBook::quota(&home, reference);
            let key = quota_key(&room.uid, &room.namespace);
            let hosts = group.found.iter().flat_map(|found| found.members());
            let hosts = hosts.map(|(uid, _, host)| (uid.to_owned(), host.clone())).collect();
            let behind = Behind { book: &book, account: Account::Quota, hosts, group: Some(&group.name), key: &key };
            match self.enter(&behind, &entry, &group.spec.quota_limit()).await? {
                Ok(before) => given_back = Some((book.clone(), key.clone(), before)),
                Err(_) => return Ok(Err(Denied::Quota)),
            }
        }
        let book = LedgerBook::capacity(&room.host);
        let hosts = vec![(room.uid.clone(), room.host.clone())];
        let behind = Behind { book: &book, account: Account::Capacity, hosts, group: None, key: &room.namespace };
        let entered = self.enter(&behind, &entry, &room.limit).await;
        if let (Ok(Ok(_)), _) | (_, None) = (&entered, &given_back) {
            return Ok(entered?.map(drop).map_err(|_| Denied::Capacity));
        }
        if let Some((book, key, before)) = given_back {
            let undone = book.change(|ledger| {
                match &before {
                    Some(before) => ledger.put(&key, before.clone()),
                    None => drop(ledger.release(&key, &entry.record)),
                }
                Ok::<(), Infallible>(())
            });
            if let Err(error) = undone.await {
                tracing::warn!(%error, "could not give back a share of a quota; the next refusal does");
            }
        }
        Ok(entered?.map(drop).map_err(|_| Denied::Capacity))
    }

    /// Makes sure that what was entered is still there, and still counts. A ledger that was lost and rebuilt since counts
    /// only records from [`Phase::Creating`] on, and so does the one that a home gets to which the group moves. So this
    /// stands behind that phase.
    pub(super) async fn confirm(&mut self, room: &Room<'_>, claim: &Claim, share: &Share) -> Result<(), Failed> {
        if let Some(group) = room.group {
            self.check_not_moved(group, &room.uid).await?;
        }
        let uid = claim.record_uid();
        let stands = |ledger: Option<Ledger>, key: &str| {
            ledger.is_some_and(|ledger| ledger.entries.get(key).is_some_and(|entry| entry.record == uid))
        };
        let capacity = self.explain(LedgerBook::capacity(&room.host).read().await)?;
        let mut stands_everywhere = stands(capacity, &room.namespace);
        if let Some(group) = room.group {
            let (home, reference) = self.home(group)?;
            let quota = self.explain(LedgerBook::quota(&home, reference).read().await)?;
            stands_everywhere &= stands(quota, &quota_key(&room.uid, &room.namespace));
        }
        if stands_everywhere {
            return Ok(());
        }
        match self.admit(room, claim, share).await? {
            Ok(()) => Ok(()),
            Err(_) => {
                self.diags.fail(
                    AttributePath::new("resources"),
                    "The room for this virtual cluster was lost before it was made.",
                    "A ledger on the host cluster was deleted while this apply ran, and others have taken the room since. \
                     Nothing is left of this virtual cluster. Apply again when there is room.",
                );
                Err(Failed)
            }
        }
    }

    /// Whether the group still has its home, and this host.
    async fn check_not_moved(&mut self, group: &Membership, uid: &str) -> Result<(), Failed> {
        let planner = self.configured.planner();
        planner.forget_group(&group.name);
        let now = planner.group(self.configured.known_host_clusters(), &group.name).await;
        let now = now.map_err(|error| {
            self.diags.add_error(error.diagnostic(AttributePath::new("cluster_group")));
            Failed
        })?;
        let (before, now) = (group.found.as_ref().map(|found| &found.newest.record), &now.newest.record);
        let stays = before.is_some_and(|before| (&before.id, before.epoch) == (&now.id, now.epoch));
        if stays && now.hosts.contains_key(uid) {
            return Ok(());
        }
        self.diags.fail(
            AttributePath::new("cluster_group"),
            format!("Cluster group \"{}\" was changed while this virtual cluster was about to be created.", group.name),
            "Its home or its host clusters are others now. Nothing was created.\n\nNext step: Apply again.",
        );
        Err(Failed)
    }

    /// Writes what the virtual cluster holds from now on. It is less than, or as much as, what was entered before.
    pub(super) async fn settle(&mut self, room: &Room<'_>, claim: &Claim, share: &Share) -> Result<(), Failed> {
        self.explain(claim.update(|record| record.share = Some(share.clone())).await)?;
        let Some(entry) = holding(&claim.record(), &claim.record_uid()) else { return Ok(()) };
        let put = |book: LedgerBook, key: String, entry: Holding| async move {
            let put = book.change(|ledger| {
                ledger.put(&key, entry.clone());
                Ok::<(), Infallible>(())
            });
            put.await.map(drop)
        };
        let capacity = put(LedgerBook::capacity(&room.host), room.namespace.clone(), entry.clone()).await;
        // One that is missing is rebuilt from the record.
        if let Err(LedgerError::Store(error)) = capacity {
            return self.explain(Err(error));
        }
        if let Some((home, reference)) = room.group.and_then(|group| Some((group.home()?.clone(), group.reference()?)))
        {
            let key = quota_key(&room.uid, &room.namespace);
            if let Err(error) = put(LedgerBook::quota(&home, reference), key, entry).await {
                tracing::warn!(%error, "a share of the quota could not be given back yet");
            }
        }
        Ok(())
    }

    /// The home of the group. Without it nothing is created, resumed or grown.
    pub(super) fn home(&mut self, group: &Membership) -> Result<(Host, GroupRef), Failed> {
        if let Some(found) = group.home().cloned().zip(group.reference()) {
            return Ok(found);
        }
        let key = group.found.as_ref().map(|found| found.home_key().to_owned()).unwrap_or_default();
        let mut detail = format!(
            "Host cluster \"{key}\" keeps who has which share of the quota. Without it nothing is created, resumed or grown in \
             this group; everything else goes on."
        );
        for error in group.found.iter().flat_map(|found| &found.unreachable) {
            detail.push_str(&format!("\n\n{error}."));
        }
        detail.push_str(
            "\n\nNext step: Make it reachable, and have it in this provider's `host_clusters`. If it is gone for good, remove it \
             from the group and from the provider block that manages the group; the home then moves.",
        );
        self.diags.fail(
            AttributePath::new("cluster_group"),
            format!("The home of cluster group \"{}\" cannot be asked.", group.name),
            detail,
        );
        Err(Failed)
    }

    async fn enter(
        &mut self,
        behind: &Behind<'_>,
        entry: &Holding,
        limit: &Limit,
    ) -> Result<Result<Option<Holding>, Refusal>, Failed> {
        let mut asked_again = 0;
        loop {
            let mut before = None;
            let entered = behind.book.change(|ledger| {
                before = ledger.entries.get(behind.key).cloned();
                ledger.admit(behind.account, behind.key, entry.clone(), limit)
            });
            match entered.await {
                Ok(Ok(())) => return Ok(Ok(before)),
                Ok(Err(refusal)) => {
                    let room_made = match asked_again {
                        0 => self.reconcile(behind).await?,
                        1 => self.clean_up(behind).await? && self.reconcile(behind).await?,
                        _ => false,
                    };
                    if !room_made && asked_again > 0 {
                        return Ok(Err(refusal));
                    }
                    asked_again += 1;
                }
                Err(LedgerError::Missing { .. }) => {
                    let mut ledger = Ledger::default();
                    ledger.reconcile(&self.records_behind(behind).await?, |_| true);
                    self.explain(behind.book.create(ledger).await)?;
                }
                Err(LedgerError::Store(error)) => return self.explain(Err(error)),
            }
        }
    }

    /// Compares a ledger with the records behind it. True if it changed.
    async fn reconcile(&mut self, behind: &Behind<'_>) -> Result<bool, Failed> {
        let records = self.records_behind(behind).await?;
        let known = |key: &str| match behind.account {
            Account::Capacity => true,
            Account::Quota => behind.hosts.iter().any(|(uid, _)| key.starts_with(&format!("{uid}/"))),
        };
        let mut changed = false;
        let reconciled = behind.book.change(|ledger| {
            changed = ledger.reconcile(&records, known);
            Ok::<(), Infallible>(())
        });
        match reconciled.await {
            Ok(_) => Ok(changed),
            Err(LedgerError::Missing { .. }) => Ok(true),
            Err(LedgerError::Store(error)) => self.explain(Err(error)),
        }
    }

    async fn records_behind(&mut self, behind: &Behind<'_>) -> Result<BTreeMap<String, Recorded>, Failed> {
        let mut all = BTreeMap::new();
        for (uid, host) in &behind.hosts {
            let records = self.explain(recorded(host).await)?;
            let ours = records
                .into_iter()
                // What a record that cannot be read holds stays in whichever ledger it is.
                .filter(|(_, found)| {
                    let unreadable = matches!(found, Recorded::Unreadable { .. });
                    behind.group.is_none() || unreadable || found.group() == behind.group
                });
            all.extend(ours.map(|(namespace, found)| (behind.key(uid, &namespace), found)));
        }
        Ok(all)
    }

    /// Watches those who hold room and have not finished, and removes those whose namespaces are gone. True if room became free.
    async fn clean_up(&mut self, behind: &Behind<'_>) -> Result<bool, Failed> {
        let Some(ledger) = self.explain(behind.book.read().await)? else { return Ok(true) };
        let (mut watched, mut freed) = (Vec::new(), false);
        for (uid, host) in &behind.hosts {
            for stored in self.explain(Records::of(host).list().await)?.readable {
                let key = behind.key(uid, &stored.record.namespace);
                if key == behind.key || !ledger.entries.contains_key(&key) {
                    continue;
                }
                if stored.record.is_unfinished() {
                    watched.push((host.clone(), stored));
                } else {
                    freed |= reclaim::hollow(self.configured, host, stored, &self.stop).await;
                }
            }
        }
        let (stop, configured) = (self.stop.clone(), self.configured);
        let watch = |(host, stored): (Host, Stored)| {
            let stop = stop.clone();
            async move {
                let watched = reclaim::reclaim(configured, &host, &stored, lease::silence(), &stop).await;
                matches!(watched, Ok(Watched::Removed | Watched::Gone))
            }
        };
        let stopped = join_all(watched.into_iter().map(watch)).await;
        Ok(freed || stopped.contains(&true))
    }

    /// Says that there is no room, with the table. `before`: what it holds already, for one that is there.
    pub(super) async fn say_denied(
        &mut self,
        group: Option<&Membership>,
        hosts: &[(String, Host)],
        label: &str,
        (before, after): (Option<&Share>, &Share),
        attribute: &'static str,
    ) -> Failed {
        match self.refusal(group, hosts, label, before, after).await {
            Ok(Some(refused)) => refuse(self.diags, &refused, AttributePath::new(attribute), When::Applied),
            Ok(None) => self.diags.fail(
                AttributePath::new(attribute),
                format!("There was no room for virtual cluster \"{label}\"."),
                "Others took it, and have given it back since. Nothing was created or changed. Apply again.",
            ),
            Err(Failed) => {}
        }
        Failed
    }

    async fn refusal(
        &mut self,
        group: Option<&Membership>,
        hosts: &[(String, Host)],
        label: &str,
        before: Option<&Share>,
        after: &Share,
    ) -> Result<Option<Box<Refused>>, Failed> {
        let (charged, size) = (|share: &Share| charged(share), |share: &Share| share.size);
        let mut accounting = Accounting::default();
        let mut request = Request {
            group: group.map(|group| group.name.clone()),
            label: label.to_owned(),
            size: charged(after).growth_from(before.map_or(Size::ZERO, charged)),
            quota: size(after).growth_from(before.map_or(Size::ZERO, size)),
            hosts: Vec::new(),
            replaces: None,
        };
        for (uid, host) in hosts {
            let ledger = self.explain(LedgerBook::capacity(host).read().await)?.unwrap_or_default();
            let nodes = self.explain(self.configured.planner().nodes(host).await)?;
            accounting.set_host(uid, host.name(), Ok(ledger));
            request.hosts.push(Choice { host: uid.clone(), limit: limit(group, host, &nodes) });
        }
        if let Some(group) = group {
            let (home, reference) = self.home(group)?;
            let ledger = self.explain(LedgerBook::quota(&home, reference).read().await)?.unwrap_or_default();
            accounting.set_quota(&group.name, group.spec.quota_limit(), Ok(ledger));
        }
        Ok(accounting.plan("this".to_owned(), request).err())
    }
}

/// What a share takes of a host's capacity.
pub(super) fn charged(share: &Share) -> Size {
    if share.paused { Size { storage: share.size.storage, ..Size::ZERO } } else { share.size }
}

/// Gives back what the virtual cluster of a claimed record holds: the capacity, then the quota. A quota whose home cannot be asked
/// is cleared of it later, when somebody would be refused because of it. The record says first that it holds nothing any more:
/// whoever rebuilds a ledger meanwhile must not enter it again.
pub(super) async fn release(configured: &Configured, host: &Host, claim: &Claim) -> Result<(), RecordError> {
    let (record, record_uid) = (claim.record(), &claim.record_uid());
    claim.update(|record| record.share = None).await?;
    let drop_entry = |book: LedgerBook, key: String| async move {
        let released = book.change(|ledger| {
            ledger.release(&key, record_uid);
            Ok::<(), Infallible>(())
        });
        match released.await {
            Ok(_) | Err(LedgerError::Missing { .. }) => Ok(()),
            Err(LedgerError::Store(error)) => Err(error),
        }
    };
    drop_entry(LedgerBook::capacity(host), record.namespace.clone()).await?;
    configured.planner().accounting().gone(&record.host_uid, &record.namespace);
    // One that was cut off behind that write has its group in its spec still.
    let group = record.share.as_ref().and_then(|share| share.group.as_deref());
    let Some(group) = group.or_else(|| record.spec["cluster_group"].as_str()) else { return Ok(()) };
    let found = configured.planner().group(configured.known_host_clusters(), group).await;
    let Ok(group) = found.map_err(|error| tracing::debug!(%error, "no quota to give back to")) else { return Ok(()) };
    let Some(home) = group.home() else {
        tracing::warn!("the home of the group does not answer; the share of its quota is given back later");
        return Ok(());
    };
    let reference = GroupRef { name: group.newest.record.name.clone(), id: group.newest.record.id.clone() };
    let quota = LedgerBook::quota(home, reference);
    Ok(drop_entry(quota, quota_key(&record.host_uid, &record.namespace)).await?)
}

/// An error of the store as a diagnostic is the same wherever it comes from.
impl Explain for LedgerError {
    fn explain(&self) -> terraform_plugin::Diagnostic {
        match self {
            Self::Store(error) => error.explain(),
            Self::Missing { host, secret } => terraform_plugin::diagnostic(
                AttributePath::new("id"),
                "A ledger is missing.",
                format!(
                    "{secret} on host cluster \"{host}\" was deleted in this moment.\n\nNext step: Apply again: it is rebuilt."
                ),
            ),
        }
    }
}
