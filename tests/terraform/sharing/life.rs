//! What a virtual cluster gets from its group, where it goes, and what follows the group.

use serde_json::{Value, json};

use super::support::{Hosts, group, member, referring};
use support::workspace::{Plan, Workspace, connection};

fn address(label: &str) -> String {
    format!("nested_virtual_cluster.{label}")
}

#[track_caller]
fn state(workspace: &Workspace, label: &str) -> Value {
    workspace.state(&address(label)).unwrap_or_else(|| panic!("no {label} in the state"))["values"].take()
}

fn actions(plan: &Plan, label: &str) -> Value {
    plan.change(&address(label))["actions"].clone()
}

#[test]
fn a_group_and_its_virtual_clusters_are_made_and_destroyed_in_one_go() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let defaults = "virtual_cluster_defaults = { cpu = \"5\", memory = \"6Gi\" }\nendpoint_type = \"NodePort\"";
    let members: Vec<String> =
        ["one", "two", "three", "four"].iter().map(|label| member(label, "dev", &referring("dev"))).collect();
    workspace.write(&(group("dev", defaults) + &members.concat()));
    let plan = workspace.plan();
    let unknown = &plan.change(&address("one"))["after_unknown"];
    for attribute in ["host_cluster", "id", "vcluster_version", "distro", "endpoint_type", "revision"] {
        assert_eq!(unknown[attribute], true, "{attribute}");
    }
    workspace.apply().assert_success();
    let one = state(&workspace, "one");
    assert_eq!(one["resources"], json!({"cpu": "5", "memory": "6Gi", "storage": "2Gi", "hard": null}));
    assert_eq!((&one["vcluster_version"], &one["distro"]), (&json!("0.34.7"), &json!("k8s")));
    assert_eq!((&one["endpoint_type"], &one["status"]), (&json!("NodePort"), &json!("Running")));
    let on = |host: &str| {
        let labels = ["one", "two", "three", "four"];
        labels.iter().filter(|label| state(&workspace, label)["host_cluster"] == host).count()
    };
    assert_eq!((on("eu-1"), on("us-1")), (2, 2), "created at once, and yet spread");
    let held: Vec<String> = hosts.quota(hosts.eu, "dev").into_values().collect();
    assert_eq!(held, ["5"; 4]);
    workspace.plan().assert_quiet();

    // Sizes stay as they are; new ones get the new defaults.
    workspace.write(
        &(group("dev", "endpoint_type = \"NodePort\"") + &members.concat() + &member("five", "dev", &referring("dev"))),
    );
    workspace.apply().assert_success();
    assert_eq!(state(&workspace, "one")["resources"]["cpu"], "5");
    assert_eq!(state(&workspace, "five")["resources"]["cpu"], "4");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn what_follows_the_group_reaches_its_virtual_clusters_in_the_next_plan() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    let values = |text: &str| format!("values = yamlencode({{ controlPlane = {{ advanced = {{ {text} }} }} }})");
    platform.write(&group("dev", ""));
    platform.apply().assert_success();
    team.write(&member("follower", "dev", ""));
    team.apply().assert_success();
    team.plan().assert_quiet();
    let before = state(&team, "follower");

    platform.write(&group("dev", &values("serviceAccount = { labels = { from = \"the-group\" } }")));
    platform.apply().assert_success();
    let plan = team.plan();
    assert_eq!(actions(&plan, "follower"), json!(["update"]));
    assert_eq!(plan.changed(&address("follower")), ["revision", "status"], "known values stay known");
    team.apply().assert_success();
    assert_ne!(state(&team, "follower")["revision"], before["revision"]);
    team.plan().assert_quiet();

    platform.write(&group("dev", "endpoint_type = \"NodePort\""));
    platform.apply().assert_success();
    let changed = team.plan().changed(&address("follower"));
    assert_eq!(changed, ["endpoint", "endpoint_type", "host_dns", "kubeconfig", "revision", "status"]);
    team.apply().assert_success();
    assert_eq!(state(&team, "follower")["endpoint_type"], "NodePort");
    team.plan().assert_quiet();

    // Defaults do not resize, and minimums do not refuse what is there.
    platform.write(&group(
        "dev",
        "endpoint_type = \"NodePort\"\nvirtual_cluster_defaults = { cpu = \"8\", memory = \"8Gi\" }\n\
         virtual_cluster_minimums = { cpu = \"6\" }",
    ));
    platform.apply().assert_success();
    team.plan().assert_quiet();
    team.write(&member("follower", "dev", "resources = { cpu = \"5\" }"));
    let refused = team.try_plan().0.assert_failure();
    assert!(refused.contains("cpu is 5, and the minimum is 6") && refused.contains("\"dev\""), "{refused}");

    // A destroy plans the configuration first.
    team.write(&member("follower", "dev", ""));
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_change_of_a_group_reaches_the_virtual_clusters_beside_it_in_the_same_plan() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let source = |text: &str| format!("resource \"terraform_data\" \"text\" {{\n  input = {text:?}\n}}\n");
    let values = |text: &str| {
        let labels = format!("serviceAccount = {{ labels = {{ from = {text} }} }}");
        format!("values = yamlencode({{ controlPlane = {{ advanced = {{ {labels} }} }} }})")
    };
    let write = |text: &str, of_group: &str, of_a: &str| {
        let a = member("a", "dev", &format!("{}\n{of_a}", referring("dev")));
        workspace.write(&(source(text) + &group("dev", of_group) + &a + &member("b", "dev", &referring("dev"))));
    };
    let check = |expected: &str| {
        let (run, plan) = workspace.try_plan();
        run.assert_success();
        assert_eq!([actions(&plan, "a"), actions(&plan, "b")], [json!([expected]), json!([expected])]);
        workspace.apply_planned().assert_success();
        workspace.plan().assert_quiet();
        run.warnings()
    };
    write("one", "", "");
    check("create");
    write("one", &values("\"two\""), "");
    let warnings = check("update");
    assert!(warnings.contains("A control plane restarts with this change."), "{warnings}");
    assert!(warnings.contains("what follows cluster group \"dev\" changes its pods"), "{warnings}");
    write("one", &format!("{}\nendpoint_type = \"NodePort\"", values("\"two\"")), "labels = { team = \"a\" }");
    check("update");
    // Not known before the apply, and then another value, or the same one.
    for text in ["three", "three"] {
        write(text, &values("terraform_data.text.output"), "");
        workspace.apply().assert_success();
        workspace.plan().assert_quiet();
    }
    write("four", &values("terraform_data.text.output"), "");
    check("update");
    write("four", &format!("{}\nquota = {{ cpu = \"20\" }}", values("terraform_data.text.output")), "");
    let warnings = check("no-op");
    assert!(!warnings.contains("restarts"), "{warnings}");
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_group_that_carries_virtual_clusters_keeps_its_hosts_and_stays() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    platform.write(&group("dev", ""));
    platform.apply().assert_success();
    team.write(&member("kept", "dev", "host_cluster = \"us-1\""));
    team.apply().assert_success();
    platform.write(&group("dev", "host_clusters = { \"eu-1\" = {} }"));
    let refused = platform.apply().assert_failure();
    assert!(refused.contains("kept") && refused.contains("us-1"), "{refused}");
    let refused = platform.destroy().assert_failure();
    assert!(refused.contains("kept") && refused.contains("us-1"), "{refused}");
    team.plan().assert_quiet();
    team.destroy().assert_success();
    platform.apply().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_group_outlives_its_charts_source() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    let chart = platform.path("chart");
    let copied = std::process::Command::new("cp").arg("-r").arg(rig::tools::chart()).arg(&chart).status().unwrap();
    assert!(copied.success());
    platform.write(&group("dev", &format!("chart = {{ source = {:?} }}", chart.display().to_string())));
    platform.apply().assert_success();
    team.write(&member("before", "dev", "host_cluster = \"eu-1\""));
    team.apply().assert_success();
    std::fs::remove_dir_all(&chart).unwrap();
    let _ = std::fs::remove_dir_all(platform.path(".cache"));
    let two = member("before", "dev", "host_cluster = \"eu-1\"") + &member("behind", "dev", "host_cluster = \"eu-1\"");
    team.write(&two);
    team.apply().assert_success();
    let workload = |name: &str| {
        let path = format!("/apis/apps/v1/namespaces/vcluster-{name}/statefulsets/{name}");
        hosts.eu.get(&path).unwrap()["spec"].to_string().replace(name, "<name>")
    };
    let hash = |text: String| {
        // The hash of the configuration has the name in it.
        let mut spec: Value = serde_json::from_str(&text).unwrap();
        spec["template"]["metadata"]["annotations"].take();
        spec
    };
    assert_eq!(hash(workload("before")), hash(workload("behind")));
    team.plan().assert_quiet();
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_virtual_cluster_goes_where_there_is_most_room_and_stays_there() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    platform.write(&group("dev", "host_clusters = { \"eu-1\" = { reserved = { cpu = \"8\" } }, \"us-1\" = {} }"));
    platform.apply().assert_success();
    team.write(&member("first", "dev", ""));
    team.apply().assert_success();
    assert_eq!(state(&team, "first")["host_cluster"], "us-1", "the other keeps 8 of 28 CPU back");

    // A cordoned node carries nothing more: 14 CPU are left on us-1, of which 4 are taken.
    let node = hosts.us.names("/api/v1/nodes").remove(0);
    let cordon = |cordoned: bool| {
        hosts.us.patch(&format!("/api/v1/nodes/{node}"), json!({ "spec": { "unschedulable": cordoned } }));
    };
    cordon(true);
    team.write(&(member("first", "dev", "") + &member("second", "dev", "")));
    team.apply().assert_success();
    cordon(false);
    assert_eq!(state(&team, "second")["host_cluster"], "eu-1");
    team.plan().assert_quiet();

    // One that does not answer is never chosen, and the plan says what it does not know.
    let down = "\"us-1\" = { host = \"https://127.0.0.1:1\", insecure = true, token = \"x\" }";
    let other = hosts.workspace();
    other.provider(&format!("{}\n{down}", connection("eu-1", &hosts.eu.kubeconfig)));
    other.write(&member("third", "dev", ""));
    other.apply().assert_success();
    assert_eq!(state(&other, "third")["host_cluster"], "eu-1");
    let pinned = hosts.workspace();
    pinned.write(&member("fourth", "dev", "host_cluster = \"eu-1\""));
    pinned.apply().assert_success();
    assert_eq!(state(&pinned, "fourth")["host_cluster"], "eu-1");
    for workspace in [&team, &other, &pinned, &platform] {
        workspace.destroy().assert_success();
    }
    hosts.assert_empty();
}

#[test]
fn without_the_home_nothing_is_created_and_everything_else_goes_on() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    platform.write(&group("dev", ""));
    platform.apply().assert_success();
    let one = member("one", "dev", "host_cluster = \"us-1\"");
    team.write(&one);
    team.apply().assert_success();
    let down = "\"eu-1\" = { host = \"https://127.0.0.1:1\", insecure = true, token = \"x\" }";
    team.provider(&format!("{}\n{down}", connection("us-1", &hosts.us.kubeconfig)));
    team.write(&(one.clone() + &member("two", "dev", "host_cluster = \"us-1\"")));
    let (planned, _) = team.try_plan();
    planned.assert_success();
    assert!(
        planned.warnings().contains("numbers are missing") && planned.warnings().contains("eu-1"),
        "{}",
        planned.warnings()
    );
    let refused = team.apply().assert_failure();
    assert!(refused.contains("The home of cluster group \"dev\" cannot be asked"), "{refused}");
    assert_eq!(hosts.us.record("vcluster-two"), None);
    // A pause and a change of labels go on; a resume does not.
    team.write(&member("one", "dev", "host_cluster = \"us-1\"\npaused = true\nlabels = { a = \"b\" }"));
    team.apply().assert_success();
    assert_eq!(state(&team, "one")["status"], "Paused");
    team.write(&one);
    let refused = team.apply().assert_failure();
    assert!(refused.contains("The home of cluster group \"dev\" cannot be asked"), "{refused}");
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_virtual_cluster_of_a_group_is_imported_by_either_id() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    platform.write(&group("dev", ""));
    platform.apply().assert_success();
    team.write(&member("found", "dev", "labels = { a = \"b\" }"));
    team.apply().assert_success();
    let id = state(&team, "found")["id"].as_str().unwrap().to_owned();
    for id in ["dev/found", &id] {
        let importer = hosts.workspace();
        let import = format!("import {{\n  to = nested_virtual_cluster.found\n  id = {id:?}\n}}\n");
        importer.write(&(member("found", "dev", "labels = { a = \"b\" }") + &import));
        importer.apply().assert_success();
        assert_eq!(state(&importer, "found"), state(&team, "found"));
        importer.plan().assert_quiet();
    }
    let importer = hosts.workspace();
    let import = "import {\n  to = nested_virtual_cluster.lost\n  id = \"dev/lost\"\n}\n";
    importer.write(&(member("lost", "dev", "") + import));
    let refused = importer.try_plan().0.assert_failure();
    assert!(refused.contains("no single virtual cluster \"lost\""), "{refused}");
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn values_are_the_groups_then_the_hosts_then_its_own_and_nodes_are_the_hosts() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    let values = |whose: &str, more: &str| {
        format!(
            "values = yamlencode({{ controlPlane = {{ statefulSet = {{ labels = {{ last = \"{whose}\"{more} }} }} }} }})"
        )
    };
    let host = format!(
        "{{ {}, node_selector = {{ \"kubernetes.io/os\" = \"linux\" }}, storage_class = \"standard\" }}",
        values("host", ", host = \"host\", nearer = \"host\"")
    );
    let group_values = values("group", ", group = \"group\", nearer = \"group\"");
    platform.write(&group("dev", &format!("{group_values}\nhost_clusters = {{ \"eu-1\" = {host} }}")));
    platform.apply().assert_success();
    team.write(&member("layered", "dev", &values("own", "")));
    team.apply().assert_success();
    let record = hosts.eu.record("vcluster-layered").unwrap();
    assert_eq!(record["spec"]["storage_class"], "standard");
    let secret = hosts.eu.get("/api/v1/namespaces/vcluster-layered/secrets/vc-config-layered").unwrap();
    let config = secret["data"]["config.yaml"].as_str().unwrap();
    let config = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, config).unwrap();
    let config = String::from_utf8(config).unwrap();
    for expected in ["last: own", "nearer: host", "host: host", "group: group"] {
        assert!(config.contains(expected), "{expected}: {config}");
    }
    let workload = hosts.eu.get("/apis/apps/v1/namespaces/vcluster-layered/statefulsets/layered").unwrap();
    let selector = &workload["spec"]["template"]["spec"]["nodeSelector"];
    assert_eq!(selector, &json!({ "kubernetes.io/os": "linux" }));

    // What contradicts is the fault of who wrote it.
    let escape =
        "values = yamlencode({ policies = { resourceQuota = { enabled = true, quota = { \"requests.cpu\" = 99 } } } })";
    team.write(&member("layered", "dev", escape));
    let refused = team.apply().assert_failure();
    assert!(refused.contains("values set policies"), "{refused}");
    team.write(&member("layered", "dev", &values("own", "")));
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}
