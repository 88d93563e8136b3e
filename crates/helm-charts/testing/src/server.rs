//! A web server on loopback that serves a directory, and fails as it is told to. And a proxy.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, LOCATION, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Who may read what is private.
pub const USER: &str = "reader";
pub const PASSWORD: &str = "chart-password-4711";

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What the server does instead of answering a request as it should.
#[derive(Debug, Clone)]
pub enum Fault {
    Status(u16),
    /// A status with `Retry-After`.
    RetryAfter(u16, &'static str),
    /// The whole length is promised, half of it comes.
    Truncated,
    /// Other bytes, of the same length.
    Corrupted,
    /// The head, and then nothing.
    Silent,
    Redirect(String),
    /// This text instead of the file.
    Text(String),
}

/// A certificate authority and a certificate of its own for some names.
pub struct Tls {
    pub authority: String,
    pub config: Arc<ServerConfig>,
}

impl Tls {
    pub fn of(names: &[&str]) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        Self { authority: authority.pem(), config: Arc::new(config) }
    }
}

/// What a server is like. Everything that is not set is off.
#[derive(Default)]
pub struct Options {
    pub tls: Option<Tls>,
    /// Whether [`USER`] and [`PASSWORD`] are asked for.
    pub private: bool,
}

pub struct Server {
    pub port: u16,
    scheme: &'static str,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    root: PathBuf,
    private: bool,
    /// For requests whose path ends so, in this order.
    faults: Mutex<VecDeque<(String, Fault)>>,
    requests: Mutex<Vec<Seen>>,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub path: String,
    pub with_credentials: bool,
}

impl Server {
    pub async fn start(root: &Path, options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            private: options.private,
            faults: Mutex::default(),
            requests: Mutex::default(),
        });
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let acceptor = options.tls.map(|tls| TlsAcceptor::from(tls.config));
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            // Connections end with the server.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, acceptor) = (Arc::clone(&serving), acceptor.clone());
                connections.spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                shared.serve(stream).await;
                            }
                        }
                        None => shared.serve(stream).await,
                    }
                });
            }
        });
        Self { port, scheme, shared, task }
    }

    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// Ends it. While what this gives lives, nobody else answers at its address.
    pub async fn stop(mut self) -> TcpSocket {
        self.task.abort();
        let _ = (&mut self.task).await;
        reserve(self.port)
    }

    /// The next request for what ends in `path` fails so; further ones with further calls.
    pub fn fail(&self, path: &str, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back((path.to_owned(), fault));
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until all faults have been met. A client that has given up may have asked before the server looked.
    pub async fn met_all_faults(&self) {
        while !self.shared.faults.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The paths of the requests since the last call.
    pub fn take_paths(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().drain(..).map(|request| request.path).collect()
    }
}

/// A port that nobody listens at, and that nobody else can take.
pub(crate) fn reserve(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| {
            let shared = Arc::clone(&self);
            async move { Ok::<_, Infallible>(shared.answer(&request)) }
        });
        // Truncated answers are errors here, too.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let authorization = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
        let with_credentials = authorization.is_some();
        self.requests.lock().unwrap().push(Seen { path: path.clone(), with_credentials });
        let expected = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        if self.private && authorization.is_some_and(|is| is != expected) {
            return empty(Response::builder().status(403));
        }
        if self.private && !with_credentials {
            return empty(Response::builder().status(401).header("WWW-Authenticate", "Basic realm=\"charts\""));
        }
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            let found = faults.iter().position(|(suffix, _)| path.ends_with(suffix));
            found.and_then(|index| faults.remove(index)).map(|(_, fault)| fault)
        };
        let file = std::fs::read(self.root.join(path.trim_start_matches('/')));
        match (fault, file) {
            (Some(Fault::Status(status)), _) => empty(Response::builder().status(status)),
            (Some(Fault::RetryAfter(status, after)), _) => {
                empty(Response::builder().status(status).header(RETRY_AFTER, after))
            }
            (Some(Fault::Redirect(target)), _) => {
                empty(Response::builder().status(StatusCode::FOUND).header(LOCATION, target))
            }
            (Some(Fault::Text(text)), _) => body(text.len(), vec![Ok(text.into())], None),
            (_, Err(_)) => empty(Response::builder().status(404)),
            (Some(Fault::Truncated), Ok(file)) => {
                let half = file[..file.len() / 2].to_vec();
                body(file.len(), vec![Ok(half.into()), Err(io::Error::other("cut"))], None)
            }
            (Some(Fault::Silent), Ok(file)) => body(file.len(), vec![Ok(file.into())], Some(Duration::from_secs(3600))),
            (Some(Fault::Corrupted), Ok(mut file)) => {
                let middle = file.len() / 2;
                file[middle] ^= 1;
                body(file.len(), vec![Ok(file.into())], None)
            }
            (None, Ok(file)) => body(file.len(), vec![Ok(file.into())], None),
        }
    }
}

fn empty(response: http::response::Builder) -> Response<Body> {
    response.body(StreamBody::new(stream::empty()).boxed_unsync()).unwrap()
}

fn body(length: usize, parts: Vec<io::Result<Bytes>>, delay: Option<Duration>) -> Response<Body> {
    let parts = stream::iter(parts).then(move |part| async move {
        tokio::time::sleep(delay.unwrap_or_default()).await;
        part.map(Frame::data)
    });
    Response::builder().header(CONTENT_LENGTH, length).body(StreamBody::new(parts).boxed_unsync()).unwrap()
}

/// A proxy that leads every name to this machine.
pub struct Proxy {
    pub port: u16,
    targets: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// With `authorization`, every request has to have that `Proxy-Authorization`.
    pub async fn start(authorization: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let targets = Arc::new(Mutex::default());
        let seen = Arc::clone(&targets);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                // Ends with an error where one side just goes away.
                tokio::spawn(async move { forward(client, authorization, &seen).await });
            }
        });
        Self { port, targets, task }
    }

    /// What was asked for: `CONNECT host:port` or `GET http://host:port/path`.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut client: TcpStream, authorization: Option<&str>, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    if authorization.is_some_and(|wanted| !headers.to_lowercase().contains(&wanted.to_lowercase())) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
    }
    let (asked, _) = line.rsplit_once(' ').unwrap();
    seen.lock().unwrap().push(asked.to_owned());
    let port = |authority: &str| authority.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let (method, target) = asked.split_once(' ').unwrap();
    let mut server;
    if method == "CONNECT" {
        server = TcpStream::connect(("127.0.0.1", port(target))).await?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        let (authority, path) = target.strip_prefix("http://").unwrap().split_once('/').unwrap();
        server = TcpStream::connect(("127.0.0.1", port(authority))).await?;
        let request = format!("{method} /{path} HTTP/1.1\r\nConnection: close\r\n{headers}");
        server.write_all(request.as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
