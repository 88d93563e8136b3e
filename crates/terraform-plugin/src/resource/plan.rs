//! `PlanResourceChange`: what applying would make of an object. Asked for creations, updates and deletions.

use bytes::Bytes;

use super::super::answer::deferral;
use super::super::codec::{Encoded, encode, encode_private, null};
use super::super::diagnostics::{attribute_path, diagnostics, expect_result};
use super::super::wire::tf6::plan_resource_change::{Request, Response};
use super::super::wire::tf6::{AttributePath, DynamicValue};
use super::Change;
use crate::vocabulary::{Diagnostics, Replacement};

/// A plan that fails or is deferred without a result leaves Terraform's own proposal as it is.
pub async fn plan<R: Replacement>(resource: &R, request: Request) -> Response {
    let mut response = Response {
        planned_state: request.proposed_new_state.clone(),
        planned_private: request.prior_private.clone(),
        ..Response::default()
    };
    let mut diags = Diagnostics::default();
    let states = States {
        prior: request.prior_state.into(),
        proposed: request.proposed_new_state.into(),
        config: request.config.into(),
        prior_private: Encoded::opaque(request.prior_private),
        meta: request.provider_meta.into(),
    };
    let planned = states.plan(resource, &mut diags).await;
    response.deferred = deferral();
    match planned {
        Some(planned) => {
            response.planned_state = Some(planned.state);
            response.planned_private = planned.private;
            response.requires_replace = planned.requires_replace;
        }
        None if response.deferred.is_none() => expect_result(&mut diags),
        None => {}
    }
    response.diagnostics = diagnostics(diags);
    response
}

struct States {
    prior: Encoded,
    proposed: Encoded,
    config: Encoded,
    prior_private: Encoded,
    meta: Encoded,
}

struct Planned {
    state: DynamicValue,
    private: Bytes,
    requires_replace: Vec<AttributePath>,
}

impl States {
    async fn plan<R: Replacement>(&self, resource: &R, diags: &mut Diagnostics) -> Option<Planned> {
        let meta = self.meta.decode_optional(diags)?;
        match Change::of(self.prior.is_null(), self.proposed.is_null()) {
            Change::Create => {
                let (proposed, config) = (self.proposed.decode(diags)?, self.config.decode(diags)?);
                let (state, private) = if self.prior_private.is_null() {
                    resource.plan_create(diags, proposed, config, meta).await?
                } else {
                    let replaced = self.prior_private.decode_optional(diags)?;
                    resource.plan_replacement(diags, proposed, config, replaced, meta).await?
                };
                Some(Planned {
                    state: encode(diags, &state)?,
                    private: encode_private(diags, &private)?,
                    requires_replace: Vec::new(),
                })
            }
            Change::Update => {
                let (prior, proposed) = (self.prior.decode(diags)?, self.proposed.decode(diags)?);
                let (config, private) = (self.config.decode(diags)?, self.prior_private.decode_optional(diags)?);
                let (state, private, replace) =
                    resource.plan_update(diags, prior, proposed, config, private, meta).await?;
                Some(Planned {
                    state: encode(diags, &state)?,
                    private: encode_private(diags, &private)?,
                    requires_replace: replace.into_iter().map(attribute_path).collect(),
                })
            }
            Change::Destroy => {
                let (prior, private) = (self.prior.decode(diags)?, self.prior_private.decode_optional(diags)?);
                let private = resource.plan_destroy(diags, prior, private, meta).await?;
                Some(Planned { state: null(), private: encode_private(diags, &private)?, requires_replace: Vec::new() })
            }
        }
    }
}
