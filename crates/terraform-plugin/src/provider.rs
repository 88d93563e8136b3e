//! The calls about the provider block.

use async_trait::async_trait;

use super::codec::Encoded;
use super::diagnostics::{diagnostics, expect_result};
use super::wire::tf6::{configure_provider, validate_provider_config};
use crate::vocabulary::schema::Schema;
use crate::vocabulary::{Diagnostics, Provider};

/// A provider, whatever the types of its configuration.
#[async_trait]
pub trait ServedProvider: Send + Sync {
    fn schema(&self, diags: &mut Diagnostics) -> Option<Schema>;
    fn meta_schema(&self, diags: &mut Diagnostics) -> Option<Schema>;
    async fn validate(&self, request: validate_provider_config::Request) -> validate_provider_config::Response;
    async fn configure(&self, request: configure_provider::Request) -> configure_provider::Response;
}

#[async_trait]
impl<P: Provider> ServedProvider for P {
    fn schema(&self, diags: &mut Diagnostics) -> Option<Schema> {
        Provider::schema(self, diags)
    }

    fn meta_schema(&self, diags: &mut Diagnostics) -> Option<Schema> {
        Provider::meta_schema(self, diags)
    }

    async fn validate(&self, request: validate_provider_config::Request) -> validate_provider_config::Response {
        let mut diags = Diagnostics::default();
        let config = Encoded::from(request.config);
        if let Some(config) = config.decode(&mut diags)
            && Provider::validate(self, &mut diags, config).await.is_none()
        {
            expect_result(&mut diags);
        }
        validate_provider_config::Response { diagnostics: diagnostics(diags) }
    }

    async fn configure(&self, request: configure_provider::Request) -> configure_provider::Response {
        let mut diags = Diagnostics::default();
        let config = Encoded::from(request.config);
        if let Some(config) = config.decode(&mut diags)
            && Provider::configure(self, &mut diags, request.terraform_version, config).await.is_none()
        {
            expect_result(&mut diags);
        }
        configure_provider::Response { diagnostics: diagnostics(diags) }
    }
}
