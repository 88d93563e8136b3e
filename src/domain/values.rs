//! The mapping from a virtual cluster's attributes to values of the vCluster chart (0.24 to 0.36), versioned.
//!
//! Owns which chart values the provider sets, how the user's `values` are merged with them and which of the user's are
//! refused. Never reads a chart and never renders one. The size itself is not a chart value: see [`limits`] and [`enforced`].
//!
//! The numbers and the paths were measured and read as `docs/design/sizes.md` tells.

pub mod enforced;
pub mod limits;
mod merge;
pub mod need;
mod refused;

use std::collections::BTreeMap;

use semver::Version;
use serde_json::{Map, Value, json};

use crate::domain::distro::Distro;
use crate::domain::endpoint::EndpointType;
use crate::domain::hard::Hard;
use crate::domain::isolation::{self, PodSecurity};
use crate::domain::quantity::Bytes;
use crate::domain::size::Size;
use crate::domain::toleration::{self, Toleration};

pub use merge::{Layer, ValuesError};

/// Which mapping made a virtual cluster's objects. It is recorded with each virtual cluster, so that a later provider
/// renders the same objects. A change of the mapping that changes any object is a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingVersion {
    /// The first: requests and limits count.
    V1,
    /// Requests count, and limits where that is asked for. Chart values are those of the first.
    V2,
}

impl MappingVersion {
    /// What new virtual clusters get.
    pub const NEWEST: Self = Self::V2;

    /// The number in records.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The version of a record; none for one of a newer provider.
    pub fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }
}

/// Everything of a virtual cluster that its chart values depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualClusterSpec {
    /// Its name, which is also the chart's release name.
    pub name: String,
    /// Its namespace on the host cluster.
    pub namespace: String,
    /// The vCluster version that its chart has.
    pub vcluster_version: Version,
    /// Its size.
    pub size: Size,
    /// What else there is of it than the three resources, over what every virtual cluster has by its size.
    pub hard: Hard,
    /// Priority classes of the host that its pods may have.
    pub priority_classes: Vec<String>,
    /// Whether the size counts limits as well as requests. By the first mapping it always does.
    pub count_limits: bool,
    /// The control plane's volume as [`limits::control_plane_volume`] said when the virtual cluster was created; a
    /// StatefulSet's volumes cannot be changed later. None: the data lives as long as the pod.
    pub volume: Option<Bytes>,
    /// The storage class of that volume; none: the host's default.
    pub storage_class: Option<String>,
    /// How it is reached.
    pub endpoint_type: EndpointType,
    /// Its host name (see [`crate::domain::endpoint::host_name`]); an Ingress needs one.
    pub host_name: Option<String>,
    /// The distribution inside.
    pub distro: Distro,
    /// The Kubernetes version inside, as [`Distro::image_tag`] gives it; none: the chart's own.
    pub kubernetes_version: Option<String>,
    /// Labels of the nodes that the virtual cluster may use; empty: all.
    pub node_selector: BTreeMap<String, String>,
    /// What its pods, those of the control plane included, may do.
    pub pod_security: PodSecurity,
    /// Whether its pods and those of others are kept apart.
    pub network_isolation: bool,
    /// Which tainted nodes the virtual cluster may use.
    pub tolerations: Vec<Toleration>,
}

/// The values to render the chart with: what the provider manages, over the user's `layers` (later ones win), over the
/// provider's defaults.
///
/// # Errors
/// The first value, in order of layers, that contradicts a managed one or that is refused.
pub fn chart_values(
    version: MappingVersion,
    spec: &VirtualClusterSpec,
    layers: &[Layer<'_>],
) -> Result<Value, ValuesError> {
    // Both have the same values: see [`enforced`] for what differs.
    let (MappingVersion::V1 | MappingVersion::V2) = version;
    let managed = managed(spec);
    for layer in layers {
        merge::check(&managed, layer)?;
        refused::check(layer)?;
    }
    let mut values = defaults(spec);
    for layer in layers {
        merge::overlay(&mut values, layer.values);
    }
    merge::overlay_joining_lists(&mut values, &managed);
    Ok(values)
}

/// What the user's values may replace.
fn defaults(spec: &VirtualClusterSpec) -> Value {
    let control_plane = limits::control_plane(&spec.size);
    let distro = spec.distro.to_string();
    json!({
        "controlPlane": {
            "statefulSet": { "resources": {
                "requests": limits::CONTROL_PLANE_REQUESTS,
                "limits": control_plane,
            } },
            // The init container that copies the binaries; a pod is charged the larger of it and the syncer.
            "distro": { distro: { "resources": {
                "requests": { "cpu": "40m", "memory": "64Mi" },
                "limits": { "cpu": control_plane.cpu.to_string(), "memory": "256Mi" },
            } } },
            "coredns": { "deployment": { "resources": {
                "requests": { "cpu": "20m", "memory": "64Mi" },
                "limits": limits::COREDNS,
            } } },
        },
    })
}

/// What the user's values may repeat but not contradict.
fn managed(spec: &VirtualClusterSpec) -> Value {
    let mut values = json!({
        // The provider applies both itself, so that a new size reaches the host without a restart: the chart hashes
        // all its values into the control plane's pod.
        "policies": { "resourceQuota": { "enabled": false }, "limitRange": { "enabled": false } },
        "controlPlane": {
            "distro": distro(spec),
            "service": { "enabled": true, "spec": { "type": spec.endpoint_type.service_type() } },
            "proxy": { "extraSANs": server_names(spec) },
            "statefulSet": { "persistence": { "volumeClaim": volume_claim(spec) } },
        },
    });
    if let (EndpointType::Ingress, Some(host)) = (spec.endpoint_type, &spec.host_name) {
        values["controlPlane"]["ingress"] = json!({ "enabled": true, "host": host });
    }
    for isolating in [isolation::pod_security_values(spec), isolation::network_values(spec)].into_iter().flatten() {
        merge::overlay(&mut values, &isolating);
    }
    if !spec.node_selector.is_empty() {
        values["controlPlane"]["statefulSet"]["scheduling"] = json!({ "nodeSelector": spec.node_selector });
        // Without `nodes.enabled` no node is synced, and yet every pod gets these labels as its node selector.
        values["sync"] = json!({ "fromHost": { "nodes": { "selector": { "labels": spec.node_selector } } } });
    }
    if !spec.tolerations.is_empty() {
        merge::overlay(&mut values, &toleration::chart_values(&spec.tolerations));
    }
    values
}

/// The chosen distribution on and every other that the version knows off: its schema refuses those that it does not.
fn distro(spec: &VirtualClusterSpec) -> Value {
    let mut values = Map::new();
    for &distro in Distro::all_of(&spec.vcluster_version) {
        values.insert(distro.to_string(), json!({ "enabled": distro == spec.distro }));
    }
    if let Some(tag) = &spec.kubernetes_version {
        let chosen = match spec.distro {
            Distro::K3s => json!({ "enabled": true, "image": { "tag": tag } }),
            Distro::K8s => json!({ "enabled": true, "version": tag }),
        };
        values.insert(spec.distro.to_string(), chosen);
    }
    Value::Object(values)
}

/// Names that vCluster's own certificate lacks: it has the Service's cluster IP, its load balancer's address, `<name>`
/// and `<name>.<namespace>`.
fn server_names(spec: &VirtualClusterSpec) -> Vec<String> {
    let service = format!("{}.{}.svc", spec.name, spec.namespace);
    std::iter::once(service).chain(spec.host_name.clone()).collect()
}

fn volume_claim(spec: &VirtualClusterSpec) -> Value {
    match (spec.volume, &spec.storage_class) {
        (None, _) => json!({ "enabled": false }),
        (Some(volume), None) => json!({ "enabled": true, "size": volume.to_string() }),
        (Some(volume), Some(class)) => json!({ "enabled": true, "size": volume.to_string(), "storageClass": class }),
    }
}

#[cfg(test)]
pub(crate) mod tests;
