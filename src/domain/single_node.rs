//! Whether any single node can run the largest pods that a size has room for: a host's nodes together may carry what none of them
//! does.
//!
//! Owns the comparison. Never asks a host, and never refuses anything: many smaller pods use all of a size.

use crate::domain::amounts::{Amounts, Countable, Extended};
use crate::domain::capacity::Rules;
use crate::domain::node::Node;
use crate::domain::size::Size;
use crate::domain::values::limits::{self, Limits};

/// A host that comes into question.
#[derive(Debug, Clone, Copy)]
pub struct Host<'h> {
    /// What it is called.
    pub name: &'h str,
    /// By which rules it is counted.
    pub rules: &'h Rules,
    /// Its nodes.
    pub nodes: &'h [Node],
}

/// Which pod no node can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pod {
    /// The control plane's, by what it requests.
    ControlPlane,
    /// One that takes all that is left to the tenant.
    Workload,
    /// One that takes all of an extended resource, and hardly anything else.
    Device(Countable),
}

/// That no node can run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unserved<'h> {
    /// Which.
    pub pod: Pod,
    /// What it asks for.
    pub needs: Amounts,
    /// The host of the node that comes closest.
    pub host: &'h str,
    /// That node.
    pub largest: &'h Node,
}

/// The pod that no node of the hosts can run, the control plane's first. None where one can, where no node counts at all, and
/// where a host is not counted by its nodes: it may get larger ones.
pub fn unserved<'h>(size: &Size, extended: &Extended, hosts: &[Host<'h>]) -> Option<Unserved<'h>> {
    let counted = hosts.iter().flat_map(|host| {
        let nodes = host.nodes.iter().filter(|node| host.rules.exclusions(node).is_empty());
        nodes.map(|node| (host.name, node))
    });
    let counted: Vec<(&str, &Node)> = counted.collect();
    let devices = extended.iter().map(|(name, amount)| {
        let needs = Amounts { extended: [(name.clone(), *amount)].into(), ..Amounts::ZERO };
        (Pod::Device(Countable::Extended(name.clone())), needs)
    });
    let pods =
        [(Pod::ControlPlane, compute(limits::CONTROL_PLANE_REQUESTS)), (Pod::Workload, compute(limits::room(size)))];
    pods.into_iter().chain(devices).find_map(|(pod, needs)| {
        let by_nodes = |host: &Host<'_>| needs.countables().all(|of| host.rules.counts_nodes(&of));
        if !hosts.iter().all(by_nodes) {
            return None;
        }
        let (host, largest) = counted.iter().copied().max_by_key(|(_, node)| enough(node, &needs))?;
        let is_short = !needs.growth_from(&largest.allocatable()).is_zero();
        is_short.then_some(Unserved { pod, needs, host, largest })
    })
}

fn compute(limits: Limits) -> Amounts {
    Size { cpu: limits.cpu, memory: limits.memory, ..Size::ZERO }.into()
}

/// How much of what is needed the node has, in thousandths, of what it has less of.
fn enough(node: &Node, needs: &Amounts) -> u128 {
    let has = node.allocatable();
    let part = |of: Countable| u128::from(has.get(&of)) * 1000 / u128::from(needs.get(&of).max(1));
    needs.countables().map(part).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::capacity::Stated;
    use crate::domain::node::tests::node;
    use crate::domain::quantity::{Bytes, Millicores};

    const GIB: u64 = 1 << 30;

    fn size(cores: u64, gib: u64) -> Size {
        Size { cpu: Millicores(cores * 1000), memory: Bytes(gib * GIB), storage: Bytes(0) }
    }

    #[track_caller]
    fn check(size: &Size, hosts: &[(&Rules, &[Node])], expected: Option<(Pod, &str, &str)>) {
        let names = ["eu-1", "us-1"];
        let hosts = hosts.iter().zip(names).map(|((rules, nodes), name)| Host { name, rules, nodes });
        let hosts: Vec<Host<'_>> = hosts.collect();
        let found = unserved(size, &Extended::new(), &hosts);
        let found = found.as_ref().map(|found| (found.pod.clone(), found.host, found.largest.name.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_size_is_served_by_one_node_on_any_host() {
        let plain = Rules::default();
        let small = [node("s1", 4000, 16 * GIB), node("s2", 8000, 8 * GIB)];
        let large = [node("l1", 64_000, 256 * GIB)];
        check(&size(4, 4), &[(&plain, &small)], None);
        check(&size(16, 16), &[(&plain, &small)], Some((Pod::Workload, "eu-1", "s2")));
        check(&size(16, 16), &[(&plain, &small), (&plain, &large)], None);
        // Each resource is there, and on no node both.
        check(&size(8, 16), &[(&plain, &small)], Some((Pod::Workload, "eu-1", "s1")));
        check(&size(128, 128), &[(&plain, &small), (&plain, &large)], Some((Pod::Workload, "us-1", "l1")));
    }

    #[test]
    fn the_control_plane_comes_first() {
        check(&size(4, 4), &[(&Rules::default(), &[node("a", 100, 64 * GIB)])], Some((Pod::ControlPlane, "eu-1", "a")));
    }

    #[test]
    fn only_nodes_that_count_serve() {
        let large = Node { is_cordoned: true, ..node("l1", 64_000, 256 * GIB) };
        let nodes = [large.clone(), node("s1", 4000, 16 * GIB)];
        check(&size(16, 16), &[(&Rules::default(), &nodes)], Some((Pod::Workload, "eu-1", "s1")));
        check(&size(16, 16), &[(&Rules::default(), &[large])], None);
    }

    #[test]
    fn a_host_that_grows_may_get_a_node_that_serves() {
        let stated = Stated { cpu: Some(Millicores(64_000)), memory: Some(Bytes(256 * GIB)), ..Stated::default() };
        let growing = Rules { grows_to: stated.clone(), ..Rules::default() };
        let small = [node("s1", 4000, 16 * GIB)];
        check(&size(16, 16), &[(&Rules::default(), &small), (&growing, &[])], None);
        check(&size(16, 16), &[(&Rules { promises: stated, ..Rules::default() }, &small)], None);
    }

    #[test]
    fn all_of_a_device_can_be_asked_for_by_one_pod() {
        let with = |name, amount| Node { extended: gpus(amount), ..node(name, 8000, 16 * GIB) };
        let (nodes, rules) = ([with("a", 4), with("b", 8)], Rules::default());
        let hosts = [Host { name: "eu-1", rules: &rules, nodes: &nodes }];
        assert_eq!(unserved(&size(4, 4), &gpus(8), &hosts), None);
        let found = unserved(&size(4, 4), &gpus(12), &hosts).unwrap();
        assert_eq!(found.pod, Pod::Device(Countable::Extended("nvidia.com/gpu".into())));
        assert_eq!((found.largest.name.as_str(), found.needs.extended), ("b", gpus(12)));
        let grows_to = Stated { extended: gpus(64), ..Stated::default() };
        let growing = Rules { grows_to, ..Rules::default() };
        assert_eq!(unserved(&size(4, 4), &gpus(12), &[Host { rules: &growing, ..hosts[0] }]), None);
    }
}
