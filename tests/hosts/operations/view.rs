use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;
use terraform_provider_nested::domain::drift::Entry;
use terraform_provider_nested::domain::isolation::ENFORCE;
use terraform_provider_nested::domain::user_texts::UserTexts;
use terraform_provider_nested::host::access::Exposure;
use terraform_provider_nested::host::observe::Observed;
use terraform_provider_nested::host::view::{Run, View};

use super::fixture::{LABEL, Tenant};

async fn tenants(name: &str) -> Vec<Tenant> {
    let mut tenants = Vec::new();
    for number in 1..=5 {
        let tenant = Tenant::new(&format!("{name}-{number}")).await;
        let maps = ["a", "b"].map(|name| tenant.config_map(name, "1"));
        tenant.apply(&[&maps[..], &[tenant.stateful_set(&tenant.name)]].concat()).await.unwrap();
        tenants.push(tenant);
    }
    tenants
}

/// Looks at all of them at once, as Terraform does.
async fn look(view: &View, tenants: &[Tenant]) -> Vec<Observed> {
    let looks = tenants.iter().map(|tenant| async {
        let mut seen = view.record(&tenant.namespace).await.unwrap();
        let stored = seen.stored.take().unwrap();
        view.observe(seen, stored, &Exposure::ClusterIp).await.unwrap().1
    });
    futures::future::join_all(looks).await
}

fn drift(observed: &Observed) -> Vec<(String, Option<String>)> {
    observed.drift(&UserTexts::default()).into_iter().map(|Entry { object, field, .. }| (object, field)).collect()
}

#[tokio::test]
async fn what_many_share_shows_the_drift_of_each() {
    let tenants = tenants("shared").await;
    tenants[0].api::<ConfigMap>().delete("a", &DeleteParams::default()).await.unwrap();
    let unlabelled = json!({"metadata": {"labels": {LABEL: null}}});
    tenants[1].patch::<ConfigMap>("kubectl-label", "a", unlabelled).await;
    tenants[2].patch::<ConfigMap>("kubectl-edit", "b", json!({"data": {"key": "2", "more": "3"}})).await;
    // A tenant's own object, with a label of another virtual cluster.
    let forged = json!({"metadata": {"name": "a-x-forged", "labels": {LABEL: tenants[3].name}}, "data": {"key": "9"}});
    tenants[3].make("v1", "ConfigMap", forged).await;

    let observed = look(&View::of(&tenants[0].host, LABEL, &Run::default()), &tenants).await;
    let expected = [
        vec![("ConfigMap vcluster-shared-1/a", None)],
        vec![("ConfigMap vcluster-shared-2/a", Some(format!("metadata.labels[{LABEL:?}]")))],
        vec![
            ("ConfigMap vcluster-shared-3/b", Some("data.key".to_owned())),
            ("ConfigMap vcluster-shared-3/b", Some("data.more".to_owned())),
        ],
        vec![],
        vec![],
    ];
    for (observed, expected) in std::iter::zip(&observed, expected) {
        let expected: Vec<_> = expected.into_iter().map(|(object, field)| (object.to_owned(), field)).collect();
        assert_eq!(drift(observed), expected);
        assert_eq!(observed.workloads.len(), 1);
    }
}

#[tokio::test]
async fn what_many_share_shows_what_each_namespace_enforces() {
    let tenants = tenants("enforced").await;
    let namespaces = Api::<Namespace>::all(tenants[0].host.client());
    let label = json!({"metadata": {"labels": {ENFORCE: "restricted"}}});
    namespaces.patch(&tenants[1].namespace, &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
    let observed = look(&View::of(&tenants[0].host, LABEL, &Run::default()), &tenants).await;
    let enforced: Vec<_> = observed.iter().map(|observed| observed.enforced.as_deref()).collect();
    assert_eq!(enforced, [None, Some("restricted"), None, None, None]);
}

#[tokio::test]
async fn what_is_applied_while_one_is_looked_at_by_itself_is_no_drift() {
    let tenant = Tenant::new("alone").await;
    tenant.apply(&[tenant.config_map("a", "1"), tenant.stateful_set("alone")]).await.unwrap();
    let view = View::of(&tenant.host, LABEL, &Run::default());
    let mut seen = view.record(&tenant.namespace).await.unwrap();
    tenant.apply(&[tenant.config_map("a", "2"), tenant.config_map("b", "1")]).await.unwrap();
    let stored = seen.stored.take().unwrap();
    let (now, observed) = view.observe(seen, stored, &Exposure::ClusterIp).await.unwrap();
    assert_eq!(drift(&observed), []);
    let names: Vec<_> = now.record.inventory.iter().map(|item| item.object.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    // What is drift stays drift.
    tenant.patch::<ConfigMap>("kubectl-edit", "a", json!({"data": {"key": "3"}})).await;
    let observed = look(&view, &[tenant]).await;
    assert_eq!(drift(&observed[0]), [("ConfigMap vcluster-alone/a".to_owned(), Some("data.key".to_owned()))]);
}

#[tokio::test]
async fn what_another_process_applies_meanwhile_is_no_drift() {
    let tenants = tenants("meanwhile").await;
    let view = View::of(&tenants[0].host, LABEL, &Run::default());
    // The records are listed …
    let records = tenants.iter().map(|tenant| view.record(&tenant.namespace));
    let mut seen: Vec<_> = futures::future::try_join_all(records).await.unwrap();
    // … then one is changed as by an apply: one object goes, another one is made …
    let changed = &tenants[4];
    changed.apply(&[changed.config_map("b", "2"), changed.config_map("c", "1")]).await.unwrap();
    // … and only then the objects are listed.
    let last = seen.len() - 1;
    let stored = seen[last].stored.take().unwrap();
    let (now, observed) = view.observe(seen.pop().unwrap(), stored, &Exposure::ClusterIp).await.unwrap();
    assert_eq!(drift(&observed), []);
    let names: Vec<_> = now.record.inventory.iter().map(|item| item.object.name.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
}

#[tokio::test]
async fn what_this_run_has_written_is_read_anew() {
    let tenants = tenants("written").await;
    let view = View::of(&tenants[0].host, LABEL, &Run::default());
    look(&view, &tenants).await;
    tenants[0].apply(&[tenants[0].config_map("c", "1")]).await.unwrap();
    tenants[1].patch::<ConfigMap>("kubectl-edit", "b", json!({"data": {"key": "2"}})).await;
    view.forget();
    let observed = look(&view, &tenants).await;
    assert_eq!((drift(&observed[0]), observed[0].workloads.len()), (vec![], 0));
    assert_eq!(drift(&observed[1]), [("ConfigMap vcluster-written-2/b".to_owned(), Some("data.key".to_owned()))]);
}
