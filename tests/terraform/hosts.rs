//! Hosts that are away, that are other ones, that are not known yet, and that refuse.

use serde_json::{Value, json};

use support::workspace::{THIS, Workspace, connection};
use support::{host, hosts};

fn uid_of(cluster: &support::cluster::Cluster) -> String {
    let system = cluster.get("/api/v1/namespaces/kube-system").unwrap();
    system["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[test]
fn a_host_that_is_down_is_an_error_and_nothing_is_gone() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"cut-off\"");
    workspace.apply().assert_success();
    let before = workspace.this();
    workspace.provider("\"eu-1\" = { host = \"https://127.0.0.1:1\", insecure = true, token = \"x\" }");
    for run in [workspace.try_plan().0, workspace.refresh_only(), workspace.destroy()] {
        let refused = run.assert_failure();
        assert!(refused.contains("eu-1") && refused.contains("refused"), "{refused}");
    }
    assert_eq!(workspace.this(), before);
    workspace.provider(&connection("eu-1", &host().kubeconfig));
    workspace.plan().assert_quiet();
}

#[test]
fn another_cluster_under_the_same_key_is_an_error_that_names_both() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"repointed\"");
    workspace.apply().assert_success();
    let before = workspace.this();
    let [eu, us] = hosts();
    workspace.provider(&connection("eu-1", &us.kubeconfig));
    for run in [workspace.try_plan().0, workspace.apply(), workspace.destroy()] {
        let refused = run.assert_failure();
        assert!(refused.contains(&uid_of(eu)) && refused.contains(&uid_of(us)), "{refused}");
    }
    assert_eq!(workspace.this(), before);
}

#[test]
fn the_same_cluster_under_another_key_is_a_rename() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"renamed\"");
    workspace.apply().assert_success();
    let before = workspace.this();
    workspace.provider(&connection("europe", &host().kubeconfig));
    workspace.virtual_cluster("name = \"renamed\"\nhost_cluster = \"europe\"");
    let plan = workspace.plan();
    assert_eq!((plan.actions().as_str(), plan.changed(THIS)), ("update", vec!["host_cluster".into(), "id".into()]));
    workspace.apply().assert_success();
    let after = workspace.this();
    assert_eq!(after["id"], "europe/vcluster-renamed/renamed");
    assert_eq!(after["kubeconfig"], before["kubeconfig"]);
    workspace.plan().assert_quiet();
}

#[test]
fn a_move_to_another_cluster_is_a_replacement() {
    let workspace = Workspace::on(host());
    let [eu, us] = hosts();
    workspace.provider(&format!("{}\n{}", connection("eu-1", &eu.kubeconfig), connection("us-1", &us.kubeconfig)));
    workspace.virtual_cluster("name = \"mover\"");
    workspace.apply().assert_success();
    workspace.virtual_cluster("name = \"mover\"\nhost_cluster = \"us-1\"");
    assert_eq!(workspace.plan().actions(), "delete create");
    workspace.apply().assert_success();
    eu.assert_nothing_remains("vcluster-mover");
    assert_eq!(us.record("vcluster-mover").unwrap()["host_uid"], uid_of(us));
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    us.assert_nothing_remains("vcluster-mover");
}

#[test]
fn a_connection_that_only_apply_makes_known_does_not_fail_the_plan() {
    let workspace = Workspace::on(host());
    workspace.provider("\"eu-1\" = { config_path = terraform_data.kubeconfig.output }");
    let source = format!("resource \"terraform_data\" \"kubeconfig\" {{\n  input = {:?}\n}}\n", host().kubeconfig);
    workspace.write(&(source.clone() + &workspace.resource("this", "name = \"late-host\"")));
    assert_eq!(workspace.plan().actions(), "create");
    workspace.apply().assert_success();
    assert_eq!(workspace.this()["status"], "Running");
    workspace.plan().assert_quiet();

    // The connection becomes unknown again, and with it nothing else.
    let replaced = source.replace("input =", "triggers_replace = \"again\"\n  input =");
    workspace.write(&(replaced + &workspace.resource("this", "name = \"late-host\"")));
    assert_eq!(workspace.plan().actions(), "no-op");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
}

#[test]
fn a_key_that_is_not_configured_names_those_that_are() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("host_cluster = \"ue-1\"");
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("\"ue-1\" is not configured") && refused.contains("eu-1"), "{refused}");
}

/// What a create with this service account's rights is answered.
fn refusal(account: &str, rules: Value) -> String {
    let workspace = Workspace::on(host());
    let token = host().token(account, rules);
    workspace.provider(&format!("\"eu-1\" = {{ config_path = {:?}, token = {token:?} }}", host().kubeconfig));
    let with_nodes = "values = yamlencode({ sync = { fromHost = { nodes = { enabled = true } } } })";
    workspace.virtual_cluster(&format!("name = {account:?}\n{with_nodes}"));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains(&format!("system:serviceaccount:{account}:{account}")), "{refused}");
    workspace.provider(&connection("eu-1", &host().kubeconfig));
    workspace.destroy().assert_success();
    host().assert_nothing_remains(&format!("vcluster-{account}"));
    refused
}

#[test]
fn a_missing_permission_is_named_with_verb_resource_and_namespace() {
    let all = |groups: Value, resources: Value| json!({"apiGroups": groups, "resources": resources, "verbs": ["*"]});
    let namespaces = || all(json!([""]), json!(["namespaces"]));
    let refused = refusal("no-nodes", json!([namespaces()]));
    assert!(refused.contains("may not list nodes in the cluster as a whole"), "{refused}");

    let nodes = json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]});
    let refused = refusal("no-secrets", json!([namespaces(), nodes]));
    assert!(refused.contains("secrets in namespace \"nested-system\""), "{refused}");

    let rules = json!([
        all(json!(["", "apps", "networking.k8s.io"]), json!(["*"])),
        all(json!(["rbac.authorization.k8s.io"]), json!(["roles", "rolebindings"])),
        json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "clusterrolebindings"], "verbs": ["get"]}),
    ]);
    let refused = refusal("no-clusterroles", rules);
    assert!(
        refused.contains("may not patch clusterroles.rbac.authorization.k8s.io in the cluster as a whole"),
        "{refused}"
    );
}

#[test]
fn a_credential_that_is_refused_is_an_error_that_says_so() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"unwelcome\"");
    workspace.provider(&format!("\"eu-1\" = {{ config_path = {:?}, token = \"expired\" }}", host().kubeconfig));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("401") && refused.contains("credential"), "{refused}");
    assert_eq!(host().record("vcluster-unwelcome"), None);
}
