//! Creating a group: the authority in phase creating, then the other hosts, then all of them ready.
//!
//! Rule: a creation that was cut off is taken over only when its record has stopped changing, and a complete group never.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Map;
use tokio::time::{Instant, sleep};

use super::error::{Doing, Error, Errors};
use super::members::{Member, configured, strangers};
use super::spec::GroupSpec;
use super::{Chart, ChartSource, Known, Operation, Written, by_uid, on_each, put};
use crate::domain::random;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::groups::{GroupPhase, GroupRecord, Groups, StoredGroup};
use crate::host::lease::{self, Verdict};
use crate::host::store::StoreError;

/// How long to wait for hosts that the group does not have, only to see whether they know its name.
const COURTESY: Duration = Duration::from_secs(5);

/// A group that is to be created.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its name.
    pub name: String,
    /// What it is to be. Its chart's digest is found out.
    pub spec: GroupSpec,
}

/// One step of a creation, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// No other host of the provider block knows the name: those who name the group could mean either.
    CheckStrangers,
    /// The chart comes from its source.
    GetChart,
    /// The home has the record, in phase creating, and the other hosts after it, all with the archive.
    Reserve,
    /// The followers say that it is ready.
    ReadyFollowers,
    /// The home says so, with the last write: until then there is no group, and nothing is asked after it.
    ReadyHome,
    /// What the attempt has left is removed.
    RollBack,
}

/// The step that follows `last`, which `failed` or did not. None after the last one.
fn next(last: Option<Step>, failed: bool) -> Option<Step> {
    match (last, failed) {
        (None, _) => Some(Step::CheckStrangers),
        (Some(Step::CheckStrangers | Step::GetChart), true) => None,
        (Some(Step::CheckStrangers), false) => Some(Step::GetChart),
        (Some(Step::GetChart), false) => Some(Step::Reserve),
        (Some(Step::Reserve), false) => Some(Step::ReadyFollowers),
        (Some(Step::ReadyFollowers), false) => Some(Step::ReadyHome),
        (Some(Step::Reserve | Step::ReadyFollowers | Step::ReadyHome), true) => Some(Step::RollBack),
        (Some(Step::ReadyHome), false) | (Some(Step::RollBack), _) => None,
    }
}

/// What was seen of a record that is in the way of a group's on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InTheWay {
    /// It is of the very group that is to be written: our own write, whose answer was lost on the way.
    is_ours: bool,
    phase: GroupPhase,
    /// It is of a creation that is known to be dead. A follower's record is ready before the home's is.
    is_known_dead: bool,
    /// What its signs of life have shown.
    life: Verdict,
}

/// What comes next with a record in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clear {
    /// Nothing is in the way.
    Nothing,
    /// A group of that name exists.
    RefuseExisting,
    /// It is watched.
    Watch,
    /// Another apply is creating a group of that name.
    RefuseBeingCreated,
    /// It is written over.
    Replace,
}

impl InTheWay {
    /// What comes next.
    fn next(self) -> Clear {
        match self.phase {
            _ if self.is_ours => Clear::Nothing,
            _ if self.is_known_dead => Clear::Replace,
            GroupPhase::Ready | GroupPhase::Deleting => Clear::RefuseExisting,
            GroupPhase::Creating => match self.life {
                Verdict::Open => Clear::Watch,
                Verdict::Alive => Clear::RefuseBeingCreated,
                Verdict::Dead => Clear::Replace,
            },
        }
    }
}

/// Creates a group on all of its hosts, or leaves nothing of it.
pub async fn create(
    fleet: &Fleet,
    limits: Limits,
    asked: Asked,
    source: &mut dyn ChartSource,
) -> Outcome<Written, Error> {
    let mut operation = Operation::new(fleet, limits);
    let done = operation.create(asked, source).await;
    operation.outcome(done)
}

/// A group under way to its hosts.
struct Creation {
    members: Vec<Member>,
    /// The record in phase creating, once there is a chart for it.
    creating: Option<GroupRecord>,
    archive: Vec<u8>,
    /// The home's record, and those of the followers, as they were written last.
    authority: Option<StoredGroup>,
    followers: Vec<StoredGroup>,
}

impl Operation<'_> {
    async fn create(&mut self, asked: Asked, source: &mut dyn ChartSource) -> Result<Written, Errors> {
        let Asked { name, mut spec } = asked;
        let keys: Vec<String> = spec.host_clusters.keys().cloned().collect();
        let members = configured(&self.fleet.connections, &keys).await?;
        let mut creation =
            Creation { members, creating: None, archive: Vec::new(), authority: None, followers: Vec::new() };
        let (mut last, mut error) = (None, None);
        while let Some(step) = next(last, error.is_some()) {
            let done = match step {
                Step::CheckStrangers => self.check_strangers(&creation.members, &name).await,
                Step::GetChart => get_chart(&mut creation, &name, &mut spec, source).await,
                Step::Reserve => self.in_time(Doing::Create, self.reserve_all(&mut creation)).await,
                Step::ReadyFollowers => self.in_time(Doing::Create, ready_followers(&mut creation)).await,
                Step::ReadyHome => self.in_time(Doing::Create, ready_home(&mut creation)).await,
                Step::RollBack => {
                    self.roll_back(&creation).await;
                    Ok(())
                }
            };
            error = error.or(done.err());
            last = Some(step);
        }
        match (error, creation.authority, creation.members.first()) {
            (Some(error), ..) => Err(error.into()),
            // Once it is made the group is there, and Terraform's state is its owner.
            (None, Some(StoredGroup { record, .. }), Some(home)) => {
                let known = Known { id: record.id, hosts: record.hosts, epoch: record.epoch };
                Ok(Written { known, spec, home: home.key.clone(), is_whole: true })
            }
            (None, ..) => Err(Error::NoHome.into()),
        }
    }

    /// Refuses a name that another host of the provider block knows.
    async fn check_strangers(&self, members: &[Member], name: &str) -> Result<(), Error> {
        let look = async {
            let strangers = strangers(&self.fleet.connections, members).await;
            let ask = |member: Member| async move { (Groups::of(&member.host).get(name).await, member) };
            join_all(strangers.into_iter().map(ask)).await
        };
        // A host that has nothing to do with the group keeps nobody waiting.
        let found = tokio::time::timeout(COURTESY, look).await.unwrap_or_default();
        let known = found.into_iter().find_map(|(stored, member)| Some((stored.ok().flatten()?, member)));
        match known {
            Some((stored, member)) => Err(exists(name, &member, &stored.record)),
            None => Ok(()),
        }
    }

    /// Reserves the name on all hosts, the home first, and keeps the archive there. The home's record beats meanwhile.
    async fn reserve_all(&self, creation: &mut Creation) -> Result<(), Error> {
        let (Some(creating), [home, followers @ ..]) = (&creation.creating, creation.members.as_slice()) else {
            return Err(Error::NoHome);
        };
        let (mut authority, dead) = reserve(home, creating, None).await?;
        let (digest, archive, dead) = (&creating.chart_digest, creation.archive.as_slice(), dead.as_deref());
        let prepare = async {
            self.keep_archive(home, digest, archive).await?;
            on_each(followers, |member| async move {
                let (stored, _) = reserve(member, creating, dead).await?;
                self.keep_archive(member, digest, archive).await?;
                Ok(stored)
            })
            .await
        };
        tokio::pin!(prepare);
        let made = loop {
            tokio::select! {
                biased;
                made = &mut prepare => break made?,
                () = sleep(lease::beat()) => {
                    let next = GroupRecord { generation: authority.record.generation + 1, ..authority.record.clone() };
                    authority = put(home, Some(&authority), &next).await?;
                }
            }
        };
        (creation.authority, creation.followers) = (Some(authority), made);
        Ok(())
    }

    /// Removes what an attempt has left, the authority last. What cannot be removed is taken over by the next attempt.
    async fn roll_back(&self, creation: &Creation) {
        let (Some(creating), [home, followers @ ..]) = (&creation.creating, creation.members.as_slice()) else {
            return;
        };
        let remove = |member: &Member| {
            let groups = Groups::of(&member.host);
            async move {
                if let Some(stored) = groups.get(&creating.name).await?.filter(|stored| stored.record.id == creating.id)
                {
                    groups.remove(&stored).await?;
                }
                Ok::<(), StoreError>(())
            }
        };
        let mut removed = join_all(followers.iter().map(remove)).await;
        removed.push(remove(home).await);
        for error in removed.into_iter().filter_map(Result::err) {
            tracing::warn!(group = creating.name, %error, "could not undo a creation");
        }
        self.release_archives(&creation.members, &creating.chart_digest).await;
    }
}

/// Gets the chart, and makes the record of the group that has it.
async fn get_chart(
    creation: &mut Creation,
    name: &str,
    spec: &mut GroupSpec,
    source: &mut dyn ChartSource,
) -> Result<(), Error> {
    let Chart { digest, archive } = source.get().await?;
    let home = creation.members.first().ok_or(Error::NoHome)?;
    spec.chart_digest.clone_from(&digest);
    creation.creating = Some(GroupRecord {
        name: name.to_owned(),
        id: random::id(),
        epoch: 0,
        generation: 1,
        home: home.uid.clone(),
        hosts: by_uid(&creation.members),
        phase: GroupPhase::Creating,
        chart_digest: digest,
        spec: serde_json::to_value(&*spec).unwrap_or_default(),
        more: Map::new(),
    });
    creation.archive = archive;
    Ok(())
}

/// The record that says that the group is ready, after this one of the home.
fn ready(authority: &GroupRecord) -> GroupRecord {
    GroupRecord { phase: GroupPhase::Ready, generation: authority.generation + 1, ..authority.clone() }
}

async fn ready_followers(creation: &mut Creation) -> Result<(), Error> {
    let (Some(authority), [_, followers @ ..]) = (&creation.authority, creation.members.as_slice()) else {
        return Err(Error::NoHome);
    };
    let ready = ready(&authority.record);
    let write = |(member, stored)| put(member, Some(stored), &ready);
    let written = join_all(std::iter::zip(followers, &creation.followers).map(write)).await;
    written.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
}

async fn ready_home(creation: &mut Creation) -> Result<(), Error> {
    let (Some(authority), Some(home)) = (&creation.authority, creation.members.first()) else {
        return Err(Error::NoHome);
    };
    let written = put(home, Some(authority), &ready(&authority.record)).await?;
    creation.authority = Some(written);
    Ok(())
}

/// Makes the record on one host, in place of what an interrupted creation left there. Returns that one's id too. The
/// group with the id `dead` is known to be such a one.
pub(super) async fn reserve(
    member: &Member,
    record: &GroupRecord,
    dead: Option<&str>,
) -> Result<(StoredGroup, Option<String>), Error> {
    let groups = Groups::of(&member.host);
    loop {
        if let Some(stored) = groups.create(record).await.map_err(|error| member.failed(error))? {
            return Ok((stored, None));
        }
        let found = groups.get(&record.name).await.map_err(|error| member.failed(error))?;
        let Some(mut found) = found else { continue };
        let mut life = Verdict::Open;
        loop {
            let GroupRecord { id, phase, .. } = &found.record;
            let is_known_dead = dead == Some(id.as_str());
            match (InTheWay { is_ours: *id == record.id, phase: *phase, is_known_dead, life }).next() {
                Clear::Nothing => return Ok((found, None)),
                Clear::RefuseExisting => return Err(exists(&record.name, member, &found.record)),
                Clear::RefuseBeingCreated => {
                    return Err(Error::BeingCreated { name: record.name.clone(), key: member.key.clone() });
                }
                Clear::Watch => match watch(&groups, member, &found).await? {
                    Some((now, verdict)) => (found, life) = (now, verdict),
                    None => break,
                },
                Clear::Replace => match groups.replace(&found, record).await {
                    Ok(stored) => return Ok((stored, Some(found.record.id))),
                    Err(StoreError::Changed { .. }) => break,
                    Err(error) => return Err(member.failed(error)),
                },
            }
        }
    }
}

/// Watches an unfinished creation by this process's own clock, until it is clear whether it is alive. None if it has gone away.
async fn watch(groups: &Groups, member: &Member, seen: &StoredGroup) -> Result<Option<(StoredGroup, Verdict)>, Error> {
    let name = &seen.record.name;
    tracing::info!(group = name, host_cluster = member.key, "an unfinished creation stands in the way; watching it");
    let since = Instant::now();
    // A follower's record stands still while its group is made. The home's does not.
    let home = seen.record.home == member.uid;
    let silence = if home { lease::silence() } else { lease::silence() * 2 };
    loop {
        sleep(lease::silence() / 15).await;
        let asked = Instant::now();
        let Some(now) = groups.get(name).await.map_err(|error| member.failed(error))? else { return Ok(None) };
        let moved = now.uid() != seen.uid() || now.record != seen.record;
        match lease::judge(moved, asked.duration_since(since), silence) {
            Verdict::Open => {}
            // Whatever it says by now, somebody is at it.
            Verdict::Alive => return Ok(Some((seen.clone(), Verdict::Alive))),
            Verdict::Dead => return Ok(Some((now, Verdict::Dead))),
        }
    }
}

/// A group of that name is there.
pub(super) fn exists(name: &str, member: &Member, record: &GroupRecord) -> Error {
    Error::Exists { name: name.to_owned(), key: member.key.clone(), phase: record.phase }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::*;

    #[track_caller]
    fn check_steps(fails_at: Option<Step>, expected: &[Step]) {
        let (mut steps, mut failed) = (Vec::new(), false);
        while let Some(step) = next(steps.last().copied(), failed) {
            steps.push(step);
            failed |= Some(step) == fails_at;
        }
        assert_eq!(steps, expected);
    }

    #[test]
    fn the_home_says_first_that_a_group_is_made_and_last_that_it_is() {
        check_steps(None, &[CheckStrangers, GetChart, Reserve, ReadyFollowers, ReadyHome]);
    }

    #[test]
    fn what_an_attempt_has_written_is_taken_back() {
        check_steps(Some(CheckStrangers), &[CheckStrangers]);
        check_steps(Some(GetChart), &[CheckStrangers, GetChart]);
        check_steps(Some(Reserve), &[CheckStrangers, GetChart, Reserve, RollBack]);
        check_steps(Some(ReadyHome), &[CheckStrangers, GetChart, Reserve, ReadyFollowers, ReadyHome, RollBack]);
    }

    const CREATING: InTheWay =
        InTheWay { is_ours: false, phase: GroupPhase::Creating, is_known_dead: false, life: Verdict::Open };

    #[track_caller]
    fn check(seen: InTheWay, expected: Clear) {
        assert_eq!(seen.next(), expected, "{seen:?}");
    }

    #[test]
    fn an_unfinished_creation_is_written_over_only_when_it_is_dead() {
        check(CREATING, Clear::Watch);
        check(InTheWay { life: Verdict::Alive, ..CREATING }, Clear::RefuseBeingCreated);
        check(InTheWay { life: Verdict::Dead, ..CREATING }, Clear::Replace);
    }

    #[test]
    fn a_complete_group_is_refused_unless_it_is_of_a_dead_creation() {
        for phase in [GroupPhase::Ready, GroupPhase::Deleting] {
            check(InTheWay { phase, ..CREATING }, Clear::RefuseExisting);
            check(InTheWay { phase, is_known_dead: true, ..CREATING }, Clear::Replace);
            check(InTheWay { phase, is_ours: true, ..CREATING }, Clear::Nothing);
        }
    }
}
