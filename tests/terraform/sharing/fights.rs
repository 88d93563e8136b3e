//! Many applies that want the same room, and applies that stop in the middle.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::{Hosts, group, member};
use support::cluster::Cluster;
use support::hold::Hold;
use support::workspace::{Run, Workspace};
use support::{eventually, is};

/// What the quotas of the virtual clusters on a host allow together, in CPU.
fn handed_out(host: &Cluster) -> u64 {
    let quotas = host.list("/api/v1/resourcequotas");
    let cpu = |quota: &serde_json::Value| {
        quota["spec"]["hard"]["requests.cpu"].as_str().unwrap_or("0").parse::<u64>().unwrap()
    };
    quotas.iter().map(cpu).sum()
}

/// Applies all configurations at once, each in a directory and a process of its own, while nothing may be oversold. Returns
/// the directories and how each apply ended.
fn fight(hosts: &Hosts, configurations: &[String], most: [u64; 2]) -> Vec<(Workspace, Run)> {
    let workspaces: Vec<Workspace> = configurations
        .iter()
        .map(|configuration| {
            let workspace = hosts.workspace();
            workspace.write(configuration);
            workspace
        })
        .collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut highest = [0, 0];
            while !over.load(Ordering::Relaxed) {
                for (index, host) in [hosts.eu, hosts.us].into_iter().enumerate() {
                    highest[index] = handed_out(host).max(highest[index]);
                    assert!(highest[index] <= most[index], "{}: {}", host.name, highest[index]);
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            highest
        });
        let running: Vec<_> = workspaces.iter().map(|workspace| workspace.start(&["apply", "-auto-approve"])).collect();
        let runs: Vec<Run> = running.into_iter().map(|running| running.wait()).collect();
        over.store(true, Ordering::Relaxed);
        watcher.join().expect("something was oversold");
        workspaces.into_iter().zip(runs).collect()
    })
}

/// Checks that as many have won as there is room for, that the others were told why, and that nothing is left of them.
#[track_caller]
fn assert_outcome(hosts: &Hosts, fought: &[(Workspace, Run)], winners: usize, told: &str) {
    let won: Vec<bool> = fought.iter().map(|(_, run)| run.succeeded).collect();
    let errors: Vec<String> = fought.iter().filter(|(_, run)| !run.succeeded).map(|(_, run)| run.errors()).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), winners, "{errors:#?}");
    for error in &errors {
        assert!(error.contains(told) && error.contains("available"), "{error}");
    }
    let mut names = BTreeSet::new();
    for host in [hosts.eu, hosts.us] {
        let namespaces = host.names("/api/v1/namespaces");
        names.extend(namespaces.into_iter().filter(|name| name.starts_with("vcluster-")));
        let records = host.names("/api/v1/namespaces/nested-system/secrets");
        let records = records.iter().filter(|name| name.starts_with("virtual-cluster.")).count();
        assert_eq!(records, hosts.ledger(host).len(), "{}: a record without a share, or the reverse", host.name);
    }
    assert_eq!(names.len(), winners, "{names:?}");
}

fn clean_up(hosts: &Hosts, fought: &[(Workspace, Run)], platform: &Workspace) {
    std::thread::scope(|scope| {
        for (workspace, _) in fought.iter().filter(|(_, run)| run.succeeded) {
            scope.spawn(|| {
                workspace.destroy().assert_success();
            });
        }
    });
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn of_twenty_applies_seven_find_room_for_seven() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    platform.write(&group("dev", "host_clusters = { \"eu-1\" = {} }"));
    platform.apply().assert_success();
    let configurations: Vec<String> = (0..20).map(|number| member(&format!("team_{number}"), "dev", "")).collect();
    let fought = fight(&hosts, &configurations, [28, 0]);
    assert_outcome(&hosts, &fought, 7, "does not fit");
    clean_up(&hosts, &fought, &platform);
}

#[test]
fn a_quota_over_two_hosts_is_given_away_once() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    platform.write(&group("dev", "quota = { cpu = \"28\" }\noversubscription_percent = 200"));
    platform.apply().assert_success();
    let configurations: Vec<String> = (0..12).map(|number| member(&format!("team_{number}"), "dev", "")).collect();
    let fought = fight(&hosts, &configurations, [28, 28]);
    assert_outcome(&hosts, &fought, 7, "the quota of cluster group \"dev\" is used up");
    assert_eq!(hosts.quota(hosts.eu, "dev").len(), 7);
    assert_eq!(handed_out(hosts.eu) + handed_out(hosts.us), 28);
    clean_up(&hosts, &fought, &platform);
}

#[test]
fn groups_and_virtual_clusters_of_none_share_one_host() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    let on_eu = "host_clusters = { \"eu-1\" = {} }\noversubscription_percent = 120";
    platform.write(&(group("dev", on_eu) + &group("prod", on_eu)));
    platform.apply().assert_success();
    let chart = rig::tools::chart();
    let alone = format!("host_cluster = \"eu-1\"\nvcluster_version = \"0.34.7\"\nchart = {{ source = {chart:?} }}");
    // 33.6 CPU for all of them: room for eight of 4 CPU.
    let configurations: Vec<String> = (0..12)
        .map(|number| match number % 3 {
            0 => member(&format!("dev_{number}"), "dev", ""),
            1 => member(&format!("prod_{number}"), "prod", ""),
            _ => {
                format!("resource \"nested_virtual_cluster\" \"alone\" {{\n  name = \"alone-{number}\"\n{alone}\n}}\n")
            }
        })
        .collect();
    let fought = fight(&hosts, &configurations, [33, 0]);
    assert_outcome(&hosts, &fought, 8, "does not fit");
    clean_up(&hosts, &fought, &platform);
}

#[test]
fn room_of_the_dead_is_reclaimed_and_room_of_the_living_is_not() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    // Room for one.
    platform.write(&group(
        "dev",
        "host_clusters = { \"eu-1\" = { reserved = { cpu = \"24\" } } }\nquota = { cpu = \"4\" }",
    ));
    platform.apply().assert_success();
    let (first, second) = (hosts.workspace(), hosts.workspace());
    first.write(&member("first", "dev", ""));
    second.write(&member("second", "dev", ""));

    // It holds room and is alive, for as long as its pods do not come.
    let hold = Hold::on(hosts.eu, "CREATE", "pods", "vcluster-first");
    let running = first.start(&["apply", "-auto-approve"]);
    hold.wait();
    assert_eq!(hosts.ledger(hosts.eu).len(), 1);
    let refused = second.apply().assert_failure();
    assert!(refused.contains("is used up"), "{refused}");
    assert_eq!(hosts.eu.record("vcluster-second"), None, "nothing is left of the loser");
    running.kill_plugin().assert_failure();
    drop(hold);
    assert_eq!(hosts.ledger(hosts.eu).len(), 1, "it cannot give it back any more");

    // It is dead now. Planning still sees its share; the apply finds out.
    let skip_plan = second.start(&["apply", "-auto-approve"]).wait();
    skip_plan.assert_success();
    assert_eq!(hosts.eu.record("vcluster-first"), None);
    hosts.eu.assert_nothing_remains("vcluster-first");
    second.plan().assert_quiet();
    second.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_ledger_that_somebody_deletes_is_rebuilt() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    platform.write(&group("dev", "host_clusters = { \"eu-1\" = {} }\nquota = { cpu = \"8\" }"));
    platform.apply().assert_success();
    let two = member("one", "dev", "") + &member("two", "dev", "paused = true");
    team.write(&two);
    team.apply().assert_success();
    let before = (hosts.ledger(hosts.eu), hosts.quota(hosts.eu, "dev"));
    assert_eq!(before.0.values().collect::<Vec<_>>(), ["4", "paused"]);
    for ledger in ["ledger", "quota.dev"] {
        hosts.eu.delete(&format!("/api/v1/namespaces/nested-system/secrets/{ledger}"));
    }
    let another = hosts.workspace();
    another.write(&member("three", "dev", ""));
    let refused = another.apply().assert_failure();
    assert!(refused.contains("is used up"), "{refused}");
    team.write(
        &(member("one", "dev", "labels = { a = \"b\" }")
            + &member("two", "dev", "paused = true\nlabels = { a = \"b\" }")),
    );
    team.apply().assert_success();
    assert_eq!((hosts.ledger(hosts.eu), hosts.quota(hosts.eu, "dev")), before);
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_sleeper_whose_room_was_reclaimed_creates_nothing() {
    let hosts = Hosts::alone();
    let platform = hosts.workspace();
    platform.write(&group("dev", "host_clusters = { \"eu-1\" = { reserved = { cpu = \"24\" } } }"));
    platform.apply().assert_success();
    let (sleeper, successor) = (hosts.workspace(), hosts.workspace());
    sleeper.write(&member("sleeper", "dev", ""));
    successor.write(&member("successor", "dev", ""));
    let hold = Hold::on(hosts.eu, "CREATE", "namespaces", "vcluster-sleeper");
    let sleeping = sleeper.start(&["apply", "-auto-approve"]);
    hold.wait();
    sleeping.freeze(true);
    drop(hold);
    successor.start(&["apply", "-auto-approve"]).wait().assert_success();
    sleeping.freeze(false);
    let refused = sleeping.wait().assert_failure();
    assert!(refused.contains("has taken over") || refused.contains("was lost"), "{refused}");
    assert!(sleeper.state("nested_virtual_cluster.sleeper").is_none());
    eventually("the end of all of the sleeper", || is(hosts.eu.remains("vcluster-sleeper"), &[""; 0]));
    assert_eq!(hosts.ledger(hosts.eu).into_keys().collect::<Vec<_>>(), ["vcluster-successor"]);
    successor.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_resume_by_somebody_else_is_charged_as_soon_as_it_is_seen() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    platform.write(&group("dev", "host_clusters = { \"eu-1\" = {} }"));
    platform.apply().assert_success();
    let paused = member("resting", "dev", "paused = true");
    team.write(&paused);
    team.apply().assert_success();
    assert_eq!(hosts.ledger(hosts.eu)["vcluster-resting"], "paused");
    // As `vcluster resume` does it.
    let workload = "/apis/apps/v1/namespaces/vcluster-resting/statefulsets/resting";
    let marks =
        serde_json::json!({ "loft.sh/paused": null, "loft.sh/paused-replicas": null, "loft.sh/paused-date": null });
    hosts.eu.patch(workload, serde_json::json!({ "metadata": { "annotations": marks }, "spec": { "replicas": 1 } }));
    team.plan();
    assert_eq!(hosts.ledger(hosts.eu)["vcluster-resting"], "4");
    team.apply().assert_success();
    assert_eq!(hosts.ledger(hosts.eu)["vcluster-resting"], "paused");
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}
