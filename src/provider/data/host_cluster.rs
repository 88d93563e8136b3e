//! The data source `nested_host_cluster`: what a host cluster is, and what its virtual clusters take of it.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{STATE_VERSION, amounts, sized, text, wait_for_connection};
use crate::domain::amounts::{Amounts, Extended};
use crate::domain::capacity::Rules;
use crate::domain::ledger::Account;
use crate::domain::node::Node;
use crate::fleet::connections::HostCluster;
use crate::host::groups::{GroupRecord, Groups};
use crate::host::records::RecordError;
use crate::host::storage_classes::{self, StorageClass};
use crate::host::store::StoreError;
use crate::host::{self, Host};
use crate::provider::Configured;
use crate::provider::attribute::{attributes, computed, defaulted, string_map};
use crate::provider::diagnostics::host_failure;
use crate::provider::explain::Explain;
use crate::provider::size::HostAmountsModel;
use crate::provider::value::{StringMap, map_or_null};
use terraform_plugin::schema::{AttributeType, Block, Description, Schema};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, DataSource, Diagnostic, Diagnostics, Report};

/// `nested_host_cluster`
pub struct HostClusterData {
    configured: Arc<Configured>,
}

/// Configuration and result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostClusterDataModel {
    pub name: Value<String>,
    pub id: Value<String>,
    pub address: Value<String>,
    pub kubernetes_version: Value<String>,
    pub nodes: Value<Vec<NodeModel>>,
    pub allocatable: Value<AllocatableModel>,
    pub storage_classes: Value<Vec<StorageClassModel>>,
    pub used: Value<HostAmountsModel>,
    pub cluster_groups: Value<Vec<String>>,
}

/// One of `nodes`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeModel {
    pub name: Value<String>,
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub extended: StringMap,
    pub usable: Value<bool>,
    pub taints: Value<Vec<String>>,
    pub labels: StringMap,
}

/// `allocatable`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AllocatableModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub extended: StringMap,
}

/// One of `storage_classes`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StorageClassModel {
    pub name: Value<String>,
    pub provisioner: Value<String>,
    pub is_default: Value<bool>,
    pub allows_expansion: Value<bool>,
}

/// What a host has told.
struct Told {
    id: String,
    version: String,
    nodes: Vec<Node>,
    classes: Vec<StorageClass>,
    used: Amounts,
    groups: Vec<GroupRecord>,
}

impl HostClusterData {
    /// The data source on the host clusters of `configured`, which the provider block fills in.
    pub fn new(configured: Arc<Configured>) -> Self {
        Self { configured }
    }

    fn host(&self, diags: &mut Diagnostics, config: &HostClusterDataModel) -> Option<Host> {
        let key = match config.name.as_ref_option().map(String::as_str).or(self.configured.fleet().connections.only()) {
            Some(key) => key,
            None => {
                let Some(names) = self.configured.fleet().connections.names() else {
                    wait_for_connection(diags, name(), "the host clusters");
                    return None;
                };
                diags.fail(
                    name(),
                    "There is more than one host cluster.",
                    format!(
                        "The provider block has these host clusters: {}.\n\nNext step: Set `name` to one of them. It can be \
                         left out only where there is a single one.",
                        names.join(", ")
                    ),
                );
                return None;
            }
        };
        match self.configured.host_cluster_at(diags, key, name())? {
            HostCluster::Known(host) => Some(host),
            HostCluster::Unknown => {
                wait_for_connection(diags, name(), &format!("host cluster \"{key}\""));
                None
            }
        }
    }

    async fn ask(&self, host: &Host) -> Result<Told, Diagnostic> {
        let refused = |error: host::Error| host_failure(&error, name());
        let unread = |error: RecordError| match error {
            RecordError::Store(StoreError::Host(error)) => host_failure(&error, name()),
            error => Diagnostic { attribute: name(), ..error.explain() },
        };
        // Alone, because a host that does not answer is then not waited for four times.
        let identity = host.identity().await.map_err(|error| host_failure(&error, name()))?;
        let readings = &self.configured.fleet().readings;
        let groups = Groups::of(host);
        let (nodes, classes, ledger, groups) =
            tokio::join!(readings.nodes(host), storage_classes::list(host), readings.ledger(host), groups.list());
        let groups = groups.map_err(|error| unread(error.into()))?;
        Ok(Told {
            id: identity.uid.clone(),
            version: identity.version.clone(),
            nodes: nodes.map_err(refused)?.to_vec(),
            classes: classes.map_err(refused)?,
            used: ledger.map_err(unread)?.used(Account::Capacity),
            groups: groups.readable.into_iter().map(|stored| stored.record).collect(),
        })
    }
}

fn name() -> AttributePath {
    AttributePath::new("name")
}

/// The state of what a host has told.
fn state_of(key: &str, address: &str, told: Told) -> HostClusterDataModel {
    let Told { id, version, mut nodes, classes, used, groups } = told;
    nodes.sort_by(|left, right| left.name.cmp(&right.name));
    let usable = nodes.iter().filter(|node| is_usable(node));
    let allocatable = usable.fold(Amounts::ZERO, |sum, node| sum.saturating_add(&node.allocatable()));
    let class = |class: StorageClass| StorageClassModel {
        name: text(class.name),
        provisioner: text(class.provisioner),
        is_default: Value::Value(class.is_default),
        allows_expansion: Value::Value(class.allows_expansion),
    };
    // A host that left a group may still have an old record.
    let mut groups: Vec<String> =
        groups.into_iter().filter(|group| group.hosts.contains_key(&id)).map(|group| group.name).collect();
    groups.sort();
    HostClusterDataModel {
        name: text(key),
        id: text(id),
        address: text(address),
        kubernetes_version: text(version),
        nodes: Value::Value(nodes.into_iter().map(node).collect()),
        allocatable: Value::Value(AllocatableModel {
            cpu: text(allocatable.size.cpu.to_string()),
            memory: text(allocatable.size.memory.to_string()),
            extended: pieces(&allocatable.extended),
        }),
        storage_classes: Value::Value(classes.into_iter().map(class).collect()),
        used: Value::Value(sized(&used)),
        cluster_groups: Value::Value(groups),
    }
}

fn pieces(extended: &Extended) -> StringMap {
    map_or_null(&extended.iter().map(|(name, amount)| (name.to_string(), amount.to_string())).collect())
}

/// Whether it counts where no group says otherwise.
fn is_usable(node: &Node) -> bool {
    Rules::default().exclusions(node).is_empty()
}

fn node(node: Node) -> NodeModel {
    let usable = is_usable(&node);
    let labels: BTreeMap<_, _> = node.labels.into_iter().map(|(key, value)| (key, text(value))).collect();
    NodeModel {
        name: text(node.name),
        cpu: text(node.cpu.to_string()),
        memory: text(node.memory.to_string()),
        extended: pieces(&node.extended),
        usable: Value::Value(usable),
        taints: Value::Value(node.taints.iter().map(ToString::to_string).collect()),
        labels: Value::Value(labels),
    }
}

#[async_trait]
impl DataSource for HostClusterData {
    type State<'a> = HostClusterDataModel;
    type ProviderMetaState<'a> = ();

    fn schema(&self, _diags: &mut Diagnostics) -> Option<Schema> {
        Some(schema())
    }

    async fn read<'a>(
        &self,
        diags: &mut Diagnostics,
        config: HostClusterDataModel,
        _meta: (),
    ) -> Option<HostClusterDataModel> {
        let host = self.host(diags, &config)?;
        match self.ask(&host).await {
            Ok(told) => Some(state_of(host.name(), host.address(), told)),
            Err(problem) => {
                diags.add_error(problem);
                None
            }
        }
    }
}

fn schema() -> Schema {
    use AttributeType::{AttributeList, AttributeSingle, Bool, List, String};
    let nodes = attributes([
        ("name", computed(String, "Name of the node.")),
        ("cpu", computed(String, "Its allocatable CPU as a Kubernetes quantity.")),
        ("memory", computed(String, "Its allocatable memory as a Kubernetes quantity.")),
        (
            "extended",
            computed(
                string_map(),
                "Its allocatable extended resources by name, such as `nvidia.com/gpu`. Null is none.",
            ),
        ),
        (
            "usable",
            computed(
                Bool,
                "Whether it counts as capacity where no group says otherwise: it is Ready, not cordoned, and has no taint that \
                 keeps pods away.",
            ),
        ),
        (
            "taints",
            computed(
                List(Box::new(String)),
                "Its NoSchedule and NoExecute taints, as `key=value:effect`, or `key:effect` where there is no value.",
            ),
        ),
        ("labels", computed(string_map(), "Its labels, which a group's `node_selector` chooses by.")),
    ]);
    let classes = attributes([
        ("name", computed(String, "Name of the storage class, for `storage_class` of a group.")),
        ("provisioner", computed(String, "What makes its volumes.")),
        ("is_default", computed(Bool, "Whether volumes that name no storage class get this one.")),
        ("allows_expansion", computed(Bool, "Whether its volumes can grow.")),
    ]);
    let allocatable = attributes([
        ("cpu", computed(String, "CPU as a Kubernetes quantity.")),
        ("memory", computed(String, "Memory as a Kubernetes quantity.")),
        ("extended", computed(string_map(), "Extended resources by name, such as `nvidia.com/gpu`. Null is none.")),
    ]);
    let all = attributes([
        (
            "name",
            defaulted(
                String,
                "Key of the host cluster in the provider's `host_clusters`. It may be left out where there is a single one.",
            ),
        ),
        (
            "id",
            computed(
                String,
                "UID of the namespace `kube-system`, by which the provider knows the cluster, whatever its key is.",
            ),
        ),
        ("address", computed(String, "URL of its API server, as the provider reaches it.")),
        ("kubernetes_version", computed(String, "Its Kubernetes version, such as `v1.35.4`.")),
        ("nodes", computed(AttributeList(nodes), "Its nodes, sorted by name.")),
        (
            "allocatable",
            computed(
                AttributeSingle(allocatable),
                "What its usable nodes can allocate together. What a group hands out of it depends on the group's \
                 `reserved`, `capacity`, `node_selector`, `tolerations` and `oversubscription_percent`.",
            ),
        ),
        ("storage_classes", computed(AttributeList(classes), "Its storage classes, sorted by name.")),
        (
            "used",
            amounts(
                "What virtual clusters take of it, of every group and of none. A paused one takes its storage only.",
            ),
        ),
        ("cluster_groups", computed(List(Box::new(String)), "Names of the cluster groups that it is in, sorted.")),
    ]);
    Schema {
        version: STATE_VERSION,
        block: Block {
            version: STATE_VERSION,
            attributes: all,
            description: Description::markdown(
                "One of the provider's host clusters: its version, nodes and storage classes, and what virtual clusters \
                 take of it. A host cluster that does not answer is an error.",
            ),
            ..Block::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::size::Size;
    use crate::host::groups::GroupPhase;

    fn node(name: &str, is_ready: bool) -> Node {
        Node { is_ready, ..crate::domain::node::tests::node(name, 15_890, 60 << 30) }
    }

    fn group(name: &str, host: &str) -> GroupRecord {
        GroupRecord {
            name: name.into(),
            id: String::new(),
            epoch: 0,
            generation: 0,
            home: String::new(),
            hosts: [(host.to_owned(), "eu-1".to_owned())].into(),
            phase: GroupPhase::Ready,
            chart_digest: String::new(),
            spec: serde_json::Value::Null,
            more: serde_json::Map::new(),
        }
    }

    #[test]
    fn only_usable_nodes_are_allocatable_and_old_records_of_groups_do_not_count() {
        let told = Told {
            id: "uid".into(),
            version: "v1.35.4".into(),
            nodes: vec![node("c", true), node("b", false), Node { extended: gpus(8), ..node("a", true) }],
            classes: Vec::new(),
            used: Amounts { extended: gpus(3), ..Size::DEFAULT.into() },
            groups: vec![group("prod", "uid"), group("left", "another"), group("dev", "uid")],
        };
        let state = state_of("eu-1", "https://eu-1", told);
        let allocatable = AllocatableModel { cpu: text("31780m"), memory: text("120Gi"), extended: pieces(&gpus(8)) };
        assert_eq!(state.allocatable, Value::Value(allocatable));
        assert_eq!(state.cluster_groups, Value::Value(vec!["dev".to_owned(), "prod".to_owned()]));
        let used = state.used.as_ref_option().unwrap();
        assert_eq!((&used.cpu, &used.extended), (&text("4"), &pieces(&gpus(3))));
        let nodes: Vec<_> = state.nodes.as_ref_option().unwrap().iter().map(|node| &node.name).collect();
        assert_eq!(nodes, [&text("a"), &text("b"), &text("c")]);
    }
}
