//! What is not known yet is not none, and null is neither.

use crate::sharing::support::{Hosts, group, member, referring};
use support::host;
use support::workspace::Workspace;

#[test]
fn a_group_whose_hosts_only_an_apply_makes_known_is_planned_and_made_in_one_go() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let source = |label: &str, kubeconfig: &std::path::Path| {
        format!("resource \"terraform_data\" {label:?} {{\n  input = {kubeconfig:?}\n}}\n")
    };
    let sources = source("eu", &hosts.eu.kubeconfig) + &source("us", &hosts.us.kubeconfig);
    workspace.provider(
        "\"eu-1\" = { config_path = terraform_data.eu.output }\n\"us-1\" = { config_path = terraform_data.us.output }",
    );
    let write = |quota: &str, more: &str| {
        let pinned = member("pinned", "late", &format!("host_cluster = \"eu-1\"\n{}\n{more}", referring("late")));
        let placed = member("placed", "late", &referring("late"));
        workspace.write(&(sources.clone() + &group("late", quota) + &pinned + &placed));
    };
    write("quota = { cpu = \"7\" }", "");
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("the quota of cluster group \"late\" is used up"), "{refused}");
    write("quota = { cpu = \"20\" }", "");
    workspace.plan();
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn one_host_that_is_not_known_yet_may_have_the_room_that_the_others_lack() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let source = format!("resource \"terraform_data\" \"us\" {{\n  input = {:?}\n}}\n", hosts.us.kubeconfig);
    workspace.provider(&format!(
        "{}\n\"us-1\" = {{ config_path = terraform_data.us.output }}",
        support::workspace::connection("eu-1", &hosts.eu.kubeconfig)
    ));
    let full = "host_clusters = { \"eu-1\" = { reserved = { cpu = \"26\" } }, \"us-1\" = {} }";
    let write = |more: &str| {
        workspace.write(
            &(source.clone() + &group("half", full) + &member("a", "half", &format!("{}\n{more}", referring("half")))),
        );
    };
    write("host_cluster = \"eu-1\"");
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("does not fit on host cluster \"eu-1\""), "{refused}");
    write("");
    workspace.plan();
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn null_in_a_map_or_a_set_is_an_error_on_its_key() {
    let workspace = Workspace::on(host());
    let variable = "variable \"none\" {\n  type = string\n  default = null\n}\n";
    for (attribute, expected) in [
        ("labels = { team = var.none }", "`labels[\"team\"]` is null."),
        ("annotations = { \"example.com/a\" = var.none }", "`annotations[\"example.com/a\"]` is null."),
        ("image_registries = [var.none]", "`image_registries` holds null."),
        ("priority_classes = [var.none]", "`priority_classes` holds null."),
        ("resources = { hard = { pods = var.none } }", "`resources.hard[\"pods\"]` cannot be used."),
    ] {
        workspace.write(&(variable.to_owned() + &workspace.resource("this", attribute)));
        check(&workspace, expected);
    }
    for (attributes, expected) in [
        ("labels = { team = var.none }", "`labels[\"team\"]` is null."),
        ("member_values = [var.none]", "`member_values` holds null."),
        (
            "host_clusters = { \"eu-1\" = { node_selector = { pool = var.none } } }",
            "`host_clusters[\"eu-1\"].node_selector[\"pool\"]` is null.",
        ),
        ("host_clusters = { \"eu-1\" = { tolerations = [null] } }", "This toleration is null."),
        ("host_clusters = { \"eu-1\" = null }", "Host cluster \"eu-1\" is null."),
        (
            "virtual_cluster_maximums = { hard = { pods = var.none } }",
            "`virtual_cluster_maximums.hard[\"pods\"]` cannot be used.",
        ),
    ] {
        workspace.write(&(variable.to_owned() + &group("nulls", attributes)));
        check(&workspace, expected);
    }
    workspace.write(&format!(
        "{variable}data \"nested_virtual_clusters\" \"all\" {{\n  labels = {{ team = var.none }}\n}}\n"
    ));
    check(&workspace, "`labels[\"team\"]` is null.");
}

#[track_caller]
fn check(workspace: &Workspace, expected: &str) {
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains(expected) && !refused.contains("This is a bug"), "{expected}: {refused}");
}
