//! The status that a kubelet would give a control-plane pod: running at once, ready when its API server is.

use std::net::Ipv4Addr;

use k8s_openapi::{
    api::core::v1::{Container, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use serde_json::{Value, json};

/// A strategic merge patch of a pod's status.
pub(super) fn running(pod: &Pod, node: Ipv4Addr, ready: bool) -> Value {
    let now = Time(Timestamp::now());
    let condition = |name: &str, holds: bool| json!({ "type": name, "status": if holds { "True" } else { "False" }, "lastTransitionTime": now });
    let spec = pod.spec.as_ref();
    let init = spec.iter().flat_map(|spec| spec.init_containers.iter().flatten()).map(|container| {
        let state =
            json!({ "terminated": { "exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now } });
        status(container, true, &state)
    });
    let containers = spec.iter().flat_map(|spec| &spec.containers).map(|container| {
        let mut status = status(container, ready, &json!({ "running": { "startedAt": now } }));
        status["started"] = json!(ready);
        status
    });
    json!({ "status": {
        "phase": "Running",
        "startTime": now,
        "hostIP": node,
        "hostIPs": [{ "ip": node }],
        "conditions": [
            condition("Initialized", true),
            condition("ContainersReady", ready),
            condition("Ready", ready),
        ],
        "initContainerStatuses": init.collect::<Vec<_>>(),
        "containerStatuses": containers.collect::<Vec<_>>(),
    }})
}

fn status(container: &Container, ready: bool, state: &Value) -> Value {
    json!({
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "restartCount": 0,
        "ready": ready,
        "state": state,
    })
}
