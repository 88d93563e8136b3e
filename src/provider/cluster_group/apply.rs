//! Create, update and destroy of `nested_cluster_group`: the order of writes on the hosts, safe to stop at each of them.
//!
//! The authority is written first, and each write is a compare-and-swap. Whatever stops an apply, the newest record says what
//! the group is, and the next apply brings the others after it.

mod create;
mod destroy;
mod update;

use std::collections::BTreeMap;

use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::host::chart_archives::ArchiveError;
use crate::host::formats::Promised;
use crate::host::groups::{GroupRecord, Groups, StoredGroup};
use crate::host::record::Phase;
use crate::host::records::{Records, Stored};
use crate::host::store::StoreError;
use crate::host::{Host, lease};
use crate::provider::Configured;
use crate::provider::chart;
use crate::provider::cluster_group::members::{self, Member};
use crate::provider::cluster_group::model::{ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::explain::Explain;
use crate::provider::timeouts::{self, TimeoutsModel};
use crate::provider::virtual_cluster::reclaim;
use helm_charts::{Archive, Chart};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, Report, diagnostic, stop_token};

type Applied = (ClusterGroupModel, ClusterGroupPrivate);

/// A step failed, and its diagnostic is written.
struct Failed;

/// A step that failed, not yet said.
type Problem = Box<Diagnostic>;

/// One create, update or destroy.
pub struct Apply<'a> {
    configured: &'a Configured,
    diags: &'a mut Diagnostics,
    stop: CancellationToken,
    deadline: Instant,
}

impl<'a> Apply<'a> {
    pub fn new(configured: &'a Configured, diags: &'a mut Diagnostics) -> Self {
        Self { configured, diags, stop: stop_token(), deadline: Instant::now() }
    }

    fn start_clock(&mut self, model: &ClusterGroupModel, which: impl FnOnce(&TimeoutsModel) -> &Value<String>) {
        self.deadline = Instant::now() + timeouts::timeout(&model.timeouts, which);
    }

    /// Runs `work` until it is done, Terraform wants to stop, or the time is over.
    async fn in_time<T>(&mut self, what: &str, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Failed> {
        let stop = self.stop.clone();
        let done = tokio::select! {
            biased;
            done = tokio::time::timeout_at(self.deadline, work) => done,
            () = stop.cancelled() => {
                self.diags.fail(
                    AttributePath::new("id"),
                    "The apply was stopped.",
                    "Run `terraform apply` again: nothing is lost, and it converges.",
                );
                return Err(Failed);
            }
        };
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(problem)) => {
                self.diags.add_error(*problem);
                Err(Failed)
            }
            Err(_) => {
                self.diags.fail(
                    AttributePath::new("timeouts"),
                    format!("{what} took too long."),
                    "A host cluster answers slowly. Run `terraform apply` again, which goes on from here, or raise the timeout.",
                );
                Err(Failed)
            }
        }
    }

    /// The virtual clusters of the group `name` on these hosts. What creations have left that nobody works on any more is removed
    /// first, and what is left of those whose namespaces somebody has deleted.
    async fn carried(&mut self, members: &[Member], name: &str) -> Result<Vec<Carried>, Failed> {
        let found = self.in_time("Looking for virtual clusters", carried(members, name)).await?;
        let (stop, configured) = (self.stop.clone(), self.configured);
        let all = found.iter().filter_map(|carried| carried.stored.clone());
        let (unfinished, others): (Vec<_>, Vec<_>) = all.partition(|(_, stored)| stored.record.is_unfinished());
        let hollow = others.into_iter().map(|(host, stored)| {
            let stop = stop.clone();
            async move { reclaim::hollow(configured, &host, stored, &stop).await }
        });
        let hollow = join_all(hollow).await.into_iter().filter(|removed| *removed).count();
        let stopped = reclaim::stopped(configured, self.diags, unfinished, lease::silence(), &stop).await;
        match hollow + stopped {
            0 => Ok(found),
            _ => self.in_time("Looking for virtual clusters", carried(members, name)).await,
        }
    }

    /// Refuses to go on while virtual clusters of the group are on hosts that it is to lose.
    fn refuse_carriers(&mut self, name: &str, carried: &[Carried], attribute: AttributePath, what: &str) -> Failed {
        let line = |carried: &Carried| {
            let Carried { name, namespace, host, stored } = carried;
            let is_on_its_way = stored.as_ref().is_some_and(|(_, stored)| stored.record.phase != Phase::HandedOver);
            let note = if is_on_its_way { ", which is being created or deleted, or was cut off at that" } else { "" };
            format!("  - \"{name}\" on host cluster \"{host}\" in namespace \"{namespace}\"{note}")
        };
        let lines: Vec<String> = carried.iter().map(line).collect();
        self.diags.fail(
            attribute,
            format!("{what} while there are virtual clusters of the group."),
            format!(
                "Cluster group \"{name}\" has:\n\n{}\n\nNext step: Destroy them first, or create them anew in another group. \
                 They may belong to other states than this one.",
                lines.join("\n")
            ),
        );
        Failed
    }
}

/// A virtual cluster of a group on one of its hosts.
struct Carried {
    name: String,
    namespace: String,
    host: String,
    /// Its record, if this version can read it.
    stored: Option<(Host, Stored)>,
}

/// The virtual clusters of the group `name` on these hosts.
async fn carried(members: &[Member], name: &str) -> Result<Vec<Carried>, Problem> {
    let ask = |member: &Member| {
        let records = Records::of(&member.host);
        async move { records.list().await }
    };
    let mut found = Vec::new();
    for (member, records) in std::iter::zip(members, join_all(members.iter().map(ask)).await) {
        let records = records.map_err(|error| Box::new(members::explain(&error, &member.key)))?;
        for other in &records.others {
            let Promised { name: called, share, .. } = other.promised.clone();
            // One that does not say where it belongs may belong here.
            if share.is_none_or(|share| share.group.as_deref() == Some(name)) {
                let namespace = other.namespace().unwrap_or_default().to_owned();
                let name = called.unwrap_or_else(|| other.secret.clone());
                found.push(Carried { name, namespace, host: member.key.clone(), stored: None });
            }
        }
        for stored in records.readable {
            let record = &stored.record;
            // Before it has a share, a creation already says in its spec where it belongs.
            let share = record.share.as_ref().and_then(|share| share.group.as_deref());
            if share == Some(name) || record.spec["cluster_group"] == name {
                found.push(Carried {
                    name: record.name.clone(),
                    namespace: record.namespace.clone(),
                    host: member.key.clone(),
                    stored: Some((member.host.clone(), stored)),
                });
            }
        }
    }
    Ok(found)
}

/// Writes `record` on one host: over `stored`, which was read there, or anew.
async fn put(member: &Member, stored: Option<&StoredGroup>, record: &GroupRecord) -> Result<StoredGroup, Problem> {
    let groups = Groups::of(&member.host);
    let written = match stored {
        Some(stored) if stored.record == *record => Ok(Some(stored.clone())),
        Some(stored) => match groups.replace(stored, record).await {
            Err(StoreError::Changed { .. }) => own_write(&groups, record).await,
            written => written.map(Some),
        },
        None => match groups.create(record).await {
            Ok(None) => own_write(&groups, record).await,
            created => created,
        },
    };
    match written {
        Ok(Some(stored)) => Ok(stored),
        Ok(None) | Err(StoreError::Changed { .. }) => Err(changed(&record.name, member)),
        Err(error) => Err(Box::new(members::explain(&error, &member.key))),
    }
}

/// What is stored, if it is our own write, whose answer was lost on the way.
async fn own_write(groups: &Groups, record: &GroupRecord) -> Result<Option<StoredGroup>, StoreError> {
    Ok(groups.get(&record.name).await?.filter(|found| found.record == *record))
}

fn changed(name: &str, member: &Member) -> Problem {
    Box::new(diagnostic(
        members::at(&member.key),
        format!("Another apply is working on cluster group \"{name}\"."),
        format!(
            "Its record on host cluster \"{}\" was written by somebody else in this moment. Run `terraform apply` again: \
             nothing is lost, and it converges.",
            member.key
        ),
    ))
}

/// Keeps the archive on one host.
async fn keep_archive(member: &Member, digest: &str, archive: &[u8]) -> Result<(), Problem> {
    let kept = chart::archives_on(&member.host).put(digest, archive).await;
    kept.map_err(|error| Box::new(members::explain(&error, &member.key)))
}

/// Releases the archive on hosts that no longer have the group. What cannot be released costs some space, and is released
/// with the next group or virtual cluster that has it.
async fn release_archives(members: &[Member], digest: &str) {
    let release = |member: &Member| {
        let archives = chart::archives_on(&member.host);
        async move { archives.release(digest).await }
    };
    for (member, released) in std::iter::zip(members, join_all(members.iter().map(release)).await) {
        if let Err(error) = released {
            tracing::warn!(host_cluster = member.key, %error, "could not release a chart archive");
        }
    }
}

/// The archive with that digest from the first of the hosts that has it.
async fn kept_archive(members: &[Member], digest: &str) -> Result<Option<Vec<u8>>, Problem> {
    for member in members {
        match chart::archives_on(&member.host).get(digest).await {
            Ok(Some(archive)) => return Ok(Some(archive)),
            Ok(None) | Err(ArchiveError::Foreign { .. }) => {}
            Err(error) => return Err(Box::new(members::explain(&error, &member.key))),
        }
    }
    Ok(None)
}

/// Refuses a chart of another version than `vcluster_version`.
fn check_version(diags: &mut Diagnostics, archive: &Archive, version: &str, source: &str) -> Result<(), Failed> {
    let chart = Chart::parse(archive).map_err(|error| {
        diags.fail(AttributePath::new("chart"), "The chart cannot be used.", format!("{error}."));
        Failed
    })?;
    let found = &chart.metadata().version;
    // Helm takes a leading `v` for decoration.
    if found.strip_prefix('v').unwrap_or(found) == version {
        return Ok(());
    }
    diags.fail(
        AttributePath::new("vcluster_version"),
        "The chart is of another version.",
        format!("`vcluster_version` is {version}, and the chart from \"{source}\" has version {found}."),
    );
    Err(Failed)
}

/// The keys of the group's hosts by UID, as records have them.
fn by_uid(members: &[Member]) -> BTreeMap<String, String> {
    members.iter().map(|member| (member.uid.clone(), member.key.clone())).collect()
}

/// Runs a step on every host at once. The first problem counts, after all are done.
async fn on_each<'m, F, T>(members: &'m [Member], step: impl Fn(&'m Member) -> F) -> Result<Vec<T>, Problem>
where
    F: Future<Output = Result<T, Problem>>,
{
    join_all(members.iter().map(step)).await.into_iter().collect()
}

/// An error of one host, as a problem.
fn problem(error: &impl Explain, member: &Member) -> Problem {
    Box::new(members::explain(error, &member.key))
}
