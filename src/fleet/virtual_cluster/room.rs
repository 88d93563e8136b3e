//! Room for a virtual cluster: entered in the ledgers before anything is made, given back after everything is gone.
//!
//! The order is quota, then capacity, and the reverse when it is given back. A ledger that says no is first compared with
//! the records, and those who hold room and have stopped are cleaned up; only then is the no said to the user.

mod next;

use std::collections::BTreeMap;
use std::convert::Infallible;

use futures::future::join_all;

use super::Operation;
use super::error::Error;
use super::membership::{Membership, minimum, rules};
use super::reclaim::{self, Watched};
use crate::domain::accounting::{Accounting, Choice, Refused, Request, owned};
use crate::domain::capacity::{Standing, Stated};
use crate::domain::ledger::{Account, Holding, Ledger, Recorded, Refusal, quota_key};
use crate::domain::limit::Limit;
use crate::domain::shares::{Bounds, lacks_owner};
use crate::fleet::Fleet;
use crate::host::Host;
use crate::host::lease;
use crate::host::ledgers::{GroupRef, LedgerBook, LedgerError, holding, recorded};
use crate::host::record::{Phase, Share};
use crate::host::records::claim::Claim;
use crate::host::records::{RecordError, Records, Stored};
use next::{Answer, Seen, Step, Tried};

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

/// Where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// In the quota of the group.
    Quota,
    /// On the host.
    Capacity,
}

/// What came of asking for room: it is entered in all ledgers, or one has none.
pub(super) type Admitted = Result<(), Denied>;

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

/// What is held while one share becomes another.
pub(super) fn during(before: Option<&Share>, after: &Share) -> Share {
    let load = before.map_or_else(|| after.load.clone(), |before| before.load.until(&after.load));
    Share { load, ..after.clone() }
}

impl Operation<'_> {
    /// Enters the share in the ledgers, in the place of what is `held` for sure. The quota is asked only where that grows, or comes to
    /// another owner.
    pub(super) async fn admit(
        &mut self,
        room: &Room<'_>,
        claim: &Claim,
        share: &Share,
        held: Option<&Share>,
    ) -> Result<Admitted, Error> {
        let record = claim.record();
        let held = held.filter(|_| record.phase != Phase::Reserved);
        let entry = Holding {
            name: record.name.clone(),
            group: share.group.clone(),
            labels: share.labels.clone(),
            load: share.load.clone(),
            record: claim.record_uid(),
        };
        let mut given_back = None;
        if let Some(group) = room.group
            && concerns_quota(group, held, share)?
        {
            let (home, reference) = home(group)?;
            let book = LedgerBook::quota(&home, reference);
            let key = quota_key(&room.uid, &room.namespace);
            let hosts = group.found.iter().flat_map(|found| found.members());
            let hosts = hosts.map(|(uid, _, host)| (uid.to_owned(), host.clone())).collect();
            let behind = Behind { book: &book, account: Account::Quota, hosts, group: Some(&group.name), key: &key };
            match self.enter(&behind, claim, &entry, &group.spec.bounds()).await? {
                Ok(before) => given_back = Some((book.clone(), key.clone(), before)),
                Err(_) => return Ok(Err(Denied::Quota)),
            }
        }
        let book = LedgerBook::capacity(&room.host);
        let hosts = vec![(room.uid.clone(), room.host.clone())];
        let behind = Behind { book: &book, account: Account::Capacity, hosts, group: None, key: &room.namespace };
        let entered = self.enter(&behind, claim, &entry, &room.limit.clone().into()).await;
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
    pub(super) async fn confirm(&mut self, room: &Room<'_>, claim: &Claim, share: &Share) -> Result<(), Error> {
        if let Some(group) = room.group {
            self.check_not_moved(group, &room.uid).await?;
        }
        let uid = claim.record_uid();
        let stands = |ledger: Option<Ledger>, key: &str| {
            ledger.is_some_and(|ledger| ledger.entries.get(key).is_some_and(|entry| entry.record == uid))
        };
        let capacity = LedgerBook::capacity(&room.host).read().await?;
        let mut stands_everywhere = stands(capacity, &room.namespace);
        if let Some(group) = room.group {
            let (home, reference) = home(group)?;
            let quota = LedgerBook::quota(&home, reference).read().await?;
            stands_everywhere &= stands(quota, &quota_key(&room.uid, &room.namespace));
        }
        if stands_everywhere {
            return Ok(());
        }
        match self.admit(room, claim, share, None).await? {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::RoomLost),
        }
    }

    /// Whether the group still has its home, and this host.
    async fn check_not_moved(&mut self, group: &Membership, uid: &str) -> Result<(), Error> {
        let now = self.fleet.group_now(&group.name).await?;
        let (before, now) = (group.found.as_ref().map(|found| &found.newest.record), &now.newest.record);
        let stays = before.is_some_and(|before| (&before.id, before.epoch) == (&now.id, now.epoch));
        if stays && now.hosts.contains_key(uid) {
            return Ok(());
        }
        Err(Error::GroupChanged { group: group.name.clone() })
    }

    /// Writes what the virtual cluster holds from now on. It is less than what was entered before, or that already.
    pub(super) async fn settle(&mut self, room: &Room<'_>, claim: &Claim, share: &Share) -> Result<(), Error> {
        let shrinks = claim.record().share.as_ref() != Some(share);
        if shrinks {
            claim.update(|record| record.share = Some(share.clone())).await?;
        }
        let Some(entry) = holding(&claim.record(), &claim.record_uid()) else { return Ok(()) };
        let put = |book: LedgerBook, key: String, entry: Holding| async move {
            let put = book.change(|ledger| {
                ledger.put(&key, entry.clone());
                Ok::<(), Infallible>(())
            });
            put.await.map(drop)
        };
        // Otherwise it was entered a moment ago.
        if shrinks {
            let capacity = put(LedgerBook::capacity(&room.host), room.namespace.clone(), entry.clone()).await;
            // One that is missing is rebuilt from the record.
            if let Err(LedgerError::Store(error)) = capacity {
                return Err(error.into());
            }
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

    /// Enters the claimed record in a ledger. What another record has left under the same key is replaced only once this one was
    /// written again: then that one is gone, and not one that came after this one was taken for dead.
    async fn enter(
        &mut self,
        behind: &Behind<'_>,
        claim: &Claim,
        entry: &Holding,
        bounds: &Bounds,
    ) -> Result<Result<Option<Holding>, Refusal>, Error> {
        let (mut seen, mut before, mut refusal) = (Seen::default(), None::<Holding>, None);
        let mut replaceable = entry.record.clone();
        loop {
            seen = match (seen.next(), refusal.take()) {
                (Step::Done, _) => return Ok(Ok(before)),
                (Step::Deny, Some(refused)) => return Ok(Err(refused)),
                (Step::Ask | Step::Deny, _) => {
                    let mut stranger = None;
                    let entered = behind.book.change(|ledger| {
                        before = ledger.entries.get(behind.key).cloned();
                        let others = |held: &&Holding| held.record != entry.record && held.record != replaceable;
                        stranger = before.as_ref().filter(others).map(|held| held.record.clone());
                        match stranger {
                            Some(_) => Ok(()),
                            None => ledger.admit(behind.account, behind.key, entry.clone(), bounds),
                        }
                    });
                    let entered = entered.await;
                    if let Some(stranger) = stranger {
                        claim.update(|_| {}).await?;
                        replaceable = stranger;
                        continue;
                    }
                    match entered {
                        Ok(Ok(())) => seen.said(Answer::Entered),
                        Ok(Err(refused)) => {
                            refusal = Some(refused);
                            seen.said(Answer::Refused)
                        }
                        Err(LedgerError::Missing { .. }) => seen.said(Answer::Missing),
                        Err(LedgerError::Store(error)) => return Err(error.into()),
                    }
                }
                (Step::Rebuild, _) => {
                    let rebuild = async {
                        let mut ledger = Ledger::default();
                        ledger.reconcile(&self.records_behind(behind).await?, |_| true);
                        Ok::<_, RecordError>(ledger)
                    };
                    behind.book.create(rebuild).await?;
                    seen.rebuilt()
                }
                (Step::Compare, said) => {
                    refusal = said;
                    seen.compared(self.reconcile(behind).await?)
                }
                (Step::CleanUp, said) => {
                    refusal = said;
                    Seen { tried: Tried::CleanedUp { freed: self.clean_up(behind).await? }, ..seen }
                }
            };
        }
    }

    /// Compares a ledger with the records behind it. True if it changed.
    async fn reconcile(&self, behind: &Behind<'_>) -> Result<bool, Error> {
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
            Err(LedgerError::Store(error)) => Err(error.into()),
        }
    }

    async fn records_behind(&self, behind: &Behind<'_>) -> Result<BTreeMap<String, Recorded>, RecordError> {
        let mut all = BTreeMap::new();
        for (uid, host) in &behind.hosts {
            let records = recorded(host).await?;
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
    async fn clean_up(&self, behind: &Behind<'_>) -> Result<bool, Error> {
        let Some(ledger) = behind.book.read().await? else { return Ok(true) };
        let (mut watched, mut freed) = (Vec::new(), false);
        for (uid, host) in &behind.hosts {
            for stored in Records::of(host).list().await?.readable {
                let key = behind.key(uid, &stored.record.namespace);
                if key == behind.key || !ledger.entries.contains_key(&key) {
                    continue;
                }
                if stored.record.is_unfinished() {
                    watched.push((host.clone(), stored));
                } else {
                    freed |= reclaim::hollow(self.fleet, host, stored, &self.limits.stop).await;
                }
            }
        }
        let (stop, fleet) = (self.limits.stop.clone(), self.fleet);
        let watch = |(host, stored): (Host, Stored)| {
            let stop = stop.clone();
            async move {
                let watched = reclaim::reclaim(fleet, &host, &stored, lease::silence(), &stop).await;
                matches!(watched, Ok(Watched::Removed | Watched::Gone))
            }
        };
        let stopped = join_all(watched.into_iter().map(watch)).await;
        Ok(freed || stopped.contains(&true))
    }

    /// The error that there is no room, with what there is instead. `before`: what it holds already, for one that is there.
    pub(super) async fn denied(
        &self,
        group: Option<&Membership>,
        promises: &Stated,
        hosts: &[(String, Host)],
        label: &str,
        (before, after): (Option<&Share>, &Share),
        is_resume: bool,
    ) -> Error {
        match self.refusal(group, promises, hosts, label, (before, after)).await {
            Ok((refused, hosts)) => Error::NoRoom { label: label.to_owned(), refused, hosts, is_resume },
            Err(error) => error,
        }
    }

    async fn refusal(
        &self,
        group: Option<&Membership>,
        promises: &Stated,
        hosts: &[(String, Host)],
        label: &str,
        (before, after): (Option<&Share>, &Share),
    ) -> Result<(Option<Box<Refused>>, Vec<Standing>), Error> {
        let bounds = group.map(|group| group.spec.bounds()).unwrap_or_default();
        let quota = |share: &Share| share.load.of(Account::Quota);
        let (held, asked) = (before.map(|before| (quota(before), &before.labels)), quota(after));
        let (owner, share) = owned(&bounds, held.as_ref().map(|(held, labels)| (held, *labels)), &asked, &after.labels);
        let mut accounting = Accounting::default();
        let mut request = Request {
            group: group.map(|group| group.name.clone()),
            label: label.to_owned(),
            size: after.charged().growth_from(&before.map(Share::charged).unwrap_or_default()),
            quota: asked.growth_from(&before.map(quota).unwrap_or_default()),
            owner,
            share,
            whole: asked,
            minimum: minimum(group),
            hosts: Vec::new(),
            replaces: None,
        };
        let mut standings = Vec::new();
        for (uid, host) in hosts {
            let ledger = LedgerBook::capacity(host).read().await?.unwrap_or_default();
            let nodes = self.fleet.readings.nodes(host).await?;
            accounting.set_host(uid, host.name(), Ok(ledger));
            let rules = rules(group, host, promises);
            request.hosts.push(Choice { host: uid.clone(), limit: rules.capacity(&nodes) });
            standings.push(Standing::of(host.name(), rules, &nodes));
        }
        if let Some(group) = group {
            let (home, reference) = home(group)?;
            let ledger = LedgerBook::quota(&home, reference).read().await?.unwrap_or_default();
            accounting.set_quota(&group.name, bounds, Ok(ledger));
        }
        Ok((accounting.plan("this".to_owned(), request).err(), standings))
    }
}

/// Whether what becomes of a virtual cluster is the quota's to say: it is new or grows there, or it comes to another owner.
///
/// # Errors
/// Owners have shares, and nothing says whose it is.
fn concerns_quota(group: &Membership, held: Option<&Share>, share: &Share) -> Result<bool, Error> {
    let asked = share.load.of(Account::Quota);
    let grows = held.is_none_or(|held| !asked.growth_from(&held.load.of(Account::Quota)).is_zero());
    let Some(shares) = group.spec.bounds().shares else { return Ok(grows) };
    if lacks_owner(&shares, held.map(|held| &held.labels), &share.labels, grows) {
        return Err(Error::NoOwner { group: group.name.clone(), label: shares.label().to_owned() });
    }
    Ok(grows || held.is_none_or(|held| shares.owner(&held.labels) != shares.owner(&share.labels)))
}

/// The home of the group. Without it nothing is created, resumed or grown.
///
/// # Errors
/// It does not answer, or the provider does not have it.
pub(super) fn home(group: &Membership) -> Result<(Host, GroupRef), Error> {
    group.home().cloned().zip(group.reference()).ok_or_else(|| Error::NoHome {
        group: group.name.clone(),
        key: group.found.as_ref().map(|found| found.home_key().to_owned()).unwrap_or_default(),
        unreachable: group.found.iter().flat_map(|found| found.unreachable.clone()).collect(),
    })
}

/// Gives back what the virtual cluster of a claimed record holds: the capacity, then the quota. A quota whose home cannot be asked
/// is cleared of it later, when somebody would be refused because of it. The record says first that it holds nothing any more:
/// whoever rebuilds a ledger meanwhile must not enter it again.
pub(super) async fn release(fleet: &Fleet, host: &Host, claim: &Claim) -> Result<(), RecordError> {
    let (record, owner) = (claim.record(), &claim.owner());
    claim.update(|record| record.share = None).await?;
    let drop_entry = |book: LedgerBook, key: String| async move {
        let released = book.change(|ledger| {
            for record in [Some(&owner.record), owner.former.as_ref()].into_iter().flatten() {
                ledger.release(&key, record);
            }
            Ok::<(), Infallible>(())
        });
        match released.await {
            Ok(_) | Err(LedgerError::Missing { .. }) => Ok(()),
            Err(LedgerError::Store(error)) => Err(error),
        }
    };
    drop_entry(LedgerBook::capacity(host), record.namespace.clone()).await?;
    fleet.planned.accounting().gone(&record.host_uid, &record.namespace);
    // One that was cut off behind that write has its group in its spec still.
    let group = record.share.as_ref().and_then(|share| share.group.as_deref());
    let Some(group) = group.or_else(|| record.spec["cluster_group"].as_str()) else { return Ok(()) };
    let found = fleet.group(group).await;
    let Ok(group) = found.map_err(|error| tracing::debug!(%error, "no quota to give back to")) else { return Ok(()) };
    let Some(home) = group.home() else {
        tracing::warn!("the home of the group does not answer; the share of its quota is given back later");
        return Ok(());
    };
    let reference = GroupRef { name: group.newest.record.name.clone(), id: group.newest.record.id.clone() };
    let quota = LedgerBook::quota(home, reference);
    Ok(drop_entry(quota, quota_key(&record.host_uid, &record.namespace)).await?)
}

/// Charges a virtual cluster that somebody has resumed with the CLI, as soon as it is seen. It runs, whether there is room
/// or not.
pub async fn charge_resumed(host: &Host, stored: &Stored) {
    if !stored.record.share.as_ref().is_some_and(|share| share.load.paused) {
        return;
    }
    let ledger = LedgerBook::capacity(host);
    let charged = ledger.change(|ledger| {
        let entry = ledger.entries.get_mut(&stored.record.namespace);
        if let Some(entry) = entry.filter(|entry| entry.record == stored.uid()) {
            entry.load.paused = false;
        }
        Ok::<(), Infallible>(())
    });
    if let Err(error) = charged.await {
        tracing::debug!(%error, "a resumed virtual cluster could not be charged; the next apply does");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::Extended;
    use crate::domain::shares::Labels;
    use crate::domain::size::Size;
    use crate::domain::transition::Load;

    #[test]
    fn while_one_share_becomes_another_the_larger_of_each_is_held() {
        let share = |cpu: &str, storage: &str, paused| Share {
            group: None,
            labels: Labels::new(),
            load: Load {
                size: Size { cpu: cpu.parse().unwrap(), storage: storage.parse().unwrap(), ..Size::ZERO },
                extended: Extended::new(),
                paused,
            },
        };
        let (small, large) = (share("3", "5Gi", true), share("4", "2Gi", false));
        assert_eq!(during(Some(&small), &large), share("4", "5Gi", false));
        assert_eq!(during(Some(&large), &small), share("4", "5Gi", false));
        assert_eq!(during(None, &small), small);
    }
}
