//! What a virtual cluster's own pods and claims take of its size, from the objects that its chart makes.
//!
//! Owns the sums, and what is too much. The rest is the tenant's.

use serde_json::Value;

use super::enforced::{DEFAULT_REQUEST, counts_limits};
use super::limits::container_default;
use super::{MappingVersion, VirtualClusterSpec};
use crate::domain::quantity::Bytes;
use crate::domain::size::{Resource, Size};

/// The least part of a size that is worth having: one in so many.
const WORTH_HAVING: u64 = 5;

/// What containers ask for, and are limited to. Storage is what claims ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Amounts {
    requests: Size,
    limits: Size,
}

impl Amounts {
    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            limits: self.limits.saturating_add(other.limits),
        }
    }

    fn times(self, times: u64) -> Self {
        let each = |size: Size| Size::from_amounts(|resource| size.get(resource).saturating_mul(times));
        Self { requests: each(self.requests), limits: each(self.limits) }
    }

    fn or_more(self, other: Self) -> Self {
        let most = |left: Size, right: Size| Size::from_amounts(|resource| left.get(resource).max(right.get(resource)));
        Self { requests: most(self.requests, other.requests), limits: most(self.limits, other.limits) }
    }
}

/// What one object takes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// The object, as `Kind name`.
    object: String,
    /// How many pods there are at most, while they are replaced.
    pods: u64,
    amounts: Amounts,
}

/// Something of a size that its own control plane takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The quota's word for it: `requests.cpu`.
    pub counted_as: &'static str,
    /// Which of the three.
    pub resource: Resource,
    /// So much, in millicores or bytes.
    pub needed: u64,
    /// What the size has.
    pub size: u64,
    /// Who takes it, the most first, as `3 pods of StatefulSet a: 3`.
    pub by: Vec<String>,
}

/// A limit that no container may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// The object, as `Kind name`.
    pub object: String,
    /// The container.
    pub container: String,
    /// Which of the three.
    pub resource: Resource,
    /// Its limit or request, in millicores or bytes.
    pub given: u64,
    /// What the size has.
    pub size: u64,
}

/// What is wrong with what the control plane takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// More than there is.
    pub lacking: Vec<Taken>,
    /// Containers that the host refuses.
    pub beyond: Vec<Beyond>,
    /// So much that little is left.
    pub scarce: Vec<Taken>,
}

impl Verdict {
    /// Whether it can run.
    pub fn runs(&self) -> bool {
        self.lacking.is_empty() && self.beyond.is_empty()
    }
}

/// Judges the `objects` that the chart makes with `values`.
pub fn judge(version: MappingVersion, spec: &VirtualClusterSpec, objects: &[Value], values: &Value) -> Verdict {
    let strict = counts_limits(version, spec.count_limits);
    let mut count = Count { strict, size: spec.size, beyond: Vec::new() };
    let mut parts: Vec<Part> = objects.iter().filter_map(|object| count.object(object)).collect();
    parts.extend(count.dns(values));
    let counted = [
        ("requests.cpu", Resource::Cpu, false),
        ("limits.cpu", Resource::Cpu, true),
        ("requests.memory", Resource::Memory, false),
        ("limits.memory", Resource::Memory, true),
        ("requests.storage", Resource::Storage, false),
    ];
    let mut verdict = Verdict { beyond: count.beyond, ..Verdict::default() };
    for (counted_as, resource, is_limit) in counted.into_iter().filter(|(_, _, is_limit)| strict || !is_limit) {
        let of = |part: &Part| {
            let amounts = if is_limit { part.amounts.limits } else { part.amounts.requests };
            amounts.get(resource)
        };
        let (needed, size) = (parts.iter().map(of).fold(0, u64::saturating_add), spec.size.get(resource));
        let mut by: Vec<&Part> = parts.iter().filter(|part| of(part) > 0).collect();
        by.sort_by_key(|part| std::cmp::Reverse(of(part)));
        let line = |part: &&Part| match part.pods {
            0 => format!("{}: {}", part.object, resource.say(of(part))),
            1 => format!("1 pod of {}: {}", part.object, resource.say(of(part))),
            pods => format!("{pods} pods of {}: {}", part.object, resource.say(of(part))),
        };
        let taken = Taken { counted_as, resource, needed, size, by: by.iter().map(line).collect() };
        if needed > size {
            verdict.lacking.push(taken);
        } else if resource != Resource::Storage && size - needed < size / WORTH_HAVING {
            verdict.scarce.push(taken);
        }
    }
    verdict
}

struct Count {
    strict: bool,
    size: Size,
    beyond: Vec<Beyond>,
}

impl Count {
    /// What the object takes; none where it is neither a workload nor a claim.
    fn object(&mut self, object: &Value) -> Option<Part> {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let shown = format!("{kind} {name}");
        if kind == "PersistentVolumeClaim" {
            let requests = Size { storage: Bytes(claimed(object.get("spec"))), ..Size::ZERO };
            return Some(Part { object: shown, pods: 0, amounts: Amounts { requests, limits: Size::ZERO } });
        }
        let pod = object.pointer("/spec/template/spec")?;
        let replicas = object.pointer("/spec/replicas").map_or(Some(1), Value::as_u64)?;
        let pods = replicas.saturating_add(if kind == "Deployment" { surge(object, replicas) } else { 0 });
        let mut amounts = self.pod(&shown, pod).times(pods);
        let claims = object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array).into_iter().flatten();
        let storage = claims.map(|claim| claimed(claim.get("spec"))).fold(0, u64::saturating_add);
        amounts.requests.storage = Bytes(storage.saturating_mul(replicas));
        Some(Part { object: shown, pods, amounts })
    }

    /// The larger of what its containers ask for together, and of what those ask for that run before them.
    fn pod(&mut self, object: &str, pod: &Value) -> Amounts {
        let (mut beside, mut most) = (Amounts::default(), Amounts::default());
        for container in items(pod, "initContainers") {
            let asked = self.container(object, container);
            most = most.or_more(beside.plus(asked));
            if text(container, "/restartPolicy") == "Always" {
                beside = beside.plus(asked);
            }
        }
        let all = items(pod, "containers").iter().fold(beside, |sum, container| {
            let asked = self.container(object, container);
            sum.plus(asked)
        });
        all.or_more(most)
    }

    fn container(&mut self, object: &str, container: &Value) -> Amounts {
        let (request, limit) = self.unset();
        let of = |kind: &str, resource: Resource| {
            let amount = container.pointer(&format!("/resources/{kind}/{}", resource.attribute()))?;
            match amount {
                Value::String(text) => resource.read(text),
                Value::Number(number) => resource.read(&number.to_string()),
                _ => None,
            }
        };
        let computing = |resource: &Resource| *resource != Resource::Storage;
        let amounts = |pick: &dyn Fn(Resource) -> u64| {
            Size::from_amounts(|resource| if computing(&resource) { pick(resource) } else { 0 })
        };
        let limits = amounts(&|resource| of("limits", resource).unwrap_or(limit.get(resource)));
        let requests = amounts(&|resource| {
            of("requests", resource).or_else(|| of("limits", resource)).unwrap_or(request.get(resource))
        });
        for resource in Resource::ALL.into_iter().filter(computing) {
            let (given, size) = (limits.get(resource).max(requests.get(resource)), self.size.get(resource));
            if given > size {
                let (object, container) = (object.to_owned(), text(container, "/name").to_owned());
                self.beyond.push(Beyond { object, container, resource, given, size });
            }
        }
        Amounts { requests, limits }
    }

    /// What a container asks for, and is limited to, that says nothing.
    fn unset(&self) -> (Size, Size) {
        let limits = container_default(&self.size);
        let strict = Size { cpu: limits.cpu, memory: limits.memory, storage: Bytes(0) };
        let lenient = Size { cpu: DEFAULT_REQUEST.cpu, memory: DEFAULT_REQUEST.memory, storage: Bytes(0) };
        if self.strict { (strict, strict) } else { (lenient, self.size) }
    }

    /// CoreDNS, which vCluster deploys itself by what its configuration says.
    fn dns(&mut self, values: &Value) -> Option<Part> {
        let dns = values.pointer("/controlPlane/coredns")?;
        if dns.get("enabled") == Some(&Value::Bool(false)) || dns.get("embedded") == Some(&Value::Bool(true)) {
            return None;
        }
        let deployment = dns.get("deployment")?;
        let pods = deployment.get("replicas").and_then(Value::as_u64).unwrap_or(1);
        let container = serde_json::json!({ "name": "coredns", "resources": deployment.get("resources") });
        let object = "CoreDNS".to_owned();
        Some(Part { amounts: self.container(&object, &container).times(pods), object, pods })
    }
}

/// How many pods of a Deployment there are beyond its replicas while they are replaced.
fn surge(deployment: &Value, replicas: u64) -> u64 {
    if text(deployment, "/spec/strategy/type") == "Recreate" {
        return 0;
    }
    let surge = deployment.pointer("/spec/strategy/rollingUpdate/maxSurge");
    let percent = |percent: u64| replicas.saturating_mul(percent).div_ceil(100);
    match surge {
        Some(Value::Number(number)) => number.as_u64().unwrap_or_default(),
        Some(Value::String(text)) => text.trim_end_matches('%').parse().map_or(0, percent),
        _ => percent(25),
    }
}

fn claimed(spec: Option<&Value>) -> u64 {
    let storage = spec.and_then(|spec| spec.pointer("/resources/requests/storage"));
    let read = |text: &str| Resource::Storage.read(text);
    match storage {
        Some(Value::String(text)) => read(text).unwrap_or_default(),
        Some(Value::Number(number)) => read(&number.to_string()).unwrap_or_default(),
        _ => 0,
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, list: &str) -> &'v [Value] {
    value.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests;
