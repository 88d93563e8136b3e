//! The guard in a plan: what values would make of the chart, wherever the chart can be had before the apply.
//!
//! Refuses a plan or says nothing, and never changes one. Where the chart or the host cannot be had, the apply looks before it
//! makes anything.

use std::time::Duration;

use crate::domain::isolation::PodSecurity;
use crate::fleet::connections::HostCluster;
use crate::fleet::virtual_cluster::membership::Membership;
use crate::host::Host;
use crate::provider::Configured;
use crate::provider::chart::{self, ChartAccess};
use crate::provider::virtual_cluster::apply::fill_from_group;
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use crate::provider::virtual_cluster::render;
use helm_charts::Archive;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// How long a plan waits for a chart.
const PATIENCE: Duration = Duration::from_secs(20);

/// Refuses values that reach beyond what a virtual cluster may do. `config` has the credentials of the chart's source.
pub async fn check(
    configured: &Configured,
    diags: &mut Diagnostics,
    config: &VirtualClusterModel,
    plan: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
) -> Option<()> {
    if plan.values == Value::Unknown || plan.revision != Value::Unknown {
        return Some(());
    }
    let mut group = None;
    if plan.cluster_group != Value::Null {
        let name = plan.cluster_group.as_ref_option();
        // What is wrong with the group has been said.
        let planned = match name {
            Some(name) => Membership::planned(configured.fleet(), name).await.ok().flatten(),
            None => None,
        };
        let Some(planned) = planned else { return Some(()) };
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
        return Some(());
    }
    let of_group = followed.as_ref().is_some_and(|group| group.group_values.is_some() || group.host_values.is_some());
    if plan.values == Value::Null && !of_group {
        return Some(());
    }
    let access = ChartAccess::of(configured.charts(), &config.chart);
    let chart = async {
        let archive = archive(&access, &assumed, group.as_ref(), host.as_ref()).await?;
        access.read(&archive).await.ok()
    };
    let Ok(Some(chart)) = tokio::time::timeout(PATIENCE, chart).await else {
        tracing::info!("the chart is not here yet: the apply looks at what values make of it");
        return Some(());
    };
    render::foresee(diags, host.as_ref(), assumed, private, followed, chart).await
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
        && let Ok(Some(kept)) = chart::archives_on(host).get(digest).await
    {
        return Archive::from_tgz(&kept).ok();
    }
    let mut wanted = plan.chart.clone();
    if let Value::Value(chart) = &mut wanted
        && digest.is_none()
    {
        chart.digest = Value::Unknown;
    }
    // A group's members do not have the credentials of its source.
    if group.is_some_and(|group| group.spec.chart_username.is_some()) {
        return None;
    }
    access.get(&mut Diagnostics::default(), &wanted, &plan.vcluster_version).await
}
