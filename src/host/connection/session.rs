//! The HTTP service under a host's clients: has requests wait for their turn, gets the credential when the first one needs
//! it, renews it, and retries what is worth retrying, within bounds.
//!
//! An answer is handed on when the whole of it is there. What breaks off in the middle, and what was not written by an API
//! server, is never taken for an answer. A request that may have taken effect without an answer may be sent twice: whoever
//! writes makes sure that the second time changes nothing, by a version, a UID or a name that only they give.

use std::sync::{Arc, Mutex as Lock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use kube::client::Body;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::BoxError;

use super::Endpoint;
use super::credential::Identity;
use super::line::{Lane, Line, Place, Slot};
use crate::host::cluster::locked;
use crate::host::error::{Reason, Unreachable};

/// The API server ends its own work on a request after 60 s and says so; who is silent for longer is not there.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(65);
/// The rest of an answer that has begun takes no longer than that.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// Busy API servers (503) are asked that many times more, and those without room (429) at least.
const BUSY_RETRIES: u32 = 5;
/// What may pass with the next try is tried that many times more: an internal error (500, which etcd without a leader is), a
/// gateway's (502, 504), a connection that breaks.
const FAULT_RETRIES: u32 = 3;
/// A request for which an API server has no room (429) is asked for at least that long. As the line gets narrower with each
/// refusal, whatever the host has room for gets through long before.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);
/// The longest pause that a `Retry-After` gets.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Hundreds of resources share a host: a credential that cannot be got is not asked for again for each of them.
const FAILURE_LIFETIME: Duration = Duration::from_secs(10);
/// For how long a call that was told to stop may still send: enough to write down how far it came.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// After that long a stop is another one.
const STOP_LIFETIME: Duration = Duration::from_secs(60);

/// Says when the call that sends a request is to stop. Asked in the task that waits for the answer.
pub type StopToken = fn() -> CancellationToken;

/// The clients of one host. They share the line, the connections and the credential.
pub(in crate::host) struct Clients {
    pub ordinary: kube::Client,
    pub express: kube::Client,
}

/// Clients that open their connection when one is first used. Needs a tokio runtime.
pub(in crate::host) fn clients(endpoint: Arc<Endpoint>, stop_token: StopToken) -> Clients {
    let namespace = endpoint.config.default_namespace.clone();
    let (line, state) = (Line::default(), Mutex::new(State::None));
    let sessions = Arc::new(Sessions { endpoint, line, state, stop_token });
    let client = |lane| {
        let sessions = Arc::clone(&sessions);
        let service = tower::service_fn(move |request| {
            let sessions = Arc::clone(&sessions);
            // Drawn at once: futures are not always polled in the order in which they were made.
            let place = sessions.line.join(lane);
            async move {
                tokio::select! {
                    biased;
                    answer = sessions.send(request, place) => answer,
                    () = sessions.out_of_time() => Err(Reason::Stopped.into()),
                }
            }
        });
        kube::Client::new(service, namespace.clone())
    };
    Clients { ordinary: client(Lane::Ordinary), express: client(Lane::Express) }
}

struct Sessions {
    endpoint: Arc<Endpoint>,
    line: Line,
    state: Mutex<State>,
    stop_token: StopToken,
}

/// When a call of this process was last found to be told to stop. Its last words are short, to however many hosts it has any.
static STOPPED: Lock<Option<Instant>> = Lock::new(None);

enum State {
    None,
    Open(Session),
    Failed(Reason, Instant),
}

/// A client with one credential.
#[derive(Clone)]
struct Session {
    client: kube::Client,
    authorization: Option<HeaderValue>,
    identity: Option<Identity>,
    valid_until: Option<Instant>,
    opened: Instant,
}

impl Sessions {
    async fn send(&self, mut request: Request<Body>, place: Place) -> Result<Response<Body>, BoxError> {
        let mut tries = Tries::default();
        let mut renewed = false;
        loop {
            let again = copy(&request);
            let slot = place.enter().await;
            let session = self.session().await?;
            let answer = self.ask(&session, request).await;
            let Some(again) = again else { return finish(answer, &slot) };
            let refused = matches!(&answer, Ok(response) if response.status() == StatusCode::UNAUTHORIZED);
            if refused && !renewed && self.endpoint.source.is_renewable() {
                renewed = true;
                self.discard(&session).await;
            } else if let Some(retry) = tries.next(&answer) {
                tracing::debug!(?retry, "the host is busy or restarting, asking again");
                match retry {
                    Retry::WithAll(pause) => {
                        self.line.stop(pause);
                        if matches!(&answer, Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS) {
                            slot.refused();
                        }
                    }
                    Retry::Alone(pause) => {
                        drop(slot);
                        tokio::time::sleep(pause).await;
                    }
                }
            } else {
                return finish(answer, &slot);
            }
            request = again;
        }
    }

    /// Ends a while after the call that sends was told to stop, whatever the host does meanwhile.
    async fn out_of_time(&self) {
        (self.stop_token)().cancelled().await;
        let since = {
            let mut stopped = locked(&STOPPED);
            let since = stopped.filter(|since| since.elapsed() < STOP_LIFETIME).unwrap_or_else(Instant::now);
            *stopped = Some(since);
            since
        };
        tokio::time::sleep_until(since + LAST_WORDS).await;
    }

    async fn ask(&self, session: &Session, mut request: Request<Body>) -> Result<Response<Bytes>, BoxError> {
        if let Some(authorization) = &session.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let late = |_| Reason::Unreachable { address: self.endpoint.address(), problem: Unreachable::Timeout };
        let answer = tokio::time::timeout(RESPONSE_TIMEOUT, session.client.send(request)).await.map_err(late)??;
        let (head, body) = answer.into_parts();
        let body = tokio::time::timeout(BODY_TIMEOUT, body.collect_bytes()).await.map_err(late)??;
        let answer = Response::from_parts(head, body);
        if is_foreign(&answer) {
            let text = String::from_utf8_lossy(answer.body());
            let begin: String = text.chars().filter(|char| !char.is_control()).take(80).collect();
            let problem = Unreachable::Foreign(format!("{}: {begin}", answer.status()));
            return Err(Reason::Unreachable { address: self.endpoint.address(), problem }.into());
        }
        Ok(answer)
    }

    /// The open session, or a new one with a new credential. Concurrent requests wait for one another, so that a plugin
    /// runs once for all of them.
    async fn session(&self) -> Result<Session, Reason> {
        let mut state = self.state.lock().await;
        let last = match &*state {
            State::Open(session) if session.valid_until.is_none_or(|end| Instant::now() < end) => {
                return Ok(session.clone());
            }
            State::Failed(reason, at) if at.elapsed() < FAILURE_LIFETIME => return Err(reason.clone()),
            State::Open(session) => Some(session.clone()),
            State::Failed(..) | State::None => None,
        };
        match self.open(last).await {
            Ok(session) => {
                *state = State::Open(session.clone());
                Ok(session)
            }
            Err(reason) => {
                *state = State::Failed(reason.clone(), Instant::now());
                Err(reason)
            }
        }
    }

    async fn open(&self, last: Option<Session>) -> Result<Session, Reason> {
        let credential = self.endpoint.source.get().await?;
        // Connections are bound to the client certificate only, and outlive a renewed token.
        let client = match last.filter(|last| last.identity == credential.identity) {
            Some(last) => last.client,
            None => self.connector(credential.identity.as_ref())?,
        };
        Ok(Session {
            client,
            authorization: credential.authorization,
            identity: credential.identity,
            valid_until: credential.valid_until,
            opened: Instant::now(),
        })
    }

    fn connector(&self, identity: Option<&Identity>) -> Result<kube::Client, Reason> {
        #[cfg(test)]
        if let Some(client) = &self.endpoint.simulated {
            return Ok(client.clone());
        }
        super::transport::client(&self.endpoint, identity)
    }

    /// Forgets a session whose credential was refused, unless another request has renewed it already.
    async fn discard(&self, refused: &Session) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Open(session) if session.opened == refused.opened) {
            *state = State::None;
        }
    }
}

/// An answer to be handed on.
fn finish(answer: Result<Response<Bytes>, BoxError>, slot: &Slot) -> Result<Response<Body>, BoxError> {
    if answer.as_ref().is_ok_and(|response| response.status() != StatusCode::TOO_MANY_REQUESTS) {
        slot.answered();
    }
    Ok(answer?.map(Body::from))
}

/// Whether somebody before the API server has said that something is not there: an API server says so with a Status, or in
/// these words for a path that it does not serve. Taken for its answer, it would mean that a virtual cluster is gone.
fn is_foreign(answer: &Response<Bytes>) -> bool {
    const NO_SUCH_PATH: &str = "404 page not found";
    let says_so = |body: &[u8]| {
        let status = serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body["kind"] == "Status");
        status || body.trim_ascii() == NO_SUCH_PATH.as_bytes()
    };
    matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) && !says_so(answer.body())
}

/// Asking again.
#[derive(Debug, PartialEq, Eq)]
enum Retry {
    /// After a pause that all requests of the host make.
    WithAll(Duration),
    /// After a pause of this request's own, in which others go on.
    Alone(Duration),
}

/// How often one request was asked in vain.
#[derive(Default)]
struct Tries {
    retries: u32,
    /// Since when the host has no room for it.
    refused: Option<Instant>,
}

impl Tries {
    /// Whether and how to ask again; `None` where the answer stands.
    fn next(&mut self, answer: &Result<Response<Bytes>, BoxError>) -> Option<Retry> {
        let may = |more: u32| self.retries < more;
        let retry = match answer {
            Ok(response) => {
                let no_room = response.status() == StatusCode::TOO_MANY_REQUESTS;
                let since = no_room.then(|| *self.refused.get_or_insert_with(Instant::now));
                let worth_it = match response.status() {
                    StatusCode::TOO_MANY_REQUESTS => {
                        may(BUSY_RETRIES) || since.is_some_and(|at| at.elapsed() < ROOM_PATIENCE)
                    }
                    StatusCode::SERVICE_UNAVAILABLE => may(BUSY_RETRIES),
                    StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                        may(FAULT_RETRIES)
                    }
                    _ => false,
                };
                let asked_for = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                let pause = asked_for.map_or(backoff(Duration::from_millis(500), self.retries), Duration::from_secs);
                let pause = pause.min(LONGEST_PAUSE);
                // Without a word on when to come back, it may be one service behind the API server that is not there.
                let all = no_room || asked_for.is_some();
                worth_it.then_some(if all { Retry::WithAll(pause) } else { Retry::Alone(pause) })
            }
            Err(error) => {
                let reason = error.downcast_ref::<Reason>().cloned();
                let reason = reason.or_else(|| error.downcast_ref().map(|error| Reason::of(error, "")));
                let passes = reason
                    .is_some_and(|reason| matches!(reason, Reason::Unreachable { problem, .. } if problem.may_pass()));
                let pause = backoff(Duration::from_millis(250), self.retries);
                (passes && may(FAULT_RETRIES)).then_some(Retry::Alone(pause))
            }
        }?;
        self.retries += 1;
        Some(retry)
    }
}

/// Twice as long each time, and never much longer than [`LONGEST_PAUSE`].
fn backoff(first: Duration, retries: u32) -> Duration {
    first * 2_u32.pow(retries.min(BUSY_RETRIES))
}

/// A copy to send again. Streamed bodies have none.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>, body: &'static str) -> Result<Response<Bytes>, BoxError> {
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header(RETRY_AFTER, seconds);
        }
        Ok(response.body(Bytes::from(body)).unwrap())
    }

    fn check(status: u16, retry_after: Option<&str>, retries: u32, expected: Option<Retry>) {
        let mut tries = Tries { retries, refused: None };
        let retry = tries.next(&answer(status, retry_after, ""));
        assert_eq!(retry, expected, "{status} {retry_after:?} {retries}");
    }

    fn alone(millis: u64) -> Option<Retry> {
        Some(Retry::Alone(Duration::from_millis(millis)))
    }

    #[test]
    fn busy_server_is_asked_again_within_bounds() {
        let with_all = |millis| Some(Retry::WithAll(Duration::from_millis(millis)));
        check(429, Some("3"), 0, with_all(3_000));
        check(429, Some("3600"), 0, with_all(10_000));
        check(429, None, 1, with_all(1_000));
        check(429, None, 40, with_all(10_000));
        check(503, Some("2"), 0, with_all(2_000));
        check(503, None, 0, alone(500));
        check(503, None, 2, alone(2_000));
        check(503, None, 5, None);
        check(200, None, 0, None);
        check(401, None, 0, None);
    }

    #[test]
    fn faults_that_may_pass_are_tried_again_within_bounds() {
        for status in [500, 502, 504] {
            check(status, None, 0, alone(500));
            check(status, None, FAULT_RETRIES, None);
        }
        let try_again = |problem: Unreachable, retries: u32| {
            let broken: BoxError = Reason::Unreachable { address: String::new(), problem }.into();
            Tries { retries, refused: None }.next(&Err(broken))
        };
        for problem in [Unreachable::Refused, Unreachable::Broken("reset".into()), Unreachable::Foreign("404".into())] {
            assert_eq!(try_again(problem.clone(), 0), alone(250), "{problem}");
            assert_eq!(try_again(problem.clone(), FAULT_RETRIES), None, "{problem}");
        }
        for problem in [Unreachable::Dns("no such name".into()), Unreachable::Timeout, Unreachable::Proxy("403".into())]
        {
            assert_eq!(try_again(problem.clone(), 0), None, "{problem}");
        }
    }

    #[track_caller]
    fn check_foreign(status: u16, body: &'static str, expected: bool) {
        assert_eq!(is_foreign(&answer(status, None, body).unwrap()), expected, "{status} {body}");
    }

    #[test]
    fn that_something_is_gone_is_believed_of_an_api_server_only() {
        check_foreign(404, r#"{"kind":"Status","apiVersion":"v1","reason":"NotFound","code":404}"#, false);
        check_foreign(404, "404 page not found\n", false);
        check_foreign(404, "<html><head><title>404 Not Found</title></head></html>", true);
        check_foreign(404, "", true);
        check_foreign(404, r#"{"error":"no route"}"#, true);
        check_foreign(410, r#"{"kind":"Status","reason":"Expired","code":410}"#, false);
        check_foreign(410, "Gone", true);
        check_foreign(200, "<html></html>", false);
    }

    #[test]
    fn server_that_never_has_room_is_given_up_after_a_minute() {
        let earlier = Instant::now().checked_sub(ROOM_PATIENCE).unwrap();
        let mut tries = Tries { retries: BUSY_RETRIES - 1, refused: Some(earlier) };
        assert!(tries.next(&answer(429, Some("1"), "")).is_some());
        assert_eq!(tries.next(&answer(429, Some("1"), "")), None);
    }
}
