//! A Kubernetes cluster, host or virtual, as paths and JSON.

use std::path::PathBuf;
use std::sync::LazyLock;

use http::{Method, Request};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use rig::faults::Proxy;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::waiting::{eventually, is};

/// Tests are plain functions, and many threads may wait at once.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

pub struct Cluster {
    pub name: String,
    pub kubeconfig: PathBuf,
    client: Client,
    /// None of a virtual cluster.
    host: Option<rig::Host>,
}

impl Cluster {
    pub fn of(host: &rig::Host) -> Self {
        let client = RUNTIME.block_on(async { host.client().unwrap() });
        let (name, kubeconfig) = (host.name().to_owned(), host.kubeconfig().to_owned());
        Self { name, kubeconfig, client, host: Some(host.clone()) }
    }

    /// A proxy before this host that makes faults.
    pub fn faults(&self) -> Proxy {
        Proxy::before(self.host.as_ref().expect("a virtual cluster has no proxy")).unwrap()
    }

    /// The cluster that the text of a kubeconfig leads to.
    pub fn reached_by(kubeconfig: &str) -> Self {
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
        let client = RUNTIME.block_on(async {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        Self { name: "virtual".to_owned(), kubeconfig: PathBuf::new(), client, host: None }
    }

    fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) -> Result<Value, kube::Error> {
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        RUNTIME.block_on(self.client.request(request.body(body).unwrap()))
    }

    /// The object at `path`, if it is there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Option<Value> {
        match self.send(Method::GET, path, "application/json", &Value::Null) {
            Ok(object) => Some(object),
            // Also of a path that is not served.
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(error) => panic!("GET {path}: {error}"),
        }
    }

    /// The names of the objects at `path`, which may carry a query.
    #[track_caller]
    pub fn names(&self, path: &str) -> Vec<String> {
        self.list(path).iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).map(|list| list["items"].as_array().unwrap().clone()).unwrap_or_default()
    }

    #[track_caller]
    pub fn create(&self, path: &str, object: Value) -> Value {
        self.send(Method::POST, path, "application/json", &object)
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// What the API server says to an object that it may refuse.
    pub fn try_create(&self, path: &str, object: Value) -> Result<Value, String> {
        self.send(Method::POST, path, "application/json", &object).map_err(|error| error.to_string())
    }

    #[track_caller]
    pub fn create_namespace(&self, name: &str) {
        self.create("/api/v1/namespaces", json!({ "metadata": { "name": name } }));
    }

    /// A namespace whose owner lets virtual clusters live beside what is there.
    pub fn create_open_namespace(&self, name: &str) {
        let labels = json!({ "nested-clusters.io/allow-virtual-cluster": "true" });
        self.create("/api/v1/namespaces", json!({ "metadata": { "name": name, "labels": labels } }));
    }

    /// A merge patch, as `kubectl patch --type merge` and `kubectl edit` send it.
    #[track_caller]
    pub fn patch(&self, path: &str, change: Value) {
        let patched = self.send(Method::PATCH, path, "application/merge-patch+json", &change);
        patched.unwrap_or_else(|error| panic!("PATCH {path}: {error}"));
    }

    /// A patch of some type (`json-patch+json`, `apply-patch+yaml`) by a field manager.
    #[track_caller]
    pub fn patch_by(&self, manager: &str, kind: &str, path: &str, change: Value) {
        let by = by(manager, path);
        let patched = self.send(Method::PATCH, &by, &format!("application/{kind}"), &change);
        patched.unwrap_or_else(|error| panic!("PATCH {by}: {error}"));
    }

    /// Replaces an object; false if somebody else was faster.
    #[track_caller]
    pub fn put(&self, manager: &str, path: &str, object: Value) -> bool {
        match self.send(Method::PUT, &by(manager, path), "application/json", &object) {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.is_conflict() => false,
            Err(error) => panic!("PUT {path}: {error}"),
        }
    }

    #[track_caller]
    pub fn delete(&self, path: &str) {
        let deleted = self.send(Method::DELETE, path, "application/json", &Value::Null);
        deleted.unwrap_or_else(|error| panic!("DELETE {path}: {error}"));
    }

    /// Deletes what may go by itself.
    #[track_caller]
    pub fn remove(&self, path: &str) {
        match self.send(Method::DELETE, path, "application/json", &Value::Null) {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => panic!("DELETE {path}: {error}"),
        }
    }

    /// A token of a new service account that may do what `rules` say, everywhere.
    pub fn token(&self, account: &str, rules: Value) -> String {
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let metadata = json!({ "name": account });
        self.create_namespace(account);
        self.create(&format!("/api/v1/namespaces/{account}/serviceaccounts"), json!({ "metadata": metadata }));
        self.create(&format!("{rbac}/clusterroles"), json!({ "metadata": metadata, "rules": rules }));
        let binding = json!({
            "metadata": metadata,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": account }],
        });
        self.create(&format!("{rbac}/clusterrolebindings"), binding);
        if let Some(rule) = rules.get(0) {
            let of = |list: &str, anything: &str| match rule[list][0].as_str() {
                Some("*") | None => anything.to_owned(),
                Some(one) => one.to_owned(),
            };
            let (verb, group, resource) = (of("verbs", "get"), of("apiGroups", ""), of("resources", "secrets"));
            self.wait_until_allowed(account, json!({ "verb": verb, "group": group, "resource": resource }));
        }
        let path = format!("/api/v1/namespaces/{account}/serviceaccounts/{account}/token");
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        self.create(&path, request)["status"]["token"].as_str().unwrap().to_owned()
    }

    /// Waits until the API server has taken notice of a right of a service account, which is called as its namespace.
    #[track_caller]
    pub fn wait_until_allowed(&self, account: &str, right: Value) {
        let user = format!("system:serviceaccount:{account}:{account}");
        eventually(&format!("the right of {account} to {right}"), || {
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": { "user": user, "resourceAttributes": right },
            });
            let status = self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"].take();
            if status["allowed"] == true { Ok(()) } else { Err(status) }
        });
    }

    /// The provider's record of the virtual cluster in `namespace`.
    pub fn record(&self, namespace: &str) -> Option<Value> {
        self.document(&format!("virtual-cluster.{namespace}"))
    }

    /// What the ledger of this host has for the virtual cluster in `namespace`.
    pub fn held(&self, namespace: &str) -> Option<Value> {
        Some(self.document("ledger")?["entries"].get_mut(namespace)?.take())
    }

    /// What the provider keeps in a Secret; nothing where that is no document, as a chart archive.
    pub fn document(&self, secret: &str) -> Option<Value> {
        let secret = self.get(&format!("/api/v1/namespaces/nested-system/secrets/{secret}"))?;
        let encoded = secret["data"]["record.json"].as_str()?;
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, encoded).unwrap();
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    /// Changes what the provider keeps in a Secret, as somebody with an editor does.
    pub fn edit_document(&self, secret: &str, edit: impl FnOnce(&mut Value)) {
        let mut document = self.document(secret).unwrap();
        edit(&mut document);
        let data = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, document.to_string());
        let path = format!("/api/v1/namespaces/nested-system/secrets/{secret}");
        self.patch(&path, serde_json::json!({ "data": { "record.json": data } }));
    }

    /// Everything on this host that belongs to a virtual cluster in a namespace of its own, by paths.
    pub fn remains(&self, namespace: &str) -> Vec<String> {
        let mut remains = Vec::new();
        if self.get(&format!("/api/v1/namespaces/{namespace}")).is_some() {
            remains.push(format!("namespaces/{namespace}"));
        }
        if self.record(namespace).is_some() {
            remains.push(format!("the record of {namespace}"));
        }
        for kind in ["clusterroles", "clusterrolebindings"] {
            let names = self.names(&format!("/apis/rbac.authorization.k8s.io/v1/{kind}"));
            let ours = names.into_iter().filter(|name| name.ends_with(&format!("-v-{namespace}")));
            remains.extend(ours.map(|name| format!("{kind}/{name}")));
        }
        let volumes = self.list("/api/v1/persistentvolumes");
        let ours = volumes.iter().filter(|volume| volume["spec"]["claimRef"]["namespace"] == namespace);
        remains.extend(ours.map(|volume| format!("persistentvolumes/{}", volume["metadata"]["name"])));
        remains
    }

    /// Fails unless nothing is left of the virtual cluster in `namespace`. Volumes go a moment after their claims.
    #[track_caller]
    pub fn assert_nothing_remains(&self, namespace: &str) {
        let volumes_only = |remains: &[String]| remains.iter().all(|what| what.starts_with("persistentvolumes/"));
        let remains = self.remains(namespace);
        assert!(volumes_only(&remains), "{remains:?}");
        eventually("the end of the volumes", || is(self.remains(namespace), &[""; 0]));
    }
}

/// The request's path with the field manager that it is by.
fn by(manager: &str, path: &str) -> String {
    format!("{path}{}fieldManager={manager}", if path.contains('?') { '&' } else { '?' })
}
