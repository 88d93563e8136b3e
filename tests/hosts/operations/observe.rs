use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams};
use serde_json::json;
use terraform_provider_nested::domain::drift::Entry;
use terraform_provider_nested::domain::status::Status;
use terraform_provider_nested::domain::user_texts::UserTexts;
use terraform_provider_nested::host::access::Exposure;
use terraform_provider_nested::host::observe::{NamespaceState, Observed, observe};
use terraform_provider_nested::host::ownership::MADE_FOR;

use super::fixture::{LABEL, Tenant, by_kubectl, eventually};

async fn look(tenant: &Tenant) -> Observed {
    let label = format!("{LABEL}={}", tenant.name);
    observe(&tenant.host, &tenant.claim.record(), &Exposure::ClusterIp, &label).await.unwrap()
}

/// What has drifted, an entry a line.
fn drift(observed: &Observed) -> Vec<String> {
    let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let line = |entry: Entry| {
        format!("{} {} {} {}", entry.object, text(entry.field), text(entry.expected), text(entry.actual))
    };
    observed.drift(&UserTexts::default()).into_iter().map(line).collect()
}

#[tokio::test]
async fn missing_and_replaced_objects_are_seen_and_lost_labels_are_found() {
    let tenant = Tenant::new("observed").await;
    let maps = ["gone", "replaced", "unlabelled", "whole"].map(|name| tenant.config_map(name, "1"));
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "vc-observed"},
        "spec": {"hard": {"requests.cpu": "4"}},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "observed"},
        "spec": {"ports": [{"name": "https", "port": 443}]},
    });
    tenant.apply(&[&maps[..], &[quota, service, tenant.stateful_set("observed")]].concat()).await.unwrap();
    let whole = look(&tenant).await;
    assert_eq!(drift(&whole), [""; 0]);
    assert_eq!(whole.namespace, NamespaceState::Ours);
    assert_eq!(whole.endpoint.as_deref(), Some("https://observed.vcluster-observed.svc"));
    assert_eq!(whole.status(), Status::Pending);

    let api = tenant.api::<ConfigMap>();
    for name in ["gone", "replaced"] {
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
    api.create(&by_kubectl(), &serde_json::from_value(tenant.config_map("replaced", "1")).unwrap()).await.unwrap();
    tenant.patch::<ConfigMap>("kubectl-label", "unlabelled", json!({"metadata": {"labels": {LABEL: null}}})).await;
    let damaged = look(&tenant).await;
    let label = format!("metadata.labels[{LABEL:?}]");
    let [gone, replaced_mark, replaced_label, replaced, unlabelled] = drift(&damaged).try_into().unwrap();
    assert_eq!(gone, "ConfigMap vcluster-observed/gone - present missing");
    let mark = format!("metadata.annotations[{MADE_FOR:?}] {}", tenant.claim.record_uid());
    assert_eq!(replaced_mark, format!("ConfigMap vcluster-observed/replaced {mark} -"));
    assert_eq!(replaced_label, format!("ConfigMap vcluster-observed/replaced {label} observed -"));
    assert!(replaced.starts_with("ConfigMap vcluster-observed/replaced metadata.uid "), "{replaced}");
    assert_eq!(unlabelled, format!("ConfigMap vcluster-observed/unlabelled {label} observed -"));
    assert_eq!(damaged.status(), Status::Degraded);
}

#[tokio::test]
async fn a_pause_by_the_cli_is_seen_and_is_no_damage() {
    let tenant = Tenant::new("seen-paused").await;
    tenant.apply(&[tenant.stateful_set("seen-paused")]).await.unwrap();
    let by_cli = json!({"metadata": {"annotations": {"loft.sh/paused": "true"}}, "spec": {"replicas": 0}});
    tenant.patch::<StatefulSet>("vcluster-cli", "seen-paused", by_cli).await;
    let observed = look(&tenant).await;
    assert!(observed.is_paused());
    assert_eq!(observed.status(), Status::Paused);
}

#[tokio::test]
async fn a_vanished_namespace_is_seen() {
    let tenant = Tenant::new("vanished").await;
    tenant.apply(&[tenant.config_map("a", "1")]).await.unwrap();
    let namespaces = Api::<Namespace>::all(tenant.host.client());
    namespaces.delete(&tenant.namespace, &DeleteParams::default()).await.unwrap();
    eventually("the end of the namespace", async || {
        namespaces.get_opt(&tenant.namespace).await.unwrap().map_or(Ok(()), |namespace| Err(namespace.status))
    })
    .await;
    let observed = look(&tenant).await;
    assert_eq!(observed.namespace, NamespaceState::Missing);
    assert_eq!(drift(&observed), ["ConfigMap vcluster-vanished/a - present missing"]);
}
