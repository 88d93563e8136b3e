//! The calls about managed resources: one file per call, which decodes, asks the resource and encodes.

mod apply;
mod import;
mod plan;
mod read;
mod upgrade;
mod validate;

pub use apply::unchanged;
use async_trait::async_trait;

use super::wire::tf6::{
    apply_resource_change, import_resource_state, plan_resource_change, read_resource, upgrade_resource_state,
    validate_resource_config,
};
use crate::vocabulary::schema::Schema;
use crate::vocabulary::{Diagnostics, Replacement, Resource, StateUpgrade, WriteOnly};

/// A resource, whatever the types of its state.
#[async_trait]
pub trait ServedResource: Send + Sync {
    fn schema(&self, diags: &mut Diagnostics) -> Option<Schema>;
    fn write_only(&self) -> &'static [&'static [&'static str]];
    async fn upgrade(&self, request: upgrade_resource_state::Request) -> upgrade_resource_state::Response;
    async fn validate(&self, request: validate_resource_config::Request) -> validate_resource_config::Response;
    async fn read(&self, request: read_resource::Request) -> read_resource::Response;
    async fn plan(&self, request: plan_resource_change::Request) -> plan_resource_change::Response;
    async fn apply(&self, request: apply_resource_change::Request) -> apply_resource_change::Response;
    async fn import(&self, request: import_resource_state::Request) -> import_resource_state::Response;
}

#[async_trait]
impl<R: Replacement + StateUpgrade + WriteOnly> ServedResource for R {
    fn schema(&self, diags: &mut Diagnostics) -> Option<Schema> {
        Resource::schema(self, diags)
    }

    fn write_only(&self) -> &'static [&'static [&'static str]] {
        WriteOnly::write_only(self)
    }

    async fn upgrade(&self, request: upgrade_resource_state::Request) -> upgrade_resource_state::Response {
        upgrade::upgrade(self, request)
    }

    async fn validate(&self, request: validate_resource_config::Request) -> validate_resource_config::Response {
        validate::validate(self, request).await
    }

    async fn read(&self, request: read_resource::Request) -> read_resource::Response {
        read::read(self, request).await
    }

    async fn plan(&self, request: plan_resource_change::Request) -> plan_resource_change::Response {
        plan::plan(self, request).await
    }

    async fn apply(&self, request: apply_resource_change::Request) -> apply_resource_change::Response {
        apply::apply(self, request).await
    }

    async fn import(&self, request: import_resource_state::Request) -> import_resource_state::Response {
        import::import(self, request).await
    }
}

/// What Terraform wants of an object: told by which of its states are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Create,
    Update,
    Destroy,
}

impl Change {
    fn of(prior_is_null: bool, next_is_null: bool) -> Self {
        match (prior_is_null, next_is_null) {
            (true, _) => Self::Create,
            (false, false) => Self::Update,
            (false, true) => Self::Destroy,
        }
    }
}
