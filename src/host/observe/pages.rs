//! Lists objects in pages, and hands out one after the other as JSON text, so that a page is never in memory twice.

use kube::Resource;
use kube::api::{ApiResource, ListParams};
use kube::core::{DynamicObject, Request};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::host::{Error, Host, Reason};

/// How many objects come in one answer. Large enough that a few hundred virtual clusters take one request for each kind.
const PAGE: u32 = 500;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue", default)]
    next: String,
}

/// Lists what `selector` matches in a namespace or, without one, everywhere, and gives each object to `each` as JSON text.
///
/// # Errors
/// The host's refusal, or an answer that is no list.
pub(in crate::host) async fn each(
    host: &Host,
    resource: &ApiResource,
    namespace: Option<&str>,
    selector: &str,
    mut each: impl FnMut(&RawValue) -> Result<(), serde_json::Error> + Send,
) -> Result<(), Error> {
    let what = || match namespace {
        Some(namespace) => format!("{} in namespace {namespace}", resource.plural),
        None => format!("{} in all namespaces", resource.plural),
    };
    let unreadable = |error: &dyn std::error::Error| {
        Error::new(host.name(), "list", what(), Reason::Other { message: error.to_string() })
    };
    let request = Request::new(DynamicObject::url_path(resource, namespace));
    let mut page = ListParams::default().limit(PAGE);
    if !selector.is_empty() {
        page = page.labels(selector);
    }
    loop {
        let list = request.list(&page).map_err(|error| unreadable(&error))?;
        let text = host.client().request_text(list).await.map_err(host.failed("list", what()))?;
        let found: Page<'_> = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
        for item in found.items.into_iter().flatten() {
            each(item).map_err(|error| unreadable(&error))?;
        }
        if found.metadata.next.is_empty() {
            return Ok(());
        }
        page = page.continue_token(&found.metadata.next);
    }
}
