//! A repair touches what the plan has shown, and nothing else of others.

use serde_json::{Value, json};

use super::entries::{changed, missing};
use super::table::assert_drift;
use super::target::{ACCOUNT, BINDING, LIMITS, QUOTA, ROLE, Target, create};
use support::roomy_host as host;
use support::workspace::{Plan, THIS, Workspace};

/// Makes the object anew as somebody else's, of another content.
fn squat(vc: &Target<'_>, object: &str) -> Value {
    vc.remake(object, "kubectl-create", |copy| {
        copy["metadata"]["labels"] = json!({"theirs": "yes"});
        if object == ROLE {
            copy["rules"] = json!([]);
        }
        if object == BINDING {
            copy["roleRef"]["name"] = json!("theirs");
        }
    });
    vc.get(object)
}

/// Fails unless the plan says that somebody has put this object in the place of ours.
#[track_caller]
fn assert_shown(plan: &Plan, vc: &Target<'_>, object: &str, theirs: &Value) {
    let drift = &plan.change(THIS)["before"]["drift"];
    let mut entries = drift.as_array().unwrap().iter();
    let replaced = entries.find(|entry| entry["field"] == "metadata.uid").unwrap_or_else(|| panic!("{drift}"));
    assert_eq!((&replaced["object"], &replaced["actual"]), (&json!(vc.object(object)), &theirs["metadata"]["uid"]));
}

/// Applies the plan, which must fail on the object and leave it as it is.
#[track_caller]
fn assert_refused(workspace: &Workspace, vc: &Target<'_>, object: &str, theirs: &Value) {
    let refused = workspace.apply_planned().assert_failure();
    assert!(refused.contains(&vc.object(object)), "{refused}");
    assert!(refused.contains("not touched"), "{refused}");
    assert_eq!(vc.get(object), *theirs, "{object}");
}

#[test]
fn what_somebody_put_in_our_place_after_the_plan_is_not_touched() {
    let (workspace, vc) = create("overtaken", "");
    for object in [ACCOUNT, ROLE, BINDING] {
        vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
        assert_drift(&workspace.plan(), vc.name, &[changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64")]);
        let theirs = squat(&vc, object);
        assert_refused(&workspace, &vc, object, &theirs);
        // Shown by the next plan, it is put right by its apply.
        assert_shown(&workspace.plan(), &vc, object, &theirs);
        workspace.apply_planned().assert_success();
        let ours = vc.get(object);
        assert_eq!(ours["metadata"]["labels"]["nested-clusters.io/virtual-cluster"], "overtaken", "{object}");
        assert_ne!(ours["rules"], json!([]), "{object}");
        assert_ne!(ours["roleRef"]["name"], "theirs", "{object}");
        assert_eq!(vc.get(QUOTA)["spec"]["hard"]["requests.cpu"], "4");
        workspace.plan().assert_quiet();
    }
}

#[test]
fn what_the_plan_has_shown_as_missing_is_not_taken_from_who_made_it_since() {
    let (workspace, vc) = create("filled-in", "");
    let mut copy = vc.get(LIMITS);
    vc.delete(LIMITS);
    assert_drift(&workspace.plan(), vc.name, &[missing(LIMITS)]);
    copy["metadata"] = json!({"name": "vc-filled-in", "labels": copy["metadata"]["labels"]});
    vc.cluster.create("/api/v1/namespaces/vcluster-filled-in/limitranges?fieldManager=kubectl-create", copy);
    let theirs = vc.get(LIMITS);
    assert_refused(&workspace, &vc, LIMITS, &theirs);
}

#[test]
fn consent_is_to_the_object_that_the_plan_has_shown_and_to_no_later_one() {
    let (workspace, vc) = create("replaced-twice", "");
    squat(&vc, ROLE);
    assert_shown(&workspace.plan(), &vc, ROLE, &vc.get(ROLE));
    let theirs = squat(&vc, ROLE);
    assert_refused(&workspace, &vc, ROLE, &theirs);
    workspace.plan();
    workspace.apply_planned().assert_success();
    workspace.plan().assert_quiet();
}

#[test]
fn what_changes_between_plan_and_apply_in_an_object_of_ours_is_put_right_as_well() {
    let (workspace, vc) = create("changed-meanwhile", "");
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    workspace.plan();
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "4", "requests.memory": "64Gi"}}}));
    vc.delete(LIMITS);
    workspace.apply_planned().assert_success();
    assert_eq!(vc.get(QUOTA)["spec"]["hard"]["requests.memory"], "4Gi");
    workspace.plan().assert_quiet();
}

#[test]
fn a_destroy_takes_what_has_drifted_with_it_and_leaves_what_others_made_in_its_place() {
    host().create_namespace("vcluster-abandoned");
    let (workspace, vc) = create("abandoned", "namespace = \"vcluster-abandoned\"");
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    vc.delete(LIMITS);
    vc.kubectl("label serviceaccount vc-% nested-clusters.io/virtual-cluster-");
    let theirs = squat(&vc, ROLE);
    workspace.destroy().assert_success();
    assert_eq!(vc.get(ROLE), theirs);
    for object in [QUOTA, LIMITS, ACCOUNT, BINDING] {
        assert_eq!(host().get(&vc.path(object)), None, "{object}");
    }
}

#[test]
fn a_refresh_alone_keeps_the_drift_in_the_state_until_an_apply() {
    let (workspace, vc) = create("only-looked-at", "");
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    workspace.refresh_only().assert_success();
    let field = "spec.hard[\"requests.cpu\"]";
    assert_eq!(workspace.this()["drift"][0]["field"], field);
    assert_eq!(workspace.this()["status"], "Running");
    assert_drift(&workspace.plan(), vc.name, &[changed(QUOTA, field, "4", "64")]);
    // Put right by hand, it is forgotten.
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "4"}}}));
    workspace.refresh_only().assert_success();
    assert_eq!(workspace.this()["drift"], json!([]));
    workspace.plan().assert_quiet();
}

#[test]
fn what_is_on_its_way_out_is_waited_for_and_made_anew() {
    let (workspace, vc) = create("going", "");
    vc.merge(LIMITS, "backup-operator", json!({"metadata": {"finalizers": ["example.com/backup"]}}));
    vc.delete(LIMITS);
    let going = vc.get(LIMITS);
    let drift = workspace.plan().change(THIS)["before"]["drift"].clone();
    assert_eq!(
        (&drift[0]["object"], &drift[0]["field"]),
        (&json!(vc.object(LIMITS)), &json!("metadata.deletionTimestamp"))
    );
    assert_eq!(drift[0]["actual"], going["metadata"]["deletionTimestamp"], "{drift}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(3));
            vc.merge(LIMITS, "backup-operator", json!({"metadata": {"finalizers": null}}));
        });
        workspace.apply_planned().assert_success();
    });
    assert_ne!(vc.get(LIMITS)["metadata"]["uid"], going["metadata"]["uid"]);
    workspace.plan().assert_quiet();
}

#[test]
fn a_repair_that_would_lose_the_data_of_a_virtual_cluster_without_storage_is_refused() {
    let (workspace, vc) = create("in-a-pod", "resources = { storage = \"0\" }");
    vc.kubectl("set env deployment/% --containers=syncer EXTRA=1");
    vc.wait_until_ready();
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("would lose the data"), "{refused}");
    // What was changed is in the state at least.
    workspace.refresh_only().assert_success();
    let drift = workspace.this()["drift"].clone();
    assert_eq!(drift[0]["field"], "spec.template.spec.containers[name=syncer].env[name=EXTRA]", "{drift}");
    vc.kubectl("set env deployment/% --containers=syncer EXTRA-");
    vc.wait_until_ready();
    workspace.refresh_only().assert_success();
    workspace.plan().assert_quiet();
}
