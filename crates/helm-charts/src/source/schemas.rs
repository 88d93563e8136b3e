//! What the schemas of a chart refer to on the network: fetched as charts are, without credentials, and kept in their cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reqwest::Url;
use tokio_util::sync::CancellationToken;

use super::client::Get;
use super::{Charts, SourceError};
use crate::Chart;

/// The largest schema that is read, in bytes: Helm's limit for a file of a chart.
const MAX_SCHEMA: usize = 5 << 20;

impl Charts {
    /// Whether [`add_remote_schemas`](Self::add_remote_schemas) fetches anything. At first it does.
    pub fn fetch_remote_schemas(&self, fetch: bool) {
        self.no_schemas.store(!fetch, Ordering::Relaxed);
    }

    /// Fetches what the chart's schemas refer to on the network, and adds it to the chart. What cannot be had is no error here:
    /// values cannot be checked then, and a render says why.
    ///
    /// As with charts, the network decides as long as it can be reached, and the cache stands in while it cannot. Where
    /// nothing is [to be fetched](Self::fetch_remote_schemas), they allow everything.
    ///
    /// # Errors
    ///
    /// [`SourceError::Stopped`] when `stop` is cancelled.
    pub async fn add_remote_schemas(&self, chart: &mut Chart, stop: &CancellationToken) -> Result<(), SourceError> {
        if self.no_schemas.load(Ordering::Relaxed) {
            chart.leave_out_remote_schemas();
        }
        loop {
            let missing = chart.missing_remote_schemas();
            if missing.is_empty() {
                return Ok(());
            }
            for url in missing {
                let fetched = tokio::select! {
                    biased;
                    () = stop.cancelled() => return Err(SourceError::Stopped { source_text: url }),
                    fetched = self.schema(&url) => fetched,
                };
                let text = fetched.as_ref().map(|text| &text[..]).map_err(ToString::to_string);
                chart.add_remote_schema(url, text);
            }
        }
    }

    async fn schema(&self, url: &str) -> Result<Arc<[u8]>, SourceError> {
        let mut schemas = self.schemas.lock().await;
        if let Some(known) = schemas.get(url) {
            return Ok(known.clone());
        }
        let text: Arc<[u8]> = match self.fetch_schema(url).await {
            Ok(text) => {
                self.cache.keep_schema(url, &text);
                text.into()
            }
            Err(error) => match self.cache.schema(url).filter(|_| error.may_pass()) {
                Some(kept) => {
                    tracing::warn!(%url, %error, "a schema is unreachable; taking it from the cache");
                    kept.into()
                }
                None => return Err(error),
            },
        };
        schemas.insert(url.to_owned(), text.clone());
        Ok(text)
    }

    async fn fetch_schema(&self, url: &str) -> Result<Vec<u8>, SourceError> {
        let parsed = Url::parse(url)
            .map_err(|error| SourceError::Malformed { source_text: url.to_owned(), reason: error.to_string() })?;
        let get = Get { url: &parsed, accept: None, authorization: None, limit: MAX_SCHEMA };
        Ok(self.client().await?.get(&get).await?.success(&parsed)?.body)
    }
}
