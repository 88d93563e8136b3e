//! Plans of `nested_cluster_group`: pure functions of configuration and prior state.
//!
//! Never asks a host. What only the hosts can tell stays unknown.

use std::collections::BTreeMap;

use crate::domain::isolation::PodSecurity;
use crate::domain::size::Size;
use crate::fleet::group::spec::GroupSpec;
use crate::provider::chart;
use crate::provider::cluster_group::model::{ClusterGroupModel, GroupHostModel};
use crate::provider::number::Number;
use crate::provider::size::{QuotaModel, ResourcesModel};
use crate::provider::value::{or_default, planned_distro, same_quantity};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// How much of a host is handed out when the configuration does not say, in percent.
const DEFAULT_OVERSUBSCRIPTION: i64 = 120;

/// The plan of a group that does not exist yet.
pub fn create(config: &ClusterGroupModel) -> ClusterGroupModel {
    ClusterGroupModel {
        id: config.name.clone(),
        chart: chart::plan(&config.chart, None),
        distro: planned_distro(&config.distro, &config.vcluster_version, None),
        home_host_cluster: Value::Unknown,
        revision: Value::Unknown,
        ..with_defaults(config)
    }
}

/// What an update is planned to be, and which attributes make it a replacement.
pub struct Update {
    /// The planned state.
    pub plan: ClusterGroupModel,
    /// Attributes whose change needs a new group.
    pub replace: Vec<AttributePath>,
}

/// The plan of a group that exists. Locked attributes that change are errors in `diags`.
pub fn update(diags: &mut Diagnostics, config: &ClusterGroupModel, prior: &ClusterGroupModel) -> Update {
    let mut plan = ClusterGroupModel {
        id: config.name.clone(),
        chart: chart::plan(&config.chart, prior.chart.as_ref_option()),
        distro: planned_distro(&config.distro, &config.vcluster_version, Some(&prior.distro)),
        home_host_cluster: prior.home_host_cluster.clone(),
        revision: prior.revision.clone(),
        ..with_defaults(config)
    };
    if plan.name != prior.name {
        return Update { plan, replace: vec![AttributePath::new("name")] };
    }
    keep_spelling(&mut plan, prior);
    check_locks(diags, &plan, prior);
    if !keeps_home(&plan, prior) {
        plan.home_host_cluster = Value::Unknown;
    }
    let planned_revision = GroupSpec::of(&plan).map(|spec| spec.revision());
    if planned_revision.is_none() || planned_revision.as_ref() != prior.revision.as_ref_option() {
        plan.revision = Value::Unknown;
    }
    Update { plan, replace: Vec::new() }
}

/// The attributes that are planned the same way for a new and for an existing group.
fn with_defaults(config: &ClusterGroupModel) -> ClusterGroupModel {
    ClusterGroupModel {
        endpoint_type: or_default(&config.endpoint_type, "LoadBalancer".to_owned()),
        pod_security: or_default(&config.pod_security, PodSecurity::Baseline.to_string()),
        oversubscription_percent: or_default(&config.oversubscription_percent, Number::Whole(DEFAULT_OVERSUBSCRIPTION)),
        virtual_cluster_defaults: size_or(&config.virtual_cluster_defaults, &Size::DEFAULT),
        virtual_cluster_minimums: size_or(&config.virtual_cluster_minimums, &Size::MINIMUM),
        ..config.clone()
    }
}

fn size_or(config: &Value<ResourcesModel>, default: &Size) -> Value<ResourcesModel> {
    if matches!(config, Value::Unknown) {
        return Value::Unknown;
    }
    let unset = ResourcesModel::default();
    let config = config.as_ref_option().unwrap_or(&unset);
    Value::Value(ResourcesModel {
        cpu: or_default(&config.cpu, default.cpu.to_string()),
        memory: or_default(&config.memory, default.memory.to_string()),
        storage: or_default(&config.storage, default.storage.to_string()),
        hard: config.hard.clone(),
    })
}

/// Another spelling of the same quantity is no change.
fn keep_spelling(plan: &mut ClusterGroupModel, prior: &ClusterGroupModel) {
    keep_limit(&mut plan.quota, &prior.quota);
    if let (Value::Value(planned), Value::Value(prior)) = (&mut plan.shares, &prior.shares) {
        keep_limit(&mut planned.default, &prior.default);
        let exceptions = prior.exceptions.as_ref_option();
        if let (Value::Value(planned), Some(prior)) = (&mut planned.exceptions, exceptions) {
            let both = planned.iter_mut().filter_map(|(owner, planned)| Some((planned, prior.get(owner)?)));
            both.for_each(|(planned, prior)| keep_limit(planned, prior));
        }
    }
    let sizes = [
        (&mut plan.virtual_cluster_defaults, &prior.virtual_cluster_defaults),
        (&mut plan.virtual_cluster_minimums, &prior.virtual_cluster_minimums),
        (&mut plan.virtual_cluster_maximums, &prior.virtual_cluster_maximums),
    ];
    for (planned, prior) in sizes {
        if let (Value::Value(planned), Value::Value(prior)) = (planned, prior) {
            keep(&mut planned.cpu, &prior.cpu);
            keep(&mut planned.memory, &prior.memory);
            keep(&mut planned.storage, &prior.storage);
        }
    }
    let (Value::Value(planned), Value::Value(prior)) = (&mut plan.host_clusters, &prior.host_clusters) else { return };
    for (key, planned) in planned {
        if let (Value::Value(planned), Some(Value::Value(prior))) = (planned, prior.get(key)) {
            keep_spelling_of_host(planned, prior);
        }
    }
}

fn keep_spelling_of_host(planned: &mut GroupHostModel, prior: &GroupHostModel) {
    keep(&mut planned.storage, &prior.storage);
    if let (Value::Value(planned), Value::Value(prior)) = (&mut planned.reserved, &prior.reserved) {
        keep(&mut planned.cpu, &prior.cpu);
        keep(&mut planned.memory, &prior.memory);
    }
    if let (Value::Value(planned), Value::Value(prior)) = (&mut planned.capacity, &prior.capacity) {
        keep(&mut planned.cpu, &prior.cpu);
        keep(&mut planned.memory, &prior.memory);
    }
}

fn keep_limit(planned: &mut Value<QuotaModel>, prior: &Value<QuotaModel>) {
    if let (Value::Value(planned), Value::Value(prior)) = (planned, prior) {
        keep(&mut planned.cpu, &prior.cpu);
        keep(&mut planned.memory, &prior.memory);
        keep(&mut planned.storage, &prior.storage);
    }
}

fn keep(planned: &mut Value<String>, prior: &Value<String>) {
    if let (Value::Value(new), Value::Value(old)) = (&*planned, prior)
        && same_quantity(new, old)
    {
        *planned = prior.clone();
    }
}

/// Whether the home's key is still one of the group's.
fn keeps_home(plan: &ClusterGroupModel, prior: &ClusterGroupModel) -> bool {
    let (Some(home), Some(hosts)) = (prior.home_host_cluster.as_ref_option(), plan.host_clusters.as_ref_option())
    else {
        return false;
    };
    hosts.contains_key(home)
}

fn check_locks(diags: &mut Diagnostics, plan: &ClusterGroupModel, prior: &ClusterGroupModel) {
    let digest = |model: &ClusterGroupModel| model.chart.as_ref_option().map(|chart| chart.digest.clone());
    let (digest, prior_digest) = (digest(plan).unwrap_or_default(), digest(prior).unwrap_or_default());
    let locked = [
        (AttributePath::new("vcluster_version"), "vCluster version", &plan.vcluster_version, &prior.vcluster_version),
        (AttributePath::new("distro"), "distribution", &plan.distro, &prior.distro),
        (AttributePath::new("chart").attribute("digest"), "chart", &digest, &prior_digest),
    ];
    let name = prior.name.as_ref_option().map(String::as_str).unwrap_or_default();
    for (path, what, planned, prior) in locked {
        let (Some(planned), Some(prior)) = (planned.as_ref_option(), prior.as_ref_option()) else { continue };
        if planned != prior {
            diags.fail(
                path,
                format!("The {what} of a cluster group is locked."),
                format!(
                    "Group \"{name}\" was created with \"{prior}\" and cannot change to \"{planned}\". Set it back to \
                     \"{prior}\". To move to \"{planned}\", create a new group beside this one on the same host clusters, \
                     create virtual clusters in it, migrate the workloads, then destroy the old virtual clusters and this \
                     group."
                ),
            );
        }
    }
}

/// The keys of the group's hosts in a plan or state, as far as they are known.
pub fn host_keys(model: &ClusterGroupModel) -> Vec<&String> {
    let hosts: Option<&BTreeMap<_, _>> = model.host_clusters.as_ref_option();
    hosts.map(|hosts| hosts.keys().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
