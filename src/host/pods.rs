//! The pods of a virtual cluster: those of its control plane, and those that it synced to its namespace.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Preconditions};

use super::apply::CONCURRENCY;
use super::diagnosis::{PodReason, pod_reason};
use super::object::ObjectRef;
use super::{Error, Host};

/// The label that vCluster puts on the pods that it syncs, with its own name. Tenants cannot set it.
pub(super) const SYNCED_BY: &str = "vcluster.loft.sh/managed-by";

/// By what the pods of all control planes can be listed.
pub(super) const CONTROL_PLANES: &str = "release,app in (vcluster,vcluster-etcd)";

/// What is kept of a control-plane pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodFacts {
    /// Address of its node.
    pub(super) node: Option<String>,
    /// What keeps it from being ready.
    pub(super) reason: Option<PodReason>,
}

impl PodFacts {
    /// What is to be known of a pod.
    pub(super) fn of(pod: &Pod) -> Self {
        Self { node: pod.status.as_ref().and_then(|status| status.host_ip.clone()), reason: pod_reason(pod) }
    }
}

/// The pods of the control plane `name`, a separately deployed etcd's included. Their labels can be copied by tenants,
/// but not who controls them: synced pods belong to no workload of the host.
pub(super) async fn control_plane(host: &Host, namespace: &str, name: &str) -> Result<Vec<Pod>, Error> {
    let labelled = ListParams::default().labels(&format!("release={name},app in (vcluster,vcluster-etcd)"));
    let pods = Api::<Pod>::namespaced(host.client(), namespace).list(&labelled).await;
    let pods = pods.map_err(host.failed("list", format!("Pods of {namespace}")))?;
    Ok(pods.items.into_iter().filter(|pod| has_workload(&pod.metadata)).collect())
}

/// Whether a controller of the host made it for a workload there.
pub(super) fn has_workload(pod: &ObjectMeta) -> bool {
    let owners = pod.owner_references.iter().flatten();
    owners.into_iter().any(|owner| matches!(owner.kind.as_str(), "StatefulSet" | "ReplicaSet"))
}

/// Whether a controller of the host made it for this workload. A Deployment's pods belong to its ReplicaSets, which are
/// named after it.
pub(super) fn is_of(pod: &ObjectMeta, workload: &ObjectRef) -> bool {
    let owners = pod.owner_references.iter().flatten();
    owners.into_iter().any(|owner| match (workload.kind.as_str(), owner.kind.as_str()) {
        ("StatefulSet", "StatefulSet") => owner.name == workload.name,
        ("Deployment", "ReplicaSet") => owner.name.rsplit_once('-').is_some_and(|(name, _)| name == workload.name),
        _ => false,
    })
}

/// Whether it was synced by the virtual cluster of this name in its namespace.
pub(super) fn is_synced_by(pod: &ObjectMeta, name: &str) -> bool {
    pod.labels.as_ref().and_then(|labels| labels.get(SYNCED_BY)).is_some_and(|by| by == name)
}

/// Deletes the pods that the virtual cluster synced to its namespace. Says which are still there.
pub(super) async fn remove_synced(host: &Host, namespace: &str, name: &str) -> Result<Vec<String>, Error> {
    let api = Api::<Pod>::namespaced(host.client(), namespace);
    let synced = ListParams::default().labels(&format!("{SYNCED_BY}={name}"));
    let pods = api.list_metadata(&synced).await.map_err(host.failed("list", format!("Pods of {namespace}")))?;
    let going = stream::iter(pods.items).map(|pod| remove(host, &api, pod.metadata));
    going.buffered(CONCURRENCY).try_collect().await
}

/// Deletes this very pod, and says that it is going.
pub(super) async fn remove(host: &Host, api: &Api<Pod>, pod: ObjectMeta) -> Result<String, Error> {
    let name = pod.name.unwrap_or_default();
    if pod.deletion_timestamp.is_none() {
        let this = Preconditions { uid: pod.uid, resource_version: None };
        match api.delete(&name, &DeleteParams::default().preconditions(this)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            deleted => {
                let pod = format!("Pod {}/{name}", pod.namespace.unwrap_or_default());
                deleted.map(drop).map_err(host.failed("delete", pod))?;
            }
        }
    }
    Ok(format!("pod {name} is going"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_is_of_the_workload_that_its_owner_is_or_is_named_after() {
        let workload = |kind: &str| ObjectRef {
            api_version: "apps/v1".into(),
            kind: kind.into(),
            namespace: Some("ns".into()),
            name: "team-a".into(),
        };
        for (kind, owner, name, expected) in [
            ("StatefulSet", "StatefulSet", "team-a", true),
            ("StatefulSet", "StatefulSet", "team-a-etcd", false),
            ("StatefulSet", "ReplicaSet", "team-a", false),
            ("Deployment", "ReplicaSet", "team-a-5d4f8c7b9d", true),
            ("Deployment", "ReplicaSet", "team-a-etcd-5d4f8c7b9d", false),
            ("Deployment", "Service", "team-a-5d4f8c7b9d", false),
        ] {
            let owner = json!({"apiVersion": "v1", "kind": owner, "name": name, "uid": "1"});
            let pod: Pod = serde_json::from_value(json!({"metadata": {"ownerReferences": [owner]}})).unwrap();
            assert_eq!(is_of(&pod.metadata, &workload(kind)), expected, "{kind} {name}");
        }
    }
}
