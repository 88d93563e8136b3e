//! The priority class that a host gives pods which name none.

use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::api::{Api, ListParams};

use super::Host;

/// Its name; none where there is none, or where the identity may not look.
pub async fn default_class(host: &Host) -> Option<String> {
    let classes = Api::<PriorityClass>::all(host.client()).list(&ListParams::default()).await;
    let classes = classes.map_err(|error| tracing::info!(host = host.name(), %error, "no priority class can be seen"));
    let found = classes.ok()?.items.into_iter().find(|class| class.global_default == Some(true));
    found?.metadata.name
}
