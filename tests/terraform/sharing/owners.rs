//! How many virtual clusters there may be, devices of nodes, and a share for each owner: in plans and at the ledgers.

use serde_json::json;

use super::support::{Hosts, group, member};
use support::cluster::Cluster;
use support::workspace::{Run, Workspace};
use support::{eventually, is};

/// Gives a node so many GPUs.
fn equip(host: &Cluster, number: u32, gpus: u32) {
    let path = format!("/api/v1/nodes/{}-node-{number}", host.name);
    let amount = json!({ "nvidia.com/gpu": gpus.to_string() });
    host.patch(&format!("{path}/status"), json!({ "status": { "allocatable": amount, "capacity": amount } }));
    eventually("the node to have its GPUs", || {
        let node = host.get(&path).unwrap();
        is(node["status"]["allocatable"]["nvidia.com/gpu"].as_str().unwrap_or("0").to_owned(), &gpus.to_string())
    });
}

/// Takes the GPUs away again, for the next test.
fn strip(host: &Cluster, number: u32) {
    let amount = json!({ "nvidia.com/gpu": null });
    let path = format!("/api/v1/nodes/{}-node-{number}/status", host.name);
    host.patch(&path, json!({ "status": { "allocatable": amount, "capacity": amount } }));
}

fn gpus(amount: u32) -> String {
    format!("resources = {{ hard = {{ \"requests.nvidia.com/gpu\" = \"{amount}\" }} }}")
}

fn of(owner: &str) -> String {
    format!("labels = {{ team = {owner:?} }}")
}

#[track_caller]
fn check_refused(run: &Run, expected: &[&str]) {
    let refused = run.assert_failure();
    for part in expected {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

fn planned(workspace: &Workspace, configuration: &str) -> Run {
    workspace.write(configuration);
    workspace.try_plan().0
}

#[test]
fn no_more_virtual_clusters_than_the_quota_says() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    let limited = |count: u32| group("dev", &format!("quota = {{ virtual_clusters = {count} }}"));
    platform.write(&limited(2));
    platform.apply().assert_success();
    platform.plan().assert_quiet();
    let [one, two, three] = ["one", "two", "three"].map(|label| member(label, "dev", ""));
    let used_up = ["the quota of cluster group \"dev\" is used up", "virtual_clusters: 1 requested, 0 available"];
    check_refused(&planned(&team, &[one.clone(), two.clone(), three.clone()].concat()), &used_up);
    team.write(&(one.clone() + &two));
    team.apply().assert_success();
    // Another state sees the same quota; a paused one is still one.
    let other = hosts.workspace();
    check_refused(&planned(&other, &three), &[used_up[1], "Raise `quota.virtual_clusters` of the group to 3"]);
    team.write(&(member("one", "dev", "paused = true") + &two));
    team.apply().assert_success();
    check_refused(&other.try_plan().0, &used_up);
    // Fewer than there are take nothing away, and a resize needs no more of them.
    platform.write(&limited(1));
    platform.apply().assert_success();
    team.write(&(one + &member("two", "dev", "resources = { cpu = \"6\" }")));
    team.apply().assert_success();
    platform.write(&limited(3));
    platform.apply().assert_success();
    other.plan();
    // What was decided by a plan is decided again where it counts.
    platform.write(&limited(2));
    platform.apply().assert_success();
    check_refused(&other.apply_planned(), &used_up);
    for workspace in [&team, &platform] {
        workspace.destroy().assert_success();
    }
    hosts.assert_empty();
}

#[test]
fn devices_of_nodes_are_capacity_and_quota() {
    let hosts = Hosts::alone();
    let (platform, team, other) = (hosts.workspace(), hosts.workspace(), hosts.workspace());
    equip(hosts.eu, 1, 4);
    let quota = |gpus: u32| format!("quota = {{ hard = {{ \"requests.nvidia.com/gpu\" = \"{gpus}\" }} }}");
    platform.write(&group("dev", &quota(8)));
    platform.apply().assert_success();
    platform.plan().assert_quiet();
    let ai = |label: &str, amount: u32, more: &str| member(label, "dev", &format!("{}\n{more}", gpus(amount)));

    // They are where the nodes have them, whoever asks first.
    team.write(&(member("plain", "dev", "") + &ai("one", 3, "")));
    team.apply().assert_success();
    assert_eq!(hosts.eu.held("vcluster-one").unwrap()["extended"], json!({ "nvidia.com/gpu": "3" }));
    let record = hosts.eu.record("vcluster-one").unwrap();
    assert_eq!(record["share"]["extended"], json!({ "nvidia.com/gpu": "3" }));
    team.plan().assert_quiet();
    let full = ["no host of cluster group \"dev\" has room", "nvidia.com/gpu: 2 requested, 1 available, 1 too many"];
    check_refused(&planned(&other, &ai("two", 2, "")), &full);
    // A pause gives them back to the host, and the quota keeps them.
    team.write(&(member("plain", "dev", "") + &ai("one", 3, "paused = true")));
    team.apply().assert_success();
    other.write(&ai("two", 2, ""));
    other.apply().assert_success();
    team.write(&(member("plain", "dev", "") + &ai("one", 3, "")));
    check_refused(&team.try_plan().0, &["nvidia.com/gpu: 3 requested, 2 available"]);
    platform.write(&group("dev", &quota(5)));
    platform.apply().assert_success();
    check_refused(
        &planned(&other, &(ai("two", 2, "") + &ai("three", 1, ""))),
        &["nvidia.com/gpu: 1 requested, 0 available", "`quota.hard[\"requests.nvidia.com/gpu\"]` of the group to 6"],
    );
    // A ledger that is lost is counted from the records.
    hosts.eu.remove("/api/v1/namespaces/nested-system/secrets/ledger");
    team.write(&(member("plain", "dev", "") + &ai("one", 2, "")));
    team.apply().assert_success();
    assert_eq!(hosts.eu.held("vcluster-two").unwrap()["extended"], json!({ "nvidia.com/gpu": "2" }));
    check_refused(&planned(&other, &ai("two", 3, "")), &["nvidia.com/gpu: 1 requested, 0 available"]);
    // What a host grows to stands in for its nodes.
    let grows =
        "host_clusters = { \"eu-1\" = { capacity = { extended = { \"nvidia.com/gpu\" = \"6\" } } }, \"us-1\" = {} }";
    platform.write(&group("dev", grows));
    platform.apply().assert_success();
    other.write(&ai("two", 4, ""));
    other.apply().assert_success();
    for workspace in [&other, &team, &platform] {
        workspace.destroy().assert_success();
    }
    strip(hosts.eu, 1);
    hosts.assert_empty();
}

#[test]
fn each_owner_has_a_share() {
    let hosts = Hosts::alone();
    let (platform, web, data) = (hosts.workspace(), hosts.workspace(), hosts.workspace());
    let shares = |default: u32| {
        let shares = format!("label = \"team\", default = {{ cpu = \"{default}\" }}");
        let exceptions = "exceptions = { data = { cpu = \"12\", virtual_clusters = 2 } }";
        group("dev", &format!("quota = {{ cpu = \"20\" }}\nshares = {{ {shares}, {exceptions} }}"))
    };
    platform.write(&shares(8));
    platform.apply().assert_success();
    platform.plan().assert_quiet();
    let sized = |label: &str, cpu: u32, labels: &str| {
        member(label, "dev", &format!("resources = {{ cpu = \"{cpu}\" }}\n{labels}"))
    };
    check_refused(&planned(&web, &sized("one", 4, "")), &["the label \"team\" is missing", "labels = {"]);
    let used_up = "the share of \"web\" in cluster group \"dev\" is used up";
    let (one, two) = (sized("one", 4, &of("web")), sized("two", 4, &of("web")));
    check_refused(
        &planned(&web, &[one.clone(), two.clone(), sized("three", 3, &of("web"))].concat()),
        // Which of them is refused depends on whose turn it was first.
        &[used_up, "share of web", "gives \"web\" of cpu to 11"],
    );
    web.write(&(one.clone() + &two));
    web.apply().assert_success();
    web.plan().assert_quiet();
    check_refused(&planned(&web, &(sized("one", 5, &of("web")) + &two)), &[used_up, "cpu: 1 requested, 0 available"]);
    // Whoever has more than the others is an exception, and in the quota as everybody.
    let (a, b) = (sized("a", 6, &of("data")), sized("b", 6, &of("data")));
    data.write(&(a.clone() + &b));
    data.apply().assert_success();
    check_refused(
        &planned(&data, &[a.clone(), b.clone(), sized("c", 3, &of("ops"))].concat()),
        &["the quota of cluster group \"dev\" is used up"],
    );
    // Another label is another owner, who needs room for all of it; no label is no way out.
    check_refused(
        &planned(&web, &(sized("one", 4, &of("data")) + &two)),
        &["the share of \"data\"", "cpu: 4 requested, 0 available"],
    );
    check_refused(&planned(&web, &(sized("one", 4, "") + &two)), &["the label \"team\" is missing"]);
    web.write(&(sized("one", 4, &of("ops")) + &two));
    web.apply().assert_success();
    let quota = || hosts.eu.document("quota.dev").unwrap()["entries"].clone();
    let owners = || {
        let entries = quota().as_object().unwrap().clone();
        let mut owners: Vec<_> = entries.values().map(|entry| entry["labels"]["team"].clone()).collect();
        owners.sort_by_key(ToString::to_string);
        owners
    };
    assert_eq!(owners(), ["data", "data", "ops", "web"]);
    // A share that is lowered takes nothing away, and a ledger that is lost is counted from the records.
    platform.write(&shares(3));
    platform.apply().assert_success();
    hosts.eu.remove("/api/v1/namespaces/nested-system/secrets/quota.dev");
    let small = sized("one", 3, &of("ops")) + &two;
    web.write(&small);
    web.apply().assert_success();
    web.write(&(sized("one", 4, &of("ops")) + &two));
    check_refused(&web.apply(), &["the share of \"ops\"", "cpu: 1 requested, 0 available"]);
    assert_eq!(owners(), ["data", "data", "ops", "web"]);
    web.write(&small);
    for workspace in [&web, &data, &platform] {
        workspace.destroy().assert_success();
    }
    hosts.assert_empty();
}

#[test]
fn two_applies_of_one_owner_get_no_more_than_its_share() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    let shares = "shares = { label = \"team\", default = { virtual_clusters = 2 } }";
    platform.write(&group("dev", shares));
    platform.apply().assert_success();
    let configuration = |name: &str| member(name, "dev", &of("web"));
    let applied: Vec<(Workspace, Run)> = std::thread::scope(|scope| {
        let started = ["one", "two", "three", "four"].map(|name| {
            let workspace = hosts.workspace();
            workspace.write(&configuration(name));
            scope.spawn(move || {
                let run = workspace.apply();
                (workspace, run)
            })
        });
        started.into_iter().map(|applying| applying.join().unwrap()).collect()
    });
    let errors: Vec<String> = applied.iter().filter(|(_, run)| !run.succeeded).map(|(_, run)| run.errors()).collect();
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors.iter().all(|error| error.contains("the share of \"web\"")), "{errors:#?}");
    // Without shares nobody has to say whose it is.
    platform.write(&group("dev", ""));
    platform.apply().assert_success();
    let free = hosts.workspace();
    free.write(&member("five", "dev", ""));
    free.apply().assert_success();
    free.destroy().assert_success();
    for (workspace, _) in applied.iter().filter(|(_, run)| run.succeeded) {
        workspace.destroy().assert_success();
    }
    platform.destroy().assert_success();
    hosts.assert_empty();
}
