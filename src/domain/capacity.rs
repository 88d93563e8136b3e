//! What a host cluster can carry: the allocatable of its usable nodes, less what is reserved, oversubscribed.
//!
//! Owns the arithmetic. Never asks a host, and never decides which nodes are usable.

use std::collections::BTreeMap;

use crate::domain::limit::Limit;
use crate::domain::quantity::{Bytes, Millicores};

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
    pub extended: BTreeMap<String, u64>,
    /// `metadata.labels`
    pub labels: BTreeMap<String, String>,
    /// Ready, schedulable, and free of taints that keep pods away (NoSchedule, NoExecute).
    pub usable: bool,
}

/// How much of a host's nodes is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
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
}

impl Default for Rules {
    /// Nothing reserved, 120 %, unlimited storage, every node.
    fn default() -> Self {
        Self {
            reserved_cpu: Millicores(0),
            reserved_memory: Bytes(0),
            oversubscription_percent: 120,
            storage: None,
            node_selector: BTreeMap::new(),
        }
    }
}

/// What a host with these nodes can carry in all, rounded down.
pub fn capacity(nodes: &[Node], rules: &Rules) -> Limit {
    let counts = |node: &&Node| {
        node.usable && rules.node_selector.iter().all(|(label, value)| node.labels.get(label) == Some(value))
    };
    let hand_out = |amount: fn(&Node) -> u64, reserved: u64| {
        let sum: u128 = nodes.iter().filter(counts).map(|node| u128::from(amount(node))).sum();
        let percent = u128::from(rules.oversubscription_percent);
        let capacity = sum.saturating_sub(u128::from(reserved)).saturating_mul(percent) / 100;
        u64::try_from(capacity).unwrap_or(u64::MAX)
    };
    Limit {
        cpu: Some(Millicores(hand_out(|node| node.cpu.0, rules.reserved_cpu.0))),
        memory: Some(Bytes(hand_out(|node| node.memory.0, rules.reserved_memory.0))),
        storage: rules.storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(cpu: u64, memory: u64, pool: &str) -> Node {
        let labels = BTreeMap::from([("pool".to_owned(), pool.to_owned()), ("os".to_owned(), "linux".to_owned())]);
        Node {
            name: "node".to_owned(),
            cpu: Millicores(cpu),
            memory: Bytes(memory),
            extended: BTreeMap::new(),
            labels,
            usable: true,
        }
    }

    #[track_caller]
    fn check(nodes: &[Node], rules: &Rules, cpu: u64, memory: u64) {
        let expected = Limit { cpu: Some(Millicores(cpu)), memory: Some(Bytes(memory)), storage: rules.storage };
        assert_eq!(capacity(nodes, rules), expected);
    }

    #[test]
    fn usable_nodes_are_oversubscribed_after_the_reserve_is_taken() {
        let plain = Rules::default();
        let reserve = Rules { reserved_cpu: Millicores(1000), reserved_memory: Bytes(500), ..Rules::default() };
        let nodes = [node(4000, 1000, "a"), node(4000, 1000, "b")];
        check(&nodes, &plain, 9600, 2400);
        check(&nodes, &reserve, 8400, 1800);
        check(&[], &plain, 0, 0);
        check(&nodes, &Rules { reserved_cpu: Millicores(9000), ..Rules::default() }, 0, 2400);
        check(&[node(7, 9, "a")], &plain, 8, 10);
        check(&[Node { usable: false, ..node(4000, 1000, "a") }, node(1000, 10, "a")], &plain, 1200, 12);
    }

    #[test]
    fn only_nodes_with_every_selected_label_count() {
        let selecting = |pairs: &[(&str, &str)]| Rules {
            node_selector: pairs.iter().map(|(label, value)| (label.to_string(), value.to_string())).collect(),
            oversubscription_percent: 100,
            storage: Some(Bytes(7)),
            ..Rules::default()
        };
        let nodes = [node(1, 10, "a"), node(2, 20, "b")];
        check(&nodes, &selecting(&[("pool", "a")]), 1, 10);
        check(&nodes, &selecting(&[("pool", "b"), ("os", "linux")]), 2, 20);
        check(&nodes, &selecting(&[("pool", "b"), ("arch", "arm64")]), 0, 0);
    }

    #[test]
    fn more_than_can_be_counted_is_the_most_that_can() {
        let nodes = [node(u64::MAX, u64::MAX, "a"), node(u64::MAX, u64::MAX, "a")];
        check(&nodes, &Rules { oversubscription_percent: u32::MAX, ..Rules::default() }, u64::MAX, u64::MAX);
    }
}
