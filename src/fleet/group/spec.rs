//! What the hosts keep of one cluster group, with every default filled in, so that those who use the group need nothing
//! else, and an import finds what the user wrote.
//!
//! Owns the digest over it that a plan compares, and what virtual clusters follow. Pure.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::domain::amounts::Amounts;
use crate::domain::capacity::Rules;
use crate::domain::distro::Distro;
use crate::domain::endpoint::EndpointType;
use crate::domain::hard::{self, Hard};
use crate::domain::limit::Limit;
use crate::domain::quantity::Quantity;
use crate::domain::revision;
use crate::domain::shares::{Bounds, Shares};
use crate::domain::size::Size;
use crate::domain::toleration::Toleration;
use crate::fleet::compute::Compute;
use crate::fleet::terms::Terms;

/// The revision of a group whose records on the hosts are not what was applied.
pub const DRIFTED: &str = "drifted";

/// One group as it is to be. Quantities are kept as the user wrote them. Debug leaves out `values`, which may hold a user's
/// secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSpec {
    pub description: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// Exact version of vCluster and its chart.
    pub vcluster_version: String,
    /// Where the chart came from. Not part of the revision: a mirror changes nothing.
    pub chart_source: String,
    /// User name for the chart's source. Not part of the revision either.
    pub chart_username: Option<String>,
    /// `sha256:` digest of the chart.
    pub chart_digest: String,
    pub distro: String,
    pub kubernetes_version: Option<String>,
    /// Text of a `vcluster.yaml`.
    pub values: Option<String>,
    /// Places in `values` that virtual clusters may set. None: all, as long as what comes of it is safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_values: Option<MemberValues>,
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
    pub endpoint_type: String,
    pub oversubscription_percent: u32,
    /// None, like a part that is none: unlimited.
    pub quota: Option<GroupLimit>,
    /// What each owner may have of it. None: whoever comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<GroupShares>,
    pub defaults: GroupSize,
    pub minimums: GroupSize,
    /// What one virtual cluster may have. None: whatever fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximums: Option<GroupLimit>,
    /// By key.
    pub host_clusters: BTreeMap<String, GroupHost>,
}

/// Which `values` the virtual clusters of a group may set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MemberValues {
    /// Places, sorted. Empty: none. A list by itself would be left out of a digest where it is empty.
    pub paths: Vec<String>,
}

/// A size as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSize {
    pub cpu: String,
    pub memory: String,
    pub storage: String,
    #[serde(default, skip_serializing_if = "Hard::is_empty")]
    pub hard: Hard,
}

/// What there may be at most, as the user wrote it. A part that is none is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupLimit {
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub storage: Option<String>,
    #[serde(default, skip_serializing_if = "Hard::is_empty")]
    pub hard: Hard,
    /// How many virtual clusters there may be, which is nothing to say of a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_clusters: Option<u32>,
}

/// What each owner may have of a quota.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupShares {
    /// The label that says whose a virtual cluster is.
    pub label: String,
    /// None: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<GroupLimit>,
    /// By the label's value. What one leaves open is as in the default.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exceptions: BTreeMap<String, GroupLimit>,
}

/// What a group says of one of its hosts.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupHost {
    pub host_dns: Option<String>,
    /// None: unlimited.
    pub storage: Option<String>,
    /// None: the configuration has no `reserved`.
    pub reserved: Option<Reserved>,
    /// The size that it may grow to. None, like a part that is none: what its nodes have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Compute>,
    pub storage_class: Option<String>,
    pub node_selector: BTreeMap<String, String>,
    /// As [`Toleration`] writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<String>,
    /// Text of a `vcluster.yaml`.
    pub values: Option<String>,
}

/// What is kept back on a host. None: nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reserved {
    pub cpu: Option<String>,
    pub memory: Option<String>,
}

impl fmt::Debug for GroupSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut spec = f.debug_struct("GroupSpec");
        spec.field("vcluster_version", &self.vcluster_version).field("chart_digest", &self.chart_digest);
        spec.field("endpoint_type", &self.endpoint_type).field("host_clusters", &self.host_clusters);
        spec.finish_non_exhaustive()
    }
}

impl fmt::Debug for GroupHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut host = f.debug_struct("GroupHost");
        host.field("host_dns", &self.host_dns).field("storage", &self.storage).finish_non_exhaustive()
    }
}

impl GroupSpec {
    /// Digest of all that the hosts keep, but where the chart came from. Two spellings of the same quantity have the same
    /// one.
    pub fn revision(&self) -> String {
        let mut canonical = self.clone();
        canonical.chart_source = String::new();
        canonical.chart_username = None;
        let shares = canonical.shares.iter_mut();
        let shares = shares.flat_map(|shares| shares.exceptions.values_mut().chain(&mut shares.default));
        let limits = [&mut canonical.quota, &mut canonical.maximums].into_iter().flatten();
        limits.chain(shares).for_each(GroupLimit::canonicalize);
        for size in [&mut canonical.defaults, &mut canonical.minimums] {
            [&mut size.cpu, &mut size.memory, &mut size.storage].into_iter().for_each(canonicalize);
            size.hard.values_mut().for_each(canonicalize);
        }
        for host in canonical.host_clusters.values_mut() {
            host.storage.iter_mut().for_each(canonicalize);
            let reserved = host.reserved.as_mut().map(|reserved| [&mut reserved.cpu, &mut reserved.memory]);
            reserved.into_iter().flatten().flatten().for_each(canonicalize);
            host.capacity.iter_mut().for_each(Compute::canonicalize);
        }
        revision::digest(&canonical)
    }

    /// What virtual clusters on the host with that key follow; none if the group does not have it.
    pub fn followed(&self, host_key: &str) -> Option<Followed> {
        let host = self.host_clusters.get(host_key)?;
        Some(Followed {
            endpoint_type: self.endpoint_type.clone(),
            host_dns: host.host_dns.clone(),
            kubernetes_version: self.kubernetes_version.clone(),
            group_values: self.values.clone(),
            host_values: host.values.clone(),
            node_selector: host.node_selector.clone(),
            tolerations: host.tolerations.clone(),
            member_values: self.member_values.clone(),
            terms: self.terms.clone(),
        })
    }

    /// What the host with that key can carry by the rules of the group; none if the group does not have it.
    pub fn rules(&self, host_key: &str) -> Option<Rules> {
        let host = self.host_clusters.get(host_key)?;
        let reserved = host.reserved.as_ref();
        let cpu = reserved.and_then(|reserved| reserved.cpu.as_ref()).and_then(|cpu| cpu.parse().ok());
        let memory = reserved.and_then(|reserved| reserved.memory.as_ref()).and_then(|memory| memory.parse().ok());
        Some(Rules {
            grows_to: host.capacity.as_ref().map(Compute::stated).unwrap_or_default(),
            reserved_cpu: cpu.unwrap_or_default(),
            reserved_memory: memory.unwrap_or_default(),
            oversubscription_percent: self.oversubscription_percent,
            storage: host.storage.as_ref().and_then(|storage| storage.parse().ok()),
            node_selector: host.node_selector.clone(),
            tolerations: tolerations(&host.tolerations),
            ..Rules::default()
        })
    }

    /// What its virtual clusters may have together, and those of each owner.
    pub fn bounds(&self) -> Bounds {
        let total = self.quota.as_ref().map_or(Limit::UNLIMITED, GroupLimit::limit);
        Bounds { total, shares: self.shares.as_ref().map(GroupShares::shares) }
    }

    /// What one of them may have.
    pub fn maximum(&self) -> Limit {
        self.maximums.as_ref().map_or(Limit::UNLIMITED, GroupLimit::limit)
    }

    /// What one of them may have beside CPU, memory and storage.
    pub fn maximum_hard(&self) -> Hard {
        self.maximums.as_ref().map(|maximums| maximums.hard.clone()).unwrap_or_default()
    }

    /// What a new virtual cluster of `size` gets of that where it says nothing.
    pub fn given_hard(&self, size: &Size) -> Hard {
        hard::given(size, &self.defaults.hard, &self.maximum_hard())
    }

    /// The size of a virtual cluster that sets none.
    pub fn default_size(&self) -> Option<Size> {
        self.defaults.size()
    }

    /// What a virtual cluster must have at least of CPU, memory and storage.
    pub fn minimum_size(&self) -> Option<Size> {
        self.minimums.size()
    }

    /// What a virtual cluster must have at least of everything that is accounted for.
    pub fn minimum(&self) -> Amounts {
        let size = self.minimum_size().unwrap_or(Size::MINIMUM);
        Amounts { size, virtual_clusters: 1, extended: hard::extended(&self.minimums.hard) }
    }

    /// The version of vCluster and its chart.
    pub fn version(&self) -> Option<Version> {
        Version::parse(&self.vcluster_version).ok()
    }

    /// The distribution inside the virtual clusters.
    pub fn distribution(&self) -> Option<Distro> {
        Distro::from_str(&self.distro).ok()
    }

    /// How the virtual clusters are reached.
    pub fn endpoint(&self) -> Option<EndpointType> {
        EndpointType::from_str(&self.endpoint_type).ok()
    }
}

impl GroupSize {
    /// In units; none if a quantity is malformed, which validation has refused.
    fn size(&self) -> Option<Size> {
        Some(Size {
            cpu: self.cpu.parse().ok()?,
            memory: self.memory.parse().ok()?,
            storage: self.storage.parse().ok()?,
        })
    }
}

/// What a group's virtual clusters on one host follow: a change of it reaches them with their next apply.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followed {
    pub endpoint_type: String,
    pub host_dns: Option<String>,
    pub kubernetes_version: Option<String>,
    /// Texts of `vcluster.yaml`s; the host's are merged over the group's.
    pub group_values: Option<String>,
    pub host_values: Option<String>,
    pub node_selector: BTreeMap<String, String>,
    /// As [`Toleration`] writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<String>,
    /// Places in `values` that virtual clusters may set. None: all, as long as what comes of it is safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_values: Option<MemberValues>,
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
}

/// Leaves out the values, which may hold a user's secrets.
impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed").field("endpoint_type", &self.endpoint_type).finish_non_exhaustive()
    }
}

impl Followed {
    /// A digest that differs when anything of it does.
    pub fn digest(&self) -> String {
        revision::digest(self)
    }
}

impl GroupLimit {
    fn limit(&self) -> Limit {
        Limit {
            cpu: self.cpu.as_ref().and_then(|cpu| cpu.parse().ok()),
            memory: self.memory.as_ref().and_then(|memory| memory.parse().ok()),
            storage: self.storage.as_ref().and_then(|storage| storage.parse().ok()),
            virtual_clusters: self.virtual_clusters.map(u64::from),
            extended: hard::extended_limits(&self.hard),
            unnamed: None,
        }
    }

    fn canonicalize(&mut self) {
        [&mut self.cpu, &mut self.memory, &mut self.storage].into_iter().flatten().for_each(canonicalize);
        self.hard.values_mut().for_each(canonicalize);
    }
}

impl GroupShares {
    fn shares(&self) -> Shares {
        let exceptions = self.exceptions.iter().map(|(owner, limit)| (owner.clone(), limit.limit()));
        let default = self.default.as_ref().map_or(Limit::UNLIMITED, GroupLimit::limit);
        Shares::new(&self.label, default, exceptions)
    }
}

/// The tolerations that are stored there. One that a later version has written, and this one cannot read, is none.
pub fn tolerations(stored: &[String]) -> Vec<Toleration> {
    stored.iter().filter_map(|text| text.parse().ok()).collect()
}

/// One spelling for all texts of the same quantity. Nobody reads it.
pub fn canonicalize(text: &mut String) {
    if let Ok(quantity) = text.parse::<Quantity>() {
        *text = format!("{quantity:?}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::capacity::Stated;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::host::formats::tests::check_later_fields_are_kept;

    pub(crate) fn spec() -> GroupSpec {
        let size = |cpu: &str, memory: &str, storage: &str| GroupSize {
            cpu: cpu.into(),
            memory: memory.into(),
            storage: storage.into(),
            hard: Hard::new(),
        };
        let eu = GroupHost {
            host_dns: Some("*.eu.example.com".into()),
            storage: Some("500Gi".into()),
            reserved: Some(Reserved { cpu: Some("8".into()), memory: None }),
            capacity: Some(Compute { cpu: Some("64".into()), ..Compute::default() }),
            storage_class: Some("fast".into()),
            node_selector: BTreeMap::from([("pool".to_owned(), "dev".to_owned())]),
            tolerations: vec!["dedicated=tenants:NoSchedule".into()],
            values: Some("a: 1".into()),
        };
        GroupSpec {
            description: Some("for all".into()),
            labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            vcluster_version: "0.34.7".into(),
            chart_source: "https://charts.loft.sh".into(),
            chart_username: None,
            chart_digest: "sha256:0".into(),
            distro: "k8s".into(),
            kubernetes_version: None,
            values: None,
            member_values: None,
            terms: Terms { pod_security: Some("baseline".into()), ..Terms::default() },
            endpoint_type: "LoadBalancer".into(),
            oversubscription_percent: 120,
            quota: Some(GroupLimit { cpu: Some("64".into()), ..GroupLimit::default() }),
            shares: None,
            defaults: size("4", "4Gi", "2Gi"),
            minimums: size("3", "3Gi", "0"),
            maximums: None,
            host_clusters: BTreeMap::from([("eu-1".to_owned(), eu), ("us-1".to_owned(), GroupHost::default())]),
        }
    }

    fn host(spec: &mut GroupSpec) -> &mut GroupHost {
        spec.host_clusters.get_mut("eu-1").unwrap()
    }

    #[track_caller]
    fn check_revision(change: impl FnOnce(&mut GroupSpec), changes: bool) {
        let mut changed = spec();
        change(&mut changed);
        assert_eq!(spec().revision() != changed.revision(), changes, "{changed:?}");
    }

    pub(crate) fn with_shares() -> GroupSpec {
        let limit = |cpu: &str| GroupLimit { cpu: Some(cpu.into()), ..GroupLimit::default() };
        let hard = [("requests.nvidia.com/gpu".to_owned(), "4".to_owned())].into();
        let platform = GroupLimit { hard, virtual_clusters: Some(9), ..limit("32") };
        let shares = GroupShares {
            label: "team".into(),
            default: Some(limit("8")),
            exceptions: [("platform".to_owned(), platform)].into(),
        };
        GroupSpec { shares: Some(shares), ..spec() }
    }

    #[test]
    fn what_a_later_version_has_added_anywhere_is_kept() {
        let maps = ["labels", "host_clusters", "node_selector", "hard", "exceptions"];
        check_later_fields_are_kept(&with_shares(), &maps);
    }

    #[test]
    fn a_share_is_read_in_units() {
        let shares = with_shares().bounds().shares.unwrap();
        let of = |cpu| Limit { cpu: Some(Millicores(cpu)), ..Limit::UNLIMITED };
        let expected = Limit { virtual_clusters: Some(9), extended: gpus(4), ..of(32_000) };
        assert_eq!((shares.limit("platform"), shares.limit("web")), (expected, of(8000)));
    }

    #[track_caller]
    fn check_followed(change: impl FnOnce(&mut GroupSpec), on_eu: bool, on_us: bool) {
        let mut changed = spec();
        change(&mut changed);
        let differs = |key: &str| {
            let digest = |spec: &GroupSpec| spec.followed(key).map(|followed| followed.digest());
            digest(&changed) != digest(&spec())
        };
        assert_eq!((differs("eu-1"), differs("us-1")), (on_eu, on_us), "{changed:?}");
    }

    #[test]
    fn what_released_versions_have_stored_has_the_same_revision() {
        let stored = include_str!("../../../tests/fixtures/formats/0.1/cluster-group.json");
        let document: serde_json::Value = serde_json::from_str(stored).unwrap();
        let spec: GroupSpec = serde_json::from_value(document["spec"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&spec).unwrap(), document["spec"], "a field is stored in another form");
        assert_eq!(spec.revision(), "2ad3c3691392d89a");
        assert_eq!(spec.followed("eu-1").unwrap().digest(), "631727fe9346a05c");
    }

    #[test]
    fn revision_follows_what_is_kept() {
        check_revision(|spec| spec.description = None, true);
        check_revision(|spec| spec.oversubscription_percent = 100, true);
        check_revision(|spec| spec.quota = None, true);
        check_revision(|spec| spec.minimums.cpu = "2".into(), true);
        check_revision(|spec| drop(spec.defaults.hard.insert("pods".into(), "5".into())), true);
        check_revision(
            |spec| spec.maximums = Some(GroupLimit { cpu: Some("8".into()), ..GroupLimit::default() }),
            true,
        );
        check_revision(|spec| host(spec).storage = None, true);
        check_revision(|spec| host(spec).reserved = None, true);
        check_revision(|spec| drop(spec.host_clusters.remove("us-1")), true);
        check_revision(|spec| host(spec).node_selector.clear(), true);
        check_revision(|spec| host(spec).tolerations.clear(), true);
        check_revision(|spec| host(spec).capacity = None, true);
        check_revision(|spec| spec.shares = with_shares().shares, true);
        check_revision(|spec| spec.quota.as_mut().unwrap().virtual_clusters = Some(5), true);
    }

    #[test]
    fn revision_ignores_spelling_and_source() {
        check_revision(|spec| spec.quota.as_mut().unwrap().cpu = Some("64000m".into()), false);
        check_revision(|spec| spec.defaults.memory = "4096Mi".into(), false);
        check_revision(|spec| host(spec).storage = Some("512000Mi".into()), false);
        check_revision(|spec| host(spec).reserved.as_mut().unwrap().cpu = Some("8000m".into()), false);
        check_revision(|spec| host(spec).capacity.as_mut().unwrap().cpu = Some("64000m".into()), false);
        let default = |cpu: &str| {
            let mut spec = with_shares();
            spec.shares.as_mut().unwrap().default.as_mut().unwrap().cpu = Some(cpu.into());
            spec.revision()
        };
        assert_eq!(default("8"), default("8000m"));
        check_revision(|spec| spec.chart_source = "/mirror".into(), false);
        check_revision(|spec| spec.chart_username = Some("me".into()), false);
    }

    #[test]
    fn virtual_clusters_follow_what_can_change_and_nothing_else() {
        check_followed(|spec| spec.endpoint_type = "NodePort".into(), true, true);
        check_followed(|spec| spec.kubernetes_version = Some("1.35.0".into()), true, true);
        check_followed(|spec| spec.values = Some("b: 1".into()), true, true);
        check_followed(|spec| spec.terms.count_limits = Some(true), true, true);
        check_followed(|spec| spec.terms.priority_classes = Some(vec!["batch".into()]), true, true);
        check_followed(|spec| host(spec).values = None, true, false);
        check_followed(|spec| host(spec).host_dns = None, true, false);
        check_followed(|spec| host(spec).node_selector.clear(), true, false);
        check_followed(|spec| host(spec).tolerations.clear(), true, false);
        check_followed(|spec| host(spec).capacity = None, false, false);
        check_followed(|spec| drop(spec.host_clusters.remove("us-1")), false, true);
        check_followed(|spec| spec.defaults.cpu = "8".into(), false, false);
        check_followed(|spec| drop(spec.defaults.hard.insert("pods".into(), "5".into())), false, false);
        check_followed(|spec| spec.maximums = Some(GroupLimit::default()), false, false);
        check_followed(|spec| spec.shares = with_shares().shares, false, false);
        check_followed(|spec| spec.oversubscription_percent = 100, false, false);
        check_followed(|spec| host(spec).storage_class = None, false, false);
    }

    #[test]
    fn a_spec_survives_the_way_through_a_record() {
        let record = serde_json::to_value(spec()).unwrap();
        assert_eq!(serde_json::from_value::<GroupSpec>(record).unwrap(), spec());
    }

    #[test]
    fn sizes_are_read_in_units() {
        assert_eq!((spec().default_size(), spec().minimum_size()), (Some(Size::DEFAULT), Some(Size::MINIMUM)));
        assert_eq!(spec().bounds(), Limit { cpu: Some(Millicores(64_000)), ..Limit::UNLIMITED }.into());
        assert_eq!(GroupSpec { quota: None, ..spec() }.bounds(), Bounds::UNLIMITED);
        let eu = Rules {
            grows_to: Stated { cpu: Some(Millicores(64_000)), ..Stated::default() },
            reserved_cpu: Millicores(8000),
            storage: Some(Bytes(500 << 30)),
            node_selector: BTreeMap::from([("pool".to_owned(), "dev".to_owned())]),
            tolerations: vec!["dedicated=tenants:NoSchedule".parse().unwrap()],
            ..Rules::default()
        };
        assert_eq!(spec().rules("eu-1"), Some(eu));
        assert_eq!(spec().rules("us-1"), Some(Rules::default()));
        assert_eq!(spec().rules("elsewhere"), None);
    }
}
