//! What is asked for of one virtual cluster, and what of it comes from its group. Pure.

use crate::domain::capacity::Stated;
use crate::domain::hard::{self, Hard};
use crate::domain::shares::Labels;
use crate::domain::size::Size;
use crate::domain::transition::Load;
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
    /// Everything else that it is to have, as a ResourceQuota names it.
    pub hard: Hard,
    /// What of that the group gives it. Empty until its group has said so.
    pub given_hard: Hard,
    /// Its labels.
    pub labels: Labels,
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
        self.given_hard = self.size().map(|size| group.given_hard(&size)).unwrap_or_default();
    }

    /// Takes from the group what follows it on the host, as far as nobody else says it.
    pub fn follow(&mut self, followed: &Followed) {
        self.endpoint_type.get_or_insert_with(|| followed.endpoint_type.clone());
        self.host_dns.get_or_insert_with(|| followed.host_dns.clone());
    }

    /// CPU, memory and storage. None while one of them is not known, or malformed.
    pub fn size(&self) -> Option<Size> {
        Some(Size {
            cpu: self.cpu.as_ref()?.parse().ok()?,
            memory: self.memory.as_ref()?.parse().ok()?,
            storage: self.storage.as_ref()?.parse().ok()?,
        })
    }

    /// What it takes. None while a part of its size is not known, or malformed.
    pub fn share(&self) -> Option<Share> {
        let extended = hard::extended(&hard::merged(&self.given_hard, &self.hard));
        let load = Load { size: self.size()?, extended, paused: self.paused };
        Some(Share::new(self.group.clone(), &self.labels, load))
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
        assert_eq!(wanted.share().unwrap().load.size, Size { cpu: "8".parse().unwrap(), ..Size::DEFAULT });
        assert_eq!(wanted.vcluster_version.as_deref(), Some("0.34.7"));
        assert_eq!(wanted.chart.unwrap().digest.as_deref(), Some("sha256:0"));
    }

    #[test]
    fn what_a_group_gives_of_extended_resources_is_taken_unless_it_says_otherwise() {
        let mut group = spec();
        group.defaults.hard = [("requests.nvidia.com/gpu".to_owned(), "2".to_owned())].into();
        let taken = |hard: &[(&str, &str)]| {
            let hard = hard.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect();
            let mut wanted = Wanted { hard, ..Wanted::default() };
            wanted.inherit(&group);
            wanted.share().unwrap().load.extended
        };
        assert_eq!(taken(&[]), [("nvidia.com/gpu".into(), 2)].into());
        assert_eq!(taken(&[("requests.nvidia.com/gpu", "1")]), [("nvidia.com/gpu".into(), 1)].into());
        assert_eq!(taken(&[("requests.nvidia.com/gpu", "0")]), [].into());
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
