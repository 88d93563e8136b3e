//! Creating a group: the authority in phase creating, then the other hosts, then all of them ready.
//!
//! Rule: a creation that was cut off is taken over only when its record has stopped changing, and a complete group never.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::{
    Applied, Apply, Failed, Problem, by_uid, check_version, keep_archive, on_each, problem, put, release_archives,
};
use crate::domain::random;
use crate::host::groups::{GroupPhase, GroupRecord, Groups, StoredGroup};
use crate::host::lease;
use crate::host::store::StoreError;
use crate::provider::chart::ChartAccess;
use crate::provider::cluster_group::members::{self, Member};
use crate::provider::cluster_group::model::{ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::cluster_group::plan::host_keys;
use crate::provider::cluster_group::spec::GroupSpec;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, diagnostic};

/// How long to wait for hosts that the group does not have, only to see whether they know its name.
const COURTESY: Duration = Duration::from_secs(5);

impl Apply<'_> {
    /// Creates a group on all of its hosts, or leaves nothing of it.
    pub async fn create(mut self, mut planned: ClusterGroupModel, config: &ClusterGroupModel) -> Option<Applied> {
        self.start_clock(&planned, |timeouts| &timeouts.create);
        let name = planned.name.as_ref_option()?.clone();
        let keys: Vec<String> = host_keys(&planned).into_iter().cloned().collect();
        let keys: Vec<&String> = keys.iter().collect();
        let members = members::configured(self.diags, self.configured, &keys).await?;
        let [home, followers @ ..] = members.as_slice() else { return None };
        self.check_strangers(&members, &name).await.ok()?;

        let access = ChartAccess::of(self.configured.charts(), &config.chart);
        let archive = access.get(self.diags, &planned.chart, &planned.vcluster_version).await?;
        if let Value::Value(chart) = &mut planned.chart {
            chart.digest = Value::Value(archive.digest().to_owned());
        }
        let spec = GroupSpec::of(&planned)?;
        check_version(self.diags, &archive, &spec.vcluster_version, &spec.chart_source).ok()?;
        let creating = GroupRecord {
            name: name.clone(),
            id: random::id(),
            epoch: 0,
            generation: 1,
            home: home.uid.clone(),
            hosts: by_uid(&members),
            phase: GroupPhase::Creating,
            chart_digest: spec.chart_digest.clone(),
            spec: serde_json::to_value(&spec).unwrap_or_default(),
            more: serde_json::Map::new(),
        };
        let made = {
            let bytes = archive.to_tgz().to_vec();
            let make = make(home, followers, &creating, bytes);
            self.in_time("Creating the cluster group", make).await
        };
        // Once it is made the group is there, and Terraform's state is its owner.
        let Ok(authority) = made else {
            roll_back(&members, &creating).await;
            return None;
        };
        planned.home_host_cluster = Value::Value(home.key.clone());
        planned.revision = Value::Value(spec.revision());
        let private = ClusterGroupPrivate {
            id: creating.id.clone(),
            hosts: authority.record.hosts.clone(),
            epoch: authority.record.epoch,
            more: serde_json::Map::new(),
        };
        Some((planned, private))
    }

    /// Refuses a name that another host of the provider block knows: those who name the group could mean either.
    async fn check_strangers(&mut self, members: &[Member], name: &str) -> Result<(), Failed> {
        let look = async {
            let strangers = members::strangers(self.configured, members).await;
            let ask = |member: Member| async move { (Groups::of(&member.host).get(name).await, member) };
            join_all(strangers.into_iter().map(ask)).await
        };
        // A host that has nothing to do with the group keeps nobody waiting.
        let found = tokio::time::timeout(COURTESY, look).await.unwrap_or_default();
        for (stored, member) in found {
            if let Ok(Some(stored)) = stored {
                self.diags.add_error(*exists(name, &member, &stored.record));
                return Err(Failed);
            }
        }
        Ok(())
    }
}

/// Makes the group on all hosts. Returns the home's record, which is the same on all of them.
async fn make(
    home: &Member,
    followers: &[Member],
    creating: &GroupRecord,
    archive: Vec<u8>,
) -> Result<StoredGroup, Problem> {
    let (mut authority, dead) = reserve(home, creating, None).await?;
    let dead = dead.as_deref();
    let archive = archive.as_slice();
    let prepare = async {
        keep_archive(home, &creating.chart_digest, archive).await?;
        on_each(followers, |member| async move {
            let (stored, _) = reserve(member, creating, dead).await?;
            keep_archive(member, &creating.chart_digest, archive).await?;
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
    let generation = authority.record.generation + 1;
    let ready = GroupRecord { phase: GroupPhase::Ready, generation, ..authority.record.clone() };
    // The home's is the last write: until it says so, there is no group, and nothing is asked after it.
    on_each_follower(followers, &made, &ready).await?;
    put(home, Some(&authority), &ready).await
}

async fn on_each_follower(
    followers: &[Member],
    made: &[StoredGroup],
    record: &GroupRecord,
) -> Result<Vec<StoredGroup>, Problem> {
    let write = |(member, stored)| put(member, Some(stored), record);
    join_all(std::iter::zip(followers, made).map(write)).await.into_iter().collect()
}

/// Makes the record on one host, in place of what an interrupted creation left there. Returns that one's id too. The
/// group with the id `dead` is known to be such a one.
pub(super) async fn reserve(
    member: &Member,
    record: &GroupRecord,
    dead: Option<&str>,
) -> Result<(StoredGroup, Option<String>), Problem> {
    let groups = Groups::of(&member.host);
    loop {
        if let Some(stored) = groups.create(record).await.map_err(|error| problem(&error, member))? {
            return Ok((stored, None));
        }
        let found = groups.get(&record.name).await.map_err(|error| problem(&error, member))?;
        let Some(found) = found else { continue };
        if found.record.id == record.id {
            // Our own write, whose answer was lost on the way.
            return Ok((found, None));
        }
        // A follower's record is ready before the home's is.
        let is_dead = dead == Some(found.record.id.as_str());
        if found.record.phase != GroupPhase::Creating && !is_dead {
            return Err(exists(&record.name, member, &found.record));
        }
        let stopped = match is_dead {
            true => Some(found),
            false => watch(&groups, member, &found).await?,
        };
        let Some(stopped) = stopped else { continue };
        match groups.replace(&stopped, record).await {
            Ok(stored) => return Ok((stored, Some(stopped.record.id))),
            Err(StoreError::Changed { .. }) => {}
            Err(error) => return Err(problem(&error, member)),
        }
    }
}

/// Watches an unfinished creation by this process's own clock. None if it has gone away.
async fn watch(groups: &Groups, member: &Member, seen: &StoredGroup) -> Result<Option<StoredGroup>, Problem> {
    let name = &seen.record.name;
    tracing::info!(group = name, host_cluster = member.key, "an unfinished creation stands in the way; watching it");
    let since = Instant::now();
    // A follower's record stands still while its group is made. The home's does not.
    let home = seen.record.home == member.uid;
    loop {
        sleep(lease::silence() / 15).await;
        let asked = Instant::now();
        let Some(now) = groups.get(name).await.map_err(|error| problem(&error, member))? else { return Ok(None) };
        if now.uid() != seen.uid() || now.record != seen.record {
            return Err(being_created(name, member));
        }
        let silence = if home { lease::silence() } else { lease::silence() * 2 };
        if asked.duration_since(since) >= silence {
            return Ok(Some(now));
        }
    }
}

fn being_created(name: &str, member: &Member) -> Problem {
    Box::new(diagnostic(
        AttributePath::new("name"),
        format!("Cluster group \"{name}\" is being created by another apply."),
        format!(
            "Its record on host cluster \"{}\" is being updated right now. Wait for that apply, then run this one again.",
            member.key
        ),
    ))
}

pub(super) fn exists(name: &str, member: &Member, record: &GroupRecord) -> Problem {
    let note = match record.phase {
        GroupPhase::Deleting => {
            " It is being destroyed, or a destroy was cut off: where its state is, run `terraform destroy` again."
        }
        GroupPhase::Creating | GroupPhase::Ready => "",
    };
    Box::new(diagnostic(
        AttributePath::new("name"),
        format!("Cluster group \"{name}\" exists already."),
        format!(
            "Host cluster \"{}\" has a group of that name, which was created for another state, or by an apply that was cut \
             off before it could save its state.{note} To manage it here, import it with this block (and the right resource \
             address); otherwise choose another `name`:\n\nimport {{\n  to = nested_cluster_group.{}\n  id = \"{name}\"\n}}",
            member.key,
            name.replace('-', "_")
        ),
    ))
}

/// Removes what an attempt has left, the authority last. What cannot be removed is taken over by the next attempt.
async fn roll_back(members: &[Member], creating: &GroupRecord) {
    let remove = |member: &Member| {
        let groups = Groups::of(&member.host);
        async move {
            if let Some(stored) = groups.get(&creating.name).await?.filter(|stored| stored.record.id == creating.id) {
                groups.remove(&stored).await?;
            }
            Ok::<(), StoreError>(())
        }
    };
    let [home, followers @ ..] = members else { return };
    let mut removed = join_all(followers.iter().map(remove)).await;
    removed.push(remove(home).await);
    for error in removed.into_iter().filter_map(Result::err) {
        tracing::warn!(group = creating.name, %error, "could not undo a creation");
    }
    release_archives(members, &creating.chart_digest).await;
}
