//! From kube's errors to a [`Reason`]: by HTTP status where the API server answered, else by what is found in the chain
//! of causes. Asks nobody, and never hands on the text of a library: that goes to the log.

use std::error::Error as StdError;
use std::io;

use kube::core::Status;

use super::wording::of_system;
use super::{Permission, Reason, Tls, Unreachable};

mod tls;

/// What kube says in place of a reason where an answer has no Status.
const UNPARSED: &str = "Failed to parse error data";

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
            ("", "" | UNPARSED) => "no reason given".to_owned(),
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
        let mut connected = matches!(error, kube::Error::HyperError(_) | kube::Error::ReadEvents(_));
        for cause in causes(error) {
            if let Some(reason) = cause.downcast_ref::<Self>() {
                return reason.clone();
            }
            if let Some(kube::Error::SerdeError(error)) = cause.downcast_ref::<kube::Error>() {
                let (line, column) = (error.line(), error.column());
                let message = format!("the answer is not what Kubernetes sends (line {line}, column {column})");
                return Self::Other { message };
            }
            if let Some(reason) = Self::of_cause(cause, address) {
                return reason;
            }
            connected |= cause.is::<hyper_util::client::legacy::Error>();
        }
        tracing::debug!(?error, "a request failed in a way that has no words of its own");
        match connected {
            true => unreachable(Unreachable::Broken(broken(error))),
            false => Self::Other { message: "the request could not be made".to_owned() },
        }
    }

    /// What one cause says by itself.
    pub(in crate::host) fn of_cause(cause: &(dyn StdError + 'static), address: &str) -> Option<Self> {
        let unreachable = |problem| Self::Unreachable { address: address.to_owned(), problem };
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(Self::Tls { address: address.to_owned(), problem: Tls::of(error) });
        }
        if cause.to_string() == "dns error" {
            return Some(unreachable(Unreachable::Dns(dns_problem(innermost(cause)))));
        }
        if cause.is::<tokio::time::error::Elapsed>() {
            return Some(unreachable(Unreachable::Timeout));
        }
        cause.downcast_ref::<io::Error>().and_then(Unreachable::of).map(unreachable)
    }

    /// What the chain of causes says; `None` where none of them has words of its own.
    pub(in crate::host) fn of_causes(error: &(dyn StdError + 'static), address: &str) -> Option<Self> {
        causes(error).find_map(|cause| Self::of_cause(cause, address))
    }
}

/// The resolver's reason, without what std puts before it.
fn dns_problem(error: &(dyn StdError + 'static)) -> String {
    let text = error.to_string();
    text.rsplit(": ").next().unwrap_or_default().to_owned()
}

/// Why a connection that was made did not hold.
fn broken(error: &(dyn StdError + 'static)) -> String {
    let problem = match causes(error).find_map(|cause| cause.downcast_ref::<hyper::Error>()) {
        Some(error) if error.is_incomplete_message() => "the connection was closed before the answer was complete",
        Some(error) if error.is_parse() => "the answer is not HTTP",
        Some(error) if error.is_timeout() => "the answer did not come in time",
        _ => "the connection broke",
    };
    problem.to_owned()
}

impl Unreachable {
    fn of(error: &io::Error) -> Option<Self> {
        use io::ErrorKind::*;
        let broken = |problem: &str| Self::Broken(problem.to_owned());
        Some(match error.kind() {
            ConnectionRefused => Self::Refused,
            TimedOut => Self::Timeout,
            ConnectionReset | ConnectionAborted => broken("the connection was reset"),
            BrokenPipe | UnexpectedEof => broken("the connection was closed"),
            NetworkUnreachable | HostUnreachable | NetworkDown => broken("there is no way to its network"),
            AddrNotAvailable => broken("this machine has no address to reach it from"),
            PermissionDenied => broken("this machine does not permit the connection"),
            _ => return of_system(error).map(Self::Broken),
        })
    }
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
        check(500, UNPARSED, "", "no reason given (HTTP status 500)");
    }
}
