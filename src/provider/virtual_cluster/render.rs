//! From a spec to the objects on the host: gets the locked chart, maps attributes to chart values, renders, and adds what
//! the chart does not make: the ResourceQuota and LimitRange of the size, labels and annotations.

mod guard;
mod live;
mod room;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::domain::values::enforced::{self, Offered};
use crate::domain::values::need::Verdict;
use crate::domain::values::{Layer, MappingVersion, VirtualClusterSpec, chart_values};
use crate::fleet::group::spec::Followed;
use crate::fleet::virtual_cluster::spec::{Place, Spec};
use crate::fleet::virtual_cluster::{LABEL, Prepared};
use crate::host::Host;
use crate::host::pause::paused_form;
use crate::provider::chart::{self, ChartAccess};
use crate::provider::checks;
use crate::provider::explain::Explain;
use crate::provider::virtual_cluster::drift;
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use guard::{Given, Refusal, Subject, Unclear, Whose};
use helm_charts::{Archive, Chart, ChartError, Document, KubeVersion, UserValues};
use live::Served;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, Report};

/// Reports what is wrong with `values` as far as the plan is known: no YAML, a contradiction, something refused.
pub fn check_values(diags: &mut Diagnostics, plan: &VirtualClusterModel, private: &VirtualClusterPrivate) {
    let Some(text) = plan.values.as_ref_option() else { return };
    let Some(layer) = parse_values(diags, text) else { return };
    let assumed = assumed(plan);
    let typed = || {
        let place = Place::of(&assumed)?;
        let spec = Spec::of(&assumed, private)?;
        Some((spec.mapping, spec.typed(&place)?))
    };
    if let Some((mapping, typed)) = typed() {
        mapped(diags, mapping, &typed, &[Layer { name: "values", values: &layer }]);
    }
}

/// The plan with names for what is not known yet and does not decide what values do.
pub(super) fn assumed(plan: &VirtualClusterModel) -> VirtualClusterModel {
    let known =
        |value: &Value<String>, stand_in: &str| Value::Value(value.as_ref_option().map_or(stand_in, |v| v).to_owned());
    let mut assumed = plan.clone();
    assumed.name = known(&plan.name, "name");
    assumed.namespace = known(&plan.namespace, "namespace");
    assumed.host_cluster = known(&plan.host_cluster, "host");
    if let Value::Value(chart) = &mut assumed.chart {
        chart.digest = known(&chart.digest, "");
    }
    assumed
}

/// The version of Kubernetes that charts are rendered for while no host says its own.
const ASSUMED_KUBERNETES: &str = "v1.35.0";

/// Refuses what values may not do, as far as a plan can tell. `plan` has what it takes from its group. The objects, where the host
/// that they would be on is known.
pub async fn foresee(
    diags: &mut Diagnostics,
    host: Option<&Host>,
    mut plan: VirtualClusterModel,
    private: &VirtualClusterPrivate,
    followed: Option<Followed>,
    chart: Result<Chart, ChartError>,
) -> Option<Option<Vec<Json>>> {
    if let Some(followed) = &followed {
        follow(&mut plan, followed);
    }
    let looked = || {
        let place = Place::of(&plan)?;
        let own = Spec::of(&plan, private)?;
        let spec = followed.map_or_else(|| own.clone(), |followed| own.clone().following(followed));
        Some((spec.typed(&place)?, spec))
    };
    let Some((typed, spec)) = looked() else { return Some(None) };
    let chart = parsed(diags, chart, &spec)?;
    let served = match host {
        Some(host) => Served::by(&mut Diagnostics::default(), host).await,
        None => None,
    };
    let is_assumed = served.is_none();
    let assumed = || Some(Served { kube_version: KubeVersion::parse(ASSUMED_KUBERNETES)?, api_versions: Vec::new() });
    let served = served.or_else(assumed)?;
    let given = given(diags, &spec)?;
    let chart = Arc::new(chart);
    let values = values(diags, &spec, &typed, &given)?;
    let look = Look { chart, served, is_assumed, typed, spec, given };
    let objects = match (host, Place::of(&plan)) {
        (Some(host), Some(place)) if !is_assumed => {
            let rendered = live::render(host, &place, &look.chart, &look.served, values).await;
            Some(rendered.map_err(|error| look.refuse(diags, &error)).ok()?.documents)
        }
        _ => None,
    };
    let objects = objects.map(of_documents);
    look.check(diags, objects.clone(), true).await?;
    Some(objects)
}

/// What the chart makes of a spec on its host; none if it makes nothing of it.
pub async fn objects(host: &Host, place: &Place, spec: Spec, archive: &Archive) -> Option<Vec<Json>> {
    let unsaid = &mut Diagnostics::default();
    let (typed, chart) = (spec.typed(place)?, Arc::new(Chart::parse(archive).ok()?));
    let (served, given) = (Served::by(unsaid, host).await?, given(unsaid, &spec)?);
    let values = values(unsaid, &spec, &typed, &given)?;
    Some(of_documents(live::render(host, place, &chart, &served, values).await.ok()?.documents))
}

/// Has the plan take what it left to its group.
pub(super) fn follow(plan: &mut VirtualClusterModel, followed: &Followed) {
    plan.endpoint_type = Value::Value(followed.endpoint_type.clone());
    plan.host_dns = followed.host_dns.clone().into();
}

/// The objects of what was rendered.
fn of_documents(documents: Vec<Document>) -> Vec<Json> {
    documents.into_iter().map(|document| document.object).filter(|object| !object.is_null()).collect()
}

/// The values that the chart is rendered with.
fn values(diags: &mut Diagnostics, spec: &Spec, typed: &VirtualClusterSpec, given: &[Given]) -> Option<UserValues> {
    let layers: Vec<Layer<'_>> = given.iter().map(Given::layer).collect();
    let values = UserValues::try_from(mapped(diags, spec.mapping, typed, &layers)?);
    values.map_err(|error| chart_error(diags, "The chart cannot be rendered.", &error)).ok()
}

/// Why a virtual cluster of that spec could not run on its host, a line for each reason; none if it could, or nobody can tell.
pub async fn stops(host: &Host, place: &Place, spec: Spec, archive: &Archive) -> Option<String> {
    let unsaid = &mut Diagnostics::default();
    let (typed, chart) = (spec.typed(place)?, Arc::new(Chart::parse(archive).ok()?));
    let (served, given) = (Served::by(unsaid, host).await?, given(unsaid, &spec)?);
    let look = Look { chart, served, is_assumed: false, typed, spec, given };
    let verdict = live::compute(move || look.verdict().ok()).await.ok()??;
    (!verdict.runs()).then(|| room::lines(&verdict))
}

/// Where a virtual cluster is prepared for, and what comes from there.
pub struct Target<'a> {
    /// Its host.
    pub host: &'a Host,
    /// Its place there.
    pub place: &'a Place,
    /// What the host has that it is kept from.
    pub offered: Offered,
    /// What follows its group. None without a group.
    pub followed: Option<&'a Followed>,
}

/// Prepares a new virtual cluster: its chart comes from its source.
pub async fn from_source(
    diags: &mut Diagnostics,
    access: &ChartAccess<'_>,
    target: &Target<'_>,
    planned: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
) -> Option<Prepared> {
    let archive = access.get(diags, &planned.chart, &planned.vcluster_version).await?;
    let mut with_digest = planned.clone();
    if let Value::Value(chart) = &mut with_digest.chart {
        chart.digest = Value::Value(archive.digest().to_owned());
    }
    let chart = access.read(&archive).await;
    prepare(diags, target, &with_digest, private, (&archive, chart)).await
}

/// Prepares a virtual cluster that exists: its chart is the archive that the host keeps. Only where that was lost does the
/// source have to be there again, with the very same digest.
pub async fn from_archive(
    diags: &mut Diagnostics,
    access: &ChartAccess<'_>,
    target: &Target<'_>,
    planned: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
) -> Option<Prepared> {
    let digest = planned.chart.as_ref_option()?.digest.as_ref_option()?;
    let kept = match chart::archives_on(target.host).content(digest).await {
        Ok(kept) => kept,
        Err(error) => {
            diags.add_error(error.explain());
            return None;
        }
    };
    let Some(bytes) = kept else {
        return from_source(diags, access, target, planned, private).await;
    };
    let archive = Archive::from_tgz(&bytes);
    let archive = archive.map_err(|error| chart_error(diags, "The kept chart cannot be read.", &error)).ok()?;
    let chart = access.read(&archive).await;
    prepare(diags, target, planned, private, (&archive, chart)).await
}

async fn prepare(
    diags: &mut Diagnostics,
    target: &Target<'_>,
    planned: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
    (archive, chart): (&Archive, Result<Chart, ChartError>),
) -> Option<Prepared> {
    let Target { host, place, offered, followed } = target;
    let own = Spec::of(planned, private)?;
    let spec = match *followed {
        Some(followed) => own.following(followed.clone()),
        None => own,
    };
    let typed = spec.typed(place)?;
    let chart = parsed(diags, chart, &spec)?;
    let given = given(diags, &spec)?;
    let values = values(diags, &spec, &typed, &given)?;
    let (chart, served) = (Arc::new(chart), Served::by(diags, host).await?);
    let look = Look { chart, served, is_assumed: false, typed: typed.clone(), spec: spec.clone(), given };
    let rendered = live::render(host, place, &look.chart, &look.served, values).await;
    let rendered = rendered.map_err(|error| look.refuse(diags, &error)).ok()?;
    live::refuse_what_is_not_done(diags, host, &rendered).await?;
    let documents = of_documents(rendered.documents);
    look.check(diags, Some(documents.clone()), false).await?;
    let enforced = enforced::objects(MappingVersion::from_number(spec.mapping)?, &typed, offered);
    let mut objects: Vec<Json> = enforced.into_iter().chain(documents).collect();
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

/// The chart, if it is one, and of the version that the spec says.
fn parsed(diags: &mut Diagnostics, chart: Result<Chart, ChartError>, spec: &Spec) -> Option<Chart> {
    let chart = chart.map_err(|error| chart_error(diags, "The chart cannot be used.", &error)).ok()?;
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
    Some(chart)
}

/// The texts of values that count for a virtual cluster, later ones over earlier ones.
fn given(diags: &mut Diagnostics, spec: &Spec) -> Option<Vec<Given>> {
    let of_group = spec.followed.as_ref();
    let texts = [
        (Whose::Group, "the group's values", of_group.and_then(|followed| followed.group_values.as_ref())),
        (Whose::Group, "the group's values for the host", of_group.and_then(|followed| followed.host_values.as_ref())),
        (Whose::Own, "values", spec.values.as_ref()),
    ];
    let mut given = Vec::new();
    for (whose, name, text) in texts {
        if let Some(text) = text {
            given.push(Given { whose, name, values: parse_values(diags, text)? });
        }
    }
    Some(given)
}

/// Everything that the guard looks at, on its way to a thread that may take its time.
struct Look {
    chart: Arc<Chart>,
    served: Served,
    /// No host has said what it serves.
    is_assumed: bool,
    typed: VirtualClusterSpec,
    spec: Spec,
    given: Vec<Given>,
}

impl Look {
    /// Refuses what values may not do: which of them the group lets be set, and what comes of them. None if anything is refused.
    async fn check(self, diags: &mut Diagnostics, objects: Option<Vec<Json>>, is_plan: bool) -> Option<()> {
        let own = self.given.iter().find(|given| given.whose == Whose::Own);
        guard::check_member_values(diags, &self.spec, own.map(|given| &given.values))?;
        let name = self.typed.name.clone();
        let looked = live::compute(move || {
            let looked = self.look(objects);
            (looked, self)
        });
        let unclear = "What `values` would do cannot be told.";
        let why = match looked.await {
            Ok((Ok((refusals, verdict)), look)) => {
                guard::say(diags, &look.spec, &refusals)?;
                return room::say(diags, &name, room::blamed(&look.given), &verdict, is_plan);
            }
            // What the chart makes of a host that is not known is for the apply to say. What its schema says of values holds for all.
            Ok((Err(Unclear::Chart(error)), look))
                if look.is_assumed && !matches!(error, ChartError::Values { .. }) =>
            {
                return Some(());
            }
            Ok((Err(Unclear::Chart(error)), look)) => {
                look.refuse(diags, &error);
                return None;
            }
            Ok((Err(error), _)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        diags.fail(AttributePath::new("values"), unclear, format!("{why}."));
        None
    }
}

impl Look {
    /// What values may not do, and whether what comes of them can run. Without objects they are rendered here.
    fn look(&self, objects: Option<Vec<Json>>) -> Result<(Vec<Refusal>, Verdict), Unclear> {
        let subject = self.subject();
        let objects = match objects {
            Some(objects) => objects,
            None => subject.render(&self.given)?,
        };
        Ok((subject.refusals(&objects)?, subject.verdict(&objects)?))
    }

    /// Whether what comes of the values can run.
    fn verdict(&self) -> Result<Verdict, Unclear> {
        let subject = self.subject();
        subject.verdict(&subject.render(&self.given)?)
    }

    /// Says why the chart cannot be made with these values: which null is behind it, or else what Helm says.
    fn refuse(&self, diags: &mut Diagnostics, error: &ChartError) {
        let Some(guard::Missed { whose, name, path, keys }) = self.subject().missed() else {
            return refused_values(diags, &self.spec, error);
        };
        diags.fail(
            AttributePath::new(if whose == Whose::Own { "values" } else { "cluster_group" }),
            "The chart cannot be rendered with these values.",
            format!(
                "{name} set {path} to null. That takes away everything that the chart has there, and it needs some of it. Leave {path} \
                 out, or set what is to be otherwise: {}.",
                keys.join(", ")
            ),
        );
    }

    fn subject(&self) -> Subject<'_> {
        let Self { chart, served, typed, spec, given, .. } = self;
        // What no version of this provider knows is refused before.
        let mapping = MappingVersion::from_number(spec.mapping).unwrap_or(MappingVersion::NEWEST);
        Subject { chart, served, mapping, typed, spec, given }
    }
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

/// The values of a text. None if it cannot be used.
pub(super) fn parse_values(diags: &mut Diagnostics, text: &str) -> Option<Json> {
    checks::values(diags, &AttributePath::new("values"), text)
}

fn chart_error(diags: &mut Diagnostics, summary: &str, error: &ChartError) {
    let attribute = match error {
        ChartError::Values { .. } | ChartError::Execute { .. } | ChartError::Manifest { .. } => "values",
        ChartError::KubeVersion { .. } => "host_cluster",
        _ => "chart",
    };
    diags.fail(AttributePath::new(attribute), summary, format!("{error}."));
}

/// Says why a chart cannot be made with the values of `spec`, without quoting them: Helm does, and they may be secrets.
fn refused_values(diags: &mut Diagnostics, spec: &Spec, error: &ChartError) {
    let mut found = Diagnostics::default();
    chart_error(&mut found, "The chart cannot be rendered with these values.", error);
    let texts = drift::user_texts(spec);
    for Diagnostic { summary, detail, attribute } in found.errors {
        diags.fail(attribute, summary, texts.hide(&detail));
    }
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
