//! Waits until a virtual cluster can be used, and says what is missing meanwhile.

use std::time::Duration;

use futures::try_join;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim};
use kube::api::{Api, DynamicObject, ListParams};
use tokio_util::sync::CancellationToken;

use super::access::{Access, Exposure, credentials, endpoint};
use super::crowd::{Awaited, Waiting};
use super::diagnosis::{Evidence, pod_reason};
use super::kind::Kinds;
use super::object::ObjectRef;
use super::pods;
use super::poll::{self, Ended, Look};
use super::record::{Item, Record};
use super::workload::WorkloadState;
use super::{Error, Host, restart};

/// Why a virtual cluster is not usable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// It did not become ready in time.
    #[error(
        "virtual cluster {namespace}/{name} on host cluster {host:?} was not ready after {seconds} s: \
         {missing}\n{report}"
    )]
    TimedOut {
        /// The host cluster.
        host: String,
        /// Its namespace.
        namespace: String,
        /// The virtual cluster.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// What was missing at the end.
        missing: String,
        /// Workloads, pods with their reasons, volumes and the last events, one a line.
        report: String,
    },
    /// The run was stopped.
    #[error("stopped while waiting for virtual cluster {namespace}/{name} on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// Its namespace.
        namespace: String,
        /// The virtual cluster.
        name: String,
    },
}

/// Pods are looked at, for what keeps them, after so many looks, and again after as many.
const QUIET_LOOKS: usize = 5;

/// Waits until every control-plane workload is rolled out, the credentials are written and the endpoint has an address. One that is
/// up already and has lost its credentials is started anew if it `restarts`.
///
/// # Errors
/// See [`WaitError`].
pub async fn ready(
    host: &Host,
    record: &Record,
    exposure: &Exposure,
    restarts: bool,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Access, WaitError> {
    let what = format!("waiting for virtual cluster {}", record.name);
    let workloads = Workloads::of(host, record);
    let mut looks = 0;
    let look = || {
        looks += 1;
        look(&workloads, exposure, looks, restarts)
    };
    let ended = match poll::until(&what, timeout, cancel, look).await {
        Ok(access) => return Ok(access),
        Err(ended) => ended,
    };
    let (name, namespace, host_name) = (record.name.clone(), record.namespace.clone(), host.name().to_owned());
    Err(match ended {
        Ended::Failed(error) => error.into(),
        Ended::Cancelled => WaitError::Cancelled { host: host_name, namespace, name },
        Ended::TimedOut(missing) => {
            // The report is a courtesy: its own failure must not hide that time ran out.
            let report = evidence(host, record).await.map_or_else(|error| error.to_string(), |found| found.report());
            WaitError::TimedOut { host: host_name, namespace, name, seconds: timeout.as_secs(), missing, report }
        }
    })
}

/// One look: no more than the workloads until those are rolled out, as nothing else can be there before.
async fn look(of: &Workloads<'_>, exposure: &Exposure, looks: usize, restarts: bool) -> Result<Look<Access>, Error> {
    let (host, record) = (of.host, of.record);
    let (namespace, name) = (&record.namespace, &record.name);
    let mut missing = Vec::new();
    let workloads = of.look().await?;
    let unready: Vec<&WorkloadState> = workloads.iter().filter(|state| !state.is_ready()).collect();
    if workloads.is_empty() {
        return Ok(Look::Waiting("its control plane".to_owned()));
    }
    if !unready.is_empty() {
        missing.extend(
            unready.iter().map(|state| format!("{}: {} of {} pods ready", state.object, state.ready, state.replicas)),
        );
        let with_pods = looks > QUIET_LOOKS && looks.is_multiple_of(QUIET_LOOKS);
        let pods = if with_pods { pods::control_plane(host, namespace, name).await? } else { Vec::new() };
        missing.extend(pods.iter().filter_map(pod_reason).map(|reason| format!("pod {}: {}", reason.pod, reason.text)));
        return Ok(Look::Waiting(missing.join("; ")));
    }
    let (credentials, endpoint) =
        try_join!(credentials(host, namespace, name), endpoint(host, namespace, name, exposure))?;
    if credentials.is_none() && restarts && looks == 1 {
        restart::anew(host, record).await?;
        return Ok(Look::Waiting("its credentials, which are lost: its control plane starts anew".to_owned()));
    }
    if credentials.is_none() {
        missing.push(format!("Secret {namespace}/vc-{name} has no credentials yet"));
    }
    if endpoint.is_none() {
        missing.push(format!("Service {namespace}/{name} has no address yet"));
    }
    Ok(match (credentials, endpoint) {
        (Some(credentials), Some(endpoint)) if missing.is_empty() => Look::Done(Access { endpoint, credentials }),
        _ => Look::Waiting(missing.join("; ")),
    })
}

/// The workloads of a control plane that are waited for, together with those of others.
pub(super) struct Workloads<'a> {
    host: &'a Host,
    record: &'a Record,
    kinds: Kinds,
    waiting: Vec<(&'a ObjectRef, Waiting<'a>)>,
}

impl<'a> Workloads<'a> {
    pub(super) fn of(host: &'a Host, record: &'a Record) -> Self {
        let objects = record.workloads().into_iter().map(|item| &item.object);
        let waiting = objects.map(|object| (object, Waiting::on(host, Awaited::of(object)))).collect();
        Self { host, record, kinds: Kinds::of(host), waiting }
    }

    /// The state of those that are there, vCluster's own first.
    pub(super) async fn look(&self) -> Result<Vec<WorkloadState>, Error> {
        let namespace = &self.record.namespace;
        let mut found = Vec::new();
        for (object, waiting) in &self.waiting {
            let listed = waiting.look_in(namespace).await?.unwrap_or_default();
            let listed = listed.into_iter().find(|live| live.metadata.name.as_ref() == Some(&object.name));
            // One that is in no list may have lost its label.
            let live = match listed {
                Some(live) => Some(live),
                None => read(self.host, &self.kinds, object).await?,
            };
            found.extend(live.map(|live| WorkloadState::of(object, &live)));
        }
        Ok(found)
    }
}

async fn read(host: &Host, kinds: &Kinds, object: &ObjectRef) -> Result<Option<DynamicObject>, Error> {
    kinds.workload_api(object).get_opt(&object.name).await.map_err(host.failed("read", object))
}

pub(super) async fn workloads(host: &Host, record: &Record) -> Result<Vec<WorkloadState>, Error> {
    let kinds = Kinds::of(host);
    let mut found = Vec::new();
    for Item { object, .. } in record.workloads() {
        found.extend(read(host, &kinds, object).await?.map(|live| WorkloadState::of(object, &live)));
    }
    Ok(found)
}

async fn evidence(host: &Host, record: &Record) -> Result<Evidence, Error> {
    let namespace = &record.namespace;
    let claims = Api::<PersistentVolumeClaim>::namespaced(host.client(), namespace);
    let events = Api::<Event>::namespaced(host.client(), namespace);
    let (of_release, all) = (ListParams::default().labels(&format!("release={}", record.name)), ListParams::default());
    let (workloads, pods, volumes, events) = try_join!(
        workloads(host, record),
        pods::control_plane(host, namespace, &record.name),
        async {
            claims
                .list(&of_release)
                .await
                .map_err(host.failed("list", format!("PersistentVolumeClaims of {namespace}")))
        },
        async { events.list(&all).await.map_err(host.failed("list", format!("Events of {namespace}"))) },
    )?;
    let events = events.items.into_iter().filter(|event| {
        let about = event.involved_object.name.as_deref().unwrap_or_default();
        record.workloads().iter().any(|item| about.contains(&item.object.name))
    });
    Ok(Evidence { workloads, pods, volumes: volumes.items, events: events.collect() })
}
