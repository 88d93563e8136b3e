//! What a user's chart values may make of a chart, decided by the objects that come out and by nothing else.
//!
//! Owns the rules: which objects there may be, what roles may grant, how pods may run, what metadata may say. Never reads a
//! chart and never renders one: it is given the same chart rendered with and without what the user wrote. It names no value of
//! vCluster, so that it serves later versions and other charts.
//!
//! The measure is the chart itself. *Own* is what the chart makes without a word of the user. *Switched* is what it makes of the
//! user's switches alone (see [`switches`]): text cannot be in it. What is in neither, or is in *switched* and beyond
//! the rules here, is a [`Violation`], unless the chart does it on its own.

pub mod cause;
mod metadata;
mod pods;
mod rules;
pub mod switches;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::domain::size::Size;

/// The release whose objects are looked at, and what it is measured by.
#[derive(Debug, Clone, Copy)]
pub struct Guard<'a> {
    /// The release's name.
    pub name: &'a str,
    /// Its namespace, beyond which nothing may reach.
    pub namespace: &'a str,
    /// What the chart makes without the user.
    pub own: &'a [Value],
    /// What the chart makes of the user's switches.
    pub switched: &'a [Value],
    /// Registries, with a path or without, whose images are allowed beside the chart's own.
    pub registries: &'a [String],
    /// What the pods together may ask for, and each container may have.
    pub size: Size,
}

/// Something that reaches beyond what values may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The object, as `Kind namespace/name`.
    pub object: String,
    /// Path of the field within it; empty for the object as a whole.
    pub field: String,
    /// What is wrong with it, as a clause.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{}: {}", self.object, self.problem),
            field => write!(f, "{}, {field}: {}", self.object, self.problem),
        }
    }
}

/// What objects are called by: kind with its group, namespace, name.
type Identity = (String, String, String);

/// Kinds of a virtual cluster's objects. What a chart makes on its own may be of any kind.
const KINDS: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("gateway.networking.k8s.io", "TLSRoute"),
    ("monitoring.coreos.com", "ServiceMonitor"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    (RBAC, "ClusterRole"),
    (RBAC, "ClusterRoleBinding"),
    (RBAC, "Role"),
    (RBAC, "RoleBinding"),
];

const RBAC: &str = "rbac.authorization.k8s.io";

impl Guard<'_> {
    /// Everything of `objects` that values may not do, sorted. Documents without a kind are no objects, and left to others.
    pub fn violations(&self, objects: &[Value]) -> Vec<Violation> {
        let of_chart = self.found(self.own);
        let mut found = self.found(objects);
        found.retain(|violation| of_chart.binary_search(violation).is_err());
        found
    }

    fn found(&self, objects: &[Value]) -> Vec<Violation> {
        let mut report = Report { guard: self, found: Vec::new() };
        let (own, switched) = (by_identity(self.own), by_identity(self.switched));
        let mut seen = BTreeMap::new();
        let mut asked = Size::ZERO;
        for object in objects.iter().filter(|object| !object.is_null()) {
            let identity = identity(object);
            let at = Place { object, shown: shown(&identity) };
            if seen.insert(identity.clone(), ()).is_some() {
                report.add(&at, "", "there are two objects of this name".to_owned());
                continue;
            }
            let (own, switched) = (own.get(&identity).copied(), switched.get(&identity).copied());
            let Some(model) = own.or(switched) else {
                report.add(&at, "", "the chart makes no such object by itself".to_owned());
                continue;
            };
            // The chart makes it, of a switch at the most.
            if own.is_none() && !self.is_of_release(object, &identity) {
                report.add(
                    &at,
                    "",
                    "it is not of a kind, name or namespace that a virtual cluster may have".to_owned(),
                );
                continue;
            }
            report.metadata(&at, model);
            report.rules(&at, own, model);
            report.service(&at);
            asked = asked.saturating_add(report.workload(&at, model));
        }
        report.total(asked);
        report.found.sort();
        report.found.dedup();
        report.found
    }

    /// Whether the object is in the release's namespace, or is of the whole cluster and bears the name of the release with its namespace.
    fn is_of_release(&self, object: &Value, (kind, namespace, name): &Identity) -> bool {
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        if !KINDS.contains(&(group, kind)) {
            return false;
        }
        if kind.starts_with("Cluster") {
            // Some charts cut it at 63 characters.
            let whole = format!("vc-{}-v-{}", self.name, self.namespace);
            let cut = whole.get(..63).unwrap_or(&whole).trim_end_matches('-');
            return namespace.is_empty() && (*name == whole || name == cut);
        }
        // An object without a namespace goes where the release is.
        object.pointer("/metadata/namespace").is_none() || namespace == self.namespace
    }
}

/// An object that is looked at.
struct Place<'o> {
    object: &'o Value,
    shown: String,
}

impl Place<'_> {
    fn kind(&self) -> &str {
        text(self.object, "/kind")
    }
}

struct Report<'g> {
    guard: &'g Guard<'g>,
    found: Vec<Violation>,
}

impl Report<'_> {
    fn add(&mut self, at: &Place<'_>, field: impl Into<String>, problem: String) {
        self.found.push(Violation { object: at.shown.clone(), field: field.into(), problem });
    }

    /// What has another form than its name says is not looked into, and no server takes it.
    fn shape(&mut self, at: &Place<'_>, path: &str, value: Option<&Value>, is_right: fn(&Value) -> bool) {
        if value.is_some_and(|value| !value.is_null() && !is_right(value)) {
            self.add(at, path, "it is malformed".to_owned());
        }
    }

    /// Addresses that a Service takes from others.
    fn service(&mut self, at: &Place<'_>) {
        if at.kind() != "Service" {
            return;
        }
        for field in ["externalIPs", "externalName"] {
            if at.object["spec"].get(field).is_some_and(is_set) {
                self.add(at, format!("spec.{field}"), "a Service may not take addresses or names of others".to_owned());
            }
        }
    }
}

fn by_identity(objects: &[Value]) -> BTreeMap<Identity, &Value> {
    objects.iter().filter(|object| !object.is_null()).map(|object| (identity(object), object)).collect()
}

fn identity(object: &Value) -> Identity {
    let api_version = text(object, "/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = format!("{group}/{}", text(object, "/kind"));
    (kind, text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned())
}

fn shown((kind, namespace, name): &Identity) -> String {
    let kind = kind.rsplit('/').next().unwrap_or_default();
    match namespace.as_str() {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Anything but null, false, zero, empty text, or a collection of nothing else.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(is_set),
        Value::Object(fields) => fields.values().any(is_set),
    }
}

#[cfg(test)]
mod tests;
