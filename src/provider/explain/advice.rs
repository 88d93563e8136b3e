//! What to do where there is no room: the smallest change that would do, and how room is made. Names only what exists for who
//! asks, and never a size below the minimum.

use super::room::When;
use crate::domain::accounting::{Change, Kind, Refused};
use crate::domain::amounts::Countable;
use crate::domain::capacity::{Rules, Standing};
use crate::domain::node::Exclusion;
use crate::domain::size::Resource;

/// One or more sentences. `hosts` are those that come into question.
pub(super) fn next_step(refused: &Refused, hosts: &[Standing], when: When) -> String {
    let smallest: Vec<String> = refused.changes.iter().map(|change| smallest(refused, change)).collect();
    let smallest = sentence(&smallest.join("; "));
    match refused.kind {
        Kind::Quota => format!("{smallest}. Pausing gives no quota back; destroying does."),
        Kind::Share => format!("{smallest}. Pausing gives nothing of a share back; destroying does."),
        Kind::Capacity => {
            let ways = ways(refused, hosts, when);
            format!("{smallest}. Room is made {}.", alternatives(&ways))
        }
    }
}

fn smallest(refused: &Refused, change: &Change) -> String {
    let (name, show) = (change.of.name(), |amount| change.of.say(amount));
    let (less, to) = (show(change.reduce_by), show(change.raise_to));
    let minimum = show(refused.request.minimum.get(&change.of));
    let raise = match (refused.kind, refused.request.owner.as_deref()) {
        (Kind::Share, Some(owner)) => format!("raise what `shares` of the group gives \"{owner}\" of {name} to {to}"),
        (Kind::Quota | Kind::Share, _) => format!("raise `{}` of the group to {to}", change.of.attribute_of("quota")),
        (Kind::Capacity, _) => format!("make room for {less} {name}"),
    };
    match (refused.kind, refused.can_be_smaller(change)) {
        (Kind::Quota | Kind::Share, true) => format!("ask for {less} less {name}, or {raise}"),
        (Kind::Capacity, true) => format!("ask for {less} less {name}, or make room for as much"),
        (_, false) if change.of == Countable::VirtualClusters => raise,
        (_, false) => format!("{raise}: no virtual cluster has less {name} than {minimum}"),
    }
}

/// How room is made for what is short.
fn ways(refused: &Refused, hosts: &[Standing], when: When) -> Vec<String> {
    let short: Vec<&Countable> = refused.changes.iter().map(|change| &change.of).collect();
    let (storage, cpu, memory) = (Resource::Storage.into(), Resource::Cpu.into(), Resource::Memory.into());
    let of_nodes: Vec<&Countable> = short.iter().copied().filter(|of| **of != storage).collect();
    let is_oversubscribed = [cpu, memory].iter().any(|of| short.contains(&of));
    let any = |is: &dyn Fn(&Rules, &Countable) -> bool| {
        hosts.iter().any(|host| of_nodes.iter().any(|of| is(&host.rules, of)))
    };
    let counted = any(&|rules, of| rules.counts_nodes(of));
    let excluded = |is: fn(&Exclusion) -> bool| {
        counted && hosts.iter().flat_map(|host| &host.excluded).any(|(_, why)| why.iter().all(is))
    };
    let in_group = refused.request.group.is_some();
    // A pause gives no storage back.
    let given_back =
        if of_nodes.is_empty() { "destroying virtual clusters" } else { "pausing or destroying virtual clusters" };
    let in_time = match when {
        When::Planned => " in an apply before this one (Terraform decides the order within one)",
        When::Applied => "",
    };
    let ways = [
        (true, format!("by {given_back}{in_time}")),
        (counted, "by more nodes".to_owned()),
        (
            excluded(|why| matches!(why, Exclusion::NotReady | Exclusion::Cordoned)),
            "when nodes are Ready and not cordoned again".to_owned(),
        ),
        (
            in_group && excluded(|why| matches!(why, Exclusion::Tainted(_))),
            "by `tolerations` of taints in the group".to_owned(),
        ),
        (any(&Rules::reserves), "by less `reserved`".to_owned()),
        (in_group && is_oversubscribed, "by a higher `oversubscription_percent`".to_owned()),
        (in_group && counted, "by `capacity` in the group, for a host cluster that grows on demand".to_owned()),
        (
            in_group && any(&|rules, of| !rules.counts_nodes(of)),
            "by a larger `capacity` of the host cluster in its group".to_owned(),
        ),
        (
            !in_group && !of_nodes.is_empty(),
            "by `host_capacity`, which says what the host cluster may promise".to_owned(),
        ),
        (in_group && short.contains(&&storage), "by more `storage` of the host cluster in its group".to_owned()),
    ];
    ways.into_iter().filter(|(applies, _)| *applies).map(|(_, way)| way).collect()
}

/// `a`, `a or b`, `a, b, or c`.
fn alternatives(ways: &[String]) -> String {
    match ways {
        [] => String::new(),
        [only] => only.clone(),
        [one, other] => format!("{one} or {other}"),
        [first @ .., last] => format!("{}, or {last}", first.join(", ")),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::accounting::{Accounting, Choice, Request};
    use crate::domain::amounts::tests::gpus;
    use crate::domain::amounts::{Amounts, Extended};
    use crate::domain::capacity::Stated;
    use crate::domain::ledger::Ledger;
    use crate::domain::limit::Limit;
    use crate::domain::node::Node;
    use crate::domain::node::tests::{node, taint};
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::shares::{Bounds, Shares};
    use crate::domain::size::Size;

    const GIB: u64 = 1 << 30;

    /// What a new virtual cluster of the default size gets to hear on a host with these nodes and 1 GiB of storage.
    pub(in crate::provider::explain) fn refused(
        group: Option<&str>,
        nodes: &[Node],
        rules: Rules,
    ) -> (Refused, Standing) {
        let rules = Rules { storage: rules.storage.or(Some(Bytes(100 * GIB))), ..rules };
        let mut accounting = Accounting::default();
        accounting.set_host("uid", "eu-1", Ok(Ledger::default()));
        let request = Request {
            group: group.map(str::to_owned),
            label: "team-a".to_owned(),
            size: Size::DEFAULT.into(),
            quota: Size::DEFAULT.into(),
            owner: None,
            share: Amounts::ZERO,
            whole: Size::DEFAULT.into(),
            minimum: Size::MINIMUM.into(),
            hosts: vec![Choice { host: "uid".to_owned(), limit: rules.capacity(nodes) }],
            replaces: None,
        };
        (*accounting.plan("key".to_owned(), request).unwrap_err(), Standing::of("eu-1", rules, nodes))
    }

    #[track_caller]
    fn check(group: Option<&str>, nodes: &[Node], rules: Rules, expected: &str) {
        let (refused, standing) = refused(group, nodes, rules);
        assert_eq!(next_step(&refused, &[standing], When::Applied), expected);
    }

    #[test]
    fn only_what_exists_for_who_asks_is_advised() {
        let small = [node("a", 3000, 64 * GIB)];
        check(
            None,
            &small,
            Rules::default(),
            "Ask for 400m less cpu, or make room for as much. Room is made by pausing or destroying virtual clusters, by more \
             nodes, or by `host_capacity`, which says what the host cluster may promise.",
        );
        check(
            Some("dev"),
            &small,
            Rules::default(),
            "Ask for 400m less cpu, or make room for as much. Room is made by pausing or destroying virtual clusters, by more \
             nodes, by a higher `oversubscription_percent`, or by `capacity` in the group, for a host cluster that grows on \
             demand.",
        );
        let reserving = |memory| Rules { reserved_memory: Bytes(memory), ..Rules::default() };
        let advice = |rules| {
            let (refused, standing) = refused(Some("dev"), &small, rules);
            next_step(&refused, &[standing], When::Planned)
        };
        assert!(!advice(reserving(GIB)).contains("`reserved`"), "there is enough memory");
        assert!(advice(reserving(63 * GIB)).contains(", by less `reserved`, by a higher"));
        assert!(advice(reserving(GIB)).contains("in an apply before this one"));
    }

    #[test]
    fn a_node_that_may_come_back_is_waited_for() {
        let cordoned = Node { is_cordoned: true, ..node("a", 16_000, 64 * GIB) };
        let tainted = Node { taints: vec![taint("gpu", "")], ..cordoned.clone() };
        let advice = |nodes: &[Node]| {
            let (refused, standing) = refused(None, nodes, Rules::default());
            next_step(&refused, &[standing], When::Applied)
        };
        assert!(advice(&[cordoned]).contains("when nodes are Ready and not cordoned again"));
        assert!(!advice(&[tainted]).contains("again"), "it is tainted, too");
    }

    #[test]
    fn a_group_can_tolerate_a_taint_and_say_what_its_hosts_grow_to() {
        let tainted = [Node { taints: vec![taint("gpu", "")], ..node("a", 16_000, 64 * GIB) }];
        let advice = |group: Option<&str>, rules: Rules| {
            let (refused, standing) = refused(group, &tainted, rules);
            next_step(&refused, &[standing], When::Applied)
        };
        assert!(advice(Some("dev"), Rules::default()).contains("by `tolerations` of taints in the group"));
        assert!(!advice(None, Rules::default()).contains("`tolerations`"));
        let stated = Stated { cpu: Some(Millicores(1000)), memory: Some(Bytes(64 * GIB)), ..Stated::default() };
        assert_eq!(
            advice(Some("dev"), Rules { grows_to: stated, ..Rules::default() }),
            "Make room for 2.8 cpu: no virtual cluster has less cpu than 3. Room is made by pausing or destroying virtual \
             clusters, by a higher `oversubscription_percent`, or by a larger `capacity` of the host cluster in its group."
        );
    }

    #[test]
    fn storage_is_not_made_by_pausing_or_by_nodes() {
        let rules = || Rules { storage: Some(Bytes(GIB)), ..Rules::default() };
        let nodes = [node("a", 16_000, 64 * GIB)];
        check(
            Some("dev"),
            &nodes,
            rules(),
            "Ask for 1Gi less storage, or make room for as much. Room is made by destroying virtual clusters or by more \
             `storage` of the host cluster in its group.",
        );
    }

    #[test]
    fn no_advice_goes_below_the_minimum() {
        check(
            None,
            &[node("a", 2000, 64 * GIB)],
            Rules::default(),
            "Make room for 1.6 cpu: no virtual cluster has less cpu than 3. Room is made by pausing or destroying virtual \
             clusters, by more nodes, or by `host_capacity`, which says what the host cluster may promise.",
        );
        let quota = |cpu| {
            let mut accounting = Accounting::default();
            let limit = Limit { cpu: Some(Millicores(cpu)), ..Limit::UNLIMITED };
            accounting.set_quota("dev", limit.into(), Ok(Ledger::default()));
            let (refused, _) = refused(Some("dev"), &[], Rules::default());
            let request = Request { hosts: Vec::new(), ..refused.request };
            next_step(&accounting.plan("key".to_owned(), request).unwrap_err(), &[], When::Planned)
        };
        assert_eq!(
            quota(3500),
            "Ask for 500m less cpu, or raise `quota.cpu` of the group to 4. Pausing gives no quota back; destroying does."
        );
        assert_eq!(
            quota(2000),
            "Raise `quota.cpu` of the group to 4: no virtual cluster has less cpu than 3. Pausing gives no quota back; \
             destroying does."
        );
    }

    /// What a virtual cluster of the default size, with `gpus` and of team `web`, gets to hear of a quota.
    fn of_quota(bounds: Bounds, extended: Extended) -> String {
        let mut accounting = Accounting::default();
        accounting.set_quota("dev", bounds, Ok(Ledger::default()));
        let asked = Amounts { size: Size::DEFAULT, virtual_clusters: 1, extended };
        let (refused, _) = refused(Some("dev"), &[], Rules::default());
        let request = Request {
            hosts: Vec::new(),
            quota: asked.clone(),
            owner: Some("web".to_owned()),
            share: asked.clone(),
            whole: asked,
            minimum: Amounts { virtual_clusters: 1, ..Size::MINIMUM.into() },
            ..refused.request
        };
        next_step(&accounting.plan("key".to_owned(), request).unwrap_err(), &[], When::Planned)
    }

    #[test]
    fn what_is_counted_of_a_quota_or_a_share_is_raised_where_it_stands() {
        let none = Limit { virtual_clusters: Some(0), ..Limit::UNLIMITED };
        assert_eq!(
            of_quota(none.clone().into(), Extended::new()),
            "Raise `quota.virtual_clusters` of the group to 1. Pausing gives no quota back; destroying does."
        );
        let two = Limit { extended: gpus(2), ..Limit::UNLIMITED };
        assert_eq!(
            of_quota(two.into(), gpus(3)),
            "Ask for 1 less nvidia.com/gpu, or raise `quota.hard[\"requests.nvidia.com/gpu\"]` of the group to 3. Pausing gives no \
             quota back; destroying does."
        );
        let shares = |limit| Bounds { shares: Some(Shares::new("team", limit, [])), ..Bounds::UNLIMITED };
        assert_eq!(
            of_quota(shares(none), Extended::new()),
            "Raise what `shares` of the group gives \"web\" of virtual_clusters to 1. Pausing gives nothing of a share back; \
             destroying does."
        );
    }

    #[test]
    fn devices_are_made_by_nodes_and_pauses_and_never_by_oversubscription() {
        let nodes = [node("a", 16_000, 64 * GIB)];
        let mut accounting = Accounting::default();
        accounting.set_host("uid", "eu-1", Ok(Ledger::default()));
        let (refused, standing) = refused(Some("dev"), &[], Rules::default());
        let asked = Amounts { extended: gpus(2), ..Size::DEFAULT.into() };
        let hosts = vec![Choice { host: "uid".to_owned(), limit: Rules::default().capacity(&nodes) }];
        let request = Request { hosts, size: asked.clone(), whole: asked, ..refused.request };
        let refused = accounting.plan("key".to_owned(), request).unwrap_err();
        assert_eq!(
            next_step(&refused, &[standing], When::Applied),
            "Ask for 2 less nvidia.com/gpu, or make room for as much. Room is made by pausing or destroying virtual clusters, by more \
             nodes, or by `capacity` in the group, for a host cluster that grows on demand."
        );
    }
}
