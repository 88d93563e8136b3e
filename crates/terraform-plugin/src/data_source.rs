//! The calls about data sources.

use async_trait::async_trait;

use super::answer::deferral;
use super::codec::{Encoded, encode, unknown};
use super::diagnostics::{diagnostics, expect_result};
use super::wire::tf6::{read_data_source, validate_data_resource_config};
use crate::vocabulary::schema::Schema;
use crate::vocabulary::{DataSource, Diagnostics};

/// A data source, whatever the type of its state.
#[async_trait]
pub trait ServedDataSource: Send + Sync {
    fn schema(&self, diags: &mut Diagnostics) -> Option<Schema>;
    async fn validate(
        &self,
        request: validate_data_resource_config::Request,
    ) -> validate_data_resource_config::Response;
    async fn read(&self, request: read_data_source::Request) -> read_data_source::Response;
}

#[async_trait]
impl<D: DataSource> ServedDataSource for D {
    fn schema(&self, diags: &mut Diagnostics) -> Option<Schema> {
        DataSource::schema(self, diags)
    }

    async fn validate(
        &self,
        request: validate_data_resource_config::Request,
    ) -> validate_data_resource_config::Response {
        let mut diags = Diagnostics::default();
        let config = Encoded::from(request.config);
        if let Some(config) = config.decode(&mut diags)
            && DataSource::validate(self, &mut diags, config).await.is_none()
        {
            expect_result(&mut diags);
        }
        validate_data_resource_config::Response { diagnostics: diagnostics(diags) }
    }

    async fn read(&self, request: read_data_source::Request) -> read_data_source::Response {
        let mut diags = Diagnostics::default();
        let (config, meta) = (Encoded::from(request.config), Encoded::from(request.provider_meta));
        let state = async {
            let config = config.decode(&mut diags)?;
            let meta = meta.decode_optional(&mut diags)?;
            let state = DataSource::read(self, &mut diags, config, meta).await?;
            encode(&mut diags, &state)
        }
        .await;
        let deferred = deferral();
        let state = match (state, &deferred) {
            (Some(state), _) => Some(state),
            (None, Some(_)) => Some(unknown()),
            (None, None) => {
                expect_result(&mut diags);
                None
            }
        };
        read_data_source::Response { state, deferred, diagnostics: diagnostics(diags) }
    }
}
