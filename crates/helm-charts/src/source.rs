//! Where charts come from: a chart repository, an OCI registry, a directory or a `.tgz`.
//!
//! [`Source::parse`] reads what a user writes, without I/O. [`Charts::get`] fetches: it retries what can pass, verifies
//! every digest that it is told, and keeps archives in a cache on disk, by digest. Never renders, and never writes a
//! credential anywhere.

mod cache;
mod client;
mod environment;
mod error;
mod oci;
mod proxy;
mod repository;
mod retry;
mod schemas;
mod version;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::archive::Archive;
use cache::Cache;
use client::Client;
pub use environment::{Environment, Patience};
pub use error::SourceError;
use error::shown;
use oci::Reference;
pub use version::Wanted;

/// A place that holds charts, or one chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A chart repository: a URL with an `index.yaml` below it.
    Repository(Url),
    /// A URL of an archive.
    Archive(Url),
    /// A chart in an OCI registry, or what its charts have in common.
    Registry(Reference),
    /// A directory, or an archive.
    Path(PathBuf),
}

impl Source {
    /// Reads a source: `https://` or `http://` for a repository or, when it ends in `.tgz`, an archive; `oci://` for a
    /// registry; `file://` or anything without a scheme for a path.
    ///
    /// # Errors
    ///
    /// [`SourceError::Malformed`]
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let malformed = |reason: &str| SourceError::Malformed { source_text: hidden(text), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(malformed("it is empty"));
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(Self::Path(text.into())) };
        if scheme.eq_ignore_ascii_case("oci") {
            return Reference::parse(rest).map(Self::Registry).map_err(|reason| malformed(&reason));
        }
        let url = Url::parse(text).map_err(|error| malformed(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed("credentials do not belong into a URL; there are settings for them"));
        }
        match url.scheme() {
            "https" | "http" if url.path().ends_with(".tgz") => Ok(Self::Archive(url)),
            "https" | "http" => Ok(Self::Repository(url)),
            "file" => url.to_file_path().map(Self::Path).map_err(|()| malformed("it is no path on this machine")),
            _ => Err(malformed("expected https://, http://, oci://, file:// or a path")),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(url) | Self::Archive(url) => f.write_str(&shown(url)),
            Self::Registry(reference) => reference.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// User name and password for a source. They are sent to its own scheme, host and port only.
#[derive(Clone)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password, or a token.
    pub password: SecretString,
}

impl Credentials {
    fn basic(&self) -> Option<HeaderValue> {
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.password.expose_secret()));
        let mut value = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.username == other.username && self.password.expose_secret() == other.password.expose_secret()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Which chart is wanted.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Where it is.
    pub source: &'a Source,
    /// The chart's name: its entry in a repository. In a registry it is added to a reference that does not end in it;
    /// `None` when the reference itself is the chart. Paths and URLs of archives need none.
    pub name: Option<&'a str>,
    /// Which version. Not looked at for paths and URLs of archives, which hold one.
    pub version: &'a Wanted,
    /// `sha256:` digest that the archive must have.
    pub digest: Option<&'a str>,
    /// For the source, if it asks for any.
    pub credentials: Option<&'a Credentials>,
}

/// A chart that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The chart.
    pub archive: Archive,
    /// Set when the source could not be reached and the archive is the one that it gave before: why.
    pub unreachable: Option<SourceError>,
}

/// Gets charts. One for a process: equal requests at the same time become one download.
pub struct Charts {
    environment: Environment,
    client: OnceCell<Client>,
    cache: Cache,
    /// By what identifies the chart.
    downloads: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Download>>>>,
    /// Schemas by their URLs. They are fetched one after the other.
    schemas: tokio::sync::Mutex<HashMap<String, Arc<[u8]>>>,
    no_schemas: AtomicBool,
}

/// What is known about a chart in this process.
#[derive(Default)]
struct Download {
    found: Option<Found>,
    /// When the last try failed, with which credentials and how: those who waited for it need not try again.
    failed: Option<(Instant, Option<Credentials>, SourceError)>,
}

impl Charts {
    /// Charts as seen from `environment`. Nothing is read before the first chart is wanted.
    pub fn new(environment: Environment) -> Self {
        let cache = Cache::at(environment.cache.clone());
        Self {
            environment,
            client: OnceCell::new(),
            cache,
            downloads: Mutex::default(),
            schemas: tokio::sync::Mutex::default(),
            no_schemas: AtomicBool::new(false),
        }
    }

    /// Gets a chart.
    ///
    /// The source decides as long as it can be reached; the cache spares the download of an archive whose digest is
    /// known, and stands in while the source is unreachable. With `digest` set, a chart in the cache needs no network.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with source, chart or network; [`SourceError::Stopped`] when `stop` is cancelled.
    pub async fn get(&self, request: &Request<'_>, stop: &CancellationToken) -> Result<Found, SourceError> {
        let get = async {
            match request.source {
                Source::Path(path) => {
                    let archive = Archive::open(path).map_err(|error| SourceError::unusable(request.source, error))?;
                    insist(request, archive.digest())?;
                    Ok(Found { archive, unreachable: None })
                }
                _ => self.get_once(request).await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(SourceError::Stopped { source_text: request.source.to_string() }),
            found = get => found,
        }
    }

    /// Equal requests take turns, and the later ones take what the first one got.
    async fn get_once(&self, request: &Request<'_>) -> Result<Found, SourceError> {
        let asked = Instant::now();
        let key = key(request);
        let download = {
            let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(downloads.entry(key.clone()).or_default())
        };
        let mut download = download.lock().await;
        if let Some(found) = &download.found {
            return Ok(found.clone());
        }
        if let Some((when, credentials, error)) = &download.failed
            && *when > asked
            && same(credentials.as_ref(), request.credentials)
        {
            return Err(error.clone());
        }
        let result = self.get_remote(request, &key).await;
        match &result {
            Ok(found) => download.found = Some(found.clone()),
            Err(error) => {
                download.failed = Some((Instant::now(), request.credentials.cloned(), error.clone()));
            }
        }
        result
    }

    async fn get_remote(&self, request: &Request<'_>, key: &str) -> Result<Found, SourceError> {
        if let Some(archive) = request.digest.and_then(|digest| self.cache.archive(digest)) {
            return Ok(Found { archive, unreachable: None });
        }
        let error = match self.fetch(request).await {
            Ok(archive) => {
                insist(request, archive.digest())?;
                self.cache.keep(key, &archive);
                return Ok(Found { archive, unreachable: None });
            }
            Err(error) => error,
        };
        // Not with a digest: its archive was not in the cache.
        let kept = match error.may_pass() && request.digest.is_none() {
            true => self.cache.last(key),
            false => None,
        };
        match kept {
            Some(archive) => {
                tracing::warn!(source = %request.source, %error, "the source is unreachable; taking the chart from the cache");
                Ok(Found { archive, unreachable: Some(error) })
            }
            None => Err(error),
        }
    }

    async fn client(&self) -> Result<&Client, SourceError> {
        self.client.get_or_try_init(|| async { Client::new(&self.environment) }).await
    }

    async fn fetch(&self, request: &Request<'_>) -> Result<Archive, SourceError> {
        let client = self.client().await?;
        match request.source {
            Source::Repository(url) => repository::fetch(client, &self.cache, url, request).await,
            Source::Archive(url) => repository::fetch_archive(client, url, request.credentials).await,
            Source::Registry(reference) => oci::fetch(client, &self.cache, reference, request).await,
            Source::Path(path) => Archive::open(path).map_err(|error| SourceError::unusable(request.source, error)),
        }
    }
}

impl fmt::Debug for Charts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charts").finish_non_exhaustive()
    }
}

/// Whether the archive is the one that the request insists on.
fn insist(request: &Request<'_>, actual: &str) -> Result<(), SourceError> {
    match request.digest {
        Some(expected) if expected != actual => Err(SourceError::OtherDigest {
            source_text: request.source.to_string(),
            expected: expected.to_owned(),
            actual: actual.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// What makes two requests the same. Not the credentials: they decide whether a chart may be had, not which one.
fn key(request: &Request<'_>) -> String {
    let source = match request.source {
        Source::Repository(url) | Source::Archive(url) => url.to_string(),
        Source::Registry(reference) => reference.to_string(),
        Source::Path(path) => Path::to_string_lossy(path).into_owned(),
    };
    let parts = [&source, request.name.unwrap_or_default(), &request.version.to_string()];
    format!("{}\n{}", parts.join("\n"), request.digest.unwrap_or_default())
}

fn same(left: Option<&Credentials>, right: Option<&Credentials>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left.is_same(right),
        (left, right) => left.is_none() && right.is_none(),
    }
}

/// A source as it may be printed before it could be read: without what stands before an `@` in its authority.
fn hidden(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{}{path}", authority.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let read = Source::parse(text);
        let kind = |source: &Source| match source {
            Source::Repository(_) => "repository",
            Source::Archive(_) => "archive",
            Source::Registry(_) => "registry",
            Source::Path(_) => "path",
        };
        match (read, expected) {
            (Ok(source), Ok(expected)) => assert_eq!(format!("{} {source}", kind(&source)), expected),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (read, expected) => panic!("{text}: {read:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn sources_read_as_users_write_them() {
        check("https://charts.example.com", Ok("repository https://charts.example.com/"));
        check("HTTP://localhost:8080/charts/", Ok("repository http://localhost:8080/charts/"));
        check("https://example.com/a/widget-0.34.7.tgz", Ok("archive https://example.com/a/widget-0.34.7.tgz"));
        check("oci://example.com/charts", Ok("registry oci://example.com/charts"));
        check("widget-0.34.7.tgz", Ok("path widget-0.34.7.tgz"));
        check("../charts/widget", Ok("path ../charts/widget"));
        check("file:///srv/charts/widget", Ok("path /srv/charts/widget"));
        check("s3://bucket/charts", Err("expected https://, http://, oci://, file:// or a path"));
        check("https://", Err("empty host"));
        check("file://server/charts", Err("no path on this machine"));
        check("", Err("empty"));
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_repeated() {
        for text in ["https://me:secret@example.com/charts", "oci://me:secret@example.com/charts"] {
            let error = Source::parse(text).unwrap_err().to_string();
            assert!(error.contains("credentials do not belong into a URL") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_do_not_print() {
        let credentials = Credentials { username: "me".into(), password: "secret".into() };
        assert!(!format!("{credentials:?} {:?}", credentials.basic()).contains("secret"));
        assert!(!format!("{:?}", credentials.basic()).contains("bWU6c2VjcmV0"));
    }
}
