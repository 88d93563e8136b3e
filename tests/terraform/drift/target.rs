//! A virtual cluster on its host as those see it who tamper with it: its objects by short names, and every way in which
//! somebody can change them.

use std::process::Command;

use serde_json::{Value, json};

use support::cluster::Cluster;
use support::workspace::Workspace;
use support::{eventually, gone, is, roomy_host};

// The objects of the virtual cluster `%`.
pub const QUOTA: &str = "ResourceQuota vcluster-%/vc-%";
pub const LIMITS: &str = "LimitRange vcluster-%/vc-%";
pub const SET: &str = "StatefulSet vcluster-%/%";
pub const DEPLOYMENT: &str = "Deployment vcluster-%/%";
pub const SERVICE: &str = "Service vcluster-%/%";
pub const HEADLESS: &str = "Service vcluster-%/%-headless";
pub const INGRESS: &str = "Ingress vcluster-%/%";
pub const CONFIG: &str = "Secret vcluster-%/vc-config-%";
pub const ROLE: &str = "Role vcluster-%/vc-%";
pub const BINDING: &str = "RoleBinding vcluster-%/vc-%";
pub const CLUSTER_ROLE: &str = "ClusterRole vc-%-v-vcluster-%";
pub const CLUSTER_BINDING: &str = "ClusterRoleBinding vc-%-v-vcluster-%";
pub const ACCOUNT: &str = "ServiceAccount vcluster-%/vc-%";

/// Kinds of objects: their API and their plural.
const KINDS: &[(&str, &str, &str)] = &[
    ("ConfigMap", "/api/v1", "configmaps"),
    ("LimitRange", "/api/v1", "limitranges"),
    ("ResourceQuota", "/api/v1", "resourcequotas"),
    ("Secret", "/api/v1", "secrets"),
    ("Service", "/api/v1", "services"),
    ("ServiceAccount", "/api/v1", "serviceaccounts"),
    ("Deployment", "/apis/apps/v1", "deployments"),
    ("StatefulSet", "/apis/apps/v1", "statefulsets"),
    ("Widget", "/apis/drift.example.com/v1", "widgets"),
    ("Ingress", "/apis/networking.k8s.io/v1", "ingresses"),
    ("NetworkPolicy", "/apis/networking.k8s.io/v1", "networkpolicies"),
    ("PodDisruptionBudget", "/apis/policy/v1", "poddisruptionbudgets"),
    ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    ("ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    ("Role", "/apis/rbac.authorization.k8s.io/v1", "roles"),
    ("RoleBinding", "/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
];

/// Where the object of this name (`StatefulSet vcluster-a/a`) is.
pub fn path(object: &str) -> String {
    let (kind, name) = object.split_once(' ').unwrap();
    let (_, api, plural) = KINDS.iter().find(|(known, ..)| *known == kind).expect(kind);
    match name.split_once('/') {
        Some((namespace, name)) => format!("{api}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{api}/{plural}/{name}"),
    }
}

/// Every object on the host of those kinds, by name.
pub fn all_objects(cluster: &Cluster) -> std::collections::BTreeMap<String, Value> {
    let of_kind = |(kind, api, plural): &(&str, &str, &str)| {
        let named = |mut object: Value| {
            // Lists leave it out.
            object["kind"] = (*kind).into();
            let metadata = &object["metadata"];
            let name = metadata["name"].as_str().unwrap();
            let name =
                metadata["namespace"].as_str().map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"));
            (format!("{kind} {name}"), object)
        };
        cluster.list(&format!("{api}/{plural}")).into_iter().map(named).collect::<Vec<_>>()
    };
    KINDS.iter().flat_map(of_kind).collect()
}

/// Who tampers, and with which virtual cluster. Objects are named with `%` for it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub cluster: &'a Cluster,
    pub name: &'a str,
}

/// A virtual cluster of that name, with further attributes, and where Terraform has made it.
#[track_caller]
pub fn create<'a>(name: &'a str, more: &str) -> (Workspace, Target<'a>) {
    let workspace = Workspace::on(roomy_host());
    workspace.virtual_cluster(&format!("name = {name:?}\n{more}"));
    workspace.apply().assert_success();
    (workspace, Target { cluster: roomy_host(), name })
}

impl Target<'_> {
    pub fn object(&self, object: &str) -> String {
        object.replace('%', self.name)
    }

    pub fn path(&self, object: &str) -> String {
        path(&self.object(object))
    }

    #[track_caller]
    pub fn get(&self, object: &str) -> Value {
        self.cluster.get(&self.path(object)).unwrap_or_else(|| panic!("{} is not there", self.object(object)))
    }

    /// A merge patch by another field manager.
    #[track_caller]
    pub fn merge(&self, object: &str, manager: &str, change: Value) {
        self.cluster.patch_by(manager, "merge-patch+json", &self.path(object), change);
    }

    /// A JSON patch, as `kubectl patch --type json` sends it.
    #[track_caller]
    pub fn json_patch(&self, object: &str, operations: Value) {
        self.cluster.patch_by("kubectl-patch", "json-patch+json", &self.path(object), operations);
    }

    /// One operation of a JSON patch.
    #[track_caller]
    pub fn add(&self, object: &str, pointer: &str, value: Value) {
        self.json_patch(object, json!([{ "op": "add", "path": pointer, "value": value }]));
    }

    /// One operation of a JSON patch.
    #[track_caller]
    pub fn set(&self, object: &str, pointer: &str, value: Value) {
        self.json_patch(object, json!([{ "op": "replace", "path": pointer, "value": value }]));
    }

    /// One operation of a JSON patch.
    #[track_caller]
    pub fn remove(&self, object: &str, pointer: &str) {
        self.json_patch(object, json!([{ "op": "remove", "path": pointer }]));
    }

    /// Server-side apply of some fields by another manager, who does not ask.
    #[track_caller]
    pub fn apply(&self, object: &str, manager: &str, mut fields: Value) {
        let live = self.get(object);
        for field in ["apiVersion", "kind"] {
            fields[field] = live[field].clone();
        }
        fields["metadata"]["name"] = live["metadata"]["name"].clone();
        let path = format!("{}?force=true", self.path(object));
        self.cluster.patch_by(manager, "apply-patch+yaml", &path, fields);
    }

    /// Takes the whole object as it is, with some change, as `kubectl apply --server-side --force-conflicts` of an edited
    /// export does.
    #[track_caller]
    pub fn take(&self, object: &str, manager: &str, change: impl FnOnce(&mut Value)) {
        let mut fields = exported(self.get(object));
        change(&mut fields);
        self.apply(object, manager, fields);
    }

    /// Replaces the object (PUT) as `kubectl edit` and `kubectl replace` may do.
    #[track_caller]
    pub fn replace(&self, object: &str, manager: &str, change: impl Fn(&mut Value)) {
        // Controllers write, too.
        eventually("a replacement without a conflict", || {
            let mut live = self.get(object);
            change(&mut live);
            self.cluster.put(manager, &self.path(object), live).then_some(()).ok_or("conflicts")
        });
    }

    #[track_caller]
    pub fn delete(&self, object: &str) {
        self.cluster.delete(&self.path(object));
    }

    /// `kubectl delete --cascade=orphan`: what it owns stays.
    #[track_caller]
    pub fn orphan(&self, object: &str) {
        let path = self.path(object);
        self.cluster.delete(&format!("{path}?propagationPolicy=Orphan"));
        eventually(&format!("the end of {}", self.object(object)), || gone(self.cluster.get(&path)));
    }

    /// Deletes the object, and makes another one of that name.
    #[track_caller]
    pub fn remake(&self, object: &str, manager: &str, change: impl FnOnce(&mut Value)) {
        let mut copy = exported(self.get(object));
        change(&mut copy);
        self.orphan(object);
        let (path, name) = (self.path(object), copy["metadata"]["name"].clone());
        let collection = path.strip_suffix(&format!("/{}", name.as_str().unwrap())).unwrap();
        self.cluster.create(&format!("{collection}?fieldManager={manager}"), copy);
    }

    /// Scales by the subresource, as an autoscaler does.
    #[track_caller]
    pub fn scale(&self, object: &str, replicas: u32) {
        let path = format!("{}/scale", self.path(object));
        self.cluster.patch_by("autoscaler", "merge-patch+json", &path, json!({ "spec": { "replicas": replicas } }));
    }

    /// Writes the status, as controllers do.
    #[track_caller]
    pub fn status(&self, object: &str, status: Value) {
        let path = format!("{}/status", self.path(object));
        self.cluster.patch_by("controller", "merge-patch+json", &path, json!({ "status": status }));
    }

    /// Waits until the control plane has come to rest.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        let workload = [SET, DEPLOYMENT].into_iter().find(|object| self.cluster.get(&self.path(object)).is_some());
        let workload = workload.expect("there is no control plane");
        eventually("the control plane to be ready", || {
            let live = self.get(workload);
            let (wanted, status) = (&live["spec"]["replicas"], &live["status"]);
            let counts = ["replicas", "readyReplicas", "updatedReplicas"].map(|count| &status[count]);
            let observed = status["observedGeneration"] == live["metadata"]["generation"];
            let ready = observed && counts.iter().all(|count| *count == wanted);
            if ready { Ok(()) } else { Err((wanted.clone(), status.clone())) }
        });
    }

    /// What `vcluster pause` does.
    #[track_caller]
    pub fn pause_as_the_cli(&self) {
        let date = "2026-11-22T10:00:00.000Z";
        let marks = json!({"loft.sh/paused": "true", "loft.sh/paused-replicas": "1", "loft.sh/paused-date": date});
        self.merge(SET, "vcluster-cli", json!({"metadata": {"annotations": marks}, "spec": {"replicas": 0}}));
        eventually("the control plane to stop", || is(self.get(SET)["status"]["replicas"].clone(), &0));
        let pods = self.object("/api/v1/namespaces/vcluster-%/pods");
        for pod in self.cluster.names(&format!("{pods}?labelSelector=vcluster.loft.sh/managed-by%3D{}", self.name)) {
            self.cluster.remove(&format!("{pods}/{pod}"));
        }
    }

    /// What `vcluster resume` does.
    #[track_caller]
    pub fn resume_as_the_cli(&self) {
        let marks = json!({"loft.sh/paused": null, "loft.sh/paused-replicas": null, "loft.sh/paused-date": null});
        self.merge(SET, "vcluster-cli", json!({"metadata": {"annotations": marks}, "spec": {"replicas": 1}}));
        eventually("the control plane to start", || is(self.get(SET)["status"]["readyReplicas"].clone(), &1));
    }

    /// Runs `kubectl` in the virtual cluster's namespace.
    #[track_caller]
    pub fn kubectl(&self, arguments: &str) {
        let arguments = arguments.replace('%', self.name);
        let mut command = Command::new(rig::tools::kubectl().unwrap());
        command.arg("--kubeconfig").arg(&self.cluster.kubeconfig).args(["--namespace", &self.object("vcluster-%")]);
        let output = command.args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "kubectl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// An object as `kubectl get -o yaml` shows it, without what only the API server writes.
fn exported(mut object: Value) -> Value {
    object.as_object_mut().unwrap().remove("status");
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|name, _| ["name", "namespace", "labels", "annotations"].contains(&name.as_str()));
    if object["kind"] == "Service" {
        let spec = object["spec"].as_object_mut().unwrap();
        spec.retain(|name, value| !["clusterIP", "clusterIPs"].contains(&name.as_str()) || value == "None");
        for port in spec["ports"].as_array_mut().unwrap() {
            port.as_object_mut().unwrap().remove("nodePort");
        }
    }
    object
}
