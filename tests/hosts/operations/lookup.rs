use serde_json::{Value, json};
use terraform_provider_nested::host::kind::KindError;
use terraform_provider_nested::host::lookup::lookup;
use terraform_provider_nested::host::object::ObjectRef;

use super::fixture::{Tenant, forbidden_host, host};

fn wanted(api_version: &str, kind: &str, namespace: &str, name: &str) -> ObjectRef {
    let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
    ObjectRef { api_version: api_version.to_owned(), kind: kind.to_owned(), namespace, name: name.to_owned() }
}

async fn find(api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Value> {
    lookup(&host(), &wanted(api_version, kind, namespace, name)).await.unwrap()
}

#[tokio::test]
async fn objects_are_found_by_name_and_as_lists() {
    let tenant = Tenant::new("looked-up").await;
    for name in ["a", "b"] {
        tenant.make("v1", "ConfigMap", json!({"metadata": {"name": name}, "data": {"key": name}})).await;
    }
    let namespace = tenant.namespace.as_str();
    let one = find("v1", "ConfigMap", namespace, "a").await.unwrap();
    assert_eq!((&one["kind"], &one["data"]["key"]), (&json!("ConfigMap"), &json!("a")));
    let all = find("v1", "ConfigMap", namespace, "").await.unwrap();
    let values: Vec<_> = all["items"].as_array().unwrap().iter().filter_map(|item| item["data"].get("key")).collect();
    assert_eq!((&all["kind"], values), (&json!("ConfigMapList"), vec![&json!("a"), &json!("b")]));
    // Cluster-scoped kinds have no namespace, even where the chart gives one.
    let own = find("v1", "Namespace", namespace, namespace).await.unwrap();
    assert_eq!(own["metadata"]["name"], namespace);
    let services = find("v1", "Service", "", "").await.unwrap();
    assert!(services["items"].as_array().unwrap().iter().any(|item| item["metadata"]["name"] == "kubernetes"));
}

#[tokio::test]
async fn what_is_not_there_is_nothing() {
    for (api_version, kind, namespace, name) in [
        ("v1", "Service", "default", "loft"),
        ("v1", "Service", "no-such-namespace", "loft"),
        // Without its namespace an object has no path.
        ("v1", "Service", "", "kubernetes"),
        ("v1", "Oddity", "default", "a"),
        ("apps/v1", "Oddity", "default", ""),
    ] {
        assert_eq!(find(api_version, kind, namespace, name).await, None, "{kind} {namespace}/{name}");
    }
    let empty = find("v1", "Secret", "no-such-namespace", "").await.unwrap();
    assert_eq!(empty["items"], json!([]));
}

#[tokio::test]
async fn a_group_that_is_not_served_and_a_refusal_are_errors() {
    let unknown = lookup(&host(), &wanted("odd.example.com/v1", "Thing", "default", "a")).await;
    assert!(matches!(unknown, Err(KindError::Unknown { .. })), "{unknown:?}");
    let refused = lookup(&forbidden_host().await, &wanted("v1", "Service", "default", "loft")).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("cannot look up Service default/loft on host cluster"), "{refused}");
    assert!(refused.contains("services"), "{refused}");
}
