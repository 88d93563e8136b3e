//! What users see: the provider block, resources, data sources, functions.
//!
//! Every file here is one thing of Terraform's: it decides with `domain`, and has `fleet` and the chart crate do the work.

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
pub mod number;
pub mod size;
pub mod timeouts;
pub mod value;
pub mod virtual_cluster;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::application;
use crate::fleet::connections::HostCluster;
#[cfg(test)]
use crate::fleet::connections::HostClusters;
use crate::fleet::notice::Notice;
use crate::fleet::{Fleet, locked};
use crate::host::connection::Environment;
use cluster_group::ClusterGroup;
use configuration::ProviderModel;
use data::cluster_group::ClusterGroupData;
use data::host_cluster::HostClusterData;
use data::virtual_clusters::VirtualClusters;
use explain::Explain;
use helm_charts::source::Charts;
use terraform_plugin::schema::Schema;
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, Provider};
use virtual_cluster::VirtualCluster;
use virtual_cluster::in_state::InState;

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
    fleet: Fleet,
    charts: Charts,
    in_state: InState,
    silent_sources: Mutex<HashSet<String>>,
    warned: Mutex<HashSet<String>>,
}

impl Default for Configured {
    fn default() -> Self {
        let charts = Charts::new(application::chart_environment());
        Self {
            fleet: Fleet::new(chart::digest_of),
            charts,
            in_state: InState::default(),
            silent_sources: Mutex::default(),
            warned: Mutex::default(),
        }
    }
}

impl Configured {
    /// As if the provider block had these host clusters.
    #[cfg(test)]
    pub(crate) fn with_hosts(hosts: Vec<crate::host::Host>) -> Self {
        let known = |host: crate::host::Host| (host.name().to_owned(), HostCluster::Known(host));
        let configured = Self::default();
        configured.fleet.connections.configure(HostClusters::new(Some(hosts.into_iter().map(known).collect())));
        configured
    }

    /// The host clusters, what was read of them, and what is planned for them.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Where charts come from.
    pub fn charts(&self) -> &Charts {
        &self.charts
    }

    /// Whether a source of charts has kept a plan waiting for nothing: the next ones do not wait for it.
    pub fn is_silent(&self, source: &str) -> bool {
        locked(&self.silent_sources).contains(source)
    }

    /// A source of charts has kept a plan waiting for nothing.
    pub fn note_silent(&self, source: String) {
        locked(&self.silent_sources).insert(source);
    }

    /// The virtual clusters that were read from the state.
    pub fn in_state(&self) -> &InState {
        &self.in_state
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
        let found = self.fleet.connections.get(name);
        found.map_err(|error| diags.add_error(explain::connection(&error, attribute))).ok()
    }

    /// Says what an operation has noticed. What is said of a size was said by its plan, if this process has made that.
    pub fn notify(&self, diags: &mut Diagnostics, notices: &[Notice]) {
        for notice in notices {
            let warning = notice.explain();
            if !matches!(notice, Notice::Size(_)) || self.warn_once(&warning) {
                diags.add_warning(warning);
            }
        }
    }

    /// Takes note of a warning. False if this process has given it before: an apply plans again first.
    pub fn warn_once(&self, warning: &Diagnostic) -> bool {
        self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.detail.to_string())
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
        let resolved = configuration::resolve(&config, &Environment::of_process(), diags)?;
        // Terraform configures a provider process once.
        self.configured.fleet.connections.configure(resolved);
        self.configured.charts.fetch_remote_schemas(config.remote_schemas.as_ref_option() != Some(&false));
        Some(())
    }
}
