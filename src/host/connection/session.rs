//! The HTTP service under a host's clients: has requests wait for their turn, gets the credential when the first one needs
//! it, renews it, and retries what is worth retrying, within bounds.

use secrecy::ExposeSecret as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use kube::client::{Body, ClientBuilder};
use tokio::sync::Mutex;
use tower::BoxError;

use super::Endpoint;
use super::credential::Identity;
use super::line::{Lane, Line, Place, Slot};
use crate::host::error::{Reason, Unreachable};

/// The API server ends its own work on a request after 60 s and says so; who is silent for longer is not there.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(65);
/// Busy API servers (503, 504) are asked that many times more, and those without room (429) at least.
const BUSY_RETRIES: u32 = 5;
/// A request for which an API server has no room (429) is asked for at least that long. As the line gets narrower with each
/// refusal, whatever the host has room for gets through long before.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);
/// A refused connection may be an API server that is just restarting, behind an address that is right.
const REFUSED_RETRIES: u32 = 3;
/// The longest pause that a `Retry-After` gets.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Hundreds of resources share a host: a credential that cannot be got is not asked for again for each of them.
const FAILURE_LIFETIME: Duration = Duration::from_secs(10);

/// The clients of one host. They share the line, the connections and the credential.
pub(in crate::host) struct Clients {
    pub ordinary: kube::Client,
    pub express: kube::Client,
}

/// Clients that open their connection when one is first used. Needs a tokio runtime.
pub(in crate::host) fn clients(endpoint: Arc<Endpoint>) -> Clients {
    let namespace = endpoint.config.default_namespace.clone();
    let sessions = Arc::new(Sessions { endpoint, line: Line::default(), state: Mutex::new(State::None) });
    let client = |lane| {
        let sessions = Arc::clone(&sessions);
        let service = tower::service_fn(move |request| {
            let sessions = Arc::clone(&sessions);
            // Drawn at once: futures are not always polled in the order in which they were made.
            let place = sessions.line.join(lane);
            async move { sessions.send(request, place).await }
        });
        kube::Client::new(service, namespace.clone())
    };
    Clients { ordinary: client(Lane::Ordinary), express: client(Lane::Express) }
}

struct Sessions {
    endpoint: Arc<Endpoint>,
    line: Line,
    state: Mutex<State>,
}

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
    async fn send(&self, mut request: Request<Body>, place: Place) -> Result<Response<Answer>, BoxError> {
        let mut tries = Tries::default();
        let mut renewed = false;
        loop {
            let again = copy(&request);
            let method = request.method().clone();
            let slot = place.enter().await;
            let session = self.session().await?;
            let answer = self.ask(&session, request).await;
            let Some(again) = again else { return finish(answer, slot) };
            let refused = matches!(&answer, Ok(response) if response.status() == StatusCode::UNAUTHORIZED);
            if refused && !renewed && self.endpoint.source.is_renewable() {
                renewed = true;
                self.discard(&session).await;
            } else if let Some(retry) = tries.next(&answer, &method) {
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
                return finish(answer, slot);
            }
            request = again;
        }
    }

    async fn ask(&self, session: &Session, mut request: Request<Body>) -> Result<Response<Body>, BoxError> {
        if let Some(authorization) = &session.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        match tokio::time::timeout(RESPONSE_TIMEOUT, session.client.send(request)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                Err(Reason::Unreachable { address: self.endpoint.address(), problem: Unreachable::Timeout }.into())
            }
        }
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
        let mut config = self.endpoint.config.clone();
        if let Some(identity) = identity {
            config.auth_info.client_certificate_data = Some(BASE64_STANDARD.encode(&identity.certificate));
            config.auth_info.client_key_data = Some(BASE64_STANDARD.encode(identity.key.expose_secret()).into());
        }
        let builder = ClientBuilder::try_from(config).map_err(|error| Reason::of(&error, &self.endpoint.address()))?;
        Ok(builder.build())
    }

    /// Forgets a session whose credential was refused, unless another request has renewed it already.
    async fn discard(&self, refused: &Session) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Open(session) if session.opened == refused.opened) {
            *state = State::None;
        }
    }
}

/// An answer to be handed on: its request is under way until the whole of it is read, or nobody wants it any more.
fn finish(answer: Result<Response<Body>, BoxError>, slot: Slot) -> Result<Response<Answer>, BoxError> {
    if answer.as_ref().is_ok_and(|response| response.status() != StatusCode::TOO_MANY_REQUESTS) {
        slot.answered();
    }
    Ok(answer?.map(|body| Answer { body, _slot: slot }))
}

/// The body of an answer.
struct Answer {
    body: Body,
    _slot: Slot,
}

impl http_body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = kube::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
    fn next(&mut self, answer: &Result<Response<Body>, BoxError>, method: &Method) -> Option<Retry> {
        let retry = match answer {
            Ok(response) => {
                let more = self.retries < BUSY_RETRIES;
                let no_room = response.status() == StatusCode::TOO_MANY_REQUESTS;
                let since = no_room.then(|| *self.refused.get_or_insert_with(Instant::now));
                let worth_it = match response.status() {
                    StatusCode::TOO_MANY_REQUESTS => more || since.is_some_and(|at| at.elapsed() < ROOM_PATIENCE),
                    StatusCode::SERVICE_UNAVAILABLE => more,
                    // It may have happened all the same, so only what changes nothing is repeated.
                    StatusCode::GATEWAY_TIMEOUT => more && method == Method::GET,
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
                let refused = error.downcast_ref::<kube::Error>().is_some_and(|error| {
                    matches!(Reason::of(error, ""), Reason::Unreachable { problem: Unreachable::Refused, .. })
                });
                let pause = backoff(Duration::from_millis(250), self.retries);
                (refused && self.retries < REFUSED_RETRIES).then_some(Retry::Alone(pause))
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

    fn answer(status: u16, retry_after: Option<&str>) -> Result<Response<Body>, BoxError> {
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header(RETRY_AFTER, seconds);
        }
        Ok(response.body(Body::empty()).unwrap())
    }

    fn check(status: u16, retry_after: Option<&str>, method: Method, retries: u32, expected: Option<Retry>) {
        let mut tries = Tries { retries, refused: None };
        let retry = tries.next(&answer(status, retry_after), &method);
        assert_eq!(retry, expected, "{status} {retry_after:?} {method} {retries}");
    }

    #[test]
    fn busy_server_is_asked_again_within_bounds() {
        let alone = |millis| Some(Retry::Alone(Duration::from_millis(millis)));
        let with_all = |millis| Some(Retry::WithAll(Duration::from_millis(millis)));
        check(429, Some("3"), Method::POST, 0, with_all(3_000));
        check(429, Some("3600"), Method::POST, 0, with_all(10_000));
        check(429, None, Method::POST, 1, with_all(1_000));
        check(429, None, Method::POST, 40, with_all(10_000));
        check(503, Some("2"), Method::PATCH, 0, with_all(2_000));
        check(503, None, Method::PATCH, 0, alone(500));
        check(503, None, Method::PATCH, 2, alone(2_000));
        check(503, None, Method::PATCH, 5, None);
        check(504, None, Method::GET, 0, alone(500));
        check(504, None, Method::POST, 0, None);
        check(200, None, Method::GET, 0, None);
        check(401, None, Method::GET, 0, None);
        check(500, None, Method::GET, 0, None);
    }

    #[test]
    fn server_that_never_has_room_is_given_up_after_a_minute() {
        let earlier = Instant::now().checked_sub(ROOM_PATIENCE).unwrap();
        let mut tries = Tries { retries: BUSY_RETRIES - 1, refused: Some(earlier) };
        assert!(tries.next(&answer(429, Some("1")), &Method::GET).is_some());
        assert_eq!(tries.next(&answer(429, Some("1")), &Method::GET), None);
    }
}
