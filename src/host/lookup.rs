//! One question about objects of any kind, for a chart that looks at its cluster while it is rendered. Writes nothing.

use kube::api::ListParams;
use serde_json::{Value, json};

use super::Host;
use super::kind::{KindError, Kinds};
use super::object::ObjectRef;

/// Objects in one page of a list.
const PAGE: u32 = 500;
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
    let mut items = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = match api.list(&page).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(host.error("look up", wanted, &error).into()),
        };
        items.extend(list.items.into_iter().filter_map(|object| serde_json::to_value(object).ok()));
        if items.len() > MAX_OBJECTS {
            let reason = super::Reason::Other { message: format!("there are more than {MAX_OBJECTS} of them") };
            return Err(super::Error::new(host.name(), "look up", wanted, reason).into());
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => {
                let kind = format!("{}List", wanted.kind);
                let metadata = json!({ "resourceVersion": list.metadata.resource_version });
                return Ok(Some(json!({
                    "apiVersion": wanted.api_version, "kind": kind, "metadata": metadata, "items": items,
                })));
            }
        }
    }
}
