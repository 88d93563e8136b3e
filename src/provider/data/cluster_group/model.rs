//! `nested_cluster_group` as Terraform sees it when it is read only. Only data.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::room::{Launch, Numbers, QuotaNumbers, Share};
use crate::domain::table::Paint;
use crate::fleet::virtual_cluster::membership::Membership;
use crate::provider::cluster_group::model::{GroupHostModel, SharesModel};
use crate::provider::data::listing::ListedModel;
use crate::provider::data::{limited, shared, shared_used, sized, text};
use crate::provider::size::{HostAmountsModel, QuotaModel, ResourcesModel};
use crate::provider::value::{StringMap, StringSet};
use terraform_plugin::value::Value;

/// Configuration and result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClusterGroupDataModel {
    pub name: Value<String>,
    pub id: Value<String>,
    pub description: Value<String>,
    pub labels: StringMap,
    pub vcluster_version: Value<String>,
    pub chart: Value<KeptChartModel>,
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
    pub oversubscription_percent: Value<i64>,
    pub quota: Value<QuotaModel>,
    pub shares: Value<SharesModel>,
    pub virtual_cluster_defaults: Value<ResourcesModel>,
    pub virtual_cluster_minimums: Value<ResourcesModel>,
    pub virtual_cluster_maximums: Value<ResourcesModel>,
    pub home_host_cluster: Value<String>,
    pub revision: Value<String>,
    pub hosts: Value<BTreeMap<String, HostNumbersModel>>,
    pub capacity: Value<HostAmountsModel>,
    pub used: Value<HostAmountsModel>,
    pub available: Value<HostAmountsModel>,
    pub quota_used: Value<QuotaModel>,
    pub quota_available: Value<QuotaModel>,
    pub owners: Value<BTreeMap<String, OwnerModel>>,
    pub virtual_clusters: Value<Vec<ListedModel>>,
    pub launching: Value<BTreeMap<String, Value<LaunchingModel>>>,
    pub fits: Value<bool>,
    pub summary: Value<String>,
}

/// `chart`, as the group keeps it: without a password.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KeptChartModel {
    pub source: Value<String>,
    pub digest: Value<String>,
    pub username: Value<String>,
}

/// One of `hosts`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostNumbersModel {
    pub host_cluster: Value<String>,
    pub capacity: Value<HostAmountsModel>,
    pub used: Value<HostAmountsModel>,
    pub available: Value<HostAmountsModel>,
}

/// One of `owners`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OwnerModel {
    pub share: Value<QuotaModel>,
    pub used: Value<QuotaModel>,
    pub available: Value<QuotaModel>,
}

/// One of `launching`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LaunchingModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub storage: Value<String>,
    pub hard: StringMap,
    pub labels: StringMap,
}

impl LaunchingModel {
    /// Its size alone.
    pub fn resources(&self) -> ResourcesModel {
        let (cpu, memory, storage) = (self.cpu.clone(), self.memory.clone(), self.storage.clone());
        ResourcesModel { cpu, memory, storage, hard: self.hard.clone() }
    }
}

/// What was found out of a group.
pub struct Told<'t> {
    /// The group's key of its home.
    pub home: &'t str,
    /// What its hosts can carry, and what is used.
    pub numbers: &'t Numbers,
    /// The keys that this provider has for the group's hosts.
    pub names: BTreeMap<&'t str, &'t str>,
    /// None where not all of them are known.
    pub virtual_clusters: Option<Vec<ListedModel>>,
    /// What becomes of it when those are launched that the configuration names.
    pub launch: Launch,
}

/// The state of a group, without what its configuration says.
pub fn state_of(group: &Membership, told: Told<'_>) -> ClusterGroupDataModel {
    let Told { home, numbers, names, virtual_clusters, launch } = told;
    let config = group.spec.to_model();
    let chart = config.chart.as_ref_option().map(|chart| KeptChartModel {
        source: chart.source.clone(),
        digest: chart.digest.clone(),
        username: chart.username.clone(),
    });
    let hosts = numbers.hosts.iter().map(|(key, told)| {
        let told = told.as_ref().ok();
        let host = HostNumbersModel {
            host_cluster: names.get(key.as_str()).map(|&name| name.to_owned()).into(),
            capacity: told.map(|told| limited(&told.capacity)).into(),
            used: told.map(|told| sized(&told.used())).into(),
            available: told.map(|told| limited(&told.available())).into(),
        };
        (key.clone(), host)
    });
    let sum = numbers.sum();
    ClusterGroupDataModel {
        name: text(&group.name),
        id: text(&group.name),
        description: config.description,
        labels: config.labels,
        vcluster_version: config.vcluster_version,
        chart: chart.into(),
        distro: config.distro,
        kubernetes_version: config.kubernetes_version,
        values: config.values,
        member_values: config.member_values,
        allow_unsafe_values: config.allow_unsafe_values,
        image_registries: config.image_registries,
        pod_security: config.pod_security,
        network_isolation: config.network_isolation,
        count_limits: config.count_limits,
        priority_classes: config.priority_classes,
        host_clusters: config.host_clusters,
        endpoint_type: config.endpoint_type,
        oversubscription_percent: Value::Value(i64::from(group.spec.oversubscription_percent)),
        quota: config.quota,
        shares: config.shares,
        virtual_cluster_defaults: config.virtual_cluster_defaults,
        virtual_cluster_minimums: config.virtual_cluster_minimums,
        virtual_cluster_maximums: config.virtual_cluster_maximums,
        home_host_cluster: text(home),
        revision: text(group.spec.revision()),
        hosts: Value::Value(hosts.collect()),
        capacity: sum.as_ref().map(|sum| limited(&sum.capacity)).into(),
        used: sum.as_ref().map(|sum| sized(&sum.used)).into(),
        available: sum.as_ref().map(|sum| limited(&sum.available)).into(),
        quota_used: numbers.quota.used().map(|used| shared_used(&used)).into(),
        quota_available: numbers.quota.available().map(|available| shared(&available)).into(),
        owners: owners(&numbers.quota),
        virtual_clusters: virtual_clusters.into(),
        launching: Value::Null,
        fits: launch.fits.into(),
        summary: text(launch.summary(Paint::Plain)),
    }
}

/// Who has a share, and what is left of it. Null without shares, and where nobody knows who holds what.
fn owners(quota: &QuotaNumbers) -> Value<BTreeMap<String, OwnerModel>> {
    let owner = |(name, Share { limit, used }): (String, Share)| {
        let available = Value::Value(shared(&limit.available(&used)));
        (name, OwnerModel { share: Value::Value(shared(&limit)), used: Value::Value(shared_used(&used)), available })
    };
    quota.shares().map(|shares| shares.into_iter().map(owner).collect()).into()
}
