//! What an API server serves, in two requests where it has aggregated discovery (Kubernetes 1.30), else in one for each
//! group version.

use std::collections::BTreeSet;

use kube::core::discovery::v2::APIGroupDiscoveryList;
use kube::{Client, Error};

/// Group versions and their kinds, those of subresources too, as Helm collects them.
pub(super) async fn api_versions(client: &Client) -> Result<BTreeSet<String>, Error> {
    let (core, groups) = tokio::join!(client.list_core_api_versions_aggregated(), client.list_api_groups_aggregated());
    match (core, groups) {
        // An older API server answers with another document, in which these types find no items …
        (Ok(core), Ok(_)) if core.items.is_empty() => one_by_one(client).await,
        (Ok(core), Ok(groups)) => Ok(of_aggregated(&core).chain(of_aggregated(&groups)).collect()),
        // … or that it has none of this kind.
        (Err(error), _) | (_, Err(error)) if has_no_such_document(&error) => one_by_one(client).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn has_no_such_document(error: &Error) -> bool {
    matches!(error, Error::Api(status) if matches!(status.code, 404 | 406 | 415))
}

fn of_aggregated(list: &APIGroupDiscoveryList) -> impl Iterator<Item = String> {
    list.items.iter().flat_map(|item| {
        let group = item.metadata.as_ref().and_then(|metadata| metadata.name.as_deref()).unwrap_or_default();
        item.versions.iter().flat_map(move |version| {
            let name = version.version.as_deref().unwrap_or_default();
            let group_version = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
            let resources = version.resources.iter().filter_map(|resource| resource.response_kind.as_ref());
            let subresources = version.resources.iter().flat_map(|resource| &resource.subresources);
            let kinds = resources.chain(subresources.filter_map(|subresource| subresource.response_kind.as_ref()));
            let kinds = kinds.filter_map(|kind| kind.kind.as_deref());
            let kinds: Vec<_> = kinds.map(|kind| format!("{group_version}/{kind}")).collect();
            kinds.into_iter().chain([group_version])
        })
    })
}

async fn one_by_one(client: &Client) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for version in client.list_core_api_versions().await?.versions {
        let resources = client.list_core_api_resources(&version).await?.resources;
        found.extend(resources.iter().map(|resource| format!("{version}/{}", resource.kind)));
        found.insert(version);
    }
    for group in client.list_api_groups().await?.groups {
        for version in group.versions {
            let version = version.group_version;
            // A group version whose own API server is down has no list; Helm goes on without it.
            if let Ok(list) = client.list_api_group_resources(&version).await {
                found.extend(list.resources.iter().map(|resource| format!("{version}/{}", resource.kind)));
            }
            found.insert(version);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// What Kubernetes 1.29 answers, which does not know the version of aggregated discovery that is asked for.
    fn answer_of_an_older_server(path: &str) -> serde_json::Value {
        let resource =
            |name, kind| json!({ "name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": [] });
        match path {
            "/api" => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
            "/apis" => {
                let version = json!({ "groupVersion": "apps/v1", "version": "v1" });
                json!({ "kind": "APIGroupList", "groups": [{ "name": "apps", "versions": [version] }] })
            }
            "/api/v1" => json!({ "groupVersion": "v1", "resources": [resource("pods", "Pod")] }),
            "/apis/apps/v1" => {
                let resources = [resource("deployments", "Deployment"), resource("deployments/scale", "Scale")];
                json!({ "groupVersion": "apps/v1", "resources": resources })
            }
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn server_without_aggregated_discovery_is_asked_one_by_one() {
        let server = tower::service_fn(|request: Request<Body>| async move {
            let body = answer_of_an_older_server(request.uri().path()).to_string();
            Ok::<_, tower::BoxError>(Response::new(Body::from(body.into_bytes())))
        });
        let versions = api_versions(&Client::new(server, "default")).await.unwrap();
        let versions: Vec<_> = versions.iter().map(String::as_str).collect();
        assert_eq!(versions, ["apps/v1", "apps/v1/Deployment", "apps/v1/Scale", "v1", "v1/Pod"]);
    }
}
