//! Checks of attributes that several resources have, from the configuration alone. Unknown values pass: they are checked
//! again once known.

use std::str::FromStr;

use semver::Version;

use crate::domain::distro::Distro;
use crate::domain::endpoint::{self, EndpointType};
use crate::domain::hard;
use crate::domain::isolation::PodSecurity;
use crate::domain::metadata;
use crate::domain::quantity::{Bytes, Millicores, Quantity, QuantityError};
use crate::provider::chart::ChartModel;
use crate::provider::size::{AmountsModel, CapacityModel};
use crate::provider::timeouts::TimeoutsModel;
use crate::provider::value::{StringMap, StringSet};
use crate::provider::{chart_source, duration};
use helm_charts::Ignored;
use helm_charts::source::Source;
use serde_json::Value as Json;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report, write_only_allowed};

/// The oldest vCluster whose chart has the configuration format that this provider writes.
const OLDEST: Version = Version::new(0, 24, 0);

/// The attributes that say what runs inside of virtual clusters.
pub struct Versions<'a> {
    pub vcluster_version: &'a Value<String>,
    pub distro: &'a Value<String>,
    pub kubernetes_version: &'a Value<String>,
}

/// Checks the versions, and that the one of vCluster ships the distribution.
pub fn versions(diags: &mut Diagnostics, given: &Versions<'_>) {
    let version = given.vcluster_version.as_ref_option().and_then(|text| {
        let parsed = Version::parse(text);
        if parsed.is_err() {
            diags.fail(
                AttributePath::new("vcluster_version"),
                "This is not a version of vCluster.",
                format!("\"{text}\" is not an exact version. Write all three numbers and no \"v\", as in \"0.34.7\"."),
            );
        }
        parsed.ok()
    });
    if let Some(version) = version.as_ref().filter(|version| **version < OLDEST) {
        diags.fail(
            AttributePath::new("vcluster_version"),
            "This version of vCluster is too old.",
            format!("{version} was given; this provider needs {OLDEST} or later."),
        );
    }
    let Some(text) = given.distro.as_ref_option() else {
        if let (Value::Null, Some(version)) = (given.distro, &version) {
            kubernetes_version(diags, given.kubernetes_version, Distro::default_of(version));
        }
        return;
    };
    match Distro::from_str(text) {
        Err(problem) => {
            diags.fail(AttributePath::new("distro"), "This distribution is not known.", format!("{problem}."));
        }
        Ok(distro) => {
            if let Some(problem) = version.as_ref().and_then(|version| distro.check(version).err()) {
                diags.fail(
                    AttributePath::new("distro"),
                    "This version of vCluster does not ship this distribution.",
                    format!("{problem}."),
                );
            }
            kubernetes_version(diags, given.kubernetes_version, distro);
        }
    }
}

fn kubernetes_version(diags: &mut Diagnostics, version: &Value<String>, distro: Distro) {
    if let Some(problem) = version.as_ref_option().and_then(|version| distro.image_tag(version).err()) {
        diags.fail(
            AttributePath::new("kubernetes_version"),
            "This is not a version of Kubernetes.",
            format!("{problem}."),
        );
    }
}

/// Checks `chart`.
pub fn chart(diags: &mut Diagnostics, chart: &Value<ChartModel>) {
    let Some(chart) = chart.as_ref_option() else { return };
    let at = |name: &'static str| AttributePath::new("chart").attribute(name);
    let source = chart.source.as_ref_option().map(|source| Source::parse(source));
    if let Some(Err(error)) = source {
        diags.add_error(chart_source::explain(&error));
    }
    if let Some(digest) = chart.digest.as_ref_option() {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            diags.fail(
                at("digest"),
                "This is not a chart digest.",
                format!("\"{digest}\" is not \"sha256:\" and 64 hexadecimal digits in lower case."),
            );
        }
    }
    if chart.password != Value::Null && !write_only_allowed() {
        diags.fail(
            at("password"),
            "This Terraform cannot keep the chart's password out of its state.",
            "`chart.password` is a write-only attribute, which needs Terraform 1.11 or later, or OpenTofu 1.11 or later.",
        );
    }
    if chart.password.as_ref_option().is_some() && matches!(chart.username, Value::Null) {
        diags.fail(at("username"), "The chart's password has no user name.", "Set `username` beside `password`.");
    }
}

/// Checks that the three quantities at `path` are quantities. False when one is not.
pub fn quantities(diags: &mut Diagnostics, path: &AttributePath, given: &AmountsModel) -> bool {
    let parts = [
        cpu(diags, path.clone().attribute("cpu"), &given.cpu),
        bytes(diags, path.clone().attribute("memory"), &given.memory),
        bytes(diags, path.clone().attribute("storage"), &given.storage),
    ];
    parts.iter().all(|well_formed| *well_formed)
}

/// Checks what is named by ResourceQuota's names at `path`. False when something of it cannot be used.
pub fn hard(diags: &mut Diagnostics, path: &AttributePath, given: &StringMap) -> bool {
    each_amount(diags, path, given, hard::check)
}

/// The same where several virtual clusters are counted together, which is done of extended resources alone.
pub fn shared_hard(diags: &mut Diagnostics, path: &AttributePath, given: &StringMap) -> bool {
    each_amount(diags, path, given, hard::check_shared)
}

/// Checks `{cpu, memory, extended}` at `path`, which state `what`: CPU and memory have to be something, and one of all has to be there.
pub fn capacity(diags: &mut Diagnostics, path: &AttributePath, given: &Value<CapacityModel>, what: &str) {
    let Some(CapacityModel { cpu, memory, extended }) = given.as_ref_option() else { return };
    let parts = [("cpu", cpu), ("memory", memory)];
    if parts.iter().all(|(_, part)| **part == Value::Null) && *extended == Value::Null {
        // So arrives a misspelt name, which Terraform drops.
        let summary = format!("`{path}` states neither `cpu` nor `memory` nor `extended`.");
        diags.fail(path.clone(), summary, "Set one of them, or leave it out to have the nodes counted.");
        return;
    }
    let well_formed = [
        self::cpu(diags, path.clone().attribute("cpu"), cpu),
        bytes(diags, path.clone().attribute("memory"), memory),
        self::extended(diags, &path.clone().attribute("extended"), extended),
    ];
    if well_formed.contains(&false) {
        return;
    }
    for (name, _) in parts
        .into_iter()
        .filter(|(_, part)| part.as_ref_option().is_some_and(|text| text.parse() == Ok(Quantity::default())))
    {
        diags.fail(
            path.clone().attribute(name),
            format!("No {name} carries no virtual cluster."),
            format!("{what} is 0. Give more, or leave `{name}` out to have the nodes counted."),
        );
    }
}

/// Checks amounts of extended resources at `path`, by the names that nodes have for them. False when one cannot be used.
fn extended(diags: &mut Diagnostics, path: &AttributePath, given: &StringMap) -> bool {
    each_amount(diags, path, given, hard::check_extended)
}

fn each_amount(
    diags: &mut Diagnostics,
    path: &AttributePath,
    given: &StringMap,
    check: fn(&str, &str) -> Result<(), hard::HardError>,
) -> bool {
    let mut fine = true;
    for (name, amount) in given.as_ref_option().into_iter().flatten() {
        let amount = match amount {
            Value::Value(amount) => amount.as_str(),
            Value::Unknown => "0",
            Value::Null => "",
        };
        if let Err(problem) = check(name, amount) {
            fine = false;
            let path = path.clone().key(name.clone());
            diags.fail(path.clone(), format!("`{path}` cannot be used."), format!("{problem}."));
        }
    }
    fine
}

/// Checks a quantity of CPU. False when it is none.
pub fn cpu(diags: &mut Diagnostics, path: AttributePath, given: &Value<String>) -> bool {
    quantity(diags, path, given.as_ref_option().and_then(|text| text.parse::<Millicores>().err()))
}

/// Checks a quantity of memory or storage. False when it is none.
pub fn bytes(diags: &mut Diagnostics, path: AttributePath, given: &Value<String>) -> bool {
    quantity(diags, path, given.as_ref_option().and_then(|text| text.parse::<Bytes>().err()))
}

fn quantity(diags: &mut Diagnostics, path: AttributePath, problem: Option<QuantityError>) -> bool {
    let Some(problem) = problem else { return true };
    let summary = format!("`{path}` is not a usable quantity.");
    diags.fail(path, summary, format!("{problem}."));
    false
}

/// Checks `endpoint_type`, and gives it where it is known.
pub fn endpoint_type(diags: &mut Diagnostics, given: &Value<String>) -> Option<EndpointType> {
    let parsed = EndpointType::from_str(given.as_ref_option()?);
    parsed
        .map_err(|problem| {
            let path = AttributePath::new("endpoint_type");
            diags.fail(path, "This endpoint type is not known.", format!("{problem}."));
        })
        .ok()
}

/// Checks `pod_security`, and gives it where it is known.
pub fn pod_security(diags: &mut Diagnostics, given: &Value<String>) -> Option<PodSecurity> {
    let parsed = PodSecurity::from_str(given.as_ref_option()?);
    parsed
        .map_err(|problem| {
            let path = AttributePath::new("pod_security");
            diags.fail(path, "This Pod Security Standard is not known.", format!("{problem}."));
        })
        .ok()
}

/// Checks a `host_dns` at `path` for the virtual cluster `name`.
pub fn host_dns(
    diags: &mut Diagnostics,
    path: AttributePath,
    given: &Value<String>,
    name: &str,
    endpoint_type: Option<EndpointType>,
) {
    if let Some(problem) = given.as_ref_option().and_then(|host_dns| endpoint::host_name(name, host_dns).err()) {
        diags.fail(path.clone(), "This is not a DNS name.", format!("{problem}."));
    }
    if endpoint_type == Some(EndpointType::Ingress) && matches!(given, Value::Null) {
        diags.fail(
            path,
            "An Ingress needs a DNS name.",
            "`endpoint_type` is \"Ingress\": set `host_dns` to the name that leads to the host cluster's Ingress \
             controller, or to a wildcard such as \"*.dev.example.com\".",
        );
    }
}

/// The entries of the map at `path` that are known. An error for each that is null: an expression without a value is none.
pub fn entries<'m>(diags: &mut Diagnostics, path: &AttributePath, map: &'m StringMap) -> Vec<(&'m String, &'m String)> {
    let mut known = Vec::new();
    for (key, value) in map.as_ref_option().into_iter().flatten() {
        match value {
            Value::Value(value) => known.push((key, value)),
            Value::Unknown => {}
            Value::Null => {
                let path = path.clone().key(key.clone());
                diags.fail(
                    path.clone(),
                    format!("`{path}` is null."),
                    "Give it a value, or leave the key out, as `{ for key, value in … : key => value if value != null }` does.",
                );
            }
        }
    }
    known
}

/// The texts of the set in `attribute` that are known. An error if one is null.
pub fn texts<'s>(diags: &mut Diagnostics, attribute: &'static str, set: &'s StringSet) -> Vec<&'s String> {
    let all = || set.as_ref_option().into_iter().flatten();
    if all().any(|text| *text == Value::Null) {
        diags.fail(
            AttributePath::new(attribute),
            format!("`{attribute}` holds null."),
            "Leave it out, as `[for text in … : text if text != null]` or `compact(…)` does.",
        );
    }
    all().filter_map(Value::as_ref_option).collect()
}

/// Checks every entry of a map of labels or annotations.
pub fn metadata(
    diags: &mut Diagnostics,
    attribute: &'static str,
    map: &StringMap,
    check: impl Fn(&str, &str) -> Result<(), String>,
) {
    // A key can be wrong whatever its value is.
    let unknown = map.as_ref_option().into_iter().flatten().filter(|(_, value)| **value == Value::Unknown);
    let unknown: Vec<(&String, String)> = unknown.map(|(key, _)| (key, String::new())).collect();
    let known = entries(diags, &AttributePath::new(attribute), map);
    for (key, value) in known.into_iter().map(|(key, value)| (key, value.clone())).chain(unknown) {
        if let Err(problem) = check(key, &value) {
            let kind = attribute.trim_end_matches('s');
            diags.fail(
                AttributePath::new(attribute).key(key.clone()),
                format!("This {kind} cannot be set."),
                format!("{problem}."),
            );
        }
    }
}

/// Checks that each of `image_registries` can begin the name of an image.
pub fn image_registries(diags: &mut Diagnostics, registries: &StringSet) {
    let is_part = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        !part.is_empty() && part != ".." && part != "." && part.chars().all(allowed)
    };
    for registry in texts(diags, "image_registries", registries) {
        if !registry.split('/').all(is_part) {
            diags.fail(
                AttributePath::new("image_registries"),
                "This is not how the name of an image begins.",
                format!(
                    "\"{registry}\": write the registry, and a path if only that is meant, such as \"registry.example.com/vcluster\"; \
                     no scheme and no '/' at the end."
                ),
            );
        }
    }
}

/// Checks that each of `priority_classes` can be the name of one.
pub fn priority_classes(diags: &mut Diagnostics, classes: &StringSet) {
    for class in texts(diags, "priority_classes", classes) {
        if !metadata::is_subdomain(class) {
            diags.fail(
                AttributePath::new("priority_classes"),
                "This is not the name of a priority class.",
                format!("\"{class}\" is not a DNS name in lower case. `kubectl get priorityclass` on the host lists those that there are."),
            );
        }
    }
}

/// The values of a text, which is in `path`. None if it is no YAML mapping, or holds what Helm would drop without a word.
pub fn values(diags: &mut Diagnostics, path: &AttributePath, text: &str) -> Option<Json> {
    let values = match helm_charts::parse_values(text) {
        Ok(values) => values,
        Err(error) => {
            diags.fail(path.clone(), "`values` is not a YAML mapping.", format!("{error}."));
            return None;
        }
    };
    let Some(ignored) = helm_charts::ignored(text).into_iter().next() else { return Some(Json::Object(values)) };
    let next = match ignored {
        Ignored::Repeated { .. } => "Of equal keys only the last one counts. Keep one of them.",
        Ignored::Document { .. } => "Only the first document counts. Join them, or remove the line `---`.",
    };
    diags.fail(path.clone(), "A part of `values` would be dropped.", format!("{ignored}. {next}"));
    None
}

/// Checks `timeouts`.
pub fn timeouts(diags: &mut Diagnostics, timeouts: &Value<TimeoutsModel>) {
    let Some(timeouts) = timeouts.as_ref_option() else { return };
    for (name, value) in [("create", &timeouts.create), ("update", &timeouts.update), ("delete", &timeouts.delete)] {
        if let Some(problem) = value.as_ref_option().and_then(|text| duration::parse(text).err()) {
            diags.fail(
                AttributePath::new("timeouts").attribute(name),
                "This is not a duration.",
                format!("{problem}."),
            );
        }
    }
}
