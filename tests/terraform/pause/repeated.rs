//! What is done already is not done again: the second pause, resume or resize of the same kind changes the record and nothing
//! else on the host.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Parts;
use support::workspace::Workspace;
use support::{eventually, host, is};

const KINDS: [&str; 11] = [
    "api/v1/configmaps",
    "api/v1/limitranges",
    "api/v1/persistentvolumeclaims",
    "api/v1/pods",
    "api/v1/resourcequotas",
    "api/v1/secrets",
    "api/v1/serviceaccounts",
    "api/v1/services",
    "apis/apps/v1/statefulsets",
    "apis/rbac.authorization.k8s.io/v1/rolebindings",
    "apis/rbac.authorization.k8s.io/v1/roles",
];

impl Parts<'_> {
    /// The version of everything in the namespace, and of the namespace.
    fn versions(&self) -> BTreeMap<String, Value> {
        let namespace = format!("vcluster-{}", self.name);
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        let mut versions = BTreeMap::new();
        for kind in KINDS {
            let objects = self.host.list(&self.namespaced(kind));
            versions.extend(
                objects.iter().map(|object| (format!("{kind} {}", object["metadata"]["name"]), version(object))),
            );
        }
        let itself = self.host.get(&format!("/api/v1/namespaces/{namespace}")).unwrap();
        versions.insert(namespace.clone(), version(&itself));
        versions.insert("held".to_owned(), self.host.held(&namespace).unwrap());
        versions
    }

    /// What controllers have to say in the end: of the workload, its pods, its quota and its volume.
    fn said_by_controllers(&self) -> Value {
        let (workload, quota) = (self.workload(), self.quota());
        let count = |count: &str| workload["status"][count].as_u64().unwrap_or_default();
        let is_ready = |pod: &Value| {
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let pods = self.host.list(&self.namespaced("api/v1/pods"));
        let volumes = self.host.list(&self.namespaced("api/v1/persistentvolumeclaims"));
        json!({
            "observed": workload["status"]["observedGeneration"] == workload["metadata"]["generation"],
            "pods": [count("replicas"), count("readyReplicas"), count("updatedReplicas")],
            "ready": pods.iter().map(is_ready).collect::<Vec<_>>(),
            "counted": quota["status"]["hard"] == quota["spec"]["hard"],
            "used": quota["status"]["used"]["requests.cpu"],
            "grown": volumes.iter().all(|volume| {
                volume["status"]["capacity"]["storage"] == volume["spec"]["resources"]["requests"]["storage"]
            }),
        })
    }

    fn quota(&self) -> Value {
        self.host.get(&format!("{}/vc-{}", self.namespaced("api/v1/resourcequotas"), self.name)).unwrap()
    }

    /// The version of everything, once controllers have said all that they had to say and nobody writes any more.
    fn settled_versions(&self, status: &str) -> BTreeMap<String, Value> {
        let paused = status == "Paused";
        // The control plane and CoreDNS.
        let (replicas, ready, used) = if paused { (0, vec![], "0") } else { (1, vec![true; 2], "220m") };
        let expected = json!({
            "observed": true, "pods": [replicas, replicas, replicas], "ready": ready, "counted": true, "used": used, "grown": true,
        });
        eventually(&format!("{expected}"), || is(self.said_by_controllers(), &expected));
        eventually("two seconds without a write", || {
            let before = self.versions();
            std::thread::sleep(std::time::Duration::from_secs(2));
            let now = self.versions();
            if now == before { Ok(before) } else { Err((before, now)) }
        })
    }
}

/// Applies the configuration that is there, and then once more from the state before, as after an apply whose answer was lost.
fn apply_twice(workspace: &Workspace, cluster: &Parts<'_>, status: &str) {
    let state = workspace.path("terraform.tfstate");
    let before = std::fs::read(&state).unwrap();
    workspace.apply().assert_success();
    let versions = cluster.settled_versions(status);
    let record = cluster.host.record(&format!("vcluster-{}", cluster.name)).unwrap();
    std::fs::write(&state, before).unwrap();
    workspace.apply_unrefreshed().assert_success();
    assert_eq!(workspace.this()["status"], status);
    assert_eq!(cluster.versions(), versions, "{status}");
    let after = cluster.host.record(&format!("vcluster-{}", cluster.name)).unwrap();
    assert_ne!(after["heartbeat"], record["heartbeat"], "it was applied");
    assert_eq!(after["spec"], record["spec"]);
    workspace.plan().assert_quiet();
}

#[test]
fn the_second_pause_resume_or_resize_changes_nothing_but_the_record() {
    let workspace = Workspace::on(host());
    let cluster = Parts { host: host(), name: "repeated" };
    let write = |more: &str| workspace.virtual_cluster(&format!("name = \"repeated\"\n{more}"));
    write("");
    workspace.apply().assert_success();
    write("paused = true");
    apply_twice(&workspace, &cluster, "Paused");
    let date = || cluster.workload()["metadata"]["annotations"]["loft.sh/paused-date"].clone();
    let paused_at = date();
    write("paused = true\nresources = { cpu = \"6\", storage = \"8Gi\" }");
    apply_twice(&workspace, &cluster, "Paused");
    assert_eq!(date(), paused_at, "it was not paused anew");
    write("resources = { cpu = \"6\", storage = \"8Gi\" }");
    apply_twice(&workspace, &cluster, "Running");
    assert_eq!(date(), json!(null));
    write("resources = { cpu = \"4\", storage = \"8Gi\" }");
    apply_twice(&workspace, &cluster, "Running");
    workspace.destroy().assert_success();
}
