//! `ValidateResourceConfig`: the configuration alone, in which anything may be unknown.

use super::super::codec::Encoded;
use super::super::diagnostics::{diagnostics, expect_result};
use super::super::wire::tf6::validate_resource_config::{Request, Response};
use crate::vocabulary::{Diagnostics, Resource};

pub async fn validate<R: Resource>(resource: &R, request: Request) -> Response {
    let mut diags = Diagnostics::default();
    let config = Encoded::from(request.config);
    if let Some(config) = config.decode(&mut diags)
        && resource.validate(&mut diags, config).await.is_none()
    {
        expect_result(&mut diags);
    }
    Response { diagnostics: diagnostics(diags) }
}
