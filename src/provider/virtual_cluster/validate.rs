//! Checks of `nested_virtual_cluster`'s configuration that need nothing but the configuration. Unknown values pass: they
//! are checked again once known.

use std::str::FromStr;

use semver::Version;

use crate::chart::source::Source;
use crate::domain::distro::Distro;
use crate::domain::endpoint::{self, EndpointType};
use crate::domain::metadata;
use crate::domain::name;
use crate::domain::quantity::{Bytes, Millicores, QuantityError};
use crate::domain::size::Size;
use crate::provider::virtual_cluster::model::{ChartModel, ResourcesModel, StringMap, VirtualClusterModel};
use crate::provider::{chart_source, duration};
use crate::terraform::value::Value;
use crate::terraform::{AttributePath, Diagnostics, Report, write_only_allowed};

/// The oldest vCluster whose chart has the configuration format that this provider writes.
const OLDEST: Version = Version::new(0, 24, 0);

/// Adds an error for everything that is wrong in `config`.
pub fn validate(diags: &mut Diagnostics, config: &VirtualClusterModel) {
    let mut check = Check { diags };
    check.names(config);
    check.version_and_distro(config);
    check.chart(config.chart.as_ref_option());
    check.resources(config);
    check.endpoint(config);
    check.metadata("labels", &config.labels, |key, value| metadata::check_label(key, value).map_err(|e| e.to_string()));
    check.metadata("annotations", &config.annotations, |key, _| {
        metadata::check_annotation(key).map_err(|e| e.to_string())
    });
    check.timeouts(config);
}

/// The size that a configuration asks for, where a value that is not set or not known yet counts as the default.
fn size_or_default(resources: Option<&ResourcesModel>) -> Size {
    let part = |value: Option<&String>| value.cloned().unwrap_or_default();
    let Some(resources) = resources else { return Size::DEFAULT };
    Size {
        cpu: part(resources.cpu.as_ref_option()).parse().unwrap_or(Size::DEFAULT.cpu),
        memory: part(resources.memory.as_ref_option()).parse().unwrap_or(Size::DEFAULT.memory),
        storage: part(resources.storage.as_ref_option()).parse().unwrap_or(Size::DEFAULT.storage),
    }
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

    fn version_and_distro(&mut self, config: &VirtualClusterModel) {
        let version = config.vcluster_version.as_ref_option().and_then(|text| {
            let parsed = Version::parse(text);
            if parsed.is_err() {
                self.fail(
                    AttributePath::new("vcluster_version"),
                    "This is not a version of vCluster.",
                    format!(
                        "\"{text}\" is not an exact version. Write all three numbers and no \"v\", as in \"0.34.7\"."
                    ),
                );
            }
            parsed.ok()
        });
        if let Some(version) = version.as_ref().filter(|version| **version < OLDEST) {
            self.fail(
                AttributePath::new("vcluster_version"),
                "This version of vCluster is too old.",
                format!("{version} was given; this provider needs {OLDEST} or later."),
            );
        }
        let Some(text) = config.distro.as_ref_option() else {
            if let (Value::Null, Some(version)) = (&config.distro, &version) {
                self.kubernetes_version(config, Distro::default_of(version));
            }
            return;
        };
        match Distro::from_str(text) {
            Err(problem) => {
                self.fail(AttributePath::new("distro"), "This distribution is not known.", format!("{problem}."));
            }
            Ok(distro) => {
                if let Some(problem) = version.as_ref().and_then(|version| distro.check(version).err()) {
                    self.fail(
                        AttributePath::new("distro"),
                        "This version of vCluster does not ship this distribution.",
                        format!("{problem}."),
                    );
                }
                self.kubernetes_version(config, distro);
            }
        }
    }

    fn kubernetes_version(&mut self, config: &VirtualClusterModel, distro: Distro) {
        let version = config.kubernetes_version.as_ref_option();
        if let Some(problem) = version.and_then(|version| distro.image_tag(version).err()) {
            self.fail(
                AttributePath::new("kubernetes_version"),
                "This is not a version of Kubernetes.",
                format!("{problem}."),
            );
        }
    }

    fn chart(&mut self, chart: Option<&ChartModel>) {
        let Some(chart) = chart else { return };
        let at = |name: &'static str| AttributePath::new("chart").attribute(name);
        let source = chart.source.as_ref_option().map(|source| Source::parse(source));
        if let Some(Err(error)) = source {
            self.diags.add_error(chart_source::explain(&error));
        }
        if let Some(digest) = chart.digest.as_ref_option() {
            let hex = digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
                self.fail(
                    at("digest"),
                    "This is not a chart digest.",
                    format!("\"{digest}\" is not \"sha256:\" and 64 hexadecimal digits in lower case."),
                );
            }
        }
        if chart.password != Value::Null && !write_only_allowed() {
            self.fail(
                at("password"),
                "This Terraform cannot keep the chart's password out of its state.",
                "`chart.password` is a write-only attribute, which needs Terraform 1.11 or later, or OpenTofu 1.11 or later.",
            );
        }
        if chart.password.as_ref_option().is_some() && matches!(chart.username, Value::Null) {
            self.fail(at("username"), "The chart's password has no user name.", "Set `username` beside `password`.");
        }
    }

    fn resources(&mut self, config: &VirtualClusterModel) {
        let resources = config.resources.as_ref_option();
        let at = |name: &'static str| AttributePath::new("resources").attribute(name);
        let mut well_formed = true;
        if let Some(resources) = resources {
            let cpu = resources.cpu.as_ref_option().and_then(|text| text.parse::<Millicores>().err());
            let memory = resources.memory.as_ref_option().and_then(|text| text.parse::<Bytes>().err());
            let storage = resources.storage.as_ref_option().and_then(|text| text.parse::<Bytes>().err());
            let problems: [(&'static str, Option<QuantityError>); 3] =
                [("cpu", cpu), ("memory", memory), ("storage", storage)];
            for (name, problem) in problems {
                if let Some(problem) = problem {
                    well_formed = false;
                    self.fail(at(name), format!("`resources.{name}` is not a usable quantity."), format!("{problem}."));
                }
            }
        }
        if !well_formed {
            return;
        }
        let size = size_or_default(resources);
        for shortfall in size.shortfalls(&Size::MINIMUM) {
            let name = shortfall.resource.attribute();
            self.fail(
                at(name),
                format!("`resources.{name}` is below the minimum."),
                format!("{shortfall}. Raise it to {} or more, or leave it out to get the default.", shortfall.minimum),
            );
        }
        if config.paused.as_ref_option() == Some(&true) && size.storage == Bytes(0) {
            self.fail(
                AttributePath::new("paused"),
                "A virtual cluster without storage cannot be paused.",
                "With `resources.storage` of 0 its data lives only as long as its control plane's pod, and pausing removes \
                 that pod. Give it storage when it is created, or keep it running.",
            );
        }
    }

    fn endpoint(&mut self, config: &VirtualClusterModel) {
        let endpoint_type = config.endpoint_type.as_ref_option().map(|text| EndpointType::from_str(text));
        if let Some(Err(problem)) = &endpoint_type {
            self.fail(AttributePath::new("endpoint_type"), "This endpoint type is not known.", format!("{problem}."));
        }
        // Any name will do where it is not known yet.
        let name = config.name.as_ref_option().map_or("a", String::as_str);
        let host_dns = config.host_dns.as_ref_option();
        if let Some(problem) = host_dns.and_then(|host_dns| endpoint::host_name(name, host_dns).err()) {
            self.fail(AttributePath::new("host_dns"), "This is not a DNS name.", format!("{problem}."));
        }
        let missing = matches!(config.host_dns, Value::Null);
        if matches!(endpoint_type, Some(Ok(EndpointType::Ingress))) && missing {
            self.fail(
                AttributePath::new("host_dns"),
                "An Ingress needs a DNS name.",
                "`endpoint_type` is \"Ingress\": set `host_dns` to the name that leads to the host cluster's Ingress \
                 controller, or to a wildcard such as \"*.dev.example.com\".",
            );
        }
    }

    fn metadata(&mut self, attribute: &'static str, map: &StringMap, check: impl Fn(&str, &str) -> Result<(), String>) {
        for (key, value) in map.as_ref_option().into_iter().flatten() {
            let value = value.as_ref_option().map(String::as_str).unwrap_or_default();
            if let Err(problem) = check(key, value) {
                let kind = attribute.trim_end_matches('s');
                self.fail(
                    AttributePath::new(attribute).key(key.clone()),
                    format!("This {kind} cannot be set."),
                    format!("{problem}."),
                );
            }
        }
    }

    fn timeouts(&mut self, config: &VirtualClusterModel) {
        let Some(timeouts) = config.timeouts.as_ref_option() else { return };
        for (name, value) in [("create", &timeouts.create), ("update", &timeouts.update), ("delete", &timeouts.delete)]
        {
            if let Some(problem) = value.as_ref_option().and_then(|text| duration::parse(text).err()) {
                self.fail(
                    AttributePath::new("timeouts").attribute(name),
                    "This is not a duration.",
                    format!("{problem}."),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::virtual_cluster::model::TimeoutsModel;

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
        Value::Value(ResourcesModel { cpu: text(cpu), memory: text(memory), storage: text(storage) })
    }

    #[test]
    fn what_is_unknown_or_left_out_passes() {
        check(|_| {}, &[]);
        check(|config| config.resources = Value::Unknown, &[]);
        check(|config| (config.name, config.values) = (Value::Unknown, Value::Unknown), &[]);
        check(|config| (config.endpoint_type, config.host_dns) = (text("Ingress"), Value::Unknown), &[]);
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
    fn versions_and_distributions_are_checked() {
        check(|config| config.vcluster_version = text("v0.34.7"), &[("vcluster_version", "no \"v\"")]);
        check(|config| config.vcluster_version = text("0.23.0"), &[("vcluster_version", "too old")]);
        check(|config| config.distro = text("k3s"), &[("distro", "0.32 was the last")]);
        check(|config| config.distro = text("eks"), &[("distro", "not known")]);
        check(|config| config.kubernetes_version = text("newest"), &[("kubernetes_version", "not a version")]);
    }

    #[test]
    fn names_metadata_endpoints_and_times_are_checked() {
        check(|config| config.name = text("Team"), &[("name", "not a DNS label")]);
        check(|config| config.namespace = text("kube-system"), &[("namespace", "keeps for itself")]);
        check(|config| config.endpoint_type = text("Tunnel"), &[("endpoint_type", "not known")]);
        check(|config| config.endpoint_type = text("Ingress"), &[("host_dns", "needs a DNS name")]);
        check(|config| config.host_dns = text("*.*.x"), &[("host_dns", "not a DNS name")]);
        let labels = [("app".to_owned(), text("x"))].into();
        check(|config| config.labels = Value::Value(labels), &[("labels[\"app\"]", "rely on it")]);
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
