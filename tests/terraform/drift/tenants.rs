//! Whoever may write on the host can give an object our labels and a name close to ours. It is never reported, changed or
//! deleted. Nor does one virtual cluster have a part in the drift of another of the same name.

use serde_json::{Value, json};

use super::entries::changed;
use super::table::assert_drift;
use super::target::{QUOTA, ROLE, SET, Target};
use support::roomy_host as host;
use support::workspace::{THIS, Workspace};

/// Creates objects that look like those of the virtual cluster, in its namespace and in another one. They are returned by
/// their paths.
fn forge(vc: &Target<'_>, elsewhere: &str) -> Vec<(String, Value)> {
    vc.cluster.create_namespace(elsewhere);
    let labels = json!({
        "app": "vcluster", "release": vc.name, "chart": "vcluster-0.34.7", "heritage": "Helm",
        "nested-clusters.io/virtual-cluster": vc.name,
        "app.kubernetes.io/managed-by": "terraform-provider-nested",
        "vcluster.loft.sh/managed-by": "another",
    });
    let create = |namespace: &str, api: &str, plural: &str, name: &str, more: Value| {
        let mut object = more;
        object["metadata"] = json!({"name": vc.object(name), "labels": labels});
        let collection = format!("{api}/namespaces/{namespace}/{plural}");
        let path = format!("{collection}/{}", vc.object(name));
        // As one of ours may say that it is the writer, too.
        vc.cluster.create(&format!("{collection}?fieldManager=vcluster"), object);
        path
    };
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let container = json!([{"name": "syncer", "image": "example.com/theirs:1"}]);
    let workload = |name: &str| {
        let labels = json!({"of": vc.object(name)});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": container}});
        json!({"spec": {"replicas": 0, "serviceName": "x", "selector": {"matchLabels": labels}, "template": template}})
    };
    let quota = json!({"spec": {"hard": {"requests.cpu": "1000"}}});
    let inside = vc.object("vcluster-%");
    let mut paths = vec![
        create(&inside, "/api/v1", "configmaps", "vc-config-%", json!({"data": {"config.yaml": "x"}})),
        create(&inside, "/api/v1", "secrets", "vc-config-%-x-default-x-%", json!({"stringData": {"config.yaml": "x"}})),
        create(&inside, "/api/v1", "resourcequotas", "vc-%-x", quota.clone()),
        create(&inside, "/api/v1", "services", "%-headless-x", json!({"spec": {"ports": [{"port": 1}]}})),
        create(&inside, "/api/v1", "serviceaccounts", "vc-%-x", json!({})),
        create(&inside, rbac, "roles", "vc-%-x", json!({"rules": all})),
        create(&inside, "/apis/apps/v1", "statefulsets", "%-0", workload("%-0")),
        create(&inside, "/apis/apps/v1", "deployments", "%", workload("%")),
    ];
    // The very names, where we have nothing.
    paths.extend([
        create(elsewhere, "/api/v1", "resourcequotas", "vc-%", quota),
        create(elsewhere, "/api/v1", "secrets", "vc-config-%", json!({"stringData": {"config.yaml": "x"}})),
        create(elsewhere, "/api/v1", "services", "%", json!({"spec": {"ports": [{"port": 1}]}})),
        create(elsewhere, rbac, "roles", "vc-%", json!({"rules": all})),
        create(elsewhere, "/apis/apps/v1", "statefulsets", "%", workload("%")),
    ]);
    paths.into_iter().map(|path| (path.clone(), settled(&vc.cluster.get(&path).unwrap()))).collect()
}

/// An object without what controllers write.
fn settled(object: &Value) -> Value {
    let mut object = object.clone();
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|name, _| ["name", "namespace", "uid", "labels"].contains(&name.as_str()));
    object
}

#[track_caller]
fn assert_untouched(forged: &[(String, Value)], within: &str) {
    for (path, before) in forged.iter().filter(|(path, _)| path.contains(within)) {
        assert_eq!(host().get(path).as_ref().map(settled).as_ref(), Some(before), "{path}");
    }
}

#[test]
fn forged_labels_make_nothing_ours() {
    // The namespace is somebody else's, and outlives the virtual cluster.
    host().create_namespace("vcluster-imitated");
    let workspace = Workspace::on(host());
    let vc = Target { cluster: host(), name: "imitated" };
    let write = |more: &str| {
        workspace.virtual_cluster(&format!("name = \"imitated\"\nnamespace = \"vcluster-imitated\"\n{more}"));
    };
    write("");
    workspace.apply().assert_success();
    let forged = forge(&vc, "imitations");
    workspace.plan().assert_quiet();

    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    let plan = workspace.plan();
    assert_drift(&plan, vc.name, &[changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64")]);
    workspace.apply().assert_success();
    assert_untouched(&forged, "");

    for change in ["labels = { team = \"a\" }", "paused = true", ""] {
        write(change);
        workspace.apply().assert_success();
        workspace.plan().assert_quiet();
        assert_untouched(&forged, "");
    }
    workspace.destroy().assert_success();
    assert_untouched(&forged, "");
    for object in [QUOTA, ROLE, SET] {
        assert_eq!(host().get(&vc.path(object)), None, "{object}");
    }
}

#[test]
fn virtual_clusters_of_one_name_have_each_their_own_drift() {
    let workspace = Workspace::on(host());
    let sees_nodes = "values = yamlencode({ sync = { fromHost = { nodes = { enabled = true } } } })";
    let twin = |label: &str| {
        workspace.resource(label, &format!("name = \"twin\"\nnamespace = \"twin-{label}\"\n{sees_nodes}"))
    };
    workspace.write(&[twin("a"), twin("b")].concat());
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    let quota = |label: &str| format!("/api/v1/namespaces/twin-{label}/resourcequotas/vc-twin");
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    host().patch(&quota("a"), json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    host().delete(&format!("{rbac}/clusterroles/vc-twin-v-twin-b"));
    let plan = workspace.plan();
    let entries = |label: &str| plan.change(&format!("nested_virtual_cluster.{label}"))["before"]["drift"].clone();
    let of = |object: &str, field: Value, expected: &str, actual: &str| json!([{"object": object, "field": field, "expected": expected, "actual": actual}]);
    assert_eq!(entries("a"), of("ResourceQuota twin-a/vc-twin", json!("spec.hard[\"requests.cpu\"]"), "4", "64"));
    assert_eq!(entries("b"), of("ClusterRole vc-twin-v-twin-b", Value::Null, "present", "missing"));
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    assert_eq!(host().get(&quota("a")).unwrap()["spec"]["hard"]["requests.cpu"], "4");

    // The one goes, the other stays whole.
    workspace.write(&twin("b"));
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    host().assert_nothing_remains("twin-a");
    assert_eq!(workspace.state("nested_virtual_cluster.b").unwrap()["values"]["status"], "Running");
    assert!(workspace.state(THIS).is_none());
}
