//! Drift that is put right in the course of something else: of a change of the configuration, and of an import.

use serde_json::json;

use super::entries::{changed, missing};
use super::table::assert_drift;
use super::target::{ACCOUNT, QUOTA, SET, create};
use support::roomy_host as host;
use support::workspace::{THIS, Workspace};

const CPU: &str = "spec.hard[\"requests.cpu\"]";

#[test]
fn a_resize_is_applied_and_drift_beside_it_is_put_right_in_one_apply() {
    let size = |cpu: &str| format!("resources = {{ cpu = {cpu:?}, memory = \"4Gi\", storage = \"20Gi\" }}");
    let (workspace, vc) = create("drifts-and-grows", &size("4"));
    // What the new size says of the quota anyway, what it does not, and what it has nothing to do with.
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64", "requests.memory": "64Gi"}}}));
    vc.delete(ACCOUNT);
    workspace.virtual_cluster(&format!("name = {:?}\n{}", vc.name, size("5")));
    let plan = workspace.plan();
    let memory = changed(QUOTA, "spec.hard[\"requests.memory\"]", "4Gi", "64Gi");
    assert_drift(&plan, vc.name, &[changed(QUOTA, CPU, "4", "64"), memory, missing(ACCOUNT)]);
    assert_eq!(plan.changed(THIS), ["drift", "resources", "revision", "status"]);
    workspace.apply().assert_success();
    let hard = &vc.get(QUOTA)["spec"]["hard"];
    assert_eq!((&hard["requests.cpu"], &hard["requests.memory"]), (&json!("5"), &json!("4Gi")));
    vc.get(ACCOUNT);
    workspace.plan().assert_quiet();
}

#[test]
fn drift_is_imported_and_the_apply_of_the_import_puts_it_right() {
    let (first, vc) = create("drifts-elsewhere", "");
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    vc.kubectl("scale statefulset % --replicas 2");

    let second = Workspace::on(host());
    let import =
        format!("import {{\n  to = {THIS}\n  id = \"roomy-1/vcluster-drifts-elsewhere/drifts-elsewhere\"\n}}\n");
    second.write(&(import + &second.resource("this", "name = \"drifts-elsewhere\"")));
    let plan = second.plan();
    assert_eq!(plan.actions(), "update");
    assert_drift(&plan, vc.name, &[changed(QUOTA, CPU, "4", "64"), changed(SET, "spec.replicas", "1", "2")]);
    second.apply().assert_success();
    assert_eq!(vc.get(QUOTA)["spec"]["hard"]["requests.cpu"], "4");
    assert_eq!(vc.get(SET)["spec"]["replicas"], 1);
    second.plan().assert_quiet();
    first.plan().assert_quiet();
}
