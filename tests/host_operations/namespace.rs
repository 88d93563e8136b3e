use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;

use super::fixture::{LABEL, Tenant};

#[tokio::test]
async fn a_missing_namespace_is_made_and_recorded_as_ours() {
    let tenant = Tenant::new("ns-made").await;
    let live = Api::<Namespace>::all(tenant.host.client()).get(&tenant.namespace).await.unwrap();
    assert_eq!(live.metadata.labels.unwrap().get(LABEL), Some(&tenant.name));
    let record = tenant.claim.record();
    assert_eq!((record.namespace_uid, record.namespace_created), (live.metadata.uid, true));
}

#[tokio::test]
async fn a_found_namespace_is_neither_ours_nor_labelled() {
    let tenant = Tenant::in_found_namespace("ns-found").await;
    let live = Api::<Namespace>::all(tenant.host.client()).get(&tenant.namespace).await.unwrap();
    assert_eq!(live.metadata.labels.unwrap().get(LABEL), None);
    let record = tenant.claim.record();
    assert_eq!((record.namespace_uid, record.namespace_created), (live.metadata.uid, false));
}

#[tokio::test]
async fn a_namespace_made_just_before_a_kill_is_still_ours() {
    let tenant = Tenant::new("ns-killed").await;
    tenant
        .claim
        .update(|record| {
            record.namespace_uid = None;
            record.namespace_created = false;
        })
        .await
        .unwrap();
    tenant.ensure_namespace().await;
    assert!(tenant.claim.record().namespace_created);
}
