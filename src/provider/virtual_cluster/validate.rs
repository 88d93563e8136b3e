//! Checks of `nested_virtual_cluster`'s configuration that need nothing but the configuration. Unknown values pass: they
//! are checked again once known.

use crate::domain::metadata;
use crate::domain::name;
use crate::domain::quantity::Bytes;
use crate::domain::size::Size;
use crate::domain::values::MappingVersion;
use crate::provider::checks::{self, Versions};
use crate::provider::size::ResourcesModel;
use crate::provider::virtual_cluster::model::VirtualClusterModel;
use crate::provider::virtual_cluster::plan::refuse_pause;
use crate::provider::virtual_cluster::render::parse_values;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// Adds an error for everything that is wrong in `config`.
pub fn validate(diags: &mut Diagnostics, config: &VirtualClusterModel) {
    let mut check = Check { diags };
    check.names(config);
    check.membership(config);
    let (vcluster_version, distro) = (&config.vcluster_version, &config.distro);
    let kubernetes_version = &config.kubernetes_version;
    checks::versions(check.diags, &Versions { vcluster_version, distro, kubernetes_version });
    checks::chart(check.diags, &config.chart);
    check.resources(config);
    let promised = "What the host cluster may promise";
    checks::capacity(check.diags, &AttributePath::new("host_capacity"), &config.host_capacity, promised);
    let endpoint_type = checks::endpoint_type(check.diags, &config.endpoint_type);
    // Any name will do where it is not known yet.
    let name = config.name.as_ref_option().map_or("a", String::as_str);
    checks::host_dns(check.diags, AttributePath::new("host_dns"), &config.host_dns, name, endpoint_type);
    checks::metadata(check.diags, "labels", &config.labels, |key, value| {
        metadata::check_label(key, value).map_err(|e| e.to_string())
    });
    checks::metadata(check.diags, "annotations", &config.annotations, |key, _| {
        metadata::check_annotation(key).map_err(|e| e.to_string())
    });
    checks::image_registries(check.diags, &config.image_registries);
    checks::priority_classes(check.diags, &config.priority_classes);
    checks::pod_security(check.diags, &config.pod_security);
    check.mapping_version(config);
    if let Some(values) = config.values.as_ref_option() {
        parse_values(check.diags, values).map(drop).unwrap_or_default();
    }
    checks::timeouts(check.diags, &config.timeouts);
}

struct Check<'a> {
    diags: &'a mut Diagnostics,
}

impl Check<'_> {
    fn fail(&mut self, path: AttributePath, summary: impl Into<String>, detail: impl Into<String>) {
        self.diags.fail(path, summary, detail);
    }

    fn names(&mut self, config: &VirtualClusterModel) {
        if let Some(problem) = config.name.as_ref_option().and_then(|name| name::check_name(name).err()) {
            self.fail(
                AttributePath::new("name"),
                "This name cannot be used for a virtual cluster.",
                format!("{problem}."),
            );
        }
        if let Some(problem) = config.namespace.as_ref_option().and_then(|name| name::check_namespace(name).err()) {
            self.fail(
                AttributePath::new("namespace"),
                "This namespace cannot be used for a virtual cluster.",
                format!("{problem}. Leave `namespace` out to get \"vcluster-<name>\"."),
            );
        }
        if config.host_cluster.as_ref_option().is_some_and(String::is_empty) {
            self.fail(
                AttributePath::new("host_cluster"),
                "No host cluster is named.",
                "Set `host_cluster` to a key of the provider's `host_clusters`, or to \"default\" where the provider has none.",
            );
        }
    }

    /// A virtual cluster is in a group, or says itself where it is and what it is made of.
    fn membership(&mut self, config: &VirtualClusterModel) {
        let group = match &config.cluster_group {
            Value::Unknown => return,
            Value::Value(group) => group,
            Value::Null => {
                if config.host_cluster == Value::Null {
                    self.fail(
                        AttributePath::new("host_cluster"),
                        "Neither a cluster group nor a host cluster is named.",
                        "Set `cluster_group` to the name of a cluster group, or `host_cluster` to a key of the provider's \
                         `host_clusters` (\"default\" where the provider has none).",
                    );
                }
                if config.vcluster_version == Value::Null {
                    self.fail(
                        AttributePath::new("vcluster_version"),
                        "No version of vCluster is given.",
                        "A virtual cluster that is in no cluster group needs `vcluster_version`, such as \"0.34.7\".",
                    );
                }
                return;
            }
        };
        if !name::is_label(group) {
            self.fail(
                AttributePath::new("cluster_group"),
                "This is not the name of a cluster group.",
                format!("\"{group}\" is not a DNS label: at most 63 lower-case letters, digits and '-'."),
            );
        }
        for (attribute, given) in [
            ("vcluster_version", config.vcluster_version != Value::Null),
            ("chart", config.chart != Value::Null),
            ("distro", config.distro != Value::Null),
            ("endpoint_type", config.endpoint_type != Value::Null),
            ("host_dns", config.host_dns != Value::Null),
            ("host_capacity", config.host_capacity != Value::Null),
            ("allow_unsafe_values", config.allow_unsafe_values != Value::Null),
            ("image_registries", config.image_registries != Value::Null),
            ("count_limits", config.count_limits != Value::Null),
            ("priority_classes", config.priority_classes != Value::Null),
        ] {
            if given {
                self.fail(
                    AttributePath::new(attribute),
                    format!("`{attribute}` comes from the cluster group."),
                    format!(
                        "The virtual cluster is in cluster group \"{group}\", which says it for all of its virtual clusters. \
                         Remove `{attribute}` here, or set it on the group."
                    ),
                );
            }
        }
    }

    fn mapping_version(&mut self, config: &VirtualClusterModel) {
        let newest = MappingVersion::NEWEST.number();
        let Some(given) = config.mapping_version.as_ref_option() else { return };
        if given.whole().and_then(MappingVersion::from_number).is_none() {
            self.fail(
                AttributePath::new("mapping_version"),
                "This provider knows no such mapping version.",
                format!("It is {given}. Write a whole number from 1 to {newest}, or leave it out."),
            );
        }
    }

    fn resources(&mut self, config: &VirtualClusterModel) {
        let path = AttributePath::new("resources");
        let unset = ResourcesModel::default();
        let resources = config.resources.as_ref_option().unwrap_or(&unset);
        let well_formed = [
            checks::quantities(self.diags, &path, &resources.amounts()),
            checks::hard(self.diags, &path.clone().attribute("hard"), &resources.hard),
        ];
        if well_formed.contains(&false) {
            return;
        }
        // What is not set or not known yet counts as the default.
        let size = resources.size_or(&Size::DEFAULT);
        // A group has minimums of its own, which are known when it is planned.
        let minimum = if config.cluster_group == Value::Null { Size::MINIMUM } else { Size::ZERO };
        for shortfall in size.shortfalls(&minimum) {
            let name = shortfall.resource.attribute();
            self.fail(
                path.clone().attribute(name),
                format!("`resources.{name}` is below the minimum."),
                format!("{shortfall}. Raise it to {} or more, or leave it out to get the default.", shortfall.minimum),
            );
        }
        if config.paused.as_ref_option() == Some(&true) && size.storage == Bytes(0) {
            refuse_pause(self.diags);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::chart::ChartModel;
    use crate::provider::number::Number;
    use crate::provider::size::CapacityModel;
    use crate::provider::timeouts::TimeoutsModel;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn config() -> VirtualClusterModel {
        VirtualClusterModel {
            host_cluster: text("eu-1"),
            vcluster_version: text("0.34.7"),
            ..VirtualClusterModel::default()
        }
    }

    /// Checks which attribute is blamed, and for what. No expectation: nothing is wrong.
    #[track_caller]
    fn check(change: impl FnOnce(&mut VirtualClusterModel), expected: &[(&str, &str)]) {
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

    fn resources(cpu: &str, memory: &str, storage: &str) -> Value<ResourcesModel> {
        Value::Value(ResourcesModel {
            cpu: text(cpu),
            memory: text(memory),
            storage: text(storage),
            ..ResourcesModel::default()
        })
    }

    #[test]
    fn what_is_unknown_or_left_out_passes() {
        check(|_| {}, &[]);
        check(|config| config.resources = Value::Unknown, &[]);
        check(|config| (config.name, config.values) = (Value::Unknown, Value::Unknown), &[]);
        check(|config| (config.endpoint_type, config.host_dns) = (text("Ingress"), Value::Unknown), &[]);
    }

    #[test]
    fn a_group_says_what_is_not_to_be_said_twice() {
        let in_group = |config: &mut VirtualClusterModel| {
            *config = VirtualClusterModel { cluster_group: text("dev"), ..VirtualClusterModel::default() };
        };
        check(in_group, &[]);
        check(
            |config| {
                in_group(config);
                (config.distro, config.host_dns) = (text("k8s"), text("a.example.com"));
                config.count_limits = Value::Value(true);
            },
            &[("distro", "comes from the cluster group"), ("host_dns", "\"dev\""), ("count_limits", "on the group")],
        );
        check(
            |config| {
                in_group(config);
                config.resources = resources("1", "1Gi", "0");
            },
            &[],
        );
        check(|config| config.cluster_group = Value::Unknown, &[]);
        check(
            |config| *config = VirtualClusterModel::default(),
            &[("host_cluster", "Neither a cluster group nor a host"), ("vcluster_version", "No version")],
        );
        check(
            |config| (config.cluster_group, config.vcluster_version) = (text("Dev"), Value::Null),
            &[("cluster_group", "DNS label")],
        );
    }

    #[test]
    fn sizes_are_checked_against_minimums() {
        check(|config| config.resources = resources("3", "3Gi", "0"), &[]);
        check(
            |config| config.resources = resources("2", "1Gi", "0"),
            &[("resources.cpu", "cpu is 2, and the minimum is 3"), ("resources.memory", "memory is 1Gi")],
        );
        check(|config| config.resources = resources("four", "4Gi", "0"), &[("resources.cpu", "is not a quantity")]);
        check(
            |config| (config.resources, config.paused) = (resources("4", "4Gi", "0"), Value::Value(true)),
            &[("paused", "without storage cannot be paused")],
        );
    }

    #[test]
    fn everything_else_is_named_as_a_quota_names_it() {
        let hard = |name: &str, amount: Value<String>| {
            let hard = Value::Value([(name.to_owned(), amount)].into());
            Value::Value(ResourcesModel { hard, ..ResourcesModel::default() })
        };
        check(|config| config.resources = hard("requests.nvidia.com/gpu", text("2")), &[]);
        check(|config| config.resources = hard("pods", Value::Unknown), &[]);
        for (name, amount, part) in [
            ("requests.memory", text("4Gi"), "follows from `memory`"),
            ("gpu", text("1"), "counts nothing that is called \"gpu\""),
            ("pods", text("1.5"), "no whole number"),
            ("pods", Value::Null, "not a quantity"),
        ] {
            let path = format!("resources.hard[\"{name}\"]");
            check(|config| config.resources = hard(name, amount), &[(path.as_str(), part)]);
        }
    }

    #[test]
    fn what_a_host_promises_is_something_and_the_groups_to_say_where_there_is_one() {
        let promises = |cpu: &str| Value::Value(CapacityModel { cpu: text(cpu), ..CapacityModel::default() });
        check(|config| config.host_capacity = promises("8"), &[]);
        check(|config| config.host_capacity = promises("0"), &[("host_capacity.cpu", "may promise is 0")]);
        check(
            |config| config.host_capacity = Value::Value(CapacityModel::default()),
            &[("host_capacity", "neither `cpu` nor `memory`")],
        );
        check(
            |config| {
                *config = VirtualClusterModel { cluster_group: text("dev"), ..VirtualClusterModel::default() };
                config.host_capacity = promises("8");
            },
            &[("host_capacity", "comes from the cluster group")],
        );
    }

    #[test]
    fn versions_and_distributions_are_checked() {
        check(|config| config.vcluster_version = text("v0.34.7"), &[("vcluster_version", "no \"v\"")]);
        check(|config| config.vcluster_version = text("0.23.0"), &[("vcluster_version", "too old")]);
        check(|config| config.distro = text("k3s"), &[("distro", "0.32 was the last")]);
        check(|config| config.distro = text("eks"), &[("distro", "not known")]);
        check(|config| config.kubernetes_version = text("newest"), &[("kubernetes_version", "not a version")]);
        check(|config| config.mapping_version = Value::Value(Number::from(1)), &[]);
        let wrong = [Number::from(0), Number::from(3), Number::Fraction(1.5)];
        for number in wrong {
            check(|config| config.mapping_version = Value::Value(number), &[("mapping_version", "from 1 to 2")]);
        }
    }

    #[test]
    fn names_metadata_endpoints_and_times_are_checked() {
        check(|config| config.name = text("Team"), &[("name", "not a DNS label")]);
        check(|config| config.namespace = text("kube-system"), &[("namespace", "keeps for itself")]);
        check(|config| config.endpoint_type = text("Tunnel"), &[("endpoint_type", "not known")]);
        check(|config| config.endpoint_type = text("Ingress"), &[("host_dns", "needs a DNS name")]);
        check(|config| config.host_dns = text("*.*.x"), &[("host_dns", "not a DNS name")]);
        let labels = [("app".to_owned(), text("x"))].into();
        check(|config| config.labels = Value::Value(labels), &[("labels[\"app\"]", "is reserved")]);
        let timeouts = TimeoutsModel { create: text("soon"), ..TimeoutsModel::default() };
        check(|config| config.timeouts = Value::Value(timeouts), &[("timeouts.create", "not a duration")]);
    }

    #[test]
    fn chart_sources_are_read_before_they_are_needed() {
        let from = |source: &str| Value::Value(ChartModel { source: text(source), ..ChartModel::default() });
        for source in ["https://charts.example.com", "oci://example.com/charts", "./chart", "a.tgz"] {
            check(|config| config.chart = from(source), &[]);
        }
        check(|config| config.chart = from(""), &[("chart.source", "it is empty")]);
        check(|config| config.chart = from("s3://bucket"), &[("chart.source", "expected https://")]);
        check(
            |config| config.chart = from("https://me:secret@example.com"),
            &[("chart.source", "do not belong into a URL")],
        );
    }

    #[test]
    fn a_password_needs_a_terraform_that_keeps_it_out_of_its_state() {
        let chart = ChartModel { username: text("me"), password: text("secret"), ..ChartModel::default() };
        check(|config| config.chart = Value::Value(chart), &[("chart.password", "write-only")]);
    }
}
