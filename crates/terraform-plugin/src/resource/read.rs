//! `ReadResource`: what has become of an object.

use super::super::answer::deferral;
use super::super::codec::{Encoded, encode, encode_private, null};
use super::super::diagnostics::diagnostics;
use super::super::wire::tf6::read_resource::{Request, Response};
use crate::vocabulary::{Diagnostics, Resource};

/// Without a result and without an error the object is gone. Whenever reading fails or is deferred, Terraform gets back
/// what it sent.
pub async fn read<R: Resource>(resource: &R, request: Request) -> Response {
    let mut response =
        Response { new_state: request.current_state.clone(), private: request.private.clone(), ..Response::default() };
    let mut diags = Diagnostics::default();
    let state = Encoded::from(request.current_state);
    let private = Encoded::opaque(request.private);
    let meta = Encoded::from(request.provider_meta);
    let found = async {
        let state = state.decode(&mut diags)?;
        let private = private.decode_optional(&mut diags)?;
        let meta = meta.decode_optional(&mut diags)?;
        let (state, private) = resource.read(&mut diags, state, private, meta).await?;
        Some((encode(&mut diags, &state)?, encode_private(&mut diags, &private)?))
    }
    .await;
    response.deferred = deferral();
    match found {
        Some((state, private)) => (response.new_state, response.private) = (Some(state), private),
        None if diags.errors.is_empty() && response.deferred.is_none() => {
            response.new_state = Some(null());
            response.private.clear();
        }
        None => {}
    }
    response.diagnostics = diagnostics(diags);
    response
}
