//! After an apply there is nothing to do, whatever combination of attributes was applied; nor is there after an import.

use serde_json::json;

use support::host;
use support::workspace::Workspace;

/// What an import cannot know: it is kept in Terraform's state alone.
const NOT_ON_THE_HOST: [&str; 3] = ["deletion_protection", "timeouts", "wait"];

/// Combinations of attributes, by a label that is unique.
const COMBINATIONS: &[(&str, &str)] = &[
    ("nothing", ""),
    ("name", "name = \"quiet-name\""),
    ("namespace", "namespace = \"quiet-namespace\""),
    ("name_and_namespace", "name = \"quiet-both\"\nnamespace = \"quiet-elsewhere\""),
    ("no_resources", "resources = {}"),
    ("cpu_only", "resources = { cpu = \"5\" }"),
    ("storage_only", "resources = { storage = \"10Gi\" }"),
    ("memory_in_mebibytes", "resources = { memory = \"4096Mi\" }"),
    ("memory_in_bytes", "resources = { memory = \"5e9\" }"),
    ("cpu_in_millicores", "resources = { cpu = \"3500m\" }"),
    ("large", "resources = { cpu = \"16\", memory = \"32Gi\" }"),
    ("without_storage", "resources = { storage = \"0\" }"),
    ("load_balancer", "endpoint_type = \"LoadBalancer\""),
    ("load_balancer_with_name", "host_dns = \"quiet.example.com\""),
    ("ingress", "endpoint_type = \"Ingress\"\nhost_dns = \"*.dev.example.com\""),
    ("node_port", "endpoint_type = \"NodePort\""),
    ("cluster_ip", "endpoint_type = \"ClusterIP\""),
    ("cluster_ip_without_storage", "endpoint_type = \"ClusterIP\"\nresources = { storage = \"0Gi\" }"),
    ("distro", "distro = \"k8s\""),
    ("kubernetes_version", "kubernetes_version = \"v1.34.1\""),
    ("values", "values = yamlencode({ sync = { fromHost = { nodes = { enabled = true } } } })"),
    ("values_with_comments", "values = \"# nothing but a comment\\ncontrolPlane: {}\\n\""),
    ("empty_values", "values = \"\""),
    ("labels", "labels = { team = \"a\", \"example.com/tier\" = \"dev\" }"),
    ("empty_labels", "labels = {}"),
    ("annotations", "annotations = { note = \"a b c\", \"example.com/empty\" = \"\" }"),
    ("empty_annotations", "annotations = {}"),
    ("timeouts", "timeouts = { create = \"5m\", delete = \"300s\" }"),
    ("without_waiting", "wait = false"),
    ("paused", "paused = true"),
    ("not_paused", "paused = false"),
    ("paused_without_waiting", "paused = true\nwait = false\nendpoint_type = \"NodePort\""),
    ("protected", "deletion_protection = true"),
    (
        "everything",
        "name = \"quiet-everything\"\nnamespace = \"quiet-all\"\nresources = { cpu = \"4\", memory = \"6Gi\", storage = \"3Gi\" }\n\
         endpoint_type = \"Ingress\"\nhost_dns = \"all.example.com\"\nkubernetes_version = \"v1.35.0\"\n\
         labels = { a = \"b\" }\nannotations = { c = \"d\" }\nvalues = \"controlPlane: {}\"\n\
         deletion_protection = true\nwait = true\ntimeouts = { update = \"1h30m\" }",
    ),
];

#[test]
fn every_combination_of_attributes_plans_nothing_after_apply_and_after_import() {
    let applied = Workspace::on(host());
    let resources = || COMBINATIONS.iter().map(|(label, attributes)| applied.resource(label, attributes));
    applied.write(&resources().collect::<String>());
    applied.apply().assert_success();
    applied.plan().assert_empty();

    let imported = Workspace::on(host());
    let address = |label: &str| format!("nested_virtual_cluster.{label}");
    let import = |label: &str| {
        let id = applied.state(&address(label)).unwrap()["values"]["id"].clone();
        format!("import {{\n  to = {}\n  id = {id}\n}}\n", address(label))
    };
    imported.write(&COMBINATIONS.iter().map(|(label, _)| import(label)).chain(resources()).collect::<String>());
    let plan = imported.plan();
    for (label, _) in COMBINATIONS {
        let change = plan.change(&address(label));
        let mut changed = plan.changed(&address(label));
        changed.retain(|attribute| !NOT_ON_THE_HOST.contains(&attribute.as_str()));
        // Nor can it tell an empty map from none.
        changed.retain(|attribute| !(change["before"][attribute].is_null() && change["after"][attribute] == json!({})));
        assert_eq!(changed, [""; 0], "{label}");
    }
}

#[test]
fn another_spelling_of_the_same_size_plans_nothing() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("resources = { cpu = \"4\", memory = \"4Gi\" }");
    workspace.apply().assert_success();
    for resources in ["{ cpu = \"4000m\", memory = \"4096Mi\" }", "{ memory = \"4194304Ki\" }", "{}"] {
        workspace.virtual_cluster(&format!("resources = {resources}"));
        workspace.plan().assert_quiet();
    }
}

#[test]
fn what_only_terraform_keeps_changes_nothing_on_the_host() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("");
    workspace.apply().assert_success();
    let namespace = workspace.this()["namespace"].as_str().unwrap().to_owned();
    let version = || host().record(&namespace).unwrap()["heartbeat"].clone();
    let before = version();
    workspace.virtual_cluster("deletion_protection = true\nwait = false\ntimeouts = { update = \"1m\" }");
    let plan = workspace.plan();
    assert_eq!(plan.changed("nested_virtual_cluster.this"), ["deletion_protection", "timeouts", "wait"]);
    workspace.apply().assert_success();
    assert_eq!(version(), before);
    workspace.plan().assert_quiet();

    let refused = workspace.destroy().assert_failure();
    assert!(refused.contains("deletion_protection = true"), "{refused}");
    assert_eq!(workspace.this()["status"], "Running");
}
