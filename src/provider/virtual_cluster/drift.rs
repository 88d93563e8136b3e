//! What differs on the host from what was applied, in words. Pure.

use std::collections::BTreeMap;

use crate::domain::quantity::Quantity;
use crate::domain::values::{MappingVersion, limits};
use crate::host::observe::Observed;
use crate::host::record::{Phase, Record};
use crate::provider::virtual_cluster::spec::{Place, Spec};

/// The differences, a line each.
pub fn lines(record: &Record, spec: &Spec, place: &Place, observed: &Observed) -> Vec<String> {
    let mut lines = Vec::new();
    if spec.applied.is_none() || record.phase != Phase::HandedOver {
        lines.push("  - the last apply did not finish".to_owned());
    }
    lines.extend(observed.missing.iter().map(|object| format!("  - {object} is missing")));
    lines.extend(observed.lost.iter().map(|object| format!("  - {object} was changed")));
    let scaled = observed.workloads.iter().filter(|workload| workload.replicas == 0 && !workload.marked_paused);
    lines.extend(scaled.map(|workload| format!("  - {} was scaled to 0 without being paused", workload.object)));
    if let (Some(expected), Some(actual)) = (quota(spec, place), &observed.quota) {
        let object = format!("ResourceQuota {}/vc-{}", place.namespace, place.name);
        lines.extend(differences(&expected, actual).map(|difference| format!("  - {object}: {difference}")));
    }
    lines
}

/// The hard limits that were applied.
fn quota(spec: &Spec, place: &Place) -> Option<BTreeMap<String, String>> {
    let version = MappingVersion::from_number(spec.mapping)?;
    let [quota, _] = limits::objects(version, &spec.typed(place)?);
    let hard = quota["spec"]["hard"].as_object()?.iter();
    hard.map(|(resource, most)| Some((resource.clone(), most.as_str()?.to_owned()))).collect()
}

/// Where two sets of limits differ by value.
fn differences<'a>(
    expected: &'a BTreeMap<String, String>,
    actual: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = String> + 'a {
    let value = |text: Option<&String>| text.and_then(|text| text.parse::<Quantity>().ok());
    let shown = |text: Option<&String>| text.map_or("unlimited", |text| text).to_owned();
    let resources = expected.keys().chain(actual.keys().filter(|resource| !expected.contains_key(*resource)));
    resources.filter_map(move |resource| {
        let (expected, actual) = (expected.get(resource), actual.get(resource));
        let differs = value(expected) != value(actual);
        differs.then(|| format!("{resource} should be {} and is {}", shown(expected), shown(actual)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(actual: &[(&str, &str)], expected: &[&str]) {
        let map = |entries: &[(&str, &str)]| {
            entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let applied = map(&[("limits.cpu", "4"), ("limits.memory", "4Gi")]);
        assert_eq!(differences(&applied, &map(actual)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn quotas_differ_by_value() {
        check(&[("limits.cpu", "4"), ("limits.memory", "4Gi")], &[]);
        check(&[("limits.cpu", "4000m"), ("limits.memory", "4096Mi")], &[]);
        check(&[("limits.cpu", "100"), ("limits.memory", "4Gi")], &["limits.cpu should be 4 and is 100"]);
        check(&[("limits.memory", "4Gi")], &["limits.cpu should be 4 and is unlimited"]);
        check(&[("limits.cpu", "4"), ("limits.memory", "4Gi"), ("pods", "3")], &["pods should be unlimited and is 3"]);
    }
}
