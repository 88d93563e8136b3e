//! A mutating webhook: an HTTPS server in this process, with an authority of its own, that changes objects before the API
//! server stores them, as policy engines and injectors do.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::cluster::Cluster;
use crate::eventually;
use helm_charts_testing::server::Tls;

/// While it lives, objects are changed. Dropped, no more.
pub struct Mutation {
    cluster: &'static Cluster,
    name: String,
    seen: Arc<Seen>,
    _runtime: Runtime,
}

/// How often the webhook was asked, and how often it has changed something.
#[derive(Default)]
struct Seen {
    asked: AtomicUsize,
    changed: AtomicUsize,
}

/// The operations of a JSON patch for an object that is about to be stored.
pub type Mutate = fn(&Value) -> Vec<Value>;

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

impl Mutation {
    /// Changes everything that is created or updated in `namespace`, until it is dropped.
    pub fn of(cluster: &'static Cluster, namespace: &str, mutate: Mutate) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, tls) = (listener.local_addr().unwrap(), Tls::of(&["127.0.0.1"]));
        let (authority, acceptor) = (BASE64_STANDARD.encode(&tls.authority), TlsAcceptor::from(tls.config));
        let seen = Arc::new(Seen::default());
        let counted = Arc::clone(&seen);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let answer = service_fn(|request| answer(request, mutate, &counted));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        let name = format!("mutate-{namespace}");
        let everything = json!({
            "operations": ["CREATE", "UPDATE"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"],
            "scope": "Namespaced",
        });
        let webhook = json!({
            "name": "mutate.tests.example.com",
            "clientConfig": { "url": format!("https://{address}/"), "caBundle": authority },
            "rules": [everything],
            "namespaceSelector": { "matchExpressions": [
                { "key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace, &name] },
            ] },
            "failurePolicy": "Fail", "sideEffects": "None", "reinvocationPolicy": "IfNeeded",
            "admissionReviewVersions": ["v1"],
        });
        cluster.create(CONFIGURATIONS, json!({ "metadata": { "name": name }, "webhooks": [webhook] }));
        // The API server takes notice of it a moment later.
        cluster.create_namespace(&name);
        eventually("the webhook to be asked", || {
            let tried = json!({ "metadata": { "name": "tried" } });
            cluster.create(&format!("/api/v1/namespaces/{name}/configmaps?dryRun=All"), tried);
            match seen.asked.load(Ordering::Relaxed) {
                0 => Err("it was not asked"),
                _ => Ok(()),
            }
        });
        Self { cluster, name, seen, _runtime: runtime }
    }

    /// How often it has changed something.
    pub fn changes(&self) -> usize {
        self.seen.changed.load(Ordering::Relaxed)
    }
}

impl Drop for Mutation {
    fn drop(&mut self) {
        self.cluster.delete(&format!("{CONFIGURATIONS}/{}", self.name));
    }
}

async fn answer(
    request: Request<Incoming>,
    mutate: Mutate,
    counted: &Seen,
) -> Result<Response<Full<Bytes>>, Infallible> {
    counted.asked.fetch_add(1, Ordering::Relaxed);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let request = &review["request"];
    let operations = if request["subResource"].is_null() { mutate(&request["object"]) } else { Vec::new() };
    let mut response = json!({ "uid": request["uid"], "allowed": true });
    if !operations.is_empty() {
        counted.changed.fetch_add(1, Ordering::Relaxed);
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(BASE64_STANDARD.encode(Value::Array(operations).to_string()));
    }
    let review = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
    Ok(Response::new(Full::new(Bytes::from(review.to_string()))))
}
