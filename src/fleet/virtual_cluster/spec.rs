//! What is applied for one virtual cluster, with every default filled in. It is kept in the virtual cluster's record on
//! the host, so that an import finds what the user wrote.
//!
//! Owns the digest over it that a plan compares, and how the virtual cluster is reached. Pure.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeMap;
use std::str::FromStr;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::domain::distro::Distro;
use crate::domain::endpoint::{EndpointType, host_name};
use crate::domain::hard::{self, Hard};
use crate::domain::isolation::PodSecurity;
use crate::domain::revision;
use crate::domain::size::Size;
use crate::domain::transition::Load;
use crate::domain::values::VirtualClusterSpec;
use crate::fleet::compute::Compute;
use crate::fleet::group::spec::{Followed, canonicalize, tolerations};
use crate::fleet::terms::Terms;
use crate::host::access::Exposure;
use crate::host::formats::renewed;
use crate::host::record::{Record, Share};

/// The revision of a virtual cluster whose last apply was cut off.
pub const UNFINISHED: &str = "unfinished";

/// One virtual cluster as it is to be. Quantities are kept as the user wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Version of the mapping from these attributes to chart values.
    pub mapping: u32,
    /// Exact version of vCluster and its chart.
    pub vcluster_version: String,
    /// Where the chart came from. Not part of the revision: a mirror changes nothing.
    pub chart_source: String,
    /// User name for the chart's source.
    pub chart_username: Option<String>,
    /// `sha256:` digest of the chart.
    pub chart_digest: String,
    pub distro: String,
    pub kubernetes_version: Option<String>,
    pub endpoint_type: String,
    pub host_dns: Option<String>,
    /// Text of a `vcluster.yaml`.
    pub values: Option<String>,
    pub cpu: String,
    pub memory: String,
    pub storage: String,
    /// Size of the control plane's volume, fixed when it was created. None: no volume.
    pub volume: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Not part of the revision: it is read live.
    pub paused: bool,
    /// The group that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_group: Option<String>,
    /// What follows the group, as it was when it was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Followed>,
    /// Storage class of the control plane's volume, fixed when it was created. None: the host's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// What its host promises, where it is in no group. Not part of the revision: no object depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_capacity: Option<Compute>,
    #[serde(default, skip_serializing_if = "Terms::is_empty")]
    pub terms: Terms,
    /// What it is to have beside CPU, memory and storage, as a ResourceQuota names it.
    #[serde(default, skip_serializing_if = "Hard::is_empty")]
    pub hard: Hard,
    /// What its group gave it of that when it was created, fixed then.
    #[serde(default, skip_serializing_if = "Hard::is_empty")]
    pub given_hard: Hard,
    /// The revision that the host carries in full; none while an apply is under way or was cut off.
    pub applied: Option<String>,
}

impl Spec {
    /// The spec with what follows the group taken from there.
    pub fn following(self, followed: Followed) -> Self {
        Self {
            endpoint_type: followed.endpoint_type.clone(),
            host_dns: followed.host_dns.clone(),
            followed: Some(followed),
            ..self
        }
    }

    /// The size in units, where the quantities are well-formed.
    pub fn size(&self) -> Option<Size> {
        Some(Size {
            cpu: self.cpu.parse().ok()?,
            memory: self.memory.parse().ok()?,
            storage: self.storage.parse().ok()?,
        })
    }

    /// What the mapping to chart values needs, for the virtual cluster at `place`. None if a value is malformed, which
    /// validation has refused.
    pub fn typed(&self, place: &Place) -> Option<VirtualClusterSpec> {
        let host_name = |dns: &String| host_name(&place.name, dns).ok();
        let distro = Distro::from_str(&self.distro).ok()?;
        let image_tag = |version: &String| distro.image_tag(version).ok();
        let of_group = self.followed.as_ref().and_then(|followed| followed.kubernetes_version.as_ref());
        let kubernetes_version = self.kubernetes_version.as_ref().or(of_group);
        let node_selector = self.followed.as_ref().map(|followed| followed.node_selector.clone());
        let Terms { count_limits, priority_classes, .. } =
            self.followed.as_ref().map_or(&self.terms, |followed| &followed.terms).clone();
        let tolerations = self.followed.as_ref().map(|followed| tolerations(&followed.tolerations));
        Some(VirtualClusterSpec {
            name: place.name.clone(),
            namespace: place.namespace.clone(),
            vcluster_version: Version::parse(&self.vcluster_version).ok()?,
            size: self.size()?,
            hard: self.effective_hard(),
            priority_classes: priority_classes.unwrap_or_default(),
            count_limits: count_limits == Some(true),
            volume: self.volume.as_ref().and_then(|volume| volume.parse().ok()),
            storage_class: self.storage_class.clone(),
            endpoint_type: EndpointType::from_str(&self.endpoint_type).ok()?,
            host_name: self.host_dns.as_ref().and_then(host_name),
            distro,
            kubernetes_version: kubernetes_version.and_then(image_tag),
            node_selector: node_selector.unwrap_or_default(),
            pod_security: self.pod_security().unwrap_or_default(),
            network_isolation: self.network_isolation(),
            tolerations: tolerations.unwrap_or_default(),
        })
    }

    /// The Pod Security Standard that is asked for: its group's, or its own where that is stricter. None: nobody has said.
    pub fn pod_security(&self) -> Option<PodSecurity> {
        let of_group = self.followed.as_ref().and_then(|followed| followed.terms.pod_security());
        self.terms.pod_security().max(of_group)
    }

    /// Whether it or its group asks for network policies.
    pub fn network_isolation(&self) -> bool {
        let of_group = self.followed.as_ref().and_then(|followed| followed.terms.network_isolation);
        [self.terms.network_isolation, of_group].contains(&Some(true))
    }

    /// Digest of everything that decides what is applied. Two texts of the same values, and two spellings of the same
    /// size, have the same one.
    pub fn revision(&self) -> String {
        self.revision_following(self.followed.as_ref().map(Followed::digest).as_deref())
    }

    /// The revision, where only the digest is known of what follows the group.
    pub fn revision_following(&self, followed: Option<&str>) -> String {
        let mut canonical = self.clone();
        canonical.chart_source = String::new();
        canonical.chart_username = None;
        canonical.paused = false;
        canonical.applied = None;
        canonical.volume = None;
        canonical.storage_class = None;
        canonical.given_hard.clear();
        canonical.hard.values_mut().for_each(canonicalize);
        canonical.host_capacity = None;
        canonical.followed = None;
        if self.cluster_group.is_some() {
            // Part of what follows the group.
            canonical.endpoint_type = String::new();
            canonical.host_dns = None;
        }
        if let Some(size) = self.size() {
            canonical.cpu = size.cpu.to_string();
            canonical.memory = size.memory.to_string();
            canonical.storage = size.storage.to_string();
        }
        revision::digest(&(canonical, followed))
    }

    /// What a virtual cluster of this spec takes. None if a quantity is malformed, which validation has refused.
    pub fn share(&self) -> Option<Share> {
        let extended = hard::extended(&self.effective_hard());
        let load = Load { size: self.size()?, extended, paused: self.paused };
        Some(Share::new(self.cluster_group.clone(), &self.labels, load))
    }

    /// What it has beside CPU, memory and storage: as it says, or else as its group gave it.
    fn effective_hard(&self) -> Hard {
        hard::merged(&self.given_hard, &self.hard)
    }

    /// How a virtual cluster of this spec is reached that is called `name`.
    pub fn exposure(&self, name: &str) -> Exposure {
        let own_name = self.host_dns.as_ref().and_then(|dns| host_name(name, dns).ok());
        match (self.endpoint_type.parse(), own_name) {
            (Ok(EndpointType::Ingress | EndpointType::LoadBalancer), Some(host)) => Exposure::Ingress { host },
            (Ok(EndpointType::NodePort), _) => Exposure::NodePort,
            (Ok(EndpointType::ClusterIp), _) => Exposure::ClusterIp,
            _ => Exposure::LoadBalancer,
        }
    }

    /// Has the record say that all of this is applied.
    pub fn mark_applied(&self, record: &mut Record) {
        let applied = Self { applied: Some(self.revision()), ..self.clone() };
        record.spec = renewed(&record.spec, &applied);
    }
}

/// The `id` of a virtual cluster.
pub fn id(host_cluster: &str, namespace: &str, name: &str) -> String {
    format!("{host_cluster}/{namespace}/{name}")
}

/// Where a virtual cluster is: everything of its `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub host_cluster: String,
    pub namespace: String,
    pub name: String,
}

impl Place {
    /// Reads an `id`. Its host cluster's key may hold a `/`; a namespace and a name cannot.
    pub fn parse(id: &str) -> Option<Self> {
        let (rest, name) = id.rsplit_once('/')?;
        let (host_cluster, namespace) = rest.rsplit_once('/')?;
        let parts = [host_cluster, namespace, name];
        parts.iter().all(|part| !part.is_empty()).then(|| Self {
            host_cluster: host_cluster.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The `id`.
    pub fn id(&self) -> String {
        id(&self.host_cluster, &self.namespace, &self.name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::host::formats::tests::check_later_fields_are_kept;

    pub(crate) fn spec() -> Spec {
        Spec {
            mapping: 1,
            vcluster_version: "0.34.7".into(),
            chart_source: "https://charts.loft.sh".into(),
            chart_username: None,
            chart_digest: "sha256:0".into(),
            distro: "k8s".into(),
            kubernetes_version: None,
            endpoint_type: "LoadBalancer".into(),
            host_dns: None,
            values: None,
            cpu: "4".into(),
            memory: "4Gi".into(),
            storage: "2Gi".into(),
            volume: Some("512Mi".into()),
            labels: BTreeMap::from([("team".to_owned(), "a".to_owned())]),
            annotations: BTreeMap::new(),
            paused: false,
            cluster_group: None,
            followed: None,
            storage_class: None,
            host_capacity: Some(Compute { cpu: Some("8".into()), ..Compute::default() }),
            terms: Terms { pod_security: Some("baseline".into()), ..Terms::default() },
            hard: Hard::new(),
            given_hard: Hard::new(),
            applied: None,
        }
    }

    #[track_caller]
    fn check_fixture(stored: &str, expected: &str) {
        let document: serde_json::Value = serde_json::from_str(stored).unwrap();
        let spec: Spec = serde_json::from_value(document["spec"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&spec).unwrap(), document["spec"], "a field is stored in another form");
        assert_eq!(spec.revision(), expected, "{}", document["name"]);
        // An apply that is cut off leaves none.
        assert!(spec.applied.is_none_or(|applied| applied == expected), "{}", document["name"]);
    }

    #[test]
    fn what_released_versions_have_applied_has_the_same_revision() {
        check_fixture(
            include_str!("../../../tests/fixtures/formats/0.1/virtual-cluster.ungrouped.json"),
            "11a56746d11c4f71",
        );
        check_fixture(
            include_str!("../../../tests/fixtures/formats/0.1/virtual-cluster.paused.json"),
            "11a56746d11c4f71",
        );
        check_fixture(
            include_str!("../../../tests/fixtures/formats/0.1/virtual-cluster.grouped.json"),
            "db8b818035f57cf6",
        );
        check_fixture(
            include_str!("../../../tests/fixtures/formats/0.1/virtual-cluster.unfinished.json"),
            "7f0e1642f08167a5",
        );
    }

    #[track_caller]
    fn check_revision(change: impl FnOnce(&mut Spec), changes: bool) {
        let mut changed = spec();
        change(&mut changed);
        assert_eq!(spec().revision() != changed.revision(), changes, "{changed:?}");
    }

    #[test]
    fn revision_follows_what_is_applied() {
        check_revision(|spec| spec.cpu = "5".into(), true);
        check_revision(|spec| spec.values = Some("{}".into()), true);
        check_revision(|spec| spec.mapping = 2, true);
        check_revision(|spec| spec.terms.count_limits = Some(true), true);
        check_revision(|spec| drop(spec.hard.insert("pods".into(), "5".into())), true);
        check_revision(|spec| spec.labels.clear(), true);
    }

    #[test]
    fn revision_ignores_spelling_source_and_pause() {
        check_revision(|spec| spec.memory = "4096Mi".into(), false);
        check_revision(|spec| spec.cpu = "4000m".into(), false);
        check_revision(|spec| spec.chart_source = "/mirror".into(), false);
        check_revision(|spec| spec.paused = true, false);
        check_revision(|spec| spec.volume = None, false);
        check_revision(|spec| spec.applied = Some("x".into()), false);
        check_revision(|spec| spec.storage_class = Some("fast".into()), false);
        check_revision(|spec| drop(spec.given_hard.insert("pods".into(), "5".into())), false);
        let of = |amount: &str| Spec { hard: [("pods".to_owned(), amount.to_owned())].into(), ..spec() }.revision();
        assert_eq!(of("1000"), of("1k"));
        check_revision(|spec| spec.host_capacity = None, false);
    }

    #[test]
    fn the_revision_of_a_virtual_cluster_in_a_group_follows_the_group() {
        let in_group = Spec { cluster_group: Some("dev".into()), ..spec() };
        let of = |endpoint_type: &str| Followed { endpoint_type: endpoint_type.into(), ..Followed::default() };
        let (before, after) = (in_group.clone().following(of("Ingress")), in_group.clone().following(of("NodePort")));
        assert_ne!(before.revision(), after.revision());
        let digest = of("NodePort").digest();
        assert_eq!(before.revision_following(Some(&digest)), after.revision(), "a plan knows the digest only");
    }

    #[test]
    fn what_a_later_version_has_added_anywhere_is_kept() {
        let terms = Terms { count_limits: Some(true), ..spec().terms };
        let followed = Followed { terms: terms.clone(), ..Followed::default() };
        let full = Spec { terms, followed: Some(followed), ..spec() };
        check_later_fields_are_kept(&full, &["labels", "annotations", "node_selector", "hard", "given_hard"]);
    }

    #[test]
    fn limits_count_where_the_group_or_a_virtual_cluster_without_one_says_so() {
        let place = Place { host_cluster: "eu-1".into(), namespace: "vcluster-a".into(), name: "a".into() };
        let counts = |spec: Spec| spec.typed(&place).unwrap().count_limits;
        let classes = |followed: Option<Vec<String>>| {
            let of = |priority_classes| Terms { priority_classes, ..Terms::default() };
            let own = Spec { terms: of(Some(vec!["own".into()])), ..spec() };
            let terms = of(followed);
            let of_group = Followed { endpoint_type: "ClusterIP".into(), terms, ..Followed::default() };
            own.following(of_group).typed(&place).unwrap().priority_classes
        };
        assert_eq!((classes(None), classes(Some(vec!["batch".into()]))), (vec![], vec!["batch".to_owned()]));
        let counting = |count_limits| Terms { count_limits, ..Terms::default() };
        let strict = || Spec { terms: counting(Some(true)), ..spec() };
        let of = |count_limits| Followed {
            terms: counting(count_limits),
            endpoint_type: "ClusterIP".into(),
            ..Followed::default()
        };
        assert_eq!((counts(spec()), counts(strict())), (false, true));
        assert_eq!((counts(spec().following(of(Some(true)))), counts(strict().following(of(None)))), (true, false));
    }

    #[test]
    fn what_it_says_wins_over_what_its_group_gave() {
        let place = Place { host_cluster: "eu-1".into(), namespace: "vcluster-a".into(), name: "a".into() };
        let hard = |entries: &[(&str, &str)]| -> Hard {
            entries.iter().map(|(name, amount)| ((*name).to_owned(), (*amount).to_owned())).collect()
        };
        let spec =
            Spec { hard: hard(&[("pods", "5")]), given_hard: hard(&[("pods", "9"), ("secrets", "3")]), ..spec() };
        assert_eq!(spec.typed(&place).unwrap().hard, hard(&[("pods", "5"), ("secrets", "3")]));
        let gpus = |amount: &str| hard(&[("requests.nvidia.com/gpu", amount)]);
        let takes =
            |own, given| Spec { hard: own, given_hard: given, ..super::tests::spec() }.share().unwrap().load.extended;
        assert_eq!(takes(Hard::new(), gpus("2")), [("nvidia.com/gpu".into(), 2)].into());
        assert_eq!(takes(gpus("0"), gpus("2")), [].into());
        let labels = |cluster_group| Spec { cluster_group, ..super::tests::spec() }.share().unwrap().labels;
        assert_eq!((labels(None).len(), labels(Some("dev".to_owned())).len()), (0, 1), "nobody asks without a group");
    }

    #[test]
    fn of_a_group_and_its_virtual_cluster_the_stricter_isolation_counts() {
        let isolated = |level: Option<&str>, network_isolation| Terms {
            pod_security: level.map(str::to_owned),
            network_isolation,
            ..Terms::default()
        };
        let check = |own: Terms, group: Option<Terms>, expected: (Option<PodSecurity>, bool)| {
            let followed = group.map(|terms| Followed { terms, ..Followed::default() });
            let spec = Spec { terms: own, followed, ..spec() };
            assert_eq!((spec.pod_security(), spec.network_isolation()), expected, "{spec:?}");
        };
        let (baseline, restricted) = (Some(PodSecurity::Baseline), Some(PodSecurity::Restricted));
        let strict = || isolated(Some("restricted"), Some(true));
        check(isolated(None, None), None, (None, false));
        check(strict(), None, (restricted, true));
        check(isolated(None, None), Some(strict()), (restricted, true));
        check(isolated(Some("privileged"), Some(false)), Some(strict()), (restricted, true));
        check(strict(), Some(isolated(Some("baseline"), None)), (restricted, true));
        check(isolated(Some("privileged"), None), Some(isolated(Some("baseline"), Some(false))), (baseline, false));
    }

    #[test]
    fn ids_read_back() {
        let place = Place { host_cluster: "eu/1".into(), namespace: "vcluster-a".into(), name: "a".into() };
        assert_eq!(Place::parse(&place.id()), Some(place));
        for id in ["", "a", "a/b", "/b/c", "a//c", "a/b/"] {
            assert_eq!(Place::parse(id), None, "{id}");
        }
    }
}
