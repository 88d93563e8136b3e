//! Has the guard look at what a user's values make of a chart, and says what it refuses: object, field, and the value behind it.
//!
//! Owns the renders that the guard measures by and that find a cause. The rules are [`crate::domain::guard`]'s.

use serde_json::Value as Json;

use super::live::Served;
use crate::domain::guard::{Guard, Violation, cause, switches};
use crate::domain::values::need::{self, Verdict};
use crate::domain::values::{Layer, MappingVersion, VirtualClusterSpec, chart_values};
use crate::fleet::virtual_cluster::spec::Spec;
use helm_charts::{Chart, ChartError, Release, UserValues};
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// How many refusals one diagnostic says.
const SAID: usize = 5;

/// How often a chart is rendered to find what is behind a refusal.
const SEARCHED: usize = 300;

/// Whose text values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The group's, or its for one of its hosts.
    Group,
    /// The virtual cluster's own.
    Own,
}

/// One text of values, parsed.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub whose: Whose,
    pub name: &'static str,
    pub values: Json,
}

impl Given {
    pub(super) fn layer(&self) -> Layer<'_> {
        Layer { name: self.name, values: &self.values }
    }
}

/// What is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Nothing,
    /// What comes of the group's values alone.
    Group,
    Everything,
}

impl Trust {
    fn of(spec: &Spec) -> Self {
        match &spec.followed {
            None if spec.terms.allow_unsafe_values == Some(true) => Self::Everything,
            Some(group) if group.terms.allow_unsafe_values == Some(true) => match group.member_values {
                Some(_) => Self::Everything,
                None => Self::Group,
            },
            _ => Self::Nothing,
        }
    }
}

/// What a virtual cluster's chart is rendered with.
pub(super) struct Subject<'a> {
    pub chart: &'a Chart,
    pub served: &'a Served,
    pub mapping: MappingVersion,
    pub typed: &'a VirtualClusterSpec,
    pub spec: &'a Spec,
    pub given: &'a [Given],
}

/// What the chart makes without the user, and of the user's switches.
struct Measured {
    own: Vec<Json>,
    switched: Vec<Json>,
}

impl Measured {
    fn guard<'a>(&'a self, subject: &Subject<'a>) -> Guard<'a> {
        let terms = subject.spec.followed.as_ref().map_or(&subject.spec.terms, |group| &group.terms);
        Guard {
            name: &subject.typed.name,
            namespace: &subject.typed.namespace,
            own: &self.own,
            switched: &self.switched,
            registries: terms.image_registries.as_deref().unwrap_or_default(),
            priority_classes: &subject.typed.priority_classes,
            size: subject.typed.size,
        }
    }
}

/// A null that takes away what a chart needs.
pub(super) struct Missed {
    pub whose: Whose,
    pub name: &'static str,
    pub path: String,
    /// What the chart has there.
    pub keys: Vec<String>,
}

/// Something that is refused, and the value behind it.
pub(super) struct Refusal {
    violation: Violation,
    cause: Option<(Whose, &'static str, String)>,
}

/// What values make of a chart cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unclear {
    #[error(transparent)]
    Chart(#[from] ChartError),
    #[error("{0}")]
    Values(#[from] crate::domain::values::ValuesError),
}

impl Subject<'_> {
    /// Everything that values may not do of `objects`, which the chart makes with them.
    pub(super) fn refusals(&self, objects: &[Json]) -> Result<Vec<Refusal>, Unclear> {
        let trust = Trust::of(self.spec);
        let is_empty = |given: &Given| cause::leaves(&given.values).is_empty();
        if trust == Trust::Everything || self.given.iter().all(is_empty) {
            return Ok(Vec::new());
        }
        let measured = self.measured()?;
        let guard = measured.guard(self);
        let mut found = guard.violations(objects);
        if trust == Trust::Group {
            let group: Vec<Given> = self.given.iter().filter(|given| given.whose == Whose::Group).cloned().collect();
            let trusted = guard.violations(&self.render(&group)?);
            found.retain(|violation| !trusted.contains(violation));
        }
        found.truncate(SAID);
        Ok(self.explained(&guard, found))
    }

    /// Whether what the chart makes can run within the size.
    pub(super) fn verdict(&self, objects: &[Json]) -> Result<Verdict, Unclear> {
        let layers: Vec<Layer<'_>> = self.given.iter().map(Given::layer).collect();
        let values = chart_values(self.mapping, self.typed, &layers)?;
        Ok(need::judge(self.mapping, self.typed, objects, &values))
    }

    /// The null without which the chart can be rendered, in the place of a map that the chart has. None: it is not for one.
    pub(super) fn missed(&self) -> Option<Missed> {
        let defaults = Json::Object(self.chart.default_values().clone());
        let at = |values: &Json, path: &[String]| -> Option<Json> {
            path.iter().try_fold(values, |value, key| value.get(key)).cloned()
        };
        for (index, given) in self.given.iter().enumerate().rev() {
            for path in
                cause::leaves(&given.values).into_iter().filter(|path| at(&given.values, path) == Some(Json::Null))
            {
                let Some(Json::Object(taken)) = at(&defaults, &path) else { continue };
                let mut others = self.given.to_vec();
                others.get_mut(index)?.values = cause::without(&given.values, &path);
                if self.render(&others).is_ok() {
                    let keys = taken.keys().cloned().collect();
                    return Some(Missed { whose: given.whose, name: given.name, path: cause::written(&path), keys });
                }
            }
        }
        None
    }

    /// What the guard measures by.
    fn measured(&self) -> Result<Measured, Unclear> {
        let own = self.render(&[])?;
        let defaults = Json::Object(self.chart.default_values().clone());
        let switches = self
            .given
            .iter()
            .map(|given| Given { values: switches::switches(&given.values, &defaults), ..given.clone() });
        // Switches whose texts are missing may be refused by the chart: then its own objects are all that there are.
        let switched = self.render(&switches.collect::<Vec<_>>()).unwrap_or_else(|_| own.clone());
        Ok(Measured { own, switched })
    }

    /// What the chart makes with these values, where `lookup` finds nothing.
    pub(super) fn render(&self, given: &[Given]) -> Result<Vec<Json>, Unclear> {
        let layers: Vec<Layer<'_>> = given.iter().map(Given::layer).collect();
        let values = UserValues::try_from(chart_values(self.mapping, self.typed, &layers)?)?;
        let release = Release {
            name: &self.typed.name,
            namespace: &self.typed.namespace,
            revision: 1,
            is_install: true,
            kube_version: &self.served.kube_version,
            api_versions: &self.served.api_versions,
            values: &values,
        };
        let rendered = self.chart.render(&release)?;
        Ok(rendered.documents.into_iter().map(|document| document.object).collect())
    }

    /// Leaves out one value after the other, those of the virtual cluster itself first, until nothing is left to explain.
    fn explained(&self, guard: &Guard<'_>, found: Vec<Violation>) -> Vec<Refusal> {
        let mut refusals: Vec<Refusal> =
            found.into_iter().map(|violation| Refusal { violation, cause: None }).collect();
        let places = (0..self.given.len()).rev().flat_map(|index| {
            let leaves = self.given.get(index).map(|given| cause::leaves(&given.values)).unwrap_or_default();
            leaves.into_iter().map(move |path| (index, path))
        });
        for (index, path) in places.take(SEARCHED) {
            if refusals.iter().all(|refusal| refusal.cause.is_some()) {
                break;
            }
            let mut given = self.given.to_vec();
            let Some(changed) = given.get_mut(index) else { continue };
            changed.values = cause::without(&changed.values, &path);
            let (whose, name) = (changed.whose, changed.name);
            let Ok(objects) = self.render(&given) else { continue };
            let left = guard.violations(&objects);
            for refusal in refusals.iter_mut().filter(|refusal| refusal.cause.is_none()) {
                if !left.contains(&refusal.violation) {
                    refusal.cause = Some((whose, name, cause::written(&path)));
                }
            }
        }
        refusals
    }
}

/// Says what is refused. None if anything is.
pub(super) fn say(diags: &mut Diagnostics, spec: &Spec, refusals: &[Refusal]) -> Option<()> {
    if refusals.is_empty() {
        return Some(());
    }
    let mut lines = Vec::new();
    for Refusal { violation, cause } in refusals {
        let because = match cause {
            Some((_, name, path)) => format!("because {name} set {path}"),
            None => "because of several values together".to_owned(),
        };
        lines.push(format!("  - {violation}\n    {because}"));
    }
    let is_of_group = |refusal: &Refusal| matches!(refusal.cause, Some((Whose::Group, ..)));
    let attribute = if refusals.iter().all(is_of_group) { "cluster_group" } else { "values" };
    let who = match &spec.cluster_group {
        Some(group) => format!("Cluster group \"{group}\" can allow it with `allow_unsafe_values`"),
        None => "`allow_unsafe_values = true` allows it".to_owned(),
    };
    diags.fail(
        AttributePath::new(attribute),
        "These values reach beyond what a virtual cluster may do.",
        format!(
            "With them the chart would make what it does not make by itself:\n\n{}\n\nNext step: Remove these values. {who}, for \
             those who trust whoever writes them with the host cluster; for images there is `image_registries`.",
            lines.join("\n")
        ),
    );
    None
}

/// Refuses values of a virtual cluster that its group does not let it set. None if there are any.
pub(super) fn check_member_values(diags: &mut Diagnostics, spec: &Spec, values: Option<&Json>) -> Option<()> {
    check_isolation_values(diags, spec, values)?;
    let allowed = spec.followed.as_ref().and_then(|group| group.member_values.as_ref());
    let (Some(allowed), Some(values)) = (allowed, values) else { return Some(()) };
    let everything = allowed.paths.iter().any(|path| path == "*");
    let Some(path) = cause::outside(values, &allowed.paths).filter(|_| !everything) else { return Some(()) };
    let group = spec.cluster_group.as_deref().unwrap_or_default();
    let may = match allowed.paths.as_slice() {
        [] => "none".to_owned(),
        paths => paths.join(", "),
    };
    diags.fail(
        AttributePath::new("values"),
        format!("Cluster group \"{group}\" does not let its virtual clusters set this value."),
        format!("`values` set {}, and of all values its virtual clusters may set: {may}. Remove it, or have the group's `member_values` name it.", cause::written(&path)),
    );
    None
}

/// Where values say what passes network policies.
const NETWORK_POLICY: &str = "/policies/networkPolicy";

/// Refuses to open what the group has isolated. None if values do.
fn check_isolation_values(diags: &mut Diagnostics, spec: &Spec, values: Option<&Json>) -> Option<()> {
    let isolates = spec.followed.as_ref().is_some_and(|group| group.terms.network_isolation == Some(true));
    let says = values
        .and_then(|values| values.pointer(NETWORK_POLICY))
        .is_some_and(|policy| !cause::leaves(policy).is_empty());
    if !isolates || !says {
        return Some(());
    }
    let group = spec.cluster_group.as_deref().unwrap_or_default();
    diags.fail(
        AttributePath::new("values"),
        format!("Cluster group \"{group}\" isolates its virtual clusters, which cannot change that."),
        "`values` set policies.networkPolicy. Remove it, or have the group's `values` say it for all of its virtual clusters.",
    );
    None
}

#[cfg(test)]
mod tests;
