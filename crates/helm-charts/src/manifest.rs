//! What templates rendered, cut into documents and ordered as Helm installs them.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::error::ChartError;
use super::json::{kind, number_text};
use super::limits::Allowance;
use super::yaml;

/// One rendered Kubernetes object.
#[derive(Debug, Clone)]
pub struct Document {
    /// Path of its template, with the chart's name first, as Helm prints it after `# Source:`.
    pub template: String,
    /// The text exactly as rendered, without the separator and without white space around it.
    pub text: String,
    /// The text as JSON; null for a document of nothing but comments. Whole numbers stay whole.
    pub object: Value,
    /// Set for hooks, which Helm does not install with the rest.
    pub hook: Option<Hook>,
}

/// The `helm.sh/hook` annotations of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When it runs, such as `pre-install`.
    pub events: Vec<String>,
    /// Hooks of one event run in the order of their weights.
    pub weight: i64,
    /// When it is deleted, such as `before-hook-creation`.
    pub delete_policies: Vec<String>,
}

/// Helm's order of installation; kinds that are not named come last, by name.
const INSTALL_ORDER: [&str; 36] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

const EVENTS: [&str; 9] = [
    "pre-install",
    "post-install",
    "pre-delete",
    "post-delete",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "test",
];

impl Hook {
    /// Whether only an explicit command runs it (`helm test`, `helm rollback`), and neither an installation, an upgrade
    /// nor a removal.
    pub fn is_on_demand(&self) -> bool {
        self.events.iter().all(|event| matches!(event.as_str(), "test" | "pre-rollback" | "post-rollback"))
    }
}

impl Document {
    /// A file that was rendered and not read, with its text as it is.
    pub(super) fn unread(template: &str, text: &str) -> Self {
        Self { template: template.to_owned(), text: text.to_owned(), object: Value::Null, hook: None }
    }

    /// The object's kind; empty when it has none.
    pub fn kind(&self) -> &str {
        self.object.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its place in Helm's order.
    pub(super) fn rank(&self) -> (usize, &str) {
        let kind = self.kind();
        match INSTALL_ORDER.iter().position(|known| *known == kind) {
            Some(place) => (place, ""),
            None => (INSTALL_ORDER.len(), kind),
        }
    }
}

/// Go's `\s` is ASCII; the regular expression is a constant, so compiling it cannot fail at run time.
static SEPARATOR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:\A|[\t\n\f\r ]*\n)---[\t\n\f\r ]*").ok());

/// The documents of one rendered file, in its order. Hooks for events that do not exist are left out, as in Helm.
pub(super) fn split(template: &str, rendered: &str, nodes: &Allowance) -> Result<Vec<Document>, ChartError> {
    let documents = texts(rendered).into_iter().filter_map(|text| document(template, text, nodes).transpose());
    documents.collect()
}

/// The texts between the separators of a YAML stream.
pub(super) fn texts(stream: &str) -> Vec<&str> {
    let stream = stream.trim();
    let parts: Vec<&str> = match &*SEPARATOR {
        Some(separator) => separator.split(stream).collect(),
        None => vec![stream],
    };
    parts.into_iter().filter(|part| !part.is_empty()).map(str::trim).collect()
}

fn document(template: &str, text: &str, nodes: &Allowance) -> Result<Option<Document>, ChartError> {
    let wrong = |reason: String| ChartError::Manifest { template: template.to_owned(), reason };
    let object = yaml::parse_within(text, nodes).map_err(|error| wrong(error.to_string()))?;
    check_head(&object).map_err(|what| {
        wrong(format!("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {what}"))
    })?;
    let annotations = object.pointer("/metadata/annotations");
    // Where Helm wants text, `1e6` becomes other text than `1000000`, and JSON has one number for both.
    let with_floats = match annotations.and_then(Value::as_object).is_some_and(has_number) {
        true => yaml::parse_with_floats(text, nodes).ok(),
        false => None,
    };
    let annotations = with_floats.as_ref().map_or(annotations, |object| object.pointer("/metadata/annotations"));
    let annotation = |name: &str| annotations?.get(name).map(scalar_text);
    let lowered = |list: String| list.split(',').map(|item| item.trim().to_lowercase()).collect::<Vec<_>>();
    let hook = match annotation("helm.sh/hook") {
        None => None,
        Some(events) => {
            let mut events = lowered(events);
            for event in &mut events {
                if event == "test-success" {
                    *event = "test".to_owned();
                }
            }
            if events.iter().any(|event| !EVENTS.contains(&event.as_str())) {
                return Ok(None);
            }
            let weight = annotation("helm.sh/hook-weight").and_then(|weight| weight.parse().ok()).unwrap_or(0);
            let delete_policies = annotation("helm.sh/hook-delete-policy").map(lowered).unwrap_or_default();
            Some(Hook { events, weight, delete_policies })
        }
    };
    Ok(Some(Document { template: template.to_owned(), text: text.to_owned(), object, hook }))
}

/// Helm reads the head of every document into a struct, and refuses what does not fit.
fn check_head(object: &Value) -> Result<(), String> {
    const HEAD: &str = "releaseutil.SimpleHead";
    let is_container = |value: &&Value| value.is_array() || value.is_object();
    let head = match object {
        Value::Null => return Ok(()),
        Value::Object(head) => head,
        other => return Err(format!("{} into Go value of type {HEAD}", kind(other))),
    };
    let text = |name: &str, value: Option<&Value>| match value.filter(is_container) {
        Some(value) => {
            let (kind, owner) = (kind(value), if name.starts_with('.') { "" } else { "SimpleHead." });
            Err(format!("{kind} into Go struct field {owner}{name} of type string"))
        }
        None => Ok(()),
    };
    text("apiVersion", head.get("apiVersion"))?;
    text("kind", head.get("kind"))?;
    match head.get("metadata") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(metadata)) => {
            text(".metadata.name", metadata.get("name"))?;
            match metadata.get("annotations") {
                None | Some(Value::Null) => Ok(()),
                Some(Value::Object(annotations)) => {
                    annotations.values().try_for_each(|value| text(".metadata.annotations", Some(value)))
                }
                Some(other) => {
                    let of = "into Go struct field .metadata.annotations of type map[string]string";
                    Err(format!("{} {of}", kind(other)))
                }
            }
        }
        Some(other) => {
            let fields =
                "Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\"";
            let of = "into Go struct field SimpleHead.metadata of type struct";
            Err(format!("{} {of} {{ {fields} }}", kind(other)))
        }
    }
}

/// Whether one of the annotations that Helm reads is a number.
fn has_number(annotations: &serde_json::Map<String, Value>) -> bool {
    annotations.iter().any(|(name, value)| name.starts_with("helm.sh/") && value.is_number())
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(number) => number_text(number),
        other => other.to_string(),
    }
}
