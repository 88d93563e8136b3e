//! The data sources: what groups, hosts and virtual clusters are, to the number, and what is said where it cannot be asked.

use std::sync::OnceLock;

use rig::Rig;
use serde_json::{Value, json};

use support::cluster::Cluster;
use support::workspace::{Workspace, connection};

/// Hosts of 32 CPU and 128Gi each, which nobody else changes, and a group on both of them.
struct Made {
    hosts: [Cluster; 2],
    workspace: Workspace,
}

const GROUP: &str = "data.nested_cluster_group.this";
const ALL: &str = "data.nested_virtual_clusters.this";

const READERS: &str = r#"
data "nested_cluster_group" "this" {
  name       = "shown"
  depends_on = [nested_cluster_group.this, nested_virtual_cluster.a, nested_virtual_cluster.b, nested_virtual_cluster.c]
}

data "nested_virtual_clusters" "this" {
  depends_on = [nested_virtual_cluster.a, nested_virtual_cluster.b, nested_virtual_cluster.c]
}

output "summary" {
  value = data.nested_cluster_group.this.summary
}
"#;

impl Made {
    /// Virtual clusters a and b of the group, and c of none.
    fn configuration(&self, b_is_paused: bool) -> String {
        let chart = rig::tools::chart();
        let group = format!(
            r#"
resource "nested_cluster_group" "this" {{
  name             = "shown"
  description      = "for all"
  labels           = {{ team = "a" }}
  vcluster_version = "0.34.7"
  chart            = {{ source = {chart:?} }}

  host_clusters = {{
    "data-eu" = {{ storage = "100Gi", reserved = {{ cpu = "2", memory = "8Gi" }} }}
    "data-us" = {{}}
  }}

  oversubscription_percent = 150
  quota                    = {{ cpu = "20", memory = "64Gi" }}
}}
"#
        );
        let in_group = |label: &str, host: &str, more: &str| {
            format!(
                "resource \"nested_virtual_cluster\" \"{label}\" {{\n  name = \"{label}\"\n  host_cluster = \"{host}\"\n  \
                 cluster_group = nested_cluster_group.this.name\n{more}\n}}\n"
            )
        };
        let a = in_group("a", "data-eu", "labels = { team = \"a\", env = \"dev\" }");
        let size = "resources = { cpu = \"6\", memory = \"8192Mi\", storage = \"4Gi\" }";
        let b = in_group("b", "data-us", &format!("labels = {{ team = \"a\" }}\npaused = {b_is_paused}\n{size}"));
        let c = self.workspace.resource("c", "name = \"c\"\nhost_cluster = \"data-us\"");
        [group.as_str(), &a, &b, &c, READERS].concat()
    }
}

/// A group with two virtual clusters, one of them paused, and another virtual cluster beside it.
fn made() -> &'static Made {
    static RIG: OnceLock<Rig> = OnceLock::new();
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let names = ["data-eu", "data-us"];
        let rig =
            RIG.get_or_init(|| Rig::builder().names(names).node_size("16", "64Gi").without_nested().start().unwrap());
        let hosts = [Cluster::of(rig.host(1)), Cluster::of(rig.host(2))];
        let workspace = Workspace::on(&hosts[0]);
        workspace.provider(&both(&hosts));
        let made = Made { hosts, workspace };
        // Read by the process that has just made it all.
        made.workspace.write(&made.configuration(false));
        made.workspace.apply().assert_success();
        let group = made.workspace.state(GROUP).unwrap()["values"].take();
        assert_eq!(group["used"], of_host("14", "16Gi", "8Gi"));
        assert_eq!(paused(&group), ["a false", "b false"]);
        // And by the one that has paused it.
        made.workspace.write(&made.configuration(true));
        made.workspace.apply().assert_success();
        made
    })
}

fn both(hosts: &[Cluster; 2]) -> String {
    hosts.each_ref().map(|host| connection(&host.name, &host.kubeconfig)).join("\n")
}

/// A directory of somebody else's, with both hosts.
fn reader() -> Workspace {
    let made = made();
    let workspace = Workspace::on(&made.hosts[0]);
    workspace.provider(&both(&made.hosts));
    workspace
}

/// The same, where the second host is down.
fn reader_of_half() -> Workspace {
    let workspace = reader();
    let down = "\"data-us\" = { host = \"https://127.0.0.1:1\", insecure = true, token = \"x\" }";
    workspace.provider(&format!("{}\n{down}", connection("data-eu", &made().hosts[0].kubeconfig)));
    workspace
}

fn data(kind: &str, attributes: &str) -> String {
    format!("data \"nested_{kind}\" \"this\" {{\n{attributes}\n}}\n")
}

/// What the data source of `workspace`, [`data`], says, and what it warns of.
#[track_caller]
fn read(workspace: &Workspace, kind: &str, attributes: &str) -> (Value, String) {
    workspace.write(&data(kind, attributes));
    let run = workspace.apply();
    run.assert_success();
    let state = workspace.state(&format!("data.nested_{kind}.this")).expect("nothing in the state")["values"].take();
    (state, run.warnings())
}

#[track_caller]
fn refusal(workspace: &Workspace, kind: &str, attributes: &str) -> String {
    workspace.write(&data(kind, attributes));
    workspace.try_plan().0.assert_failure()
}

/// Amounts of hosts that have no extended resources.
fn of_host(cpu: &str, memory: &str, storage: &str) -> Value {
    json!({"cpu": cpu, "memory": memory, "storage": storage, "extended": null})
}

fn unlimited_storage(cpu: &str, memory: &str) -> Value {
    json!({"cpu": cpu, "memory": memory, "storage": null, "extended": null})
}

/// Amounts of a quota.
fn of_quota(cpu: &str, memory: &str, storage: Option<&str>, virtual_clusters: Option<u32>) -> Value {
    json!({"cpu": cpu, "memory": memory, "storage": storage, "hard": null, "virtual_clusters": virtual_clusters})
}

fn paused(state: &Value) -> Vec<String> {
    let clusters = state["virtual_clusters"].as_array().unwrap();
    clusters.iter().map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["paused"])).collect()
}

fn names(state: &Value) -> Vec<&str> {
    let clusters = state["virtual_clusters"].as_array().unwrap();
    clusters.iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn a_group_shows_what_there_is_what_is_used_and_what_is_left() {
    let made = made();
    made.workspace.plan().assert_quiet();
    let (group, warnings) = read(&reader(), "cluster_group", "name = \"shown\"");
    assert!(!warnings.contains("\"shown\""), "{warnings}");
    assert_eq!(
        group["hosts"],
        json!({
            "data-eu": {
                "host_cluster": "data-eu",
                "capacity": of_host("45", "180Gi", "100Gi"),
                "used": of_host("4", "4Gi", "2Gi"),
                "available": of_host("41", "176Gi", "98Gi"),
            },
            "data-us": {
                "host_cluster": "data-us",
                "capacity": unlimited_storage("48", "192Gi"),
                "used": of_host("4", "4Gi", "6Gi"),
                "available": unlimited_storage("44", "188Gi"),
            },
        })
    );
    assert_eq!(group["capacity"], unlimited_storage("93", "372Gi"));
    assert_eq!(group["used"], of_host("8", "8Gi", "8Gi"));
    assert_eq!(group["available"], unlimited_storage("85", "364Gi"));
    assert_eq!(group["quota_used"], of_quota("10", "12Gi", Some("6Gi"), Some(2)));
    assert_eq!(group["quota_available"], of_quota("10", "52Gi", None, None));
    assert_eq!(
        group["summary"],
        "\
host     resource  used  available         of
data-eu  cpu          4         41         45  [#...................]
         memory     4Gi      176Gi      180Gi  [#...................]
         storage    2Gi       98Gi      100Gi  [#...................]
data-us  cpu          4         44         48  [#...................]
         memory     4Gi      188Gi      192Gi  [#...................]
         storage    6Gi  unlimited  unlimited
quota    cpu         10         10         20  [##########..........]
         memory    12Gi       52Gi       64Gi  [###.................]
         storage    6Gi  unlimited  unlimited
"
    );
    assert_eq!(paused(&group), ["a false", "b true"]);
    assert_eq!(
        group["virtual_clusters"][1],
        json!({
            "id": "data-us/vcluster-b/b", "name": "b", "cluster_group": "shown", "host_cluster": "data-us",
            "namespace": "vcluster-b", "paused": true, "phase": "handed_over",
            "resources": {"cpu": "6", "memory": "8192Mi", "storage": "4Gi", "hard": null},
            "labels": {"team": "a"}, "vcluster_version": "0.34.7",
        })
    );
    // What made it read the same, in the apply that paused b.
    let of_maker = made.workspace.state(GROUP).unwrap()["values"].take();
    assert_eq!(of_maker, group);
    assert_eq!(paused(&made.workspace.state(ALL).unwrap()["values"]), ["a false", "b true", "c false"]);

    let resource = made.workspace.state("nested_cluster_group.this").unwrap()["values"].take();
    for (name, value) in resource.as_object().unwrap() {
        match name.as_str() {
            "timeouts" => {}
            "chart" => assert_eq!(group["chart"]["digest"], value["digest"]),
            name => assert_eq!(group[name], *value, "{name}"),
        }
    }
}

#[test]
fn lost_ledgers_are_counted_from_the_records() {
    let (group, warnings) = read(&reader_of_half(), "cluster_group", "name = \"shown\"");
    assert_eq!(group["quota_used"], of_quota("10", "12Gi", Some("6Gi"), Some(2)), "the home answers");
    assert!(!warnings.contains("the quota:"), "{warnings}");
    // Other tests cannot tell: the numbers stay what they are.
    for (host, ledger) in [(0, "ledger"), (1, "ledger"), (0, "quota.shown")] {
        made().hosts[host].delete(&format!("/api/v1/namespaces/nested-system/secrets/{ledger}"));
    }
    let (group, _) = read(&reader(), "cluster_group", "name = \"shown\"");
    assert_eq!(group["hosts"]["data-us"]["used"], of_host("4", "4Gi", "6Gi"));
    assert_eq!(
        (&group["used"], &group["quota_used"]),
        (&of_host("8", "8Gi", "8Gi"), &of_quota("10", "12Gi", Some("6Gi"), Some(2)))
    );
    let ledger = made().hosts[1].get("/api/v1/namespaces/nested-system/secrets/ledger");
    assert_eq!(ledger, None, "reading writes nothing");
    // With a host missing, the quota cannot be counted.
    let (group, warnings) = read(&reader_of_half(), "cluster_group", "name = \"shown\"");
    assert_eq!(group["quota_used"], Value::Null);
    assert!(warnings.contains("the quota: its ledger is missing, and host cluster \"data-us\""), "{warnings}");
}

#[test]
fn numbers_that_cannot_be_asked_for_are_null_and_a_warning_says_why() {
    let (group, warnings) = read(&reader_of_half(), "cluster_group", "name = \"shown\"");
    assert_eq!(group["hosts"]["data-eu"]["available"], of_host("41", "176Gi", "98Gi"));
    let nothing = json!({"host_cluster": null, "capacity": null, "used": null, "available": null});
    assert_eq!(group["hosts"]["data-us"], nothing);
    for name in ["capacity", "used", "available", "virtual_clusters"] {
        assert_eq!(group[name], Value::Null, "{name}");
    }
    let summary = group["summary"].as_str().unwrap();
    assert!(summary.contains("\ndata-us  numbers are missing: cannot read namespace kube-system"), "{summary}");
    assert!(warnings.contains("Not everything about cluster group \"shown\" could be asked."), "{warnings}");
    assert!(warnings.contains("host cluster \"data-us\": cannot read"), "{warnings}");
    assert!(warnings.contains("connection refused"), "{warnings}");
}

#[test]
fn a_host_that_the_provider_does_not_have_is_missing_and_another_key_is_not() {
    let [eu, us] = &made().hosts;
    let workspace = Workspace::on(us);
    let (group, warnings) = read(&workspace, "cluster_group", "name = \"shown\"");
    assert_eq!(group["hosts"]["data-us"]["used"], of_host("4", "4Gi", "6Gi"));
    assert_eq!((&group["quota_used"], &group["home_host_cluster"]), (&Value::Null, &json!("data-eu")));
    assert!(warnings.contains("host cluster \"data-eu\": the provider block does not have it"), "{warnings}");
    assert!(warnings.contains("the quota: host cluster \"data-eu\", the home of the group"), "{warnings}");

    workspace.provider(&[connection("europe", &eu.kubeconfig), connection("data-us", &us.kubeconfig)].join("\n"));
    let (group, warnings) = read(&workspace, "cluster_group", "name = \"shown\"");
    assert!(!warnings.contains("\"shown\""), "{warnings}");
    assert_eq!(group["hosts"]["data-eu"]["host_cluster"], "europe");
    let ids: Vec<_> = group["virtual_clusters"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["data-us/vcluster-b/b", "europe/vcluster-a/a"]);

    // One cluster under two keys is listed once.
    workspace.provider(&[connection("data-us", &us.kubeconfig), connection("us", &us.kubeconfig)].join("\n"));
    assert_eq!(names(&read(&workspace, "virtual_clusters", "").0), ["b", "c"]);
}

#[test]
fn a_group_that_is_not_there_is_an_error() {
    let workspace = reader();
    let refused = refusal(&workspace, "cluster_group", "name = \"nowhere\"");
    assert!(refused.contains("There is no cluster group \"nowhere\"."), "{refused}");
    assert!(refused.contains("data-eu, data-us"), "{refused}");

    // One that the same configuration makes is waited for.
    let planned = "resource \"nested_cluster_group\" \"new\" {\n  name = \"planned\"\n  vcluster_version = \"0.34.7\"\n  \
                   host_clusters = { \"data-eu\" = {} }\n}\n";
    workspace.write(&(planned.to_owned() + &data("cluster_group", "name = nested_cluster_group.new.name")));
    assert_eq!(workspace.plan().change(GROUP)["actions"], json!(["read"]));
    workspace.write(&(planned.to_owned() + &data("cluster_group", "name = \"planned\"")));
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("nested_cluster_group.<resource>.name"), "{refused}");
}

#[test]
fn lists_have_what_all_filters_let_pass() {
    let workspace = reader();
    for (filters, expected) in [
        ("", vec!["a", "b", "c"]),
        ("cluster_group = \"shown\"", vec!["a", "b"]),
        ("cluster_group = \"nowhere\"", vec![]),
        ("host_cluster = \"data-us\"", vec!["b", "c"]),
        ("paused = true", vec!["b"]),
        ("paused = false\nhost_cluster = \"data-us\"", vec!["c"]),
        ("labels = { team = \"a\" }", vec!["a", "b"]),
        ("labels = { team = \"a\", env = \"dev\" }", vec!["a"]),
    ] {
        assert_eq!(names(&read(&workspace, "virtual_clusters", filters).0), expected, "{filters}");
    }
    let refused = refusal(&workspace, "virtual_clusters", "host_cluster = \"ue-1\"");
    assert!(refused.contains("\"ue-1\" is not configured"), "{refused}");
    let refused = refusal(&workspace, "virtual_clusters", "labels = { team = null }");
    assert!(refused.contains("`labels[\"team\"]` is null."), "{refused}");
}

#[test]
fn a_list_has_no_holes() {
    let workspace = reader_of_half();
    let refused = refusal(&workspace, "virtual_clusters", "cluster_group = \"shown\"");
    assert!(refused.contains("on host cluster \"data-us\"") && refused.contains("connection refused"), "{refused}");
    assert_eq!(names(&read(&workspace, "virtual_clusters", "host_cluster = \"data-eu\"").0), ["a"]);
}

#[test]
fn a_host_shows_its_nodes_its_classes_and_what_is_used() {
    let us = &made().hosts[1];
    // The single one needs no name.
    let (host, _) = read(&Workspace::on(us), "host_cluster", "");
    assert_eq!(host["name"], "data-us");
    let kube_system = us.get("/api/v1/namespaces/kube-system").unwrap();
    assert_eq!(host["id"], kube_system["metadata"]["uid"]);
    assert_eq!(host["kubernetes_version"], us.get("/version").unwrap()["gitVersion"]);
    assert_eq!(host["allocatable"], json!({"cpu": "32", "memory": "128Gi", "extended": null}));
    let nodes = host["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2);
    for (node, actual) in std::iter::zip(nodes, us.list("/api/v1/nodes")) {
        assert_eq!((&node["name"], &node["labels"]), (&actual["metadata"]["name"], &actual["metadata"]["labels"]));
        assert_eq!((&node["cpu"], &node["memory"], &node["usable"]), (&json!("16"), &json!("64Gi"), &json!(true)));
    }
    let classes = us.list("/apis/storage.k8s.io/v1/storageclasses");
    assert_eq!(host["storage_classes"].as_array().unwrap().len(), classes.len());
    let class = &host["storage_classes"][0];
    assert_eq!((&class["name"], &class["provisioner"]), (&classes[0]["metadata"]["name"], &classes[0]["provisioner"]));
    assert_eq!(class["is_default"], true);
    assert_eq!(host["used"], of_host("4", "4Gi", "6Gi"));
    assert_eq!(host["cluster_groups"], json!(["shown"]));
    assert!(host["address"].as_str().unwrap().starts_with("https://"), "{}", host["address"]);
}

#[test]
fn a_host_that_cannot_be_told_or_asked_is_an_error() {
    let workspace = reader_of_half();
    let refused = refusal(&workspace, "host_cluster", "");
    assert!(
        refused.contains("There is more than one host cluster.") && refused.contains("data-eu, data-us"),
        "{refused}"
    );
    let refused = refusal(&workspace, "host_cluster", "name = \"data-us\"");
    assert!(refused.contains("on host cluster \"data-us\"") && refused.contains("connection refused"), "{refused}");
    let refused = refusal(&workspace, "host_cluster", "name = \"ue-1\"");
    assert!(refused.contains("\"ue-1\" is not configured"), "{refused}");
}

#[test]
fn a_connection_that_only_apply_makes_known_is_said_or_waited_for() {
    let us = &made().hosts[1];
    let workspace = Workspace::on(us);
    workspace.provider("\"data-us\" = { config_path = terraform_data.kubeconfig.output }");
    let source = format!("resource \"terraform_data\" \"kubeconfig\" {{\n  input = {:?}\n}}\n", us.kubeconfig);
    for (kind, attributes) in [
        ("host_cluster", ""),
        ("cluster_group", "name = \"shown\""),
        ("virtual_clusters", "host_cluster = \"data-us\""),
    ] {
        workspace.write(&(source.clone() + &data(kind, attributes)));
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains("is not known yet.") && refused.contains("depends_on"), "{kind}: {refused}");
    }
    let late = "host_cluster = \"data-us\"\ndepends_on = [terraform_data.kubeconfig]";
    workspace.write(&(source + &data("virtual_clusters", late)));
    workspace.apply().assert_success();
    assert_eq!(names(&workspace.state(ALL).unwrap()["values"]), ["b", "c"]);
}
