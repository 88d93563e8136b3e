//! What can go wrong on the way to a chart, each with the object it is about. No text here holds a credential, nor the
//! query of a URL, which may be one.

use reqwest::Url;

use super::super::error::ChartError;
use super::Source;

/// Why a chart could not be had from its source.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "every variant says what it means, and its message what the fields are")]
pub enum SourceError {
    /// The text names no source.
    #[error("{source_text:?} is no source of charts: {reason}")]
    Malformed { source_text: String, reason: String },
    /// What the source gave is no chart, or cannot be read.
    #[error("what {source_text:?} gave cannot be used: {reason}")]
    Unusable { source_text: String, reason: String },
    /// No answer: the name is unknown, nobody listens, a proxy refuses, the connection breaks, time runs out.
    #[error("cannot get {url}{via}: {reason}", via = via(proxy.as_deref()))]
    Unreachable { url: String, proxy: Option<String>, reason: String },
    /// The server's certificate is not trusted, or it does not speak TLS.
    #[error("cannot get {url}{via}: {reason}", via = via(proxy.as_deref()))]
    Tls { url: String, proxy: Option<String>, reason: String, unknown_authority: bool, no_tls: bool },
    /// 401 or 403.
    #[error("{url} refuses access: {status}")]
    Denied { url: String, status: String, with_credentials: bool },
    /// 404
    #[error("{url} does not exist: {status}")]
    Missing { url: String, status: String },
    /// Any other status that is no success.
    #[error("{url} answers {status}")]
    Status { url: String, status: String, may_pass: bool },
    /// A redirect that is not followed.
    #[error("{url} redirects to {target}, which is not followed: {reason}")]
    Redirect { url: String, target: String, reason: &'static str },
    /// More bytes than are read.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge { url: String, limit: usize },
    /// The index of a repository cannot be read.
    #[error("{url} is no index of a chart repository: {reason}")]
    Index { url: String, reason: String },
    /// The registry answers something that is no Helm chart, or breaks its protocol.
    #[error("{url} is no Helm chart: {reason}")]
    Registry { url: String, reason: String },
    /// The source has no chart of that name.
    #[error("{source_text} has no chart {name:?}{others}", others = list("; it has ", others))]
    NoChart { source_text: String, name: String, others: Vec<String> },
    /// The chart has no such version.
    #[error("{source_text} has no version {wanted} of chart {name:?}{nearest}", nearest = list("; the nearest are ", nearest))]
    NoVersion { source_text: String, name: String, wanted: String, nearest: Vec<String> },
    /// The text is neither a version nor a constraint.
    #[error("{wanted:?} is neither a version nor a constraint on versions: {reason}")]
    BadVersion { wanted: String, reason: String },
    /// The bytes are not those that the index or the manifest names.
    #[error("{url} has digest {actual}; the {said_by} says {expected}")]
    Corrupt { url: String, said_by: &'static str, expected: String, actual: String },
    /// The chart is not the one that the request insists on.
    #[error("the chart from {source_text:?} has digest {actual}, not {expected}")]
    OtherDigest { source_text: String, expected: String, actual: String },
    /// Certificates that the user names cannot be read.
    #[error("cannot read the certificates in {path}: {reason}")]
    Certificates { path: String, reason: String },
    /// The environment's proxy is no URL.
    #[error("{variable} of the environment is no URL of a proxy: {reason}")]
    Proxy { variable: &'static str, reason: String },
    /// The caller did not want to wait any longer.
    #[error("getting the chart from {source_text:?} was stopped")]
    Stopped { source_text: String },
}

impl SourceError {
    /// A chart that was there and is not usable.
    pub(super) fn unusable(source: &Source, error: ChartError) -> Self {
        let reason = match error {
            ChartError::Read { path, source } => format!("cannot read {}: {source}", path.display()),
            error => error.to_string(),
        };
        Self::Unusable { source_text: source.to_string(), reason }
    }

    /// Whether the same request may succeed later, without anybody changing anything.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Status { may_pass: true, .. })
    }
}

/// A URL as it may be printed.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

fn via(proxy: Option<&str>) -> String {
    proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
}

fn list(lead: &str, items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!("{lead}{}", items.join(", ")) }
}
