//! The nodes of a host, as far as its capacity depends on them.

use k8s_openapi::api::core::v1::Node as HostNode;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Api, ListParams};

use super::{Error, Host, Reason, pages};
use crate::domain::capacity::Node;
use crate::domain::quantity::{Quantity as Amount, QuantityError};

/// All nodes of `host`.
///
/// # Errors
/// The host's refusal, or an allocatable amount that is no quantity.
pub async fn list(host: &Host) -> Result<Vec<Node>, Error> {
    let api = Api::<HostNode>::all(host.client());
    let api = &api;
    let fetch = |page| async move { api.list(&page).await.map_err(host.failed("list", "its nodes")) };
    let found = pages::all(ListParams::default(), fetch).await?;
    let usable = |node: HostNode| {
        let name = node.metadata.name.clone().unwrap_or_default();
        let unusable = |error: QuantityError| {
            Error::new(host.name(), "read", format!("Node {name}"), Reason::Other { message: error.to_string() })
        };
        of(node).map_err(unusable)
    };
    found.into_iter().map(usable).collect()
}

fn of(node: HostNode) -> Result<Node, QuantityError> {
    let usable = is_usable(&node);
    let allocatable = node.status.and_then(|status| status.allocatable).unwrap_or_default();
    let extended = allocatable.iter().filter(|(name, _)| is_extended(name));
    let extended =
        extended.filter_map(|(name, Quantity(text))| Some((name.clone(), text.parse::<Amount>().ok()?.bytes())));
    let extended = extended.collect();
    let amount = |resource: &str| allocatable.get(resource).map_or("0", |Quantity(text)| text.as_str());
    Ok(Node {
        name: node.metadata.name.unwrap_or_default(),
        cpu: amount("cpu").parse()?,
        memory: amount("memory").parse()?,
        extended,
        labels: node.metadata.labels.unwrap_or_default(),
        usable,
    })
}

/// Whether somebody else than Kubernetes has named the resource.
fn is_extended(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io"))
}

/// Whether ordinary pods can be scheduled to the node: it is Ready, not cordoned, and no taint keeps them away.
fn is_usable(node: &HostNode) -> bool {
    let spec = node.spec.as_ref();
    let cordoned = spec.and_then(|spec| spec.unschedulable).unwrap_or_default();
    let taints = spec.and_then(|spec| spec.taints.as_ref()).into_iter().flatten();
    let tainted = taints.into_iter().any(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"));
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && !cordoned && !tainted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), usable: bool) {
        let mut node = json!({
            "metadata": { "name": "a" }, "spec": {},
            "status": { "allocatable": { "cpu": "15890m", "memory": "61523948Ki" },
                        "conditions": [{ "type": "MemoryPressure", "status": "False" }, { "type": "Ready", "status": "True" }] },
        });
        change(&mut node);
        let read = of(serde_json::from_value(node).unwrap()).unwrap();
        assert_eq!((read.usable, read.cpu.0, read.memory.0), (usable, 15890, 61_523_948 << 10));
    }

    #[test]
    fn resources_that_not_every_node_has_are_known_by_their_domain() {
        let node = json!({ "metadata": { "name": "a" }, "status": { "allocatable": {
            "cpu": "4", "memory": "8Gi", "pods": "110", "hugepages-2Mi": "0", "nvidia.com/gpu": "8", "example.com/card": "1k",
            "attachable-volumes-aws-ebs": "39" } } });
        let read = of(serde_json::from_value(node).unwrap()).unwrap();
        let expected = [("example.com/card".to_owned(), 1000), ("nvidia.com/gpu".to_owned(), 8)];
        assert_eq!(read.extended, expected.into());
    }

    #[test]
    fn a_node_counts_when_ordinary_pods_can_run_there() {
        check(|_| {}, true);
        check(|node| node["spec"]["unschedulable"] = json!(true), false);
        check(|node| node["status"]["conditions"][1]["status"] = json!("Unknown"), false);
        check(|node| node["spec"]["taints"] = json!([{ "key": "gpu", "effect": "NoSchedule" }]), false);
        check(|node| node["spec"]["taints"] = json!([{ "key": "gone", "effect": "NoExecute" }]), false);
        check(|node| node["spec"]["taints"] = json!([{ "key": "full", "effect": "PreferNoSchedule" }]), true);
    }
}
