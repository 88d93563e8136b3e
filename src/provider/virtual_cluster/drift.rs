//! The attribute `drift`: what differs on the host from what was applied, for Terraform. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::domain::drift::{Entry, Path};
use crate::domain::isolation::ENFORCE;
use crate::domain::name::SYSTEM_NAMESPACE;
use crate::domain::user_texts::UserTexts;
use crate::fleet::virtual_cluster::spec::{Place, Spec};
use crate::host::apply::Consent;
use crate::host::observe::{NamespaceState, Observed};
use crate::host::record::{Phase, Record};
use terraform_plugin::value::Value;

/// One entry of `drift`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DriftModel {
    /// The object on the host, as `Kind namespace/name`.
    pub object: Value<String>,
    /// The path of a field; null for the object as a whole.
    pub field: Value<String>,
    /// What was applied.
    pub expected: Value<String>,
    /// What is there.
    pub actual: Value<String>,
}

impl From<Entry> for DriftModel {
    fn from(entry: Entry) -> Self {
        let Entry { object, field, expected, actual } = entry;
        Self { object: Value::Value(object), field: field.into(), expected: expected.into(), actual: actual.into() }
    }
}

/// `drift` as a whole.
pub type Drift = Value<Vec<Value<DriftModel>>>;

/// Whether the last apply was cut off, so that nobody knows what is there.
pub fn is_unfinished(record: &Record, spec: &Spec) -> bool {
    spec.applied.is_none() || record.applied.is_none() || record.phase != Phase::HandedOver
}

/// What the user's values hold, those of the group included.
pub fn user_texts(spec: &Spec) -> UserTexts {
    let of_group = spec.followed.iter().flat_map(|followed| [&followed.group_values, &followed.host_values]);
    let texts = of_group.chain([&spec.values]).flatten();
    let values: Vec<Json> = texts.filter_map(|text| helm_charts::parse_values(text).ok()).map(Json::Object).collect();
    UserTexts::of(&values)
}

/// What has drifted of a virtual cluster. After an apply that was cut off, what that one has done is none.
pub fn of(observed: &Observed, place: &Place, spec: &Spec) -> Drift {
    let mut entries = observed.drift(&user_texts(spec));
    let wanted =
        spec.pod_security().filter(|_| observed.namespace == NamespaceState::Ours).map(|level| level.to_string());
    if wanted.is_some() && wanted != observed.enforced {
        entries.push(Entry {
            object: format!("{NAMESPACE}{}", place.namespace),
            field: Some(Path::of(["metadata", "labels", ENFORCE]).to_string()),
            expected: wanted,
            actual: observed.enforced.clone(),
        });
    }
    list(entries)
}

/// That the record of the virtual cluster at `place` is `actual`, such as missing.
pub fn of_record(place: &Place, actual: &str) -> Drift {
    instead_of_present(format!("Secret {SYSTEM_NAMESPACE}/virtual-cluster.{}", place.namespace), actual)
}

/// That the namespace is gone of a virtual cluster at `place` whose destroy was cut off.
pub fn of_namespace(place: &Place) -> Drift {
    instead_of_present(format!("{NAMESPACE}{}", place.namespace), "missing")
}

fn instead_of_present(object: String, actual: &str) -> Drift {
    list(vec![Entry { object, field: None, expected: Some("present".to_owned()), actual: Some(actual.to_owned()) }])
}

/// Whether the namespace is gone: then there is nothing to be put right, and only a new virtual cluster can take its place.
pub fn is_without_namespace(drift: &Drift) -> bool {
    let is_namespace = |entry: &DriftModel| {
        entry.object.as_ref_option().is_some_and(|object| object.starts_with(NAMESPACE)) && entry.field == Value::Null
    };
    entries(drift).any(is_namespace)
}

/// How a namespace is named in a list.
const NAMESPACE: &str = "Namespace ";

/// Nothing has drifted.
pub fn none() -> Drift {
    Value::Value(Vec::new())
}

fn list(entries: Vec<Entry>) -> Drift {
    Value::Value(entries.into_iter().map(|entry| Value::Value(entry.into())).collect())
}

fn entries(drift: &Drift) -> impl Iterator<Item = &DriftModel> {
    drift.as_ref_option().into_iter().flatten().filter_map(|entry| entry.as_ref_option())
}

/// Whether there is anything to be put right.
pub fn is_any(drift: &Drift) -> bool {
    entries(drift).next().is_some()
}

/// Whether putting it right replaces the pod of the control plane at `place`: it is in the pod's template, or the credentials
/// are lost, which are only written at its start.
pub fn is_in_pod(drift: &Drift, place: &Place) -> bool {
    let text = |value: &Value<String>| value.as_ref_option().cloned().unwrap_or_default();
    let of_workload = |object: &str| object.starts_with("Deployment ") || object.starts_with("StatefulSet ");
    let credentials = format!("Secret {}/vc-{}", place.namespace, place.name);
    entries(drift).any(|entry| {
        let object = text(&entry.object);
        object == credentials || of_workload(&object) && text(&entry.field).starts_with("spec.template")
    })
}

/// Whether others have moved the address of the virtual cluster at `place`, so that putting it right moves it back: a port of
/// its Service is another one.
pub fn is_in_address(drift: &Drift, place: &Place, endpoint_type: Option<&str>) -> bool {
    let service = format!("Service {}/{}", place.namespace, place.name);
    entries(drift).filter(|entry| entry.object.as_ref_option() == Some(&service)).any(|entry| {
        let field = entry.field.as_ref_option().map(String::as_str).unwrap_or_default();
        let is_lost_port = field.starts_with("spec.ports[") && field.ends_with(']') && entry.expected != Value::Null;
        is_lost_port || endpoint_type == Some("NodePort") && field.ends_with("].nodePort")
    })
}

/// What a plan has shown of objects that others have put in the place of ours, and the user has agreed to take over.
pub fn consent(drift: &Drift) -> Consent {
    let uid = Path::of(["metadata", "uid"]).to_string();
    let replaced = entries(drift).filter(|entry| entry.field.as_ref_option() == Some(&uid));
    Consent::to(
        replaced
            .filter_map(|entry| Some((entry.object.as_ref_option()?.clone(), entry.actual.as_ref_option()?.clone()))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, field: &str) -> Entry {
        Entry { object: object.into(), field: Some(field.into()), expected: Some("a".into()), actual: Some("b".into()) }
    }

    #[test]
    fn consent_is_given_to_the_object_that_was_shown() {
        let drift = list(vec![entry("Role a/b", "metadata.uid"), entry("Role a/c", "rules")]);
        assert_eq!(consent(&drift), Consent::to([("Role a/b".to_owned(), "b".to_owned())]));
        assert_eq!(consent(&none()), Consent::default());
    }

    #[test]
    fn another_port_of_the_service_moves_the_address() {
        let place = Place { host_cluster: "eu-1".into(), namespace: "a".into(), name: "b".into() };
        for (object, field, endpoint_type, expected) in [
            ("Service a/b", "spec.ports[port=443,protocol=TCP]", "LoadBalancer", true),
            ("Service a/b", "spec.ports[port=443,protocol=TCP].nodePort", "NodePort", true),
            ("Service a/b", "spec.ports[port=443,protocol=TCP].nodePort", "LoadBalancer", false),
            ("Service a/b", "spec.ports[port=443,protocol=TCP].targetPort", "NodePort", false),
            ("Service a/b-headless", "spec.ports[port=443,protocol=TCP]", "LoadBalancer", false),
        ] {
            let drift = list(vec![entry(object, field)]);
            assert_eq!(
                is_in_address(&drift, &place, Some(endpoint_type)),
                expected,
                "{object} {field} {endpoint_type}"
            );
        }
        let added = Entry { expected: None, ..entry("Service a/b", "spec.ports[port=22,protocol=TCP]") };
        assert!(!is_in_address(&list(vec![added]), &place, Some("LoadBalancer")));
    }

    #[test]
    fn only_pod_templates_and_lost_credentials_replace_pods() {
        for (object, field, expected) in [
            ("Deployment a/b", "spec.template.spec.hostNetwork", true),
            ("StatefulSet a/b", "spec.template.metadata.labels.x", true),
            ("StatefulSet a/b", "spec.replicas", false),
            ("Role a/b", "spec.template", false),
            ("Secret a/vc-b", "", true),
            ("Secret a/vc-config-b", "data.x", false),
        ] {
            let place = Place { host_cluster: "eu-1".into(), namespace: "a".into(), name: "b".into() };
            assert_eq!(is_in_pod(&list(vec![entry(object, field)]), &place), expected, "{object} {field}");
        }
    }
}
