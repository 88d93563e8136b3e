//! `nested_cluster_group` from plan to destroy: one record on every host, which agree, and come back when they are lost.

use std::sync::OnceLock;

use rig::Rig;
use serde_json::{Value, json};

use support::cluster::Cluster;
use support::hold::Hold;
use support::workspace::{Plan, Workspace, connection};
use support::{eventually, hosts, there};

const GROUP: &str = "nested_cluster_group.this";

/// A directory whose provider block has both hosts, under their own names.
fn workspace() -> Workspace {
    let workspace = Workspace::on(&hosts()[0]);
    both(&workspace);
    workspace
}

fn both(workspace: &Workspace) {
    workspace.provider(&connections(&[("eu-1", &hosts()[0]), ("us-1", &hosts()[1])]));
}

fn connections(entries: &[(&str, &Cluster)]) -> String {
    let entries: Vec<String> = entries.iter().map(|(key, cluster)| connection(key, &cluster.kubeconfig)).collect();
    entries.join("\n")
}

/// A group of the rig's chart, on both hosts unless `attributes` say otherwise.
fn group(name: &str, attributes: &str) -> String {
    let chart = rig::tools::chart();
    let is_set = |name: &str| attributes.lines().any(|line| line.trim_start().split([' ', '=']).next() == Some(name));
    let defaults = [
        ("vcluster_version", "\"0.34.7\"".to_owned()),
        ("chart", format!("{{ source = {chart:?} }}")),
        ("host_clusters", "{ \"eu-1\" = {}, \"us-1\" = {} }".to_owned()),
    ];
    let defaults = defaults.iter().filter(|(name, _)| !is_set(name));
    let defaults: String = defaults.map(|(name, value)| format!("  {name} = {value}\n")).collect();
    format!("resource \"nested_cluster_group\" \"this\" {{\n  name = {name:?}\n{defaults}{attributes}\n}}\n")
}

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/nested-system/secrets/group.{name}")
}

/// The group's record on one host.
fn record(cluster: &Cluster, name: &str) -> Option<Value> {
    let secret = cluster.get(&path(name))?;
    let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, secret["data"]["record.json"].as_str()?);
    Some(serde_json::from_slice(&bytes.unwrap()).unwrap())
}

/// Writes a record by hand.
fn write_record(cluster: &Cluster, name: &str, record: &Value) {
    let data = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, record.to_string());
    cluster.patch(&path(name), json!({ "data": { "record.json": data } }));
}

/// The Secrets in which a host keeps chart archives for this digest.
fn archives(cluster: &Cluster, digest: &str) -> Vec<String> {
    let hex = digest.trim_start_matches("sha256:");
    let names = cluster.names("/api/v1/namespaces/nested-system/secrets");
    names.into_iter().filter(|name| *name == format!("chart-{}", &hex[..12])).collect()
}

#[track_caller]
fn state(workspace: &Workspace) -> Value {
    workspace.state(GROUP).expect("nothing in the state")["values"].take()
}

fn actions(plan: &Plan) -> String {
    let actions = plan.change(GROUP)["actions"].as_array().unwrap();
    actions.iter().map(|action| action.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_agree(name: &str) -> Value {
    let [eu, us] = hosts().each_ref().map(|host| record(host, name));
    assert_eq!(eu, us);
    eu.expect("no record")
}

#[test]
fn a_group_lives_on_all_of_its_hosts_from_create_to_destroy() {
    let workspace = workspace();
    let quota = "quota = { cpu = \"64\", memory = \"256Gi\" }\ndescription = \"for all\"\nlabels = { team = \"a\" }";
    workspace.write(&group("lived", quota));
    assert_eq!(actions(&workspace.plan()), "create");
    workspace.apply().assert_success();
    let made = assert_agree("lived");
    assert_eq!((&made["phase"], &made["spec"]["quota"]["cpu"]), (&json!("ready"), &json!("64")));
    let before = state(&workspace);
    assert_eq!((&before["id"], &before["home_host_cluster"]), (&json!("lived"), &json!("eu-1")));
    assert_eq!((&before["distro"], &before["oversubscription_percent"]), (&json!("k8s"), &json!(120)));
    assert_eq!(
        before["virtual_cluster_defaults"],
        json!({"cpu": "4", "memory": "4Gi", "storage": "2Gi", "hard": null})
    );
    let digest = before["chart"]["digest"].as_str().unwrap().to_owned();
    for host in hosts() {
        assert_eq!(archives(host, &digest).len(), 1, "{}", host.name);
    }
    workspace.plan().assert_quiet();

    // Another spelling is no change.
    workspace.write(&group("lived", &quota.replace("\"64\"", "\"64000m\"")));
    workspace.plan().assert_quiet();

    workspace.write(&group("lived", &format!("{quota}\nendpoint_type = \"NodePort\"\noversubscription_percent = 150")));
    let plan = workspace.plan();
    assert_eq!(actions(&plan), "update");
    assert_eq!(plan.changed(GROUP), ["endpoint_type", "oversubscription_percent", "revision"]);
    workspace.apply().assert_success();
    let updated = assert_agree("lived");
    assert_eq!(updated["spec"]["endpoint_type"], "NodePort");
    assert!(updated["generation"].as_u64() > made["generation"].as_u64());
    assert_eq!(updated["id"], made["id"]);
    workspace.plan().assert_quiet();

    // Only Terraform itself keeps these.
    workspace.write(&group(
        "lived",
        &format!(
            "{quota}\nendpoint_type = \"NodePort\"\noversubscription_percent = 150\ntimeouts = {{ update = \"1m\" }}"
        ),
    ));
    assert_eq!(workspace.plan().changed(GROUP), ["timeouts"]);
    workspace.apply().assert_success();
    assert_eq!(assert_agree("lived"), updated);
    workspace.destroy().assert_success();
    for host in hosts() {
        assert_eq!(record(host, "lived"), None, "{}", host.name);
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_made() {
    let workspace = workspace();
    for (attributes, expected) in [
        ("host_clusters = { \"ue-1\" = {} }", vec!["\"ue-1\" is not configured", "eu-1, us-1"]),
        ("oversubscription_percent = 1.5", vec!["It is 1.5. Write a whole number"]),
        ("oversubscription_percent = 20000", vec!["It is 20000."]),
        ("endpoint_type = \"Ingress\"", vec!["An Ingress needs a DNS name"]),
        ("virtual_cluster_minimums = { cpu = \"8\" }", vec!["`virtual_cluster_defaults.cpu` is 4", "is 8"]),
        ("values = \"privateNodes: {enabled: true}\"", vec!["which is refused"]),
        ("host_clusters = { \"eu-1\" = null }", vec!["is null"]),
    ] {
        workspace.write(&group("refused", attributes));
        let refused = workspace.try_plan().0.assert_failure();
        assert!(expected.iter().all(|part| refused.contains(part)), "{attributes}: {refused}");
    }
    workspace.write(&group("refused", "vcluster_version = \"0.34.1\""));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("0.34.1") && refused.contains("0.34.7"), "{refused}");

    // One cluster under two keys.
    workspace.provider(&connections(&[("eu-1", &hosts()[0]), ("us-1", &hosts()[0])]));
    workspace.write(&group("refused", ""));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("\"eu-1\" and \"us-1\" are the same cluster"), "{refused}");
    assert!(hosts().iter().all(|host| record(host, "refused").is_none()));
}

#[test]
fn what_is_locked_stays_and_says_how_to_go_on() {
    let workspace = workspace();
    workspace.write(&group("locked", ""));
    workspace.apply().assert_success();
    for (attributes, what) in [
        ("vcluster_version = \"0.35.0\"", "The vCluster version of a cluster group is locked"),
        ("distro = \"k3s\"\nvcluster_version = \"0.34.7\"", "does not ship this distribution"),
    ] {
        workspace.write(&group("locked", attributes));
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains(what), "{refused}");
    }
    // Where the chart comes from is not locked.
    let mirror = workspace.path("mirror");
    assert!(
        std::process::Command::new("cp").arg("-r").arg(rig::tools::chart()).arg(&mirror).status().unwrap().success()
    );
    workspace.write(&group("locked", &format!("chart = {{ source = {mirror:?} }}")));
    assert_eq!(workspace.plan().changed(GROUP), ["chart"]);
    workspace.apply().assert_success();
    assert_eq!(assert_agree("locked")["spec"]["chart_source"], mirror.to_str().unwrap());
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_group_that_exists_prints_its_import_block_and_can_be_imported() {
    let (first, second) = (workspace(), workspace());
    let attributes =
        "quota = { storage = \"1Ti\" }\nvalues = \"telemetry: {enabled: false}\"\nlabels = { team = \"a\" }";
    first.write(&group("taken-over", attributes));
    first.apply().assert_success();
    second.write(&group("taken-over", attributes));
    let refused = second.apply().assert_failure();
    assert!(refused.contains("Cluster group \"taken-over\" exists already."), "{refused}");
    assert!(refused.contains("to = nested_cluster_group.taken_over\n  id = \"taken-over\""), "{refused}");

    second.write(&format!("import {{\n  to = {GROUP}\n  id = \"taken-over\"\n}}\n{}", group("taken-over", attributes)));
    let plan = second.plan();
    assert_eq!(actions(&plan), "no-op", "{:?}", plan.changed(GROUP));
    second.apply().assert_success();
    assert_eq!(state(&second), state(&first));
    second.plan().assert_quiet();

    let third = workspace();
    third.write(&format!("import {{\n  to = {GROUP}\n  id = \"nowhere\"\n}}\n{}", group("nowhere", "")));
    first.destroy().assert_success();
    let refused = third.try_plan().0.assert_failure();
    assert!(refused.contains("There is no such cluster group to import."), "{refused}");
}

#[test]
fn two_groups_of_one_name_cannot_be_imported() {
    let apart = hosts().each_ref().map(|host| {
        let workspace = Workspace::on(host);
        workspace.write(&group("twins", &format!("host_clusters = {{ {:?} = {{}} }}", host.name)));
        workspace.apply().assert_success();
        workspace
    });
    let together = workspace();
    together.write(&format!("import {{\n  to = {GROUP}\n  id = \"twins\"\n}}\n{}", group("twins", "")));
    let refused = together.try_plan().0.assert_failure();
    assert!(refused.contains("eu-1") && refused.contains("us-1") && refused.contains("\"twins\""), "{refused}");
    for workspace in apart {
        workspace.destroy().assert_success();
    }
}

#[test]
fn what_was_lost_or_edited_on_a_host_is_drift_that_the_next_apply_repairs() {
    let workspace = workspace();
    workspace.write(&group("drifting", "quota = { cpu = \"64\" }"));
    workspace.apply().assert_success();
    let before = assert_agree("drifting");
    let [eu, us] = hosts();
    let edited = |record: &Value| {
        let mut record = record.clone();
        record["spec"]["quota"]["cpu"] = json!("640");
        record
    };
    let repairs = |what: &str, attributes: &[&str]| {
        let (run, plan) = workspace.try_plan();
        assert!(run.warnings().contains(what), "{what}: {} {}", run.warnings(), run.errors());
        assert_eq!(
            (actions(&plan).as_str(), plan.changed(GROUP)),
            ("update", attributes.iter().map(|&name| name.to_owned()).collect())
        );
        workspace.apply().assert_success();
        assert_eq!(assert_agree("drifting")["spec"], before["spec"], "{what}");
        workspace.plan().assert_quiet();
    };
    write_record(us, "drifting", &edited(&assert_agree("drifting")));
    repairs("the record on host cluster \"us-1\" was edited", &["revision"]);
    us.delete(&path("drifting"));
    repairs("the record on host cluster \"us-1\" is missing", &["revision"]);
    eu.delete(&path("drifting"));
    repairs("the record on host cluster \"eu-1\" is missing", &["revision"]);
    // What the home says is the group.
    write_record(eu, "drifting", &edited(&assert_agree("drifting")));
    repairs("the record on host cluster \"us-1\" was edited", &["quota", "revision"]);
    for host in [eu, us] {
        host.delete(&path("drifting"));
    }
    assert_eq!(actions(&workspace.plan()), "create");
    workspace.apply().assert_success();
    assert_ne!(assert_agree("drifting")["id"], before["id"]);
    workspace.destroy().assert_success();
}

#[test]
fn a_lost_chart_archive_is_put_back_from_another_host() {
    // A chart of its own, as the archives of others' are in use.
    let workspace = workspace();
    let chart = workspace.path("chart");
    assert!(
        std::process::Command::new("cp").arg("-r").arg(rig::tools::chart()).arg(&chart).status().unwrap().success()
    );
    std::fs::write(chart.join("README.md"), "a chart of its own").unwrap();
    let attributes = format!("chart = {{ source = {chart:?} }}");
    workspace.write(&group("archived", &attributes));
    workspace.apply().assert_success();
    let digest = assert_agree("archived")["chart_digest"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(&chart).unwrap();
    let [eu, us] = hosts();
    let secrets = "/api/v1/namespaces/nested-system/secrets";
    us.delete(&format!("{secrets}/{}", archives(us, &digest)[0]));
    let (run, plan) = workspace.try_plan();
    assert!(run.warnings().contains("the chart archive on host cluster \"us-1\" is missing"), "{}", run.warnings());
    assert_eq!(plan.changed(GROUP), ["revision"]);
    workspace.apply().assert_success();
    assert_eq!((archives(eu, &digest).len(), archives(us, &digest).len()), (1, 1));
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    assert_eq!((archives(eu, &digest).len(), archives(us, &digest).len()), (0, 0));
}

#[test]
fn the_home_moves_when_its_host_leaves_and_an_old_record_loses() {
    let workspace = workspace();
    workspace.write(&group("moving", ""));
    workspace.apply().assert_success();
    let first = assert_agree("moving");
    let [eu, us] = hosts();

    // Gone for good: neither the group nor the provider block has it any more.
    workspace.provider(&connection("us-1", &us.kubeconfig));
    let (run, _) = workspace.try_plan();
    let refused = run.assert_failure();
    assert!(refused.contains("\"eu-1\" is not configured"), "{refused}");
    workspace.write(&group("moving", "host_clusters = { \"us-1\" = {} }"));
    let plan = workspace.plan();
    assert_eq!(plan.changed(GROUP), ["home_host_cluster", "host_clusters", "revision"]);
    let run = workspace.apply();
    run.assert_success();
    assert!(run.warnings().contains("leaves the cluster group without being looked at"), "{}", run.warnings());
    assert_eq!(state(&workspace)["home_host_cluster"], "us-1");
    let moved = record(us, "moving").unwrap();
    assert_eq!((&moved["epoch"], &moved["id"]), (&json!(1), &first["id"]));
    assert_eq!(record(eu, "moving"), Some(first.clone()), "nobody could reach it");
    workspace.plan().assert_quiet();

    // It comes back with its old record, which does not count, and the group takes it in again.
    both(&workspace);
    workspace.plan().assert_quiet();
    workspace.write(&group("moving", ""));
    workspace.apply().assert_success();
    let joined = assert_agree("moving");
    assert_eq!((&joined["epoch"], &joined["home"]), (&json!(1), &moved["home"]));
    assert_eq!(state(&workspace)["home_host_cluster"], "us-1");
    workspace.plan().assert_quiet();

    // Leaving while it can be reached, it keeps nothing.
    workspace.write(&group("moving", "host_clusters = { \"eu-1\" = {} }"));
    workspace.apply().assert_success();
    assert_eq!(record(us, "moving"), None);
    assert_eq!(record(eu, "moving").unwrap()["epoch"], 2);
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    assert_eq!(record(eu, "moving"), None);
}

#[test]
fn a_host_stays_and_a_group_stays_while_they_carry_virtual_clusters() {
    let workspace = workspace();
    workspace.write(&group("carrying", ""));
    workspace.apply().assert_success();
    let before = assert_agree("carrying");
    let us = &hosts()[1];
    // As a virtual cluster of the group would have it.
    let carried = json!({
        "format": 1, "name": "team-a", "namespace": "vcluster-carried", "host_uid": "", "phase": "handed_over",
        "namespace_created": true, "spec": { "cluster_group": "carrying" }, "inventory": {}, "owner": "", "heartbeat": 0,
    });
    let data = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, carried.to_string());
    let secrets = "/api/v1/namespaces/nested-system/secrets";
    let metadata = json!({ "name": "virtual-cluster.vcluster-carried" });
    us.create(
        secrets,
        json!({ "metadata": metadata, "type": "nested-clusters.io/virtual-cluster", "data": { "record.json": data } }),
    );
    workspace.write(&group("carrying", "host_clusters = { \"eu-1\" = {} }"));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("Host cluster \"us-1\" cannot be removed from the cluster group"), "{refused}");
    assert!(refused.contains("\"team-a\" on host cluster \"us-1\" in namespace \"vcluster-carried\""), "{refused}");
    let refused = workspace.destroy().assert_failure();
    assert!(refused.contains("cannot be destroyed while there are") && refused.contains("\"team-a\""), "{refused}");
    assert_eq!(assert_agree("carrying"), before);
    us.delete(&format!("{secrets}/virtual-cluster.vcluster-carried"));
    workspace.apply().assert_success();
    assert_eq!(record(us, "carrying"), None);
    workspace.destroy().assert_success();
}

#[test]
fn hosts_are_known_by_what_they_are() {
    let workspace = workspace();
    workspace.write(&group("known", ""));
    workspace.apply().assert_success();
    let before = assert_agree("known");
    let [eu, us] = hosts();

    // Down is not gone.
    let down = "\"us-1\" = { host = \"https://127.0.0.1:1\", insecure = true, token = \"x\" }";
    workspace.provider(&format!("{}\n{down}", connection("eu-1", &eu.kubeconfig)));
    for run in [workspace.try_plan().0, workspace.destroy()] {
        let refused = run.assert_failure();
        assert!(refused.contains("us-1") && refused.contains("refused"), "{refused}");
    }

    // Another cluster under the same key.
    static OTHER: OnceLock<Rig> = OnceLock::new();
    let other = OTHER.get_or_init(|| Rig::builder().names(["other"]).without_nested().start().unwrap());
    let other = Cluster::of(other.host(1));
    workspace.provider(&connections(&[("eu-1", eu), ("us-1", &other)]));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("\"us-1\" is not the cluster that it was"), "{refused}");

    // The same clusters under other keys.
    workspace.provider(&connections(&[("europe", eu), ("us-1", us)]));
    workspace.write(&group("known", "host_clusters = { \"europe\" = {}, \"us-1\" = {} }"));
    let plan = workspace.plan();
    assert_eq!(actions(&plan), "update");
    workspace.apply().assert_success();
    let renamed = assert_agree("known");
    assert_eq!((&renamed["home"], &renamed["epoch"]), (&before["home"], &before["epoch"]));
    assert_eq!(state(&workspace)["home_host_cluster"], "europe");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    assert!(hosts().iter().all(|host| record(host, "known").is_none()));
}

#[test]
fn a_killed_creation_is_taken_over_when_it_has_stopped() {
    let workspace = workspace();
    workspace.write(&group("cut-off", ""));
    let us = &hosts()[1];
    let held = Hold::matching(us, "CREATE", "secrets", "group-cut-off", "object.metadata.name == 'group.cut-off'");
    let running = workspace.start(&["apply", "-auto-approve"]);
    held.wait();
    running.kill_plugin().assert_failure();
    drop(held);
    assert!(workspace.state(GROUP).is_none());
    let left = eventually("the home's record", || there(record(&hosts()[0], "cut-off")));
    assert_eq!(left["phase"], "creating");
    workspace.apply().assert_success();
    let made = assert_agree("cut-off");
    assert_ne!(made["id"], left["id"]);
    assert_eq!(made["phase"], "ready");
    workspace.plan().assert_quiet();

    // A destroy that was cut off is finished by the next one.
    let held = Hold::matching(us, "DELETE", "secrets", "end-cut-off", "oldObject.metadata.name == 'group.cut-off'");
    let running = workspace.start(&["destroy", "-auto-approve"]);
    held.wait();
    running.kill_plugin().assert_failure();
    drop(held);
    assert!(workspace.state(GROUP).is_some());
    workspace.destroy().assert_success();
    assert!(hosts().iter().all(|host| record(host, "cut-off").is_none()));
}

#[test]
fn a_creation_that_fails_on_one_host_leaves_nothing_on_the_others() {
    let workspace = workspace();
    let rules = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["*"]}]);
    let token = hosts()[1].token("groupless", rules);
    let refusing = format!("\"us-1\" = {{ config_path = {:?}, token = {token:?} }}", hosts()[1].kubeconfig);
    workspace.provider(&format!("{}\n{refusing}", connection("eu-1", &hosts()[0].kubeconfig)));
    workspace.write(&group("undone", ""));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("us-1") && refused.contains("groupless"), "{refused}");
    assert!(workspace.state(GROUP).is_none());
    assert!(hosts().iter().all(|host| record(host, "undone").is_none()));
}
