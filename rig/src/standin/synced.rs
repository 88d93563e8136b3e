//! The one workload pod that every virtual cluster has, CoreDNS, as the syncer would put it on the host. Like a syncer,
//! the stand-in makes it again while the virtual cluster runs, and leaves it alone once it is paused.

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Resource;
use serde_json::{Value, json};

use super::MANAGED_BY;

/// Name of the synced CoreDNS pod of virtual cluster `name`.
pub(super) fn pod_name(name: &str) -> String {
    format!("coredns-x-kube-system-x-{name}")
}

/// The synced CoreDNS pod, owned by the virtual cluster's Service.
pub(super) fn coredns(name: &str, service: &Service, resources: &Value) -> Result<Pod, serde_json::Error> {
    serde_json::from_value(json!({
        "metadata": {
            "name": pod_name(name),
            "labels": {
                MANAGED_BY: name,
                "k8s-app": "vcluster-kube-dns",
                "vcluster.loft.sh/namespace": "kube-system",
            },
            "annotations": {
                "vcluster.loft.sh/object-name": "coredns",
                "vcluster.loft.sh/object-namespace": "kube-system",
            },
            "ownerReferences": service.owner_ref(&()).map(|owner| vec![owner]),
        },
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "containers": [{ "name": "coredns", "image": "coredns/coredns:1.14.1", "resources": resources }],
        },
    }))
}
