use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::Api;
use serde_json::json;

use terraform_provider_nested::host::delete::delete;
use terraform_provider_nested::host::namespace::{NamespaceError, ensure, label};
use tokio_util::sync::CancellationToken;

use super::fixture::{LABEL, TIMEOUT, Tenant, by_kubectl};

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

#[tokio::test]
async fn a_namespace_in_which_another_virtual_cluster_lives_is_refused() {
    let tenant = Tenant::reserved("occupied").await;
    tenant.make("v1", "Namespace", json!({"metadata": {"name": tenant.namespace}})).await;
    let mut other = tenant.stateful_set("other");
    for labels in ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
        other.pointer_mut(labels).unwrap()["release"] = json!("other");
    }
    tenant.api::<StatefulSet>().create(&by_kubectl(), &serde_json::from_value(other).unwrap()).await.unwrap();
    let refused = ensure(&tenant.host, &tenant.claim, &tenant.labels(), true, TIMEOUT, &CancellationToken::new()).await;
    assert!(matches!(&refused, Err(NamespaceError::Occupied { other, .. }) if other == "other"), "{refused:?}");
}

#[tokio::test]
async fn a_namespace_that_nobody_has_named_is_refused_and_nothing_in_it_is_touched() {
    let tenant = Tenant::reserved("unnamed").await;
    tenant.make("v1", "Namespace", json!({"metadata": {"name": tenant.namespace}})).await;
    tenant.run("app-x-default-x-unnamed", json!({"labels": {"vcluster.loft.sh/managed-by": "unnamed"}})).await;
    let cancel = CancellationToken::new();
    let refused = ensure(&tenant.host, &tenant.claim, &tenant.labels(), false, TIMEOUT, &cancel).await;
    assert!(matches!(&refused, Err(NamespaceError::Exists { .. })), "{refused:?}");
    // What is undone then is none of the namespace's.
    assert_eq!(delete(&tenant.host, &tenant.claim, TIMEOUT, &cancel).await.unwrap(), []);
    assert!(tenant.api::<Pod>().get_opt("app-x-default-x-unnamed").await.unwrap().is_some());
}

/// Objects of others that keep a virtual cluster out of a namespace.
#[tokio::test]
async fn a_namespace_that_somebody_works_in_is_refused() {
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let objects = [
        ("ServiceAccount", json!({ "metadata": { "name": "deployer" } })),
        ("ResourceQuota", json!({ "metadata": { "name": "theirs" }, "spec": { "hard": { "pods": "1" } } })),
        ("LimitRange", json!({ "metadata": { "name": "theirs" }, "spec": { "limits": [] } })),
        ("PersistentVolumeClaim", json!({ "metadata": { "name": "data" }, "spec": claim })),
    ];
    for (index, (kind, object)) in objects.into_iter().enumerate() {
        let tenant = Tenant::reserved(&format!("in-use-{index}")).await;
        tenant.make("v1", "Namespace", json!({ "metadata": { "name": tenant.namespace } })).await;
        let mut object = object;
        object["metadata"]["namespace"] = json!(tenant.namespace);
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        tenant.make("v1", kind, object).await;
        let refused =
            ensure(&tenant.host, &tenant.claim, &tenant.labels(), true, TIMEOUT, &CancellationToken::new()).await;
        let expected = format!("{kind} {name}");
        assert!(matches!(&refused, Err(NamespaceError::InUse { found, .. }) if *found == expected), "{refused:?}");
        assert_eq!(tenant.claim.record().namespace_uid, None, "nothing is written down of it");
    }
}

#[tokio::test]
async fn the_owner_of_a_namespace_lets_a_virtual_cluster_in_by_a_label() {
    let tenant = Tenant::reserved("let-in").await;
    let labels = json!({ "nested-clusters.io/allow-virtual-cluster": "true" });
    tenant.make("v1", "Namespace", json!({ "metadata": { "name": tenant.namespace, "labels": labels } })).await;
    let account = json!({ "metadata": { "name": "deployer", "namespace": tenant.namespace } });
    tenant.make("v1", "ServiceAccount", account).await;
    tenant.ensure_namespace().await;
    assert!(!tenant.claim.record().namespace_created);
}

#[tokio::test]
async fn only_the_namespace_that_was_made_is_labelled() {
    let labels = [("team".to_owned(), "a".to_owned())].into();
    let labelled = async |tenant: &Tenant| {
        let live = Api::<Namespace>::all(tenant.host.client()).get(&tenant.namespace).await.unwrap();
        live.metadata.labels.unwrap_or_default().contains_key("team")
    };
    let made = Tenant::new("ns-labelled").await;
    label(&made.host, &made.claim, &labels).await.unwrap();
    assert!(labelled(&made).await);

    let found = Tenant::in_found_namespace("ns-unlabelled").await;
    label(&found.host, &found.claim, &labels).await.unwrap();
    assert!(!labelled(&found).await);

    // Somebody has made another one in its place.
    let replaced = Tenant::new("ns-replaced").await;
    replaced.claim.update(|record| record.namespace_uid = Some("another".to_owned())).await.unwrap();
    label(&replaced.host, &replaced.claim, &labels).await.unwrap_err();
    assert!(!labelled(&replaced).await);
}
