//! Destroying a group: refused while it has virtual clusters, the authority goes last.

use std::convert::Infallible;

use futures::future::join_all;

use super::carried::Carried;
use super::copies::{self, Copy};
use super::error::{Doing, Error, Errors, Prevented};
use super::look::{forgotten, look, recall};
use super::members::{Member, remembered};
use super::{Known, Operation, on_each, put};
use crate::fleet::notice::Notice;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::groups::{GroupPhase, GroupRecord, Groups, StoredGroup};
use crate::host::ledgers::{GroupRef, LedgerBook, LedgerError, recorded};

/// One step of a destroy, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is no virtual cluster.
    CheckEmpty,
    /// The authority says that the group is being deleted: whoever creates a virtual cluster from then on sees it.
    MarkDeleting,
    /// There is still none: one may have come in between.
    CheckEmptyAgain,
    /// The authority says again that the group is ready, because one came in between.
    TakeBack,
    /// The followers' records go.
    RemoveFollowers,
    /// The ledgers of the quota go.
    RemoveLedgers,
    /// The authority goes.
    RemoveAuthority,
    /// The chart archives go that nobody needs any more.
    ReleaseArchives,
}

/// The step that follows `last`, which `failed` or did not. None after the last one.
fn next(last: Option<Step>, failed: bool) -> Option<Step> {
    match (last, failed) {
        (None, _) => Some(Step::CheckEmpty),
        (Some(Step::CheckEmptyAgain), true) => Some(Step::TakeBack),
        (Some(Step::TakeBack | Step::ReleaseArchives), _) | (Some(_), true) => None,
        (Some(Step::CheckEmpty), false) => Some(Step::MarkDeleting),
        (Some(Step::MarkDeleting), false) => Some(Step::CheckEmptyAgain),
        (Some(Step::CheckEmptyAgain), false) => Some(Step::RemoveFollowers),
        (Some(Step::RemoveFollowers), false) => Some(Step::RemoveLedgers),
        (Some(Step::RemoveLedgers), false) => Some(Step::RemoveAuthority),
        (Some(Step::RemoveAuthority), false) => Some(Step::ReleaseArchives),
    }
}

/// Removes the group from all of its hosts.
pub async fn destroy(fleet: &Fleet, limits: Limits, name: &str, known: Known) -> Outcome<(), Error> {
    let mut operation = Operation::new(fleet, limits);
    let done = operation.destroy(name, known).await;
    operation.outcome(done)
}

impl Operation<'_> {
    async fn destroy(&mut self, name: &str, known: Known) -> Result<(), Errors> {
        let known = recall(self.fleet, name, known).await?;
        let remembered = remembered(&self.fleet.connections, &known).await?;
        if remembered.unknown {
            return Err(Error::SomeHostUnknown { leaves: false }.into());
        }
        for key in remembered.missing.into_values() {
            self.notices.push(Notice::KeepsRecord { key, group: name.to_owned() });
        }
        let mut hosts = remembered.members;
        hosts.extend(forgotten(self.fleet, &hosts, name, &known.id).await);
        let found = look(&hosts, name).await?;
        let (copies, stored): (Vec<Copy>, Vec<Option<StoredGroup>>) = found.into_iter().unzip();
        let Some(base) = copies::authority(&copies, &known.id, Some(known.epoch)).cloned() else { return Ok(()) };
        let ours = hosts.iter().zip(stored).filter_map(|(member, stored)| {
            let stored = stored.filter(|stored| stored.record.id == base.id)?;
            Some((member.clone(), stored))
        });
        let ours: Vec<(Member, StoredGroup)> = ours.collect();
        self.remove(&hosts, ours, &base).await
    }

    async fn remove(
        &mut self,
        hosts: &[Member],
        mut ours: Vec<(Member, StoredGroup)>,
        base: &GroupRecord,
    ) -> Result<(), Errors> {
        // The newest record decides, and so it goes last. Usually it is the home's.
        ours.sort_by_key(|(member, stored)| (stored.record.age(), stored.record.home == member.uid));
        let Some((home, mut authority)) = ours.pop() else {
            return Ok(self.check_empty(hosts, &base.name).await?);
        };
        let deleting =
            GroupRecord { phase: GroupPhase::Deleting, generation: base.generation + 1, ..authority.record.clone() };
        let group = GroupRef { name: base.name.clone(), id: base.id.clone() };
        let (mut last, mut errors) = (None, Errors::default());
        while let Some(step) = next(last, !errors.0.is_empty()) {
            let done = match step {
                Step::CheckEmpty | Step::CheckEmptyAgain => self.check_empty(hosts, &base.name).await,
                Step::MarkDeleting => {
                    let marked = put(&home, Some(&authority), &deleting);
                    self.in_time(Doing::Delete, marked).await.map(|marked| authority = marked)
                }
                Step::TakeBack => {
                    let generation = deleting.generation + 1;
                    let back = GroupRecord { phase: GroupPhase::Ready, generation, ..deleting.clone() };
                    put(&home, Some(&authority), &back).await.map(drop)
                }
                Step::RemoveFollowers => {
                    let followers = ours.iter().map(|(member, stored)| async move {
                        Groups::of(&member.host).remove(stored).await.map_err(|error| member.failed(error))
                    });
                    let removed = async { join_all(followers).await.into_iter().collect::<Result<(), _>>() };
                    self.in_time(Doing::Delete, removed).await
                }
                Step::RemoveLedgers => {
                    let removed = on_each(hosts, |member| {
                        let (quota, capacity) =
                            (LedgerBook::quota(&member.host, group.clone()), LedgerBook::capacity(&member.host));
                        async move {
                            quota.remove().await.map_err(|error| member.failed(error))?;
                            // What the dead of the group have left there would stay until somebody is refused because of it.
                            let records = recorded(&member.host).await.map_err(|error| member.failed(error))?;
                            let reconciled = capacity.change(|ledger| {
                                ledger.reconcile(&records, |_| true);
                                Ok::<(), Infallible>(())
                            });
                            match reconciled.await {
                                Ok(_) | Err(LedgerError::Missing { .. }) => Ok(()),
                                Err(LedgerError::Store(error)) => Err(member.failed(error)),
                            }
                        }
                    });
                    self.in_time(Doing::Delete, removed).await.map(drop)
                }
                Step::RemoveAuthority => {
                    let groups = Groups::of(&home.host);
                    let removed = async { groups.remove(&authority).await.map_err(|error| home.failed(error)) };
                    self.in_time(Doing::Delete, removed).await
                }
                Step::ReleaseArchives => {
                    self.release_archives(hosts, &base.chart_digest).await;
                    Ok(())
                }
            };
            errors.0.extend(done.err());
            last = Some(step);
        }
        errors.or(())
    }

    async fn check_empty(&mut self, hosts: &[Member], name: &str) -> Result<(), Error> {
        refuse(self.carried(hosts, name).await?, name, Prevented::Destroy)
    }
}

/// Refuses to go on while there are virtual clusters.
pub(super) fn refuse(carried: Vec<Carried>, name: &str, prevents: Prevented) -> Result<(), Error> {
    match carried.is_empty() {
        true => Ok(()),
        false => Err(Error::Carries { name: name.to_owned(), carried, prevents }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::*;

    #[track_caller]
    fn check(fails_at: Option<Step>, expected: &[Step]) {
        let (mut steps, mut failed) = (Vec::new(), false);
        while let Some(step) = next(steps.last().copied(), failed) {
            steps.push(step);
            failed |= Some(step) == fails_at;
        }
        assert_eq!(steps, expected);
    }

    const WHOLE: [Step; 7] =
        [CheckEmpty, MarkDeleting, CheckEmptyAgain, RemoveFollowers, RemoveLedgers, RemoveAuthority, ReleaseArchives];

    #[test]
    fn the_authority_goes_last_and_only_from_an_empty_group() {
        check(None, &WHOLE);
        check(Some(CheckEmpty), &[CheckEmpty]);
    }

    #[test]
    fn a_virtual_cluster_that_came_in_between_keeps_the_group() {
        check(Some(CheckEmptyAgain), &[CheckEmpty, MarkDeleting, CheckEmptyAgain, TakeBack]);
    }

    #[test]
    fn what_fails_on_the_way_stops_there_for_the_next_destroy() {
        for (index, step) in WHOLE.into_iter().enumerate().filter(|(_, step)| *step != CheckEmptyAgain) {
            check(Some(step), &WHOLE[..=index]);
        }
    }
}
