//! Who a connection says it is: a fixed credential, or where to get one when it is needed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::Secret;
use super::exec::Plugin;
use super::problem::file_problem;
use crate::host::error::Reason;

/// A service account's token is rotated in its file; clients read it again every minute.
const TOKEN_FILE_LIFETIME: Duration = Duration::from_secs(60);

/// What goes into requests and TLS handshakes.
#[derive(Clone, Default)]
pub(super) struct Credential {
    /// The `Authorization` header, marked sensitive.
    pub authorization: Option<HeaderValue>,
    /// The client certificate.
    pub identity: Option<Identity>,
    /// When to get a new one; `None` for never.
    pub valid_until: Option<Instant>,
}

/// A client certificate with its chain and private key, in PEM.
#[derive(Clone)]
pub(super) struct Identity {
    pub certificate: String,
    pub key: Secret,
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.certificate == other.certificate && self.key.expose_secret() == other.key.expose_secret()
    }
}

/// Where a credential comes from.
pub(super) enum Source {
    Fixed(Credential),
    /// A file with a bearer token, and what counts besides and while it has none.
    TokenFile {
        path: PathBuf,
        otherwise: Credential,
    },
    Plugin(Plugin),
}

impl Source {
    /// Gets the credential; may read a file or run a plugin.
    pub async fn get(&self) -> Result<Credential, Reason> {
        match self {
            Self::Fixed(credential) => Ok(credential.clone()),
            Self::TokenFile { path, otherwise } => {
                let valid_until = Some(Instant::now() + TOKEN_FILE_LIFETIME);
                let read = token_in(path).await.and_then(|token| Credential::bearer(&token));
                let authorization = match (read, &otherwise.authorization) {
                    (Ok(read), _) => read.authorization,
                    (Err(_), Some(other)) => Some(other.clone()),
                    (Err(problem), None) => {
                        let problem = format!("cannot use the token file {}: {problem}", path.display());
                        return Err(Reason::Connection { problem });
                    }
                };
                Ok(Credential { authorization, identity: otherwise.identity.clone(), valid_until })
            }
            Self::Plugin(plugin) => plugin.run().await,
        }
    }

    /// Whether asking again can bring another credential than last time.
    pub fn is_renewable(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }
}

async fn token_in(path: &Path) -> Result<String, String> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| file_problem(&error))?;
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        token => Ok(token.to_owned()),
    }
}

impl Credential {
    pub fn bearer(token: &str) -> Result<Self, String> {
        Self::authorization(format!("Bearer {token}"), "the token has characters that no token has (a line break?)")
    }

    pub fn basic(username: &str, password: &str) -> Result<Self, String> {
        let encoded = BASE64_STANDARD.encode(format!("{username}:{password}"));
        Self::authorization(format!("Basic {encoded}"), "username or password cannot be sent")
    }

    pub fn certificate(identity: Identity) -> Self {
        Self { identity: Some(identity), ..Self::default() }
    }

    fn authorization(value: String, problem: &str) -> Result<Self, String> {
        let mut value = HeaderValue::try_from(value).map_err(|_| problem.to_owned())?;
        value.set_sensitive(true);
        Ok(Self { authorization: Some(value), ..Self::default() })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("valid_until", &self.valid_until).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn token_file_goes_before_the_token_as_long_as_it_has_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let source = |otherwise| Source::TokenFile { path: path.clone(), otherwise };
        let beside = source(Credential::bearer("fixed").unwrap());
        let alone = source(Credential::default());
        for (content, expected) in [(None, None), (Some("\n"), None), (Some(" fresh\n"), Some("Bearer fresh"))] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let authorization = beside.get().await.unwrap().authorization.unwrap();
            assert_eq!(authorization, expected.unwrap_or("Bearer fixed"));
            assert_eq!(alone.get().await.is_ok(), expected.is_some());
        }
    }
}
