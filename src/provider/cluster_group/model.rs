//! `nested_cluster_group` as Terraform sees it. Only data: defaults and checks live in `validate` and `plan`.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::fleet::group::Known;
use crate::provider::chart::ChartModel;
use crate::provider::number::Number;
use crate::provider::size::{CapacityModel, ComputeModel, QuotaModel, ResourcesModel};
use crate::provider::timeouts::TimeoutsModel;
use crate::provider::value::{StringMap, StringSet};
use terraform_plugin::value::Value;

/// Configuration, plan or state of one cluster group.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClusterGroupModel {
    /// The name.
    pub id: Value<String>,
    /// See the schema, as for all that follow.
    pub name: Value<String>,
    pub description: Value<String>,
    pub labels: StringMap,
    pub vcluster_version: Value<String>,
    pub chart: Value<ChartModel>,
    pub distro: Value<String>,
    pub kubernetes_version: Value<String>,
    pub values: Value<String>,
    pub member_values: StringSet,
    pub allow_unsafe_values: Value<bool>,
    pub image_registries: StringSet,
    pub pod_security: Value<String>,
    pub network_isolation: Value<bool>,
    pub count_limits: Value<bool>,
    pub priority_classes: StringSet,
    pub host_clusters: Value<BTreeMap<String, Value<GroupHostModel>>>,
    pub endpoint_type: Value<String>,
    pub oversubscription_percent: Value<Number>,
    pub quota: Value<QuotaModel>,
    pub shares: Value<SharesModel>,
    pub virtual_cluster_defaults: Value<ResourcesModel>,
    pub virtual_cluster_minimums: Value<ResourcesModel>,
    pub virtual_cluster_maximums: Value<ResourcesModel>,
    pub timeouts: Value<TimeoutsModel>,
    pub home_host_cluster: Value<String>,
    pub revision: Value<String>,
}

/// `shares`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SharesModel {
    pub label: Value<String>,
    pub default: Value<QuotaModel>,
    pub exceptions: Value<BTreeMap<String, Value<QuotaModel>>>,
}

/// One of `host_clusters`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GroupHostModel {
    pub host_dns: Value<String>,
    pub storage: Value<String>,
    pub reserved: Value<ComputeModel>,
    pub capacity: Value<CapacityModel>,
    pub storage_class: Value<String>,
    pub node_selector: StringMap,
    pub tolerations: Value<Vec<Value<TolerationModel>>>,
    pub values: Value<String>,
}

/// One of `host_clusters[…].tolerations`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TolerationModel {
    pub key: Value<String>,
    pub operator: Value<String>,
    pub value: Value<String>,
    pub effect: Value<String>,
    pub toleration_seconds: Value<Number>,
}

/// What a cluster group needs to be found again, kept in Terraform's private state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterGroupPrivate {
    /// The random id of the group's record: another one under the same name is another group.
    pub id: String,
    /// The group's hosts: UID of the `kube-system` namespace, and the key that it had.
    pub hosts: BTreeMap<String, String>,
    /// How often the home has moved.
    pub epoch: u64,
    /// What a later version of this provider has written, kept as it is.
    #[serde(flatten)]
    pub more: Map<String, serde_json::Value>,
}

impl ClusterGroupPrivate {
    /// What it knows of the group on its hosts.
    pub fn known(&self) -> Known {
        Known { id: self.id.clone(), hosts: self.hosts.clone(), epoch: self.epoch }
    }

    /// That this is known, beside what a later version has written.
    pub fn of(known: Known, more: Map<String, serde_json::Value>) -> Self {
        let Known { id, hosts, epoch } = known;
        Self { id, hosts, epoch, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_state_of_every_version_is_read_and_written_as_it_was() {
        let stored = include_str!("../../../tests/fixtures/formats/0.1/private.cluster-group.json");
        let mut stored: serde_json::Value = serde_json::from_str(stored).unwrap();
        let private: ClusterGroupPrivate = serde_json::from_value(stored.clone()).unwrap();
        assert!(private.more.is_empty());
        assert_eq!(serde_json::to_value(private).unwrap(), stored);
        stored["later"] = serde_json::json!({"than": "0.1"});
        let private: ClusterGroupPrivate = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(private).unwrap(), stored);
    }
}
