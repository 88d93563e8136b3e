//! Which requests meet which fault: pure bookkeeping over the requests in the order in which they come.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use http::Method;
use serde_json::{Value, json};

use super::{dice::Dice, hold::Gate};

/// What happens to a request instead of an undisturbed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 429: no room, ask again after so many seconds.
    TooManyRequests {
        /// What `Retry-After` says.
        retry_after: u32,
    },
    /// 500, as an API server that fails inside.
    InternalError,
    /// 500, as an API server whose etcd has no leader.
    NoLeader,
    /// 503 without a word on when to come back.
    Unavailable,
    /// 409: the object was changed meanwhile.
    Conflict,
    /// 410: the rest of a list is not to be had any more.
    Expired,
    /// The connection is reset, and the request never reaches the host.
    Reset,
    /// The request takes effect, and the connection is reset instead of an answer.
    ResetAfterEffect,
    /// The request takes effect, and the connection is reset amid the body of its answer.
    ResetInBody,
    /// Nothing happens for so long. Then the request goes on.
    Silence(Duration),
    /// The answer's body comes in pieces of so many bytes, with a pause after each.
    Slow {
        /// Bytes at a time.
        piece: usize,
        /// After each piece.
        pause: Duration,
    },
}

impl Fault {
    /// Whether a host could answer this request so.
    #[must_use]
    pub fn fits(&self, request: &Asked) -> bool {
        match self {
            Self::Conflict => [Method::PUT, Method::PATCH, Method::DELETE].contains(&request.method),
            Self::Expired => request.is_continued(),
            _ => true,
        }
    }

    /// HTTP status, reason and message, where the fault is an answer. The messages are those of real API servers.
    #[must_use]
    pub fn words(&self) -> Option<(u16, &'static str, &'static str)> {
        Some(match self {
            Self::TooManyRequests { .. } => (429, "TooManyRequests", "Too many requests, please try again later."),
            Self::InternalError => (500, "InternalError", "Internal error occurred: etcdserver: request timed out"),
            Self::NoLeader => (500, "", "rpc error: code = Unavailable desc = etcdserver: no leader"),
            Self::Unavailable => (503, "ServiceUnavailable", "apiserver is shutting down"),
            Self::Conflict => (
                409,
                "Conflict",
                "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest \
                 version and try again",
            ),
            Self::Expired => {
                (410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
            }
            _ => return None,
        })
    }

    /// The body of such an answer.
    pub(super) fn status(&self) -> Option<(u16, Value)> {
        let (code, reason, message) = self.words()?;
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        if let Self::TooManyRequests { retry_after } = self {
            status["details"] = json!({ "retryAfterSeconds": retry_after });
        }
        Some((code, status))
    }
}

/// A request as it came, without headers and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub path: String,
}

impl Asked {
    /// Whether it may change something.
    #[must_use]
    pub fn writes(&self) -> bool {
        ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method)
    }

    /// Whether it asks for the next page of a list.
    #[must_use]
    pub fn is_continued(&self) -> bool {
        self.method == Method::GET && self.path.contains("continue=")
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Requests by what they ask for.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    method: Option<Method>,
    paths: Vec<String>,
    writing: Option<bool>,
    continued: bool,
    since: Option<Box<Requests>>,
}

impl Requests {
    /// All of them.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Those that change nothing.
    #[must_use]
    pub fn reads() -> Self {
        Self { writing: Some(false), ..Self::default() }
    }

    /// Those that may change something.
    #[must_use]
    pub fn writes() -> Self {
        Self { writing: Some(true), ..Self::default() }
    }

    /// Those with this method.
    #[must_use]
    pub fn with(method: Method) -> Self {
        Self { method: Some(method), ..Self::default() }
    }

    /// Those for the next page of a list.
    #[must_use]
    pub fn continued() -> Self {
        Self { continued: true, ..Self::default() }
    }

    /// Of these, those whose path and query contain `part`.
    #[must_use]
    pub fn to(mut self, part: &str) -> Self {
        self.paths.push(part.to_owned());
        self
    }

    /// Of these, those from the first one of `others` on; that one may be among them itself.
    #[must_use]
    pub fn since(self, others: Self) -> Self {
        Self { since: Some(Box::new(others)), ..self }
    }

    fn are(&self, request: &Asked) -> bool {
        self.method.as_ref().is_none_or(|method| *method == request.method)
            && self.paths.iter().all(|part| request.path.contains(part.as_str()))
            && self.writing.is_none_or(|writing| writing == request.writes())
            && (!self.continued || request.is_continued())
    }
}

/// Which of the requests that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The nth of them, counted from 1.
    Nth(usize),
    /// The nth of them, counted from 1, and every one after it.
    From(usize),
    /// Of all that have the same method, path and query, the first.
    FirstOfEach,
    /// Every one.
    All,
}

/// Requests, and what they meet.
#[derive(Debug, Clone)]
pub struct Rule {
    requests: Requests,
    which: Which,
    meets: Meets,
    begun: bool,
    count: usize,
    seen: HashSet<String>,
}

/// What a request meets.
#[derive(Debug, Clone)]
pub(super) enum Meets {
    Fault(Fault),
    /// It is held, before or after it takes effect.
    Gate(Arc<Gate>),
}

impl Rule {
    /// Which of the requests meet the fault.
    #[must_use]
    pub fn new(which: Which, requests: Requests, fault: Fault) -> Self {
        Self::meeting(which, requests, Meets::Fault(fault))
    }

    pub(super) fn meeting(which: Which, requests: Requests, meets: Meets) -> Self {
        Self { requests, which, meets, begun: false, count: 0, seen: HashSet::new() }
    }

    /// What the request meets by this rule. To be asked of every request, once.
    pub(super) fn look(&mut self, request: &Asked) -> Option<Meets> {
        self.begun |= self.requests.since.as_ref().is_none_or(|since| since.are(request));
        if !self.begun || !self.requests.are(request) {
            return None;
        }
        self.count += 1;
        let hit = match self.which {
            Which::Nth(number) => self.count == number,
            Which::From(number) => self.count >= number,
            Which::FirstOfEach => self.seen.insert(request.to_string()),
            Which::All => true,
        };
        hit.then(|| self.meets.clone())
    }
}

/// Faults at random: each request meets one with a probability. What a request meets depends on the seed, on what it asks
/// for and on how often that was asked before; so a seed gives the same faults again however requests overtake each other.
#[derive(Debug, Clone)]
pub struct Chance {
    /// Gives everything.
    pub seed: u64,
    /// How many of a thousand requests meet a fault.
    pub per_mille: usize,
    /// Which ones, each as likely as the others.
    pub faults: Vec<Fault>,
}

impl Chance {
    /// What the request meets, that has been asked so often before.
    pub(super) fn look(&self, request: &Asked, before: usize) -> Option<Fault> {
        let mut dice = Dice::about(self.seed, &format!("{request} {before}"));
        if dice.below(1000) >= self.per_mille {
            return None;
        }
        let fitting: Vec<&Fault> = self.faults.iter().filter(|fault| fault.fits(request)).collect();
        (!fitting.is_empty()).then(|| (*dice.pick(&fitting)).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, path: &str) -> Asked {
        Asked { method, path: path.to_owned() }
    }

    /// The numbers of those of the requests that the rule hits.
    fn hits(mut rule: Rule, requests: &[(Method, &str)]) -> Vec<usize> {
        let look = |(method, path): &(Method, &str)| rule.look(&asked(method.clone(), path)).is_some();
        let hit: Vec<bool> = requests.iter().map(look).collect();
        (0..hit.len()).filter(|index| hit[*index]).collect()
    }

    #[test]
    fn a_rule_hits_what_it_is_about() {
        let requests =
            [(Method::GET, "/a"), (Method::GET, "/b"), (Method::PUT, "/a"), (Method::GET, "/a"), (Method::PUT, "/b")];
        let check = |which: Which, about: Requests, expected: &[usize]| {
            assert_eq!(hits(Rule::new(which, about.clone(), Fault::Reset), &requests), expected, "{which:?} {about:?}");
        };
        check(Which::All, Requests::any(), &[0, 1, 2, 3, 4]);
        check(Which::All, Requests::reads().to("/a"), &[0, 3]);
        check(Which::Nth(2), Requests::with(Method::PUT), &[4]);
        check(Which::From(2), Requests::with(Method::PUT), &[4]);
        check(Which::FirstOfEach, Requests::any(), &[0, 1, 2, 4]);
        check(Which::All, Requests::any().since(Requests::writes()), &[2, 3, 4]);
        check(Which::Nth(1), Requests::reads().since(Requests::writes()), &[3]);
        check(Which::All, Requests::continued(), &[]);
    }

    #[test]
    fn chance_depends_on_the_request_and_not_on_the_order() {
        let chance = Chance { seed: 3, per_mille: 500, faults: vec![Fault::Reset, Fault::Conflict, Fault::Expired] };
        let all: Vec<Option<Fault>> = (0..200).map(|before| chance.look(&asked(Method::GET, "/a"), before)).collect();
        assert_eq!(all, (0..200).map(|before| chance.look(&asked(Method::GET, "/a"), before)).collect::<Vec<_>>());
        let met = all.iter().flatten().count();
        assert!((60..140).contains(&met), "{met}");
        assert!(all.iter().flatten().all(|fault| *fault == Fault::Reset), "a read meets no conflict");
    }
}
