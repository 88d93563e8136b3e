//! `nested_virtual_cluster` as Terraform sees it. Only data: defaults and checks live in `validate` and `plan`.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::domain::capacity::Stated;
use crate::domain::hard::Hard;
use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::random;
use crate::domain::values::MappingVersion;
use crate::fleet::group::spec::Followed;
use crate::host::access::Access;
use crate::provider::chart::ChartModel;
use crate::provider::number::Number;
use crate::provider::size::{CapacityModel, ResourcesModel};
use crate::provider::timeouts::TimeoutsModel;
use crate::provider::value::{StringMap, StringSet};
use crate::provider::virtual_cluster::drift::Drift;
use terraform_plugin::value::Value;

/// Configuration, plan or state of one virtual cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VirtualClusterModel {
    /// `<host_cluster>/<namespace>/<name>`
    pub id: Value<String>,
    /// See the schema, as for all that follow.
    pub name: Value<String>,
    pub cluster_group: Value<String>,
    pub host_cluster: Value<String>,
    pub namespace: Value<String>,
    pub resources: Value<ResourcesModel>,
    pub host_capacity: Value<CapacityModel>,
    pub paused: Value<bool>,
    pub vcluster_version: Value<String>,
    pub chart: Value<ChartModel>,
    pub distro: Value<String>,
    pub kubernetes_version: Value<String>,
    pub endpoint_type: Value<String>,
    pub host_dns: Value<String>,
    pub values: Value<String>,
    pub allow_unsafe_values: Value<bool>,
    pub image_registries: StringSet,
    pub pod_security: Value<String>,
    pub network_isolation: Value<bool>,
    pub count_limits: Value<bool>,
    pub priority_classes: StringSet,
    pub mapping_version: Value<Number>,
    pub labels: StringMap,
    pub annotations: StringMap,
    pub deletion_protection: Value<bool>,
    pub wait: Value<bool>,
    pub timeouts: Value<TimeoutsModel>,
    pub status: Value<String>,
    pub endpoint: Value<String>,
    pub kubeconfig: Value<KubeconfigModel>,
    pub revision: Value<String>,
    pub drift: Drift,
}

impl VirtualClusterModel {
    /// What its host promises. As long as that is not known it is enough for everything, so that no plan is refused for it.
    pub fn promises(&self) -> Stated {
        fn amount<A: FromStr>(given: &Value<String>, most: A) -> Option<A> {
            match given {
                Value::Unknown => Some(most),
                Value::Null => None,
                Value::Value(text) => text.parse().ok(),
            }
        }
        let (cpu, memory, extended) = match &self.host_capacity {
            Value::Unknown => (&Value::Unknown, &Value::Unknown, &Value::Unknown),
            Value::Null => (&Value::Null, &Value::Null, &Value::Null),
            Value::Value(CapacityModel { cpu, memory, extended }) => (cpu, memory, extended),
        };
        let pieces =
            |(name, given): (&String, &Value<String>)| Some((name.as_str().into(), amount(given, Bytes(u64::MAX))?.0));
        Stated {
            cpu: amount(cpu, Millicores(u64::MAX)),
            memory: amount(memory, Bytes(u64::MAX)),
            extended: extended.as_ref_option().into_iter().flatten().filter_map(pieces).collect(),
            unnamed: (*extended == Value::Unknown).then_some(u64::MAX),
        }
    }
}

/// `kubeconfig`
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KubeconfigModel {
    pub host: Value<String>,
    pub cluster_ca_certificate: Value<String>,
    pub client_certificate: Value<String>,
    pub client_key: Value<String>,
    pub raw: Value<String>,
}

impl KubeconfigModel {
    /// Access to the virtual cluster `name`.
    pub fn of(access: &Access, name: &str) -> Self {
        let credentials = access.credentials.clone();
        Self {
            host: Value::Value(access.endpoint.clone()),
            cluster_ca_certificate: Value::Value(credentials.certificate_authority),
            client_certificate: Value::Value(credentials.client_certificate),
            client_key: Value::Value(credentials.client_key),
            raw: Value::Value(access.kubeconfig(name)),
        }
    }
}

impl fmt::Debug for KubeconfigModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KubeconfigModel").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What a virtual cluster needs to be found again, kept in Terraform's private state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualClusterPrivate {
    /// UID of the host's `kube-system` namespace: another one under the same key is another cluster.
    pub host_uid: String,
    /// The virtual cluster's namespace. With the host's UID it says which entry of a ledger is its own.
    pub namespace: String,
    /// UID of its record: what carries it was made for this virtual cluster, also where the record is lost.
    pub record_uid: String,
    /// UID of the virtual cluster's namespace.
    pub namespace_uid: String,
    /// Whether this provider created that namespace, and so may delete it.
    pub namespace_created: bool,
    /// Version of the mapping from attributes to objects that the virtual cluster has.
    pub mapping: u32,
    /// Size of the control plane's volume, which can never change.
    pub volume: Option<String>,
    /// Storage class of that volume, likewise. None: the host's default.
    pub storage_class: Option<String>,
    /// What its group gave it beside CPU, memory and storage, likewise.
    #[serde(skip_serializing_if = "Hard::is_empty")]
    pub given_hard: Hard,
    /// What follows the group, as the last refresh or apply found it.
    pub followed: Option<FollowedPrivate>,
    /// Whether `deletion_protection` holds: the plan of a replacement has no prior state.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_protected: bool,
    /// Tells a planned virtual cluster from all others of its run. Only in plans of creations.
    pub planned_as: Option<String>,
    /// What a later version of this provider has written, kept as it is.
    #[serde(flatten)]
    pub more: Map<String, serde_json::Value>,
}

/// What a plan has to know of the settings that follow the group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FollowedPrivate {
    /// Digest of all of them.
    pub digest: String,
    pub endpoint_type: String,
    pub host_dns: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_limits: Option<bool>,
}

impl FollowedPrivate {
    /// Not all of it is known yet. What is known of it are endpoint and host name, or not even that.
    pub fn not_known(followed: Option<&Followed>) -> Self {
        Self { digest: String::new(), ..followed.map(Self::from).unwrap_or_default() }
    }
}

impl From<&Followed> for FollowedPrivate {
    fn from(followed: &Followed) -> Self {
        Self {
            digest: followed.digest(),
            endpoint_type: followed.endpoint_type.clone(),
            host_dns: followed.host_dns.clone(),
            count_limits: followed.terms.count_limits,
        }
    }
}

impl VirtualClusterPrivate {
    /// The private state of a new virtual cluster's plan.
    pub fn new_plan() -> Self {
        let planned_as = Some(random::id());
        Self { mapping: MappingVersion::NEWEST.number(), planned_as, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    #[test]
    fn what_a_host_promises_is_enough_as_long_as_it_is_not_known() {
        let promises =
            |host_capacity| VirtualClusterModel { host_capacity, ..VirtualClusterModel::default() }.promises();
        let (cpu, memory) = (Some(Millicores(8000)), Some(Bytes(u64::MAX)));
        let extended = [("example.com/card".to_owned(), Value::Unknown), ("nvidia.com/gpu".to_owned(), text("4"))];
        let given = CapacityModel { cpu: text("8"), memory: Value::Unknown, extended: Value::Value(extended.into()) };
        let extended = [("example.com/card".into(), u64::MAX), ("nvidia.com/gpu".into(), 4)].into();
        assert_eq!(promises(Value::Value(given)), Stated { cpu, memory, extended, unnamed: None });
        let unnamed = Some(u64::MAX);
        assert_eq!(
            promises(Value::Unknown),
            Stated { cpu: Some(Millicores(u64::MAX)), memory, unnamed, ..Stated::default() }
        );
        assert_eq!(promises(Value::Null), Stated::default());
    }

    #[test]
    fn a_private_state_of_every_version_is_read_and_written_as_it_was() {
        let stored = include_str!("../../../tests/fixtures/formats/0.1/private.virtual-cluster.json");
        let stored: serde_json::Value = serde_json::from_str(stored).unwrap();
        let private: VirtualClusterPrivate = serde_json::from_value(stored.clone()).unwrap();
        assert!(private.more.is_empty());
        assert_eq!(serde_json::to_value(private).unwrap(), stored);
    }

    #[test]
    fn what_another_version_keeps_in_the_private_state_survives() {
        let stored = json!({"host_uid": "uid", "mapping": 1, "later": {"than": ["0.1"]}});
        let private: VirtualClusterPrivate = serde_json::from_value(stored).unwrap();
        assert_eq!((private.host_uid.as_str(), private.mapping, &private.record_uid), ("uid", 1, &String::new()));
        assert_eq!(serde_json::to_value(&private).unwrap()["later"], json!({"than": ["0.1"]}));
        let bytes = rmp_serde::to_vec_named(&private).unwrap();
        assert_eq!(rmp_serde::from_slice::<VirtualClusterPrivate>(&bytes).unwrap(), private);
    }
}
