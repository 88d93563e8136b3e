//! What many wait for on one host at the same time is listed once for all of them, and at most once a second, however many they
//! are. Few look by themselves, and so does everybody where the host does not let us list in all namespaces.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ApiResource, DynamicObject};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};

use super::cluster::locked;
use super::object::ObjectRef;
use super::ownership::VIRTUAL_CLUSTER_LABEL;
use super::pods::{self, CONTROL_PLANES, SYNCED_BY};
use super::shared::Asked;
use super::{Error, Host, Reason, pages};

/// So many who wait for the same look by themselves.
const FEW: usize = 3;

/// The shortest time from one list to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// What can be waited for together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Awaited {
    /// Control planes' StatefulSets.
    StatefulSets,
    /// Control planes' Deployments.
    Deployments,
    /// The pods of control planes.
    ControlPlanePods,
    /// The pods that virtual clusters have synced.
    SyncedPods,
    /// All namespaces: one that is in no list is gone, whatever labels it had.
    Namespaces,
}

impl Awaited {
    /// As what a workload is waited for.
    pub(super) fn of(workload: &ObjectRef) -> Self {
        if workload.kind == "Deployment" { Self::Deployments } else { Self::StatefulSets }
    }

    fn name(self) -> &'static str {
        match self {
            Self::StatefulSets => "statefulsets",
            Self::Deployments => "deployments",
            Self::ControlPlanePods => "control plane pods",
            Self::SyncedPods => "synced pods",
            Self::Namespaces => "namespaces",
        }
    }

    fn resource(self) -> ApiResource {
        match self {
            Self::StatefulSets => ApiResource::erase::<k8s_openapi::api::apps::v1::StatefulSet>(&()),
            Self::Deployments => ApiResource::erase::<k8s_openapi::api::apps::v1::Deployment>(&()),
            Self::ControlPlanePods | Self::SyncedPods => ApiResource::erase::<Pod>(&()),
            Self::Namespaces => ApiResource::erase::<Namespace>(&()),
        }
    }

    fn selector(self) -> String {
        match self {
            Self::StatefulSets | Self::Deployments => format!("{VIRTUAL_CLUSTER_LABEL},!{SYNCED_BY}"),
            Self::ControlPlanePods => CONTROL_PLANES.to_owned(),
            Self::SyncedPods => SYNCED_BY.to_owned(),
            Self::Namespaces => String::new(),
        }
    }

    /// What is kept of an object: what is waited for, and not what it consists of.
    fn keep(self, mut live: DynamicObject) -> Option<DynamicObject> {
        live.metadata.managed_fields = None;
        match self {
            Self::StatefulSets | Self::Deployments => {
                if let Some(spec) = live.data.get_mut("spec").and_then(serde_json::Value::as_object_mut) {
                    spec.retain(|field, _| field == "replicas");
                }
            }
            Self::ControlPlanePods if !pods::has_workload(&live.metadata) => return None,
            Self::ControlPlanePods | Self::SyncedPods => live.data = serde_json::Value::Null,
            Self::Namespaces => {}
        }
        Some(live)
    }
}

/// Objects by their namespaces; those without one by none.
pub(super) type Listed = HashMap<String, Vec<DynamicObject>>;

/// Somebody who waits. Dropped, they have what they waited for, or gave up.
pub(super) struct Waiting<'h> {
    host: &'h Host,
    awaited: Awaited,
}

impl<'h> Waiting<'h> {
    /// Joins those who wait for that on `host`.
    pub(super) fn on(host: &'h Host, awaited: Awaited) -> Self {
        *locked(&host.answers().waiting).entry(awaited).or_default() += 1;
        Self { host, awaited }
    }

    /// What there is now, listed for all that wait for it. None: there are few, and each looks by itself.
    ///
    /// # Errors
    /// The host's refusal.
    pub(super) async fn look(&self) -> Result<Option<Arc<Listed>>, Error> {
        let Self { host, awaited } = *self;
        let are_few = || locked(&host.answers().waiting).get(&awaited).is_none_or(|waiting| *waiting <= FEW);
        let since = Instant::now();
        if are_few() {
            return Ok(None);
        }
        let mut last = host.answers().listed.hold(awaited.name()).await;
        let is_refused = |known: &Asked<_>| matches!(&known.answer, Err(error) if is_forbidden(error));
        if last.as_ref().is_some_and(is_refused) {
            return Ok(None);
        }
        if last.as_ref().is_none_or(|known| known.at < since) {
            if let Some(known) = last.as_ref() {
                sleep_until(known.at + INTERVAL).await;
            }
            *last = Some(Asked { at: Instant::now(), answer: list(host, awaited).await });
        }
        match last.as_ref().map(|known| known.answer.clone()) {
            Some(Err(error)) if is_forbidden(&error) => Ok(None),
            Some(Err(error)) => Err(error),
            Some(Ok(listed)) => Ok(Some(listed)),
            None => Ok(None),
        }
    }

    /// As [`Waiting::look`], those in one namespace.
    ///
    /// # Errors
    /// The host's refusal.
    pub(super) async fn look_in(&self, namespace: &str) -> Result<Option<Vec<DynamicObject>>, Error> {
        Ok(self.look().await?.map(|listed| listed.get(namespace).cloned().unwrap_or_default()))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = locked(&self.host.answers().waiting).get_mut(&self.awaited) {
            *waiting -= 1;
        }
    }
}

fn is_forbidden(error: &Error) -> bool {
    matches!(error.reason(), Reason::Forbidden { .. })
}

async fn list(host: &Host, awaited: Awaited) -> Result<Arc<Listed>, Error> {
    let take = |object: &RawValue, listed: &mut Listed| {
        let live: DynamicObject = serde_json::from_str(object.get())?;
        if let Some(live) = awaited.keep(live) {
            listed.entry(live.metadata.namespace.clone().unwrap_or_default()).or_default().push(live);
        }
        Ok(())
    };
    pages::of_texts(host, &awaited.resource(), None, &awaited.selector(), take).await.map(Arc::new)
}
