//! Plans of `nested_virtual_cluster`: pure functions of configuration, prior state and prior private state.
//!
//! Never asks a host. What comes from there and is not in the prior state stays unknown, because Terraform plans again
//! during apply, in another process, and the two plans must agree.

use crate::domain::isolation::PodSecurity;
use crate::domain::name;
use crate::domain::quantity::Bytes;
use crate::domain::size::Size;
use crate::domain::values::{MappingVersion, limits};
use crate::fleet::virtual_cluster::spec::{self, Place, Spec, UNFINISHED};
use crate::provider::chart;
use crate::provider::explain::virtual_cluster::no_pause;
use crate::provider::number::Number;
use crate::provider::size::{CapacityModel, ResourcesModel};
use crate::provider::value::{or_default, or_prior, or_unknown, planned_distro, same_quantity};
use crate::provider::virtual_cluster::drift;
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// The plan of a virtual cluster that does not exist yet. `only_host` is the provider's host cluster where it has a single
/// one: then there is one possible placement. What comes from a group is unknown.
pub fn create(config: &VirtualClusterModel, only_host: Option<&str>) -> VirtualClusterModel {
    let name = or_unknown(&config.name);
    let namespace = match (&config.namespace, name.as_ref_option()) {
        (Value::Null, Some(name)) => Value::Value(name::default_namespace(name)),
        (namespace, _) => or_unknown(namespace),
    };
    let mut plan = VirtualClusterModel {
        id: Value::Unknown,
        host_cluster: match (&config.host_cluster, only_host) {
            (Value::Null, Some(only)) => Value::Value(only.to_owned()),
            (host_cluster, _) => or_unknown(host_cluster),
        },
        resources: resources(&config.resources, None, in_group(config)),
        chart: chart::plan(&config.chart, None),
        distro: planned_distro(&config.distro, &config.vcluster_version, None),
        mapping_version: or_default(&config.mapping_version, Number::from(MappingVersion::NEWEST.number())),
        status: Value::Unknown,
        endpoint: Value::Unknown,
        kubeconfig: Value::Unknown,
        revision: Value::Unknown,
        drift: drift::none(),
        name,
        namespace,
        ..with_defaults(config)
    };
    if in_group(config) {
        plan.vcluster_version = or_unknown(&config.vcluster_version);
        plan.chart = or_unknown(&config.chart);
        plan.distro = or_unknown(&config.distro);
        plan.endpoint_type = or_unknown(&config.endpoint_type);
        plan.host_dns = or_unknown(&config.host_dns);
    }
    plan.id = planned_id(&plan);
    plan
}

/// Whether a group says what the configuration does not. While the group's name is not known, it may.
fn in_group(config: &VirtualClusterModel) -> bool {
    config.cluster_group != Value::Null
}

/// What an update is planned to be, and which attributes make it a replacement.
pub struct Update {
    /// The planned state.
    pub plan: VirtualClusterModel,
    /// Attributes whose change needs a new virtual cluster.
    pub replace: Vec<AttributePath>,
}

/// The plan of a virtual cluster that exists. `renamed_host` says that the planned host cluster's key names the same
/// Kubernetes cluster as the prior one. Locked attributes that change are errors in `diags`.
pub fn update(
    diags: &mut Diagnostics,
    config: &VirtualClusterModel,
    prior: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
    renamed_host: bool,
) -> Update {
    let mut plan = VirtualClusterModel {
        id: prior.id.clone(),
        name: or_prior(&config.name, &prior.name),
        host_cluster: or_prior(&config.host_cluster, &prior.host_cluster),
        namespace: or_prior(&config.namespace, &prior.namespace),
        resources: resources(&config.resources, prior.resources.as_ref_option(), in_group(config)),
        chart: chart::plan(&config.chart, prior.chart.as_ref_option()),
        distro: planned_distro(&config.distro, &config.vcluster_version, Some(&prior.distro)),
        mapping_version: or_prior(&config.mapping_version, &prior.mapping_version),
        status: prior.status.clone(),
        endpoint: prior.endpoint.clone(),
        kubeconfig: prior.kubeconfig.clone(),
        revision: prior.revision.clone(),
        drift: if drift::is_any(&prior.drift) { drift::none() } else { prior.drift.clone() },
        ..with_defaults(config)
    };
    if in_group(config) {
        plan.vcluster_version = or_prior(&config.vcluster_version, &prior.vcluster_version);
        plan.chart = or_prior(&config.chart, &prior.chart);
        plan.endpoint_type = or_prior(&config.endpoint_type, &prior.endpoint_type);
        plan.host_dns = or_prior(&config.host_dns, &prior.host_dns);
    }
    keep_spelling(&mut plan.host_capacity, &prior.host_capacity);
    let mut replace = Vec::new();
    let moved_host = plan.host_cluster != prior.host_cluster;
    for (attribute, changed) in [
        ("name", plan.name != prior.name),
        ("cluster_group", plan.cluster_group != prior.cluster_group),
        ("namespace", plan.namespace != prior.namespace),
        ("host_cluster", moved_host && !renamed_host),
        ("drift", drift::is_without_namespace(&prior.drift)),
    ] {
        if changed {
            replace.push(AttributePath::new(attribute));
        }
    }
    if !replace.is_empty() {
        // Terraform plans it anyway, and shows it with the error.
        check_protection(diags, prior, "replaced").unwrap_or_default();
        return Update { plan, replace };
    }
    if moved_host {
        plan.id = planned_id(&plan);
    }
    check_locks(diags, &plan, prior);
    check_mapping(diags, &plan, private);
    check_hard(diags, &plan);
    let volume = private.volume.as_ref().and_then(|volume| volume.parse().ok());
    check_storage(diags, &plan, prior, volume);
    check_followed(diags, &plan, prior, private);
    check_repair(diags, prior);
    mark_unknown(&mut plan, prior, private);
    warn_of_endpoint(diags, &plan, prior);
    Update { plan, replace }
}

/// A node port is reached at the node of a running pod.
fn warn_of_endpoint(diags: &mut Diagnostics, plan: &VirtualClusterModel, prior: &VirtualClusterModel) {
    let node_port = plan.endpoint_type.as_ref_option().is_some_and(|planned| planned == "NodePort");
    if node_port && plan.endpoint_type != prior.endpoint_type && plan.paused.as_ref_option() == Some(&true) {
        diags.warn(
            AttributePath::new("endpoint_type"),
            "A paused virtual cluster gets no node port's address before it is resumed.",
            "A node port is reached at the node that the control plane runs on, and while it is paused there is none: `endpoint` \
             and `kubeconfig` are null until it is resumed. To keep them, make this change when it runs.",
        );
    }
}

/// Refuses to destroy or replace a protected virtual cluster. None if it is one.
pub fn check_protection(diags: &mut Diagnostics, prior: &VirtualClusterModel, verb: &str) -> Option<()> {
    let is_protected = prior.deletion_protection.as_ref_option() == Some(&true);
    let id = prior.id.as_ref_option().map(|id| format!("\"{id}\"")).unwrap_or_default();
    refuse_protected(diags, is_protected, &id, verb)
}

/// Refuses to make a virtual cluster in the place of the protected one of `replaced`. None if it is one.
pub fn check_replaced(diags: &mut Diagnostics, replaced: &VirtualClusterPrivate) -> Option<()> {
    let one = format!("The one in namespace \"{}\"", replaced.namespace);
    refuse_protected(diags, replaced.is_protected, &one, "replaced")
}

fn refuse_protected(diags: &mut Diagnostics, is_protected: bool, which: &str, verb: &str) -> Option<()> {
    if !is_protected {
        return Some(());
    }
    diags.fail(
        AttributePath::new("deletion_protection"),
        format!("This virtual cluster is protected and cannot be {verb}."),
        format!(
            "{which} has `deletion_protection = true`, and nothing is destroyed.\n\nNext step: To keep it, leave out `-replace`, and run \
             `terraform untaint` if Terraform has marked it as tainted, as it does when a creation fails or times out. To go on, \
             set `deletion_protection = false`, apply that change first, and then repeat this one."
        ),
    );
    None
}

/// Marks as unknown what the host decides anew when this plan is applied, and nothing else: providers that are configured
/// from `kubeconfig` must keep working.
fn mark_unknown(plan: &mut VirtualClusterModel, prior: &VirtualClusterModel, private: &VirtualClusterPrivate) {
    if let Some(followed) = private.followed.as_ref().filter(|_| plan.cluster_group != Value::Null) {
        let moved = |planned: &Value<String>, now: Option<&String>| planned.as_ref_option() != now;
        let endpoint_moved = moved(&plan.endpoint_type, Some(&followed.endpoint_type));
        if endpoint_moved || moved(&plan.host_dns, followed.host_dns.as_ref()) {
            (plan.endpoint_type, plan.host_dns) = (Value::Unknown, Value::Unknown);
        }
    }
    let followed = private.followed.as_ref().map(|followed| followed.digest.as_str());
    let planned_revision = Spec::of(plan, private).map(|spec| spec.revision_following(followed));
    let changes = planned_revision.is_none() || planned_revision.as_ref() != prior.revision.as_ref_option();
    if changes {
        plan.revision = Value::Unknown;
    }
    if changes || plan.paused != prior.paused || plan.drift != prior.drift {
        plan.status = Value::Unknown;
        // Not there yet: created without waiting, or not ready in time.
        if plan.endpoint == Value::Null {
            plan.endpoint = Value::Unknown;
        }
        if plan.kubeconfig == Value::Null && plan.paused.as_ref_option() != Some(&true) {
            plan.kubeconfig = Value::Unknown;
        }
    }
    let endpoint_type = prior.endpoint_type.as_ref_option().map(String::as_str);
    let moved = Place::of(prior).is_some_and(|place| drift::is_in_address(&prior.drift, &place, endpoint_type));
    if moved || plan.endpoint_type != prior.endpoint_type || plan.host_dns != prior.host_dns {
        plan.endpoint = Value::Unknown;
        plan.kubeconfig = Value::Unknown;
    }
}

fn check_locks(diags: &mut Diagnostics, plan: &VirtualClusterModel, prior: &VirtualClusterModel) {
    let digest = |model: &VirtualClusterModel| model.chart.as_ref_option().map(|chart| chart.digest.clone());
    let (digest, prior_digest) = (digest(plan).unwrap_or_default(), digest(prior).unwrap_or_default());
    let locked = [
        (AttributePath::new("vcluster_version"), "vCluster version", &plan.vcluster_version, &prior.vcluster_version),
        (AttributePath::new("distro"), "distribution", &plan.distro, &prior.distro),
        (AttributePath::new("chart").attribute("digest"), "chart", &digest, &prior_digest),
    ];
    for (path, what, planned, prior) in locked {
        let (Some(planned), Some(prior)) = (planned.as_ref_option(), prior.as_ref_option()) else { continue };
        if planned != prior {
            diags.fail(
                path,
                format!("The {what} of a virtual cluster is locked."),
                format!(
                    "It was created with \"{prior}\" and cannot change to \"{planned}\". Set it back to \"{prior}\". To move \
                     to \"{planned}\", create a new virtual cluster beside this one, migrate the workloads, then destroy \
                     this one."
                ),
            );
        }
    }
}

/// What counts as a virtual cluster's size can get more lenient, and not go back.
fn check_mapping(diags: &mut Diagnostics, plan: &VirtualClusterModel, private: &VirtualClusterPrivate) {
    let Some(planned) = plan.mapping_version.as_ref_option().and_then(Number::whole) else { return };
    if planned < private.mapping {
        diags.fail(
            AttributePath::new("mapping_version"),
            "A virtual cluster never goes back to an earlier mapping version.",
            format!(
                "It has version {}; {planned} was asked for. Set it back to {}, or leave it out. Where limits are to count as in \
                 version 1, set `count_limits` on its group, or here where it is in none.",
                private.mapping, private.mapping
            ),
        );
    }
}

/// By the first mapping a size is CPU, memory and storage.
pub fn check_hard(diags: &mut Diagnostics, plan: &VirtualClusterModel) {
    let names_more = plan.resources.as_ref_option().is_some_and(|resources| !resources.hard().is_empty());
    let first = MappingVersion::V1.number();
    if names_more && plan.mapping_version.as_ref_option().and_then(Number::whole) == Some(first) {
        diags.fail(
            AttributePath::new("resources").attribute("hard"),
            "By its mapping version a virtual cluster has CPU, memory and storage only.",
            format!(
                "It has mapping version {first}. Set `mapping_version` to {} to move it over, or remove `hard`.",
                MappingVersion::NEWEST.number()
            ),
        );
    }
}

/// Storage is a volume claim template of the control plane's StatefulSet, which Kubernetes never changes: it can grow and
/// shrink as a quota, but not come or go.
fn check_storage(
    diags: &mut Diagnostics,
    plan: &VirtualClusterModel,
    prior: &VirtualClusterModel,
    prior_volume: Option<Bytes>,
) {
    let (Some(planned_size), Some(prior_size)) = (size(plan), size(prior)) else { return };
    let (planned, before) = (planned_size.storage, prior_size.storage);
    if (planned == Bytes(0)) != (before == Bytes(0)) {
        diags.fail(
            AttributePath::new("resources").attribute("storage"),
            "Storage cannot be added to, or taken from, an existing virtual cluster.",
            format!(
                "It was created with storage {before}; {planned} was asked for. A virtual cluster either keeps its data on a \
                 volume from the start or not at all. Create another one, or replace this one with `-replace`."
            ),
        );
    }
    let volume = prior_volume.filter(|volume| planned > Bytes(0) && planned < *volume);
    if let Some(volume) = volume {
        diags.fail(
            AttributePath::new("resources").attribute("storage"),
            "Storage cannot be less than what the control plane's volume takes.",
            format!("Its volume was made with {volume}, and no volume ever shrinks; {planned} was asked for."),
        );
    }
    if before == Bytes(0) && plan.paused.as_ref_option() == Some(&true) {
        refuse_pause(diags);
    }
    let replaces_pod = [
        ("resources", limits::control_plane(&planned_size) != limits::control_plane(&prior_size)),
        ("values", plan.values != prior.values),
        ("kubernetes_version", plan.kubernetes_version != prior.kubernetes_version),
        ("endpoint_type", plan.endpoint_type != prior.endpoint_type),
        ("host_dns", plan.host_dns != prior.host_dns),
    ];
    for (attribute, changed) in replaces_pod {
        if before == Bytes(0) && changed {
            diags.fail(
                AttributePath::new(attribute),
                "This change would lose the data of a virtual cluster without storage.",
                format!(
                    "With `resources.storage` of 0 its data lives only as long as its control plane's pod, and a change of \
                     `{attribute}` replaces that pod. Undo the change, or replace the virtual cluster with `-replace`."
                ),
            );
        }
    }
}

/// Refuses to pause a virtual cluster without storage.
pub fn refuse_pause(diags: &mut Diagnostics) {
    diags.add_error(no_pause());
}

/// What follows the group changes the control plane's pod, and with it the data of a virtual cluster without storage.
fn check_followed(
    diags: &mut Diagnostics,
    plan: &VirtualClusterModel,
    prior: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
) {
    let without_storage = size(prior).is_some_and(|size| size.storage == Bytes(0));
    // One that is not known yet may change nothing.
    let followed = private.followed.as_ref().filter(|followed| without_storage && !followed.digest.is_empty());
    let Some(followed) = followed else { return };
    let revision = Spec::of(prior, private).map(|spec| spec.revision_following(Some(&followed.digest)));
    let applied = prior.revision.as_ref_option();
    if revision.as_ref() == applied || applied.is_none_or(|applied| applied == UNFINISHED) {
        return;
    }
    let group = plan.cluster_group.as_ref_option().map(String::as_str).unwrap_or_default();
    diags.fail(
        AttributePath::new("cluster_group"),
        format!("A change of cluster group \"{group}\" would lose the data of a virtual cluster without storage."),
        "With `resources.storage` of 0 its data lives only as long as its control plane's pod, and what follows the group \
         (endpoint, values, node selector, tolerations, Kubernetes version) replaces that pod. Undo the change of the group, or replace \
         this virtual cluster with `-replace`.",
    );
}

/// Putting the control plane's pod right replaces it, and with it the data of a virtual cluster without storage.
fn check_repair(diags: &mut Diagnostics, prior: &VirtualClusterModel) {
    let without_storage = size(prior).is_some_and(|size| size.storage == Bytes(0));
    if without_storage && Place::of(prior).is_some_and(|place| drift::is_in_pod(&prior.drift, &place)) {
        diags.fail(
            AttributePath::new("drift"),
            "Repairing this drift would lose the data of a virtual cluster without storage.",
            "Somebody has changed the pod of its control plane, or what it writes at its start, as `drift` says. With \
             `resources.storage` of 0 its data lives only as long as that pod, and to change it back replaces it. Get the data \
             out and replace the virtual cluster with `-replace`, or undo the change on the host cluster by hand.",
        );
    }
}

fn size(model: &VirtualClusterModel) -> Option<Size> {
    model.resources.as_ref_option()?.size()
}

/// The attributes that are planned the same way for a new and for an existing virtual cluster.
fn with_defaults(config: &VirtualClusterModel) -> VirtualClusterModel {
    VirtualClusterModel {
        paused: or_default(&config.paused, false),
        endpoint_type: or_default(&config.endpoint_type, "LoadBalancer".to_owned()),
        pod_security: match (&config.pod_security, &config.cluster_group) {
            (Value::Null, Value::Null) => Value::Value(PodSecurity::Baseline.to_string()),
            // Its group's holds.
            (Value::Null, Value::Value(_)) => Value::Null,
            (Value::Null, Value::Unknown) => Value::Unknown,
            (said, _) => said.clone(),
        },
        deletion_protection: or_default(&config.deletion_protection, false),
        wait: or_default(&config.wait, true),
        ..config.clone()
    }
}

/// Sizes are fixed when a virtual cluster is created: what is not set stays as it was, also when defaults change. Another
/// spelling of the same quantity is no change.
fn resources(config: &Value<ResourcesModel>, prior: Option<&ResourcesModel>, in_group: bool) -> Value<ResourcesModel> {
    if matches!(config, Value::Unknown) {
        return Value::Unknown;
    }
    let unset = ResourcesModel::default();
    let config = config.as_ref_option().unwrap_or(&unset);
    let part = |config: &Value<String>, prior: Option<&Value<String>>, default: String| match (config, prior) {
        // The group's default.
        (Value::Null, None) if in_group => Value::Unknown,
        (Value::Null, Some(prior)) => prior.clone(),
        (Value::Null, None) => Value::Value(default),
        (Value::Value(config), Some(Value::Value(prior))) if same_quantity(config, prior) => {
            Value::Value(prior.clone())
        }
        (config, _) => config.clone(),
    };
    Value::Value(ResourcesModel {
        cpu: part(&config.cpu, prior.map(|prior| &prior.cpu), Size::DEFAULT.cpu.to_string()),
        memory: part(&config.memory, prior.map(|prior| &prior.memory), Size::DEFAULT.memory.to_string()),
        storage: part(&config.storage, prior.map(|prior| &prior.storage), Size::DEFAULT.storage.to_string()),
        hard: config.hard.clone(),
    })
}

/// Another spelling of the same quantity is no change.
fn keep_spelling(planned: &mut Value<CapacityModel>, prior: &Value<CapacityModel>) {
    let (Value::Value(planned), Value::Value(prior)) = (planned, prior) else { return };
    for (planned, prior) in [(&mut planned.cpu, &prior.cpu), (&mut planned.memory, &prior.memory)] {
        if let (Value::Value(new), Value::Value(old)) = (&*planned, prior)
            && same_quantity(new, old)
        {
            *planned = prior.clone();
        }
    }
}

fn planned_id(plan: &VirtualClusterModel) -> Value<String> {
    match (plan.host_cluster.as_ref_option(), plan.namespace.as_ref_option(), plan.name.as_ref_option()) {
        (Some(host_cluster), Some(namespace), Some(name)) => Value::Value(spec::id(host_cluster, namespace, name)),
        _ => Value::Unknown,
    }
}

#[cfg(test)]
mod tests;
