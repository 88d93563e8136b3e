//! The life cycle of one cluster group: which of its hosts' records is the group, and the order in which they are written.
//!
//! The authority is written first, and each write is a compare-and-swap. Whatever stops an operation, the newest record says
//! what the group is, and the next one brings the others after it. This file has what the operations share.

pub mod carried;
pub mod copies;
pub mod create;
pub mod destroy;
pub mod error;
pub mod find;
pub mod look;
pub mod members;
pub mod spec;
pub mod survey;
pub mod update;

use std::collections::BTreeMap;
use std::future::Future;

use async_trait::async_trait;
use futures::future::join_all;

use crate::fleet::notice::Notice;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::chart_archives::ArchiveError;
use crate::host::groups::{GroupRecord, Groups, StoredGroup};
use crate::host::store::StoreError;
use error::{Doing, Error, Errors};
use members::Member;
use spec::GroupSpec;

/// What a Terraform state knows of a group that exists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// The random id of the group's record: another one under the same name is another group.
    pub id: String,
    /// The group's hosts: UID of the `kube-system` namespace, and the key that it had.
    pub hosts: BTreeMap<String, String>,
    /// How often the home has moved.
    pub epoch: u64,
}

/// A chart for a group, of the version that its spec names.
pub struct Chart {
    /// Its digest.
    pub digest: String,
    /// The archive, as it is kept on hosts.
    pub archive: Vec<u8>,
}

/// There is no chart. Whoever was asked for it knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoChart;

/// Where the chart of a group comes from. It is asked once for a new group, and again only if no host has kept it.
#[async_trait]
pub trait ChartSource: Send {
    /// The chart, with the digest that is asked for where one is.
    async fn get(&mut self) -> Result<Chart, NoChart>;
}

/// A group as it was written.
#[derive(Debug)]
pub struct Written {
    /// What the state knows of it now.
    pub known: Known,
    /// What the hosts keep of it.
    pub spec: GroupSpec,
    /// The key of its home.
    pub home: String,
    /// Whether all of it is written. If not, the state is not to forget any of its hosts.
    pub is_whole: bool,
}

/// One operation under way.
struct Operation<'a> {
    fleet: &'a Fleet,
    limits: Limits,
    notices: Vec<Notice>,
}

impl<'a> Operation<'a> {
    fn new(fleet: &'a Fleet, limits: Limits) -> Self {
        Self { fleet, limits, notices: Vec::new() }
    }

    /// What the operation has come to.
    fn outcome<T>(self, done: Result<T, Errors>) -> Outcome<T, Error> {
        match done {
            Ok(left) => Outcome { left: Some(left), errors: Vec::new(), notices: self.notices },
            Err(Errors(errors)) => Outcome { left: None, errors, notices: self.notices },
        }
    }

    /// Runs `work` until it is done, it is to stop, or the time is over.
    async fn in_time<T>(&self, doing: Doing, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            done = tokio::time::timeout_at(self.limits.deadline, work) => done.unwrap_or(Err(Error::TimedOut { doing })),
            () = self.limits.stop.cancelled() => Err(Error::Stopped),
        }
    }

    /// Releases the archive on hosts that no longer have the group. What cannot be released costs some space, and is released
    /// with the next group or virtual cluster that has it.
    async fn release_archives(&self, members: &[Member], digest: &str) {
        let release = |member: &Member| {
            let archives = self.fleet.archives(&member.host);
            async move { archives.release(digest).await }
        };
        for (member, released) in std::iter::zip(members, join_all(members.iter().map(release)).await) {
            if let Err(error) = released {
                tracing::warn!(host_cluster = member.key, %error, "could not release a chart archive");
            }
        }
    }

    /// Keeps the archive on one host.
    async fn keep_archive(&self, member: &Member, digest: &str, archive: &[u8]) -> Result<(), Error> {
        self.fleet.archives(&member.host).put(digest, archive).await.map_err(|error| member.failed(error))
    }

    /// The archive with that digest from the first of the hosts that has it.
    async fn kept_archive(&self, members: &[Member], digest: &str) -> Result<Option<Vec<u8>>, Error> {
        for member in members {
            match self.fleet.archives(&member.host).get(digest).await {
                Ok(Some(archive)) => return Ok(Some(archive)),
                Ok(None) | Err(ArchiveError::Foreign { .. }) => {}
                Err(error) => return Err(member.failed(error)),
            }
        }
        Ok(None)
    }
}

/// Writes `record` on one host: over `stored`, which was read there, or anew.
async fn put(member: &Member, stored: Option<&StoredGroup>, record: &GroupRecord) -> Result<StoredGroup, Error> {
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
        Ok(None) | Err(StoreError::Changed { .. }) => {
            Err(Error::Changed { name: record.name.clone(), key: member.key.clone() })
        }
        Err(error) => Err(member.failed(error)),
    }
}

/// What is stored, if it is our own write, whose answer was lost on the way.
async fn own_write(groups: &Groups, record: &GroupRecord) -> Result<Option<StoredGroup>, StoreError> {
    Ok(groups.get(&record.name).await?.filter(|found| found.record == *record))
}

/// The keys of the group's hosts by UID, as records have them.
fn by_uid(members: &[Member]) -> BTreeMap<String, String> {
    members.iter().map(|member| (member.uid.clone(), member.key.clone())).collect()
}

/// Runs a step on every host at once. The first error counts, after all are done.
async fn on_each<'m, F, T>(members: &'m [Member], step: impl Fn(&'m Member) -> F) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    join_all(members.iter().map(step)).await.into_iter().collect()
}
