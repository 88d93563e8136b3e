//! Virtual clusters as their records have them: one line of a list each. Pure.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text;
use crate::fleet::virtual_cluster::spec::{Spec, id};
use crate::host::record::{Phase, Record};
use crate::host::store;
use crate::provider::attribute::{Attributes, attributes, computed, string_map};
use crate::provider::data::resources;
use crate::provider::size::ResourcesModel;
use crate::provider::value::{StringMap, map_or_null};
use terraform_plugin::schema::AttributeType;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

/// One of `virtual_clusters`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ListedModel {
    pub id: Value<String>,
    pub name: Value<String>,
    pub cluster_group: Value<String>,
    pub host_cluster: Value<String>,
    pub namespace: Value<String>,
    pub resources: Value<ResourcesModel>,
    pub paused: Value<bool>,
    pub phase: Value<String>,
    pub labels: StringMap,
    pub vcluster_version: Value<String>,
}

/// A virtual cluster of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub id: String,
    host: String,
    namespace: String,
    name: String,
    phase: Phase,
    spec: Spec,
}

/// Which virtual clusters a list has. What is none, or empty, lets all pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    pub cluster_group: Option<String>,
    /// All of them have to be there, with these values.
    pub labels: BTreeMap<String, String>,
    pub paused: Option<bool>,
}

/// A record that says something else than a virtual cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record of virtual cluster \"{id}\" cannot be read: {problem}")]
pub struct Unreadable {
    id: String,
    problem: String,
}

impl Unreadable {
    pub fn diagnostic(&self, attribute: AttributePath) -> Diagnostic {
        let Self { id, problem } = self;
        diagnostic(
            attribute,
            format!("The record of virtual cluster \"{id}\" cannot be read."),
            format!("{problem}. Was it written by a newer version of this provider, or edited by hand?"),
        )
    }
}

impl Filter {
    fn lets_pass(&self, spec: &Spec) -> bool {
        self.cluster_group.as_ref().is_none_or(|group| spec.cluster_group.as_ref() == Some(group))
            && self.paused.is_none_or(|paused| spec.paused == paused)
            && self.labels.iter().all(|(key, value)| spec.labels.get(key) == Some(value))
    }
}

/// The warning that a record is left out of a list, because this version does not understand it.
pub fn left_out(record: &store::Unreadable, attribute: AttributePath) -> Diagnostic {
    let name = record.promised.name.as_deref().or(record.namespace()).unwrap_or(&record.secret);
    diagnostic(
        attribute,
        format!("Virtual cluster \"{name}\" is left out."),
        format!(
            "{}. What it holds of capacity and quota counts all the same.\n\nNext step: If a newer version of this provider wrote \
             the record, use that version.",
            record.error
        ),
    )
}

/// Those of the `records` of a host that the filter lets pass.
///
/// # Errors
/// A record cannot be read that may be one of them.
pub fn list<'r>(
    host: &str,
    records: impl IntoIterator<Item = &'r Record>,
    filter: &Filter,
) -> Result<Vec<Listed>, Unreadable> {
    let mut listed = Vec::new();
    for record in records {
        let id = id(host, &record.namespace, &record.name);
        let spec: Spec = match serde_json::from_value(record.spec.clone()) {
            Ok(spec) => spec,
            Err(_) if is_of_others(record, filter) => continue,
            Err(error) => return Err(Unreadable { id, problem: error.to_string() }),
        };
        if filter.lets_pass(&spec) {
            let (namespace, name) = (record.namespace.clone(), record.name.clone());
            listed.push(Listed { id, host: host.to_owned(), namespace, name, phase: record.phase, spec });
        }
    }
    Ok(listed)
}

/// Whether the record is surely of another group than the filter's, whatever else it says.
fn is_of_others(record: &Record, filter: &Filter) -> bool {
    let said = record.spec.get("cluster_group").and_then(|group| group.as_str());
    let of = record.share.as_ref().map_or(said, |share| share.group.as_deref());
    filter.cluster_group.as_deref().is_some_and(|group| of != Some(group))
}

impl Listed {
    pub fn to_model(&self) -> ListedModel {
        let spec = &self.spec;
        let labels = spec.labels.iter().map(|(key, value)| (key.clone(), text(value)));
        ListedModel {
            id: text(&self.id),
            name: text(&self.name),
            cluster_group: spec.cluster_group.clone().into(),
            host_cluster: text(&self.host),
            namespace: text(&self.namespace),
            resources: Value::Value(ResourcesModel {
                cpu: text(&spec.cpu),
                memory: text(&spec.memory),
                storage: text(&spec.storage),
                hard: map_or_null(&spec.hard),
            }),
            paused: Value::Value(spec.paused),
            phase: text(phase(self.phase)),
            labels: Value::Value(labels.collect()),
            vcluster_version: text(&spec.vcluster_version),
        }
    }
}

/// The models of a list, by id.
pub fn models(mut listed: Vec<Listed>) -> Vec<ListedModel> {
    listed.sort_by(|left, right| left.id.cmp(&right.id));
    listed.iter().map(Listed::to_model).collect()
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Reserved => "reserved",
        Phase::Creating => "creating",
        Phase::HandedOver => "handed_over",
        Phase::Deleting => "deleting",
    }
}

/// The attributes of one virtual cluster of a list.
pub fn schema() -> Attributes {
    use AttributeType::{Bool, String};
    attributes([
        ("id", computed(String, "`<host_cluster>/<namespace>/<name>`, as the resource has it.")),
        ("name", computed(String, "Name of the virtual cluster.")),
        ("cluster_group", computed(String, "Name of the cluster group that it is in. Null if it is in none.")),
        ("host_cluster", computed(String, "Key of its host cluster in the provider's `host_clusters`.")),
        ("namespace", computed(String, "Its namespace on the host cluster.")),
        ("resources", resources("Its size, as it was written in its configuration or came from its group.")),
        (
            "paused",
            computed(
                Bool,
                "Whether it is paused by its record, which is what was last applied. A pause or a resume by the `vcluster` \
                 CLI is not seen here; the resource's own `paused` is read live.",
            ),
        ),
        (
            "phase",
            computed(
                String,
                "Where it stands by its record: `reserved` (it has a name and maybe room, and nothing is made), `creating`, \
                 `handed_over` (made, and in a Terraform state) or `deleting`.",
            ),
        ),
        ("labels", computed(string_map(), "The labels that its configuration gives to its objects.")),
        ("vcluster_version", computed(String, "Its version of vCluster.")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn record(name: &str, change: impl FnOnce(&mut Json)) -> Record {
        let mut spec = json!({
            "mapping": 1, "vcluster_version": "0.34.7", "chart_source": "", "chart_digest": "", "distro": "k8s",
            "endpoint_type": "NodePort", "cpu": "4000m", "memory": "4Gi", "storage": "2Gi", "labels": {"team": "a", "env": "dev"},
            "annotations": {}, "paused": false, "cluster_group": "dev",
        });
        change(&mut spec);
        let mut record = Record::new(name, &format!("vcluster-{name}"), "uid", spec);
        record.phase = Phase::HandedOver;
        record
    }

    fn records() -> [Record; 4] {
        [
            record("b", |spec| spec["paused"] = json!(true)),
            record("a", |_| {}),
            record("other", |spec| spec["cluster_group"] = json!("prod")),
            record("alone", |spec| {
                spec["cluster_group"] = json!(null);
                spec["labels"] = json!({"team": "a"});
            }),
        ]
    }

    #[track_caller]
    fn check(filter: Filter, expected: &[&str]) {
        let listed = models(list("eu-1", &records(), &filter).unwrap());
        let names: Vec<_> = listed.iter().map(|model| model.name.as_ref_option().unwrap().as_str()).collect();
        assert_eq!(names, expected, "{filter:?}");
    }

    #[test]
    fn all_that_a_filter_says_has_to_match() {
        let labels = |pairs: &[(&str, &str)]| Filter {
            labels: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..Filter::default()
        };
        check(Filter::default(), &["a", "alone", "b", "other"]);
        check(Filter { cluster_group: Some("dev".into()), ..Filter::default() }, &["a", "b"]);
        check(Filter { cluster_group: Some("nowhere".into()), ..Filter::default() }, &[]);
        check(Filter { paused: Some(true), ..Filter::default() }, &["b"]);
        check(Filter { paused: Some(false), ..labels(&[("env", "dev")]) }, &["a", "other"]);
        check(labels(&[("team", "a")]), &["a", "alone", "b", "other"]);
        check(labels(&[("team", "a"), ("env", "dev")]), &["a", "b", "other"]);
        check(labels(&[("team", "b")]), &[]);
        check(labels(&[("tea", "a")]), &[]);
    }

    #[test]
    fn a_line_has_what_its_owner_wrote() {
        let listed = list("eu-1", &[record("a", |_| {})], &Filter::default()).unwrap();
        let strings = |pairs: [(&str, &str); 2]| pairs.map(|(key, value)| (key.to_owned(), text(value))).into();
        let expected = ListedModel {
            id: text("eu-1/vcluster-a/a"),
            name: text("a"),
            cluster_group: text("dev"),
            host_cluster: text("eu-1"),
            namespace: text("vcluster-a"),
            resources: Value::Value(ResourcesModel {
                cpu: text("4000m"),
                memory: text("4Gi"),
                storage: text("2Gi"),
                ..ResourcesModel::default()
            }),
            paused: Value::Value(false),
            phase: text("handed_over"),
            labels: Value::Value(strings([("env", "dev"), ("team", "a")])),
            vcluster_version: text("0.34.7"),
        };
        assert_eq!(models(listed), [expected]);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error_unless_it_is_of_another_group() {
        let damaged = record("a", |spec| spec["cpu"] = json!(4));
        let of = |group: &str| Filter { cluster_group: Some(group.into()), ..Filter::default() };
        let error = list("eu-1", [&damaged], &of("dev")).unwrap_err();
        assert_eq!(error.id, "eu-1/vcluster-a/a");
        assert!(list("eu-1", [&damaged], &Filter::default()).is_err());
        assert_eq!(list("eu-1", [&damaged], &of("prod")), Ok(Vec::new()));
    }
}
