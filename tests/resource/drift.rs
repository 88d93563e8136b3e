//! What others change on the host shows in the next plan, and the next apply puts it right.

use serde_json::{Value, json};

use crate::support::host;
use crate::support::workspace::{THIS, Workspace};

/// Changes something on the host, and expects the plan to name it and the apply to repair it.
#[track_caller]
fn check(workspace: &Workspace, path: &str, change: Option<Value>, named: &str) {
    let before = host().get(path).unwrap();
    match change {
        Some(change) => host().patch(path, change),
        None => host().delete(path),
    }
    let (run, plan) = workspace.try_plan();
    let warnings = run.assert_success().warnings();
    assert!(warnings.contains(named), "{path}: {warnings}");
    assert_eq!(plan.actions(), "update", "{path}");
    assert_eq!(plan.changed(THIS), ["revision", "status"], "{path}");

    workspace.refresh_only().assert_success();
    assert_eq!(workspace.this()["revision"], "drifted", "{path}");

    workspace.apply().assert_success();
    let after = host().get(path).unwrap();
    assert_eq!(after["spec"], before["spec"], "{path}");
    assert_eq!(after["rules"], before["rules"], "{path}");
    workspace.plan().assert_empty();
}

#[test]
fn drift_is_named_and_repaired() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"drifter\"");
    workspace.apply().assert_success();
    let core = "/api/v1/namespaces/vcluster-drifter";
    let quota = format!("{core}/resourcequotas/vc-drifter");
    let set = "/apis/apps/v1/namespaces/vcluster-drifter/statefulsets/drifter";
    check(
        &workspace,
        &format!("{core}/limitranges/vc-drifter"),
        None,
        "LimitRange vcluster-drifter/vc-drifter is missing",
    );
    let role = "/apis/rbac.authorization.k8s.io/v1/namespaces/vcluster-drifter/roles/vc-drifter";
    check(&workspace, role, None, "Role vcluster-drifter/vc-drifter is missing");
    let raised = json!({"spec": {"hard": {"limits.cpu": "100"}}});
    check(
        &workspace,
        &quota,
        Some(raised),
        "ResourceQuota vcluster-drifter/vc-drifter: limits.cpu should be 4 and is 100",
    );
    let opened = json!({"spec": {"hard": {"limits.cpu": null}}});
    check(
        &workspace,
        &quota,
        Some(opened),
        "ResourceQuota vcluster-drifter/vc-drifter: limits.cpu should be 4 and is unlimited",
    );
    check(
        &workspace,
        set,
        Some(json!({"spec": {"replicas": 0}})),
        "StatefulSet vcluster-drifter/drifter was scaled to 0",
    );
}

#[test]
fn a_quota_in_another_spelling_is_no_drift() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"speller\"");
    workspace.apply().assert_success();
    let quota = "/api/v1/namespaces/vcluster-speller/resourcequotas/vc-speller";
    host().patch(quota, json!({"spec": {"hard": {"limits.cpu": "4000m", "limits.memory": "4096Mi"}}}));
    workspace.plan().assert_quiet();
}

#[test]
fn a_deleted_namespace_plans_a_new_virtual_cluster() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"vanisher\"");
    workspace.apply().assert_success();
    host().delete("/api/v1/namespaces/vcluster-vanisher");
    crate::support::eventually("the namespace to go", || {
        host().get("/api/v1/namespaces/vcluster-vanisher").is_none().then_some(())
    });
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
    let (run, plan) = workspace.try_plan();
    assert!(run.warnings().contains("The record of virtual cluster"), "{}", run.warnings());
    assert_eq!(plan.actions(), "update");
    workspace.apply().assert_success();
    assert_eq!(uid(), before);
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    host().assert_nothing_remains("vcluster-forgotten");
}
