//! What this provider did not create stays as it is.

use serde_json::json;

use support::host;
use support::workspace::Workspace;

#[test]
fn a_namespace_that_exists_is_refused_unless_it_is_named() {
    let workspace = Workspace::on(host());
    host().create_namespace("vcluster-squatter");
    let path = "/api/v1/namespaces/vcluster-squatter";
    let before = host().get(path).unwrap();
    workspace.virtual_cluster("name = \"squatter\"");
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("Set `namespace = \"vcluster-squatter\"`"), "{refused}");
    assert_eq!(host().get(path).unwrap(), before);
    assert_eq!(host().record("vcluster-squatter"), None);

    let keepsake = json!({"metadata": {"name": "keepsake"}});
    host().create(&format!("{path}/configmaps"), keepsake);
    workspace.virtual_cluster("name = \"squatter\"\nnamespace = \"vcluster-squatter\"\nlabels = { team = \"a\" }");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    assert_eq!(host().get(path).unwrap()["metadata"]["labels"], before["metadata"]["labels"]);
    workspace.destroy().assert_success();
    assert_eq!(host().remains("vcluster-squatter")[..1], ["namespaces/vcluster-squatter"]);
    for kind in
        ["configmaps", "serviceaccounts", "secrets", "services", "persistentvolumeclaims", "resourcequotas", "pods"]
    {
        let ours = host().names(&format!("{path}/{kind}"));
        let left: Vec<_> =
            ours.iter().filter(|name| !["keepsake", "kube-root-ca.crt", "default"].contains(&name.as_str())).collect();
        assert_eq!(left, [""; 0], "{kind}");
    }
    assert!(host().get(&format!("{path}/configmaps/keepsake")).is_some());
}

#[test]
fn an_object_of_somebody_else_is_never_touched() {
    let workspace = Workspace::on(host());
    host().create_open_namespace("shared");
    let path = "/api/v1/namespaces/shared/serviceaccounts/vc-neighbour";
    // Labels are no proof: these are the ones that our own would have.
    let labels = json!({"app.kubernetes.io/managed-by": "terraform-provider-nested", "nested-clusters.io/virtual-cluster": "neighbour"});
    let theirs = json!({"metadata": {"name": "vc-neighbour", "labels": labels}});
    let theirs = host().create("/api/v1/namespaces/shared/serviceaccounts", theirs);
    workspace.virtual_cluster("name = \"neighbour\"\nnamespace = \"shared\"");
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("ServiceAccount shared/vc-neighbour exists"), "{refused}");
    assert!(refused.contains("it was not touched"), "{refused}");
    assert_eq!(host().get(path).unwrap(), theirs);
    workspace.destroy().assert_success();
    assert_eq!(host().get(path).unwrap(), theirs);
    assert_eq!(host().record("shared"), None);
}

#[test]
fn a_name_that_is_taken_is_refused_with_the_import_block_that_works() {
    let first = Workspace::on(host());
    first.virtual_cluster("name = \"taken-name\"\nlabels = { owner = \"first\" }");
    first.apply().assert_success();

    let second = Workspace::on(host());
    second.virtual_cluster("name = \"taken-name\"\nlabels = { owner = \"second\" }");
    let refused = second.apply().assert_failure();
    let block = refused.find("import {").map(|start| &refused[start..]).expect(&refused);
    let block = &block[..=block.find('}').unwrap()];
    assert_eq!(host().record("vcluster-taken-name").unwrap()["spec"]["labels"]["owner"], "first");

    let resource = second.resource("taken_name", "name = \"taken-name\"\nlabels = { owner = \"first\" }");
    second.write(&format!("{block}\n{resource}"));
    let plan = second.plan();
    let address = "nested_virtual_cluster.taken_name";
    assert_eq!(plan.change(address)["importing"]["id"], "eu-1/vcluster-taken-name/taken-name");
    plan.assert_empty();
    second.apply().assert_success();
    assert_eq!(second.state(address).unwrap()["values"]["kubeconfig"], first.this()["kubeconfig"]);
    second.destroy().assert_success();
    host().assert_nothing_remains("vcluster-taken-name");
}

#[test]
fn one_namespace_holds_one_virtual_cluster() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"only\"\nnamespace = \"one\"");
    workspace.apply().assert_success();
    let second = Workspace::on(host());
    second.virtual_cluster("name = \"other\"\nnamespace = \"one\"");
    let refused = second.apply().assert_failure();
    assert!(refused.contains("Namespace \"one\" already holds virtual cluster \"only\"."), "{refused}");
    assert_eq!(host().record("one").unwrap()["name"], "only");
    let import = |id: &str| {
        second.write(&format!(
            "import {{\n  to = {}\n  id = {id:?}\n}}\n{}",
            support::workspace::THIS,
            second.resource("this", "")
        ));
        second.try_plan().0.assert_failure()
    };
    assert!(import("eu-1/one/other").contains("There is no such virtual cluster to import."));
    assert!(import("only").contains("This is not the id of a virtual cluster."));
}
