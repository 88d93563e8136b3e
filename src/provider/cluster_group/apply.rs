//! Create, update and destroy of `nested_cluster_group`: what Terraform asks goes to `fleet` in plain terms, and what comes back
//! becomes a state.
//!
//! Owns no write on a host. After an error nothing of what may be left there is forgotten.

use async_trait::async_trait;
use serde_json::Map;

use crate::fleet::Limits;
use crate::fleet::group::spec::{DRIFTED, GroupSpec};
use crate::fleet::group::{Chart, ChartSource, NoChart, Written, create, destroy, update};
use crate::provider::Configured;
use crate::provider::chart::ChartAccess;
use crate::provider::cluster_group::model::{ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::explain::group::report;
use crate::provider::timeouts::timeout;
use helm_charts::Archive;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report, stop_token};

type Applied = (ClusterGroupModel, ClusterGroupPrivate);

/// Creates a group on all of its hosts, or leaves nothing of it.
pub async fn create(
    configured: &Configured,
    diags: &mut Diagnostics,
    mut planned: ClusterGroupModel,
    config: &ClusterGroupModel,
) -> Option<Applied> {
    let limits = Limits::new(stop_token(), timeout(&planned.timeouts, |timeouts| &timeouts.create));
    let asked = create::Asked { name: planned.name.as_ref_option()?.clone(), spec: GroupSpec::of_plan(&planned)? };
    let mut source = FromPlan { configured, diags: &mut *diags, planned: &planned, config };
    let outcome = create::create(configured.fleet(), limits, asked, &mut source).await;
    report(diags, &outcome.errors);
    configured.notify(diags, &outcome.notices);
    let Written { known, spec, home, .. } = outcome.left?;
    if let Value::Value(chart) = &mut planned.chart {
        chart.digest = Value::Value(spec.chart_digest.clone());
    }
    planned.home_host_cluster = Value::Value(home);
    planned.revision = Value::Value(spec.revision());
    Some((planned, ClusterGroupPrivate::of(known, Map::new())))
}

/// Makes the group on its hosts what the plan says. After an error the prior state comes back, marked as drifted, so that
/// the next apply finishes the work.
pub async fn update(
    configured: &Configured,
    diags: &mut Diagnostics,
    prior: ClusterGroupModel,
    mut planned: ClusterGroupModel,
    config: &ClusterGroupModel,
    private: ClusterGroupPrivate,
) -> Option<Applied> {
    let limits = Limits::new(stop_token(), timeout(&planned.timeouts, |timeouts| &timeouts.update));
    if planned.revision.as_ref_option().is_some() && planned.chart == prior.chart {
        // Only what Terraform itself keeps has changed, such as `timeouts`.
        return Some((planned, private));
    }
    let (name, spec) = (planned.name.as_ref_option()?.clone(), GroupSpec::of(&planned)?);
    let asked = update::Asked { name, spec, known: private.known() };
    let mut source = FromPlan { configured, diags: &mut *diags, planned: &planned, config };
    let outcome = update::update(configured.fleet(), limits, asked, &mut source).await;
    report(diags, &outcome.errors);
    configured.notify(diags, &outcome.notices);
    let Written { known, spec, home, is_whole } = outcome.left?;
    let private = ClusterGroupPrivate::of(known, private.more);
    if !is_whole {
        return Some((ClusterGroupModel { revision: Value::Value(DRIFTED.to_owned()), ..prior }, private));
    }
    let fill = |planned: &mut Value<String>, value: String| {
        if *planned == Value::Unknown {
            *planned = Value::Value(value);
        }
    };
    fill(&mut planned.home_host_cluster, home);
    fill(&mut planned.revision, spec.revision());
    Some((planned, private))
}

/// Removes the group from all of its hosts.
pub async fn destroy(
    configured: &Configured,
    diags: &mut Diagnostics,
    prior: &ClusterGroupModel,
    private: &ClusterGroupPrivate,
) -> Option<()> {
    let limits = Limits::new(stop_token(), timeout(&prior.timeouts, |timeouts| &timeouts.delete));
    let name = prior.name.as_ref_option()?;
    let outcome = destroy::destroy(configured.fleet(), limits, name, private.known()).await;
    report(diags, &outcome.errors);
    configured.notify(diags, &outcome.notices);
    outcome.left
}

/// Gets the chart that a plan names, and says what keeps it from that.
struct FromPlan<'a> {
    configured: &'a Configured,
    diags: &'a mut Diagnostics,
    planned: &'a ClusterGroupModel,
    config: &'a ClusterGroupModel,
}

#[async_trait]
impl ChartSource for FromPlan<'_> {
    async fn get(&mut self) -> Result<Chart, NoChart> {
        let access = ChartAccess::of(self.configured.charts(), &self.config.chart);
        let ClusterGroupModel { chart, vcluster_version, .. } = self.planned;
        let archive = access.get(self.diags, chart, vcluster_version).await.ok_or(NoChart)?;
        self.check_version(&archive)?;
        Ok(Chart { digest: archive.digest().to_owned(), archive: archive.to_tgz().to_vec() })
    }
}

impl FromPlan<'_> {
    /// Refuses a chart of another version than `vcluster_version`.
    fn check_version(&mut self, archive: &Archive) -> Result<(), NoChart> {
        let chart = helm_charts::Chart::parse(archive).map_err(|error| {
            self.diags.fail(AttributePath::new("chart"), "The chart cannot be used.", format!("{error}."));
            NoChart
        })?;
        let found = &chart.metadata().version;
        let text = |value: &Value<String>| value.as_ref_option().cloned().unwrap_or_default();
        let version = text(&self.planned.vcluster_version);
        // Helm takes a leading `v` for decoration.
        if found.strip_prefix('v').unwrap_or(found) == version {
            return Ok(());
        }
        let source = self.planned.chart.as_ref_option().map(|chart| text(&chart.source)).unwrap_or_default();
        self.diags.fail(
            AttributePath::new("vcluster_version"),
            "The chart is of another version.",
            format!("`vcluster_version` is {version}, and the chart from \"{source}\" has version {found}."),
        );
        Err(NoChart)
    }
}
