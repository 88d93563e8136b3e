//! Chart values that no virtual cluster of this provider may have, each with its reason.
//!
//! Found by reading the value schemas of vCluster 0.24 to 0.36. A path that a version does not know is refused there
//! too, which costs nothing: the chart's schema would refuse it.

use serde_json::Value;

use super::merge::{Layer, ValuesError};

struct Refusal {
    path: &'static str,
    reason: &'static str,
}

const ESCAPES: &str = "its workloads would run outside the namespace whose quota enforces the size";
const SIZED: &str = "the provider enforces `resources` with a ResourceQuota and a LimitRange of its own";
const VOLUME: &str = "`resources.storage` and the storage class decide the control plane's volume";
const KUBECONFIG: &str = "the provider reads the kubeconfig with client certificates that vCluster writes by default";

const SERVER: &str = "`kubeconfig` has the address of `endpoint`, which `endpoint_type` and `host_dns` decide";
const CONTEXT: &str = "it has no effect: `kubeconfig` names its context after the virtual cluster";

const REFUSED: &[Refusal] = &[
    Refusal { path: "sync.toHost.namespaces.enabled", reason: ESCAPES },
    Refusal { path: "experimental.multiNamespaceMode.enabled", reason: ESCAPES },
    Refusal { path: "experimental.syncSettings.targetNamespace", reason: ESCAPES },
    Refusal { path: "experimental.isolatedControlPlane.enabled", reason: ESCAPES },
    Refusal { path: "privateNodes.enabled", reason: ESCAPES },
    Refusal { path: "controlPlane.standalone.enabled", reason: ESCAPES },
    Refusal {
        path: "experimental.reuseNamespace",
        reason: "a namespace holds one virtual cluster, whose size its quota is",
    },
    Refusal {
        path: "experimental.deploy.host",
        reason: "objects that vCluster deploys to the host itself would neither be counted nor deleted",
    },
    Refusal { path: "policies.resourceQuota", reason: SIZED },
    Refusal { path: "policies.limitRange", reason: SIZED },
    Refusal { path: "controlPlane.statefulSet.persistence.volumeClaimTemplates", reason: VOLUME },
    Refusal { path: "controlPlane.statefulSet.persistence.dataVolume", reason: VOLUME },
    Refusal { path: "controlPlane.distro.k0s.enabled", reason: "`distro` is k3s or k8s" },
    Refusal { path: "exportKubeConfig.server", reason: SERVER },
    Refusal { path: "exportKubeConfig.context", reason: CONTEXT },
    Refusal { path: "exportKubeConfig.secret", reason: KUBECONFIG },
    Refusal { path: "exportKubeConfig.serviceAccount", reason: KUBECONFIG },
    Refusal { path: "exportKubeConfig.insecure", reason: KUBECONFIG },
];

/// Looks for a refused value in the layer. What is merely written out as off or empty is fine.
pub(super) fn check(layer: &Layer<'_>) -> Result<(), ValuesError> {
    let refused = REFUSED.iter().find(|refusal| at(layer.values, refusal.path).is_some_and(is_set));
    match refused {
        Some(Refusal { path, reason }) => Err(ValuesError::Refused { layer: layer.name.to_owned(), path, reason }),
        None => Ok(()),
    }
}

fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(values, |value, key| value.get(key))
}

/// Anything but null, false, empty, or a collection of nothing else.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty() && text != "false",
        Value::Array(items) => items.iter().any(is_set),
        Value::Object(fields) => fields.values().any(is_set),
    }
}
