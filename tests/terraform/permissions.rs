//! The rights that the guide on permissions lists are enough, for those who have nothing else.

use std::io::Write;
use std::process::{Command, Stdio};

use support::cluster::Cluster;
use support::hosts;
use support::workspace::Workspace;

/// The manifests of the guide, in order.
fn manifests() -> Vec<String> {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guides/permissions.md")).unwrap();
    let blocks = guide.split("```yaml\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// The entry of `host_clusters` for `user` of a manifest, which is a service account here.
fn entry(host: &Cluster, user: &str, manifest: &str) -> String {
    let token = host.token(user, serde_json::json!([]));
    let named = format!("kind: User, name: {user}}}");
    assert!(manifest.contains(&named), "{manifest}");
    let subject = "{apiGroup: rbac.authorization.k8s.io, ".to_owned() + &named;
    let account = format!("{{kind: ServiceAccount, name: {user}, namespace: {user}}}");
    kubectl_apply(host, &manifest.replace(&subject, &account));
    host.wait_until_allowed(user, serde_json::json!({"verb": "get", "resource": "namespaces", "name": "kube-system"}));
    format!("{:?} = {{ config_path = {:?}, token = {token:?} }}", host.name, host.kubeconfig)
}

fn kubectl_apply(host: &Cluster, manifest: &str) {
    let mut kubectl = Command::new(rig::tools::kubectl().unwrap());
    kubectl.args(["apply", "--filename", "-", "--kubeconfig"]).arg(&host.kubeconfig);
    let mut child = kubectl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn group(quota: &str) -> String {
    let chart = rig::tools::chart();
    format!(
        "resource \"nested_cluster_group\" \"this\" {{
  name             = \"permitted\"
  vcluster_version = \"0.34.7\"
  chart            = {{ source = {chart:?} }}
  host_clusters    = {{ \"eu-1\" = {{}}, \"us-1\" = {{}} }}
  quota            = {{ cpu = {quota:?} }}
}}\n"
    )
}

const LOOKS: &str = "
data \"nested_cluster_group\" \"this\" {
  name = \"permitted\"
}
data \"nested_host_cluster\" \"this\" {
  name = \"eu-1\"
}
data \"nested_virtual_clusters\" \"this\" {}
";

#[test]
fn the_rights_in_the_guide_are_enough() {
    let manifests = manifests();
    let [everything, groups_only] = &manifests[..] else { panic!("{} manifests", manifests.len()) };
    let (platform, team) = (Workspace::on(&hosts()[0]), Workspace::on(&hosts()[0]));
    let entries = |user, manifest: &str| hosts().each_ref().map(|host| entry(host, user, manifest)).join("\n    ");
    platform.provider(&entries("platform", groups_only));
    team.provider(&entries("terraform", everything));

    platform.write(&group("8"));
    platform.apply().assert_success();
    platform.plan().assert_quiet();
    platform.write(&group("9"));
    platform.apply().assert_success();

    let cluster = |attributes: &str| {
        let text = format!("name = \"permitted\"\n  cluster_group = \"permitted\"\n{attributes}");
        team.write(&format!("{LOOKS}resource \"nested_virtual_cluster\" \"this\" {{\n  {text}\n}}\n"));
    };
    cluster("");
    team.apply().assert_success();
    assert_eq!(team.this()["status"], "Running");
    cluster("resources = { cpu = \"10\" }");
    let refused = team.try_plan().0;
    assert!(refused.assert_failure().contains("the quota of cluster group \"permitted\""));
    assert_eq!(refused.warnings().matches("could be checked in part").count(), 0);
    for attributes in [
        "resources = { cpu = \"5\" }",
        "resources = { storage = \"8Gi\" }",
        "resources = { cpu = \"4\", storage = \"4Gi\" }",
        "paused = true",
        "paused = false",
    ] {
        cluster(attributes);
        let run = team.apply();
        run.assert_success();
        assert_eq!(run.warnings().matches("could not be checked").count(), 0, "{}", run.warnings());
    }
    team.plan().assert_quiet();
    let looked = team.refresh_only();
    looked.assert_success();
    assert!(!looked.warnings().contains("Forbidden"), "{}", looked.warnings());
    team.destroy().assert_success();
    platform.destroy().assert_success();
}

#[test]
fn who_may_not_see_nodes_is_told_so() {
    let workspace = Workspace::on(&hosts()[0]);
    let rules = serde_json::json!([
        { "apiGroups": [""], "resources": ["namespaces", "secrets"], "verbs": ["*"] },
    ]);
    let token = hosts()[0].token("nodeless", rules);
    let entry = format!("\"eu-1\" = {{ config_path = {:?}, token = {token:?} }}", hosts()[0].kubeconfig);
    workspace.provider(&entry);
    let chart = rig::tools::chart();
    workspace.write(&format!(
        "resource \"nested_cluster_group\" \"this\" {{
  name             = \"nodeless\"
  vcluster_version = \"0.34.7\"
  chart            = {{ source = {chart:?} }}
  host_clusters    = {{ \"eu-1\" = {{}} }}
}}
resource \"nested_virtual_cluster\" \"this\" {{
  name          = \"nodeless\"
  cluster_group = nested_cluster_group.this.name
}}
"
    ));
    let planned = workspace.try_plan().0;
    planned.assert_success();
    assert!(planned.warnings().contains("may not list nodes"), "{}", planned.warnings());
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("may not list nodes"), "{refused}");
    workspace.destroy().assert_success();
    hosts()[0].assert_nothing_remains("vcluster-nodeless");
}

#[test]
fn who_may_not_see_storage_classes_is_told_so_before_storage_grows() {
    let host = &hosts()[0];
    let workspace = Workspace::on(host);
    let write = |storage: &str| {
        workspace.virtual_cluster(&format!("name = \"classless\"\nresources = {{ storage = {storage:?} }}"));
    };
    write("2Gi");
    workspace.apply().assert_success();
    let groups = ["", "apps", "events.k8s.io", "rbac.authorization.k8s.io"];
    let token =
        host.token("classless", serde_json::json!([{ "apiGroups": groups, "resources": ["*"], "verbs": ["*"] }]));
    workspace.provider(&format!("\"eu-1\" = {{ config_path = {:?}, token = {token:?} }}", host.kubeconfig));
    write("8Gi");
    let planned = workspace.try_plan().0;
    planned.assert_success();
    assert!(planned.warnings().contains("may not get storageclasses"), "{}", planned.warnings());
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("may not get storageclasses"), "{refused}");
    let quota = host.get("/api/v1/namespaces/vcluster-classless/resourcequotas/vc-classless").unwrap();
    assert_eq!(quota["spec"]["hard"]["requests.storage"], "2Gi", "nothing was changed");
    // Where no volume has to grow, nobody asks.
    write("1Gi");
    workspace.apply().assert_success();
    workspace.destroy().assert_success();
}
