//! Refreshes of many virtual clusters on one host, which share what they read.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use support::workspace::{Plan, Workspace};
use support::{eventually, gone, host};

/// More than are looked at one by one.
const MANY: usize = 6;

fn many(workspace: &Workspace, name: &str, more: &str) {
    let names = format!("count = {MANY}\nname = \"{name}-${{count.index}}\"\n{more}");
    workspace.write(&workspace.resource("many", &names));
}

fn address(index: usize) -> String {
    format!("nested_virtual_cluster.many[{index}]")
}

/// The fields of what has drifted, by virtual cluster.
fn drift(plan: &Plan) -> BTreeMap<usize, Vec<Value>> {
    let of = |index| plan.change(&address(index))["before"]["drift"].as_array().cloned().unwrap_or_default();
    let fields = |index| of(index).iter().map(|entry| json!([entry["object"], entry["field"]])).collect::<Vec<_>>();
    (0..MANY).map(|index| (index, fields(index))).filter(|(_, fields)| !fields.is_empty()).collect()
}

#[test]
fn each_of_many_shows_its_own_drift_and_its_own_pause() {
    let workspace = Workspace::on(host());
    many(&workspace, "many", "");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();

    let core = |index: usize, rest: &str| format!("/api/v1/namespaces/vcluster-many-{index}/{rest}-{index}");
    host().patch(&core(1, "resourcequotas/vc-many"), json!({"spec": {"hard": {"requests.cpu": "100"}}}));
    host().delete(&core(3, "limitranges/vc-many"));
    let marks = json!({"loft.sh/paused": "true", "loft.sh/paused-replicas": "1", "loft.sh/paused-date": "2026-11-22T10:00:00.000Z"});
    let set = "/apis/apps/v1/namespaces/vcluster-many-4/statefulsets/many-4";
    host().patch(set, json!({"metadata": {"annotations": marks}, "spec": {"replicas": 0}}));

    let plan = workspace.plan();
    let expected = [
        (1, vec![json!(["ResourceQuota vcluster-many-1/vc-many-1", "spec.hard[\"requests.cpu\"]"])]),
        (3, vec![json!(["LimitRange vcluster-many-3/vc-many-3", null])]),
    ];
    assert_eq!(drift(&plan), BTreeMap::from(expected));
    assert_eq!(plan.changed(&address(4)), ["paused", "status"]);
    workspace.apply().assert_success();
    workspace.plan().assert_empty();
    workspace.destroy().assert_success();
    for index in 0..MANY {
        host().assert_nothing_remains(&format!("vcluster-many-{index}"));
    }
}

#[test]
fn one_of_many_that_is_gone_is_planned_anew_and_the_others_stay() {
    let workspace = Workspace::on(host());
    many(&workspace, "gone", "paused = true");
    workspace.apply().assert_success();
    host().delete("/api/v1/namespaces/vcluster-gone-2");
    eventually("the end of the namespace", || gone(host().get("/api/v1/namespaces/vcluster-gone-2")));
    let plan = workspace.plan();
    for index in 0..MANY {
        let expected = if index == 2 { "create" } else { "no-op" };
        assert_eq!(plan.change(&address(index))["actions"][0], expected, "{index}");
    }
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn who_may_not_list_everything_reads_one_by_one() {
    let workspace = Workspace::on(host());
    many(&workspace, "narrow", "");
    workspace.apply().assert_success();
    // Everything, but only in the namespaces of these virtual clusters and in that of the records.
    let token = host().token(
        "narrow",
        json!([
            { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] },
            { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"], "verbs": ["get", "list"] },
        ]),
    );
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let rules = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"] }]);
    host().create(&format!("{rbac}/clusterroles"), json!({"metadata": {"name": "narrow-all"}, "rules": rules}));
    let namespaces = (0..MANY).map(|index| format!("vcluster-narrow-{index}")).chain(["nested-system".to_owned()]);
    for namespace in namespaces {
        let binding = json!({
            "metadata": {"name": "narrow"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "narrow-all"},
            "subjects": [{"kind": "ServiceAccount", "name": "narrow", "namespace": "narrow"}],
        });
        host().create(&format!("{rbac}/namespaces/{namespace}/rolebindings"), binding);
    }
    host().wait_until_allowed("narrow", json!({"verb": "list", "resource": "secrets", "namespace": "nested-system"}));
    let mine = std::fs::read_to_string(workspace.path("provider.tf")).unwrap();
    workspace.provider(&format!("{:?} = {{ config_path = {:?}, token = {token:?} }}", host().name, host().kubeconfig));
    let (run, plan) = workspace.try_plan();
    run.assert_success();
    plan.assert_quiet();
    assert_eq!(run.warnings().matches("may not").count(), 0, "{}", run.warnings());
    host().patch(
        "/api/v1/namespaces/vcluster-narrow-5/resourcequotas/vc-narrow-5",
        json!({"spec": {"hard": {"services": "1"}}}),
    );
    let expected = vec![json!(["ResourceQuota vcluster-narrow-5/vc-narrow-5", "spec.hard.services"])];
    assert_eq!(drift(&workspace.plan()), BTreeMap::from([(5, expected)]));
    std::fs::write(workspace.path("provider.tf"), mine).unwrap();
    workspace.destroy().assert_success();
}
