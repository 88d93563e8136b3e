//! What counts as a size: by requests, strictly, and as the first mapping has it; how a virtual cluster moves over.

use serde_json::{Value, json};

use crate::sharing::support::{Hosts, group, member, referring};
use support::cluster::Cluster;
use support::host;
use support::workspace::{THIS, Workspace};

/// The keys of a virtual cluster's quota that count CPU.
fn counted(host: &Cluster, name: &str) -> Vec<String> {
    let quota = host.get(&format!("/api/v1/namespaces/vcluster-{name}/resourcequotas/vc-{name}")).unwrap();
    let keys = quota["spec"]["hard"].as_object().unwrap().keys();
    keys.filter(|key| key.ends_with(".cpu")).cloned().collect()
}

fn pod(host: &Cluster, name: &str) -> Value {
    host.get(&format!("/api/v1/namespaces/vcluster-{name}/pods/{name}-0")).unwrap()["metadata"]["uid"].take()
}

const BOTH: [&str; 2] = ["limits.cpu", "requests.cpu"];
const REQUESTS: [&str; 1] = ["requests.cpu"];

#[test]
fn a_virtual_cluster_moves_to_a_later_mapping_when_it_is_asked_and_never_back() {
    let workspace = Workspace::on(host());
    let with = |more: &str| workspace.virtual_cluster(&format!("name = \"moved\"\n{more}"));
    with("mapping_version = 1");
    workspace.apply().assert_success();
    assert_eq!(counted(host(), "moved"), BOTH);
    // An upgrade of the provider is no reason to move.
    with("");
    workspace.plan().assert_quiet();
    let before = pod(host(), "moved");

    with("mapping_version = 2");
    let plan = workspace.plan();
    assert_eq!(plan.changed(THIS), ["mapping_version", "revision", "status"]);
    assert_eq!(plan.change(THIS)["actions"], json!(["update"]));
    workspace.apply_planned().assert_success();
    assert_eq!((counted(host(), "moved").as_slice(), pod(host(), "moved")), (&REQUESTS.map(str::to_owned)[..], before));
    assert_eq!(host().record("vcluster-moved").unwrap()["spec"]["mapping"], 2);
    workspace.plan().assert_quiet();
    with("");
    workspace.plan().assert_quiet();
    with("mapping_version = 1");
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("never goes back to an earlier mapping version"), "{refused}");

    with("count_limits = true");
    workspace.apply().assert_success();
    assert_eq!(counted(host(), "moved"), BOTH);
    workspace.plan().assert_quiet();
    let id = workspace.this()["id"].as_str().unwrap().to_owned();
    workspace.run(&["state", "rm", THIS]).assert_success();
    workspace.run(&["import", THIS, &id]).assert_success();
    assert_eq!([&workspace.this()["mapping_version"], &workspace.this()["count_limits"]], [&json!(2), &json!(true)]);
    workspace.destroy().assert_success();
}

#[test]
fn virtual_clusters_follow_what_their_group_says_of_limits() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let write = |more: &str| {
        let member = |label: &str, more: &str| {
            member(label, "strict", &format!("host_cluster = \"eu-1\"\n{}\n{more}", referring("strict")))
        };
        workspace.write(&[group("strict", more), member("new", ""), member("old", "mapping_version = 1")].concat());
    };
    let check = |new: &[&str]| {
        assert_eq!(counted(hosts.eu, "new"), new);
        assert_eq!(counted(hosts.eu, "old"), BOTH, "by the first mapping limits always count");
    };
    write("");
    workspace.apply().assert_success();
    check(&REQUESTS);
    write("count_limits = true");
    workspace.apply().assert_success();
    // What follows a group shows once the group has it.
    workspace.apply().assert_success();
    check(&BOTH);
    workspace.plan().assert_quiet();
    write("");
    workspace.apply().assert_success();
    workspace.apply().assert_success();
    check(&REQUESTS);
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn what_limits_use_is_no_reason_to_warn_where_requests_count() {
    let workspace = Workspace::on(host());
    let with = |more: &str| workspace.virtual_cluster(&format!("name = \"lenient\"\n{more}"));
    with("mapping_version = 1\nresources = { cpu = \"8\", memory = \"8Gi\" }");
    workspace.apply().assert_success();
    let resources = json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "6", "memory": "6Gi" } });
    let pod = json!({
        "metadata": { "name": "app", "labels": { "vcluster.loft.sh/managed-by": "lenient" } },
        "spec": { "containers": [{ "name": "app", "image": "none", "resources": resources }] },
    });
    host().create("/api/v1/namespaces/vcluster-lenient/pods", pod);
    let used = || {
        let quota = host().get("/api/v1/namespaces/vcluster-lenient/resourcequotas/vc-lenient").unwrap();
        quota["status"]["used"]["limits.cpu"].clone()
    };
    support::eventually("both pods to be counted", || support::is(used(), &json!("7200m")));
    let warned = |mapping: u32| {
        with(&format!("mapping_version = {mapping}\nresources = {{ cpu = \"4\", memory = \"4Gi\" }}"));
        let (run, _) = workspace.try_plan();
        run.assert_success();
        run.warnings().contains("uses more cpu than it is to have")
    };
    assert_eq!((warned(1), warned(2)), (true, false));
    workspace.destroy().assert_success();
}
