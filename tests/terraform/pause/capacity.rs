//! What a pause gives back and what it keeps; what a resume takes, and what happens when that is gone.

use serde_json::{Value, json};

use super::Parts;
use crate::sharing::support::{Hosts, group, member};
use support::cluster::Cluster;
use support::workspace::Workspace;
use support::{eventually, is};

/// A deployed etcd as the vCluster chart has it, with a volume of its own.
const ETCD: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
{{ include "vcluster.metadata" (dict "root" . "name" (printf "%s-etcd" .Release.Name)) }}
spec:
  replicas: 1
  serviceName: {{ .Release.Name }}-etcd-headless
  selector: { matchLabels: { app: vcluster-etcd, release: {{ .Release.Name }} } }
  template:
    metadata: { labels: { app: vcluster-etcd, release: {{ .Release.Name }} } }
    spec:
      containers:
        - { name: etcd, image: none, resources: { limits: { cpu: 500m, memory: 256Mi } } }
  volumeClaimTemplates:
    - metadata: { name: data }
      spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 256Mi } } }
"#;

/// The rig's chart with another workload beside the control plane.
fn chart_with_etcd(workspace: &Workspace) -> String {
    let copy = workspace.path("chart");
    let copied = std::process::Command::new("cp").arg("-r").arg(rig::tools::chart()).arg(&copy).status().unwrap();
    assert!(copied.success());
    std::fs::write(copy.join("templates/etcd.yaml"), ETCD).unwrap();
    copy.display().to_string()
}

/// What the quota of a virtual cluster counts of the three resources.
fn used(host: &Cluster, name: &str) -> Value {
    let quota = host.get(&format!("/api/v1/namespaces/vcluster-{name}/resourcequotas/vc-{name}")).unwrap();
    let used = &quota["status"]["used"];
    let of = |resource: &str| used[resource].as_str().unwrap_or_default();
    counts(of("requests.cpu"), of("requests.memory"), of("requests.storage"))
}

fn counts(cpu: &str, memory: &str, storage: &str) -> Value {
    json!({ "requests.cpu": cpu, "requests.memory": memory, "requests.storage": storage })
}

#[test]
fn after_a_pause_nothing_uses_cpu_or_memory_and_everything_else_stays() {
    let hosts = Hosts::alone();
    let (platform, team) = (hosts.workspace(), hosts.workspace());
    let chart = format!("chart = {{ source = {:?} }}", chart_with_etcd(&platform));
    platform
        .write(&group("dev", &format!("{chart}\nhost_clusters = {{ \"eu-1\" = {{}} }}\nquota = {{ cpu = \"8\" }}")));
    platform.apply().assert_success();
    let write = |more: &str| {
        let looks = "data \"nested_cluster_group\" \"dev\" {\n  name = \"dev\"\n  depends_on = [nested_virtual_cluster.stopped]\n}\n";
        team.write(&(member("stopped", "dev", more) + looks));
    };
    write("");
    team.apply().assert_success();
    let cluster = Parts { host: hosts.eu, name: "stopped" };
    let in_namespace = |path: &str| format!("/api/v1/namespaces/vcluster-stopped/{path}");
    // What a tenant has there: a pod, a claim, and a load balancer.
    let synced = |name: &str| json!({ "name": name, "labels": { "vcluster.loft.sh/managed-by": "stopped" } });
    let amount = json!({ "cpu": "1", "memory": "512Mi" });
    let container = json!({ "name": "app", "image": "none", "resources": { "limits": amount, "requests": amount } });
    hosts.eu.create(&in_namespace("pods"), json!({ "metadata": synced("app"), "spec": { "containers": [container] } }));
    let storage = json!({ "requests": { "storage": "512Mi" } });
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": storage });
    hosts.eu.create(&in_namespace("persistentvolumeclaims"), json!({ "metadata": synced("web"), "spec": claim }));
    let service = json!({ "type": "LoadBalancer", "ports": [{ "port": 80 }], "selector": { "app": "none" } });
    hosts.eu.create(&in_namespace("services"), json!({ "metadata": synced("web"), "spec": service }));
    let services = || {
        let all = hosts.eu.list(&in_namespace("services"));
        let of = |service: &Value| {
            let address = &service["status"]["loadBalancer"]["ingress"][0]["ip"];
            (service["metadata"]["name"].clone(), service["spec"]["clusterIP"].clone(), address.clone())
        };
        all.iter().map(of).collect::<Vec<_>>()
    };
    eventually("the tenant's load balancer", || {
        let seen = services();
        if seen.iter().any(|(name, _, address)| name == "web" && address.is_string()) { Ok(()) } else { Err(seen) }
    });
    // Control plane, CoreDNS, etcd and the tenant's pod; 512Mi, 256Mi and 512Mi of volumes.
    let running = counts("1720m", "1344Mi", "1280Mi");
    eventually(&format!("all of it to run, with {running}"), || is(used(hosts.eu, "stopped"), &running));
    let claims = cluster.names("api/v1/persistentvolumeclaims");
    assert_eq!(claims, ["data-stopped-0", "data-stopped-etcd-0", "web"]);
    let before = services();

    write("paused = true");
    team.apply().assert_success();
    assert_eq!(cluster.names("api/v1/pods"), [""; 0]);
    let nothing = counts("0", "0", "1280Mi");
    eventually("the quota to be given back", || is(used(hosts.eu, "stopped"), &nothing));
    assert_eq!(cluster.names("api/v1/persistentvolumeclaims"), claims);
    assert_eq!(services(), before);
    let held = hosts.eu.held("vcluster-stopped").unwrap();
    let size = json!({ "cpu": "4", "memory": "4Gi", "storage": "2Gi" });
    assert_eq!((&held["paused"], &held["size"]), (&json!(true), &size));
    let group = || team.state("data.nested_cluster_group.dev").unwrap()["values"].take();
    let of_host = |cpu: &str, memory: &str| json!({ "cpu": cpu, "memory": memory, "storage": "2Gi", "extended": null });
    let whole = json!({ "cpu": "4", "memory": "4Gi", "storage": "2Gi", "hard": null, "virtual_clusters": 1 });
    assert_eq!(group()["used"], of_host("0", "0"));
    assert_eq!(group()["quota_used"], whole, "the share of the quota stays");

    write("");
    team.apply().assert_success();
    assert_eq!((group()["used"].clone(), group()["quota_used"].clone()), (of_host("4", "4Gi"), whole));
    team.destroy().assert_success();
    platform.destroy().assert_success();
    hosts.assert_empty();
}

fn sized(name: &str, more: &str) -> String {
    format!("name = {name:?}\nresources = {{ cpu = \"20\" }}\n{more}")
}

#[test]
fn a_resume_whose_room_went_after_its_plan_leaves_everything_paused() {
    let hosts = Hosts::alone();
    let (sleeper, other) = (hosts.workspace(), hosts.workspace());
    let cluster = Parts { host: hosts.eu, name: "sleeps-on" };
    sleeper.virtual_cluster(&sized("sleeps-on", "paused = true"));
    sleeper.apply().assert_success();
    sleeper.virtual_cluster(&sized("sleeps-on", "paused = false"));
    sleeper.plan();

    // 20 of 33.6 CPU.
    other.virtual_cluster(&sized("awake", ""));
    other.apply().assert_success();
    let before = cluster.workload();
    let refused = sleeper.apply_planned().assert_failure();
    assert!(refused.contains("does not fit on host cluster \"eu-1\"") && refused.contains("available"), "{refused}");
    assert_eq!(refused.matches("Next step").count(), 1, "{refused}");
    assert_eq!(cluster.workload()["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    assert_eq!(hosts.ledger(hosts.eu)["vcluster-sleeps-on"], "paused");
    // A plan says the same, and on which attribute the room is wanted.
    let refused = sleeper.try_plan().0;
    assert!(refused.output.contains("paused = false"), "not on `paused`: {}", refused.output);
    refused.assert_failure();

    other.destroy().assert_success();
    sleeper.apply().assert_success();
    assert_eq!(sleeper.this()["status"], "Running");
    sleeper.plan().assert_quiet();
    sleeper.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn of_two_resumes_at_once_the_one_without_room_stays_paused() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    // Each alias is a process of its own, and plans as if it were alone.
    let alias = format!(
        "provider \"nested\" {{\n  alias = \"second\"\n  host_clusters = {{\n{}\n  }}\n}}\n",
        hosts.connections()
    );
    let write = |paused: bool| {
        let one = workspace.resource("one", &sized("one", &format!("paused = {paused}")));
        let two = workspace.resource("two", &sized("two", &format!("provider = nested.second\npaused = {paused}")));
        workspace.write(&(one + &two + &alias));
    };
    write(true);
    workspace.apply().assert_success();
    write(false);
    workspace.plan();
    let refused = workspace.apply_planned().assert_failure();
    assert!(refused.contains("does not fit on host cluster \"eu-1\""), "{refused}");
    let mut held: Vec<String> = hosts.ledger(hosts.eu).into_values().collect();
    held.sort();
    assert_eq!(held, ["20", "paused"]);
    let status = ["one", "two"]
        .map(|name| workspace.state(&format!("nested_virtual_cluster.{name}")).unwrap()["values"]["paused"].clone());
    assert!(status.contains(&json!(true)) && status.contains(&json!(false)), "{status:?}");
    write(true);
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}
