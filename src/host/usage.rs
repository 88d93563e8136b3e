//! What of a virtual cluster's size is in use, as ResourceQuota `vc-<name>` counts it. Changes nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::Api;

use super::{Error, Host};
use crate::domain::usage::Usage;

/// The quota's `status.used`. None if there is no such quota, or it has not been counted yet.
///
/// # Errors
/// The host's refusal.
pub async fn read(host: &Host, namespace: &str, name: &str) -> Result<Option<Usage>, Error> {
    let quota = format!("vc-{name}");
    let api = Api::<ResourceQuota>::namespaced(host.client(), namespace);
    let found = api.get_opt(&quota).await.map_err(host.failed("read", format!("ResourceQuota {namespace}/{quota}")))?;
    let used = found.and_then(|quota| quota.status?.used);
    let used = used.map(|used| used.into_iter().map(|(key, amount)| (key, amount.0)).collect::<BTreeMap<_, _>>());
    Ok(used.as_ref().map(Usage::of))
}
