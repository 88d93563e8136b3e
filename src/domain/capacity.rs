//! What a host cluster can carry: the allocatable of the nodes that count, or what somebody states instead, less what is reserved,
//! oversubscribed.
//!
//! Owns the arithmetic. Never asks a host; which nodes count is said by [`Node::exclusions`].

use std::collections::BTreeMap;

use crate::domain::amounts::{Countable, Extended, zip_extended};
use crate::domain::limit::Limit;
use crate::domain::node::{Exclusion, Node};
use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::Resource;
use crate::domain::toleration::Toleration;

/// What somebody states of a host. None: its nodes are counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stated {
    /// CPU.
    pub cpu: Option<Millicores>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// Extended resources by name, each for itself.
    pub extended: Extended,
    /// How much there is of each extended resource that is not named.
    pub unnamed: Option<u64>,
}

impl Stated {
    fn says(&self, of: &Countable) -> bool {
        match of {
            Countable::Resource(Resource::Cpu) => self.cpu.is_some(),
            Countable::Resource(Resource::Memory) => self.memory.is_some(),
            Countable::Extended(name) => self.unnamed.is_some() || self.extended.contains_key(name),
            Countable::Resource(Resource::Storage) | Countable::VirtualClusters => false,
        }
    }

    /// Takes what is stated in the place of what nodes have.
    fn over(&self, mut of_nodes: Extended) -> Extended {
        if self.unnamed.is_some() {
            of_nodes.clear();
        }
        of_nodes.extend(self.extended.clone());
        of_nodes
    }
}

/// How much of a host is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The size that the host may grow to, in place of what its nodes have now.
    pub grows_to: Stated,
    /// What the host promises in all, whatever its nodes have: nothing is taken from it, and it is not oversubscribed.
    pub promises: Stated,
    /// CPU that is kept back on the whole host.
    pub reserved_cpu: Millicores,
    /// Memory that is kept back on the whole host.
    pub reserved_memory: Bytes,
    /// How much of what is left is handed out, in percent.
    pub oversubscription_percent: u32,
    /// Storage that is handed out; `None` is unlimited. It is not oversubscribed.
    pub storage: Option<Bytes>,
    /// Only nodes that carry all these labels count.
    pub node_selector: BTreeMap<String, String>,
    /// Nodes with taints count where these tolerate them.
    pub tolerations: Vec<Toleration>,
}

impl Default for Rules {
    /// Nothing stated or reserved, 120 %, unlimited storage, every node without taints.
    fn default() -> Self {
        Self {
            grows_to: Stated::default(),
            promises: Stated::default(),
            reserved_cpu: Millicores(0),
            reserved_memory: Bytes(0),
            oversubscription_percent: 120,
            storage: None,
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
        }
    }
}

impl Rules {
    /// What a host with these nodes can carry in all, rounded down.
    pub fn capacity(&self, nodes: &[Node]) -> Limit {
        let counted = || nodes.iter().filter(|node| self.exclusions(node).is_empty());
        let hand_out = |sum: u128, reserved: u64| {
            let percent = u128::from(self.oversubscription_percent);
            let capacity = sum.saturating_sub(u128::from(reserved)).saturating_mul(percent) / 100;
            u64::try_from(capacity).unwrap_or(u64::MAX)
        };
        let of_nodes = |amount: fn(&Node) -> u64| counted().map(|node| u128::from(amount(node))).sum();
        let Stated { cpu, memory, .. } = self.grows_to;
        let cpu = cpu.map_or_else(|| of_nodes(|node| node.cpu.0), |cpu| u128::from(cpu.0));
        let memory = memory.map_or_else(|| of_nodes(|node| node.memory.0), |memory| u128::from(memory.0));
        Limit {
            cpu: self.promises.cpu.or_else(|| Some(Millicores(hand_out(cpu, self.reserved_cpu.0)))),
            memory: self.promises.memory.or_else(|| Some(Bytes(hand_out(memory, self.reserved_memory.0)))),
            storage: self.storage,
            virtual_clusters: None,
            extended: self.extended(nodes),
            // What no node offers is not there.
            unnamed: self.promises.unnamed.or(self.grows_to.unnamed).or(Some(0)),
        }
    }

    /// Devices cannot be shared: nothing of them is reserved or oversubscribed.
    fn extended(&self, nodes: &[Node]) -> Extended {
        let counted = nodes.iter().filter(|node| self.exclusions(node).is_empty());
        let of_nodes =
            counted.fold(Extended::new(), |sum, node| zip_extended(&sum, &node.extended, u64::saturating_add));
        self.promises.over(self.grows_to.over(of_nodes))
    }

    /// Why the node does not count. Empty: it does.
    pub fn exclusions(&self, node: &Node) -> Vec<Exclusion> {
        node.exclusions(&self.node_selector, &self.tolerations)
    }

    /// Whether some of it is kept back.
    pub fn reserves(&self, of: &Countable) -> bool {
        match of {
            Countable::Resource(Resource::Cpu) => self.reserved_cpu.0 > 0,
            Countable::Resource(Resource::Memory) => self.reserved_memory.0 > 0,
            _ => false,
        }
    }

    /// Whether it is the nodes that say how much of it there is.
    pub fn counts_nodes(&self, of: &Countable) -> bool {
        let is_of_nodes = !matches!(of, Countable::Resource(Resource::Storage) | Countable::VirtualClusters);
        is_of_nodes && !self.grows_to.says(of) && !self.promises.says(of)
    }
}

/// A host as it stands when somebody finds no room there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it is called.
    pub host: String,
    /// The rules by which it was counted.
    pub rules: Rules,
    /// Its nodes that do not count, and why.
    pub excluded: Vec<(String, Vec<Exclusion>)>,
}

impl Standing {
    /// The host with these nodes.
    pub fn of(host: &str, rules: Rules, nodes: &[Node]) -> Self {
        let exclusions = nodes.iter().map(|node| (node.name.clone(), rules.exclusions(node)));
        let excluded = exclusions.filter(|(_, why)| !why.is_empty()).collect();
        Self { host: host.to_owned(), rules, excluded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::node::tests::{labels, node, taint};

    #[track_caller]
    fn check(nodes: &[Node], rules: &Rules, cpu: u64, memory: u64) {
        let capacity = rules.capacity(nodes);
        let of_size = (capacity.cpu.unwrap().0, capacity.memory.unwrap().0, capacity.storage);
        assert_eq!(of_size, (cpu, memory, rules.storage));
        assert_eq!((capacity.extended, capacity.virtual_clusters, capacity.unnamed), (Extended::new(), None, Some(0)));
    }

    #[test]
    fn extended_resources_are_those_of_the_nodes_that_count_and_never_oversubscribed() {
        let with = |name, amount| Node { extended: gpus(amount), ..node(name, 1000, 1000) };
        let nodes = [with("a", 4), with("b", 4), Node { is_cordoned: true, ..with("c", 4) }];
        let stated = |extended: Extended, unnamed| Stated { extended, unnamed, ..Stated::default() };
        let card: Extended = [("example.com/card".into(), 2)].into();
        let limit = |rules: Rules| {
            let limit = rules.capacity(&nodes);
            (limit.extended, limit.unnamed)
        };
        assert_eq!(limit(Rules::default()), (gpus(8), Some(0)));
        let grows_to = Rules { grows_to: stated(gpus(64), None), ..Rules::default() };
        assert_eq!(limit(grows_to.clone()), (gpus(64), Some(0)));
        let both: Extended = gpus(8).into_iter().chain(card.clone()).collect();
        assert_eq!(limit(Rules { grows_to: stated(card.clone(), None), ..Rules::default() }), (both, Some(0)));
        let unknown = Rules { promises: stated(Extended::new(), Some(u64::MAX)), ..Rules::default() };
        assert_eq!(limit(unknown), (Extended::new(), Some(u64::MAX)));
        let gpu = Countable::Extended("nvidia.com/gpu".into());
        assert!(Rules::default().counts_nodes(&gpu) && !grows_to.counts_nodes(&gpu));
    }

    fn counts_nodes(rules: &Rules) -> [bool; 3] {
        Resource::ALL.map(|resource| rules.counts_nodes(&resource.into()))
    }

    #[test]
    fn usable_nodes_are_oversubscribed_after_the_reserve_is_taken() {
        let plain = Rules::default();
        let reserve = Rules { reserved_cpu: Millicores(1000), reserved_memory: Bytes(500), ..Rules::default() };
        let nodes = [node("a", 4000, 1000), node("b", 4000, 1000)];
        check(&nodes, &plain, 9600, 2400);
        check(&nodes, &reserve, 8400, 1800);
        check(&[], &plain, 0, 0);
        check(&nodes, &Rules { reserved_cpu: Millicores(9000), ..Rules::default() }, 0, 2400);
        check(&[node("a", 7, 9)], &plain, 8, 10);
        check(&[Node { is_ready: false, ..node("a", 4000, 1000) }, node("b", 1000, 10)], &plain, 1200, 12);
        check(&[Node { is_cordoned: true, ..node("a", 4000, 1000) }, node("b", 1000, 10)], &plain, 1200, 12);
    }

    #[test]
    fn what_a_host_grows_to_stands_in_for_its_nodes_whatever_they_are() {
        let stated = |cpu: Option<u64>, memory: Option<u64>| Rules {
            grows_to: Stated { cpu: cpu.map(Millicores), memory: memory.map(Bytes), ..Stated::default() },
            reserved_cpu: Millicores(1000),
            ..Rules::default()
        };
        let nodes = [node("a", 64_000, 1000), node("b", 4000, 1000)];
        check(&[], &stated(Some(11_000), Some(100)), 12_000, 120);
        check(&nodes, &stated(Some(11_000), Some(100)), 12_000, 120);
        check(&nodes, &stated(Some(11_000), None), 12_000, 2400);
        check(&[], &stated(None, Some(100)), 0, 120);
        check(&nodes, &stated(Some(500), None), 0, 2400);
        let rules = stated(Some(1), None);
        assert_eq!(counts_nodes(&rules), [false, true, false]);
    }

    #[test]
    fn what_a_host_promises_is_neither_reserved_nor_oversubscribed() {
        let promises = Stated { cpu: Some(Millicores(8000)), ..Stated::default() };
        let rules = Rules { promises, reserved_cpu: Millicores(1000), ..Rules::default() };
        check(&[node("a", 2000, 1000)], &rules, 8000, 1200);
        check(&[node("a", 64_000, 1000)], &rules, 8000, 1200);
        assert_eq!(counts_nodes(&rules), [false, true, false]);
    }

    #[test]
    fn a_tainted_node_counts_where_it_is_tolerated() {
        let tainted = Node { taints: vec![taint("dedicated", "tenants")], ..node("a", 4000, 1000) };
        let tolerating = |text: &str| Rules { tolerations: vec![text.parse().unwrap()], ..Rules::default() };
        check(std::slice::from_ref(&tainted), &Rules::default(), 0, 0);
        check(std::slice::from_ref(&tainted), &tolerating("dedicated=tenants:NoSchedule"), 4800, 1200);
        check(std::slice::from_ref(&tainted), &tolerating("dedicated=others:"), 0, 0);
    }

    #[test]
    fn only_nodes_with_every_selected_label_count() {
        let selecting = |pairs: &[(&str, &str)]| Rules {
            node_selector: labels(pairs),
            oversubscription_percent: 100,
            storage: Some(Bytes(7)),
            ..Rules::default()
        };
        let other = Node { labels: labels(&[("pool", "prod"), ("os", "linux")]), ..node("b", 2, 20) };
        let nodes = [node("a", 1, 10), other];
        check(&nodes, &selecting(&[("pool", "dev")]), 1, 10);
        check(&nodes, &selecting(&[("pool", "prod"), ("os", "linux")]), 2, 20);
        check(&nodes, &selecting(&[("pool", "prod"), ("arch", "arm64")]), 0, 0);
    }

    #[test]
    fn more_than_can_be_counted_is_the_most_that_can() {
        let nodes = [node("a", u64::MAX, u64::MAX), node("b", u64::MAX, u64::MAX)];
        check(&nodes, &Rules { oversubscription_percent: u32::MAX, ..Rules::default() }, u64::MAX, u64::MAX);
    }
}
