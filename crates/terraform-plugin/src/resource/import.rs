//! `ImportResourceState`: takes over an object that exists, by its id.

use super::super::answer::deferral;
use super::super::codec::{encode, encode_private, unknown};
use super::super::diagnostics::{diagnostics, expect_result};
use super::super::wire::tf6::import_resource_state::{ImportedResource, Request, Response};
use crate::vocabulary::{Diagnostics, Resource};

pub async fn import<R: Resource>(resource: &R, request: Request) -> Response {
    let mut diags = Diagnostics::default();
    let found = async {
        let (state, private) = resource.import(&mut diags, request.id).await?;
        Some((encode(&mut diags, &state)?, encode_private(&mut diags, &private)?))
    }
    .await;
    let deferred = deferral();
    if found.is_none() && deferred.is_none() {
        expect_result(&mut diags);
    }
    let imported = found.or_else(|| deferred.map(|_| (unknown(), Default::default())));
    let imported = imported.map(|(state, private)| ImportedResource {
        type_name: request.type_name,
        state: Some(state),
        private,
        identity: None,
    });
    Response { imported_resources: imported.into_iter().collect(), diagnostics: diagnostics(diags), deferred }
}
