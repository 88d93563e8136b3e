//! A host cluster for all tests of this binary, and virtual clusters of made-up objects on it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use rig::Rig;
use serde_json::{Value, json};
use terraform_provider_nested::host::apply::Consent;
use terraform_provider_nested::host::connection::Connection;
use terraform_provider_nested::host::record::{Item, Record};
use terraform_provider_nested::host::records::claim::Claim;
use terraform_provider_nested::host::records::{Records, Reservation};
use terraform_provider_nested::host::{Host, apply, namespace};
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(180);

/// The label that the tests' objects carry, as it is listed by.
pub const LABEL: &str = "nested-clusters.io/virtual-cluster";

pub fn host() -> Host {
    Host::connect("host-1", &connection()).unwrap()
}

fn connection() -> Connection {
    static RIG: LazyLock<Rig> = LazyLock::new(|| Rig::builder().hosts(1).without_nested().start().unwrap());
    let kubeconfig = RIG.host(1).kubeconfig().to_str().unwrap().to_owned();
    Connection { config_paths: vec![kubeconfig], ..Connection::default() }
}

/// The same host as somebody who may do nothing there.
pub async fn forbidden_host() -> Host {
    let uri = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let request = http::Request::post(uri).header("content-type", "application/json");
    let request = request.body(body.to_string().into_bytes()).unwrap();
    let made: Value = host().client().request(request).await.unwrap();
    let mut connection = connection();
    connection.token = Some(made["status"]["token"].as_str().unwrap().to_owned().into());
    Host::connect("host-1", &connection).unwrap()
}

/// A virtual cluster that is being worked on, in the namespace `vcluster-<name>`.
pub struct Tenant {
    pub host: Host,
    pub name: String,
    pub namespace: String,
    pub claim: Claim,
}

impl Tenant {
    /// With a namespace of its own, made for it.
    pub async fn new(name: &str) -> Self {
        let tenant = Self::reserved(name).await;
        tenant.ensure_namespace().await;
        tenant
    }

    /// In a namespace that somebody else made before.
    pub async fn in_found_namespace(name: &str) -> Self {
        let tenant = Self::reserved(name).await;
        tenant.make("v1", "Namespace", json!({"metadata": {"name": tenant.namespace}})).await;
        tenant.ensure_namespace().await;
        tenant
    }

    /// With a record and nothing else.
    pub async fn reserved(name: &str) -> Self {
        let host = host();
        let namespace = format!("vcluster-{name}");
        let claim = Self::reserve(&host, name, &namespace).await;
        Self { host, name: name.to_owned(), namespace, claim }
    }

    pub async fn reserve(host: &Host, name: &str, namespace: &str) -> Claim {
        let uid = &host.identity().await.unwrap().uid;
        let record = Record::new(name, namespace, uid, json!({"for": "a test"}));
        match Records::of(host).reserve(record).await.unwrap() {
            Reservation::Made(claim) => claim,
            Reservation::Taken(_) => panic!("{name} exists already"),
        }
    }

    pub async fn ensure_namespace(&self) {
        let cancel = CancellationToken::new();
        namespace::ensure(&self.host, &self.claim, &self.labels(), true, TIMEOUT, &cancel).await.unwrap();
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(LABEL.to_owned(), self.name.clone())])
    }

    /// Applies objects, and has the record say so.
    pub async fn apply(&self, objects: &[Value]) -> Result<Vec<Item>, apply::ApplyError> {
        let (labels, consent, cancel) = (self.labels(), Consent::default(), CancellationToken::new());
        let items = apply::apply(&self.host, &self.claim, objects, &labels, &consent, &cancel).await?;
        self.claim.update(|_| {}).await?;
        Ok(items)
    }

    /// A ConfigMap as a chart would render it.
    pub fn config_map(&self, name: &str, value: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace}, "data": {"key": value},
        })
    }

    /// A control plane named as vCluster's, whose pods do nothing.
    pub fn stateful_set(&self, name: &str) -> Value {
        let labels = json!({"app": "vcluster", "release": self.name});
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "labels": labels},
            "spec": {
                "replicas": 1, "serviceName": name, "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "syncer", "image": "none"}]},
                },
                "volumeClaimTemplates": [{
                    "metadata": {"name": "data"},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
                }],
            },
        })
    }

    /// Makes an object as somebody else.
    pub async fn make(&self, api_version: &str, kind: &str, mut object: Value) {
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        let uri = match (api_version, kind) {
            (_, "Namespace") => "/api/v1/namespaces".to_owned(),
            _ => format!("/api/{api_version}/namespaces/{}/{}s", self.namespace, kind.to_lowercase()),
        };
        let request = http::Request::post(uri).header("content-type", "application/json");
        self.host.client().request::<Value>(request.body(object.to_string().into_bytes()).unwrap()).await.unwrap();
    }

    /// Makes a pod as somebody else, with further metadata. A new namespace takes pods only once it has an account for them.
    pub async fn run(&self, name: &str, more: Value) {
        let accounts = self.api::<ServiceAccount>();
        eventually("an account for pods", async || accounts.get_opt("default").await.unwrap().ok_or("there is none"))
            .await;
        let mut pod = json!({
            "metadata": more, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": "none"}]},
        });
        pod["metadata"]["name"] = json!(name);
        self.api::<Pod>().create(&by_kubectl(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.host.client(), &self.namespace)
    }

    /// Changes an object as `manager`.
    pub async fn patch<K>(&self, manager: &str, name: &str, patch: Value)
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.api::<K>().patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }
}

/// How another tool writes.
pub fn by_kubectl() -> PostParams {
    PostParams { field_manager: Some("kubectl-create".into()), ..PostParams::default() }
}

/// Waits for what a controller of the host does on its own. As long as it has not, `look` says what it sees instead.
pub async fn eventually<T, S: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, S>) -> T {
    let start = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(start.elapsed() < TIMEOUT, "gave up waiting for {what}; last seen: {seen:?}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
