//! What others change on the host shows in the next plan, and the next apply puts it right; what is no drift shows nothing.

mod beside;
mod cases;
mod entries;
mod foreign;
mod hidden;
mod pause;
mod quiet;
mod table;
mod target;
mod tenants;
mod webhook;

use serde_json::json;

use support::workspace::{THIS, Workspace};
use support::{eventually, gone, host};

#[test]
fn a_deleted_namespace_plans_a_new_virtual_cluster() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"vanisher\"");
    workspace.apply().assert_success();
    host().delete("/api/v1/namespaces/vcluster-vanisher");
    eventually("the end of the namespace", || gone(host().get("/api/v1/namespaces/vcluster-vanisher")));
    assert_eq!(workspace.plan().actions(), "create");
    workspace.apply().assert_success();
    assert_eq!(workspace.this()["status"], "Running");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    host().assert_nothing_remains("vcluster-vanisher");
}

#[test]
fn a_deleted_record_is_written_again() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"forgotten\"");
    workspace.apply().assert_success();
    let uid = || host().get("/api/v1/namespaces/vcluster-forgotten").unwrap()["metadata"]["uid"].clone();
    let before = uid();
    host().delete("/api/v1/namespaces/nested-system/secrets/virtual-cluster.vcluster-forgotten");
    let refused = workspace.destroy().assert_failure();
    assert!(refused.contains("cannot be destroyed safely"), "{refused}");
    let plan = workspace.plan();
    let record = "Secret nested-system/virtual-cluster.vcluster-forgotten";
    let missing = json!({"object": record, "field": null, "expected": "present", "actual": "missing"});
    assert_eq!(plan.change(THIS)["before"]["drift"], json!([missing]));
    assert_eq!(plan.actions(), "update");
    workspace.apply().assert_success();
    assert_eq!(uid(), before);
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    host().assert_nothing_remains("vcluster-forgotten");
}

#[test]
fn a_deleted_service_comes_back_with_the_credentials_that_went_with_it() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"unserved\"");
    workspace.apply().assert_success();
    let core = "/api/v1/namespaces/vcluster-unserved";
    // What vCluster makes belongs to the Service.
    host().delete(&format!("{core}/services/unserved"));
    let credentials = || host().get(&format!("{core}/secrets/vc-unserved")).map(|secret| secret["metadata"].clone());
    eventually("the end of the credentials", || gone(credentials()));
    let plan = workspace.plan();
    let missing = |object: &str| json!({"object": object, "field": null, "expected": "present", "actual": "missing"});
    assert_eq!(
        plan.change(THIS)["before"]["drift"],
        json!([missing("Secret vcluster-unserved/vc-unserved"), missing("Service vcluster-unserved/unserved")])
    );
    assert_eq!(plan.changed(THIS), ["drift", "endpoint", "kubeconfig", "status"]);
    workspace.apply().assert_success();
    let this = workspace.this();
    assert_eq!(this["status"], "Running");
    assert!(this["kubeconfig"]["client_key"].is_string());
    workspace.plan().assert_quiet();
}
