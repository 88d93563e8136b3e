//! How to reach a host cluster: what a user can say about a connection, and turning it into something to connect with.
//!
//! A [`Connection`] holds plain known values; [`Endpoint::resolve`] reads the files that it names, lets explicit values
//! override the kubeconfig's, and checks everything that can be checked without the network. Contacting the host, and
//! running a credential plugin, is left to the first request ([`session`]). Knows nothing of Terraform.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;

mod address;
mod credential;
mod endpoint;
mod exceptions;
mod exclusive;
mod exec;
mod kubeconfig;
mod line;
mod node;
mod pem;
mod problem;
pub(super) mod session;
mod transport;
mod trust;
pub mod variables;

pub use address::{check_host, check_proxy_url};
pub use endpoint::Endpoint;
pub use exclusive::{Given, conflicts};
pub use pem::{certificates, check_private_key};
pub use problem::{ConnectError, Setting};
pub(super) use trust::Distrust;

/// What a user says about one host cluster. What is `None` or empty comes from the kubeconfig.
///
/// With `host` and without `config_paths` no kubeconfig is read; with neither, it is the one that kubectl would use.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// URL of the API server, or `host[:port]` for https.
    pub host: Option<String>,
    /// Bearer token.
    pub token: Option<Secret>,
    /// User name for HTTP basic authentication, as some proxies before an API server want it.
    pub username: Option<String>,
    /// Password for HTTP basic authentication.
    pub password: Option<Secret>,
    /// Client certificate, with its chain, in PEM.
    pub client_certificate: Option<String>,
    /// Private key of `client_certificate` in PEM.
    pub client_key: Option<Secret>,
    /// Certificates in PEM that the API server's certificate is verified against.
    pub cluster_ca_certificate: Option<String>,
    /// Accept any certificate of the API server.
    pub insecure: Option<bool>,
    /// The name to expect in the API server's certificate, instead of the host's.
    pub tls_server_name: Option<String>,
    /// `http://`, `https://` or `socks5://` URL of a proxy; may carry credentials.
    pub proxy_url: Option<Secret>,
    /// Kubeconfig files, merged as kubectl merges `KUBECONFIG`: the first to set a value wins.
    pub config_paths: Vec<String>,
    /// Context of the kubeconfig, instead of its current one.
    pub config_context: Option<String>,
    /// Cluster of the kubeconfig, instead of the context's.
    pub config_context_cluster: Option<String>,
    /// User of the kubeconfig, instead of the context's.
    pub config_context_auth_info: Option<String>,
    /// A credential plugin.
    pub exec: Option<Exec>,
}

/// A client-go credential plugin: a command that prints a credential.
#[derive(Clone, Default)]
pub struct Exec {
    /// `client.authentication.k8s.io/v1` or `…/v1beta1`.
    pub api_version: String,
    /// The command: a path, or a name on `PATH`.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables in addition to this process's own.
    pub env: BTreeMap<String, Secret>,
}

/// Arguments and environment may hold secrets, so only the command shows.
impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec").field("command", &self.command).finish_non_exhaustive()
    }
}

pub use secrecy::SecretString as Secret;

/// What of this machine a connection depends on, so that tests can bring their own.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Environment variables.
    pub variables: HashMap<String, String>,
    /// The user's home directory, for `~` and `~/.kube/config`.
    pub home: Option<PathBuf>,
    /// Where a pod finds its service account's `token` and `ca.crt`.
    pub service_account: PathBuf,
}

impl Environment {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os();
        Self {
            variables: variables.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect(),
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            service_account: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
        }
    }

    /// A variable's value, if it is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A path as the user wrote it, with a leading `~` for the home directory.
    pub fn expand(&self, path: &str) -> PathBuf {
        match (&self.home, path.strip_prefix('~')) {
            (Some(home), Some("")) => home.clone(),
            (Some(home), Some(rest)) if rest.starts_with(std::path::is_separator) => {
                home.join(rest.trim_start_matches(std::path::is_separator))
            }
            _ => path.into(),
        }
    }
}
