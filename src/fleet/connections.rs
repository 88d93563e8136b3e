//! The host clusters that a provider configuration has, by the names that it gives them.
//!
//! Owns the difference between a host cluster that is not there and one whose connection is only not known yet. Contacts
//! nobody.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::host::Host;

/// The host clusters of one provider configuration: none while not even their names are known.
#[derive(Clone, Debug)]
pub struct HostClusters(Option<BTreeMap<String, HostCluster>>);

/// A host cluster, or that its connection is not known yet.
#[derive(Clone, Debug)]
pub enum HostCluster {
    /// Its connection is complete; whether it answers shows on first use.
    Known(Host),
    /// A value of its connection is known only after apply.
    Unknown,
}

/// A host cluster that the provider block does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("host cluster {name:?} is not configured in the provider block; configured: {}", configured.join(", "))]
pub struct NotConfigured {
    /// The name asked for.
    pub name: String,
    /// The names that there are.
    pub configured: Vec<String>,
}

/// Why a host cluster cannot be used by its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The provider block has none of that name.
    #[error(transparent)]
    NotConfigured(#[from] NotConfigured),
    /// There is no provider block yet.
    #[error("the provider is not configured")]
    NoProvider,
}

impl HostClusters {
    /// These host clusters; none while not even their names are known.
    pub fn new(host_clusters: Option<BTreeMap<String, HostCluster>>) -> Self {
        Self(host_clusters)
    }

    /// A host cluster by its name. While not even the names are known, every name may turn out to be one.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn get(&self, name: &str) -> Result<&HostCluster, NotConfigured> {
        match &self.0 {
            None => Ok(&HostCluster::Unknown),
            Some(hosts) => hosts
                .get(name)
                .ok_or_else(|| NotConfigured { name: name.to_owned(), configured: hosts.keys().cloned().collect() }),
        }
    }

    /// All host clusters by name; `None` while not even the names are known.
    pub fn all(&self) -> Option<&BTreeMap<String, HostCluster>> {
        self.0.as_ref()
    }
}

/// The connections of one provider process, which gets its configuration once.
#[derive(Default)]
pub struct Connections(OnceLock<HostClusters>);

impl Connections {
    /// Takes the host clusters of the configuration. Those that were given first stay.
    pub fn configure(&self, host_clusters: HostClusters) {
        self.0.get_or_init(|| host_clusters);
    }

    /// The host cluster of that name.
    ///
    /// # Errors
    /// There is none, or nothing is configured yet.
    pub fn get(&self, name: &str) -> Result<HostCluster, ConnectionError> {
        let host_clusters = self.0.get().ok_or(ConnectionError::NoProvider)?;
        Ok(host_clusters.get(name)?.clone())
    }

    /// Whether there may be a host cluster of that name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_ok()
    }

    /// All host clusters whose connection is known.
    pub fn known(&self) -> Vec<Host> {
        let known = |host_cluster: &HostCluster| match host_cluster {
            HostCluster::Known(host) => Some(host.clone()),
            HostCluster::Unknown => None,
        };
        self.all().into_iter().flat_map(|hosts| hosts.values()).filter_map(known).collect()
    }

    /// Whether there is a host cluster, or may be, whose connection is not known yet.
    pub fn has_unknown(&self) -> bool {
        self.all().is_none_or(|hosts| hosts.values().any(|host| matches!(host, HostCluster::Unknown)))
    }

    /// The name of the host cluster, where there is a single one.
    pub fn only(&self) -> Option<&str> {
        let all = self.all()?;
        all.keys().next().filter(|_| all.len() == 1).map(String::as_str)
    }

    /// The names of all host clusters; none while they are not known yet.
    pub fn names(&self) -> Option<Vec<&str>> {
        Some(self.all()?.keys().map(String::as_str).collect())
    }

    fn all(&self) -> Option<&BTreeMap<String, HostCluster>> {
        self.0.get().and_then(HostClusters::all)
    }
}
