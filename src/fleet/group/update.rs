//! Updating a group: the authority first, then the other hosts, then the hosts that it has lost.
//!
//! Rule: a host goes only while it carries no virtual cluster of the group. Those are looked for before and after the
//! authority is written, and a virtual cluster's creation writes its record before it reads the authority: one of the two
//! sees the other.

use futures::future::join_all;

use super::copies::{self, Copy};
use super::create::{exists, reserve};
use super::destroy::refuse;
use super::error::{Doing, Error, Errors, Prevented};
use super::look::{forgotten, look, recall, with_archives};
use super::members::{Member, configured, remembered};
use super::spec::GroupSpec;
use super::{ChartSource, Known, Operation, Written, by_uid, put};
use crate::fleet::notice::Notice;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::formats::renewed;
use crate::host::groups::{GroupPhase, GroupRecord, Groups, StoredGroup};
use crate::host::ledgers::{GroupRef, LedgerBook};

/// A group that is to be changed.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// What it is to be.
    pub spec: GroupSpec,
    /// What the state knows of it.
    pub known: Known,
}

/// The group's hosts before and after, as they were read.
struct Hosts {
    /// Those that the group is to have, and what they hold.
    kept: Vec<(Member, Copy, Option<StoredGroup>)>,
    /// Those that it loses, as far as they answer.
    lost: Vec<(Member, Option<StoredGroup>)>,
}

impl Hosts {
    fn lost(&self) -> Vec<Member> {
        self.lost.iter().map(|(member, _)| member.clone()).collect()
    }
}

/// One step of a change, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// No host that is to go carries a virtual cluster.
    CheckLeaving,
    /// A ledger of an earlier time as the home goes. The first reservation makes it from the records.
    RemoveOldLedger,
    /// The home's record says what the group is.
    WriteAuthority,
    /// Still none carries one: one may have come in between.
    CheckLeavingAgain,
    /// What was written is taken back, because one came in between.
    Restore,
    /// The other hosts follow.
    WriteFollowers,
    /// What the hosts hold that are lost goes: the ledger of the former home, the records.
    CleanLost,
    /// Their chart archives go, too.
    ReleaseArchives,
}

/// The step that follows `last`, which `failed` or did not; `moves` says that the home moves. None after the last one.
fn next(moves: bool, last: Option<Step>, failed: bool) -> Option<Step> {
    match (last, failed) {
        (None, _) => Some(Step::CheckLeaving),
        (Some(Step::CheckLeavingAgain), true) => Some(Step::Restore),
        (Some(Step::Restore | Step::ReleaseArchives), _) | (Some(_), true) => None,
        (Some(Step::CheckLeaving), false) if moves => Some(Step::RemoveOldLedger),
        (Some(Step::CheckLeaving | Step::RemoveOldLedger), false) => Some(Step::WriteAuthority),
        (Some(Step::WriteAuthority), false) => Some(Step::CheckLeavingAgain),
        (Some(Step::CheckLeavingAgain), false) => Some(Step::WriteFollowers),
        (Some(Step::WriteFollowers), false) => Some(Step::CleanLost),
        (Some(Step::CleanLost), false) => Some(Step::ReleaseArchives),
    }
}

/// What the record of a group becomes that is to have these hosts and this spec. The home moves only when its host is lost, to the
/// first of the others. None if there is no other.
fn desired(base: &GroupRecord, kept: &[Member], spec: &GroupSpec) -> Option<GroupRecord> {
    let stays = kept.iter().any(|member| member.uid == base.home);
    let home = kept.iter().find(|member| !stays || member.uid == base.home)?;
    Some(GroupRecord {
        name: base.name.clone(),
        id: base.id.clone(),
        epoch: base.epoch + u64::from(!stays),
        generation: base.generation + 1,
        home: home.uid.clone(),
        hosts: by_uid(kept),
        phase: GroupPhase::Ready,
        chart_digest: spec.chart_digest.clone(),
        spec: renewed(&base.spec, spec),
        more: base.more.clone(),
    })
}

/// Makes the group on its hosts what is asked. After an error that came while it was written, what may be left comes back, and the next
/// update finishes the work.
pub async fn update(
    fleet: &Fleet,
    limits: Limits,
    asked: Asked,
    source: &mut dyn ChartSource,
) -> Outcome<Written, Error> {
    let mut operation = Operation::new(fleet, limits);
    match operation.update(asked, source).await {
        Ok((written, Errors(errors))) => Outcome { left: Some(written), errors, notices: operation.notices },
        Err(errors) => operation.outcome(Err(errors)),
    }
}

impl Operation<'_> {
    async fn update(&mut self, asked: Asked, source: &mut dyn ChartSource) -> Result<(Written, Errors), Errors> {
        let Asked { name, spec, known } = asked;
        let known = recall(self.fleet, &name, known).await?;
        let hosts = self.hosts(&known, &name, &spec).await?;
        let base = base(&hosts, &known, &name)?;
        let foreign =
            |stored: &&StoredGroup| stored.record.id != base.id && stored.record.phase != GroupPhase::Creating;
        for (member, _, stored) in &hosts.kept {
            if let Some(other) = stored.as_ref().filter(foreign) {
                return Err(exists(&name, member, &other.record).into());
            }
        }
        let kept: Vec<Member> = hosts.kept.iter().map(|(member, _, _)| member.clone()).collect();
        let desired = desired(&base, &kept, &spec).ok_or(Error::NoHome)?;
        let archive = self.archive(&hosts, &spec, source).await?;
        let errors = self.write(&hosts, &base, &desired, archive.as_deref()).await;
        let home = desired.hosts.get(&desired.home).cloned().unwrap_or_default();
        let mut after = Known { id: desired.id, hosts: desired.hosts, epoch: desired.epoch };
        let is_whole = errors.0.is_empty();
        if !is_whole {
            // Nothing of what may be left is forgotten.
            let mut all = known.hosts;
            all.extend(after.hosts);
            after.hosts = all;
        }
        Ok((Written { known: after, spec, home, is_whole }, errors))
    }

    /// All hosts that the group has, is to have, or still is on.
    async fn hosts(&mut self, known: &Known, name: &str, spec: &GroupSpec) -> Result<Hosts, Errors> {
        let keys: Vec<String> = spec.host_clusters.keys().cloned().collect();
        let kept = configured(&self.fleet.connections, &keys).await?;
        let is_kept = |uid: &String| kept.iter().any(|member| &member.uid == uid);
        // Only the hosts that are to go: those that stay are asked by their new keys.
        let leaving = Known {
            hosts: known.hosts.clone().into_iter().filter(|(uid, _)| !is_kept(uid)).collect(),
            ..known.clone()
        };
        let remembered = remembered(&self.fleet.connections, &leaving).await?;
        if remembered.unknown {
            return Err(Error::SomeHostUnknown { leaves: true }.into());
        }
        self.notices.extend(remembered.missing.into_values().map(|key| Notice::LeavesUnseen { key }));
        // A former home may have come back, with a record that is out of date.
        let mut lost = remembered.members;
        let both: Vec<Member> = kept.iter().chain(&lost).cloned().collect();
        lost.extend(forgotten(self.fleet, &both, name, &known.id).await);
        let read_kept = look(&kept, name).await?;
        let read_lost = look(&lost, name).await?;
        let (copies, stored): (Vec<Copy>, Vec<_>) = read_kept.into_iter().unzip();
        let copies = with_archives(self.fleet, &kept, copies, &spec.chart_digest).await?;
        let kept = kept.into_iter().zip(copies).zip(stored).map(|((member, copy), stored)| (member, copy, stored));
        let lost = lost.into_iter().zip(read_lost).map(|(member, (_, stored))| (member, stored));
        Ok(Hosts { kept: kept.collect(), lost: lost.collect() })
    }

    /// The chart archive, where a host lacks it: from another host, or else from the source with the very same digest.
    async fn archive(
        &self,
        hosts: &Hosts,
        spec: &GroupSpec,
        source: &mut dyn ChartSource,
    ) -> Result<Option<Vec<u8>>, Error> {
        if hosts.kept.iter().all(|(_, copy, _)| copy.archive) {
            return Ok(None);
        }
        let holders = hosts.kept.iter().filter(|(_, copy, _)| copy.archive).map(|(member, _, _)| member);
        let all: Vec<Member> = holders.chain(hosts.lost.iter().map(|(member, _)| member)).cloned().collect();
        let kept = self.in_time(Doing::ReadArchive, self.kept_archive(&all, &spec.chart_digest)).await?;
        match kept {
            Some(archive) => Ok(Some(archive)),
            None => Ok(Some(source.get().await?.archive)),
        }
    }

    async fn write(
        &mut self,
        hosts: &Hosts,
        base: &GroupRecord,
        desired: &GroupRecord,
        archive: Option<&[u8]>,
    ) -> Errors {
        let lost = hosts.lost();
        let Some((home, _, before)) = hosts.kept.iter().find(|(member, _, _)| member.uid == desired.home) else {
            return Error::NoHome.into();
        };
        let quota = GroupRef { name: desired.name.clone(), id: desired.id.clone() };
        let moves = base.home != desired.home;
        let (mut last, mut errors, mut authority) = (None, Errors::default(), None);
        while let Some(step) = next(moves, last, !errors.0.is_empty()) {
            let done = match step {
                Step::CheckLeaving | Step::CheckLeavingAgain => self.check_leaving(&lost, &desired.name).await,
                Step::RemoveOldLedger => {
                    let ledger = LedgerBook::quota(&home.host, quota.clone());
                    let removed = async { ledger.remove().await.map_err(|error| home.failed(error)) };
                    self.in_time(Doing::Update, removed).await
                }
                Step::WriteAuthority => {
                    let write = self.write_on(home, before.as_ref(), desired, archive);
                    self.in_time(Doing::Update, write).await.map(|written| authority = Some(written))
                }
                Step::Restore => {
                    if let Some(written) = &authority {
                        errors.0.extend(restore(hosts, base, written).await.0);
                    }
                    Ok(())
                }
                Step::WriteFollowers => {
                    let followers = hosts.kept.iter().filter(|(member, _, _)| member.uid != desired.home);
                    let write =
                        followers.map(|(member, _, stored)| self.write_on(member, stored.as_ref(), desired, archive));
                    let written = async {
                        let written: Result<Vec<_>, _> = join_all(write).await.into_iter().collect();
                        written.map(drop)
                    };
                    self.in_time(Doing::Update, written).await
                }
                Step::CleanLost => self.in_time(Doing::Update, clean(hosts, base, desired, &quota)).await,
                Step::ReleaseArchives => {
                    self.release_archives(&lost, &desired.chart_digest).await;
                    Ok(())
                }
            };
            errors.0.extend(done.err());
            last = Some(step);
        }
        errors
    }

    async fn check_leaving(&mut self, lost: &[Member], name: &str) -> Result<(), Error> {
        refuse(self.carried(lost, name).await?, name, Prevented::Leaving)
    }

    /// Writes the record on one host of the group, and the archive beside it where it is missing.
    async fn write_on(
        &self,
        member: &Member,
        stored: Option<&StoredGroup>,
        desired: &GroupRecord,
        archive: Option<&[u8]>,
    ) -> Result<StoredGroup, Error> {
        let foreign = stored.filter(|stored| stored.record.id != desired.id);
        let written = match foreign {
            None => put(member, stored, desired).await?,
            Some(foreign) if foreign.record.phase == GroupPhase::Creating => reserve(member, desired, None).await?.0,
            Some(foreign) => return Err(exists(&desired.name, member, &foreign.record)),
        };
        if let Some(archive) = archive {
            self.keep_archive(member, &desired.chart_digest, archive).await?;
        }
        Ok(written)
    }
}

/// The record that decides what the group is now.
fn base(hosts: &Hosts, known: &Known, name: &str) -> Result<GroupRecord, Error> {
    let lost = hosts.lost.iter().map(|(member, stored)| Copy {
        uid: member.uid.clone(),
        key: member.key.clone(),
        record: stored.as_ref().map(|stored| stored.record.clone()),
        archive: true,
    });
    let copies: Vec<Copy> = hosts.kept.iter().map(|(_, copy, _)| copy.clone()).chain(lost).collect();
    let authority = copies::authority(&copies, &known.id, Some(known.epoch));
    authority.cloned().ok_or_else(|| Error::Gone { name: name.to_owned() })
}

/// Takes back what was written on the home, because a virtual cluster came in between.
async fn restore(hosts: &Hosts, base: &GroupRecord, written: &StoredGroup) -> Errors {
    let mut errors = Errors::default();
    let moved = base.home != written.record.home;
    let restored = GroupRecord {
        epoch: written.record.epoch + u64::from(moved),
        generation: written.record.generation + 1,
        ..base.clone()
    };
    let home = hosts.kept.iter().find(|(member, _, _)| member.uid == written.record.home);
    if let Some((home, _, _)) = home {
        errors.0.extend(put(home, Some(written), &restored).await.err());
    }
    if let Some((member, stored)) = hosts.lost.iter().find(|(member, _)| moved && member.uid == base.home) {
        errors.0.extend(put(member, stored.as_ref(), &restored).await.err());
    }
    errors
}

/// Removes what the hosts hold that the group has lost.
async fn clean(hosts: &Hosts, base: &GroupRecord, desired: &GroupRecord, quota: &GroupRef) -> Result<(), Error> {
    for (member, stored) in &hosts.lost {
        if member.uid == base.home {
            let removed = LedgerBook::quota(&member.host, quota.clone()).remove().await;
            removed.map_err(|error| member.failed(error))?;
        }
        if let Some(stored) = stored.as_ref().filter(|stored| stored.record.id == desired.id) {
            Groups::of(&member.host).remove(stored).await.map_err(|error| member.failed(error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::*;

    #[track_caller]
    fn check(moves: bool, fails_at: Option<Step>, expected: &[Step]) {
        let (mut steps, mut failed) = (Vec::new(), false);
        while let Some(step) = next(moves, steps.last().copied(), failed) {
            steps.push(step);
            failed |= Some(step) == fails_at;
        }
        assert_eq!(steps, expected);
    }

    const WHOLE: [Step; 6] =
        [CheckLeaving, WriteAuthority, CheckLeavingAgain, WriteFollowers, CleanLost, ReleaseArchives];

    #[test]
    fn the_authority_is_written_before_the_others_follow() {
        check(false, None, &WHOLE);
    }

    #[test]
    fn a_new_home_begins_without_a_ledger_of_an_earlier_time() {
        let [first, rest @ ..] = WHOLE;
        check(true, None, &[&[first, RemoveOldLedger], rest.as_slice()].concat());
    }

    #[test]
    fn a_virtual_cluster_that_came_in_between_keeps_the_host() {
        check(false, Some(CheckLeavingAgain), &[CheckLeaving, WriteAuthority, CheckLeavingAgain, Restore]);
        check(false, Some(CheckLeaving), &[CheckLeaving]);
    }

    #[test]
    fn what_fails_on_the_way_stops_there_for_the_next_apply() {
        for (index, step) in WHOLE.into_iter().enumerate().filter(|(_, step)| *step != CheckLeavingAgain) {
            check(false, Some(step), &WHOLE[..=index]);
        }
    }
}
