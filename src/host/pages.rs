//! Lists in pages. A list whose place the host has forgotten (410) starts from the beginning: half a list is never taken for
//! the whole.

use kube::Resource;
use kube::api::{ApiResource, ListParams};
use kube::core::{DynamicObject, ObjectList, Request};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Error, Host, Reason};

/// How many objects come in one answer. Large enough that a few hundred virtual clusters take one request for each kind.
const PAGE: u32 = 500;

/// How often a list is begun. A host keeps the place of a list for five minutes at least.
const BEGINNINGS: u32 = 4;

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

/// One page after the other, from `first` on: `fetch` gets one, `take` adds it to what is collected and says how the list goes
/// on. What was collected is dropped when the list has to be begun again.
///
/// # Errors
/// What `fetch` and `take` return.
pub(super) async fn collect<P, C: Default, F: Future<Output = Result<P, Error>>>(
    first: ListParams,
    mut fetch: impl FnMut(ListParams) -> F,
    mut take: impl FnMut(P, &mut C) -> Result<Option<String>, Error>,
) -> Result<C, Error> {
    let first = first.limit(PAGE);
    let mut beginnings = 1;
    let (mut page, mut collected) = (first.clone(), C::default());
    loop {
        let fetched = match fetch(page.clone()).await {
            Err(error) if page.continue_token.is_some() && beginnings < BEGINNINGS && is_expired(&error) => {
                tracing::debug!("{error}; listing again from the beginning");
                beginnings += 1;
                (page, collected) = (first.clone(), C::default());
                continue;
            }
            fetched => fetched?,
        };
        match take(fetched, &mut collected)?.filter(|token| !token.is_empty()) {
            Some(token) => page = first.clone().continue_token(&token),
            None => return Ok(collected),
        }
    }
}

fn is_expired(error: &Error) -> bool {
    matches!(error.reason(), Reason::Expired { .. })
}

/// All objects that `fetch` lists.
///
/// # Errors
/// What `fetch` returns.
pub(super) async fn all<T: Clone, F: Future<Output = Result<ObjectList<T>, Error>>>(
    first: ListParams,
    fetch: impl FnMut(ListParams) -> F,
) -> Result<Vec<T>, Error> {
    collect(first, fetch, |page: ObjectList<T>, all: &mut Vec<T>| {
        all.extend(page.items);
        Ok(page.metadata.continue_)
    })
    .await
}

/// Collects what `selector` matches in a namespace or, without one, everywhere. `each` is given one object after the other as
/// JSON text, so that a page is never in memory twice.
///
/// # Errors
/// The host's refusal, or an answer that is no list.
pub(super) async fn of_texts<C: Default>(
    host: &Host,
    resource: &ApiResource,
    namespace: Option<&str>,
    selector: &str,
    mut each: impl FnMut(&RawValue, &mut C) -> Result<(), serde_json::Error>,
) -> Result<C, Error> {
    let what = || match namespace {
        Some(namespace) => format!("{} in namespace {namespace}", resource.plural),
        None => format!("{} in all namespaces", resource.plural),
    };
    let unreadable = |error: &dyn std::error::Error| {
        Error::new(host.name(), "list", what(), Reason::Other { message: error.to_string() })
    };
    let request = Request::new(DynamicObject::url_path(resource, namespace));
    let first = match selector {
        "" => ListParams::default(),
        selector => ListParams::default().labels(selector),
    };
    let fetch = |page: ListParams| {
        let list = request.list(&page).map_err(|error| unreadable(&error));
        let (client, failed) = (host.client(), host.failed("list", what()));
        async move { client.request_text(list?).await.map_err(failed) }
    };
    let take = |text: String, collected: &mut C| {
        let found: Page<'_> = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
        for item in found.items.into_iter().flatten() {
            each(item, collected).map_err(|error| unreadable(&error))?;
        }
        Ok(Some(found.metadata.next))
    };
    collect(first, fetch, take).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::{ListMeta, TypeMeta};
    use std::future::ready;

    fn expired() -> Error {
        Error::new("eu-1", "list", "its nodes", Reason::Expired { message: "too old".into() })
    }

    /// Three pages of two numbers. The answers numbered in `faults`, counted from 1, are 410.
    async fn check(faults: &[usize], expected: Option<usize>) {
        let mut asked = 0;
        let fetch = |page: ListParams| {
            asked += 1;
            if faults.contains(&asked) {
                return ready(Err(expired()));
            }
            let at: u32 = page.continue_token.as_deref().unwrap_or("0").parse().unwrap();
            let next = (at < 2).then(|| (at + 1).to_string());
            let metadata = ListMeta { continue_: next, ..ListMeta::default() };
            ready(Ok(ObjectList { types: TypeMeta::default(), metadata, items: vec![2 * at, 2 * at + 1] }))
        };
        let listed = all(ListParams::default(), fetch).await;
        match expected {
            Some(requests) => assert_eq!((listed.unwrap(), asked), (vec![0, 1, 2, 3, 4, 5], requests), "{faults:?}"),
            None => assert!(is_expired(&listed.unwrap_err()), "{faults:?}"),
        }
    }

    #[tokio::test]
    async fn a_list_that_expires_is_begun_again_and_nothing_counts_twice() {
        check(&[], Some(3)).await;
        check(&[2], Some(5)).await;
        check(&[3], Some(6)).await;
        check(&[2, 4], Some(7)).await;
        check(&[2, 4, 6, 8], None).await;
        check(&[1], None).await;
    }
}
