//! Whose an object is: two virtual clusters that want the same one, and records that name what is not theirs.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use terraform_provider_nested::host::apply::{ApplyError, check_free};
use terraform_provider_nested::host::delete::delete;
use terraform_provider_nested::host::object::ObjectRef;
use terraform_provider_nested::host::record::{Item, Phase, Record};
use tokio_util::sync::CancellationToken;

use super::fixture::{TIMEOUT, Tenant, by_kubectl};

fn cluster_role(name: &str, verb: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": [verb]}],
    })
}

fn cluster_roles(tenant: &Tenant) -> Api<ClusterRole> {
    Api::all(tenant.host.client())
}

/// The verb that tells whose role it is; none if it is gone.
async fn verb(tenant: &Tenant, name: &str) -> Option<String> {
    let role = cluster_roles(tenant).get_opt(name).await.unwrap()?;
    role.rules.unwrap().remove(0).verbs.pop()
}

/// Has the tenant's record say that it had the object made.
async fn forge(tenant: &Tenant, object: ObjectRef, uid: Option<String>) {
    let item = Item { object, uid };
    tenant.claim.update(|record| record.inventory.push(item.clone())).await.unwrap();
}

async fn delete_all(tenant: &Tenant) -> Vec<String> {
    let skipped = delete(&tenant.host, &tenant.claim, TIMEOUT, &CancellationToken::new()).await.unwrap();
    skipped.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_virtual_cluster_takes_no_object_of_another() {
    let (first, second) = (Tenant::new("same-1").await, Tenant::new("same-2").await);
    first.apply(&[cluster_role("vc-same", "get")]).await.unwrap();
    check_free(&first.host, &first.claim, &[cluster_role("vc-same", "get")]).await.unwrap();

    let wanted = [cluster_role("vc-same", "list")];
    let early = check_free(&second.host, &second.claim, &wanted).await.unwrap_err();
    assert!(matches!(&early, ApplyError::Taken { other, .. } if other == "same-1"), "{early:?}");
    for part in
        ["\"same-2\" in namespace vcluster-same-2", "ClusterRole vc-same", "\"same-1\"'s in namespace vcluster-same-1"]
    {
        assert!(early.to_string().contains(part), "{early} does not say {part}");
    }
    let late = second.apply(&wanted).await.unwrap_err();
    assert!(matches!(late, ApplyError::NotOurs { .. }), "{late:?}");
    assert_eq!(delete_all(&second).await.len(), 1, "it is reported, and left");
    assert_eq!(verb(&first, "vc-same").await.as_deref(), Some("get"));
    assert_eq!(delete_all(&first).await, [""; 0]);
    assert_eq!(verb(&first, "vc-same").await, None);
}

#[tokio::test]
async fn an_edited_inventory_reaches_nothing_outside_of_the_namespace() {
    let (tenant, other) = (Tenant::new("forger").await, Tenant::new("victim").await);
    let inventory = other.apply(&[cluster_role("vc-victim", "get"), other.config_map("a", "kept")]).await.unwrap();
    let system = ObjectRef {
        api_version: "rbac.authorization.k8s.io/v1".into(),
        kind: "ClusterRole".into(),
        namespace: None,
        name: "system:node".into(),
    };
    let uid = cluster_roles(&tenant).get("system:node").await.unwrap().metadata.uid;
    for (object, uid) in inventory.into_iter().map(|item| (item.object, item.uid)).chain([(system, uid)]) {
        forge(&tenant, object.clone(), uid).await;
        forge(&tenant, object, None).await;
    }
    // A plain update prunes what is not rendered any more, and a destroy removes all.
    tenant.apply(&[tenant.config_map("a", "1")]).await.unwrap();
    assert_eq!(other.api::<ConfigMap>().get("a").await.unwrap().data.unwrap()["key"], "kept");
    assert_eq!(delete_all(&tenant).await, [""; 0], "the update has forgotten what was never its own");
    assert_eq!(verb(&other, "vc-victim").await.as_deref(), Some("get"));
    assert!(cluster_roles(&tenant).get_opt("system:node").await.unwrap().is_some());
    assert_eq!(delete_all(&other).await, [""; 0]);
}

/// Somebody who can write records makes one up for a namespace of others, as if its creation had been cut off.
#[tokio::test]
async fn a_record_that_somebody_made_up_reaches_nothing_in_its_namespace() {
    let victim = Tenant::new("made-up").await;
    let theirs = json!({"metadata": {"name": "theirs"}, "data": {"key": "kept"}});
    let theirs =
        victim.api::<ConfigMap>().create(&by_kubectl(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let namespace_uid = victim.claim.record().namespace_uid;
    let Tenant { host, name, namespace, claim } = victim;
    claim.remove().await.unwrap();
    let tenant = Tenant { claim: Tenant::reserve(&host, &name, &namespace).await, host, name, namespace };
    let object = ObjectRef {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some(tenant.namespace.clone()),
        name: "theirs".into(),
    };
    forge(&tenant, object, theirs.metadata.uid).await;
    let forged = |record: &mut Record| {
        record.phase = Phase::Creating;
        record.namespace_uid.clone_from(&namespace_uid);
        record.namespace_created = true;
    };
    tenant.claim.update(forged).await.unwrap();
    assert_eq!(delete_all(&tenant).await.len(), 1, "it is reported, and left");
    assert_eq!(tenant.api::<ConfigMap>().get("theirs").await.unwrap().data.unwrap()["key"], "kept");
}

#[tokio::test]
async fn a_copied_mark_makes_nothing_ours() {
    let tenant = Tenant::new("copied").await;
    tenant.apply(&[cluster_role("vc-copied", "get")]).await.unwrap();
    let marks = cluster_roles(&tenant).get("vc-copied").await.unwrap().metadata.annotations;
    let theirs = json!({"metadata": {"name": "vc-theirs", "annotations": marks}, "rules": []});
    cluster_roles(&tenant).create(&by_kubectl(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let refused = check_free(&tenant.host, &tenant.claim, &[cluster_role("vc-theirs", "get")]).await.unwrap_err();
    assert!(matches!(refused, ApplyError::NotOurs { .. }), "{refused:?}");
    let refused = tenant.apply(&[cluster_role("vc-theirs", "get")]).await.unwrap_err();
    assert!(matches!(refused, ApplyError::NotOurs { .. }), "{refused:?}");
    assert_eq!(delete_all(&tenant).await.len(), 1);
    assert_eq!(verb(&tenant, "vc-copied").await, None);
    assert!(cluster_roles(&tenant).get_opt("vc-theirs").await.unwrap().is_some());
}

#[tokio::test]
async fn an_object_whose_mark_was_wiped_off_is_marked_again() {
    let tenant = Tenant::new("wiped").await;
    let objects = [cluster_role("vc-wiped", "get"), tenant.config_map("a", "1")];
    tenant.apply(&objects).await.unwrap();
    let wipe = Patch::Merge(json!({"metadata": {"annotations": null, "managedFields": [{}]}}));
    let by_kubectl = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    cluster_roles(&tenant).patch("vc-wiped", &by_kubectl, &wipe).await.unwrap();
    tenant.api::<ConfigMap>().patch("a", &by_kubectl, &wipe).await.unwrap();
    tenant.apply(&objects).await.unwrap();
    assert_eq!(delete_all(&tenant).await, [""; 0]);
    assert_eq!(verb(&tenant, "vc-wiped").await, None);
}

#[tokio::test]
async fn what_a_lost_record_had_made_is_its_successors() {
    let tenant = Tenant::new("successor").await;
    tenant.apply(&[cluster_role("vc-successor", "get")]).await.unwrap();
    let (lost, before) = (tenant.claim.record_uid(), tenant.claim.record());
    let Tenant { host, name, namespace, claim } = tenant;
    claim.remove().await.unwrap();
    let mut tenant = Tenant { claim: Tenant::reserve(&host, &name, &namespace).await, host, name, namespace };
    let identity = |record: &mut Record| {
        record.namespace_uid.clone_from(&before.namespace_uid);
        record.namespace_created = true;
        record.hand_over();
    };
    tenant.claim.update(identity).await.unwrap();

    let refused = tenant.apply(&[cluster_role("vc-successor", "get")]).await.unwrap_err();
    assert!(matches!(refused, ApplyError::NotOurs { .. }), "{refused:?}");
    tenant.claim = tenant.claim.formerly(lost);
    tenant.apply(&[cluster_role("vc-successor", "list")]).await.unwrap();
    assert_eq!(verb(&tenant, "vc-successor").await.as_deref(), Some("list"));
    assert_eq!(delete_all(&tenant).await, [""; 0]);
    assert_eq!(verb(&tenant, "vc-successor").await, None);
}
