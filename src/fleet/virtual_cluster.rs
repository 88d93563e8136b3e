//! The life cycle of one virtual cluster: placed and reserved, made, changed, paused, resumed, removed and reclaimed.
//!
//! A virtual cluster passes through *reserved → creating → handed over* in its record. Whatever stops an operation, the record
//! says how far it came, and the next one goes on from there. This file has what the operations share.

mod claim;
mod converge;
pub mod create;
pub mod destroy;
pub mod error;
pub mod known;
pub mod membership;
pub mod place;
pub mod reclaim;
mod reserve;
pub mod resize;
pub mod room;
pub mod spec;
pub mod update;
pub mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::isolation;
use crate::fleet::connections::HostCluster;
use crate::fleet::group::spec::Followed;
use crate::fleet::notice::Notice;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::Host;
use crate::host::access::Access;
use crate::host::kind::KindError;
use crate::host::observe::{Observed, observe};
use crate::host::ownership::VIRTUAL_CLUSTER_LABEL;
use crate::host::record::Record;
use crate::host::records::claim::Claim;
use error::Error;
use known::Known;
use spec::{Place, Spec};
use wanted::Wanted;

/// The label that every object of a virtual cluster carries.
pub const LABEL: &str = VIRTUAL_CLUSTER_LABEL;

/// The label by which the objects of the virtual cluster `name` are listed in its namespace.
pub fn selector(name: &str) -> String {
    format!("{LABEL}={name}")
}

/// A virtual cluster that is ready to be applied.
pub struct Prepared {
    /// What it is made from, with the chart's digest.
    pub spec: Spec,
    /// The chart, as it is kept on the host.
    pub archive: Vec<u8>,
    /// What is applied, in the form for a paused virtual cluster if it is to be paused.
    pub objects: Vec<Value>,
    /// Labels for all of it, the namespace included.
    pub labels: BTreeMap<String, String>,
}

impl Prepared {
    /// Labels of the namespace: those of all objects, and what its pods may do.
    fn namespace_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        let level = self.spec.pod_security().unwrap_or_default();
        labels.insert(isolation::ENFORCE.to_owned(), level.to_string());
        labels
    }
}

/// There is nothing to apply. The renderer knows why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unprepared;

/// What makes objects of what is wanted, once there is a host for them.
#[async_trait]
pub trait Renderer: Send {
    /// The objects of `wanted` at `place` on `host`, following `followed` of its group. `known` has what was fixed when it was
    /// made. It may take `time` where a chart has to be fetched for a new one.
    async fn prepare(&mut self, wanted: &Prepare<'_>) -> Result<Prepared, Unprepared>;
}

/// What is to be prepared.
pub struct Prepare<'a> {
    /// The host that it is for.
    pub host: &'a Host,
    /// Where it is to be.
    pub place: &'a Place,
    /// What it is to be. Nothing of it is open any more.
    pub wanted: &'a Wanted,
    /// What was fixed when it was made.
    pub known: &'a Known,
    /// What follows its group. None without a group.
    pub followed: Option<&'a Followed>,
    /// How long fetching the chart of a new virtual cluster may take.
    pub time: Duration,
}

/// What is seen of a virtual cluster at the end of an operation.
#[derive(Debug)]
pub enum Look {
    /// It runs, and this leads there.
    Running(Access),
    /// All of it is down, and what leads there is as it was.
    Paused,
    /// It was looked at.
    Observed(Box<Observed>),
    /// It could not be looked at.
    Unseen,
}

/// What a change has seen of the virtual cluster at its end, so that it need not be looked at again.
enum Seen {
    /// It runs, and this leads there.
    Running(Access),
    /// All of it is down.
    Paused,
    /// It was not waited for.
    Nothing,
}

/// One operation under way.
struct Operation<'a> {
    fleet: &'a Fleet,
    limits: Limits,
    /// What went wrong beside the error that ends it.
    errors: Vec<Error>,
    notices: Vec<Notice>,
}

impl<'a> Operation<'a> {
    fn new(fleet: &'a Fleet, limits: Limits) -> Self {
        Self { fleet, limits, errors: Vec::new(), notices: Vec::new() }
    }

    /// What the operation has come to.
    fn outcome<T>(mut self, done: Result<T, Error>) -> Outcome<T, Error> {
        let left = self.note(done);
        Outcome { left, errors: self.errors, notices: self.notices }
    }

    /// Takes note of an error that does not end the operation by itself, or comes on top of one that does.
    fn note<T>(&mut self, result: Result<T, impl Into<Error>>) -> Option<T> {
        result.map_err(|error| self.errors.push(error.into())).ok()
    }

    /// Lets go of a record. The work is done: where that cannot be said, the next apply finds out by waiting.
    async fn let_go(&mut self, claim: Claim) {
        if let Err(error) = claim.finish(|_| {}).await {
            tracing::warn!(%error, "could not let go of a record");
        }
    }

    /// What is there, as the change has seen it or else by another look. `access_is_known` says that what leads to it is known
    /// and stays.
    async fn look(
        &mut self,
        host: &Host,
        record: &Record,
        spec: &Spec,
        seen: Option<Seen>,
        access_is_known: bool,
    ) -> Look {
        let applied = seen.is_some();
        match seen {
            Some(Seen::Running(access)) => return Look::Running(access),
            Some(Seen::Paused) if access_is_known => return Look::Paused,
            _ => {}
        }
        match observe(host, record, &spec.exposure(&record.name), &selector(&record.name)).await {
            Ok(observed) => Look::Observed(Box::new(observed)),
            Err(error) => {
                self.look_failed(applied, error);
                Look::Unseen
            }
        }
    }

    fn look_failed(&mut self, applied: bool, error: KindError) {
        // Otherwise the reason is in an error already.
        if applied {
            self.notices.push(Notice::NotLookedAt(error));
        }
    }
}

/// The host cluster at `place`, if it is the one that what is `known` was created on.
///
/// # Errors
/// The provider does not have it, its connection is not known, it does not answer, or it is another one.
pub async fn host_of(fleet: &Fleet, place: &Place, known: &Known) -> Result<Host, Error> {
    match fleet.connections.get(&place.host_cluster)? {
        HostCluster::Known(host) => {
            check_host(&host, known).await?;
            Ok(host)
        }
        HostCluster::Unknown => Err(Error::HostUnknown { key: place.host_cluster.clone() }),
    }
}

/// Refuses a host whose kubeconfig now leads to another Kubernetes cluster than the one that is known.
///
/// # Errors
/// It does, or it does not answer.
pub async fn check_host(host: &Host, known: &Known) -> Result<(), Error> {
    let actual = &host.identity().await?.uid;
    if known.is_host(actual) {
        return Ok(());
    }
    Err(Error::AnotherHost {
        host: host.name().to_owned(),
        address: host.address().to_owned(),
        expected: known.host_uid.clone(),
        actual: actual.clone(),
    })
}
