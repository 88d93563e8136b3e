//! The nodes of a host, as far as its capacity depends on them.

use k8s_openapi::api::core::v1::{Node as HostNode, Taint as HostTaint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Api, ListParams};

use super::{Error, Host, Reason, pages};
use crate::domain::node::{Effect, Node, Taint};
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
    let (spec, status) = (node.spec.unwrap_or_default(), node.status.unwrap_or_default());
    let allocatable = status.allocatable.unwrap_or_default();
    let extended = allocatable.iter().filter(|(name, _)| is_extended(name));
    let extended = extended
        .filter_map(|(name, Quantity(text))| Some((name.as_str().into(), text.parse::<Amount>().ok()?.bytes())));
    let extended = extended.collect();
    let amount = |resource: &str| allocatable.get(resource).map_or("0", |Quantity(text)| text.as_str());
    let mut conditions = status.conditions.into_iter().flatten();
    Ok(Node {
        name: node.metadata.name.unwrap_or_default(),
        cpu: amount("cpu").parse()?,
        memory: amount("memory").parse()?,
        extended,
        labels: node.metadata.labels.unwrap_or_default(),
        is_ready: conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        is_cordoned: spec.unschedulable.unwrap_or_default(),
        taints: spec.taints.into_iter().flatten().filter_map(taint).collect(),
    })
}

/// Whether somebody else than Kubernetes has named the resource.
fn is_extended(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io"))
}

/// None for a taint that keeps no pod away.
fn taint(taint: HostTaint) -> Option<Taint> {
    let HostTaint { key, value, effect, .. } = taint;
    let effect: Effect = effect.parse().ok().filter(|effect: &Effect| effect.keeps_away())?;
    Some(Taint { key, value: value.unwrap_or_default(), effect })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn check(change: impl FnOnce(&mut Value), expected: &[&str]) {
        let mut node = json!({
            "metadata": { "name": "a" }, "spec": {},
            "status": { "allocatable": { "cpu": "15890m", "memory": "61523948Ki" },
                        "conditions": [{ "type": "MemoryPressure", "status": "False" }, { "type": "Ready", "status": "True" }] },
        });
        change(&mut node);
        let read = of(serde_json::from_value(node).unwrap()).unwrap();
        let excluded: Vec<String> = read.exclusions(&BTreeMap::new(), &[]).iter().map(ToString::to_string).collect();
        assert_eq!((excluded.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), read.cpu.0), (expected, 15890));
        assert_eq!(read.memory.0, 61_523_948 << 10);
    }

    #[test]
    fn resources_that_not_every_node_has_are_known_by_their_domain() {
        let node = json!({ "metadata": { "name": "a" }, "status": { "allocatable": {
            "cpu": "4", "memory": "8Gi", "pods": "110", "hugepages-2Mi": "0", "nvidia.com/gpu": "8", "example.com/card": "1k",
            "attachable-volumes-aws-ebs": "39" } } });
        let read = of(serde_json::from_value(node).unwrap()).unwrap();
        let expected = [("example.com/card".into(), 1000), ("nvidia.com/gpu".into(), 8)];
        assert_eq!(read.extended, expected.into());
    }

    #[test]
    fn a_node_counts_when_ordinary_pods_can_run_there() {
        let tainted = |effect: &str| json!([{ "key": "gpu", "value": "a", "effect": effect }]);
        check(|_| {}, &[]);
        check(|node| node["spec"]["unschedulable"] = json!(true), &["cordoned"]);
        check(|node| node["status"]["conditions"][1]["status"] = json!("Unknown"), &["not Ready"]);
        check(|node| node["status"]["conditions"] = json!(null), &["not Ready"]);
        check(|node| node["spec"]["taints"] = tainted("NoSchedule"), &["tainted gpu=a:NoSchedule"]);
        check(|node| node["spec"]["taints"] = tainted("NoExecute"), &["tainted gpu=a:NoExecute"]);
        check(|node| node["spec"]["taints"] = tainted("PreferNoSchedule"), &[]);
    }
}
