//! A server before a host cluster that passes every request on and counts it. Answers go through as they are, errors too.
//!
//! Requests are made in the name of an ordinary user with all rights, and not of the rig's administrator: API Priority and
//! Fairness does not apply to the group `system:masters`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::net::TcpListener;

const USER: &str = "bench";

/// What came to a host.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Connections that were opened.
    pub connections: usize,
    /// Requests by what they ask for; numbers after a hyphen are written `#`, so that the like come together.
    pub requests: BTreeMap<String, usize>,
    /// Requests by how they were answered.
    pub statuses: BTreeMap<u16, usize>,
    /// The most requests that were under way at a time.
    pub most_at_once: usize,
    at_once: usize,
}

impl Counts {
    /// All requests.
    pub fn total(&self) -> usize {
        self.requests.values().sum()
    }

    /// Requests that were answered so.
    pub fn answered(&self, status: StatusCode) -> usize {
        self.statuses.get(&status.as_u16()).copied().unwrap_or_default()
    }
}

/// A counting server. It runs for as long as the runtime that it was started in.
pub struct Front {
    address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
}

impl Front {
    /// Starts one before the host cluster that `administrator` reaches, and gives the user its rights there.
    pub async fn before(administrator: Client) -> Self {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": USER },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER }],
        });
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        let request = Request::post(path).header("content-type", "application/json");
        administrator.request_text(request.body(binding.to_string().into_bytes()).unwrap()).await.unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Mutex::new(Counts::default()));
        let counter = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                counter.lock().unwrap().connections += 1;
                let (client, counter) = (administrator.clone(), Arc::clone(&counter));
                let service = service_fn(move |request| count(client.clone(), Arc::clone(&counter), request));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service),
                );
            }
        });
        Self { address, counts }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come since it was last asked.
    pub fn take(&self) -> Counts {
        let mut counts = self.counts.lock().unwrap();
        let at_once = counts.at_once;
        std::mem::replace(&mut *counts, Counts { at_once, ..Counts::default() })
    }
}

async fn count(
    client: Client,
    counter: Arc<Mutex<Counts>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let what = format!("{} {}", request.method(), alike(request.uri().path()));
    *counter.lock().unwrap().requests.entry(what).or_default() += 1;
    let _under_way = UnderWay::new(&counter);
    let answer = pass_on(client, request).await;
    *counter.lock().unwrap().statuses.entry(answer.status().as_u16()).or_default() += 1;
    Ok(answer)
}

/// A request that is under way. It ends without an answer when its client goes away.
struct UnderWay<'a>(&'a Mutex<Counts>);

impl<'a> UnderWay<'a> {
    fn new(counter: &'a Mutex<Counts>) -> Self {
        let mut counts = counter.lock().unwrap();
        counts.at_once += 1;
        counts.most_at_once = counts.most_at_once.max(counts.at_once);
        Self(counter)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().at_once -= 1;
    }
}

async fn pass_on(client: Client, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(HOST);
    parts.headers.insert(HeaderName::from_static("impersonate-user"), HeaderValue::from_static(USER));
    // A client that goes away in the middle of its request sends half of it.
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let answer = match client.send(Request::from_parts(parts, Body::from(body))).await {
        Ok(answer) => answer,
        Err(error) => return unanswered(&error),
    };
    let (mut parts, body) = answer.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return unanswered(&error),
    };
    for encoding in [TRANSFER_ENCODING, CONTENT_LENGTH] {
        parts.headers.remove(encoding);
    }
    Response::from_parts(parts, Full::new(body))
}

/// No benchmark should see one.
fn unanswered(error: &kube::Error) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(format!("the host cluster did not answer: {error}"))));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}

/// `/api/v1/namespaces/vcluster-team-17` as `/api/v1/namespaces/vcluster-team-#`.
fn alike(path: &str) -> String {
    let mut text = String::new();
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        text.push(character);
        if character == '-' && characters.next_if(char::is_ascii_digit).is_some() {
            while characters.next_if(char::is_ascii_digit).is_some() {}
            text.push('#');
        }
    }
    text
}
