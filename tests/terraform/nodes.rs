//! Hosts as they are: nodes that come, go, are cordoned, tainted and not Ready while others plan and apply; hosts that grow on demand,
//! or promise more than they have.

use serde_json::{Value, json};

use crate::sharing::support::{Hosts, group, member};
use support::cluster::Cluster;
use support::hold::Hold;
use support::workspace::{Run, Workspace};
use support::{eventually, is};

const ONE: &str = "nested_virtual_cluster.one";

/// A node of a host, by its number. Each has 14 CPU.
fn node(host: &Cluster, number: u32) -> String {
    format!("/api/v1/nodes/{}-node-{number}", host.name)
}

fn cordon(host: &Cluster, number: u32, is_cordoned: bool) {
    host.patch(&node(host, number), json!({ "spec": { "unschedulable": is_cordoned } }));
}

/// Taints a node with this alone; with nothing, its taints are gone.
fn taint(host: &Cluster, number: u32, key: Option<&str>) {
    let taints = key.map(|key| json!([{ "key": key, "value": "tenants", "effect": "NoSchedule" }]));
    host.patch(&node(host, number), json!({ "spec": { "taints": taints } }));
}

/// Stops a node's kubelet, as far as anybody can see.
fn stop(host: &Cluster, number: u32) {
    let path = node(host, number);
    host.patch(&path, json!({ "metadata": { "labels": { "rig.nested-clusters.io/down": "" } } }));
    let conditions = json!([{ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" }]);
    host.patch(&format!("{path}/status"), json!({ "status": { "conditions": conditions } }));
}

fn start(host: &Cluster, number: u32) {
    host.patch(&node(host, number), json!({ "metadata": { "labels": { "rig.nested-clusters.io/down": null } } }));
}

/// A node more, of 14 CPU.
fn add(host: &Cluster, number: u32) {
    let room = json!({ "cpu": "14", "memory": "256Gi", "pods": "110" });
    let name = format!("{}-node-{number}", host.name);
    let node = json!({ "metadata": { "name": name }, "status": { "allocatable": room, "capacity": room } });
    host.create("/api/v1/nodes", node);
}

/// Waits until exactly these nodes are Ready, not cordoned and free of taints.
#[track_caller]
fn counts(host: &Cluster, numbers: &[u32]) {
    let usable = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        ready && node["spec"]["unschedulable"] != true && node["spec"]["taints"].is_null()
    };
    let expected: Vec<String> = numbers.iter().map(|number| format!("{}-node-{number}", host.name)).collect();
    eventually("the nodes that count", || {
        let nodes = host.list("/api/v1/nodes");
        let names = nodes.iter().filter(|node| usable(node)).map(|node| node["metadata"]["name"].as_str().unwrap());
        is(names.map(str::to_owned).collect::<Vec<_>>(), &expected)
    });
}

/// A virtual cluster of so much CPU in the group.
fn one(cpu: u32, more: &str) -> String {
    member("one", "dev", &format!("resources = {{ cpu = \"{cpu}\" }}\n{more}"))
}

fn on_eu(more: &str) -> String {
    group("dev", &format!("host_clusters = {{ \"eu-1\" = {{ {more} }} }}"))
}

#[track_caller]
fn check_refused(run: &Run, expected: &[&str]) {
    let refused = run.assert_failure();
    for part in expected {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[test]
fn nodes_come_and_go_between_plan_and_apply_and_a_refusal_says_which_do_not_count() {
    let hosts = Hosts::alone();
    let (eu, platform, team) = (hosts.eu, hosts.workspace(), hosts.workspace());
    platform.write(&on_eu(""));
    platform.apply().assert_success();

    // A rolling upgrade begins after the plan.
    team.write(&one(20, ""));
    team.plan();
    cordon(eu, 2, true);
    counts(eu, &[1]);
    let cordoned = "eu-1-node-2 of \"eu-1\": cordoned";
    check_refused(
        &team.apply_planned(),
        &[cordoned, "cpu: 20 requested, 14 available, 6 too many", "not cordoned again"],
    );
    eu.assert_nothing_remains("vcluster-one");
    check_refused(&team.try_plan().0, &[cordoned]);
    // And has moved on to the next node before the apply.
    cordon(eu, 2, false);
    counts(eu, &[1, 2]);
    team.plan();
    team.apply_planned().assert_success();

    let grown = one(24, "");
    team.write(&grown);
    stop(eu, 1);
    counts(eu, &[2]);
    check_refused(&team.try_plan().0, &["eu-1-node-1 of \"eu-1\": not Ready"]);
    // A node more makes up for it.
    add(eu, 3);
    counts(eu, &[2, 3]);
    team.plan();
    start(eu, 1);
    eu.delete(&node(eu, 3));
    counts(eu, &[1, 2]);
    team.apply_planned().assert_success();

    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_node_that_goes_while_an_apply_runs_is_missed_before_room_is_given_and_not_after() {
    let hosts = Hosts::alone();
    let (eu, workspace) = (hosts.eu, hosts.workspace());
    workspace.write(&(on_eu("") + &one(20, "depends_on = [nested_cluster_group.dev]")));
    let record = "request.namespace == 'nested-system' && object.metadata.name == 'group.dev'";
    let hold = Hold::matching(eu, "CREATE", "secrets", "group-dev", record);
    let applying = workspace.start(&["apply", "-auto-approve"]);
    hold.wait();
    cordon(eu, 2, true);
    counts(eu, &[1]);
    drop(hold);
    check_refused(&applying.wait(), &["eu-1-node-2 of \"eu-1\": cordoned"]);
    eu.assert_nothing_remains("vcluster-one");

    cordon(eu, 2, false);
    counts(eu, &[1, 2]);
    let hold = Hold::on(eu, "CREATE", "namespaces", "vcluster-one");
    let applying = workspace.start(&["apply", "-auto-approve"]);
    hold.wait();
    cordon(eu, 2, true);
    counts(eu, &[1]);
    drop(hold);
    applying.wait().assert_success();
    workspace.plan().assert_quiet();
    assert_eq!(hosts.ledger(eu).into_iter().collect::<Vec<_>>(), [("vcluster-one".to_owned(), "20".to_owned())]);

    cordon(eu, 2, false);
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

/// The pod template of the control plane, and the configuration that vCluster reads.
fn control_plane(eu: &Cluster) -> (Value, Value) {
    let stateful_set = eu.get("/apis/apps/v1/namespaces/vcluster-one/statefulsets/one").unwrap();
    let secret = eu.get("/api/v1/namespaces/vcluster-one/secrets/vc-config-one").unwrap();
    let config = secret["data"]["config.yaml"].as_str().unwrap();
    let config = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, config).unwrap();
    let config = helm_charts::parse_values(std::str::from_utf8(&config).unwrap()).unwrap();
    (stateful_set["spec"]["template"]["spec"].clone(), Value::Object(config))
}

#[test]
fn tainted_nodes_count_where_the_group_tolerates_them_and_its_virtual_clusters_follow() {
    let hosts = Hosts::alone();
    let (eu, platform, team) = (hosts.eu, hosts.workspace(), hosts.workspace());
    platform.write(&on_eu(""));
    platform.apply().assert_success();
    team.write(&one(10, ""));
    team.apply().assert_success();
    assert_eq!(control_plane(eu).0["tolerations"], Value::Null);

    taint(eu, 2, Some("dedicated"));
    counts(eu, &[1]);
    team.write(&one(20, ""));
    let why = "eu-1-node-2 of \"eu-1\": tainted dedicated=tenants:NoSchedule";
    check_refused(&team.try_plan().0, &[why, "by `tolerations` of taints in the group"]);

    let tolerations = "tolerations = [{ key = \"dedicated\", value = \"tenants\", effect = \"NoSchedule\" }]";
    platform.write(&on_eu(tolerations));
    platform.apply().assert_success();
    platform.plan().assert_quiet();
    // The same, written otherwise.
    platform.write(&on_eu(&tolerations.replace("key =", "operator = \"Equal\", key =")));
    platform.apply().assert_success();
    platform.plan().assert_quiet();
    let plan = team.plan();
    assert!(plan.changed(ONE).contains(&"revision".to_owned()), "{:?}", plan.changed(ONE));
    team.apply().assert_success();
    team.plan().assert_quiet();
    let (pod, config) = control_plane(eu);
    let toleration = json!([{ "key": "dedicated", "operator": "Equal", "value": "tenants", "effect": "NoSchedule" }]);
    assert_eq!(pod["tolerations"], toleration);
    let enforced = &config["sync"]["toHost"]["pods"]["enforceTolerations"];
    assert_eq!(*enforced, json!(["dedicated=tenants:NoSchedule"]));

    // Whoever imports the group finds them.
    let importer = hosts.workspace();
    importer.write(&(on_eu(tolerations) + "import {\n  to = nested_cluster_group.dev\n  id = \"dev\"\n}\n"));
    let plan = importer.plan();
    assert_eq!(plan.change("nested_cluster_group.dev")["actions"], json!(["no-op"]));

    taint(eu, 2, None);
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_host_carries_what_it_may_grow_to_even_while_it_has_no_nodes() {
    let hosts = Hosts::alone();
    let (eu, platform, team) = (hosts.eu, hosts.workspace(), hosts.workspace());
    for number in [1, 2] {
        cordon(eu, number, true);
    }
    counts(eu, &[]);
    platform.write(&on_eu(""));
    platform.apply().assert_success();
    team.write(&one(20, "wait = false"));
    let no_nodes = ["eu-1-node-1 of \"eu-1\": cordoned", "eu-1-node-2", "by `capacity` in the group"];
    check_refused(&team.try_plan().0, &no_nodes);

    let capacity = "capacity = { cpu = \"40\", memory = \"256Gi\" }, reserved = { cpu = \"4\" }";
    platform.write(&on_eu(capacity));
    platform.apply().assert_success();
    platform.plan().assert_quiet();
    let run = team.apply();
    run.assert_success();
    assert!(!run.warnings().contains("No node"), "it may get larger ones: {}", run.warnings());
    assert_eq!(team.state(ONE).unwrap()["values"]["status"], "Pending");
    team.plan().assert_empty();

    team.write(&one(37, "wait = false"));
    let refused = team.try_plan().0.assert_failure();
    assert!(refused.contains("cpu: 17 requested, 16 available, 1 too many"), "{refused}");
    assert!(refused.contains("by less `reserved`") && refused.contains("by a larger `capacity`"), "{refused}");
    assert!(!refused.contains("do not count") && !refused.contains("by more nodes"), "{refused}");
    // As many nodes as that come, and change nothing of it.
    for number in [1, 2] {
        cordon(eu, number, false);
    }
    counts(eu, &[1, 2]);
    check_refused(&team.try_plan().0, &["16 available"]);

    team.write(&one(20, "wait = false"));
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_virtual_cluster_of_no_group_says_what_its_host_may_promise() {
    let hosts = Hosts::alone();
    let workspace = Workspace::on(hosts.eu);
    let alone = |cpu: u32, more: &str| {
        workspace.virtual_cluster(&format!("name = \"alone\"\nresources = {{ cpu = \"{cpu}\" }}\n{more}"));
    };
    // 120 % of 28.
    alone(34, "");
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("34 requested, 33.6 available"), "{refused}");
    assert!(refused.contains("by `host_capacity`, which says what the host cluster may promise"), "{refused}");
    for absent in ["`reserved`", "`oversubscription_percent`", "`capacity` in the group"] {
        assert!(!refused.contains(absent), "{absent}: {refused}");
    }
    alone(34, "host_capacity = { cpu = \"34\" }");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    alone(35, "host_capacity = { cpu = \"34\" }");
    check_refused(&workspace.try_plan().0, &["cpu: 1 requested, 0 available"]);

    // Nothing on the host depends on it, and an import finds it.
    alone(34, "host_capacity = { cpu = \"40000m\" }");
    let plan = workspace.plan();
    assert_eq!(
        (plan.actions().as_str(), plan.changed(support::workspace::THIS)),
        ("update", vec!["host_capacity".to_owned()])
    );
    workspace.apply().assert_success();
    alone(34, "host_capacity = { cpu = \"40\" }");
    workspace.plan().assert_quiet();
    let recorded = hosts.eu.record("vcluster-alone").unwrap();
    assert_eq!(recorded["spec"]["host_capacity"], json!({ "cpu": "40000m" }));
    let importer = Workspace::on(hosts.eu);
    importer.virtual_cluster("name = \"alone\"\nresources = { cpu = \"34\" }\nhost_capacity = { cpu = \"40\" }");
    let import = "import {\n  to = nested_virtual_cluster.this\n  id = \"eu-1/vcluster-alone/alone\"\n}\n";
    std::fs::write(importer.path("import.tf"), import).unwrap();
    assert!(!importer.plan().changed(support::workspace::THIS).contains(&"host_capacity".to_owned()));

    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn a_size_that_no_node_can_serve_is_a_warning_with_the_largest_node() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    platform.write(&on_eu(""));
    platform.apply().assert_success();
    let warnings = |cpu: u32| {
        team.write(&one(cpu, ""));
        let run = team.try_plan().0;
        run.assert_success();
        run.warnings()
    };
    let warned = warnings(24);
    assert!(warned.contains("No node can run the largest pod that virtual cluster \"one\" has room for."), "{warned}");
    assert!(warned.contains("eu-1-node-") && warned.contains("can allocate cpu 14 and memory 256Gi"), "{warned}");
    assert!(!warnings(14).contains("No node"), "what is left beside the control plane fits on a node");
    team.apply().assert_success();
    // A pause or a resume is no new size.
    team.write(&one(14, "paused = true"));
    team.apply().assert_success();
    assert!(!warnings(14).contains("No node"));
    assert!(warnings(24).contains("No node can run"));
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}
