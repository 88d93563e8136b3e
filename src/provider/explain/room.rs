//! That there is no room, for who wanted it: a table of what there is, and the nodes that do not count. What to do is said by
//! `advice`.

use super::advice::next_step;
use crate::domain::accounting::{Change, Kind, Refused};
use crate::domain::amounts::{Amounts, Countable};
use crate::domain::capacity::Standing;
use crate::domain::node::Exclusion;
use crate::domain::single_node::{Pod, Unserved};
use crate::domain::table::{self, Paint};
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

/// When a refusal is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Planned,
    Applied,
}

/// How many nodes a message names at most.
const NODES_NAMED: usize = 10;

/// The refusal with its table, on `attribute` where nothing else is to blame. `hosts` are those that come into question.
pub fn refusal(refused: &Refused, hosts: &[Standing], attribute: AttributePath, when: When) -> Diagnostic {
    let attribute = blamed(refused).unwrap_or(attribute);
    let nothing = if when == When::Applied { "\nNothing was created or changed.\n" } else { "" };
    diagnostic(
        attribute,
        summary(refused),
        format!(
            "Used is what is there, allocated what this {} has given away so far, available what is left.\n\n{}\nRequested: \
             {}.\nMissing{}:\n{}{}{nothing}\nNext step: {}",
            if when == When::Planned { "plan" } else { "apply" },
            indented(&table::render(&refused.rows, Paint::Plain)),
            requested(refused),
            place(refused),
            missing(refused),
            excluded(refused, hosts),
            next_step(refused, hosts, when),
        ),
    )
}

/// What is to blame for a refusal and no size.
fn blamed(refused: &Refused) -> Option<AttributePath> {
    let is_count = |change: &Change| change.of == Countable::VirtualClusters;
    match refused.kind {
        Kind::Share if refused.request.quota.is_zero() => Some(AttributePath::new("labels")),
        Kind::Quota | Kind::Share if refused.changes.iter().all(is_count) => Some(AttributePath::new("cluster_group")),
        _ => None,
    }
}

fn summary(refused: &Refused) -> String {
    let Refused { kind, request, host, .. } = refused;
    let label = &request.label;
    match (kind, request.group.as_deref()) {
        (Kind::Quota, group) => {
            let group = group.unwrap_or_default();
            format!("Virtual cluster {label:?} does not fit: the quota of cluster group {group:?} is used up.")
        }
        (Kind::Share, group) => {
            let (group, owner) = (group.unwrap_or_default(), request.owner.as_deref().unwrap_or_default());
            format!(
                "Virtual cluster {label:?} does not fit: the share of {owner:?} in cluster group {group:?} is used up."
            )
        }
        (Kind::Capacity, Some(group)) if request.hosts.len() > 1 => {
            format!("Virtual cluster {label:?} does not fit: no host of cluster group {group:?} has room for it.")
        }
        (Kind::Capacity, _) => {
            format!("Virtual cluster {label:?} does not fit on host cluster {:?}.", host.as_deref().unwrap_or(""))
        }
    }
}

fn requested(refused: &Refused) -> String {
    let amounts = match refused.kind {
        Kind::Quota => &refused.request.quota,
        Kind::Share => &refused.request.share,
        Kind::Capacity => &refused.request.size,
    };
    let is_short = |of: &Countable| refused.changes.iter().any(|change| change.of == *of);
    // That it is one virtual cluster is worth a word only where there are too many.
    let asked = amounts.countables().filter(|of| *of != Countable::VirtualClusters || is_short(of));
    let shown = asked.map(|of| format!("{} {}", of.name(), of.say(amounts.get(&of))));
    shown.collect::<Vec<_>>().join(", ")
}

fn place(refused: &Refused) -> String {
    match (refused.kind, &refused.host) {
        (Kind::Quota, _) => " in the quota".to_owned(),
        (Kind::Share, _) => format!(" in the share of {:?}", refused.request.owner.as_deref().unwrap_or_default()),
        (Kind::Capacity, Some(host)) => format!(" on \"{host}\""),
        (Kind::Capacity, None) => String::new(),
    }
}

fn missing(refused: &Refused) -> String {
    let line = |change: &Change| {
        let (resource, show) = (change.of.name(), |amount| change.of.say(amount));
        let (requested, available) = (show(change.requested), show(change.available));
        format!("  {resource}: {requested} requested, {available} available, {} too many\n", show(change.reduce_by))
    };
    refused.changes.iter().map(line).collect()
}

/// The nodes that do not count, where there is too little of what is counted of nodes.
fn excluded(refused: &Refused, hosts: &[Standing]) -> String {
    let is_counted = |host: &&Standing| refused.changes.iter().any(|change| host.rules.counts_nodes(&change.of));
    let hosts = hosts.iter().filter(is_counted).filter(|_| refused.kind == Kind::Capacity);
    let line = |host: &str, node: &str, why: &[Exclusion]| {
        let why: Vec<String> = why.iter().map(Exclusion::to_string).collect();
        format!("  {node} of \"{host}\": {}\n", why.join(", "))
    };
    let all = hosts.flat_map(|host| host.excluded.iter().map(move |(node, why)| line(&host.host, node, why)));
    let all: Vec<String> = all.collect();
    let more = match all.len().saturating_sub(NODES_NAMED) {
        0 => String::new(),
        more => format!("  and {more} more\n"),
    };
    match all.is_empty() {
        true => String::new(),
        false => format!("Nodes that do not count:\n{}{more}", all[..all.len().min(NODES_NAMED)].concat()),
    }
}

/// The warning that no node can run a pod that the size has room for.
pub fn too_large_for_nodes(label: &str, unserved: &Unserved<'_>) -> Diagnostic {
    let Unserved { pod, needs, host, largest } = unserved;
    let said = |amounts: &Amounts| {
        let said = needs.countables().map(|of| format!("{} {}", of.name(), of.say(amounts.get(&of))));
        said.collect::<Vec<_>>().join(" and ")
    };
    let (needs, has) = (said(needs), said(&largest.allocatable()));
    let node = format!("The largest node that counts, {} of host cluster {host:?}, can allocate {has}", largest.name);
    match pod {
        Pod::ControlPlane => diagnostic(
            AttributePath::new("resources"),
            format!("No node can run the control plane of virtual cluster {label:?}."),
            format!(
                "It requests {needs}. {node}, so its pod stays Pending.\n\nNext step: Larger nodes, or lower \
                 `controlPlane.statefulSet.resources` in `values`."
            ),
        ),
        Pod::Workload => diagnostic(
            AttributePath::new("resources"),
            format!("No node can run the largest pod that virtual cluster {label:?} has room for."),
            format!(
                "Its size leaves {needs} to workloads. {node}: a single pod that requests more stays Pending. \
                 Smaller pods together can use all of the size."
            ),
        ),
        Pod::Device(of) => diagnostic(
            AttributePath::new("resources"),
            format!("No node has all of {} that virtual cluster {label:?} may use.", of.name()),
            format!(
                "It may use {needs}. {node}: a single pod that requests more stays Pending. Several pods together can use all of it."
            ),
        ),
    }
}

/// Terraform wraps the lines of a text, unless they begin with a space.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::advice::tests::refused;
    use super::*;
    use crate::domain::capacity::Rules;
    use crate::domain::node::Node;
    use crate::domain::node::tests::node;

    #[test]
    fn the_nodes_that_do_not_count_are_named_up_to_a_number() {
        let nodes = |count: usize| -> Vec<Node> {
            (1..=count).map(|number| Node { is_cordoned: true, ..node(&format!("n{number}"), 4000, 0) }).collect()
        };
        let shown = |count| {
            let (refused, standing) = refused(None, &nodes(count), Rules::default());
            excluded(&refused, &[standing])
        };
        assert_eq!(shown(0), "");
        assert_eq!(shown(1), "Nodes that do not count:\n  n1 of \"eu-1\": cordoned\n");
        assert!(shown(12).ends_with("  n10 of \"eu-1\": cordoned\n  and 2 more\n"));
    }

    #[test]
    fn where_storage_is_short_no_node_is_named() {
        let nodes = [Node { is_ready: false, ..node("a", 1, 1) }, node("b", 16_000, 64 << 30)];
        let storage = Some(crate::domain::quantity::Bytes(1));
        let (refused, standing) = refused(None, &nodes, Rules { storage, ..Rules::default() });
        assert_eq!(excluded(&refused, &[standing]), "");
    }

    #[test]
    fn a_count_and_an_owner_are_no_fault_of_the_size() {
        let (mut refused, _) = refused(Some("dev"), &[], Rules::default());
        assert_eq!(blamed(&refused), None);
        refused.kind = Kind::Share;
        assert_eq!(blamed(&refused), None, "it grows");
        refused.changes = vec![Change { of: Countable::VirtualClusters, ..refused.changes[0].clone() }];
        assert_eq!(blamed(&refused), Some(AttributePath::new("cluster_group")));
        refused.request.quota = Amounts::ZERO;
        assert_eq!(blamed(&refused), Some(AttributePath::new("labels")), "it comes from another owner");
    }
}
