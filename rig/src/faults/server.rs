//! Connections and what comes on them: TLS ends here, and each request is answered by the host or by a fault.

use std::{
    error::Error,
    io,
    net::SocketAddrV4,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{
    Request, Response, Uri,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, TRANSFER_ENCODING},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, ResponseFuture},
    rt::{TokioExecutor, TokioIo},
};
use kube::client::ConfigExt;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    body::{self, Body},
    hold::Moment,
    plan::Plan,
    rule::{Asked, Fault, Meets},
};
use crate::Host;

type Failure = Box<dyn Error + Send + Sync>;

/// An API server closes connections that nobody has used for 90 s. One that it closes while a request is on its way would be
/// a fault that nobody has asked for.
const LONGEST_IDLE: Duration = Duration::from_secs(20);

/// What all connections share.
pub(super) struct Shared {
    tls: TlsAcceptor,
    /// The host's URL.
    host: String,
    administrator: Ask,
    /// For requests that bring a token.
    nobody: Ask,
    plan: Mutex<Plan>,
}

/// Asks the host. What it refuses is for the client to ask again.
type Ask = Box<dyn Fn(Request<Full<Bytes>>) -> ResponseFuture + Send + Sync>;

impl Shared {
    /// To be made in the runtime that uses it.
    pub fn before(host: &Host) -> Result<Self, Failure> {
        let mut config = host.config();
        let administrator = client(&config)?;
        config.auth_info = kube::config::AuthInfo::default();
        let nobody = client(&config)?;
        let tls = tls(&host.kubeconfig().with_file_name("serving.pem"))?;
        Ok(Self { tls, host: host.server().to_owned(), administrator, nobody, plan: Mutex::default() })
    }

    pub fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // Whenever this side closes the connection, it is a reset.
        stream.set_zero_linger()?;
        let stream = self.tls.accept(stream).await?;
        let service = service_fn(move |request| Arc::clone(&self).answer(request));
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
    }

    /// An error is the end of the connection.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        let asked = Asked { method: request.method().clone(), path };
        let (meets, page) = {
            let mut plan = self.plan();
            (plan.look(&asked), plan.page)
        };
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let (fault, gate) = match meets {
            Some(Meets::Fault(fault)) => (Some(fault), None),
            Some(Meets::Gate(gate)) => (None, Some(gate)),
            None => (None, None),
        };
        if let Some(answer) = fault.as_ref().and_then(said) {
            return Ok(answer);
        }
        match &fault {
            Some(Fault::Reset) => return Err(told()),
            Some(Fault::Silence(time)) => tokio::time::sleep(*time).await,
            _ => {}
        }
        if let Some(gate) = gate.as_ref().filter(|gate| gate.moment == Moment::BeforeEffect) {
            gate.pass().await;
        }
        if let Some(objects) = page {
            head.uri = paged(&head.uri, objects);
        }
        let answer = self.pass_on(Request::from_parts(head, body)).await.inspect_err(|error| {
            self.plan().unanswered.push(format!("{asked}: {}", causes(error)));
        })?;
        if let Some(gate) = gate.as_ref().filter(|gate| gate.moment == Moment::AfterEffect) {
            gate.pass().await;
        }
        match fault {
            Some(Fault::ResetAfterEffect) => Err(told()),
            Some(Fault::ResetInBody) => Ok(answer.map(body::cut)),
            Some(Fault::Slow { piece, pause }) => Ok(answer.map(|all| body::slow(all, piece, pause))),
            _ => Ok(answer),
        }
    }

    async fn pass_on(&self, mut request: Request<Bytes>) -> io::Result<Response<Body>> {
        for hop in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            request.headers_mut().remove(hop);
        }
        let asks = if request.headers().contains_key(AUTHORIZATION) { &self.nobody } else { &self.administrator };
        *request.uri_mut() = format!("{}{}", self.host, request.uri()).parse().map_err(io::Error::other)?;
        // What has arrived takes effect, even if its client goes away now.
        let sent = tokio::spawn(asks(request.map(Full::new)));
        let mut answer = sent.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        for hop in [CONNECTION, TRANSFER_ENCODING] {
            answer.headers_mut().remove(hop);
        }
        Ok(answer.map(|body| body.map_err(io::Error::other).boxed_unsync()))
    }
}

/// Serves until it is aborted; connections end with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        connections.spawn(Arc::clone(&shared).serve(stream));
    }
}

fn client(config: &kube::Config) -> Result<Ask, Failure> {
    let connector = config.rustls_https_connector()?;
    let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(LONGEST_IDLE).build(connector);
    Ok(Box::new(move |request| client.request(request)))
}

/// Where an API server listens.
pub(super) fn address(server: &str) -> Result<SocketAddrV4, Failure> {
    Ok(server.trim_start_matches("https://").parse()?)
}

/// TLS with a file that holds certificate and key.
fn tls(path: &Path) -> Result<TlsAcceptor, Failure> {
    let pem = std::fs::read(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&pem)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key)?)))
}

/// The fault as an answer, where it is one.
fn said(fault: &Fault) -> Option<Response<Body>> {
    let (code, status) = fault.status()?;
    let mut answer = Response::builder().status(code).header(CONTENT_TYPE, "application/json");
    if let Fault::TooManyRequests { retry_after } = fault {
        answer = answer.header(RETRY_AFTER, *retry_after);
    }
    let whole = Full::new(Bytes::from(status.to_string()));
    answer.body(whole.map_err(|never| match never {}).boxed_unsync()).ok()
}

/// An error with everything that it came from.
fn causes(error: &io::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.get_ref().and_then(|error| error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn told() -> io::Error {
    io::Error::other("told to cut the connection")
}

/// The same request, for lists of at most so many objects.
fn paged(uri: &Uri, objects: usize) -> Uri {
    let limit = |part: &str| match part.split_once('=') {
        Some(("limit", _)) => format!("limit={objects}"),
        _ => part.to_owned(),
    };
    let Some(query) = uri.query() else { return uri.clone() };
    let query: Vec<String> = query.split('&').map(limit).collect();
    format!("{}?{}", uri.path(), query.join("&")).parse().unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_asked_for_in_smaller_pages() {
        let check = |before: &str, after: &str| assert_eq!(paged(&before.parse().unwrap(), 2).to_string(), after);
        check("/a?limit=500&continue=x%3D", "/a?limit=2&continue=x%3D");
        check("/a?fieldSelector=b", "/a?fieldSelector=b");
        check("/a", "/a");
    }
}
