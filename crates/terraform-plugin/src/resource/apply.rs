//! `ApplyResourceChange`: makes the plan true.

use bytes::Bytes;

use super::super::codec::{Encoded, encode, encode_private, null};
use super::super::diagnostics::{diagnostics, expect_result};
use super::super::wire::tf6::DynamicValue;
use super::super::wire::tf6::apply_resource_change::{Request, Response};
use super::Change;
use crate::vocabulary::{Diagnostics, Resource};

/// What holds if nothing was changed: the prior state, which is null for a creation.
pub fn unchanged(request: &Request) -> Response {
    Response { new_state: request.prior_state.clone(), private: request.planned_private.clone(), ..Response::default() }
}

/// A state that comes with errors is kept beside them: Terraform then taints what it created. Errors without a state
/// leave the prior one.
pub async fn apply<R: Resource>(resource: &R, request: Request) -> Response {
    let mut response = unchanged(&request);
    let mut diags = Diagnostics::default();
    let states = States {
        prior: request.prior_state.into(),
        planned: request.planned_state.into(),
        config: request.config.into(),
        planned_private: Encoded::opaque(request.planned_private),
        meta: request.provider_meta.into(),
    };
    match states.apply(resource, &mut diags).await {
        Some((state, private)) => (response.new_state, response.private) = (Some(state), private),
        None => expect_result(&mut diags),
    }
    response.diagnostics = diagnostics(diags);
    response
}

struct States {
    prior: Encoded,
    planned: Encoded,
    config: Encoded,
    planned_private: Encoded,
    meta: Encoded,
}

impl States {
    async fn apply<R: Resource>(&self, resource: &R, diags: &mut Diagnostics) -> Option<(DynamicValue, Bytes)> {
        let meta = self.meta.decode_optional(diags)?;
        let private = self.planned_private.decode_optional(diags)?;
        let (state, private) = match Change::of(self.prior.is_null(), self.planned.is_null()) {
            Change::Create => {
                let (planned, config) = (self.planned.decode(diags)?, self.config.decode(diags)?);
                resource.create(diags, planned, config, private, meta).await?
            }
            Change::Update => {
                let (prior, planned) = (self.prior.decode(diags)?, self.planned.decode(diags)?);
                let config = self.config.decode(diags)?;
                resource.update(diags, prior, planned, config, private, meta).await?
            }
            Change::Destroy => {
                let prior = self.prior.decode(diags)?;
                resource.destroy(diags, prior, private, meta).await?;
                return diags.errors.is_empty().then(|| (null(), Bytes::new()));
            }
        };
        Some((encode(diags, &state)?, encode_private(diags, &private)?))
    }
}
