//! Checks of `nested_cluster_group`'s configuration that need nothing but the configuration. Unknown values pass: they are
//! checked again once known.

mod sizes;

use std::collections::BTreeSet;
use std::str::FromStr;

use semver::Version;
use serde_json::Value as Json;

use crate::domain::distro::Distro;
use crate::domain::endpoint::{EndpointType, host_name};
use crate::domain::hard::Hard;
use crate::domain::name::check_group_name;
use crate::domain::size::Size;
use crate::domain::values::{Layer, MappingVersion, ValuesError, VirtualClusterSpec, chart_values, limits};
use crate::domain::{metadata, name};
use crate::fleet::group::spec;
use crate::provider::checks::{self, Versions};
use crate::provider::cluster_group::model::{ClusterGroupModel, GroupHostModel};
use crate::provider::cluster_group::{plan, tolerations};
use crate::provider::number::Number;
use crate::provider::value::string_map;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// What `oversubscription_percent` may be.
const PERCENT: std::ops::RangeInclusive<u32> = 1..=10_000;

/// Where the chart's values hold the control plane's volume. Each virtual cluster has its own, so that a group's values
/// cannot be compared with it.
const VOLUME: &str = "controlPlane.statefulSet.persistence.volumeClaim";

/// Adds an error for everything that is wrong in `config`.
pub fn validate(diags: &mut Diagnostics, config: &ClusterGroupModel) {
    if let Some(problem) = config.name.as_ref_option().and_then(|name| check_group_name(name).err()) {
        diags.fail(AttributePath::new("name"), "This name cannot be used for a cluster group.", format!("{problem}."));
    }
    checks::metadata(diags, "labels", &config.labels, |key, value| {
        metadata::check_label(key, value).map_err(|e| e.to_string())
    });
    let (vcluster_version, distro) = (&config.vcluster_version, &config.distro);
    let kubernetes_version = &config.kubernetes_version;
    checks::versions(diags, &Versions { vcluster_version, distro, kubernetes_version });
    checks::chart(diags, &config.chart);
    check_percent(diags, &config.oversubscription_percent);
    sizes::quota(diags, &config.quota);
    sizes::shares(diags, &config.shares);
    sizes::bounds(diags, config);
    let endpoint_type = checks::endpoint_type(diags, &config.endpoint_type);
    check_hosts(diags, config, endpoint_type);
    check_values(diags, config);
    checks::image_registries(diags, &config.image_registries);
    checks::priority_classes(diags, &config.priority_classes);
    checks::pod_security(diags, &config.pod_security);
    check_member_values(diags, config);
    checks::timeouts(diags, &config.timeouts);
}

fn check_percent(diags: &mut Diagnostics, given: &Value<Number>) {
    let Some(given) = given.as_ref_option() else { return };
    if given.whole().is_some_and(|percent| PERCENT.contains(&percent)) {
        return;
    }
    diags.fail(
        AttributePath::new("oversubscription_percent"),
        "This is no percentage that a host cluster can be oversubscribed by.",
        format!(
            "It is {given}. Write a whole number from {} to {}: 100 hands out what there is, 150 half as much again.",
            PERCENT.start(),
            PERCENT.end()
        ),
    );
}

fn check_hosts(diags: &mut Diagnostics, config: &ClusterGroupModel, endpoint_type: Option<EndpointType>) {
    let Some(hosts) = config.host_clusters.as_ref_option() else { return };
    if hosts.is_empty() {
        diags.fail(
            AttributePath::new("host_clusters"),
            "A cluster group needs a host cluster.",
            "`host_clusters` is empty. Add a key of the provider's `host_clusters`, or \"default\" where the provider has \
             none: {} takes it as it is.",
        );
    }
    for (key, host) in hosts {
        let path = AttributePath::new("host_clusters").key(key.clone());
        match host {
            Value::Unknown => {}
            Value::Null => diags.fail(
                path,
                format!("Host cluster \"{key}\" is null."),
                "Remove it, or write {} to take it as it is.",
            ),
            Value::Value(host) => check_host(diags, &path, host, endpoint_type),
        }
    }
}

fn check_host(
    diags: &mut Diagnostics,
    path: &AttributePath,
    host: &GroupHostModel,
    endpoint_type: Option<EndpointType>,
) {
    checks::host_dns(diags, path.clone().attribute("host_dns"), &host.host_dns, "a", endpoint_type);
    checks::bytes(diags, path.clone().attribute("storage"), &host.storage);
    if let Some(reserved) = host.reserved.as_ref_option() {
        let path = path.clone().attribute("reserved");
        checks::cpu(diags, path.clone().attribute("cpu"), &reserved.cpu);
        checks::bytes(diags, path.attribute("memory"), &reserved.memory);
    }
    checks::capacity(diags, &path.clone().attribute("capacity"), &host.capacity, "What the host cluster may grow to");
    tolerations::check(diags, &path.clone().attribute("tolerations"), &host.tolerations);
    if let Some(class) = host.storage_class.as_ref_option().filter(|class| !metadata::is_subdomain(class)) {
        diags.fail(
            path.clone().attribute("storage_class"),
            "This is not the name of a storage class.",
            format!(
                "\"{class}\" is not a DNS name in lower case. `kubectl get storageclass` lists those that there are."
            ),
        );
    }
    let path = path.clone().attribute("node_selector");
    for (label, value) in checks::entries(diags, &path, &host.node_selector) {
        if let Err(problem) = metadata::check_selector(label, value) {
            diags.fail(
                path.clone().key(label.clone()),
                "No node can be selected by this label.",
                format!("{problem}."),
            );
        }
    }
}

/// Checks that each of `member_values` can be a place in values.
fn check_member_values(diags: &mut Diagnostics, config: &ClusterGroupModel) {
    for path in checks::texts(diags, "member_values", &config.member_values) {
        if path != "*" && path.split('.').any(str::is_empty) {
            diags.fail(
                AttributePath::new("member_values"),
                "This is no place in values.",
                format!("\"{path}\": write the keys from the top with dots between them, such as \"sync.toHost\", or \"*\" for all."),
            );
        }
    }
}

/// Reports what is wrong with the values of the group and of its hosts: no YAML, something refused, a contradiction with
/// what the group itself says.
fn check_values(diags: &mut Diagnostics, config: &ClusterGroupModel) {
    let group = parsed(diags, &AttributePath::new("values"), &config.values);
    let mut found = BTreeSet::new();
    for (key, host) in config.host_clusters.as_ref_option().into_iter().flatten() {
        let Some(host) = host.as_ref_option() else { continue };
        let path = AttributePath::new("host_clusters").key(key.clone()).attribute("values");
        let own = parsed(diags, &path, &host.values);
        let Some(typed) = typical(config, host) else { continue };
        let layers = [
            (AttributePath::new("values"), "the group's values".to_owned(), group.as_ref()),
            (path, format!("the values of host cluster \"{key}\""), own.as_ref()),
        ];
        for (path, name, values) in layers {
            let Some(values) = values else { continue };
            let layer = Layer { name: &name, values };
            if let Some(problem) = problem(&typed, &layer).filter(|problem| found.insert(problem.clone())) {
                diags.fail(path, "These values cannot be used.", format!("{problem}."));
            }
        }
    }
}

/// What is wrong with the layer, whichever virtual cluster of the group it is for.
fn problem(typed: &VirtualClusterSpec, layer: &Layer<'_>) -> Option<String> {
    match chart_values(MappingVersion::NEWEST, typed, &[*layer]).err()? {
        ValuesError::Contradiction { path, .. } if path.starts_with(VOLUME) => None,
        error => Some(error.to_string()),
    }
}

fn parsed(diags: &mut Diagnostics, path: &AttributePath, text: &Value<String>) -> Option<Json> {
    checks::values(diags, path, text.as_ref_option()?)
}

/// A virtual cluster of the group on one of its hosts; none while something that decides whether values contradict is not
/// known, or is malformed.
fn typical(config: &ClusterGroupModel, host: &GroupHostModel) -> Option<VirtualClusterSpec> {
    let plan = plan::create(config);
    let name = "name";
    let distro = Distro::from_str(plan.distro.as_ref_option()?).ok()?;
    let image_tag = |version: &String| distro.image_tag(version).ok();
    let settled = |value: &Value<String>| !matches!(value, Value::Unknown);
    if !settled(&plan.kubernetes_version) || !settled(&host.host_dns) {
        return None;
    }
    let size = Size::DEFAULT;
    Some(VirtualClusterSpec {
        name: name.to_owned(),
        namespace: name::default_namespace(name),
        vcluster_version: Version::parse(plan.vcluster_version.as_ref_option()?).ok()?,
        size,
        hard: Hard::new(),
        priority_classes: Vec::new(),
        count_limits: plan.count_limits.as_ref_option() == Some(&true),
        volume: limits::control_plane_volume(size.storage),
        storage_class: None,
        endpoint_type: EndpointType::from_str(plan.endpoint_type.as_ref_option()?).ok()?,
        host_name: host.host_dns.as_ref_option().and_then(|dns| host_name(name, dns).ok()),
        distro,
        kubernetes_version: plan.kubernetes_version.as_ref_option().and_then(image_tag),
        node_selector: string_map(&host.node_selector)?,
        pod_security: plan.pod_security.as_ref_option()?.parse().ok()?,
        network_isolation: plan.network_isolation.as_ref_option() == Some(&true),
        tolerations: spec::tolerations(&tolerations::of(&host.tolerations)?),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::provider::cluster_group::model::TolerationModel;
    use crate::provider::size::{CapacityModel, ComputeModel, QuotaModel, ResourcesModel};

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn config() -> ClusterGroupModel {
        ClusterGroupModel {
            name: text("dev"),
            vcluster_version: text("0.34.7"),
            host_clusters: hosts(GroupHostModel::default()),
            ..ClusterGroupModel::default()
        }
    }

    fn hosts(eu: GroupHostModel) -> Value<BTreeMap<String, Value<GroupHostModel>>> {
        Value::Value([("eu-1".to_owned(), Value::Value(eu))].into())
    }

    fn size(cpu: &str, memory: &str, storage: &str) -> Value<ResourcesModel> {
        Value::Value(ResourcesModel {
            cpu: text(cpu),
            memory: text(memory),
            storage: text(storage),
            ..ResourcesModel::default()
        })
    }

    /// Checks which attribute is blamed, and for what. No expectation: nothing is wrong.
    #[track_caller]
    fn check(change: impl FnOnce(&mut ClusterGroupModel), expected: &[(&str, &str)]) {
        let mut config = config();
        change(&mut config);
        let mut diags = Diagnostics::default();
        validate(&mut diags, &config);
        let found: Vec<(String, String)> = diags
            .errors
            .iter()
            .map(|error| (error.attribute.to_string(), format!("{} {}", error.summary, error.detail)))
            .collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((attribute, message), (expected_attribute, part)) in std::iter::zip(&found, expected) {
            assert_eq!(attribute, expected_attribute);
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
    }

    #[track_caller]
    fn check_host(host: GroupHostModel, expected: &[(&str, &str)]) {
        let expected: Vec<(String, &str)> =
            expected.iter().map(|(path, part)| (format!("host_clusters[\"eu-1\"].{path}"), *part)).collect();
        let expected: Vec<(&str, &str)> = expected.iter().map(|(path, part)| (path.as_str(), *part)).collect();
        check(|config| config.host_clusters = hosts(host), &expected);
    }

    #[test]
    fn what_is_unknown_or_left_out_passes() {
        check(|_| {}, &[]);
        check(|config| config.host_clusters = Value::Unknown, &[]);
        check(|config| config.host_clusters = Value::Value([("eu-1".to_owned(), Value::Unknown)].into()), &[]);
        check(|config| (config.name, config.values) = (Value::Unknown, Value::Unknown), &[]);
        check(|config| (config.quota, config.oversubscription_percent) = (Value::Unknown, Value::Unknown), &[]);
        check(|config| config.virtual_cluster_minimums = Value::Unknown, &[]);
        check(
            |config| {
                config.endpoint_type = text("Ingress");
                config.host_clusters = hosts(GroupHostModel { host_dns: Value::Unknown, ..GroupHostModel::default() });
            },
            &[],
        );
    }

    #[test]
    fn a_group_is_named_and_has_a_host() {
        check(|config| config.name = text(&"a".repeat(63)), &[]);
        check(|config| config.name = text(&"a".repeat(64)), &[("name", "at most 63")]);
        check(|config| config.name = text("Dev"), &[("name", "not a DNS label")]);
        check(
            |config| config.host_clusters = Value::Value(BTreeMap::new()),
            &[("host_clusters", "needs a host cluster")],
        );
        let null = Value::Value([("eu-1".to_owned(), Value::Null)].into());
        check(|config| config.host_clusters = null, &[("host_clusters[\"eu-1\"]", "is null")]);
        let labels = [("app".to_owned(), text("x"))].into();
        check(|config| config.labels = Value::Value(labels), &[("labels[\"app\"]", "is reserved")]);
    }

    #[test]
    fn versions_and_endpoints_are_checked() {
        check(|config| config.vcluster_version = text("0.34"), &[("vcluster_version", "no \"v\"")]);
        check(|config| config.distro = text("k3s"), &[("distro", "0.32 was the last")]);
        check(|config| config.kubernetes_version = text("newest"), &[("kubernetes_version", "not a version")]);
        check(|config| config.endpoint_type = text("Tunnel"), &[("endpoint_type", "not known")]);
        check(
            |config| config.endpoint_type = text("Ingress"),
            &[("host_clusters[\"eu-1\"].host_dns", "needs a DNS name")],
        );
    }

    #[test]
    fn a_percentage_is_a_whole_number_in_a_range() {
        let percent = |number: Number, expected: &[(&str, &str)]| {
            check(|config| config.oversubscription_percent = Value::Value(number), expected);
        };
        let at = "oversubscription_percent";
        percent(Number::Whole(1), &[]);
        percent(Number::Whole(10_000), &[]);
        percent(Number::Whole(0), &[(at, "It is 0. Write a whole number from 1 to 10000")]);
        percent(Number::Whole(10_001), &[(at, "It is 10001.")]);
        percent(Number::Whole(-5), &[(at, "It is -5.")]);
        percent(Number::Fraction(1.5), &[(at, "It is 1.5.")]);
        percent(Number::Text("1e400".into()), &[(at, "It is 1e400.")]);
    }

    #[test]
    fn a_quota_allows_something() {
        let quota = |cpu: &str, memory: &str, storage: &str| {
            Value::Value(QuotaModel {
                cpu: text(cpu),
                memory: text(memory),
                storage: text(storage),
                ..QuotaModel::default()
            })
        };
        check(|config| config.quota = quota("64", "256Gi", "1Ti"), &[]);
        check(|config| config.quota = Value::Value(QuotaModel::default()), &[]);
        check(
            |config| config.quota = quota("0", "256Gi", "0Gi"),
            &[("quota.cpu", "no cpu allows no virtual cluster"), ("quota.storage", "is 0")],
        );
        check(
            |config| config.quota = quota("many", "1", "1"),
            &[("quota.cpu", "`quota.cpu` is not a usable quantity")],
        );
    }

    #[test]
    fn defaults_reach_the_minimums_and_minimums_carry_a_virtual_cluster() {
        check(|config| config.virtual_cluster_minimums = size("1", "1536Mi", "0"), &[]);
        check(
            |config| config.virtual_cluster_minimums = size("500m", "1Gi", "0"),
            &[
                ("virtual_cluster_minimums.cpu", "cpu is 500m, and the minimum is 1"),
                ("virtual_cluster_minimums.memory", "leave no room for workloads"),
            ],
        );
        check(
            |config| config.virtual_cluster_defaults = size("2", "4Gi", "2Gi"),
            &[(
                "virtual_cluster_defaults.cpu",
                "`virtual_cluster_defaults.cpu` is 2, and `virtual_cluster_minimums.cpu` is 3",
            )],
        );
        check(
            |config| config.virtual_cluster_minimums = size("3", "3Gi", "5Gi"),
            &[("virtual_cluster_defaults.storage", "is 2Gi, and `virtual_cluster_minimums.storage` is 5Gi")],
        );
        check(
            |config| {
                config.virtual_cluster_minimums = size("8", "3Gi", "0");
                config.virtual_cluster_defaults =
                    Value::Value(ResourcesModel { cpu: Value::Unknown, ..ResourcesModel::default() });
            },
            &[],
        );
    }

    #[test]
    fn defaults_and_minimums_stay_within_the_maximums() {
        check(|config| config.virtual_cluster_maximums = size("4", "4Gi", "2Gi"), &[]);
        check(
            |config| config.virtual_cluster_maximums = size("3", "2Gi", "1Gi"),
            &[
                ("virtual_cluster_maximums.memory", "`virtual_cluster_minimums.memory` is 3Gi"),
                ("virtual_cluster_defaults.cpu", "cpu is 4, and the maximum is 3"),
                ("virtual_cluster_defaults.memory", "memory is 4Gi, and the maximum is 2Gi"),
                ("virtual_cluster_defaults.storage", "storage is 2Gi, and the maximum is 1Gi"),
            ],
        );
        check(
            |config| config.virtual_cluster_maximums = size("many", "4Gi", "2Gi"),
            &[("virtual_cluster_maximums.cpu", "is not a quantity")],
        );
        let unknown = ResourcesModel { cpu: Value::Unknown, ..ResourcesModel::default() };
        check(|config| config.virtual_cluster_maximums = Value::Value(unknown), &[]);
    }

    fn hard(entries: &[(&str, &str)]) -> Value<ResourcesModel> {
        let hard = entries.iter().map(|(name, amount)| ((*name).to_owned(), text(amount))).collect();
        Value::Value(ResourcesModel { hard: Value::Value(hard), ..ResourcesModel::default() })
    }

    #[test]
    fn everything_else_of_a_size_is_named_as_a_quota_names_it_and_within_bounds() {
        check(
            |config| {
                config.virtual_cluster_defaults = hard(&[("pods", "20"), ("requests.nvidia.com/gpu", "0")]);
                config.virtual_cluster_minimums = hard(&[("pods", "10")]);
                config.virtual_cluster_maximums = hard(&[("pods", "50"), ("requests.nvidia.com/gpu", "4")]);
            },
            &[],
        );
        check(
            |config| config.virtual_cluster_defaults = hard(&[("requests.cpu", "4")]),
            &[("virtual_cluster_defaults.hard[\"requests.cpu\"]", "follows from `cpu`")],
        );
        check(
            |config| config.virtual_cluster_maximums = hard(&[("gpus", "4")]),
            &[("virtual_cluster_maximums.hard[\"gpus\"]", "counts nothing")],
        );
        check(
            |config| {
                config.virtual_cluster_defaults = hard(&[("pods", "60")]);
                config.virtual_cluster_minimums = hard(&[("secrets", "9")]);
                config.virtual_cluster_maximums = hard(&[("pods", "50"), ("secrets", "8")]);
            },
            &[
                ("virtual_cluster_minimums.hard[\"secrets\"]", "secrets is 9, and the maximum is 8"),
                ("virtual_cluster_defaults.hard[\"pods\"]", "pods is 60, and the maximum is 50"),
            ],
        );
    }

    #[test]
    fn hosts_are_checked_one_by_one() {
        let host = GroupHostModel::default;
        check_host(GroupHostModel { host_dns: text("*.*.x"), ..host() }, &[("host_dns", "not a DNS name")]);
        check_host(GroupHostModel { storage: text("much"), ..host() }, &[("storage", "not a usable quantity")]);
        check_host(GroupHostModel { storage: text("0"), ..host() }, &[]);
        check_host(GroupHostModel { storage_class: text("Fast!"), ..host() }, &[("storage_class", "storage class")]);
        let reserved = Value::Value(ComputeModel { cpu: text("0.0001"), memory: text("-1") });
        check_host(
            GroupHostModel { reserved, ..host() },
            &[("reserved.cpu", "finer than 1m"), ("reserved.memory", "negative")],
        );
        let selector = |key: &str| Value::Value(BTreeMap::from([(key.to_owned(), text("x"))]));
        check_host(GroupHostModel { node_selector: selector("app"), ..host() }, &[]);
        check_host(GroupHostModel { node_selector: selector("kubernetes.io/os"), ..host() }, &[]);
        check_host(
            GroupHostModel { node_selector: selector("a b"), ..host() },
            &[("node_selector[\"a b\"]", "not a valid key")],
        );
    }

    #[test]
    fn what_a_host_grows_to_is_something() {
        let stated = |cpu, memory, extended| GroupHostModel {
            capacity: Value::Value(CapacityModel { cpu, memory, extended }),
            ..GroupHostModel::default()
        };
        let capacity = |cpu: Value<String>, memory: Value<String>| stated(cpu, memory, Value::Null);
        let extended = |name: &str, amount: &str| {
            stated(Value::Null, Value::Null, Value::Value([(name.to_owned(), text(amount))].into()))
        };
        check_host(extended("nvidia.com/gpu", "0"), &[]);
        check_host(
            extended("requests.nvidia.com/gpu", "4"),
            &[("capacity.extended[\"requests.nvidia.com/gpu\"]", "not the name of an extended resource")],
        );
        check_host(extended("nvidia.com/gpu", "0.5"), &[("capacity.extended[\"nvidia.com/gpu\"]", "no whole number")]);
        check_host(capacity(text("64"), text("256Gi")), &[]);
        check_host(capacity(text("64"), Value::Null), &[]);
        check_host(capacity(Value::Null, Value::Unknown), &[]);
        check_host(capacity(Value::Null, Value::Null), &[("capacity", "neither `cpu` nor `memory`")]);
        check_host(capacity(text("0"), text("many")), &[("capacity.memory", "not a usable quantity")]);
        check_host(capacity(text("0"), text("1Gi")), &[("capacity.cpu", "What the host cluster may grow to is 0")]);
    }

    #[test]
    fn tolerations_are_checked_as_kubernetes_does() {
        let toleration = |key: &str, operator: &str, effect: &str| TolerationModel {
            key: text(key),
            operator: text(operator),
            effect: text(effect),
            ..TolerationModel::default()
        };
        let host = |tolerations: Vec<Value<TolerationModel>>| GroupHostModel {
            tolerations: Value::Value(tolerations),
            ..GroupHostModel::default()
        };
        let fine = || Value::Value(toleration("dedicated", "Exists", "NoSchedule"));
        check_host(host(vec![]), &[]);
        check_host(host(vec![fine(), Value::Unknown]), &[]);
        check_host(
            host(vec![
                fine(),
                Value::Value(toleration("dedicated", "Sometimes", "")),
                Value::Null,
                Value::Value(toleration("a", "Exists", "Never")),
                Value::Value(TolerationModel {
                    toleration_seconds: Value::Value(Number::Fraction(1.5)),
                    ..toleration("a", "Exists", "NoExecute")
                }),
            ]),
            &[
                ("tolerations[1].operator", "\"Sometimes\" is neither"),
                ("tolerations[2]", "is null"),
                ("tolerations[3].effect", "Kubernetes knows no such toleration"),
                ("tolerations[4].toleration_seconds", "whole number"),
            ],
        );
    }

    #[test]
    fn values_are_looked_at_where_they_are() {
        let host = |values: &str| GroupHostModel { values: text(values), ..GroupHostModel::default() };
        check(|config| config.values = text("telemetry: {enabled: false}"), &[]);
        check(|config| config.values = text("[]"), &[("values", "not a YAML mapping")]);
        check(|config| config.values = text("privateNodes: {enabled: true}"), &[("values", "which is refused")]);
        check_host(host("a: ["), &[("values", "not a YAML mapping")]);
        check_host(
            host("controlPlane: {service: {spec: {type: NodePort}}}"),
            &[("values", "the values of host cluster \"eu-1\" set controlPlane.service.spec.type")],
        );
        // What is common to all hosts is said once.
        let two = || GroupHostModel::default();
        check(
            |config| {
                config.values = text("controlPlane: {service: {spec: {type: NodePort}}}");
                config.host_clusters =
                    Value::Value([("a".to_owned(), Value::Value(two())), ("b".to_owned(), Value::Value(two()))].into());
            },
            &[("values", "the group's values set controlPlane.service.spec.type")],
        );
        // Each virtual cluster has a volume of its own.
        check_host(host("controlPlane: {statefulSet: {persistence: {volumeClaim: {size: 5Gi}}}}"), &[]);
    }
}
