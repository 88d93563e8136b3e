//! Names of objects on a host, and the order in which they are made and removed.
//!
//! Pure: it never asks a host anything. Which API path serves a kind is [`super::kind`]'s.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of one object on a host cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Group and version as in a manifest: `v1`, `apps/v1`.
    pub api_version: String,
    /// The kind: `StatefulSet`.
    pub kind: String,
    /// The namespace; none for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A rendered document that is no Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chart rendered a {kind} without {field}: it cannot be applied")]
pub struct IncompleteObject {
    /// The kind, or "document" where there is none.
    pub kind: String,
    /// The missing field, as a path.
    pub field: &'static str,
}

impl ObjectRef {
    /// The name of a rendered object, its namespace as written there.
    ///
    /// # Errors
    /// The field that a Kubernetes object must have and this one has not.
    pub fn of(object: &Value) -> Result<Self, IncompleteObject> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
        let missing = |field| IncompleteObject { kind: text("/kind").unwrap_or("document").to_owned(), field };
        Ok(Self {
            api_version: text("/apiVersion").ok_or_else(|| missing("apiVersion"))?.to_owned(),
            kind: text("/kind").ok_or_else(|| missing("kind"))?.to_owned(),
            namespace: text("/metadata/namespace").map(str::to_owned),
            name: text("/metadata/name").ok_or_else(|| missing("metadata.name"))?.to_owned(),
        })
    }

    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether both name the same object, whatever the version they were rendered with.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.group(), &self.kind, &self.namespace, &self.name)
            == (other.group(), &other.kind, &other.namespace, &other.name)
    }

    /// Whether it runs pods that a virtual cluster's control plane consists of.
    pub fn is_workload(&self) -> bool {
        self.group() == "apps" && matches!(self.kind.as_str(), "StatefulSet" | "Deployment")
    }

    /// The step in which it is made; removal goes the other way.
    pub fn step(&self) -> usize {
        INSTALL_ORDER.iter().position(|kinds| kinds.contains(&self.kind.as_str())).unwrap_or(INSTALL_ORDER.len())
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Kinds by the step in which they are made; kinds of one step do not depend on each other. Helm's install order, made
/// coarser. Roles come before their bindings, because the API server looks the role up when it checks that the creator
/// may grant it. Kinds that are not listed (custom resources) come last.
const INSTALL_ORDER: &[&[&str]] = &[
    &["Namespace"],
    &["NetworkPolicy", "ResourceQuota", "LimitRange", "PriorityClass"],
    &["ServiceAccount", "Secret", "ConfigMap", "StorageClass", "PersistentVolume", "PersistentVolumeClaim"],
    &["CustomResourceDefinition", "ClusterRole", "Role"],
    &["ClusterRoleBinding", "RoleBinding"],
    &["Service", "PodDisruptionBudget"],
    &["DaemonSet", "Deployment", "StatefulSet", "Job", "CronJob", "HorizontalPodAutoscaler"],
    &["Ingress", "APIService"],
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rendered_objects_name_themselves() {
        let metadata = json!({"name": "a", "namespace": "vcluster-a"});
        let object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata});
        assert_eq!(ObjectRef::of(&object).unwrap().to_string(), "StatefulSet vcluster-a/a");
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}});
        assert_eq!(ObjectRef::of(&object).unwrap().to_string(), "Namespace b");
    }

    #[test]
    fn incomplete_objects_say_what_they_lack() {
        for (object, expected) in [
            (json!({"kind": "Secret", "metadata": {"name": "a"}}), "a Secret without apiVersion"),
            (json!({"apiVersion": "v1", "metadata": {"name": "a"}}), "a document without kind"),
            (json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ""}}), "a Secret without metadata.name"),
            (json!("text"), "a document without apiVersion"),
        ] {
            let error = ObjectRef::of(&object).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn objects_are_made_after_what_they_need() {
        let step = |kind: &str| {
            ObjectRef { api_version: "v1".into(), kind: kind.into(), namespace: None, name: "a".into() }.step()
        };
        let order =
            ["Namespace", "ResourceQuota", "Secret", "Role", "RoleBinding", "Service", "StatefulSet", "Ingress"];
        assert!(order.is_sorted_by(|a, b| step(a) < step(b)));
        assert_eq!(step("ServiceAccount"), step("ConfigMap"));
        assert!(step("ServiceMonitor") > step("Ingress"));
    }

    #[test]
    fn an_object_stays_the_same_when_its_version_changes() {
        let at = |api_version: &str| ObjectRef {
            api_version: api_version.into(),
            kind: "PodDisruptionBudget".into(),
            namespace: Some("a".into()),
            name: "b".into(),
        };
        assert!(at("policy/v1beta1").is_same(&at("policy/v1")));
        assert!(!at("policy/v1").is_same(&at("other/v1")));
    }
}
