//! Nothing is destroyed for a plan that cannot be carried out, and nothing that is protected.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::hold::Hold;
use support::host;
use support::workspace::{THIS, Workspace};

use crate::sharing::support::{Hosts, group};

const REPLACE: &str = "-replace=nested_virtual_cluster.this";

/// A copy of the rig's chart, whose schema takes mappings for `sync` and nothing else.
fn chart_with_schema(workspace: &Workspace) -> PathBuf {
    let copy = workspace.path("chart");
    let copied = Command::new("cp").arg("-r").args([rig::tools::chart(), copy.clone()]).status().unwrap();
    assert!(copied.success());
    let schema = json!({ "type": "object", "properties": { "sync": { "type": "object" } } });
    std::fs::write(copy.join("values.schema.json"), schema.to_string()).unwrap();
    copy
}

fn namespace_uid(name: &str) -> String {
    let namespace = host().get(&format!("/api/v1/namespaces/vcluster-{name}")).unwrap();
    namespace["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Plans with these arguments are refused with that, and so is the apply.
#[track_caller]
fn assert_refused(workspace: &Workspace, arguments: &[&str], expected: &[&str]) {
    for subcommand in [&["plan"][..], &["apply", "-auto-approve"]] {
        let refused = workspace.run(&[subcommand, arguments].concat()).assert_failure();
        for expected in expected {
            assert!(refused.contains(expected), "{expected}: {refused}");
        }
    }
}

#[test]
fn what_takes_the_place_of_a_virtual_cluster_is_prepared_before_anything_is_destroyed() {
    let workspace = Workspace::on(host());
    let chart = chart_with_schema(&workspace);
    let with = |source: &Path, more: &str| {
        workspace.virtual_cluster(&format!("name = \"prepared\"\nchart = {{ source = {source:?} }}\n{more}"));
    };
    with(&chart, "");
    workspace.apply().assert_success();
    let uid = namespace_uid("prepared");
    let broken: &[(&Path, &str, &[&str])] = &[
        (&chart, "values = yamlencode({ sync = \"everything\" })", &["sync"]),
        (&chart, "values = yamlencode({ controlPlane = { statefulSet = { labels = \"none\" } } })", &[]),
        (Path::new("/nowhere/chart"), "", &["/nowhere/chart", "Nothing is destroyed"]),
    ];
    for (source, more, expected) in broken {
        with(source, more);
        assert_refused(&workspace, &[REPLACE], expected);
        workspace.run(&["taint", THIS]).assert_success();
        assert_refused(&workspace, &[], expected);
        with(&chart, "");
        workspace.run(&["untaint", THIS]).assert_success();
        assert_eq!(namespace_uid("prepared"), uid, "{more}");
    }
    workspace.plan().assert_quiet();
    workspace.run(&["apply", "-auto-approve", REPLACE]).assert_success();
    assert_ne!(namespace_uid("prepared"), uid);
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_protected_virtual_cluster_is_not_replaced_however_it_comes_about() {
    let workspace = Workspace::on(host());
    let with = |more: &str| workspace.virtual_cluster(&format!("name = \"kept\"\n{more}"));
    with("");
    workspace.apply().assert_success();
    let uid = namespace_uid("kept");
    // A plan from before it was protected.
    workspace.run(&["plan", "-out=old", REPLACE]).assert_success();
    with("deletion_protection = true");
    workspace.apply().assert_success();
    let protected = "protected and cannot be replaced";
    assert_refused(&workspace, &[REPLACE], &[protected, "deletion_protection = false"]);
    assert_refused(&workspace, &[REPLACE, "-refresh=false"], &[protected]);
    workspace.run(&["apply", "old"]).assert_failure();
    workspace.run(&["taint", THIS]).assert_success();
    assert_refused(&workspace, &[], &[protected, "terraform untaint"]);
    // Without a refresh the plan cannot know of it, and the destroy itself refuses.
    let refused = workspace.run(&["apply", "-auto-approve", "-refresh=false"]).assert_failure();
    assert!(refused.contains("protected and cannot be destroyed"), "{refused}");
    with("deletion_protection = false");
    assert_refused(&workspace, &[], &[protected]);
    with("deletion_protection = true\nname = \"renamed\"");
    assert_eq!(namespace_uid("kept"), uid);
    with("deletion_protection = true");
    workspace.run(&["untaint", THIS]).assert_success();
    workspace.plan().assert_quiet();
    with("");
    workspace.apply().assert_success();
    workspace.run(&["apply", "-auto-approve", REPLACE]).assert_success();
    assert_ne!(namespace_uid("kept"), uid);
    workspace.destroy().assert_success();
}

#[test]
fn a_protected_creation_that_fails_is_kept_and_continued() {
    let workspace = Workspace::on(host());
    let with = |timeouts: &str| {
        workspace.virtual_cluster(&format!("name = \"slow\"\ndeletion_protection = true\n{timeouts}"));
    };
    with("timeouts = { create = \"5s\" }");
    let hold = Hold::on(host(), "CREATE", "pods", "vcluster-slow");
    workspace.apply().assert_failure();
    drop(hold);
    let uid = namespace_uid("slow");
    with("");
    assert_refused(&workspace, &[], &["protected and cannot be replaced", "terraform untaint"]);
    workspace.run(&["untaint", THIS]).assert_success();
    workspace.apply().assert_success();
    assert_eq!((namespace_uid("slow"), workspace.this()["status"].as_str()), (uid, Some("Running")));
    workspace.plan().assert_quiet();
    workspace.virtual_cluster("name = \"slow\"");
    workspace.apply().assert_success();
    workspace.destroy().assert_success();
}

#[test]
fn values_are_checked_before_the_apply_those_of_groups_too() {
    let workspace = Workspace::on(host());
    for (broken, expected) in [
        ("a: [", "is not a YAML mapping"),
        ("- a", "is not a YAML mapping"),
        ("text", "YAML mapping"),
        ("sync: {}\nsync:\n  toHost: {}\n", "line 2: `sync` stands there again, after line 1"),
        ("telemetry: {}\n---\nsync: {}\n", "line 2: a second document begins"),
    ] {
        workspace.virtual_cluster(&format!("values = {broken:?}"));
        let refused = workspace.run(&["validate"]).assert_failure();
        assert!(refused.contains(expected), "{refused}");
    }

    workspace.virtual_cluster("values = \"rbac: null\"");
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("values set rbac to null") && refused.contains("role"), "{refused}");

    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let chart = chart_with_schema(&workspace);
    let source = format!("chart = {{ source = {chart:?} }}");
    let write = |values: &str| workspace.write(&group("checked", &format!("{source}\n{values}")));
    let wrong = "values = yamlencode({ sync = \"everything\" })";
    write(wrong);
    let refused = workspace.try_plan().0.assert_failure();
    assert_eq!(refused.matches("at '/sync': got string, want object").count(), 1, "{refused}");
    write("");
    workspace.apply().assert_success();
    for (values, expected) in [
        (wrong, "sync"),
        (
            "values = yamlencode({ controlPlane = { statefulSet = { security = { containerSecurityContext = { privileged = true } } } } })",
            "reach beyond",
        ),
    ] {
        write(values);
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    write("");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}
