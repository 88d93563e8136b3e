//! What users see: the provider block, resources, data sources, functions.
//!
//! Every file here is one thing of Terraform's: it decides with `domain`, and has `chart` and `host` do the work.

pub mod attribute;
pub mod chart;
mod chart_source;
mod checks;
pub mod cluster_group;
pub mod configuration;
pub mod data;
pub mod diagnostics;
pub mod duration;
mod explain;
mod planner;
pub mod size;
pub mod timeouts;
pub mod value;
pub mod virtual_cluster;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use crate::application;
use crate::host::Host;
use crate::host::connection::Environment;
use cluster_group::ClusterGroup;
use configuration::{HostCluster, HostClusters, ProviderModel};
use data::cluster_group::ClusterGroupData;
use data::host_cluster::HostClusterData;
use data::virtual_clusters::VirtualClusters;
use helm_charts::source::Charts;
use planner::Planner;
use terraform_plugin::schema::Schema;
use terraform_plugin::{AttributePath, Diagnostics, Provider, Report};
use virtual_cluster::VirtualCluster;

/// The provider `nested`.
#[derive(Default)]
pub struct Nested {
    configured: Arc<Configured>,
}

impl Nested {
    /// The resource `nested_cluster_group` on this provider's host clusters.
    pub fn cluster_group(&self) -> ClusterGroup {
        ClusterGroup::new(Arc::clone(&self.configured))
    }

    /// The resource `nested_virtual_cluster` on this provider's host clusters.
    pub fn virtual_cluster(&self) -> VirtualCluster {
        VirtualCluster::new(Arc::clone(&self.configured))
    }

    /// The data source `nested_cluster_group` on this provider's host clusters.
    pub fn cluster_group_data(&self) -> ClusterGroupData {
        ClusterGroupData::new(Arc::clone(&self.configured))
    }

    /// The data source `nested_host_cluster` on this provider's host clusters.
    pub fn host_cluster_data(&self) -> HostClusterData {
        HostClusterData::new(Arc::clone(&self.configured))
    }

    /// The data source `nested_virtual_clusters` on this provider's host clusters.
    pub fn virtual_clusters_data(&self) -> VirtualClusters {
        VirtualClusters::new(Arc::clone(&self.configured))
    }
}

/// What the provider block has said, shared by everything that works on host clusters.
pub struct Configured {
    host_clusters: OnceLock<HostClusters>,
    charts: Charts,
    planner: Planner,
}

impl Default for Configured {
    fn default() -> Self {
        let charts = Charts::new(application::chart_environment());
        Self { host_clusters: OnceLock::new(), charts, planner: Planner::default() }
    }
}

impl Configured {
    /// As if the provider block had these host clusters.
    #[cfg(test)]
    pub(crate) fn with_hosts(hosts: Vec<Host>) -> Self {
        let configured = Self::default();
        configured.host_clusters.get_or_init(|| HostClusters::of(hosts));
        configured
    }

    /// The host cluster of that name, or a diagnostic on `host_cluster`.
    pub fn host_cluster(&self, diags: &mut Diagnostics, name: &str) -> Option<HostCluster> {
        self.host_cluster_at(diags, name, AttributePath::new("host_cluster"))
    }

    /// The host cluster of that name, or a diagnostic on `attribute`.
    pub fn host_cluster_at(
        &self,
        diags: &mut Diagnostics,
        name: &str,
        attribute: AttributePath,
    ) -> Option<HostCluster> {
        let Some(host_clusters) = self.host_clusters.get() else {
            diags.fail(
                attribute,
                "The provider is not configured.",
                "Terraform asked for a host cluster before it configured the provider. Please report this.",
            );
            return None;
        };
        match host_clusters.get(name) {
            Ok(host_cluster) => Some(host_cluster.clone()),
            Err(error) => {
                diags.add_error(error.diagnostic(attribute));
                None
            }
        }
    }

    /// What this process knows of hosts and groups, and what it has planned.
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// The name of the host cluster, where the provider has a single one.
    pub fn only_host(&self) -> Option<&str> {
        let all = self.host_clusters.get().and_then(HostClusters::all)?;
        all.keys().next().filter(|_| all.len() == 1).map(String::as_str)
    }

    /// The names of all host clusters; none while they are not known yet.
    pub fn host_names(&self) -> Option<Vec<&str>> {
        let all = self.host_clusters.get().and_then(HostClusters::all)?;
        Some(all.keys().map(String::as_str).collect())
    }

    /// Where charts come from.
    pub fn charts(&self) -> &Charts {
        &self.charts
    }

    /// Whether the provider block may have a host cluster of that name.
    pub fn has_host_cluster(&self, name: &str) -> bool {
        self.host_clusters.get().is_some_and(|host_clusters| host_clusters.get(name).is_ok())
    }

    /// Whether there is a host cluster, or may be, whose connection is not known yet.
    pub fn has_unknown_host_clusters(&self) -> bool {
        let all = self.host_clusters.get().and_then(HostClusters::all);
        all.is_none_or(|hosts| hosts.values().any(|host| matches!(host, HostCluster::Unknown)))
    }

    /// All host clusters whose connection is known.
    pub fn known_host_clusters(&self) -> Vec<Host> {
        let all = self.host_clusters.get().and_then(HostClusters::all);
        let known = |host_cluster: &HostCluster| match host_cluster {
            HostCluster::Known(host) => Some(host.clone()),
            HostCluster::Unknown => None,
        };
        all.into_iter().flat_map(|hosts| hosts.values()).filter_map(known).collect()
    }
}

#[async_trait]
impl Provider for Nested {
    type Config<'a> = ProviderModel;
    type MetaState<'a> = ();

    fn schema(&self, _diags: &mut Diagnostics) -> Option<Schema> {
        Some(configuration::schema())
    }

    async fn validate<'a>(&self, diags: &mut Diagnostics, config: ProviderModel) -> Option<()> {
        config.validate(diags);
        Some(())
    }

    async fn configure<'a>(
        &self,
        diags: &mut Diagnostics,
        terraform_version: String,
        config: ProviderModel,
    ) -> Option<()> {
        tracing::debug!(terraform_version, "configuring the provider");
        let resolved = HostClusters::resolve(&config, &Environment::of_process(), diags)?;
        // Terraform configures a provider process once.
        self.configured.host_clusters.get_or_init(|| resolved);
        Some(())
    }
}
