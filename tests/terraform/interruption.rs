//! Every stop is safe: whenever the plugin is killed, the next apply converges and nothing is orphaned.

use serde_json::json;

use support::hold::Hold;
use support::workspace::{THIS, Workspace};
use support::{eventually, host, there};

/// Runs one check for each case, all at once: what they do most is wait for a heartbeat that does not come.
pub fn at_once<T: Sync>(cases: &[T], check: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}

/// Starts an apply (or destroy) and kills its plugin when the held request comes.
pub fn kill_when_held(workspace: &Workspace, hold: Hold, subcommand: &str) {
    let running = workspace.start(&[subcommand, "-auto-approve"]);
    hold.wait();
    let run = running.kill_plugin();
    drop(hold);
    run.assert_failure();
}

/// A second apply ends in a virtual cluster that runs, a destroy leaves nothing of it.
fn assert_converges(workspace: &Workspace, namespace: &str) {
    workspace.apply().assert_success();
    assert_eq!(workspace.this()["status"], "Running", "{namespace}");
    assert_eq!(host().record(namespace).unwrap()["phase"], "handed_over", "{namespace}");
    workspace.plan().assert_empty();
    workspace.destroy().assert_success();
    host().assert_nothing_remains(namespace);
}

#[test]
fn a_create_killed_at_any_moment_is_created_by_the_next_apply() {
    // Nobody comes back for this one, as its next apply would take another name.
    let abandoned = Workspace::on(host());
    abandoned.virtual_cluster("labels = { lost = \"yes\" }");
    let hold = Hold::matching(host(), "CREATE", "resourcequotas", "lost", "object.metadata.labels['lost'] == 'yes'");
    kill_when_held(&abandoned, hold, "apply");
    assert!(abandoned.state(THIS).is_none());
    let lost = host().names("/api/v1/namespaces?labelSelector=lost%3Dyes");
    let [lost] = lost.as_slice() else { panic!("{lost:?}") };
    assert_eq!(host().record(lost).unwrap()["phase"], "creating");

    let moments = [
        ("before-namespace", "CREATE", "namespaces"),
        ("before-objects", "CREATE", "resourcequotas"),
        ("amid-objects", "CREATE", "statefulsets.apps"),
        ("while-waiting", "CREATE", "pods"),
    ];
    at_once(&moments, |(name, operation, resource)| {
        let (workspace, namespace) = (Workspace::on(host()), format!("vcluster-{name}"));
        workspace.virtual_cluster(&format!("name = {name:?}"));
        kill_when_held(&workspace, Hold::on(host(), operation, resource, &namespace), "apply");
        assert!(workspace.state(THIS).is_none(), "{name}");
        assert_converges(&workspace, &namespace);
    });
    // Those applies took long enough to see that it was abandoned.
    host().assert_nothing_remains(lost);
}

#[test]
fn a_killed_create_with_a_generated_name_does_not_block_its_namespace() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("namespace = \"chosen\"");
    kill_when_held(&workspace, Hold::on(host(), "CREATE", "statefulsets.apps", "chosen"), "apply");
    assert_converges(&workspace, "chosen");
}

#[test]
fn a_change_killed_at_any_moment_is_finished_by_the_next_apply() {
    let resized = "resources = { cpu = \"6\" }";
    let cases = [
        ("kill-update-early", resized, "UPDATE", "resourcequotas", "Running"),
        ("kill-update-late", resized, "UPDATE", "services", "Running"),
        ("kill-pause-early", "paused = true", "UPDATE", "statefulsets.apps", "Paused"),
        ("kill-pause-late", "paused = true", "DELETE", "pods", "Paused"),
    ];
    at_once(&cases, |(name, change, operation, resource, status)| {
        let (workspace, namespace) = (Workspace::on(host()), format!("vcluster-{name}"));
        workspace.virtual_cluster(&format!("name = {name:?}"));
        workspace.apply().assert_success();
        // The Service is changed by a label, which a resize alone would not do.
        workspace.virtual_cluster(&format!("name = {name:?}\nlabels = {{ changed = \"yes\" }}\n{change}"));
        kill_when_held(&workspace, Hold::on(host(), operation, resource, &namespace), "apply");
        workspace.apply().assert_success();
        assert_eq!(workspace.this()["status"], *status, "{name}");
        let service = host().get(&format!("/api/v1/namespaces/{namespace}/services/{name}")).unwrap();
        assert_eq!(service["metadata"]["labels"]["changed"], "yes", "{name}");
        workspace.plan().assert_quiet();
        workspace.destroy().assert_success();
        host().assert_nothing_remains(&namespace);
    });
}

#[test]
fn a_destroy_killed_at_any_moment_is_finished_by_the_next() {
    let cases = [
        ("kill-destroy-first", "DELETE", "namespaces"),
        ("kill-destroy-cluster", "DELETE", "clusterroles.rbac.authorization.k8s.io"),
    ];
    at_once(&cases, |(name, operation, resource)| {
        let (workspace, namespace) = (Workspace::on(host()), format!("vcluster-{name}"));
        let with_nodes = "values = yamlencode({ sync = { fromHost = { nodes = { enabled = true } } } })";
        workspace.virtual_cluster(&format!("name = {name:?}\n{with_nodes}"));
        workspace.apply().assert_success();
        kill_when_held(&workspace, Hold::on(host(), operation, resource, &namespace), "destroy");
        assert!(workspace.state(THIS).is_some(), "{name}");
        workspace.destroy().assert_success();
        assert!(workspace.state(THIS).is_none(), "{name}");
        host().assert_nothing_remains(&namespace);
    });
}

#[test]
fn a_killed_destroy_that_nobody_wants_any_more_is_undone_by_an_apply() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"spared\"");
    workspace.apply().assert_success();
    kill_when_held(&workspace, Hold::on(host(), "DELETE", "namespaces", "vcluster-spared"), "destroy");
    assert_eq!(host().record("vcluster-spared").unwrap()["phase"], "deleting");
    assert_converges(&workspace, "vcluster-spared");
}

#[test]
fn of_two_applies_of_one_name_one_wins() {
    let [first, second] = [(); 2].map(|()| Workspace::on(host()));
    for workspace in [&first, &second] {
        workspace.virtual_cluster("name = \"contested\"");
    }
    let hold = Hold::on(host(), "CREATE", "pods", "vcluster-contested");
    let winner = first.start(&["apply", "-auto-approve"]);
    hold.wait();
    let refused = second.apply().assert_failure();
    assert!(refused.contains("is being created or deleted by another apply"), "{refused}");
    assert!(second.state(THIS).is_none());
    drop(hold);
    winner.wait().assert_success();
    first.plan().assert_quiet();
    let refused = second.apply().assert_failure();
    assert!(refused.contains("exists already"), "{refused}");
}

#[test]
fn an_apply_that_wakes_up_after_another_took_over_touches_nothing() {
    let [sleeper, successor] = [(); 2].map(|()| Workspace::on(host()));
    for workspace in [&sleeper, &successor] {
        workspace.virtual_cluster("name = \"inherited\"");
    }
    let hold = Hold::on(host(), "CREATE", "pods", "vcluster-inherited");
    let sleeping = sleeper.start(&["apply", "-auto-approve"]);
    hold.wait();
    sleeping.freeze(true);
    drop(hold);
    successor.apply().assert_success();
    sleeping.freeze(false);
    let refused = sleeping.wait().assert_failure();
    assert!(refused.contains("has taken over"), "{refused}");
    assert!(sleeper.state(THIS).is_none());
    successor.plan().assert_quiet();
    assert_eq!(successor.this()["status"], "Running");
}

#[test]
fn an_interrupted_create_stops_and_keeps_its_state() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"interrupted\"");
    let hold = Hold::on(host(), "CREATE", "pods", "vcluster-interrupted");
    let running = workspace.start(&["apply", "-auto-approve"]);
    hold.wait();
    // From here on it waits for pods that do not come.
    eventually("the StatefulSet", || {
        there(host().get("/apis/apps/v1/namespaces/vcluster-interrupted/statefulsets/interrupted"))
    });
    running.interrupt();
    let stopped = running.wait().assert_failure();
    assert!(stopped.contains("The apply was stopped."), "{stopped}");
    drop(hold);
    assert_eq!(workspace.state(THIS).unwrap()["tainted"], json!(true));
    assert_converges(&workspace, "vcluster-interrupted");
}

#[test]
fn a_timeout_says_what_was_waited_for() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"unready\"\ntimeouts = { create = \"20s\" }");
    // A ResourceQuota of somebody else's keeps all pods out.
    host().create_open_namespace("unready");
    let nothing = json!({"metadata": {"name": "nothing"}, "spec": {"hard": {"count/pods": "0"}}});
    host().create("/api/v1/namespaces/unready/resourcequotas", nothing);
    workspace.virtual_cluster("name = \"unready\"\nnamespace = \"unready\"\ntimeouts = { create = \"20s\" }");
    let refused = workspace.apply().assert_failure();
    for expected in ["was not ready in time", "StatefulSet", "exceeded quota: nothing"] {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    host().delete("/api/v1/namespaces/unready/resourcequotas/nothing");
    workspace.virtual_cluster("name = \"unready\"\nnamespace = \"unready\"");
    workspace.apply().assert_success();
    assert_eq!(workspace.this()["status"], "Running");
    workspace.plan().assert_quiet();
}
