//! From a spec to the objects on the host: gets the locked chart, maps attributes to chart values, renders, and adds what
//! the chart does not make: the ResourceQuota and LimitRange of the size, labels and annotations.

mod live;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::domain::values::{Layer, MappingVersion, VirtualClusterSpec, chart_values, limits};
use crate::fleet::group::spec::Followed;
use crate::fleet::virtual_cluster::spec::{Place, Spec};
use crate::fleet::virtual_cluster::{LABEL, Prepared};
use crate::host::Host;
use crate::host::pause::paused_form;
use crate::provider::chart::{self, ChartAccess};
use crate::provider::explain::Explain;
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use helm_charts::{Archive, Chart, ChartError, UserValues};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// Reports what is wrong with `values` as far as the plan is known: no YAML, a contradiction, something refused.
pub fn check_values(diags: &mut Diagnostics, plan: &VirtualClusterModel, private: &VirtualClusterPrivate) {
    let Some(text) = plan.values.as_ref_option() else { return };
    let Some(layer) = parse_values(diags, text) else { return };
    let known =
        |value: &Value<String>, stand_in: &str| Value::Value(value.as_ref_option().map_or(stand_in, |v| v).to_owned());
    // What is not known yet does not decide whether values contradict.
    let mut assumed = plan.clone();
    assumed.name = known(&plan.name, "name");
    assumed.namespace = known(&plan.namespace, "namespace");
    assumed.host_cluster = known(&plan.host_cluster, "host");
    if let Value::Value(chart) = &mut assumed.chart {
        chart.digest = known(&chart.digest, "");
    }
    let typed = || {
        let place = Place::of(&assumed)?;
        Spec::of(&assumed, private)?.typed(&place)
    };
    if let Some(typed) = typed() {
        mapped(diags, private.mapping, &typed, &[Layer { name: "values", values: &layer }]);
    }
}

/// Prepares a new virtual cluster: its chart comes from its source.
pub async fn from_source(
    diags: &mut Diagnostics,
    access: &ChartAccess<'_>,
    host: &Host,
    place: &Place,
    planned: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
    followed: Option<&Followed>,
) -> Option<Prepared> {
    let archive = access.get(diags, &planned.chart, &planned.vcluster_version).await?;
    let mut with_digest = planned.clone();
    if let Value::Value(chart) = &mut with_digest.chart {
        chart.digest = Value::Value(archive.digest().to_owned());
    }
    prepare(diags, host, place, &with_digest, private, followed, &archive).await
}

/// Prepares a virtual cluster that exists: its chart is the archive that the host keeps. Only where that was lost does the
/// source have to be there again, with the very same digest.
pub async fn from_archive(
    diags: &mut Diagnostics,
    access: &ChartAccess<'_>,
    host: &Host,
    place: &Place,
    planned: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
    followed: Option<&Followed>,
) -> Option<Prepared> {
    let digest = planned.chart.as_ref_option()?.digest.as_ref_option()?;
    let kept = match chart::archives_on(host).content(digest).await {
        Ok(kept) => kept,
        Err(error) => {
            diags.add_error(error.explain());
            return None;
        }
    };
    let Some(bytes) = kept else {
        return from_source(diags, access, host, place, planned, private, followed).await;
    };
    let archive = Archive::from_tgz(&bytes);
    let archive = archive.map_err(|error| chart_error(diags, "The kept chart cannot be read.", &error)).ok()?;
    prepare(diags, host, place, planned, private, followed, &archive).await
}

async fn prepare(
    diags: &mut Diagnostics,
    host: &Host,
    place: &Place,
    planned: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
    followed: Option<&Followed>,
    archive: &Archive,
) -> Option<Prepared> {
    let own = Spec::of(planned, private)?;
    let spec = match followed {
        Some(followed) => own.following(followed.clone()),
        None => own,
    };
    let typed = spec.typed(place)?;
    let chart = Chart::parse(archive).map_err(|error| chart_error(diags, "The chart cannot be used.", &error)).ok()?;
    let chart_version = &chart.metadata().version;
    // Helm takes a leading `v` for decoration.
    if chart_version.strip_prefix('v').unwrap_or(chart_version) != spec.vcluster_version {
        diags.fail(
            AttributePath::new("vcluster_version"),
            "The chart is of another version.",
            format!(
                "`vcluster_version` is {}, and the chart from \"{}\" has version {chart_version}.",
                spec.vcluster_version, spec.chart_source
            ),
        );
        return None;
    }
    let of_group = spec.followed.as_ref();
    let texts = [
        ("the group's values", of_group.and_then(|followed| followed.group_values.as_ref())),
        ("the group's values for the host", of_group.and_then(|followed| followed.host_values.as_ref())),
        ("values", spec.values.as_ref()),
    ];
    let mut layers = Vec::new();
    for (name, text) in texts {
        if let Some(text) = text {
            layers.push((name, parse_values(diags, text)?));
        }
    }
    let layers: Vec<Layer<'_>> = layers.iter().map(|(name, values)| Layer { name, values }).collect();
    let values = mapped(diags, spec.mapping, &typed, &layers)?;
    let values = UserValues::try_from(values);
    let values = values.map_err(|error| chart_error(diags, "The chart cannot be rendered.", &error)).ok()?;
    let rendered = live::render(diags, host, place, chart, values).await?;
    let limits = limits::objects(MappingVersion::from_number(spec.mapping)?, &typed);
    let documents = rendered.documents.into_iter().map(|document| document.object).filter(|object| !object.is_null());
    let mut objects: Vec<Json> = limits.into_iter().chain(documents).collect();
    for object in &mut objects {
        annotate(object, &spec.annotations);
        if spec.paused {
            paused_form(object);
        }
    }
    let mut labels = spec.labels.clone();
    labels.insert(LABEL.to_owned(), place.name.clone());
    labels.insert("app.kubernetes.io/managed-by".to_owned(), "terraform-provider-nested".to_owned());
    Some(Prepared { archive: archive.to_tgz().to_vec(), objects, labels, spec })
}

fn mapped(diags: &mut Diagnostics, mapping: u32, spec: &VirtualClusterSpec, layers: &[Layer<'_>]) -> Option<Json> {
    let Some(version) = MappingVersion::from_number(mapping) else {
        diags.fail(
            AttributePath::new("id"),
            "This virtual cluster was made by a newer version of this provider.",
            format!("It uses version {mapping} of the mapping to chart values. Use that version of the provider or a later one."),
        );
        return None;
    };
    chart_values(version, spec, layers)
        .map_err(|error| {
            diags.fail(AttributePath::new("values"), "These values cannot be used.", format!("{error}."));
        })
        .ok()
}

fn parse_values(diags: &mut Diagnostics, text: &str) -> Option<Json> {
    helm_charts::parse_values(text)
        .map(Json::Object)
        .map_err(|error| {
            diags.fail(AttributePath::new("values"), "`values` is not a YAML mapping.", format!("{error}."));
        })
        .ok()
}

fn chart_error(diags: &mut Diagnostics, summary: &str, error: &ChartError) {
    let attribute = match error {
        ChartError::Values { .. } | ChartError::Execute { .. } | ChartError::Manifest { .. } => "values",
        ChartError::KubeVersion { .. } => "host_cluster",
        _ => "chart",
    };
    diags.fail(AttributePath::new(attribute), summary, format!("{error}."));
}

fn annotate(object: &mut Json, annotations: &BTreeMap<String, String>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) else { return };
    if annotations.is_empty() {
        return;
    }
    let all = metadata.entry("annotations").or_insert_with(|| Json::Object(serde_json::Map::new()));
    for (key, value) in annotations {
        all[key] = Json::String(value.clone());
    }
}
