//! What an API server serves, in two requests where it has aggregated discovery (Kubernetes 1.30), else in one for each
//! group version.

use std::collections::BTreeSet;

use kube::core::discovery::v2::APIGroupDiscoveryList;
use kube::{Client, Error};

/// Group versions and their kinds, those of subresources too, as Helm collects them.
pub(super) async fn api_versions(client: &Client) -> Result<BTreeSet<String>, Error> {
    let (core, groups) = tokio::join!(client.list_core_api_versions_aggregated(), client.list_api_groups_aggregated());
    match (core, groups) {
        (Ok(core), Ok(groups)) => Ok(of_aggregated(&core).chain(of_aggregated(&groups)).collect()),
        // An older API server answers with another document, or that it has none of this kind.
        (Err(error), _) | (_, Err(error)) if is_other_document(&error) => one_by_one(client).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn is_other_document(error: &Error) -> bool {
    matches!(error, Error::SerdeError(_))
        || matches!(error, Error::Api(status) if matches!(status.code, 404 | 406 | 415))
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
