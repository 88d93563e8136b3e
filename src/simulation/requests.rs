//! What an operation asks of hosts when nothing goes wrong: its requests are counted, and may not become more.

use std::collections::BTreeMap;

use super::terraform::{End, Kept, apply, apply_all};
use super::world::World;
use super::{group, in_a_world, member};
use crate::provider::cluster_group::ClusterGroupModel;
use crate::provider::virtual_cluster::VirtualClusterModel;

/// An operation, and what one virtual cluster may ask of its hosts for it, with the plan: alone, and as one of many.
const BUDGETS: [(&str, usize, usize); 6] = [
    ("create", 62, 20),
    ("update", 50, 19),
    ("resize", 53, 20),
    ("pause", 43, 12),
    ("resume", 45, 13),
    ("destroy", 39, 12),
];

/// So many are many.
const MANY: usize = 40;

/// What is wanted of the virtual clusters in each operation.
fn wanted(operation: &str, name: &str) -> Option<VirtualClusterModel> {
    let (cpu, paused) = match operation {
        "create" => (3, false),
        "pause" => (4, true),
        "update" | "resume" | "resize" => (4, false),
        _ => return None,
    };
    let mut wanted = member(Some(name), cpu, paused);
    if operation != "create" {
        wanted.labels = super::Value::Value(BTreeMap::from([("team".to_owned(), super::text("a"))]));
    }
    if operation == "update" {
        wanted.resources = super::size(3);
    }
    Some(wanted)
}

/// What was asked of hosts since it was last counted, by what it is about.
fn asked(world: &World) -> BTreeMap<String, usize> {
    let lines = world.state().log.as_mut().map(std::mem::take).unwrap_or_default();
    let mut requests = BTreeMap::new();
    for line in lines {
        let mut words = line.split_whitespace().skip(3);
        let (Some(method), Some(path)) = (words.next(), words.next()) else { continue };
        if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) {
            continue;
        }
        let alike: String = path.chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }).collect();
        *requests.entry(format!("{method} {}", alike.replace("##", "#"))).or_default() += 1;
    }
    requests
}

async fn live(world: &World, count: usize) -> Vec<(&'static str, BTreeMap<String, usize>)> {
    let mut platform: Option<Kept<ClusterGroupModel>> = None;
    let hosts = ["eu-1", "us-1"];
    assert_eq!(apply(world, &mut platform, Some(&group(&hosts, 100, "first")), Default::default()).await, End::Done);
    // Somebody is there already, so that there are ledgers.
    let mut neighbour: Option<Kept<VirtualClusterModel>> = None;
    assert_eq!(apply(world, &mut neighbour, Some(&member(None, 3, false)), Default::default()).await, End::Done);
    let names: Vec<String> = (10..10 + count).map(|number| format!("team-{number}")).collect();
    let mut kept: Vec<Option<Kept<VirtualClusterModel>>> = vec![None; count];
    asked(world);
    let mut counted = Vec::new();
    for operation in ["create", "update", "resize", "pause", "resume", "destroy"] {
        let wanted: Vec<_> = names.iter().map(|name| wanted(operation, name)).collect();
        for end in apply_all(world, &mut kept, &wanted).await {
            assert_eq!(end, End::Done, "{operation}");
        }
        counted.push((operation, asked(world)));
    }
    counted
}

fn count(count: usize) -> Vec<(&'static str, BTreeMap<String, usize>)> {
    let mut counted = Vec::new();
    let hosts = [("eu-1", 4000), ("us-1", 4000)];
    in_a_world(1, &hosts, true, async |world| {
        counted = live(world, count).await;
        Vec::new()
    });
    counted
}

#[track_caller]
fn check(many: usize, budget: impl Fn(&(&str, usize, usize)) -> usize) {
    let mut over = Vec::new();
    for (operation, requests) in count(many) {
        let total: usize = requests.values().sum();
        let allowed = BUDGETS.iter().find(|(name, ..)| *name == operation).map_or(0, &budget);
        let each = total.div_ceil(many);
        println!("{operation}: {each} requests for each of {many}, of {allowed}");
        for (request, times) in &requests {
            println!("{times:>7}  {request}");
        }
        if each > allowed {
            over.push(format!("{operation}: {each} requests for each of {many}, and not {allowed}: {requests:#?}"));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

#[test]
fn one_virtual_cluster_asks_no_more_than_it_did() {
    check(1, |(_, alone, _)| *alone);
}

#[test]
fn many_virtual_clusters_share_what_they_ask() {
    check(MANY, |(.., together)| *together);
}
