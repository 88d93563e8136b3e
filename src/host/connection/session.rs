//! The HTTP service under a host's client: gets the credential when the first request needs it, renews it, and retries
//! what is worth retrying, within bounds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use kube::client::{Body, ClientBuilder};
use tokio::sync::Mutex;
use tower::BoxError;

use super::Endpoint;
use super::credential::Identity;
use crate::host::error::{Reason, Unreachable};

/// The API server ends its own work on a request after 60 s and says so; who is silent for longer is not there.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(65);
/// Busy API servers (429, 503) are asked that many times more.
const BUSY_RETRIES: u32 = 5;
/// A refused connection may be an API server that is just restarting, behind an address that is right.
const REFUSED_RETRIES: u32 = 3;
/// The longest pause that a `Retry-After` gets.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Hundreds of resources share a host: a credential that cannot be got is not asked for again for each of them.
const FAILURE_LIFETIME: Duration = Duration::from_secs(10);

/// A client that opens its connection when it is first used. Needs a tokio runtime.
pub(in crate::host) fn client(endpoint: Arc<Endpoint>) -> kube::Client {
    let namespace = endpoint.config.default_namespace.clone();
    let sessions = Arc::new(Sessions { endpoint, state: Mutex::new(State::None) });
    let service = tower::service_fn(move |request| {
        let sessions = Arc::clone(&sessions);
        async move { sessions.send(request).await }
    });
    kube::Client::new(service, namespace)
}

struct Sessions {
    endpoint: Arc<Endpoint>,
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
    async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let mut retries = 0;
        let mut renewed = false;
        loop {
            let again = copy(&request);
            let method = request.method().clone();
            let session = self.session().await?;
            let answer = self.ask(&session, request).await;
            let Some(again) = again else { return answer };
            let refused = matches!(&answer, Ok(response) if response.status() == StatusCode::UNAUTHORIZED);
            if refused && !renewed && self.endpoint.source.is_renewable() {
                renewed = true;
                self.discard(&session).await;
            } else if let Some(pause) = pause_before_retry(&answer, &method, retries) {
                retries += 1;
                tracing::debug!(?pause, retries, "the host is busy or restarting, asking again");
                tokio::time::sleep(pause).await;
            } else {
                return answer;
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
            config.auth_info.client_key_data = Some(BASE64_STANDARD.encode(identity.key.expose()).into());
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

/// How long to wait before asking again; `None` where the answer stands.
fn pause_before_retry(answer: &Result<Response<Body>, BoxError>, method: &Method, retries: u32) -> Option<Duration> {
    match answer {
        Ok(response) => {
            let busy = match response.status() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
                // It may have happened all the same, so only what changes nothing is repeated.
                StatusCode::GATEWAY_TIMEOUT => method == Method::GET,
                _ => false,
            };
            let asked_for = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let pause = asked_for.map_or(Duration::from_millis(500) * 2_u32.pow(retries), Duration::from_secs);
            (busy && retries < BUSY_RETRIES).then(|| pause.min(LONGEST_PAUSE))
        }
        Err(error) => {
            let refused = error.downcast_ref::<kube::Error>().is_some_and(|error| {
                matches!(Reason::of(error, ""), Reason::Unreachable { problem: Unreachable::Refused, .. })
            });
            (refused && retries < REFUSED_RETRIES).then(|| Duration::from_millis(250) * 2_u32.pow(retries))
        }
    }
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

    fn check(status: u16, retry_after: Option<&str>, method: Method, retries: u32, expected: Option<u64>) {
        let mut response = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            response = response.header(RETRY_AFTER, seconds);
        }
        let answer = Ok(response.body(Body::empty()).unwrap());
        let pause = pause_before_retry(&answer, &method, retries).map(|pause| pause.as_millis() as u64);
        assert_eq!(pause, expected, "{status} {retry_after:?} {method} {retries}");
    }

    #[test]
    fn busy_server_is_asked_again_within_bounds() {
        check(429, Some("3"), Method::POST, 0, Some(3_000));
        check(429, Some("3600"), Method::POST, 0, Some(10_000));
        check(503, None, Method::PATCH, 0, Some(500));
        check(503, None, Method::PATCH, 2, Some(2_000));
        check(503, None, Method::PATCH, 5, None);
        check(504, None, Method::GET, 0, Some(500));
        check(504, None, Method::POST, 0, None);
        check(200, None, Method::GET, 0, None);
        check(401, None, Method::GET, 0, None);
        check(500, None, Method::GET, 0, None);
    }
}
