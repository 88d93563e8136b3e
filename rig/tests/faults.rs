//! The proxy that makes faults, before a real API server: what a client sees of each fault, and what the host has done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing step is a failing test")]

use std::{
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant},
};

use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use rig::{
    Rig,
    faults::{Chance, Fault, Moment, Proxy, Requests, Rule, Which},
};

/// One for all tests, until the process ends.
static RIG: LazyLock<Rig> = LazyLock::new(|| Rig::builder().nodes(1).without_nested().start().unwrap());

async fn objects(kubeconfig: &Path) -> Api<ConfigMap> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Api::namespaced(Client::try_from(config).unwrap(), "default")
}

async fn create(objects: &Api<ConfigMap>, name: &str) -> Result<ConfigMap, kube::Error> {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    objects.create(&PostParams::default(), &ConfigMap { metadata, ..ConfigMap::default() }).await
}

/// The status of an answer; none where there was no answer.
fn status<T>(result: Result<T, kube::Error>) -> Option<u16> {
    match result {
        Ok(_) => Some(200),
        Err(kube::Error::Api(status)) => Some(status.code),
        Err(_) => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_what_the_client_sees_and_the_host_has_done_what_reached_it() {
    let proxy = Proxy::before(RIG.host(1)).unwrap();
    let (direct, through) = (objects(RIG.host(1).kubeconfig()).await, objects(proxy.kubeconfig()).await);

    // What a creation meets, what its client sees, and whether the object is there.
    let silence = Duration::from_millis(300);
    for (name, fault, seen, made) in [
        ("room", Fault::TooManyRequests { retry_after: 7 }, Some(429), false),
        ("inside", Fault::InternalError, Some(500), false),
        ("leader", Fault::NoLeader, Some(500), false),
        ("busy", Fault::Unavailable, Some(503), false),
        ("conflict", Fault::Conflict, Some(409), false),
        ("reset", Fault::Reset, None, false),
        ("swallowed", Fault::ResetAfterEffect, None, true),
        ("amid", Fault::ResetInBody, None, true),
        ("silent", Fault::Silence(silence), Some(200), true),
        ("slow", Fault::Slow { piece: 16, pause: Duration::from_millis(10) }, Some(200), true),
    ] {
        proxy.add(Rule::new(Which::Nth(1), Requests::with(Method::POST), fault.clone()));
        let start = Instant::now();
        assert_eq!(status(create(&through, name).await), seen, "{name}");
        let is_late = matches!(fault, Fault::Silence(_) | Fault::Slow { .. });
        assert!(!is_late || start.elapsed() >= silence / 3, "{name}: {:?}", start.elapsed());
        assert_eq!(direct.get_opt(name).await.unwrap().is_some(), made, "{name}");
        assert_eq!(proxy.met().pop().unwrap().fault, fault);
        proxy.heal();
    }

    // A list in pages, of which the second has expired.
    proxy.page(2);
    assert!(through.list(&ListParams::default().limit(500)).await.unwrap().metadata.continue_.is_some());
    proxy.add(Rule::new(Which::All, Requests::continued(), Fault::Expired));
    let first = through.list(&ListParams::default().limit(500)).await.unwrap();
    let next = ListParams::default().limit(500).continue_token(&first.metadata.continue_.unwrap());
    assert_eq!((first.items.len(), status(through.list(&next).await)), (2, Some(410)));
    proxy.heal();

    // A host that is away, and back.
    proxy.go_away();
    assert_eq!(status(through.list(&ListParams::default()).await), None);
    proxy.come_back().unwrap();
    assert_eq!(status(through.list(&ListParams::default()).await), Some(200));

    let counts = proxy.take();
    assert_eq!(counts.of("POST", "/configmaps"), 10);
    assert_eq!(proxy.take().total(), 0);
    through.delete("slow", &DeleteParams::default()).await.unwrap();
    assert_eq!(proxy.take().of("DELETE", "/configmaps/slow"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_reaches_the_host_only_if_its_client_still_waits() {
    let proxy = Proxy::before(RIG.host(1)).unwrap();
    let direct = objects(RIG.host(1).kubeconfig()).await;
    for (name, moment, made) in [("before", Moment::BeforeEffect, false), ("after", Moment::AfterEffect, true)] {
        let hold = proxy.hold(Which::Nth(1), Requests::with(Method::POST), moment);
        let client = objects(proxy.kubeconfig()).await;
        let asking = tokio::spawn(async move { create(&client, name).await });
        while !hold.is_reached() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(direct.get_opt(name).await.unwrap().is_some(), made, "{name}");
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled());
        // The proxy has to see the end of the connection, which nothing shows.
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(hold);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(direct.get_opt(name).await.unwrap().is_some(), made, "{name}");
        proxy.heal();
    }
    let hold = proxy.hold(Which::Nth(1), Requests::with(Method::POST), Moment::BeforeEffect);
    let client = objects(proxy.kubeconfig()).await;
    let asking = tokio::spawn(async move { create(&client, "patient").await });
    while !hold.is_reached() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(hold);
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_gives_the_same_faults_again() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let proxy = Proxy::before(RIG.host(1)).unwrap();
        proxy.risk(Chance { seed: 14, per_mille: 400, faults: vec![Fault::InternalError, Fault::Reset] });
        let through = objects(proxy.kubeconfig()).await;
        let mut seen = Vec::new();
        for number in 0..30 {
            seen.push(status(through.get_opt(&format!("none-{}", number % 5)).await));
        }
        runs.push(seen);
    }
    assert_eq!(runs[0], runs[1]);
    for expected in [Some(200), Some(500), None] {
        assert!(runs[0].contains(&expected), "{:?}", runs[0]);
    }
}
