//! From kube's errors to a [`Reason`]: by HTTP status where the API server answered, else by what is found in the chain
//! of causes. Pure; asks nobody.

use std::error::Error as StdError;
use std::io;

use kube::core::Status;
use rustls::CertificateError;

use super::{Permission, Reason, Tls, Unreachable};

impl Reason {
    /// Classifies what a kube client bound to the API server at `address` returned.
    pub fn of(error: &kube::Error, address: &str) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status),
            error => Self::of_chain(error, address),
        }
    }

    /// Classifies an answer of the API server.
    pub fn of_status(status: &Status) -> Self {
        let message = match (status.message.trim(), status.reason.as_str()) {
            ("", "") => "no reason given".to_owned(),
            ("", reason) => reason.to_owned(),
            (message, _) => message.to_owned(),
        };
        match status.code {
            401 => Self::Unauthorized,
            403 if message.contains("attempting to grant RBAC permissions") => Self::Escalation { message },
            403 => match Permission::parse(&message) {
                Some(permission) => Self::Forbidden(permission),
                None => Self::Refused { message },
            },
            404 => Self::NotFound { message },
            409 if status.reason == "AlreadyExists" => Self::AlreadyExists { message },
            409 => Self::Conflict { message },
            400 if message.contains("HTTP request to an HTTPS server") => {
                Self::Connection { problem: "the API server wants TLS: write the host with https://".into() }
            }
            400 | 413 | 415 | 422 => Self::Invalid { message },
            410 => Self::Expired { message },
            429 | 503 | 504 => Self::Busy { message },
            code => Self::Other { message: format!("{message} (HTTP status {code})") },
        }
    }

    fn of_chain(error: &kube::Error, address: &str) -> Self {
        let unreachable = |problem| Self::Unreachable { address: address.to_owned(), problem };
        let mut through_proxy = false;
        let mut connected = matches!(error, kube::Error::HyperError(_) | kube::Error::ReadEvents(_));
        for cause in causes(error) {
            if let Some(reason) = cause.downcast_ref::<Self>() {
                return reason.clone();
            }
            if let Some(error) = cause.downcast_ref::<rustls::Error>() {
                return Self::Tls { address: address.to_owned(), problem: Tls::of(error) };
            }
            if let Some(kube::Error::SerdeError(error)) = cause.downcast_ref::<kube::Error>() {
                return Self::Other { message: format!("the answer is not what Kubernetes sends: {error}") };
            }
            connected |= cause.is::<hyper_util::client::legacy::Error>();
            let text = cause.to_string();
            through_proxy |= text.starts_with("tunnel error") || text.starts_with("SOCKS error");
            if through_proxy && cause.source().is_none() {
                return unreachable(Unreachable::Proxy(text));
            }
            if text == "dns error" {
                return unreachable(Unreachable::Dns(innermost(cause).to_string()));
            }
            if let Some(error) = cause.downcast_ref::<io::Error>()
                && let Some(problem) = Unreachable::of(error)
            {
                return unreachable(problem);
            }
            if cause.is::<tokio::time::error::Elapsed>() {
                return unreachable(Unreachable::Timeout);
            }
        }
        match connected {
            true => unreachable(Unreachable::Broken(innermost(error).to_string())),
            false => Self::Other { message: error.to_string() },
        }
    }
}

impl Unreachable {
    fn of(error: &io::Error) -> Option<Self> {
        use io::ErrorKind::*;
        Some(match error.kind() {
            ConnectionRefused => Self::Refused,
            TimedOut => Self::Timeout,
            ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof | NetworkUnreachable | HostUnreachable
            | NetworkDown | AddrNotAvailable | PermissionDenied => Self::Broken(innermost(error).to_string()),
            _ => return None,
        })
    }
}

impl Tls {
    fn of(error: &rustls::Error) -> Self {
        use CertificateError::*;
        match error {
            rustls::Error::InvalidCertificate(problem) => match problem {
                UnknownIssuer | BadSignature => Self::UnknownAuthority,
                NotValidForName => Self::NameMismatch("not the one that was asked for".into()),
                NotValidForNameContext { expected, presented } => Self::NameMismatch(format!(
                    "asked for {}, it has {}",
                    expected.to_str(),
                    presented.iter().map(|name| readable_name(name)).collect::<Vec<_>>().join(", ")
                )),
                Expired | ExpiredContext { .. } => Self::NotValidNow("expired".into()),
                NotValidYet | NotValidYetContext { .. } => Self::NotValidNow("not valid yet".into()),
                problem => Self::Other(problem.to_string()),
            },
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::AlertReceived(alert) => match alert {
                rustls::AlertDescription::HandshakeFailure | rustls::AlertDescription::ProtocolVersion => {
                    Self::Other(format!("it ended the handshake ({alert:?})"))
                }
                alert => Self::ClientCertificate(format!("{alert:?}")),
            },
            error => Self::Other(error.to_string()),
        }
    }
}

/// rustls presents names in its own notation: `DnsName("kubernetes")`, `IpAddress(10.0.0.1)`.
fn readable_name(presented: &str) -> &str {
    presented.split_once('(').map_or(presented, |(_, name)| name.trim_end_matches(')').trim_matches('"'))
}

/// The error and its causes, outermost first. `io::Error` hides what it wraps from `source`, so it is looked into.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        // On the error itself: a reference to it is an error too, with a shorter life.
        None => (**error).source(),
    })
}

fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    causes(error).last().unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: u16, reason: &str, message: &str, expected: &str) {
        let status = Status { code, reason: reason.to_owned(), message: message.to_owned(), ..Status::default() };
        assert_eq!(Reason::of_status(&status).to_string(), expected, "{code} {reason}");
    }

    #[test]
    fn answers_are_classified_by_status() {
        check(401, "Unauthorized", "Unauthorized", "the API server refused the credential (401 Unauthorized)");
        check(
            403,
            "Forbidden",
            "pods \"a\" is forbidden: exceeded quota: q",
            "the API server refused it: pods \"a\" is forbidden: exceeded quota: q",
        );
        check(
            403,
            "Forbidden",
            "roles \"a\" is forbidden: user \"ci\" is attempting to grant RBAC permissions not currently held: …",
            "the user may only create Roles that grant what it has itself: roles \"a\" is forbidden: user \"ci\" is attempting to grant RBAC permissions not currently held: …",
        );
        check(404, "NotFound", "pods \"a\" not found", "not found: pods \"a\" not found");
        check(409, "AlreadyExists", "pods \"a\" already exists", "already exists: pods \"a\" already exists");
        check(409, "Conflict", "Apply failed with 1 conflict", "conflict: Apply failed with 1 conflict");
        check(410, "Expired", "too old resource version", "expired: too old resource version");
        check(422, "Invalid", "spec.x: Required value", "not valid: spec.x: Required value");
        check(429, "TooManyRequests", "", "the API server is not able to serve it now: TooManyRequests");
        check(500, "InternalError", "failed calling webhook", "failed calling webhook (HTTP status 500)");
        check(502, "", "", "no reason given (HTTP status 502)");
    }
}
