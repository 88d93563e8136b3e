//! What is asked for of one virtual cluster, and what of it comes from its group. Pure.

use crate::domain::capacity::Stated;
use crate::domain::size::Size;
use crate::fleet::group::spec::{Followed, GroupSpec};
use crate::host::record::Share;

/// One virtual cluster as it is to be. What is none is the group's to say, or found out when it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its namespace on the host.
    pub namespace: String,
    /// Whether a namespace that is there already may be used: the user has named it.
    pub may_use_namespace: bool,
    /// The group that it is in.
    pub group: Option<String>,
    /// The host cluster that it is to be on.
    pub host: Option<String>,
    /// Exact version of vCluster and its chart.
    pub vcluster_version: Option<String>,
    /// Where the chart comes from.
    pub chart: Option<WantedChart>,
    /// The distribution.
    pub distro: Option<String>,
    /// CPU, memory and storage as quantities.
    pub cpu: Option<String>,
    /// See `cpu`.
    pub memory: Option<String>,
    /// See `cpu`.
    pub storage: Option<String>,
    /// What its host promises; only without a group.
    pub host_capacity: Stated,
    /// How it is reached.
    pub endpoint_type: Option<String>,
    /// The DNS names of its host; none inside: it has none.
    pub host_dns: Option<Option<String>>,
    /// Whether it is to be paused.
    pub paused: bool,
    /// Whether it is waited for.
    pub wait: bool,
}

/// Where a chart comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedChart {
    /// Its source.
    pub source: String,
    /// Its digest, once known.
    pub digest: Option<String>,
    /// User name for the source.
    pub username: Option<String>,
}

impl Wanted {
    /// Takes from the group what it says and nobody else does, as far as it does not depend on the host. It is fixed from
    /// now on.
    pub fn inherit(&mut self, group: &GroupSpec) {
        fn fill(value: &mut Option<String>, group: &str) {
            value.get_or_insert_with(|| group.to_owned());
        }
        fill(&mut self.vcluster_version, &group.vcluster_version);
        fill(&mut self.distro, &group.distro);
        self.chart.get_or_insert_with(|| WantedChart {
            source: group.chart_source.clone(),
            digest: Some(group.chart_digest.clone()),
            username: group.chart_username.clone(),
        });
        fill(&mut self.cpu, &group.defaults.cpu);
        fill(&mut self.memory, &group.defaults.memory);
        fill(&mut self.storage, &group.defaults.storage);
    }

    /// Takes from the group what follows it on the host, as far as nobody else says it.
    pub fn follow(&mut self, followed: &Followed) {
        self.endpoint_type.get_or_insert_with(|| followed.endpoint_type.clone());
        self.host_dns.get_or_insert_with(|| followed.host_dns.clone());
    }

    /// What it takes. None while a part of its size is not known, or malformed.
    pub fn share(&self) -> Option<Share> {
        let size = Size {
            cpu: self.cpu.as_ref()?.parse().ok()?,
            memory: self.memory.as_ref()?.parse().ok()?,
            storage: self.storage.as_ref()?.parse().ok()?,
        };
        Some(Share { group: self.group.clone(), size, paused: self.paused })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::group::spec::tests::spec;

    #[test]
    fn what_is_not_said_is_the_groups() {
        let mut wanted = Wanted { cpu: Some("8".into()), ..Wanted::default() };
        wanted.inherit(&spec());
        assert_eq!(wanted.share().unwrap().size, Size { cpu: "8".parse().unwrap(), ..Size::DEFAULT });
        assert_eq!(wanted.vcluster_version.as_deref(), Some("0.34.7"));
        assert_eq!(wanted.chart.unwrap().digest.as_deref(), Some("sha256:0"));
    }

    #[test]
    fn what_follows_the_group_fills_only_what_is_open() {
        let followed = spec().followed("eu-1").unwrap();
        let mut open = Wanted::default();
        open.follow(&followed);
        assert_eq!(open.endpoint_type.as_deref(), Some("LoadBalancer"));
        assert_eq!(open.host_dns, Some(Some("*.eu.example.com".to_owned())));
        let mut said = Wanted { endpoint_type: Some("NodePort".into()), host_dns: Some(None), ..Wanted::default() };
        said.follow(&followed);
        assert_eq!((said.endpoint_type.as_deref(), said.host_dns), (Some("NodePort"), Some(None)));
    }
}
