use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;
use terraform_provider_nested::host::delete::{DeleteError, Skipped, delete};
use terraform_provider_nested::host::record::Record;
use tokio_util::sync::CancellationToken;

use super::fixture::{TIMEOUT, Tenant, by_kubectl, eventually};

fn cluster_role(tenant: &Tenant) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": format!("vc-{}-v-{}", tenant.name, tenant.namespace)}, "rules": [],
    })
}

async fn delete_all(tenant: &Tenant) -> Vec<Skipped> {
    delete(&tenant.host, &tenant.claim, TIMEOUT, &CancellationToken::new()).await.unwrap()
}

async fn volumes(tenant: &Tenant) -> Vec<String> {
    let claims = tenant.api::<PersistentVolumeClaim>().list(&ListParams::default()).await.unwrap();
    claims.items.into_iter().filter_map(|claim| claim.metadata.name).collect()
}

#[tokio::test]
async fn everything_goes_with_a_namespace_of_ours() {
    let tenant = Tenant::new("gone").await;
    tenant.apply(&[tenant.stateful_set("gone"), cluster_role(&tenant)]).await.unwrap();
    assert_eq!(delete_all(&tenant).await, []);
    let (roles, namespaces) =
        (Api::<ClusterRole>::all(tenant.host.client()), Api::<Namespace>::all(tenant.host.client()));
    assert!(roles.get_opt("vc-gone-v-vcluster-gone").await.unwrap().is_none());
    assert!(namespaces.get_opt(&tenant.namespace).await.unwrap().is_none());
    assert_eq!(delete_all(&tenant).await, [], "deleting again finds nothing");
}

#[tokio::test]
async fn a_found_namespace_keeps_what_others_have_in_it() {
    let tenant = Tenant::in_found_namespace("left").await;
    let theirs = json!({"metadata": {"name": "theirs", "labels": tenant.labels()}});
    tenant.api::<ConfigMap>().create(&by_kubectl(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let volume = json!({
        "metadata": {"name": "data-theirs-0"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    tenant.apply(&[tenant.stateful_set("left"), tenant.config_map("ours", "1"), cluster_role(&tenant)]).await.unwrap();
    eventually("the StatefulSet's volume", async || volumes(&tenant).await.pop().ok_or("there is none")).await;
    tenant
        .api::<PersistentVolumeClaim>()
        .create(&by_kubectl(), &serde_json::from_value(volume).unwrap())
        .await
        .unwrap();

    assert_eq!(delete_all(&tenant).await, []);
    assert!(tenant.api::<StatefulSet>().get_opt("left").await.unwrap().is_none());
    assert!(tenant.api::<ConfigMap>().get_opt("ours").await.unwrap().is_none());
    assert!(tenant.api::<ConfigMap>().get_opt("theirs").await.unwrap().is_some());
    assert_eq!(volumes(&tenant).await, ["data-theirs-0"]);
    let namespaces = Api::<Namespace>::all(tenant.host.client());
    assert!(namespaces.get(&tenant.namespace).await.unwrap().metadata.deletion_timestamp.is_none());
}

/// What the syncer makes belongs to the Service.
#[tokio::test]
async fn what_belongs_to_ours_is_gone_too_when_a_found_namespace_stays() {
    let tenant = Tenant::in_found_namespace("owner").await;
    let service = |name: &str| {
        let metadata = json!({"name": name});
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 443}]}})
    };
    tenant.apply(&[service("owner")]).await.unwrap();
    tenant.make("v1", "Service", service("theirs")).await;
    let services = tenant.api::<Service>();
    let owned_by = async |name: &str| {
        let uid = services.get(name).await.unwrap().metadata.uid;
        json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name, "uid": uid}]})
    };
    let named = |name: &str, mut metadata: Value| {
        metadata["name"] = json!(name);
        json!({"metadata": metadata})
    };
    let ours = owned_by("owner").await;
    let mut held = ours.clone();
    held["finalizers"] = json!(["example.com/held"]);
    tenant.make("v1", "ConfigMap", named("synced", held)).await;
    tenant.make("v1", "Secret", named("vc-owner", ours.clone())).await;
    tenant.run("app-x-default-x-owner", ours).await;
    tenant.make("v1", "ConfigMap", named("of-theirs", owned_by("theirs").await)).await;
    // A label alone makes nothing ours.
    let labels = json!({"labels": {"vcluster.loft.sh/managed-by": "owner"}});
    tenant.make("v1", "ConfigMap", named("forged", labels)).await;

    let cancel = CancellationToken::new();
    let error = delete(&tenant.host, &tenant.claim, Duration::from_secs(2), &cancel).await.unwrap_err();
    assert!(matches!(error, DeleteError::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("ConfigMap vcluster-owner/synced is "), "{error}");
    tenant.patch::<ConfigMap>("other", "synced", json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(delete_all(&tenant).await, []);
    assert!(tenant.api::<ConfigMap>().get_opt("synced").await.unwrap().is_none());
    assert!(tenant.api::<Secret>().get_opt("vc-owner").await.unwrap().is_none());
    assert!(tenant.api::<Pod>().get_opt("app-x-default-x-owner").await.unwrap().is_none());
    for kept in ["of-theirs", "forged"] {
        assert!(tenant.api::<ConfigMap>().get_opt(kept).await.unwrap().is_some(), "{kept}");
    }
}

/// As with `experimental.syncSettings.setOwner` off: nobody else would end them.
#[tokio::test]
async fn synced_pods_that_belong_to_nobody_are_ended_when_a_found_namespace_stays() {
    let tenant = Tenant::in_found_namespace("unowned").await;
    tenant.apply(&[tenant.stateful_set("unowned")]).await.unwrap();
    for (pod, of) in [("app-x-default-x-unowned", "unowned"), ("app-x-default-x-another", "another")] {
        tenant.run(pod, json!({"labels": {"vcluster.loft.sh/managed-by": of}})).await;
    }
    assert_eq!(delete_all(&tenant).await, []);
    let pods = tenant.api::<Pod>().list(&ListParams::default()).await.unwrap();
    let names: Vec<_> = pods.items.into_iter().filter_map(|pod| pod.metadata.name).collect();
    assert_eq!(names, ["app-x-default-x-another"]);
}

#[tokio::test]
async fn an_object_that_others_made_in_place_of_ours_stays() {
    let tenant = Tenant::in_found_namespace("skipped").await;
    tenant.apply(&[tenant.config_map("a", "1")]).await.unwrap();
    tenant.api::<ConfigMap>().delete("a", &DeleteParams::default()).await.unwrap();
    let theirs = json!({"metadata": {"name": "a"}, "data": {"key": "theirs"}});
    tenant.api::<ConfigMap>().create(&by_kubectl(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let skipped = delete_all(&tenant).await;
    assert_eq!(skipped[0].object.to_string(), "ConfigMap vcluster-skipped/a");
    assert!(skipped[0].reason.contains("kubectl-create"), "{skipped:?}");
    assert!(tenant.api::<ConfigMap>().get_opt("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_timeout_names_what_remains_and_what_holds_it() {
    let tenant = Tenant::in_found_namespace("held").await;
    tenant.apply(&[tenant.config_map("a", "1")]).await.unwrap();
    tenant.patch::<ConfigMap>("other", "a", json!({"metadata": {"finalizers": ["example.com/held"]}})).await;
    let cancel = CancellationToken::new();
    let error = delete(&tenant.host, &tenant.claim, Duration::from_secs(2), &cancel).await.unwrap_err();
    assert!(matches!(error, DeleteError::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("ConfigMap vcluster-held/a is held by finalizer example.com/held"), "{error}");
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    tenant.api::<ConfigMap>().patch("a", &PatchParams::default(), &release).await.unwrap();
    assert_eq!(delete_all(&tenant).await, []);
}

#[tokio::test]
async fn a_namespace_made_just_before_a_kill_goes_too() {
    let tenant = Tenant::new("gone-unrecorded").await;
    let forget = |record: &mut Record| {
        record.namespace_uid = None;
        record.namespace_created = false;
    };
    tenant.claim.update(forget).await.unwrap();
    assert_eq!(delete_all(&tenant).await, []);
    let namespaces = Api::<Namespace>::all(tenant.host.client());
    assert!(namespaces.get_opt(&tenant.namespace).await.unwrap().is_none());
}
