//! A node of a host cluster, and what keeps it from counting as capacity.
//!
//! Owns the reasons and their words. Never adds nodes up, and never asks a host.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::domain::amounts::{Amounts, Extended};
use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::Size;
use crate::domain::toleration::Toleration;

/// A node of a host cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `metadata.name`
    pub name: String,
    /// Allocatable CPU.
    pub cpu: Millicores,
    /// Allocatable memory.
    pub memory: Bytes,
    /// Allocatable amounts of resources that not every node has, such as `nvidia.com/gpu`.
    pub extended: Extended,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// Whether its kubelet says that it is Ready.
    pub is_ready: bool,
    /// Whether somebody has cordoned it.
    pub is_cordoned: bool,
    /// The taints that keep pods away. One that they only avoid is not among them.
    pub taints: Vec<Taint>,
}

/// A taint that keeps pods away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Never empty.
    pub key: String,
    /// May be empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// New ones are not scheduled.
    NoSchedule,
    /// New ones are scheduled elsewhere where that is possible.
    PreferNoSchedule,
    /// Those that run there are removed, too.
    NoExecute,
}

/// Why a node does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// Its kubelet does not say that it is Ready.
    NotReady,
    /// Somebody has cordoned it, as an upgrade of nodes does.
    Cordoned,
    /// A taint keeps pods away.
    Tainted(Taint),
    /// A label that is selected is missing, or has another value.
    Unlabelled {
        /// The label.
        key: String,
        /// The value that it is to have.
        value: String,
    },
}

/// Taints that Kubernetes itself puts on a node for what its state says already.
const OF_UNREADY: &[&str] = &["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const OF_CORDONED: &str = "node.kubernetes.io/unschedulable";

impl Node {
    /// What it can allocate.
    pub fn allocatable(&self) -> Amounts {
        let size = Size { cpu: self.cpu, memory: self.memory, ..Size::ZERO };
        Amounts { size, virtual_clusters: 0, extended: self.extended.clone() }
    }

    /// Why the node does not count for pods that select nodes by these labels and have these tolerations. Empty: it does.
    /// One that is cordoned or not Ready never does.
    pub fn exclusions(&self, selector: &BTreeMap<String, String>, tolerations: &[Toleration]) -> Vec<Exclusion> {
        let unlabelled = selector.iter().filter(|(key, value)| self.labels.get(*key) != Some(value));
        let states = [(!self.is_ready, Exclusion::NotReady), (self.is_cordoned, Exclusion::Cordoned)];
        let mut found: Vec<Exclusion> =
            states.into_iter().filter(|(applies, _)| *applies).map(|(_, why)| why).collect();
        let tolerated = |taint: &Taint| tolerations.iter().any(|toleration| toleration.tolerates(taint));
        let taints = self.taints.iter().filter(|taint| !self.says(taint) && !tolerated(taint));
        found.extend(taints.cloned().map(Exclusion::Tainted));
        found.extend(unlabelled.map(|(key, value)| Exclusion::Unlabelled { key: key.clone(), value: value.clone() }));
        found
    }

    /// Whether the taint only repeats the node's state.
    fn says(&self, taint: &Taint) -> bool {
        (!self.is_ready && OF_UNREADY.contains(&taint.key.as_str())) || (self.is_cordoned && taint.key == OF_CORDONED)
    }
}

impl Effect {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }

    /// Whether pods that do not tolerate it cannot be on the node.
    pub fn keeps_away(self) -> bool {
        self != Self::PreferNoSchedule
    }
}

impl FromStr for Effect {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let all = [Self::NoSchedule, Self::PreferNoSchedule, Self::NoExecute];
        all.into_iter().find(|effect| effect.name() == name).ok_or(())
    }
}

/// As `kubectl taint` has it: `key=value:effect`.
impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, effect } = self;
        match value.as_str() {
            "" => write!(f, "{key}:{}", effect.name()),
            value => write!(f, "{key}={value}:{}", effect.name()),
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("not Ready"),
            Self::Cordoned => f.write_str("cordoned"),
            Self::Tainted(taint) => write!(f, "tainted {taint}"),
            Self::Unlabelled { key, value } => write!(f, "without the label {key}={value}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A node of the pool `dev` that counts.
    pub(crate) fn node(name: &str, cpu: u64, memory: u64) -> Node {
        Node {
            name: name.to_owned(),
            cpu: Millicores(cpu),
            memory: Bytes(memory),
            extended: BTreeMap::new(),
            labels: BTreeMap::from([("pool".to_owned(), "dev".to_owned()), ("os".to_owned(), "linux".to_owned())]),
            is_ready: true,
            is_cordoned: false,
            taints: Vec::new(),
        }
    }

    pub(crate) fn taint(key: &str, value: &str) -> Taint {
        Taint { key: key.to_owned(), value: value.to_owned(), effect: Effect::NoSchedule }
    }

    pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Node), selector: &[(&str, &str)], expected: &[&str]) {
        let mut node = node("a", 4000, 100);
        change(&mut node);
        let found: Vec<String> = node.exclusions(&labels(selector), &[]).iter().map(Exclusion::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_taints_can_be_tolerated() {
        let check = |change: fn(&mut Node), tolerations: &[&str], expected: &[Exclusion]| {
            let mut node = node("a", 4000, 100);
            node.taints = vec![taint("dedicated", "gpu"), taint("spot", "")];
            change(&mut node);
            let tolerations: Vec<Toleration> = tolerations.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(node.exclusions(&BTreeMap::new(), &tolerations), expected);
        };
        check(|_| {}, &["dedicated=gpu:NoSchedule", "spot:"], &[]);
        check(|_| {}, &["*"], &[]);
        check(|_| {}, &["dedicated=tenants:", "spot:NoSchedule"], &[Exclusion::Tainted(taint("dedicated", "gpu"))]);
        check(|node| node.is_cordoned = true, &["*"], &[Exclusion::Cordoned]);
        check(|node| node.is_ready = false, &["*"], &[Exclusion::NotReady]);
    }

    #[test]
    fn a_node_says_everything_that_keeps_it_from_counting() {
        check(|_| {}, &[], &[]);
        check(|_| {}, &[("pool", "dev"), ("os", "linux")], &[]);
        check(|_| {}, &[("pool", "prod"), ("os", "linux")], &["without the label pool=prod"]);
        check(|_| {}, &[("arch", "arm64")], &["without the label arch=arm64"]);
        check(
            |node| {
                (node.is_ready, node.is_cordoned) = (false, true);
                node.taints = vec![taint("dedicated", "gpu"), taint("spot", "")];
            },
            &[],
            &["not Ready", "cordoned", "tainted dedicated=gpu:NoSchedule", "tainted spot:NoSchedule"],
        );
    }

    #[test]
    fn a_taint_that_repeats_the_nodes_state_is_not_said_twice() {
        let own =
            ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "node.kubernetes.io/unschedulable"];
        let taints = || own.iter().map(|key| taint(key, "")).collect::<Vec<_>>();
        check(
            |node| (node.is_ready, node.is_cordoned, node.taints) = (false, true, taints()),
            &[],
            &["not Ready", "cordoned"],
        );
        // It is Ready again, and the taint has not gone yet.
        check(|node| node.taints = taints()[..1].to_vec(), &[], &["tainted node.kubernetes.io/not-ready:NoSchedule"]);
    }
}
