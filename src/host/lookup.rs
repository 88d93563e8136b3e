//! One question about objects of any kind, for a chart that looks at its cluster while it is rendered. Writes nothing.

use kube::api::{DynamicObject, ListParams, ObjectList};
use serde_json::{Value, json};

use super::kind::{KindError, Kinds};
use super::object::ObjectRef;
use super::{Error, Host, Reason, pages};

/// More objects than any chart can have a use for.
const MAX_OBJECTS: usize = 5_000;

/// The object of that name, or without a name the list of all; without a namespace those of every namespace. `None`
/// where there is no such object, or the group does not know the kind.
///
/// # Errors
/// A group version that the host does not serve, what the identity may not read, and whatever keeps the host from
/// answering.
pub async fn lookup(host: &Host, wanted: &ObjectRef) -> Result<Option<Value>, KindError> {
    if !host.api_versions().await?.contains(&wanted.api_version) {
        let ObjectRef { api_version, kind, .. } = wanted.clone();
        return Err(KindError::Unknown { host: host.name().to_owned(), kind, api_version });
    }
    let api = match Kinds::of(host).readable(wanted).await {
        Ok(api) => api,
        Err(KindError::Unknown { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !wanted.name.is_empty() {
        let found = api.get_opt(&wanted.name).await.map_err(host.failed("look up", wanted))?;
        return Ok(found.and_then(|object| serde_json::to_value(object).ok()));
    }
    let api = &api;
    let fetch = |page| async move { api.list(&page).await.map_err(host.failed("look up", wanted)) };
    let take = |page: ObjectList<DynamicObject>, list: &mut List| {
        list.items.extend(page.items.into_iter().filter_map(|object| serde_json::to_value(object).ok()));
        list.version = page.metadata.resource_version;
        if list.items.len() > MAX_OBJECTS {
            let reason = Reason::Other { message: format!("there are more than {MAX_OBJECTS} of them") };
            return Err(Error::new(host.name(), "look up", wanted, reason));
        }
        Ok(page.metadata.continue_)
    };
    let List { items, version } = match pages::collect(ListParams::default(), fetch, take).await {
        Err(error) if error.is_not_found() => return Ok(None),
        list => list?,
    };
    Ok(Some(json!({
        "apiVersion": wanted.api_version, "kind": format!("{}List", wanted.kind),
        "metadata": { "resourceVersion": version }, "items": items,
    })))
}

/// What was listed so far.
#[derive(Default)]
struct List {
    items: Vec<Value>,
    version: Option<String>,
}
