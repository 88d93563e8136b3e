//! What can be believed: records that somebody has edited, applies that somebody else is in the middle of, and what one host
//! says for others.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::interruption::kill_when_held;
use crate::sharing::support::{Hosts, group, member, referring};
use support::hold::Hold;
use support::host;
use support::workspace::{THIS, Workspace};

#[test]
fn a_group_whose_update_was_killed_is_found_again() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    for (name, verb) in [("killed-updated", "apply"), ("killed-destroyed", "destroy")] {
        workspace.write(&group(name, ""));
        workspace.apply().assert_success();
        workspace.write(&group(name, "description = \"changed\""));
        let condition = format!("request.name == 'group.{name}'");
        let hold = Hold::matching(hosts.eu, "UPDATE", "secrets", name, &condition);
        kill_when_held(&workspace, hold, "apply");
        if verb == "apply" {
            workspace.run(&["plan"]).assert_success();
            workspace.apply().assert_success();
            workspace.plan().assert_quiet();
        }
        workspace.destroy().assert_success();
        hosts.assert_empty();
    }
}

#[test]
fn what_one_host_says_of_a_group_reaches_no_other() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let on = |label: &str, host: &str| {
        member(label, "trusted", &format!("host_cluster = {host:?}\n{}", referring("trusted")))
    };
    let write = |members: &[(&str, &str)]| {
        let members: String = members.iter().map(|(label, host)| on(label, host)).collect();
        workspace.write(&[group("trusted", "endpoint_type = \"ClusterIP\""), members].concat());
    };
    write(&[("a", "eu-1")]);
    workspace.apply().assert_success();
    let home = hosts.eu.document("group.trusted").unwrap();
    assert_eq!(home["hosts"][home["home"].as_str().unwrap()], "eu-1");

    // Somebody who can write to the other host says that the group is newer there.
    hosts.us.edit_document("group.trusted", |record| {
        record["generation"] = json!(1000);
        record["spec"]["endpoint_type"] = json!("NodePort");
    });
    let plan = workspace.plan();
    assert_eq!(plan.changed("nested_virtual_cluster.a"), [""; 0]);
    assert_eq!(plan.changed("nested_cluster_group.trusted"), ["revision"]);
    write(&[("a", "eu-1"), ("b", "eu-1")]);
    workspace.run(&["apply", "-auto-approve", "-target=nested_virtual_cluster.b"]).assert_success();
    let service = hosts.eu.get("/api/v1/namespaces/vcluster-b/services/b").unwrap();
    assert_eq!(service["spec"]["type"], "ClusterIP");
    workspace.apply().assert_success();
    assert_eq!(hosts.us.document("group.trusted"), hosts.eu.document("group.trusted"));
    workspace.plan().assert_quiet();

    // That it is the home now.
    let us = home["hosts"].as_object().unwrap().iter().find(|(_, key)| *key == "us-1").unwrap().0.clone();
    hosts.us.edit_document("group.trusted", |record| {
        record["epoch"] = json!(7);
        record["home"] = json!(us);
        record["spec"]["endpoint_type"] = json!("NodePort");
    });
    let other_state = hosts.workspace();
    other_state.write(&member("c", "trusted", "host_cluster = \"eu-1\""));
    let refused = other_state.apply().assert_failure();
    assert!(refused.contains("do not agree on its home"), "{refused}");
    workspace.apply().assert_success();
    assert_eq!(hosts.us.document("group.trusted"), hosts.eu.document("group.trusted"));
    workspace.plan().assert_quiet();
    other_state.apply().assert_success();
    let service = hosts.eu.get("/api/v1/namespaces/vcluster-c/services/c").unwrap();
    assert_eq!(service["spec"]["type"], "ClusterIP");
    other_state.destroy().assert_success();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_record_that_was_edited_to_another_virtual_cluster_is_put_right() {
    let edits = [
        ("edited-name", json!({"name": "somebody-else"})),
        ("edited-namespace", json!({"namespace_uid": "00000000-0000-0000-0000-000000000000"})),
    ];
    for (name, edit) in edits {
        let workspace = Workspace::on(host());
        let secret = format!("virtual-cluster.vcluster-{name}");
        let change = || {
            host().edit_document(&secret, |record| {
                record.as_object_mut().unwrap().extend(edit.as_object().unwrap().clone())
            });
        };
        workspace.virtual_cluster(&format!("name = {name:?}"));
        workspace.apply().assert_success();
        let uid = host().get(&format!("/api/v1/namespaces/vcluster-{name}")).unwrap()["metadata"]["uid"].clone();
        change();
        let plan = workspace.plan();
        assert_eq!(plan.changed(THIS), ["drift", "status"], "{name}: it is there, whatever its record says");
        workspace.apply().assert_success();
        assert_eq!(host().record(&format!("vcluster-{name}")).unwrap()["name"], name);
        let now = host().get(&format!("/api/v1/namespaces/vcluster-{name}")).unwrap()["metadata"]["uid"].clone();
        assert_eq!(uid, now, "{name}");
        workspace.plan().assert_quiet();
        change();
        workspace.destroy().assert_success();
        host().assert_nothing_remains(&format!("vcluster-{name}"));
    }
}

#[test]
fn a_namespace_that_somebody_wrote_into_a_record_is_not_believed() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"misled\"");
    workspace.apply().assert_success();
    host().create_namespace("bystander");
    let uid = host().get("/api/v1/namespaces/bystander").unwrap()["metadata"]["uid"].clone();
    host().edit_document("virtual-cluster.vcluster-misled", |record| {
        record["namespace"] = json!("bystander");
        record["namespace_uid"] = uid;
    });
    workspace.destroy().assert_success();
    host().assert_nothing_remains("vcluster-misled");
    let bystander = host().get("/api/v1/namespaces/bystander").unwrap();
    assert!(bystander["metadata"]["deletionTimestamp"].is_null(), "{bystander}");
}

#[test]
fn an_apply_that_lives_is_not_taken_over() {
    let [first, second] = [(); 2].map(|()| Workspace::on(host()));
    for workspace in [&first, &second] {
        workspace.virtual_cluster("name = \"busy\"");
    }
    first.apply().assert_success();
    second.run(&["import", THIS, "eu-1/vcluster-busy/busy"]).assert_success();
    first.virtual_cluster("name = \"busy\"\nresources = { cpu = \"5\" }");
    let hold = Hold::on(host(), "UPDATE", "resourcequotas", "vcluster-busy");
    let living = first.start(&["apply", "-auto-approve"]);
    hold.wait();
    second.virtual_cluster("name = \"busy\"\nlabels = { of = \"second\" }");
    let refused = second.apply().assert_failure();
    assert!(refused.contains("is being changed or deleted by another apply"), "{refused}");
    let refused = second.destroy().assert_failure();
    assert!(refused.contains("is being changed or deleted by another apply"), "{refused}");
    drop(hold);
    living.wait().assert_success();
    first.plan().assert_quiet();
    // Whoever is done has let go of it.
    let started = Instant::now();
    second.destroy().assert_success();
    assert!(started.elapsed() < Duration::from_secs(60));
    host().assert_nothing_remains("vcluster-busy");
}

#[test]
fn a_killed_creation_does_not_keep_its_group() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let unnamed =
        format!("resource \"nested_virtual_cluster\" \"a\" {{\n{}\nhost_cluster = \"us-1\"\n}}\n", referring("left"));
    workspace.write(&[group("left", ""), unnamed].concat());
    workspace.run(&["apply", "-auto-approve", "-target=nested_cluster_group.left"]).assert_success();
    let hold =
        Hold::matching(hosts.us, "CREATE", "statefulsets.apps", "left", "request.namespace.startsWith('vcluster-')");
    kill_when_held(&workspace, hold, "apply");
    assert_eq!(hosts.ledger(hosts.us).len(), 1);
    let destroyed = workspace.destroy();
    destroyed.assert_success();
    assert!(destroyed.warnings().contains("An abandoned virtual cluster was removed"), "{}", destroyed.warnings());
    hosts.assert_empty();
}

#[test]
fn two_virtual_clusters_whose_names_come_out_alike_are_refused_before_anything_is_made() {
    // The chart joins name and namespace with `-v-`.
    let with_nodes = "values = yamlencode({ sync = { fromHost = { nodes = { enabled = true } } } })";
    let [first, second] = [(); 2].map(|()| Workspace::on(host()));
    first.virtual_cluster(&format!("name = \"a-v-b\"\nnamespace = \"c\"\n{with_nodes}"));
    first.apply().assert_success();
    second.virtual_cluster(&format!("name = \"a\"\nnamespace = \"b-v-c\"\n{with_nodes}"));
    let refused = second.apply().assert_failure();
    assert!(refused.contains("Another virtual cluster has an object of the same name."), "{refused}");
    assert!(
        refused.contains("\"a\" in namespace b-v-c") && refused.contains("\"a-v-b\"'s in namespace c"),
        "{refused}"
    );
    assert!(second.state(THIS).is_none());
    assert_eq!(host().get("/api/v1/namespaces/b-v-c"), None);
    assert_eq!(host().record("b-v-c"), None);
    first.plan().assert_quiet();
    first.destroy().assert_success();
    host().assert_nothing_remains("c");
}
