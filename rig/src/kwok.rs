//! Fake nodes: kwok makes them Ready and plays the kubelet for their pods, except for vCluster's control planes, whose
//! pods the stand-in plays.

use std::{net::Ipv4Addr, path::Path};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use crate::{
    RigError,
    component::{Component, ComponentError},
    state,
};

/// How many nodes a host has, and how big each is.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    pub count: usize,
    /// Kubernetes quantity.
    pub cpu: String,
    /// Kubernetes quantity.
    pub memory: String,
}

/// What kwok does with nodes and pods. Pods go Running and Ready at once, those of Jobs complete, deleted ones go.
const STAGES: &str = include_str!("kwok/stages.yaml");

/// Starts kwok for the host of `kubeconfig`.
pub(crate) fn start(
    binary: &Path,
    directory: &Path,
    group: i32,
    kubeconfig: &Path,
    address: Ipv4Addr,
) -> Result<Component, RigError> {
    let stages = directory.join("stages.yaml");
    state::write(&stages, STAGES)?;
    let arguments = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--config={}", stages.display()),
        format!("--node-ip={address}"),
        "--node-port=0".to_owned(),
        "--cidr=10.244.0.0/16".to_owned(),
        "--manage-all-nodes=true".to_owned(),
        // None: nobody looks at leases here, and without one a node's pods would wait until kwok has it again.
        "--node-lease-duration-seconds=0".to_owned(),
    ];
    Component::start(binary, directory, group, arguments).map_err(|source: ComponentError| RigError::Component {
        host: directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        source,
    })
}

/// Registers the nodes `<host>-node-1` and so on, all of them at the host's `address`, where node ports answer.
pub(crate) async fn register(host: &str, client: &Client, nodes: &Nodes, address: Ipv4Addr) -> Result<(), RigError> {
    let api = Api::<Node>::all(client.clone());
    stream::iter(1..=nodes.count)
        .map(|number| register_one(host, &api, nodes, number, address))
        .buffer_unordered(16)
        .try_collect()
        .await
}

async fn register_one(
    host: &str,
    api: &Api<Node>,
    nodes: &Nodes,
    number: usize,
    address: Ipv4Addr,
) -> Result<(), RigError> {
    let name = format!("{host}-node-{number}");
    let failed = |source| RigError::Request {
        host: host.to_owned(),
        operation: format!("register node {name}"),
        source: Box::new(source),
    };
    let room = json!({ "cpu": nodes.cpu, "memory": nodes.memory, "pods": "110", "ephemeral-storage": "100Gi" });
    let node = serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "type": "kwok",
            },
        },
        "status": {
            "allocatable": room,
            "capacity": room,
            "addresses": [
                { "type": "InternalIP", "address": address },
                { "type": "Hostname", "address": name },
            ],
            "nodeInfo": { "kubeletVersion": "v1.35.4" },
        },
    }))
    .map_err(|error| failed(kube::Error::SerdeError(error)))?;
    api.create(&PostParams::default(), &node).await.map(drop).map_err(failed)
}
