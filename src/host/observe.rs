//! Reads everything about one virtual cluster at once: one LIST per kind in its namespace, for objects that we
//! labelled, and single questions only for what cannot be listed so. Changes nothing.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream, try_join};
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::{Api, ListParams, ObjectMeta};

use super::access::{Credentials, Exposure, credentials, endpoint};
use super::apply::CONCURRENCY;
use super::diagnosis::{PodReason, pod_reason};
use super::kind::{KindError, Kinds};
use super::object::ObjectRef;
use super::ownership::{FIELD_MANAGER, managers};
use super::record::{Item, Record};
use super::wait::workloads;
use super::workload::WorkloadState;
use super::{Error, Host, pods};
use crate::domain::status::{Signs, Status};

/// Whose the namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceState {
    /// It is not there.
    Missing,
    /// Made for this virtual cluster, or imported whole.
    Ours,
    /// Found when the virtual cluster was made, and the same still.
    Found,
    /// Another one than recorded, of the same name.
    Replaced,
    /// On its way out.
    Terminating,
}

/// What a host shows of one virtual cluster.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The namespace.
    pub namespace: NamespaceState,
    /// The control plane's workloads that are there, vCluster's own first.
    pub workloads: Vec<WorkloadState>,
    /// Hard limits of ResourceQuota `vc-<name>`, as quantities; none if there is no such quota.
    pub quota: Option<BTreeMap<String, String>>,
    /// Objects of the inventory that are not there.
    pub missing: Vec<ObjectRef>,
    /// Objects of the inventory that are there but made anew by others, or of which others took every field.
    pub lost: Vec<ObjectRef>,
    /// The administrator's credentials, once vCluster has written them.
    pub credentials: Option<Credentials>,
    /// The URL of its API server, once there is an address.
    pub endpoint: Option<String>,
    /// What keeps control-plane pods from being ready; asked for only when some are not.
    pub pods: Vec<PodReason>,
}

impl Observed {
    /// Whether the namespace that it was made in is gone, and everything with it.
    pub fn is_gone(&self) -> bool {
        matches!(self.namespace, NamespaceState::Missing | NamespaceState::Replaced)
    }

    /// Whether vCluster's own workload is paused, as the `vcluster` CLI would see it, and really down.
    pub fn is_paused(&self) -> bool {
        self.workloads.first().is_some_and(WorkloadState::is_paused)
    }

    /// The status that follows.
    pub fn status(&self) -> Status {
        Status::of(Signs {
            incomplete: !matches!(self.namespace, NamespaceState::Ours | NamespaceState::Found)
                || !self.missing.is_empty()
                || !self.lost.is_empty(),
            paused: self.is_paused(),
            scaled_down: self.workloads.iter().any(|state| state.replicas == 0 && !state.marked_paused),
            ready: !self.workloads.is_empty() && self.workloads.iter().all(WorkloadState::is_ready),
            failing: self.pods.iter().any(|pod| pod.failing),
            reachable: self.credentials.is_some() && self.endpoint.is_some(),
        })
    }
}

/// Reads what `host` shows of the virtual cluster that `record` describes. `label` is one that every applied object
/// carries, as `key=value`; objects that lost it are asked for one by one.
///
/// # Errors
/// The host's refusal: then nothing is known, and least of all that something is gone.
pub async fn observe(host: &Host, record: &Record, exposure: &Exposure, label: &str) -> Result<Observed, KindError> {
    let Record { namespace, name, .. } = record;
    let (namespace_state, workloads, quota, (missing, lost), credentials, endpoint) = try_join!(
        async { Ok(namespace_state(host, record).await?) },
        async { Ok::<_, KindError>(workloads(host, record).await?) },
        async { Ok(quota(host, record).await?) },
        compare(host, record, label),
        async { Ok(credentials(host, namespace, name).await?) },
        async { Ok(endpoint(host, namespace, name, exposure).await?) },
    )?;
    let unready = workloads.iter().any(|state| state.replicas > 0 && !state.is_ready());
    let pods = if unready { pods::control_plane(host, namespace, name).await? } else { Vec::new() };
    let pods = pods.iter().filter_map(pod_reason).collect();
    Ok(Observed { namespace: namespace_state, workloads, quota, missing, lost, credentials, endpoint, pods })
}

async fn namespace_state(host: &Host, record: &Record) -> Result<NamespaceState, Error> {
    let name = &record.namespace;
    let api = Api::<Namespace>::all(host.client());
    let live = api.get_metadata_opt(name).await.map_err(host.failed("read", format!("Namespace {name}")))?;
    Ok(match live.map(|live| live.metadata) {
        None => NamespaceState::Missing,
        Some(live) if live.deletion_timestamp.is_some() => NamespaceState::Terminating,
        Some(live) if live.uid != record.namespace_uid => NamespaceState::Replaced,
        Some(_) if record.namespace_created => NamespaceState::Ours,
        Some(_) => NamespaceState::Found,
    })
}

async fn quota(host: &Host, record: &Record) -> Result<Option<BTreeMap<String, String>>, Error> {
    let (namespace, name) = (&record.namespace, format!("vc-{}", record.name));
    let api = Api::<ResourceQuota>::namespaced(host.client(), namespace);
    let found = api.get_opt(&name).await.map_err(host.failed("read", format!("ResourceQuota {namespace}/{name}")))?;
    let hard = found.map(|quota| quota.spec.and_then(|spec| spec.hard).unwrap_or_default());
    Ok(hard.map(|hard| hard.into_iter().map(|(resource, quantity)| (resource, quantity.0)).collect()))
}

/// The objects of the inventory that are missing, and those that are no longer ours.
async fn compare(host: &Host, record: &Record, label: &str) -> Result<(Vec<ObjectRef>, Vec<ObjectRef>), KindError> {
    let kinds = Kinds::of(host);
    let mut items: Vec<&Item> = record.inventory.iter().collect();
    items.sort_by_key(|item| path(item));
    // Futures are collected before they are polled: a closure kept in the stream would not be `Send` for every lifetime.
    let by_path = items.chunk_by(|a, b| path(a) == path(b));
    let looks: Vec<_> = by_path.map(|items| look_at(host, &kinds, items, label)).collect();
    let found: Vec<_> = stream::iter(looks).buffered(CONCURRENCY).try_collect().await?;
    let (mut missing, mut lost) = (Vec::new(), Vec::new());
    for (item, live) in found.into_iter().flatten() {
        match live {
            None => missing.push(item.object.clone()),
            Some(live) if !is_intact(item, &live) => lost.push(item.object.clone()),
            Some(_) => {}
        }
    }
    Ok((missing, lost))
}

/// Looks at objects of one kind in one namespace.
async fn look_at<'a>(
    host: &Host,
    kinds: &Kinds,
    items: &'a [&'a Item],
    label: &str,
) -> Result<Vec<(&'a Item, Option<ObjectMeta>)>, KindError> {
    let Some(first) = items.first().map(|item| &item.object) else { return Ok(Vec::new()) };
    let api = match kinds.api(first).await {
        // The kind went, and its objects with it.
        Err(KindError::Unknown { .. }) => return Ok(items.iter().map(|item| (*item, None)).collect()),
        found => found?,
    };
    let listed = api.list_metadata(&ListParams::default().labels(label)).await;
    let listed = listed.map_err(host.failed("list", format!("objects like {first}")))?;
    let mut found = Vec::new();
    for item in items {
        let name = &item.object.name;
        let live = match listed.items.iter().find(|live| live.metadata.name.as_ref() == Some(name)) {
            Some(live) => Some(live.metadata.clone()),
            // It may only have lost its label.
            None => {
                let live = api.get_metadata_opt(name).await.map_err(host.failed("read", &item.object))?;
                live.map(|live| live.metadata)
            }
        };
        found.push((*item, live));
    }
    Ok(found)
}

/// What one LIST covers.
fn path(item: &Item) -> (&str, &str, Option<&str>) {
    let ObjectRef { api_version, kind, namespace, .. } = &item.object;
    (api_version, kind, namespace.as_deref())
}

fn is_intact(item: &Item, live: &ObjectMeta) -> bool {
    live.uid == item.uid && managers(live).iter().any(|manager| manager == FIELD_MANAGER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            api_version: "apps/v1".into(),
            kind: "StatefulSet".into(),
            namespace: Some("ns".into()),
            name: name.into(),
        }
    }

    fn workload(spec: Value, status: Value, annotations: Value) -> WorkloadState {
        let live = json!({"metadata": {"annotations": annotations}, "spec": spec, "status": status});
        WorkloadState::of(&object("a"), &serde_json::from_value(live).unwrap())
    }

    fn running() -> Observed {
        let status = json!({"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1});
        Observed {
            namespace: NamespaceState::Ours,
            workloads: vec![workload(json!({"replicas": 1}), status, json!({}))],
            quota: None,
            missing: Vec::new(),
            lost: Vec::new(),
            credentials: Some(Credentials {
                certificate_authority: String::new(),
                client_certificate: String::new(),
                client_key: String::new(),
            }),
            endpoint: Some("https://192.0.2.7".into()),
            pods: Vec::new(),
        }
    }

    #[test]
    fn status_is_derived_from_what_was_observed() {
        let down = |marks: Value| vec![workload(json!({"replicas": 0}), json!({}), marks)];
        let marks = json!({"loft.sh/paused": "true"});
        let pod = |failing| vec![PodReason { pod: "a-0".into(), text: String::new(), failing }];
        let starting = || Observed { workloads: vec![workload(json!({}), json!({}), json!({}))], ..running() };
        for (observed, expected) in [
            (running(), Status::Running),
            (Observed { namespace: NamespaceState::Found, ..running() }, Status::Running),
            (Observed { namespace: NamespaceState::Replaced, ..running() }, Status::Degraded),
            (Observed { endpoint: None, ..running() }, Status::Pending),
            (Observed { missing: vec![object("b")], ..running() }, Status::Degraded),
            (Observed { lost: vec![object("b")], ..running() }, Status::Degraded),
            (Observed { workloads: down(marks), endpoint: None, ..running() }, Status::Paused),
            (Observed { workloads: down(json!({})), ..running() }, Status::Degraded),
            (Observed { pods: pod(false), ..starting() }, Status::Pending),
            (Observed { pods: pod(true), ..starting() }, Status::Degraded),
        ] {
            assert_eq!(observed.status(), expected, "{observed:?}");
        }
    }

    #[test]
    fn an_object_is_intact_while_it_is_the_same_and_holds_our_entry() {
        let item = Item { object: object("a"), uid: Some("uid-1".into()) };
        for (uid, manager, expected) in
            [("uid-1", FIELD_MANAGER, true), ("uid-2", FIELD_MANAGER, false), ("uid-1", "kubectl", false)]
        {
            let live = json!({"uid": uid, "managedFields": [{"manager": manager}]});
            assert_eq!(is_intact(&item, &serde_json::from_value(live).unwrap()), expected, "{uid} {manager}");
        }
    }
}
