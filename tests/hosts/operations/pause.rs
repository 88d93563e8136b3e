use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::time::Duration;
use terraform_provider_nested::host::pause::{PauseError, pause, paused_form, resume};
use tokio_util::sync::CancellationToken;

use super::fixture::{TIMEOUT, Tenant, eventually};

/// Replicas, and the three marks of a pause.
async fn marks(tenant: &Tenant, name: &str) -> (Option<i32>, Vec<String>) {
    let live = tenant.api::<StatefulSet>().get(name).await.unwrap();
    let annotations = live.metadata.annotations.unwrap_or_default();
    let marks = annotations.into_keys().filter(|key| key.starts_with("loft.sh/paused"));
    (live.spec.unwrap().replicas, marks.collect())
}

const MARKS: [&str; 3] = ["loft.sh/paused", "loft.sh/paused-date", "loft.sh/paused-replicas"];

fn paused() -> (Option<i32>, Vec<String>) {
    (Some(0), MARKS.map(str::to_owned).to_vec())
}

async fn pause_it(tenant: &Tenant) {
    pause(&tenant.host, &tenant.claim, TIMEOUT, &CancellationToken::new()).await.unwrap();
}

#[tokio::test]
async fn a_pause_stops_every_workload_and_the_synced_pods() {
    let tenant = Tenant::new("paused").await;
    let mut three = tenant.stateful_set("paused");
    three["spec"]["replicas"] = json!(3);
    tenant.apply(&[three, tenant.stateful_set("paused-etcd")]).await.unwrap();
    tenant.run("app-x-default-x-paused", json!({"labels": {"vcluster.loft.sh/managed-by": "paused"}})).await;

    pause_it(&tenant).await;
    assert_eq!(marks(&tenant, "paused").await, paused());
    assert_eq!(marks(&tenant, "paused-etcd").await, paused());
    assert_eq!(tenant.api::<Pod>().list(&ListParams::default()).await.unwrap().items.len(), 0);
    pause_it(&tenant).await;

    resume(&tenant.host, &tenant.claim).await.unwrap();
    assert_eq!(marks(&tenant, "paused").await, (Some(3), vec![]));
    assert_eq!(marks(&tenant, "paused-etcd").await, (Some(1), vec![]));
}

/// A ReplicaSet does not count pods that are ending.
#[tokio::test]
async fn pods_that_are_ending_are_waited_for() {
    let tenant = Tenant::new("ending").await;
    let held = json!(["example.com/held"]);
    let mut deployment = tenant.stateful_set("ending");
    deployment["kind"] = json!("Deployment");
    deployment["spec"]["template"]["metadata"]["finalizers"] = held;
    for field in ["serviceName", "volumeClaimTemplates"] {
        deployment["spec"].as_object_mut().unwrap().remove(field);
    }
    tenant.apply(&[deployment]).await.unwrap();
    let names = async || {
        let pods = tenant.api::<Pod>().list(&ListParams::default()).await.unwrap();
        pods.items.into_iter().filter_map(|pod| pod.metadata.name).collect::<Vec<_>>()
    };
    let pod = eventually("the pod", async || names().await.pop().ok_or("there is none")).await;

    let cancel = CancellationToken::new();
    let error = pause(&tenant.host, &tenant.claim, Duration::from_secs(2), &cancel).await.unwrap_err();
    assert!(matches!(error, PauseError::TimedOut { .. }), "{error:?}");
    // The Deployment may still have to count, at first.
    let last = async || match pause(&tenant.host, &tenant.claim, Duration::ZERO, &cancel).await {
        Err(PauseError::TimedOut { remaining, .. }) => remaining,
        paused => panic!("{paused:?}"),
    };
    eventually("the pod to be named", async || {
        let said = last().await;
        if said == format!("pod {pod} is going") { Ok(()) } else { Err(said) }
    })
    .await;
    tenant.patch::<Pod>("other", &pod, json!({"metadata": {"finalizers": Value::Null}})).await;
    pause_it(&tenant).await;
    assert_eq!(names().await, [""; 0]);
}

#[tokio::test]
async fn an_update_while_paused_leaves_it_paused() {
    let tenant = Tenant::new("paused-form").await;
    let mut rendered = tenant.stateful_set("paused-form");
    paused_form(&mut rendered);
    tenant.apply(&[rendered.clone()]).await.unwrap();
    assert_eq!(marks(&tenant, "paused-form").await, paused());
    resume(&tenant.host, &tenant.claim).await.unwrap();
    assert_eq!(marks(&tenant, "paused-form").await, (Some(1), vec![]));
    tenant.apply(&[rendered]).await.unwrap();
    assert_eq!(marks(&tenant, "paused-form").await, paused());
}

#[tokio::test]
async fn what_the_vcluster_cli_paused_is_resumed_and_completed() {
    let tenant = Tenant::new("by-cli").await;
    tenant.apply(&[tenant.stateful_set("by-cli"), tenant.stateful_set("by-cli-etcd")]).await.unwrap();
    let by_cli = json!({
        "metadata": {"annotations": {
            "loft.sh/paused": "true", "loft.sh/paused-replicas": "2", "loft.sh/paused-date": "2026-01-01T00:00:00.000Z",
        }},
        "spec": {"replicas": 0},
    });
    tenant.patch::<StatefulSet>("vcluster-cli", "by-cli", by_cli).await;
    pause_it(&tenant).await;
    assert_eq!(marks(&tenant, "by-cli-etcd").await, paused());
    resume(&tenant.host, &tenant.claim).await.unwrap();
    assert_eq!(marks(&tenant, "by-cli").await, (Some(2), vec![]));
}

#[tokio::test]
async fn a_missing_control_plane_cannot_be_paused() {
    let tenant = Tenant::new("headless").await;
    let refused = pause(&tenant.host, &tenant.claim, TIMEOUT, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(refused, PauseError::NotOurs { .. }), "{refused:?}");
}
