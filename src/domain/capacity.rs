//! What a host cluster can carry: the allocatable of the nodes that count, or what somebody states instead, less what is reserved,
//! oversubscribed.
//!
//! Owns the arithmetic. Never asks a host; which nodes count is said by [`Node::exclusions`].

use std::collections::BTreeMap;

use crate::domain::limit::Limit;
use crate::domain::node::{Exclusion, Node};
use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::Resource;
use crate::domain::toleration::Toleration;

/// What somebody states of a host. None: its nodes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    /// CPU.
    pub cpu: Option<Millicores>,
    /// Memory.
    pub memory: Option<Bytes>,
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
        let Stated { cpu, memory } = self.grows_to;
        let cpu = cpu.map_or_else(|| of_nodes(|node| node.cpu.0), |cpu| u128::from(cpu.0));
        let memory = memory.map_or_else(|| of_nodes(|node| node.memory.0), |memory| u128::from(memory.0));
        Limit {
            cpu: self.promises.cpu.or_else(|| Some(Millicores(hand_out(cpu, self.reserved_cpu.0)))),
            memory: self.promises.memory.or_else(|| Some(Bytes(hand_out(memory, self.reserved_memory.0)))),
            storage: self.storage,
        }
    }

    /// Why the node does not count. Empty: it does.
    pub fn exclusions(&self, node: &Node) -> Vec<Exclusion> {
        node.exclusions(&self.node_selector, &self.tolerations)
    }

    /// Whether some of the resource is kept back.
    pub fn reserves(&self, resource: Resource) -> bool {
        match resource {
            Resource::Cpu => self.reserved_cpu.0 > 0,
            Resource::Memory => self.reserved_memory.0 > 0,
            Resource::Storage => false,
        }
    }

    /// Whether it is the nodes that say how much there is of the resource.
    pub fn counts_nodes(&self, resource: Resource) -> bool {
        match resource {
            Resource::Cpu => self.grows_to.cpu.or(self.promises.cpu).is_none(),
            Resource::Memory => self.grows_to.memory.or(self.promises.memory).is_none(),
            Resource::Storage => false,
        }
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
    use crate::domain::node::tests::{labels, node, taint};

    #[track_caller]
    fn check(nodes: &[Node], rules: &Rules, cpu: u64, memory: u64) {
        let expected = Limit { cpu: Some(Millicores(cpu)), memory: Some(Bytes(memory)), storage: rules.storage };
        assert_eq!(rules.capacity(nodes), expected);
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
            grows_to: Stated { cpu: cpu.map(Millicores), memory: memory.map(Bytes) },
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
        assert_eq!(Resource::ALL.map(|resource| rules.counts_nodes(resource)), [false, true, false]);
    }

    #[test]
    fn what_a_host_promises_is_neither_reserved_nor_oversubscribed() {
        let promises = Stated { cpu: Some(Millicores(8000)), memory: None };
        let rules = Rules { promises, reserved_cpu: Millicores(1000), ..Rules::default() };
        check(&[node("a", 2000, 1000)], &rules, 8000, 1200);
        check(&[node("a", 64_000, 1000)], &rules, 8000, 1200);
        assert_eq!(Resource::ALL.map(|resource| rules.counts_nodes(resource)), [false, true, false]);
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
