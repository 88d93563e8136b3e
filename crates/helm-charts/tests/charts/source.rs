//! Charts over the network: real repositories made by `helm package` and `helm repo index`, a real OCI registry filled by
//! `helm push`, proxies and TLS, all on loopback, and what happens when they fail.

mod cache;
mod network;
mod oci;
mod repository;
mod schemas;

use std::path::Path;
use std::time::Duration;

use helm_charts::source::{Charts, Credentials, Environment, Found, Patience, Request, Source, SourceError, Wanted};
use helm_charts_testing::server::{PASSWORD, USER};
use tokio_util::sync::CancellationToken;

/// A user's machine: environment, cache, credentials.
struct Machine {
    environment: Environment,
    credentials: Option<Credentials>,
    digest: Option<String>,
    charts: Option<Charts>,
}

impl Machine {
    fn new() -> Self {
        // Longer than a busy machine keeps anybody waiting. What waits for silence sets its own.
        let patience = Patience {
            connect: Duration::from_secs(60),
            silence: Duration::from_secs(60),
            first_pause: Duration::from_millis(5),
            ..Patience::default()
        };
        let environment = Environment { patience, ..Environment::default() };
        Self { environment, credentials: None, digest: None, charts: None }
    }

    fn with_cache(mut self, directory: &Path) -> Self {
        self.environment.cache = Some(directory.to_owned());
        self
    }

    fn with_password(mut self, password: &str) -> Self {
        self.credentials = Some(Credentials { username: USER.to_owned(), password: password.into() });
        self
    }

    fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn with_digest(mut self, digest: &str) -> Self {
        self.digest = Some(digest.to_owned());
        self
    }

    fn with_silence(mut self, silence: Duration) -> Self {
        self.environment.patience.silence = silence;
        self
    }

    /// The same machine for many requests of one process.
    fn started(mut self) -> Self {
        self.charts = Some(Charts::new(self.environment.clone()));
        self
    }

    /// Gets an exact version of the chart `widget`.
    async fn get(&self, source: &str, version: &str) -> Result<Found, SourceError> {
        self.get_any(source, Some("widget"), Wanted::Exact(version.to_owned())).await
    }

    async fn get_any(&self, source: &str, name: Option<&str>, version: Wanted) -> Result<Found, SourceError> {
        let request = Request {
            source: &Source::parse(source)?,
            name,
            version: &version,
            digest: self.digest.as_deref(),
            credentials: self.credentials.as_ref(),
        };
        let stop = CancellationToken::new();
        match &self.charts {
            Some(charts) => charts.get(&request, &stop).await,
            // A process of its own.
            None => Charts::new(self.environment.clone()).get(&request, &stop).await,
        }
    }

    /// The version of the chart that came.
    async fn version(&self, source: &str, version: &str) -> String {
        self.get(source, version).await.map_or_else(|error| error.to_string(), |found| version_of(&found))
    }

    async fn error(&self, source: &str, version: &str) -> SourceError {
        self.get(source, version).await.expect_err("there is no error")
    }
}

fn version_of(found: &Found) -> String {
    helm_charts::Chart::parse(&found.archive).unwrap().metadata().version.clone()
}
