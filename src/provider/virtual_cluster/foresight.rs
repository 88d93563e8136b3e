//! What an apply would make of the chart, found out in the plan, wherever the chart can be had before the apply.
//!
//! Refuses a plan or says nothing, and never changes one. Where the chart or the host cannot be had, the apply looks before it
//! makes anything. That is too late for what is destroyed first: a replacement is prepared in the plan as its apply prepares it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use crate::domain::isolation::PodSecurity;
use crate::fleet::connections::HostCluster;
use crate::fleet::group::spec::{Followed, GroupSpec};
use crate::fleet::virtual_cluster::membership::Membership;
use crate::fleet::virtual_cluster::spec::Place;
use crate::host::Host;
use crate::provider::Configured;
use crate::provider::chart::{self, ChartAccess, ChartModel};
use crate::provider::timeouts::timeout;
use crate::provider::virtual_cluster::apply::{fill_from_group, offered};
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use crate::provider::virtual_cluster::plan;
use crate::provider::virtual_cluster::render::{self, Target};
use helm_charts::Archive;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, Report};

/// How long a plan waits for a chart.
const PATIENCE: Duration = Duration::from_secs(20);

/// What an apply would make, as far as a plan can tell.
#[derive(Default)]
pub struct Foreseen {
    objects: Option<Vec<Json>>,
    archive: Option<Archive>,
}

/// Refuses what cannot be made, and values that reach beyond what a virtual cluster may do. `config` has the credentials of the
/// chart's source. `replaces`: another one is destroyed first.
pub async fn check(
    configured: &Configured,
    diags: &mut Diagnostics,
    config: &VirtualClusterModel,
    plan: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
    replaces: bool,
) -> Option<Foreseen> {
    let nothing = || Some(Foreseen::default());
    if plan.values == Value::Unknown || plan.revision != Value::Unknown {
        return nothing();
    }
    let mut group = None;
    if plan.cluster_group != Value::Null {
        let name = plan.cluster_group.as_ref_option();
        // What is wrong with the group has been said.
        let planned = match name {
            Some(name) => Membership::planned(configured.fleet(), name).await.ok().flatten(),
            None => None,
        };
        let Some(planned) = planned else { return nothing() };
        check_isolation(diags, plan, &planned)?;
        group = Some(planned);
    }
    let host = host(configured, plan, group.as_ref());
    let mut assumed = render::assumed(plan);
    if let Some(group) = &group {
        fill_from_group(&mut assumed, config, &group.spec);
    }
    let followed = match (&group, &host) {
        (Some(group), Some(host)) => group.followed(host),
        (Some(group), None) => group.spec.host_clusters.keys().next().and_then(|key| group.spec.followed(key)),
        (None, _) => None,
    };
    if group.is_some() && followed.is_none() {
        return nothing();
    }
    let access = ChartAccess::of(configured.charts(), &config.chart);
    if let (true, Some(host)) = (replaces, &host) {
        rehearse(configured, diags, &access, host, &assumed, private, followed.as_ref()).await?;
        return nothing();
    }
    let source =
        assumed.chart.as_ref_option().and_then(|chart| chart.source.as_ref_option()).cloned().unwrap_or_default();
    if configured.is_silent(&source) {
        return nothing();
    }
    let patience = timeout(&plan.timeouts, |timeouts| &timeouts.create).min(PATIENCE);
    let archive = tokio::time::timeout(patience, archive(&access, &assumed, group.as_ref(), host.as_ref()));
    match archive.await {
        Ok(Some(archive)) => {
            let chart = access.read(&archive).await;
            let objects = render::foresee(diags, host.as_ref(), assumed, private, followed, chart).await?;
            Some(Foreseen { objects, archive: Some(archive) })
        }
        Ok(None) => {
            tracing::info!("the chart is not here yet: the apply looks at what comes of it");
            nothing()
        }
        Err(_) => {
            tracing::info!(source, "the chart is not here in time: the apply looks at what comes of it");
            configured.note_silent(source);
            nothing()
        }
    }
}

/// Says if the control plane restarts with the planned change: then its pods are made anew.
pub async fn warn_of_restart(
    configured: &Configured,
    diags: &mut Diagnostics,
    prior: &VirtualClusterModel,
    plan: &VirtualClusterModel,
    foreseen: &Foreseen,
) {
    let (Some(objects), Some(archive)) = (&foreseen.objects, &foreseen.archive) else { return };
    let runs = |model: &VirtualClusterModel| model.paused.as_ref_option() != Some(&true);
    let Some(place) = Place::of(prior).filter(|_| runs(prior) && runs(plan)) else { return };
    let Some(host) = host(configured, prior, None) else { return };
    // As it was read for the refresh.
    let seen = configured.fleet().readings.view(&host).record(&place.namespace).await.ok();
    let Some(record) = seen.and_then(|seen| seen.stored).map(|stored| stored.record) else { return };
    let Ok(applied) = serde_json::from_value(record.spec) else { return };
    let Some(before) = render::objects(&host, &place, applied, archive).await else { return };
    if templates(&before) == templates(objects) {
        return;
    }
    let is_own = plan.values != prior.values || plan.kubernetes_version != prior.kubernetes_version;
    let why = match plan.cluster_group.as_ref_option().filter(|_| !is_own) {
        Some(group) => format!("what follows cluster group \"{group}\" changes its pods"),
        None => "the change is one of its pods".to_owned(),
    };
    diags.warn(
        AttributePath::root(),
        "A control plane restarts with this change.",
        format!(
            "\"{}\": {why}. Its API does not answer until the new pod does, unless it has several replicas. Its workloads run on.",
            place.id()
        ),
    );
}

/// The pod templates of all workloads, by kind and name.
fn templates(objects: &[Json]) -> BTreeMap<(&str, &str), &Json> {
    let template = |object| Some(((text(object, "/kind")?, text(object, "/metadata/name")?), at(object)?));
    fn text<'o>(object: &'o Json, pointer: &str) -> Option<&'o str> {
        object.pointer(pointer)?.as_str()
    }
    fn at(object: &Json) -> Option<&Json> {
        object.pointer("/spec/template")
    }
    objects.iter().filter_map(template).collect()
}

/// Prepares everything as the apply would, which then makes it.
async fn rehearse(
    configured: &Configured,
    diags: &mut Diagnostics,
    access: &ChartAccess<'_>,
    host: &Host,
    assumed: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
    followed: Option<&Followed>,
) -> Option<()> {
    let mut found = Diagnostics::default();
    let mut planned = VirtualClusterModel { chart: without_stand_in(&assumed.chart), ..assumed.clone() };
    if let Some(followed) = followed {
        render::follow(&mut planned, followed);
    }
    let prepared = async {
        let place = Place::of(&planned)?;
        let offered = offered(configured, &mut found, host).await?;
        let target = Target { host, place: &place, offered, followed };
        match followed {
            Some(_) if has_digest(&planned.chart) => {
                render::from_archive(&mut found, access, &target, &planned, private).await
            }
            _ => render::from_source(&mut found, access, &target, &planned, private).await,
        }
    };
    let is_made = prepared.await.is_some();
    for warning in found.warnings {
        diags.add_warning(warning);
    }
    for Diagnostic { summary, detail, attribute } in found.errors {
        let detail = format!(
            "{detail}\n\nNothing is destroyed: what is to take the place of the virtual cluster could not be made."
        );
        diags.fail(attribute, summary, detail);
    }
    is_made.then_some(())
}

/// Refuses values of the group `name` that its chart cannot be made with, or that reach beyond what virtual clusters may do: as one
/// of the default size would have them. `chart` has the credentials of the chart's source.
pub async fn check_group(
    configured: &Configured,
    diags: &mut Diagnostics,
    chart: &Value<ChartModel>,
    name: &str,
    group: &GroupSpec,
) -> Option<()> {
    let config = VirtualClusterModel { cluster_group: Value::Value(name.to_owned()), ..VirtualClusterModel::default() };
    let private = VirtualClusterPrivate::new_plan();
    let mut assumed = render::assumed(&plan::create(&config, None));
    fill_from_group(&mut assumed, &config, group);
    let access = ChartAccess::of(configured.charts(), chart);
    let known = configured.fleet().connections.known();
    let host = known.iter().find(|host| group.host_clusters.contains_key(host.name()));
    let wanted = VirtualClusterModel { chart: source_of(group), ..assumed.clone() };
    let Ok(Some(archive)) = tokio::time::timeout(PATIENCE, archive(&access, &wanted, None, host)).await else {
        tracing::info!("the chart is not here yet: the apply looks at what comes of the group's values");
        return Some(());
    };
    let mut is_sound = true;
    for key in group.host_clusters.keys() {
        let Some(followed) = group.followed(key) else { continue };
        let at = match followed.host_values {
            Some(_) => AttributePath::new("host_clusters").key(key.clone()).attribute("values"),
            None => AttributePath::new("values"),
        };
        let host = known.iter().find(|host| host.name() == key);
        let mut found = Diagnostics::default();
        let plan = VirtualClusterModel { host_cluster: Value::Value(key.clone()), ..assumed.clone() };
        let chart = access.read(&archive).await;
        let seen = render::foresee(&mut found, host, plan, &private, Some(followed), chart).await;
        is_sound &= seen.is_some();
        for Diagnostic { summary, detail, attribute } in found.errors {
            let attribute = if attribute == AttributePath::new("chart") { attribute } else { at.clone() };
            diags.fail(attribute, summary, detail);
        }
        if !is_sound {
            // Others say the same of the values that all of them have.
            break;
        }
    }
    is_sound.then_some(())
}

/// The chart without the name that stands for a digest which is not known yet.
fn without_stand_in(chart: &Value<ChartModel>) -> Value<ChartModel> {
    let mut chart = chart.clone();
    if let Value::Value(chart) = &mut chart
        && chart.digest.as_ref_option().is_some_and(String::is_empty)
    {
        chart.digest = Value::Unknown;
    }
    chart
}

fn has_digest(chart: &Value<ChartModel>) -> bool {
    chart.as_ref_option().is_some_and(|chart| chart.digest.as_ref_option().is_some())
}

fn source_of(group: &GroupSpec) -> Value<ChartModel> {
    let digest = Some(group.chart_digest.clone()).filter(|digest| !digest.is_empty());
    Value::Value(ChartModel {
        source: Value::Value(group.chart_source.clone()),
        digest: digest.map_or(Value::Unknown, Value::Value),
        username: group.chart_username.clone().into(),
        password: Value::Null,
    })
}

/// What a group says about isolation its virtual clusters cannot weaken. None if this one would.
fn check_isolation(diags: &mut Diagnostics, plan: &VirtualClusterModel, group: &Membership) -> Option<()> {
    let terms = &group.spec.terms;
    let of_group = terms.pod_security().unwrap_or_default();
    let own = plan.pod_security.as_ref_option().and_then(|level| level.parse::<PodSecurity>().ok());
    let is_weaker = own.is_some_and(|own| own < of_group);
    let is_open = terms.network_isolation == Some(true) && plan.network_isolation.as_ref_option() == Some(&false);
    for (attribute, weakens, of_group) in
        [("pod_security", is_weaker, format!("\"{of_group}\"")), ("network_isolation", is_open, "`true`".to_owned())]
    {
        if weakens {
            diags.fail(
                AttributePath::new(attribute),
                format!("`{attribute}` is weaker than that of cluster group \"{}\".", group.name),
                format!("The group says {of_group}, which holds for all of its virtual clusters. Remove `{attribute}` here, or change the group's."),
            );
        }
    }
    (!is_weaker && !is_open).then_some(())
}

/// The host that the virtual cluster is on or may go to, where it is known.
fn host(configured: &Configured, plan: &VirtualClusterModel, group: Option<&Membership>) -> Option<Host> {
    let mut unsaid = Diagnostics::default();
    match plan.host_cluster.as_ref_option() {
        Some(key) => match configured.host_cluster(&mut unsaid, key)? {
            HostCluster::Known(host) => Some(host),
            HostCluster::Unknown => None,
        },
        None => group?.hosts.first().map(|(_, host)| host.clone()),
    }
}

/// The chart: what a host keeps of it, or else what its source gives.
async fn archive(
    access: &ChartAccess<'_>,
    plan: &VirtualClusterModel,
    group: Option<&Membership>,
    host: Option<&Host>,
) -> Option<Archive> {
    let digest = plan.chart.as_ref_option()?.digest.as_ref_option().filter(|digest| !digest.is_empty());
    if let (Some(digest), Some(host)) = (digest, host)
        && let Ok(Some(kept)) = chart::archives_on(host).content(digest).await
    {
        return Archive::from_tgz(&kept).ok();
    }
    let wanted = without_stand_in(&plan.chart);
    // A group's members do not have the credentials of its source.
    if group.is_some_and(|group| group.spec.chart_username.is_some()) {
        return None;
    }
    access.get(&mut Diagnostics::default(), &wanted, &plan.vcluster_version).await
}
