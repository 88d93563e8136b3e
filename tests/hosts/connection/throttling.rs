//! Many requests at once: how many of them reach an API server, in which order, and what becomes of them when it has no
//! room.

use std::convert::Infallible;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use terraform_provider_nested::host::Host;
use terraform_provider_nested::host::connection::{Connection, Secret};
use tokio::net::TcpListener;

use super::{Server, connect};

/// What a server of a test has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Paths, and when they were asked for.
    requests: Mutex<Vec<(String, Instant)>>,
}

/// A server that takes `pause` for each answer; `refuse` says of each request whether there is no room for it, from how many
/// came before.
async fn server(pause: Duration, refuse: fn(usize) -> bool) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let watched = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            watched.connections.fetch_add(1, Ordering::Relaxed);
            let watched = Arc::clone(&watched);
            let service = service_fn(move |request| answer(Arc::clone(&watched), request, pause, refuse));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service),
            );
        }
    });
    (address, seen)
}

async fn answer(
    seen: Arc<Seen>,
    request: Request<Incoming>,
    pause: Duration,
    refuse: fn(usize) -> bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let number = {
        let mut requests = seen.requests.lock().unwrap();
        requests.push((path.clone(), Instant::now()));
        requests.len() - 1
    };
    let at_once = seen.at_once.fetch_add(1, Ordering::Relaxed) + 1;
    seen.most_at_once.fetch_max(at_once, Ordering::Relaxed);
    tokio::time::sleep(pause).await;
    seen.at_once.fetch_sub(1, Ordering::Relaxed);
    let json = |body: Value| Response::builder().header("content-type", "application/json").body(body.to_string());
    let answer = match path.as_str() {
        _ if refuse(number) => {
            let status = json!({ "kind": "Status", "status": "Failure", "code": 429, "reason": "TooManyRequests" });
            Response::builder().status(429).header("retry-after", "3").body(status.to_string())
        }
        "/version" => json(json!({
            "major": "1", "minor": "35", "gitVersion": "v1.35.4", "gitCommit": "", "gitTreeState": "", "buildDate": "",
            "goVersion": "", "compiler": "", "platform": "",
        })),
        "/api/v1/namespaces/kube-system" => json(json!({ "metadata": { "name": "kube-system", "uid": "1" } })),
        _ => json(json!({ "metadata": {}, "items": [] })),
    };
    Ok(answer.unwrap().map(|body| Full::new(Bytes::from(body))))
}

fn plain(address: SocketAddr) -> Host {
    connect(&Connection { host: Some(format!("http://{address}")), ..Connection::default() })
}

/// Lists the ConfigMaps of a namespace of that name.
async fn list(host: &Host, namespace: &str) -> Result<(), kube::Error> {
    Api::<ConfigMap>::namespaced(host.client(), namespace).list(&ListParams::default()).await.map(drop)
}

#[tokio::test]
async fn hundreds_of_requests_reach_a_host_a_few_at_a_time_and_the_urgent_ones_pass_them() {
    let (address, seen) = server(Duration::from_millis(50), |_| false).await;
    let host = plain(address);
    let reads = join_all((0..400).map(|number| {
        let host = host.clone();
        tokio::spawn(async move { list(&host, &format!("ns-{number:03}")).await.unwrap() })
    }));
    let urgent = async {
        let came = || seen.requests.lock().unwrap().len();
        while came() < 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = came();
        host.identity().await.unwrap();
        before
    };
    let (answers, before) = tokio::join!(reads, urgent);
    assert!(answers.iter().all(Result::is_ok));
    {
        let requests = seen.requests.lock().unwrap();
        let urgent = requests.iter().position(|(path, _)| path.ends_with("/kube-system")).unwrap();
        assert!(urgent < before + 200, "{before} had come, and {urgent} came before it");
    }
    let most = seen.most_at_once.load(Ordering::Relaxed);
    assert!((16..=20).contains(&most), "{most}");
    let connections = seen.connections.load(Ordering::Relaxed);
    assert!(connections <= 60, "{connections}");
    // Those that are under way together may overtake each other on their way, and no others.
    let requests = seen.requests.lock().unwrap();
    let numbers =
        requests.iter().filter_map(|(path, _)| path.strip_prefix("/api/v1/namespaces/ns-")?.get(..3)?.parse().ok());
    for (place, number) in numbers.enumerate() {
        let number: usize = number;
        assert!(number.abs_diff(place) < 16, "{number} was asked for in place {place}");
    }
}

#[tokio::test]
async fn refusal_stops_all_requests_of_the_host_for_as_long_as_it_says() {
    let (address, seen) = server(Duration::ZERO, |number| number == 0).await;
    let host = plain(address);
    let first = async { list(&host, "first").await.unwrap() };
    let later = async {
        while seen.requests.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Long enough to have heard the refusal, and not so long that it is over.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        list(&host, "later").await.unwrap();
    };
    tokio::join!(first, later);
    let requests = seen.requests.lock().unwrap();
    assert!(requests[0].0.contains("/first/") && requests.len() == 3, "{requests:?}");
    assert!(requests[1..].iter().all(|later| later.1 - requests[0].1 >= Duration::from_millis(2990)), "{requests:?}");
}

/// API Priority and Fairness with three seats and without queues, for one service account.
#[tokio::test]
async fn api_server_with_a_few_seats_serves_everybody() {
    const NAME: &str = "throttled";
    let server = Server::shared();
    let token = server.powerless_token(NAME).await;
    let administrator = connect(&server.administrator()).client();
    let create = async |path: &str, object: Value| {
        let request = Request::post(path).header("content-type", "application/json");
        administrator.request_text(request.body(object.to_string().into_bytes()).unwrap()).await.unwrap();
    };
    let account = json!({ "kind": "ServiceAccount", "name": "default", "namespace": NAME });
    create(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": NAME },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
            "subjects": [account],
        }),
    )
    .await;
    let flow_control = "/apis/flowcontrol.apiserver.k8s.io/v1";
    create(
        &format!("{flow_control}/prioritylevelconfigurations"),
        json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
            "metadata": { "name": NAME },
            "spec": {
                "type": "Limited",
                "limited": {
                    "nominalConcurrencyShares": 1, "lendablePercent": 0, "borrowingLimitPercent": 0,
                    "limitResponse": { "type": "Reject" },
                },
            },
        }),
    )
    .await;
    create(
        &format!("{flow_control}/flowschemas"),
        json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": { "name": NAME },
            "spec": {
                "priorityLevelConfiguration": { "name": NAME }, "matchingPrecedence": 500,
                "rules": [{
                    "subjects": [{ "kind": "ServiceAccount", "serviceAccount": { "name": "default", "namespace": NAME } }],
                    "resourceRules": [{
                        "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true,
                    }],
                }],
            },
        }),
    )
    .await;
    let host = connect(&Connection { token: Some(Secret::from(token)), ..server.anonymous() });
    let rejected = async || {
        let metrics = administrator.request_text(Request::get("/metrics").body(Vec::new()).unwrap()).await.unwrap();
        let of_level = metrics
            .lines()
            .find(|line| line.starts_with("apiserver_flowcontrol_rejected_requests_total") && line.contains(NAME));
        of_level.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).unwrap_or_default()
    };
    // The API server takes notice of the right and of the new level a moment later. Until then everybody has room.
    eventually("the right to list", async || list(&host, NAME).await).await;
    eventually("a rejection", async || {
        for answer in join_all((0..300).map(|_| list(&host, NAME))).await {
            answer.unwrap();
        }
        let rejected = rejected().await;
        if rejected > 0.0 { Ok(()) } else { Err(rejected) }
    })
    .await;
}

/// Waits until `look` finds something. As long as it does not, it says what it sees instead.
async fn eventually<T, S: Debug>(what: &str, mut look: impl AsyncFnMut() -> Result<T, S>) -> T {
    let start = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => {
                assert!(start.elapsed() < Duration::from_secs(180), "gave up waiting for {what}; last seen: {seen:?}")
            }
        }
    }
}
