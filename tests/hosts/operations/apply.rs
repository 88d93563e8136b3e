use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use terraform_provider_nested::host::apply::{ApplyError, Consent, apply};
use terraform_provider_nested::host::kind::KindError;
use terraform_provider_nested::host::ownership::FIELD_MANAGER;
use tokio_util::sync::CancellationToken;

use super::fixture::{LABEL, Tenant, by_kubectl};

#[tokio::test]
async fn objects_are_applied_labelled_and_recorded() {
    let tenant = Tenant::new("applied").await;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "vc-applied-v-vcluster-applied", "namespace": "ignored"}, "rules": [],
    });
    let inventory = tenant.apply(&[tenant.stateful_set("applied"), tenant.config_map("a", "1"), role]).await.unwrap();
    let names: Vec<String> = inventory.iter().map(|item| item.object.to_string()).collect();
    assert_eq!(
        names,
        [
            "ConfigMap vcluster-applied/a",
            "ClusterRole vc-applied-v-vcluster-applied",
            "StatefulSet vcluster-applied/applied"
        ]
    );
    let mut recorded = inventory.clone();
    recorded.sort();
    assert_eq!(tenant.claim.record().inventory, recorded);
    let live = tenant.api::<ConfigMap>().get("a").await.unwrap();
    assert_eq!(live.metadata.uid, inventory[0].uid);
    assert_eq!(live.metadata.labels.unwrap().get(LABEL), Some(&tenant.name));
    assert_eq!(live.metadata.managed_fields.unwrap()[0].manager.as_deref(), Some(FIELD_MANAGER));
    let roles = Api::<ClusterRole>::all(tenant.host.client());
    roles.delete("vc-applied-v-vcluster-applied", &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn what_is_no_longer_rendered_is_pruned() {
    let tenant = Tenant::new("pruned").await;
    tenant.apply(&[tenant.config_map("kept", "1"), tenant.config_map("dropped", "1")]).await.unwrap();
    let inventory = tenant.apply(&[tenant.config_map("kept", "2")]).await.unwrap();
    assert_eq!(inventory.len(), 1);
    assert!(tenant.api::<ConfigMap>().get_opt("dropped").await.unwrap().is_none());
    assert_eq!(tenant.api::<ConfigMap>().get("kept").await.unwrap().data.unwrap()["key"], "2");
}

#[tokio::test]
async fn fields_that_others_took_are_taken_back() {
    let tenant = Tenant::new("taken-back").await;
    tenant.apply(&[tenant.config_map("a", "ours")]).await.unwrap();
    tenant.patch::<ConfigMap>("kubectl-edit", "a", json!({"data": {"key": "theirs"}})).await;
    tenant.apply(&[tenant.config_map("a", "ours")]).await.unwrap();
    assert_eq!(tenant.api::<ConfigMap>().get("a").await.unwrap().data.unwrap()["key"], "ours");
}

#[tokio::test]
async fn a_deleted_object_is_made_again() {
    let tenant = Tenant::new("made-again").await;
    let before = tenant.apply(&[tenant.config_map("a", "1")]).await.unwrap();
    tenant.api::<ConfigMap>().delete("a", &DeleteParams::default()).await.unwrap();
    let after = tenant.apply(&[tenant.config_map("a", "1")]).await.unwrap();
    assert_ne!(before[0].uid, after[0].uid);
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_touched() {
    let tenant = Tenant::new("not-ours").await;
    let forged = json!({"metadata": {"name": "a", "labels": tenant.labels()}, "data": {"key": "theirs"}});
    tenant.api::<ConfigMap>().create(&by_kubectl(), &serde_json::from_value(forged).unwrap()).await.unwrap();
    let refused = tenant.apply(&[tenant.config_map("a", "ours")]).await.unwrap_err();
    assert!(matches!(refused, ApplyError::NotOurs { .. }), "{refused:?}");
    assert!(
        refused.to_string().contains("ConfigMap vcluster-not-ours/a") && refused.to_string().contains("kubectl-create")
    );
    assert_eq!(tenant.api::<ConfigMap>().get("a").await.unwrap().data.unwrap()["key"], "theirs");
}

#[tokio::test]
async fn an_object_that_somebody_else_made_in_place_of_ours_is_not_touched() {
    let tenant = Tenant::new("replaced").await;
    tenant.apply(&[tenant.config_map("a", "ours")]).await.unwrap();
    tenant.api::<ConfigMap>().delete("a", &DeleteParams::default()).await.unwrap();
    let theirs = json!({"metadata": {"name": "a"}, "data": {"key": "theirs"}});
    tenant.api::<ConfigMap>().create(&by_kubectl(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let refused = tenant.apply(&[tenant.config_map("a", "ours")]).await.unwrap_err();
    assert!(matches!(refused, ApplyError::NotOurs { .. }), "{refused:?}");
}

#[tokio::test]
async fn an_unfinished_apply_goes_on_where_it_stopped() {
    let tenant = Tenant::new("unfinished").await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    let objects = [tenant.config_map("a", "1")];
    let result = apply(&tenant.host, &tenant.claim, &objects, &tenant.labels(), &Consent::default(), &stopped).await;
    assert!(matches!(result, Err(ApplyError::Cancelled { .. })), "{result:?}");
    assert_eq!(tenant.claim.record().inventory.len(), 1, "announced, though not made");
    let made = tenant.apply(&objects).await.unwrap();
    // As after a kill between the last object and the record.
    tenant.claim.update(|record| record.inventory.iter_mut().for_each(|item| item.uid = None)).await.unwrap();
    assert_eq!(tenant.apply(&objects).await.unwrap(), made);
}

#[tokio::test]
async fn a_change_that_only_a_new_object_could_make_says_so() {
    let tenant = Tenant::new("immutable").await;
    tenant.apply(&[tenant.stateful_set("immutable")]).await.unwrap();
    let mut changed = tenant.stateful_set("immutable");
    changed["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = json!("2Gi");
    let refused = tenant.apply(&[changed]).await.unwrap_err();
    assert!(matches!(refused, ApplyError::Immutable { .. }), "{refused:?}");
    assert!(tenant.api::<StatefulSet>().get_opt("immutable").await.unwrap().is_some());
}

#[tokio::test]
async fn an_unknown_kind_is_named() {
    let tenant = Tenant::new("unknown-kind").await;
    let monitor =
        json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "a"}});
    let refused = tenant.apply(&[monitor]).await.unwrap_err();
    assert!(matches!(refused, ApplyError::Kind(KindError::Unknown { .. })), "{refused:?}");
}
