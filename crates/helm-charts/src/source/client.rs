//! One GET over HTTP: certificates, proxies, redirects, limits and retries. Knows neither repositories nor registries.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::{Url, redirect};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::error::shown;
use super::proxy::Proxies;
use super::{Environment, Patience, SourceError, retry};

/// Go's limit.
const MAX_REDIRECTS: usize = 10;

/// A client for all sources of a process; its connections are shared.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    proxies: Proxies,
    patience: Patience,
}

/// What to get.
#[derive(Debug, Clone)]
pub(super) struct Get<'a> {
    pub url: &'a Url,
    pub accept: Option<&'static str>,
    /// `Authorization`, and the URL whose scheme, host and port alone get to see it.
    pub authorization: Option<(&'a Url, HeaderValue)>,
    /// The largest body that is read, in bytes.
    pub limit: usize,
}

/// An answer that will not change by asking again, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the one who was answered has said who is asking.
    pub with_credentials: bool,
}

/// Why an attempt failed, and when the server wants to be asked again.
struct Failed {
    error: SourceError,
    retry_after: Option<Duration>,
}

impl From<SourceError> for Failed {
    fn from(error: SourceError) -> Self {
        Self { error, retry_after: None }
    }
}

impl Client {
    pub(super) fn new(environment: &Environment) -> Result<Self, SourceError> {
        let proxies = Proxies::of(environment)?;
        let for_url = proxies.clone();
        let http = reqwest::Client::builder()
            .user_agent(environment.user_agent.as_str())
            .tls_backend_preconfigured(tls(environment)?)
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| for_url.for_url(url).cloned()))
            // Credentials and limits are decided at each step.
            .redirect(redirect::Policy::none())
            .connect_timeout(environment.patience.connect)
            .read_timeout(environment.patience.silence)
            .build()
            .map_err(|error| SourceError::Certificates { path: "the system".to_owned(), reason: chain(&error) })?;
        Ok(Self { http, proxies, patience: environment.patience.clone() })
    }

    /// Asks until there is an answer that will stay, or patience ends.
    pub(super) async fn get(&self, get: &Get<'_>) -> Result<Answer, SourceError> {
        let mut attempt = 1;
        let retried = async {
            loop {
                let failed = match self.follow(get).await {
                    Ok(answer) => return Ok(answer),
                    Err(failed) => failed,
                };
                attempt += 1;
                let pause = retry::pause(self.patience.first_pause, attempt, failed.retry_after, rand::random());
                match pause.filter(|_| failed.error.may_pass() && attempt <= self.patience.attempts) {
                    Some(pause) => {
                        tracing::debug!(error = %failed.error, ?pause, "asking again");
                        tokio::time::sleep(pause).await;
                    }
                    None => return Err(failed.error),
                }
            }
        };
        match tokio::time::timeout(self.patience.total, retried).await {
            Ok(result) => result,
            Err(_) => {
                Err(self.unreachable(get.url, format!("there was no whole answer within {:?}", self.patience.total)))
            }
        }
    }

    /// Follows redirects. Every step decides anew whether it may carry the credentials.
    async fn follow(&self, get: &Get<'_>) -> Result<Answer, Failed> {
        let mut url = get.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask(get, &url).await?;
            let Some(target) = redirect_target(&answer, &url) else { return Ok(answer) };
            if url.scheme() == "https" && target.scheme() != "https" {
                let reason = "it leads from https to a connection that is not encrypted";
                return Err(SourceError::Redirect { url: shown(&url), target: shown(&target), reason }.into());
            }
            url = target;
        }
        let reason = "there were ten redirects before it";
        Err(SourceError::Redirect { url: shown(get.url), target: shown(&url), reason }.into())
    }

    async fn ask(&self, get: &Get<'_>, url: &Url) -> Result<Answer, Failed> {
        let mut request = self.http.get(url.clone());
        if let Some(accept) = get.accept {
            request = request.header(ACCEPT, accept);
        }
        let authorization = get.authorization.as_ref().filter(|(owner, _)| owner.origin() == url.origin());
        if let Some((_, value)) = authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let mut response = request.send().await.map_err(|error| self.failure(url, &error))?;
        let status = response.status();
        let headers = response.headers().clone();
        if retry::may_pass(status) {
            let error = SourceError::Status { url: shown(url), status: status.to_string(), may_pass: true };
            return Err(Failed { error, retry_after: retry::retry_after(&headers) });
        }
        let too_large = || SourceError::TooLarge { url: shown(url), limit: get.limit };
        if response.content_length().is_some_and(|length| length > get.limit as u64) {
            return Err(too_large().into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(url, &error))? {
            if body.len() + chunk.len() > get.limit {
                return Err(too_large().into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body, with_credentials: authorization.is_some() })
    }

    fn failure(&self, url: &Url, error: &reqwest::Error) -> SourceError {
        if let Some(error) = tls_error(error) {
            let invalid = |kind: &CertificateError| matches!(kind, CertificateError::UnknownIssuer);
            return SourceError::Tls {
                url: shown(url),
                proxy: self.proxies.for_url(url).map(shown),
                reason: error.to_string(),
                unknown_authority: matches!(error, rustls::Error::InvalidCertificate(kind) if invalid(kind)),
                no_tls: matches!(error, rustls::Error::InvalidMessage(_)),
            };
        }
        let reason = match (error.is_timeout(), error.is_connect()) {
            (true, true) => format!("no connection within {:?}", self.patience.connect),
            (true, false) => format!("the server was silent for {:?}", self.patience.silence),
            _ => chain(error),
        };
        self.unreachable(url, reason)
    }

    fn unreachable(&self, url: &Url, reason: String) -> SourceError {
        SourceError::Unreachable { url: shown(url), proxy: self.proxies.for_url(url).map(shown), reason }
    }
}

impl Answer {
    /// The body of a success, else the error that the status means.
    pub(super) fn success(self, url: &Url) -> Result<Self, SourceError> {
        let (url, status) = (shown(url), self.status.to_string());
        match self.status.as_u16() {
            200..300 => Ok(self),
            401 | 403 => Err(SourceError::Denied { url, status, with_credentials: self.with_credentials }),
            404 => Err(SourceError::Missing { url, status }),
            407 => Err(SourceError::Unreachable {
                url,
                proxy: None,
                reason: format!("the proxy wants credentials ({status})"),
            }),
            _ => Err(SourceError::Status { url, status, may_pass: false }),
        }
    }
}

fn redirect_target(answer: &Answer, url: &Url) -> Option<Url> {
    let is_redirect = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = answer.headers.get(LOCATION).filter(|_| is_redirect)?;
    url.join(location.to_str().ok()?).ok()
}

/// What trusts the servers: the file of `--ca-file`, else `SSL_CERT_FILE` and `SSL_CERT_DIR`, else the system's roots.
fn tls(environment: &Environment) -> Result<ClientConfig, SourceError> {
    let mut roots = RootCertStore::empty();
    let certificates = match &environment.ca_file {
        Some(file) => certificates(file)?,
        None => system_certificates(environment)?,
    };
    roots.add_parsable_certificates(certificates);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions
        .map_err(|error| SourceError::Certificates { path: "the system".to_owned(), reason: error.to_string() })?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let failed = |reason: String| SourceError::Certificates { path: file.display().to_string(), reason };
    let read = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?;
    if read.is_empty() { Err(failed("it holds no certificate in PEM".to_owned())) } else { Ok(read) }
}

fn system_certificates(environment: &Environment) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let (file, directories) = (environment.variable("SSL_CERT_FILE"), environment.variable("SSL_CERT_DIR"));
    if file.is_none() && directories.is_none() {
        // A broken certificate among the system's is not the user's doing; what needs it fails with its own error.
        return Ok(rustls_native_certs::load_native_certs().certs);
    }
    let mut found = file.map(Path::new).map(certificates).transpose()?.unwrap_or_default();
    for directory in directories.into_iter().flat_map(std::env::split_paths) {
        found.extend(rustls_native_certs::load_certs_from_paths(None, Some(&directory)).certs);
    }
    Ok(found)
}

/// The TLS error behind an error. An `io::Error` hides what it wraps from `source`.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => tls_error(wrapped),
        None => tls_error(error.source()?),
    }
}

/// An error with its causes, but for reqwest's own sentence, which repeats the URL with its query.
fn chain(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next: Option<&dyn StdError> = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.ends_with(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    if texts.is_empty() { "the request failed".to_owned() } else { texts.join(": ") }
}
