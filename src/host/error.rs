//! What can go wrong on a host cluster: one error type for everything under `host`.
//!
//! An [`Error`] says which operation on which object of which host failed, and why, as a closed list of [`Reason`]s that
//! callers can match on. It owns the classification of kube's errors and the "next step" of each reason; it never holds a
//! credential, and it knows nothing of Terraform.

use std::error::Error as StdError;
use std::fmt;

mod classify;
mod permission;
mod wording;

pub use permission::Permission;
pub(super) use wording::of_system;

/// A failed operation on a host cluster.
///
/// Displays as one sentence: `cannot apply Secret a/b on host cluster "eu-1": <reason>`.
#[derive(Debug, Clone)]
pub struct Error {
    host: String,
    operation: String,
    object: String,
    reason: Box<Reason>,
}

impl Error {
    /// `operation` is a verb phrase ("apply", "wait for"), `object` what it was done to ("Secret team-a/vc-team-a").
    pub fn new(host: &str, operation: impl Into<String>, object: impl fmt::Display, reason: Reason) -> Self {
        Self {
            host: host.to_owned(),
            operation: operation.into(),
            object: object.to_string(),
            reason: Box::new(reason),
        }
    }

    /// The name that the provider block gives the host cluster.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The verb phrase of what failed, such as "apply".
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What the operation was done to, such as "Secret team-a/vc-team-a".
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Why it failed.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> &'static str {
        self.reason.next_step()
    }

    /// The object (or its kind) does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(*self.reason, Reason::NotFound { .. })
    }

    /// Somebody else changed the object first, or owns a field of it.
    pub fn is_conflict(&self) -> bool {
        matches!(*self.reason, Reason::Conflict { .. })
    }

    /// A create met an object of the same name.
    pub fn is_already_exists(&self) -> bool {
        matches!(*self.reason, Reason::AlreadyExists { .. })
    }

    /// Worth asking again in a moment: the host was busy or out of reach, and nothing says that it stays so.
    pub fn is_transient(&self) -> bool {
        matches!(*self.reason, Reason::Busy { .. } | Reason::Unreachable { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, operation, object, reason } = self;
        write!(f, "cannot {operation} {object} on host cluster {host:?}: {reason}")
    }
}

impl StdError for Error {}

/// Why an operation on a host cluster failed. Texts that come from the API server are kept as it wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No connection to the API server, or it broke.
    #[error("{address} does not answer: {problem}")]
    Unreachable {
        /// The API server's URL.
        address: String,
        /// What kept the connection from being made.
        problem: Unreachable,
    },
    /// The API server's certificate was not accepted, or no TLS could be agreed on.
    #[error("no trusted connection to {address}: {problem}")]
    Tls {
        /// The API server's URL.
        address: String,
        /// What is wrong with the certificate or the handshake.
        problem: Tls,
    },
    /// HTTP 401: no credential, an expired one, or one that the API server does not know.
    #[error("the API server refused the credential (401 Unauthorized)")]
    Unauthorized,
    /// HTTP 403 by the authorizer: the user lacks this permission.
    #[error("{0}")]
    Forbidden(Permission),
    /// HTTP 403 by admission: a quota, a policy, a webhook or Pod Security said no.
    #[error("the API server refused it: {message}")]
    Refused {
        /// The API server's own words.
        message: String,
    },
    /// HTTP 403 because a Role would give away what its creator does not have.
    #[error("the user may only create Roles that grant what it has itself: {message}")]
    Escalation {
        /// The API server's own words, with the missing rules.
        message: String,
    },
    /// HTTP 404: no such object, namespace or kind.
    #[error("not found: {message}")]
    NotFound {
        /// The API server's own words.
        message: String,
    },
    /// HTTP 409 on an update: a newer resourceVersion, or a field that somebody else owns.
    #[error("conflict: {message}")]
    Conflict {
        /// The API server's own words.
        message: String,
    },
    /// HTTP 409 on a create.
    #[error("already exists: {message}")]
    AlreadyExists {
        /// The API server's own words.
        message: String,
    },
    /// HTTP 400 or 422: the API server does not accept the object.
    #[error("not valid: {message}")]
    Invalid {
        /// The API server's own words.
        message: String,
    },
    /// HTTP 410: a resourceVersion or a continue token is too old; list again.
    #[error("expired: {message}")]
    Expired {
        /// The API server's own words.
        message: String,
    },
    /// HTTP 429, 503 or 504: the API server is overloaded, starting or without its storage.
    #[error("the API server is not able to serve it now: {message}")]
    Busy {
        /// The API server's own words.
        message: String,
    },
    /// The credential plugin (`exec`) did not deliver.
    #[error("the credential plugin {command:?} failed: {problem}")]
    Exec {
        /// The command as configured, without its arguments (they may hold secrets).
        command: String,
        /// Exit status and standard error, or what was wrong with the answer.
        problem: String,
    },
    /// The run was told to stop before the host had answered.
    #[error("the run was stopped")]
    Stopped,
    /// The connection cannot be used as it is configured.
    #[error("{problem}")]
    Connection {
        /// Which setting, and what is wrong with it.
        problem: String,
    },
    /// Whatever has no word of its own above.
    #[error("{message}")]
    Other {
        /// The cause, outermost first.
        message: String,
    },
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host name has no address.
    #[error("its name cannot be resolved ({0})")]
    Dns(String),
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The configured proxy did not let it through.
    #[error("the proxy did not connect ({0})")]
    Proxy(String),
    /// A connection was made and broke, or the network said no.
    #[error("{0}")]
    Broken(String),
    /// Something between here and the API server has answered in its place.
    #[error("something before it has answered ({0})")]
    Foreign(String),
}

/// Why there is no trusted connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Tls {
    /// Signed by an authority that is not trusted here.
    #[error("its certificate is signed by an unknown authority")]
    UnknownAuthority,
    /// The certificate is for other names.
    #[error("its certificate is for another name ({0})")]
    NameMismatch(String),
    /// The certificate's time is over, or has not begun.
    #[error("its certificate is {0}")]
    NotValidNow(String),
    /// The other side does not speak TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// The API server did not accept the client certificate.
    #[error("it did not accept the client certificate ({0})")]
    ClientCertificate(String),
    /// Anything else that ended the handshake.
    #[error("{0}")]
    Other(String),
}

impl Reason {
    /// What the user can do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Unreachable { problem, .. } => problem.next_step(),
            Self::Tls { problem, .. } => problem.next_step(),
            Self::Unauthorized => {
                "Renew the credential (log in again, issue a new token, check the client certificate's dates), and check \
                 that it belongs to this cluster."
            }
            Self::Forbidden(permission) if permission.is_anonymous() => {
                "The API server saw no credential that it understands. Set token, exec, or client_certificate and client_key; \
                 username and password are for a proxy before it."
            }
            Self::Escalation { .. } => {
                "Give the user the rules that the message names, or the verb `escalate` on roles."
            }
            Self::Forbidden(_) => {
                "Grant the permission with a Role or ClusterRole bound to this user, or use another user."
            }
            Self::Refused { .. } => "Change the policy, quota or webhook of the host cluster, or what it objects to.",
            Self::NotFound { .. } => "Check whether it was deleted outside of Terraform, and plan again.",
            Self::Conflict { .. } => "Something else changed it at the same time. Plan again and apply.",
            Self::AlreadyExists { .. } => "Choose another name, or import what exists.",
            Self::Invalid { .. } => {
                "Correct the value that the message names; if it is none of yours, please report it."
            }
            Self::Expired { .. } => "Run it again.",
            Self::Busy { .. } => "Look at the API server's health (`kubectl get --raw /readyz?verbose`) and try again.",
            Self::Exec { .. } => {
                "Run the command by hand with the same arguments and environment, and log in if it asks."
            }
            Self::Stopped => "Run it again: nothing is lost, and it goes on from here.",
            Self::Connection { .. } => "Correct the connection in the provider block.",
            Self::Other { .. } => "Try again with TF_LOG_PROVIDER_NESTED=debug to see the requests.",
        }
    }
}

impl Unreachable {
    /// Whether the next try may get through.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused | Self::Broken(_) | Self::Foreign(_) => true,
            Self::Dns(_) | Self::Timeout | Self::Proxy(_) => false,
        }
    }

    fn next_step(&self) -> &'static str {
        match self {
            Self::Dns(_) => "Check the host name, and that this machine's resolver (or VPN) knows it.",
            Self::Refused => "Check the address and port, and that the cluster is running.",
            Self::Timeout => "Check firewall, VPN and proxy_url: the address is right or wrong, but nothing came back.",
            Self::Proxy(_) => "Check proxy_url, its credentials, and that the proxy may reach the API server.",
            Self::Broken(_) | Self::Foreign(_) => {
                "Check the address and what lies between (load balancer, proxy), and try again."
            }
        }
    }
}

impl Tls {
    fn next_step(&self) -> &'static str {
        match self {
            Self::UnknownAuthority => "Set cluster_ca_certificate to the cluster's CA (PEM).",
            Self::NameMismatch(_) => {
                "Use a host that the certificate names, or set tls_server_name to one of its names."
            }
            Self::NotValidNow(_) => "Renew the API server's certificate, or correct this machine's clock.",
            Self::NotTls => "Check the port, or write the host with http:// if the API is served without TLS.",
            Self::ClientCertificate(_) => {
                "Check client_certificate and client_key: their dates, and the CA that signed them."
            }
            Self::Other(_) => "Check the address, and what terminates TLS between this machine and the API server.",
        }
    }
}
