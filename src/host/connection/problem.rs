//! What can be wrong with a connection before anything is contacted. Each problem knows the setting that it is about.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// A setting of a connection, named as its attribute in the provider block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Setting {
    Host,
    Token,
    Username,
    Password,
    ClientCertificate,
    ClientKey,
    ClusterCaCertificate,
    Insecure,
    TlsServerName,
    ProxyUrl,
    ConfigPath,
    ConfigPaths,
    ConfigContext,
    ConfigContextCluster,
    ConfigContextAuthInfo,
    Exec,
}

impl Setting {
    /// Every setting.
    pub const ALL: [Self; 16] = [
        Self::Host,
        Self::Token,
        Self::Username,
        Self::Password,
        Self::ClientCertificate,
        Self::ClientKey,
        Self::ClusterCaCertificate,
        Self::Insecure,
        Self::TlsServerName,
        Self::ProxyUrl,
        Self::ConfigPath,
        Self::ConfigPaths,
        Self::ConfigContext,
        Self::ConfigContextCluster,
        Self::ConfigContextAuthInfo,
        Self::Exec,
    ];

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Token => "token",
            Self::Username => "username",
            Self::Password => "password",
            Self::ClientCertificate => "client_certificate",
            Self::ClientKey => "client_key",
            Self::ClusterCaCertificate => "cluster_ca_certificate",
            Self::Insecure => "insecure",
            Self::TlsServerName => "tls_server_name",
            Self::ProxyUrl => "proxy_url",
            Self::ConfigPath => "config_path",
            Self::ConfigPaths => "config_paths",
            Self::ConfigContext => "config_context",
            Self::ConfigContextCluster => "config_context_cluster",
            Self::ConfigContextAuthInfo => "config_context_auth_info",
            Self::Exec => "exec",
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A connection that cannot work, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Two settings that exclude each other.
    #[error("{0} and {1} exclude each other")]
    Exclusive(Setting, Setting),
    /// A setting that means nothing without another.
    #[error("{0} needs {1}")]
    Incomplete(Setting, Setting),
    /// A context was chosen, but there is no kubeconfig to choose it from.
    #[error("{0} has no effect: with host set and without config_path, no kubeconfig is read")]
    ChoiceWithoutKubeconfig(Setting),
    /// A context was chosen, but none of the places where kubectl looks has a kubeconfig.
    #[error("there is no kubeconfig to choose {setting} from; looked for {}", list(looked_at))]
    NoKubeconfig {
        /// What was chosen.
        setting: Setting,
        /// The places that were looked at.
        looked_at: Vec<String>,
    },
    /// A value that cannot be read as what it should be.
    #[error("{setting} is not valid: {problem}")]
    Invalid {
        /// Where the value was given.
        setting: Setting,
        /// What is wrong with it; never the value of a secret.
        problem: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {problem}", path.display())]
    Unreadable {
        /// Where the path was given.
        setting: Setting,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        problem: String,
    },
    /// A kubeconfig that is not one, or that refers to what cannot be used.
    #[error("kubeconfig {files}: {problem}")]
    Kubeconfig {
        /// Where the kubeconfig was given.
        setting: Setting,
        /// The files it was read from.
        files: String,
        /// What is wrong with it; never a line of it.
        problem: String,
    },
    /// A context, cluster or user that the kubeconfig does not have.
    #[error("kubeconfig {files} has no {what} {name:?}; it has {}", list(known))]
    Unknown {
        /// Where the name was given, or the kubeconfig that holds the name.
        setting: Setting,
        /// The files it was looked for in.
        files: String,
        /// "context", "cluster" or "user".
        what: &'static str,
        /// The name looked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// No context was chosen, and the kubeconfig has no current one.
    #[error(
        "kubeconfig {files} has no current context, and config_context does not choose one; it has {}",
        list(known)
    )]
    NoContext {
        /// The files it was looked for in.
        files: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// No connection is configured anywhere.
    #[error("no host cluster is configured; looked for {}", list(looked_at))]
    NothingFound {
        /// The places that were looked at, most important first.
        looked_at: Vec<String>,
    },
}

impl ConnectError {
    /// The setting to correct; `None` where nothing is set.
    pub fn setting(&self) -> Option<Setting> {
        self.settings().first().copied()
    }

    /// All settings that take part, the one to correct first.
    pub fn settings(&self) -> Vec<Setting> {
        match self {
            Self::Exclusive(one, other) | Self::Incomplete(one, other) => vec![*one, *other],
            Self::ChoiceWithoutKubeconfig(setting)
            | Self::NoKubeconfig { setting, .. }
            | Self::Invalid { setting, .. }
            | Self::Unreadable { setting, .. }
            | Self::Kubeconfig { setting, .. }
            | Self::Unknown { setting, .. } => vec![*setting],
            Self::NoContext { .. } => vec![Setting::ConfigContext, Setting::ConfigPaths],
            Self::NothingFound { .. } => vec![],
        }
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Exclusive(..) => "Set only one of them.",
            Self::Incomplete(..) => "Set both or neither.",
            Self::ChoiceWithoutKubeconfig(_) => "Set config_path too, or remove it.",
            Self::NoKubeconfig { .. } => "Set config_path to where the kubeconfig is.",
            Self::Invalid { .. } => "Correct the value.",
            Self::Unreadable { .. } => "Check the path, and that the user who runs Terraform may read it.",
            Self::Kubeconfig { .. } => "Check it with `kubectl --kubeconfig <file> config view`.",
            Self::Unknown { .. } => "Choose one that is there, or check which file is read.",
            Self::NoContext { .. } => "Set config_context, or run `kubectl config use-context`.",
            Self::NothingFound { .. } => {
                "Configure host_clusters in the provider block, or make a kubeconfig available."
            }
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Why a file cannot be read, in our own words.
pub(super) fn file_problem(error: &io::Error) -> String {
    let known = match error.kind() {
        ErrorKind::NotFound => "there is no such file",
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::IsADirectory => "it is a directory",
        ErrorKind::NotADirectory => "a part of its path is no directory",
        ErrorKind::InvalidData => "it is not a text in UTF-8",
        _ => return crate::host::error::of_system(error).unwrap_or_else(|| "it cannot be read".to_owned()),
    };
    known.to_owned()
}
