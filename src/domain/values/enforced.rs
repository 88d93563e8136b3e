//! The objects by which a host enforces a size: a ResourceQuota and a LimitRange.
//!
//! Owns what each version of the mapping makes of a size. What the API server does with it is told in `docs/design/sizes.md`.

use serde_json::{Value, json};

use super::limits::{self, Limits};
use super::{MappingVersion, VirtualClusterSpec};
use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::Size;

const MIB: u64 = 1 << 20;

/// What a container requests that says nothing, where requests alone count: what an idle one of most services uses, so that
/// dozens fit and a node's scheduler still sees them.
pub const DEFAULT_REQUEST: Limits = Limits { cpu: Millicores(50), memory: Bytes(64 * MIB) };

/// The least that a container may request and be limited to. More than nothing: a limit of zero is none.
pub const SMALLEST_CONTAINER: Limits = Limits { cpu: Millicores(1), memory: Bytes(MIB) };

/// How many times the size the limits of all containers of a pod may be together. Nothing else holds limits of a pod as a whole,
/// which containers that are added to it later run under.
const POD_TIMES: u64 = 10;

/// The most that Kubernetes can count.
const MOST: u64 = i64::MAX as u64;

/// Whether the size of such a virtual cluster counts limits as well as requests.
pub fn counts_limits(version: MappingVersion, count_limits: bool) -> bool {
    version == MappingVersion::V1 || count_limits
}

/// The ResourceQuota and the LimitRange of a virtual cluster, named as the chart would name them.
pub fn objects(version: MappingVersion, spec: &VirtualClusterSpec) -> [Value; 2] {
    let metadata = json!({ "name": format!("vc-{}", spec.name), "namespace": spec.namespace });
    let counts_limits = counts_limits(version, spec.count_limits);
    let (cpu, memory) = (spec.size.cpu.to_string(), spec.size.memory.to_string());
    let mut hard = json!({
        "requests.cpu": cpu, "requests.memory": memory, "requests.storage": spec.size.storage.to_string(),
    });
    if counts_limits {
        (hard["limits.cpu"], hard["limits.memory"]) = (json!(cpu), json!(memory));
    }
    let mut ranges = if counts_limits { vec![divided(&spec.size)] } else { bursting(&spec.size) };
    if version > MappingVersion::V1
        && let Some(container) = ranges.first_mut()
    {
        container["min"] = json!(SMALLEST_CONTAINER);
    }
    [
        json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": { "hard": hard } }),
        json!({ "apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": { "limits": ranges } }),
    ]
}

/// Where limits count, a container gets a part of the size that leaves room for others.
fn divided(size: &Size) -> Value {
    let limits = limits::container_default(size);
    // Most containers use far less than their limit: requests only guide the host's scheduler.
    let requests =
        Limits { cpu: Millicores(limits.cpu.0.div_ceil(4)), memory: Bytes(limits.memory.0.div_ceil(2 * MIB) * MIB) };
    json!({ "type": "Container", "default": limits, "defaultRequest": requests })
}

/// Where requests alone count, a container may use what nobody else does: the whole size, and no more.
fn bursting(size: &Size) -> Vec<Value> {
    let whole = Limits { cpu: size.cpu, memory: size.memory };
    let of_pod = |amount: u64| amount.saturating_mul(POD_TIMES).min(MOST);
    let of_pod = Limits { cpu: Millicores(of_pod(size.cpu.0)), memory: Bytes(of_pod(size.memory.0)) };
    vec![
        json!({ "type": "Container", "max": whole, "default": whole, "defaultRequest": DEFAULT_REQUEST }),
        json!({ "type": "Pod", "max": of_pod }),
    ]
}

#[cfg(test)]
mod tests;
