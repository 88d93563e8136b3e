use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, ResourceQuota};
use kube::api::ListParams;
use serde_json::json;
use terraform_provider_nested::domain::status::Status;
use terraform_provider_nested::host::access::Exposure;
use terraform_provider_nested::host::observe::observe;
use terraform_provider_nested::host::wait::{WaitError, ready};
use tokio_util::sync::CancellationToken;

use super::fixture::{LABEL, TIMEOUT, Tenant, by_kubectl, eventually};

#[tokio::test]
async fn a_timeout_shows_the_refused_pod() {
    let tenant = Tenant::new("refused").await;
    let quota = json!({"metadata": {"name": "vc-refused"}, "spec": {"hard": {"pods": "0"}}});
    tenant.api::<ResourceQuota>().create(&by_kubectl(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    tenant.apply(&[tenant.stateful_set("refused")]).await.unwrap();
    let events = tenant.api::<Event>();
    // The volume's events come before the pod's.
    eventually("the refused pod's event", async || {
        let events = events.list(&ListParams::default()).await.unwrap();
        let said: Vec<String> = events.items.into_iter().filter_map(|event| event.message).collect();
        if said.iter().any(|message| message.contains("exceeded quota")) { Ok(()) } else { Err(said) }
    })
    .await;
    let (record, cancel) = (tenant.claim.record(), CancellationToken::new());
    let error = ready(&tenant.host, &record, &Exposure::LoadBalancer, false, Duration::from_secs(2), &cancel)
        .await
        .unwrap_err();
    assert!(matches!(error, WaitError::TimedOut { .. }), "{error:?}");
    for expected in [
        "virtual cluster vcluster-refused/refused on host cluster \"host-1\" was not ready after 2 s",
        "StatefulSet vcluster-refused/refused: 0 of 1 pods ready",
        "exceeded quota: vc-refused",
    ] {
        assert!(error.to_string().contains(expected), "{expected} not in {error}");
    }
}

#[tokio::test]
async fn ready_gives_access_and_a_status_of_running() {
    let tenant = Tenant::new("ready").await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "ready", "labels": {"app": "vcluster", "release": "ready"}},
        "spec": {
            "type": "LoadBalancer", "selector": {"app": "vcluster", "release": "ready"},
            "ports": [{"name": "https", "port": 8443, "targetPort": 8443}],
        },
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "vc-config-ready"}, "stringData": {"config.yaml": "{}"},
    });
    tenant.apply(&[tenant.stateful_set("ready"), service, config]).await.unwrap();
    let (record, cancel) = (tenant.claim.record(), CancellationToken::new());
    let access = ready(&tenant.host, &record, &Exposure::LoadBalancer, false, TIMEOUT, &cancel).await.unwrap();
    assert!(access.endpoint.ends_with(":8443"), "{}", access.endpoint);
    let label = format!("{LABEL}=ready");
    let observed = observe(&tenant.host, &record, &Exposure::LoadBalancer, &label).await.unwrap();
    assert_eq!((observed.status(), observed.endpoint), (Status::Running, Some(access.endpoint)));
}

#[tokio::test]
async fn a_stopped_run_stops_waiting() {
    let tenant = Tenant::new("stopped").await;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let record = tenant.claim.record();
    let error =
        ready(&tenant.host, &record, &Exposure::ClusterIp, false, Duration::from_secs(60), &cancel).await.unwrap_err();
    assert!(matches!(error, WaitError::Cancelled { .. }), "{error:?}");
}
