//! Reads everything about one virtual cluster at once: one LIST per kind in its namespace, for objects that we
//! labelled, and single questions only for what cannot be listed so. Changes nothing.
//!
//! [`super::view`] reads the same for many virtual clusters at once.

pub(super) mod sighting;

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream, try_join};
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{Api, ObjectMeta};
use serde_json::value::RawValue;

use super::access::{Credentials, Exposure, credentials, endpoint_of, service};
use super::apply::CONCURRENCY;
use super::diagnosis::PodReason;
use super::formats::FormatError;
use super::kind::{KindError, Kinds};
use super::object::ObjectRef;
use super::pods::{self, PodFacts, SYNCED_BY};
use super::record::Record;
use super::store::NAMESPACE;
use super::workload::WorkloadState;
use super::{Error, Host, Reason, pages};
use crate::domain::drift::{self, Difference, Entry};
use crate::domain::isolation::ENFORCE;
use crate::domain::status::{Signs, Status};
use crate::domain::user_texts::UserTexts;
use sighting::{Key, KindOf, Sighting, Wanted, WantedByKind, key, key_of, want};

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
    /// The Pod Security Standard that the namespace's label asks for.
    pub enforced: Option<String>,
    /// The control plane's workloads that are there, vCluster's own first, each with the replicas that were applied.
    pub workloads: Vec<(WorkloadState, i64)>,
    /// In which ways objects of the inventory are not as they were applied, the scale of workloads left out.
    pub differences: Vec<(ObjectRef, Difference)>,
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
        self.workloads.first().is_some_and(|(workload, _)| workload.is_paused())
    }

    /// Whether anything has drifted.
    pub fn has_drifted(&self) -> bool {
        !self.drift(&UserTexts::default()).is_empty()
    }

    /// What has drifted, sorted, without what the user has `given`.
    pub fn drift(&self, given: &UserTexts) -> Vec<Entry> {
        let entry = |object: &ObjectRef, difference: &Difference| {
            difference.entry(&object.to_string(), object.kind == "Secret", given)
        };
        let mut entries: Vec<Entry> = self.differences.iter().map(|(object, found)| entry(object, found)).collect();
        if let Some((main, _)) = self.workloads.first() {
            for (workload, replicas) in &self.workloads {
                let found = drift::workload::differences(*replicas, workload.scale(), main.scale());
                entries.extend(found.iter().map(|found| entry(&workload.object, found)));
            }
        }
        entries.extend(self.lost_credentials());
        entries.sort();
        entries
    }

    /// A control plane that is up has written its credentials, so somebody has deleted them. They also go with the Service, which
    /// owns them. It does not write them again before it is started anew.
    fn lost_credentials(&self) -> Option<Entry> {
        let (main, _) = self.workloads.first().filter(|(main, _)| main.is_ready() && self.credentials.is_none())?;
        let ObjectRef { namespace, name, .. } = &main.object;
        let object = format!("Secret {}/vc-{name}", namespace.as_deref().unwrap_or_default());
        Some(Difference::Missing.entry(&object, true, &UserTexts::default()))
    }

    /// The status that follows.
    pub fn status(&self) -> Status {
        let is_whole = |(_, difference): &(_, Difference)| {
            !matches!(difference, Difference::Missing | Difference::Replaced { .. })
        };
        let mut workloads = self.workloads.iter().map(|(workload, _)| workload);
        Status::of(Signs {
            incomplete: !matches!(self.namespace, NamespaceState::Ours | NamespaceState::Found)
                || !self.differences.iter().all(is_whole),
            paused: self.is_paused(),
            scaled_down: workloads.clone().any(|state| state.replicas == 0 && !state.marked_paused && !state.restoring),
            ready: !self.workloads.is_empty() && workloads.all(WorkloadState::is_ready),
            failing: self.pods.iter().any(|pod| pod.failing),
            reachable: self.credentials.is_some() && self.endpoint.is_some(),
        })
    }
}

/// What was read of one virtual cluster.
pub(super) struct Parts {
    pub(super) namespace: NamespaceState,
    pub(super) enforced: Option<String>,
    pub(super) objects: Vec<(ObjectRef, Option<Sighting>)>,
    pub(super) service: Option<Service>,
    pub(super) credentials: Option<Credentials>,
    /// Its control plane's pods, where [`Parts::need_pods`] says so.
    pub(super) pods: Vec<PodFacts>,
}

impl Parts {
    /// The control plane's Service, if it is among the objects.
    pub(super) fn service_of(objects: &[(ObjectRef, Option<Sighting>)], record: &Record) -> Option<Service> {
        let main = objects.iter().find(|(object, _)| {
            object.kind == "Service"
                && object.name == record.name
                && object.namespace.as_ref() == Some(&record.namespace)
        });
        main.and_then(|(_, sighting)| sighting.as_ref()?.service.clone())
    }

    /// Whether more can be said with the pods: what keeps them, or on which node they run.
    pub(super) fn need_pods(&self, exposure: &Exposure) -> bool {
        let mut workloads = self.objects.iter().filter_map(|(_, sighting)| sighting.as_ref()?.workload.as_ref());
        *exposure == Exposure::NodePort || workloads.any(|(state, _)| state.replicas > 0 && !state.is_ready())
    }

    /// Whether its own workload is rolled out, so that it has credentials.
    pub(super) fn is_up(&self) -> bool {
        let mut workloads = self.objects.iter().filter_map(|(_, sighting)| sighting.as_ref()?.workload.as_ref());
        workloads.any(|(state, _)| state.is_ready())
    }

    /// All of it together.
    pub(super) fn observed(self, record: &Record, exposure: &Exposure) -> Observed {
        let order: Vec<&ObjectRef> = record.workloads().into_iter().map(|item| &item.object).collect();
        let (mut workloads, mut differences) = (Vec::new(), Vec::new());
        for (object, sighting) in self.objects {
            match sighting {
                None => differences.push((object, Difference::Missing)),
                Some(sighting) => {
                    workloads.extend(sighting.workload.filter(|(state, _)| order.contains(&&state.object)));
                    differences.extend(sighting.differences.into_iter().map(|found| (object.clone(), found)));
                }
            }
        }
        workloads.sort_by_key(|(state, _)| order.iter().position(|object| **object == state.object));
        let node = self.pods.iter().filter_map(|pod| pod.node.clone()).min();
        let unready = workloads.iter().any(|(state, _)| state.replicas > 0 && !state.is_ready());
        let reasons = self.pods.into_iter().filter(|_| unready).filter_map(|pod| pod.reason);
        Observed {
            namespace: self.namespace,
            enforced: self.enforced,
            endpoint: endpoint_of(self.service.as_ref(), exposure, node.as_deref()),
            workloads,
            differences,
            credentials: self.credentials,
            pods: reasons.collect(),
        }
    }
}

/// Reads what `host` shows now of the virtual cluster that `record` describes. `label` is one that every applied object
/// carries, as `key=value`; objects that lost it are asked for one by one.
///
/// # Errors
/// The host's refusal: then nothing is known, and least of all that something is gone.
pub async fn observe(host: &Host, record: &Record, exposure: &Exposure, label: &str) -> Result<Observed, KindError> {
    let Record { namespace, name, .. } = record;
    let (live, objects, credentials) = try_join!(
        async { Ok::<_, KindError>(live_namespace(host, record).await?) },
        objects(host, record, label),
        async { Ok(credentials(host, namespace, name).await?) },
    )?;
    let service = match Parts::service_of(&objects, record) {
        Some(service) => Some(service),
        None => service(host, namespace, name).await?,
    };
    let namespace_state = namespace_is(record, live.as_ref());
    let enforced = enforced(live.as_ref());
    let mut parts = Parts { namespace: namespace_state, enforced, objects, service, credentials, pods: Vec::new() };
    if parts.need_pods(exposure) {
        let pods = pods::control_plane(host, namespace, name).await?;
        parts.pods = pods.iter().map(PodFacts::of).collect();
    }
    Ok(parts.observed(record, exposure))
}

async fn live_namespace(host: &Host, record: &Record) -> Result<Option<ObjectMeta>, Error> {
    let name = &record.namespace;
    let api = Api::<Namespace>::all(host.client());
    let live = api.get_metadata_opt(name).await.map_err(host.failed("read", format!("Namespace {name}")))?;
    Ok(live.map(|live| live.metadata))
}

/// The Pod Security Standard that a namespace's label asks for.
pub(super) fn enforced(live: Option<&ObjectMeta>) -> Option<String> {
    live?.labels.as_ref()?.get(ENFORCE).cloned()
}

/// What a namespace is to a virtual cluster.
pub(super) fn namespace_is(record: &Record, live: Option<&ObjectMeta>) -> NamespaceState {
    match live {
        None => NamespaceState::Missing,
        Some(live) if live.deletion_timestamp.is_some() => NamespaceState::Terminating,
        Some(live) if live.uid != record.namespace_uid => NamespaceState::Replaced,
        Some(_) if record.namespace_created => NamespaceState::Ours,
        Some(_) => NamespaceState::Found,
    }
}

/// What is to be seen of each object of the inventory; none for those that are not there.
async fn objects(host: &Host, record: &Record, label: &str) -> Result<Vec<(ObjectRef, Option<Sighting>)>, KindError> {
    let mut wanted = WantedByKind::new();
    want(&mut wanted, record).map_err(|problem| unreadable(host, record, &problem))?;
    let kinds = Kinds::of(host);
    // Futures are collected before they are polled: a closure kept in the stream would not be `Send` for every lifetime.
    let namespace = Some(record.namespace.as_str());
    let looks: Vec<_> =
        wanted.iter().map(|(kind, wanted)| look(host, &kinds, kind, namespace, label, wanted)).collect();
    let found: Vec<HashMap<Key, Sighting>> = stream::iter(looks).buffered(CONCURRENCY).try_collect().await?;
    let mut by_kind: HashMap<KindOf, HashMap<Key, Sighting>> = std::iter::zip(wanted.keys().cloned(), found).collect();
    let mut seen = Vec::new();
    // What an apply that was cut off did not come to is not missing.
    for object in record.inventory.iter().filter(|item| item.uid.is_some()).map(|item| &item.object) {
        let sighting = match by_kind.get_mut(&KindOf::of(object)).and_then(|found| found.remove(&key(object))) {
            Some(sighting) => Some(sighting),
            None => look_again(host, &kinds, &wanted, object).await?,
        };
        seen.push((object.clone(), sighting));
    }
    Ok(seen)
}

/// That what was applied cannot be read from the record.
pub(super) fn unreadable(host: &Host, record: &Record, problem: &FormatError) -> Error {
    let secret = format!("Secret {NAMESPACE}/{}", super::record::secret_name(&record.namespace));
    Error::new(host.name(), "read", secret, Reason::Other { message: problem.to_string() })
}

/// Looks at all objects of one kind at once, in one namespace or in all. A kind that is gone took its objects with it.
pub(super) async fn look(
    host: &Host,
    kinds: &Kinds,
    kind: &KindOf,
    namespace: Option<&str>,
    label: &str,
    wanted: &HashMap<Key, Wanted>,
) -> Result<HashMap<Key, Sighting>, KindError> {
    // Tenants can give their objects our label, but cannot take this one from what vCluster makes of them on the host.
    let ours = format!("{label},!{SYNCED_BY}");
    let (resource, namespaced) = match kinds.resource(&kind.api_version, &kind.kind).await {
        Err(KindError::Unknown { .. }) => return Ok(HashMap::new()),
        found => found?,
    };
    let take = |object: &RawValue, seen: &mut HashMap<Key, Sighting>| {
        let key = key_of(object)?;
        if let Some(wanted) = wanted.get(&key) {
            seen.insert(key, wanted.sight(serde_json::from_str(object.get())?)?);
        }
        Ok(())
    };
    Ok(pages::of_texts(host, &resource, namespace.filter(|_| namespaced), &ours, take).await?)
}

/// Looks at an object that was in no list: it may only have lost its label.
pub(super) async fn look_again(
    host: &Host,
    kinds: &Kinds,
    wanted: &WantedByKind,
    object: &ObjectRef,
) -> Result<Option<Sighting>, KindError> {
    let api = match kinds.api(object).await {
        Err(KindError::Unknown { .. }) => return Ok(None),
        found => found?,
    };
    let live = api.get_opt(&object.name).await.map_err(host.failed("read", object))?;
    let (Some(live), Some(wanted)) = (live, wanted.get(&KindOf::of(object)).and_then(|of| of.get(&key(object)))) else {
        return Ok(None);
    };
    let unreadable = |error: serde_json::Error| {
        Error::new(host.name(), "read", object, Reason::Other { message: error.to_string() })
    };
    let live = serde_json::to_value(live).map_err(unreadable)?;
    Ok(Some(wanted.sight(live).map_err(unreadable)?))
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
            enforced: None,
            workloads: vec![(workload(json!({"replicas": 1}), status, json!({})), 1)],
            differences: Vec::new(),
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
        let down = |marks: Value| vec![(workload(json!({"replicas": 0}), json!({}), marks), 1)];
        let marks = json!({"loft.sh/paused": "true"});
        let pod = |failing| vec![PodReason { pod: "a-0".into(), text: String::new(), failing }];
        let starting = || Observed { workloads: vec![(workload(json!({}), json!({}), json!({})), 1)], ..running() };
        let found = |difference: Difference| vec![(object("b"), difference)];
        let replaced = Difference::Replaced { recorded: "1".into(), now: "2".into() };
        let field = Difference::Field { path: drift::Path::of(["spec"]), expected: None, actual: None, applied: false };
        for (observed, expected) in [
            (running(), Status::Running),
            (Observed { namespace: NamespaceState::Found, ..running() }, Status::Running),
            (Observed { namespace: NamespaceState::Replaced, ..running() }, Status::Degraded),
            (Observed { endpoint: None, ..running() }, Status::Pending),
            (Observed { differences: found(Difference::Missing), ..running() }, Status::Degraded),
            (Observed { differences: found(replaced), ..running() }, Status::Degraded),
            (Observed { differences: found(field), ..running() }, Status::Running),
            (Observed { workloads: down(marks), endpoint: None, ..running() }, Status::Paused),
            (Observed { workloads: down(json!({})), ..running() }, Status::Degraded),
            (Observed { pods: pod(false), ..starting() }, Status::Pending),
            (Observed { pods: pod(true), ..starting() }, Status::Degraded),
        ] {
            assert_eq!(observed.status(), expected, "{observed:?}");
        }
    }
}
