//! Pausing and resuming, by Terraform and by hand as the `vcluster` CLI does it. `capacity` is about what a pause gives back
//! and a resume takes, `repeated` about doing either twice.

mod capacity;
mod repeated;

use serde_json::{Value, json};

use crate::sharing::support::{group, member, referring};
use support::cluster::Cluster;
use support::workspace::{THIS, Workspace};
use support::{eventually, host, is, nesting_host};

/// A virtual cluster on a host, by the paths of what it consists of.
struct Parts<'a> {
    host: &'a Cluster,
    name: &'a str,
}

impl Parts<'_> {
    fn namespaced(&self, path: &str) -> String {
        let (group, resource) = path.rsplit_once('/').unwrap();
        format!("/{group}/namespaces/vcluster-{}/{resource}", self.name)
    }

    fn workload_path(&self) -> String {
        format!("{}/{}", self.namespaced("apis/apps/v1/statefulsets"), self.name)
    }

    fn workload(&self) -> Value {
        self.host.get(&self.workload_path()).unwrap()
    }

    fn names(&self, path: &str) -> Vec<String> {
        self.host.names(&self.namespaced(path))
    }

    #[track_caller]
    fn assert_paused(&self) {
        let workload = self.workload();
        let marks = &workload["metadata"]["annotations"];
        assert_eq!(workload["spec"]["replicas"], 0);
        assert_eq!((&marks["loft.sh/paused"], &marks["loft.sh/paused-replicas"]), (&json!("true"), &json!("1")));
        assert!(marks["loft.sh/paused-date"].as_str().is_some_and(|date| date.contains('T')), "{marks}");
        assert_eq!(self.names("api/v1/pods"), [""; 0]);
        assert_eq!(self.names("api/v1/persistentvolumeclaims"), [format!("data-{}-0", self.name)]);
        assert!(self.names("api/v1/services").contains(&self.name.to_owned()));
        assert_eq!(
            self.names("api/v1/resourcequotas"),
            [format!("vc-{}", self.name), format!("vc-{}-priority", self.name)]
        );
    }

    #[track_caller]
    fn assert_running(&self) {
        let workload = self.workload();
        assert_eq!((&workload["spec"]["replicas"], &workload["status"]["readyReplicas"]), (&json!(1), &json!(1)));
        let marks = workload["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        assert!(marks.keys().all(|mark| !mark.starts_with("loft.sh/paused")), "{marks:?}");
    }

    /// What `vcluster pause` does.
    fn pause_as_the_cli(&self) {
        let marks = json!({"loft.sh/paused": "true", "loft.sh/paused-replicas": "1", "loft.sh/paused-date": "2026-11-22T10:00:00.000Z"});
        self.host.patch(&self.workload_path(), json!({"metadata": {"annotations": marks}, "spec": {"replicas": 0}}));
        eventually("the control plane to stop", || is(self.workload()["status"]["replicas"].clone(), &0));
        for pod in self.names("api/v1/pods") {
            self.host.remove(&format!("{}/{pod}", self.namespaced("api/v1/pods")));
        }
    }

    /// What `vcluster resume` does.
    fn resume_as_the_cli(&self) {
        let marks = json!({"loft.sh/paused": null, "loft.sh/paused-replicas": null, "loft.sh/paused-date": null});
        self.host.patch(&self.workload_path(), json!({"metadata": {"annotations": marks}, "spec": {"replicas": 1}}));
    }
}

#[test]
fn data_survives_a_pause_and_pods_do_not() {
    let workspace = Workspace::on(nesting_host());
    let cluster = Parts { host: nesting_host(), name: "sleeper" };
    workspace.virtual_cluster("name = \"sleeper\"");
    workspace.apply().assert_success();
    cluster.assert_running();
    let running = workspace.this();
    let inside = || Cluster::reached_by(workspace.this()["kubeconfig"]["raw"].as_str().unwrap());
    inside().create("/api/v1/namespaces/default/configmaps", json!({"metadata": {"name": "kept"}, "data": {"a": "b"}}));

    workspace.virtual_cluster("name = \"sleeper\"\npaused = true");
    assert_eq!(workspace.plan().changed(THIS), ["paused", "status"]);
    workspace.apply().assert_success();
    cluster.assert_paused();
    let paused = workspace.this();
    assert_eq!(paused["status"], "Paused");
    assert_eq!(paused["kubeconfig"], running["kubeconfig"]);
    workspace.plan().assert_quiet();

    workspace.virtual_cluster("name = \"sleeper\"\npaused = true\nresources = { cpu = \"6\" }");
    workspace.apply().assert_success();
    cluster.assert_paused();
    let quota = format!("{}/vc-sleeper", cluster.namespaced("api/v1/resourcequotas"));
    assert_eq!(nesting_host().get(&quota).unwrap()["spec"]["hard"]["requests.cpu"], "6");
    workspace.plan().assert_quiet();

    workspace.virtual_cluster("name = \"sleeper\"\nresources = { cpu = \"6\" }");
    workspace.apply().assert_success();
    cluster.assert_running();
    assert_eq!(workspace.this()["status"], "Running");
    let kept = inside().get("/api/v1/namespaces/default/configmaps/kept").unwrap();
    assert_eq!(kept["data"], json!({"a": "b"}));
    workspace.plan().assert_empty();
}

#[test]
fn created_paused_it_runs_nothing_until_it_is_resumed() {
    let workspace = Workspace::on(host());
    let cluster = Parts { host: host(), name: "born-paused" };
    workspace.virtual_cluster("name = \"born-paused\"\npaused = true");
    workspace.apply().assert_success();
    let workload = cluster.workload();
    assert_eq!(workload["spec"]["replicas"], 0);
    assert_eq!(workload["metadata"]["annotations"]["loft.sh/paused-replicas"], "1");
    assert_eq!(cluster.names("api/v1/pods"), [""; 0]);
    let this = workspace.this();
    assert_eq!((&this["status"], &this["kubeconfig"]), (&json!("Paused"), &Value::Null));

    workspace.virtual_cluster("name = \"born-paused\"");
    workspace.apply().assert_success();
    cluster.assert_running();
    let this = workspace.this();
    assert_eq!(this["status"], "Running");
    assert!(this["kubeconfig"]["client_key"].is_string());
    workspace.plan().assert_quiet();
}

#[test]
fn a_pause_by_the_cli_shows_in_the_plan_and_apply_resumes() {
    let workspace = Workspace::on(host());
    let cluster = Parts { host: host(), name: "cli-paused" };
    workspace.virtual_cluster("name = \"cli-paused\"");
    workspace.apply().assert_success();

    cluster.pause_as_the_cli();
    let plan = workspace.plan();
    let change = plan.change(THIS);
    assert_eq!((&change["before"]["paused"], &change["after"]["paused"]), (&json!(true), &json!(false)));
    assert_eq!(change["before"]["status"], "Paused");
    workspace.apply().assert_success();
    cluster.assert_running();
    workspace.plan().assert_empty();

    // Agreed to afterwards, it is no change at all.
    cluster.pause_as_the_cli();
    workspace.virtual_cluster("name = \"cli-paused\"\npaused = true");
    workspace.plan().assert_empty();

    cluster.resume_as_the_cli();
    let change = workspace.plan().change(THIS).clone();
    assert_eq!((&change["before"]["paused"], &change["after"]["paused"]), (&json!(false), &json!(true)));
    workspace.apply().assert_success();
    cluster.assert_paused();
}

#[test]
fn what_would_lose_the_data_of_a_virtual_cluster_without_storage_is_refused() {
    let workspace = Workspace::on(host());
    let with = |more: &str| format!("name = \"no-storage\"\nresources = {{ storage = \"0\"\n{more}");
    workspace.virtual_cluster(&with("}"));
    workspace.apply().assert_success();
    for (more, expected) in [
        ("}\npaused = true", "A virtual cluster without storage cannot be paused."),
        ("}\nvalues = \"controlPlane: {}\"", "This change would lose the data"),
        ("}\nkubernetes_version = \"v1.34.0\"", "This change would lose the data"),
        ("cpu = \"32\" }", "This change would lose the data"),
    ] {
        workspace.virtual_cluster(&with(more));
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains(expected), "{more}: {refused}");
    }
    workspace.virtual_cluster(&with("cpu = \"5\" }"));
    let pods = || host().list("/api/v1/namespaces/vcluster-no-storage/pods?labelSelector=release%3Dno-storage");
    let uid = || pods()[0]["metadata"]["uid"].clone();
    let before = uid();
    workspace.apply().assert_success();
    assert_eq!(uid(), before, "a resize replaced the pod");
}

#[test]
fn created_paused_without_storage_is_refused_wherever_the_size_comes_from() {
    let workspace = Workspace::on(host());
    let refused = || {
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains("A virtual cluster without storage cannot be paused."), "{refused}");
    };
    workspace.virtual_cluster("name = \"no-data\"\npaused = true\nresources = { storage = \"0\" }");
    refused();
    // The default of a group that this plan only makes.
    let defaults = "host_clusters = { \"eu-1\" = {} }\nvirtual_cluster_defaults = { storage = \"0\" }";
    workspace.write(
        &(group("no-storage", defaults)
            + &member("no_data", "no-storage", &(referring("no-storage") + "\npaused = true"))),
    );
    refused();
    assert_eq!(host().record("vcluster-no-data"), None);
}

#[test]
fn a_node_port_has_an_address_only_while_there_is_a_node() {
    let workspace = Workspace::on(host());
    let write = |more: &str| workspace.virtual_cluster(&format!("name = \"ported\"\n{more}"));
    let access = || {
        let this = workspace.this();
        (this["status"].clone(), this["endpoint"].clone(), this["kubeconfig"]["host"].clone())
    };
    write("endpoint_type = \"NodePort\"\npaused = true");
    workspace.apply().assert_success();
    assert_eq!(access(), (json!("Paused"), Value::Null, Value::Null));
    workspace.plan().assert_quiet();
    write("endpoint_type = \"NodePort\"");
    workspace.apply().assert_success();
    let (status, endpoint, server) = access();
    assert!(status == "Running" && endpoint.is_string() && endpoint == server, "{status} {endpoint} {server}");
    workspace.plan().assert_quiet();

    // A pause keeps the address that was given out.
    write("endpoint_type = \"NodePort\"\npaused = true");
    workspace.apply().assert_success();
    assert_eq!(access(), (json!("Paused"), endpoint.clone(), endpoint));
    workspace.plan().assert_quiet();

    // Another way in is there at once where it needs no pod, and a node port only after the resume.
    write("endpoint_type = \"ClusterIP\"\npaused = true");
    let (planned, _) = workspace.try_plan();
    assert_eq!(planned.assert_success().warnings().matches("node port").count(), 0);
    workspace.apply().assert_success();
    assert_eq!(access().1, "https://ported.vcluster-ported.svc:8443");
    write("endpoint_type = \"NodePort\"\npaused = true");
    let (planned, _) = workspace.try_plan();
    let said = planned.assert_success().warnings();
    assert!(said.contains("A paused virtual cluster gets no node port's address before it is resumed."), "{said}");
    workspace.apply().assert_success();
    assert_eq!(access(), (json!("Paused"), Value::Null, Value::Null));
    workspace.plan().assert_quiet();
    write("endpoint_type = \"NodePort\"");
    workspace.apply().assert_success();
    assert!(access().1.is_string());
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}
