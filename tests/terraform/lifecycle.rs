//! A virtual cluster's whole life: created, used, changed, destroyed.

use rig::tools;
use serde_json::{Value, json};

use support::cluster::Cluster;
use support::nesting_host;
use support::workspace::{THIS, Workspace};

/// The rig's chart under a digest of its own, so that nobody else's virtual cluster keeps the archive on the host.
fn own_chart(workspace: &Workspace) -> String {
    let copy = workspace.path("chart");
    let copied =
        std::process::Command::new("cp").args(["-r".as_ref(), tools::chart().as_os_str(), copy.as_os_str()]).status();
    assert!(copied.unwrap().success());
    std::fs::write(copy.join("templates/NOTES.txt"), format!("{}\n", copy.display())).unwrap();
    copy.display().to_string()
}

fn check_life(workspace: &Workspace, name: &str) {
    let (host, namespace) = (nesting_host(), format!("vcluster-{name}"));
    let in_namespace = |path: &str| host.get(&path.replace("{}", &format!("namespaces/{namespace}"))).unwrap();
    let chart = own_chart(workspace);
    let write = |more: &str| {
        workspace.virtual_cluster(&format!("name = {name:?}\nchart = {{ source = {chart:?} }}\n{more}"));
    };

    write("");
    workspace.apply().assert_success();
    let created = workspace.this();
    assert_eq!(created["id"], format!("nest-1/{namespace}/{name}"));
    assert_eq!(created["status"], "Running");
    assert_eq!(created["resources"], json!({"cpu": "4", "memory": "4Gi", "storage": "2Gi", "hard": null}));
    assert_eq!(created["kubeconfig"]["host"], created["endpoint"]);
    let archive = format!("chart-{}", &created["chart"]["digest"].as_str().unwrap()[7..19]);
    let archive = format!("/api/v1/namespaces/nested-system/secrets/{archive}");
    assert!(host.get(&archive).is_some(), "the chart is not kept");
    let inside = Cluster::reached_by(created["kubeconfig"]["raw"].as_str().unwrap());
    assert!(inside.names("/api/v1/namespaces").contains(&"kube-system".to_owned()));
    inside.create_namespace("made-inside");
    workspace.plan().assert_quiet();

    write(
        "resources = { cpu = \"5\", memory = \"6Gi\", storage = \"3Gi\" }\nlabels = { team = \"a\" }\nannotations = { note = \"b\" }",
    );
    let plan = workspace.plan();
    assert_eq!(plan.actions(), "update");
    assert_eq!(plan.changed(THIS), ["annotations", "labels", "resources", "revision", "status"]);
    workspace.apply().assert_success();
    let quota = in_namespace(&format!("/api/v1/{{}}/resourcequotas/vc-{name}"));
    for (resource, expected) in [("requests.cpu", "5"), ("requests.memory", "6Gi"), ("requests.storage", "3Gi")] {
        assert_eq!(quota["spec"]["hard"][resource], expected, "{resource}");
    }
    let service = in_namespace(&format!("/api/v1/{{}}/services/{name}"));
    assert_eq!(
        (&service["metadata"]["labels"]["team"], &service["metadata"]["annotations"]["note"]),
        (&json!("a"), &json!("b"))
    );
    assert!(inside.names("/api/v1/namespaces").contains(&"made-inside".to_owned()));
    workspace.plan().assert_quiet();

    write("");
    workspace.apply().assert_success();
    let service = in_namespace(&format!("/api/v1/{{}}/services/{name}"));
    assert_eq!(
        (&service["metadata"]["labels"]["team"], &service["metadata"]["annotations"]["note"]),
        (&Value::Null, &Value::Null)
    );
    let quota = in_namespace(&format!("/api/v1/{{}}/resourcequotas/vc-{name}"));
    assert_eq!(quota["spec"]["hard"]["requests.cpu"], "5", "sizes stay until another one is written");

    workspace.destroy().assert_success();
    assert!(workspace.state(THIS).is_none());
    assert!(host.get(&archive).is_none(), "the chart is still kept");
    host.assert_nothing_remains(&namespace);
}

#[test]
fn a_virtual_cluster_lives_and_leaves_nothing() {
    check_life(&Workspace::on(nesting_host()), "life");
}

#[test]
fn opentofu_runs_the_same_life() {
    check_life(&Workspace::run_by(tools::tofu().unwrap(), nesting_host()), "tofu");
}
