//! Drift of virtual clusters that are paused, or that others pause and resume.

use serde_json::json;

use super::entries::{Entry, added, changed, missing};
use super::table::assert_drift;
use super::target::{ACCOUNT, QUOTA, SET, Target, create};
use support::workspace::THIS;

const QUOTA_CPU: &str = "spec.hard[\"requests.cpu\"]";
const SYNCER: &str = "spec.template.spec.containers[name=syncer].image";
const IMAGE: &str = "ghcr.io/loft-sh/vcluster-pro:0.34.7";

fn raised_quota() -> Entry {
    changed(QUOTA, QUOTA_CPU, "4", "64")
}

impl Target<'_> {
    fn raise_quota(&self) {
        self.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    }

    /// Whether the workload is paused by both signs, neither, or one alone.
    fn signs_of_pause(&self) -> (bool, bool) {
        let set = self.get(SET);
        (set["metadata"]["annotations"]["loft.sh/paused"] == "true", set["spec"]["replicas"] == 0)
    }
}

#[test]
fn a_paused_virtual_cluster_is_repaired_and_stays_paused() {
    let (workspace, vc) = create("drifts-asleep", "");
    workspace.virtual_cluster("name = \"drifts-asleep\"\npaused = true");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    vc.raise_quota();
    vc.delete(ACCOUNT);
    vc.kubectl("set image statefulset % syncer=example.com/other:1");
    let plan = workspace.plan();
    assert_drift(
        &plan,
        vc.name,
        &[raised_quota(), missing(ACCOUNT), changed(SET, SYNCER, IMAGE, "example.com/other:1")],
    );
    assert_eq!(plan.changed(THIS), ["drift", "status"]);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (true, true));
    assert_eq!(workspace.this()["status"], "Paused");
    workspace.plan().assert_quiet();
}

#[test]
fn a_pause_by_the_cli_is_no_drift_but_what_else_was_done_is() {
    let (workspace, vc) = create("drifts-into-sleep", "");
    vc.pause_as_the_cli();
    let plan = workspace.plan();
    assert_drift(&plan, vc.name, &[]);
    assert_eq!(plan.change(THIS)["before"]["paused"], true);

    vc.raise_quota();
    let plan = workspace.plan();
    assert_drift(&plan, vc.name, &[raised_quota()]);
    assert_eq!(plan.change(THIS)["before"]["paused"], true);
    assert_eq!(plan.changed(THIS), ["drift", "paused", "status"]);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (false, false));
    workspace.plan().assert_quiet();

    // Agreed to, the pause is no change, and the quota still is.
    vc.pause_as_the_cli();
    vc.raise_quota();
    workspace.virtual_cluster("name = \"drifts-into-sleep\"\npaused = true");
    let plan = workspace.plan();
    assert_drift(&plan, vc.name, &[raised_quota()]);
    assert_eq!(plan.changed(THIS), ["drift", "status"]);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (true, true));
    workspace.plan().assert_quiet();
}

#[test]
fn a_resume_by_the_cli_is_no_drift_but_what_else_was_done_is() {
    let (workspace, vc) = create("drifts-awake", "paused = true");
    vc.resume_as_the_cli();
    vc.raise_quota();
    let plan = workspace.plan();
    assert_drift(&plan, vc.name, &[raised_quota()]);
    assert_eq!(plan.change(THIS)["before"]["paused"], false);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (true, true));
    workspace.plan().assert_quiet();
}

#[test]
fn half_a_pause_is_drift_and_is_made_whole() {
    let (workspace, vc) = create("half-asleep", "");
    let marked = || json!({"loft.sh/paused": "true", "loft.sh/paused-replicas": "1"});
    // Marked, and still running.
    vc.merge(SET, "vcluster-cli", json!({"metadata": {"annotations": marked()}}));
    let plan = workspace.plan();
    assert_drift(&plan, vc.name, &[added(SET, "metadata.annotations[\"loft.sh/paused\"]", "true")]);
    assert_eq!(plan.change(THIS)["before"]["paused"], false);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (false, false));
    workspace.plan().assert_quiet();

    // Scaled down, and not marked.
    vc.scale(SET, 0);
    assert_drift(&workspace.plan(), vc.name, &[changed(SET, "spec.replicas", "1", "0")]);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (false, false));
    workspace.plan().assert_quiet();

    // Paused, and then scaled up with the marks left on it: that runs.
    workspace.virtual_cluster("name = \"half-asleep\"\npaused = true");
    workspace.apply().assert_success();
    vc.scale(SET, 1);
    assert_eq!(workspace.plan().change(THIS)["before"]["paused"], false);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (true, true));
    workspace.plan().assert_quiet();

    // Paused, and then unmarked: nobody knows any more that it is.
    vc.kubectl("annotate statefulset % loft.sh/paused-");
    assert_eq!(workspace.plan().change(THIS)["before"]["paused"], false);
    workspace.apply().assert_success();
    assert_eq!(vc.signs_of_pause(), (true, true));
    workspace.plan().assert_quiet();
}

#[test]
fn what_the_cli_scales_down_for_a_while_is_no_drift() {
    let (workspace, vc) = create("being-restored", "");
    let restoring = json!({"metadata": {"annotations": {"loft.sh/restoring": "true"}}, "spec": {"replicas": 0}});
    vc.merge(SET, "vcluster-cli", restoring);
    let plan = workspace.plan();
    assert_drift(&plan, vc.name, &[]);
    plan.assert_empty();
    let done = json!({"metadata": {"annotations": {"loft.sh/restoring": null}}, "spec": {"replicas": 1}});
    vc.merge(SET, "vcluster-cli", done);
    vc.wait_until_ready();
    workspace.plan().assert_quiet();
}
