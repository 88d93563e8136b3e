//! Opens connections to an API server: directly or through a proxy, with TLS or without. Proxies are blamed for what they do,
//! so that nobody looks for it at the API server.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _, service_fn};

use super::credential::Identity;
use super::trust::Authorities;
use super::{Endpoint, pem};
use crate::host::error::{Reason, Unreachable};

/// A proxy that is spoken to in TLS answers at once, or does not know TLS.
const PROXY_TLS_TIMEOUT: Duration = Duration::from_secs(8);

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A client with this client certificate.
pub(super) fn client(endpoint: &Endpoint, identity: Option<&Identity>) -> Result<kube::Client, Reason> {
    let config = &endpoint.config;
    let tls = Arc::new(tls(endpoint, identity)?);
    let name = config.tls_server_name.clone().map(ServerName::try_from).transpose();
    let name = name.map_err(|_| unusable("tls_server_name is no DNS name and no IP address"))?;
    let proxy = config.proxy_url.as_ref().map(|url| Proxy::new(url, &tls, name.as_ref())).transpose()?;
    let dialer = Dialer { direct: plain(), proxy };
    let dial = service_fn(move |server: Uri| {
        let dialer = dialer.clone();
        Box::pin(async move { dialer.dial(server).await })
    });

    let mut connector = hyper_timeout::TimeoutConnector::new(secured(&tls, name.as_ref(), dial));
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let client = hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build::<_, Body>(connector);

    let headers = config.extra_headers_layer().map_err(|_| unusable("its headers cannot be sent"))?;
    let service = ServiceBuilder::new().layer(config.base_uri_layer()).layer(headers).service(client);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

fn unusable(problem: &str) -> Reason {
    Reason::Connection { problem: problem.to_owned() }
}

fn tls(endpoint: &Endpoint, identity: Option<&Identity>) -> Result<ClientConfig, Reason> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    if CryptoProvider::get_default().is_none() {
        // Fails only where another thread has installed one in between.
        let _ = CryptoProvider::clone(&provider).install_default();
    }
    let mut config = match &endpoint.roots {
        Some(roots) => {
            let builder =
                ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
            let builder = builder.map_err(|_| unusable("TLS is not available in this build"))?;
            let authorities = Authorities::new(roots, provider);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(authorities)).with_no_client_auth()
        }
        // kube knows where each system keeps its authorities, and takes the process's own provider.
        None => endpoint.config.rustls_client_config().map_err(|_| {
            unusable("this machine has no certificate authorities of its own: set cluster_ca_certificate")
        })?,
    };
    if let Some(identity) = identity {
        let read = || {
            let chain = pem::certificates(&identity.certificate)?;
            let key = pem::private_key(identity.key.expose_secret())?;
            let key =
                rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).map_err(|_| "the key cannot be used")?;
            Ok::<_, String>(CertifiedKey::new(chain, key))
        };
        let certified = read().map_err(|problem| unusable(&format!("the client certificate: {problem}")))?;
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    }
    Ok(config)
}

fn plain() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector
}

/// TLS over `connector` where a URL asks for it.
fn secured<C>(tls: &Arc<ClientConfig>, name: Option<&ServerName<'static>>, connector: C) -> HttpsConnector<C> {
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(ClientConfig::clone(tls)).https_or_http();
    if let Some(name) = name {
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name.clone()));
    }
    builder.enable_http1().wrap_connector(connector)
}

#[derive(Clone)]
struct Dialer {
    direct: HttpConnector,
    proxy: Option<Proxy>,
}

impl Dialer {
    /// The connection that HTTP, or TLS with the API server, goes over.
    async fn dial(mut self, server: Uri) -> Result<Stream, BoxError> {
        match self.proxy {
            Some(proxy) => proxy.dial(server).await.map_err(BoxError::from),
            None => Ok(MaybeHttpsStream::Http(self.direct.ready().await?.call(server).await?)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    Socks5,
}

/// A proxy, and how to get to it.
#[derive(Clone)]
struct Proxy {
    scheme: Scheme,
    /// Its URL as the connector takes it: http or https, with the port, without credentials.
    url: Uri,
    credentials: Option<(String, String)>,
    /// As in Go, an API server's authorities, server name and client certificate count for its proxy as well.
    connector: HttpsConnector<HttpConnector>,
}

impl Proxy {
    fn new(url: &Uri, tls: &Arc<ClientConfig>, name: Option<&ServerName<'static>>) -> Result<Self, Reason> {
        let (scheme, transport, port) = match url.scheme_str() {
            Some("https") => (Scheme::Https, "https", 443),
            Some("socks5") => (Scheme::Socks5, "http", 1080),
            _ => (Scheme::Http, "http", 80),
        };
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let credentials = authority.rsplit_once('@').map(|(userinfo, _)| {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            (decoded(user), decoded(password))
        });
        let port = url.port_u16().unwrap_or(port);
        let place = format!("{transport}://{}:{port}/", url.host().unwrap_or_default());
        let url = place.parse().map_err(|_| unusable("proxy_url is not valid"))?;
        Ok(Self { scheme, url, credentials, connector: secured(tls, name, plain()) })
    }

    async fn dial(self, server: Uri) -> Result<Stream, Reason> {
        let blame =
            |problem: String| Reason::Unreachable { address: address(&server), problem: Unreachable::Proxy(problem) };
        let stream = self.reach().await.map_err(blame)?;
        self.tunnel(stream, with_port(&server)).await.map_err(blame)
    }

    /// A connection to the proxy itself.
    async fn reach(&self) -> Result<Stream, String> {
        let mut connector = self.connector.clone();
        let connecting = async { connector.ready().await?.call(self.url.clone()).await };
        let late = match self.scheme {
            Scheme::Https => format!("no answer to TLS in time; {PLAIN}"),
            Scheme::Http | Scheme::Socks5 => "no answer in time".to_owned(),
        };
        let connected = tokio::time::timeout(PROXY_TLS_TIMEOUT, connecting).await.map_err(|_| late)?;
        connected.map_err(|error| match Reason::of_causes(&*error, "") {
            Some(Reason::Unreachable { problem: Unreachable::Broken(problem), .. }) if self.scheme == Scheme::Https => {
                format!("{problem}; {PLAIN}")
            }
            Some(Reason::Unreachable { problem, .. }) => problem.to_string(),
            Some(Reason::Tls { problem: crate::host::error::Tls::NotTls, .. }) => {
                format!("it does not speak TLS; {PLAIN}")
            }
            Some(Reason::Tls { problem, .. }) => problem.to_string(),
            _ => "the connection to it broke".to_owned(),
        })
    }

    /// Has the proxy pass the connection on.
    async fn tunnel(self, stream: Stream, server: Uri) -> Result<Stream, String> {
        let mut stream = Some(stream);
        let reached = service_fn(move |_: Uri| {
            std::future::ready(stream.take().ok_or_else(|| std::io::Error::other("used before")))
        });
        match (self.scheme, self.credentials) {
            (Scheme::Socks5, credentials) => {
                let mut socks = SocksV5::new(self.url, reached);
                if let Some((user, password)) = credentials {
                    socks = socks.with_auth(user, password);
                }
                socks.call(server).await.map_err(|error| in_words(&error.to_string()).to_owned())
            }
            (Scheme::Http | Scheme::Https, credentials) => {
                let mut tunnel = Tunnel::new(self.url, reached);
                if let Some((user, password)) = credentials {
                    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
                    let basic = HeaderValue::try_from(basic).map_err(|_| "its credentials cannot be sent")?;
                    tunnel = tunnel.with_auth(basic);
                }
                tunnel.call(server).await.map_err(|error| in_words(&error.to_string()).to_owned())
            }
        }
    }
}

const PLAIN: &str = "a proxy that speaks plain HTTP itself has a proxy_url with http://, whatever it leads to";

/// hyper's word for what a proxy did, in ours.
fn in_words(error: &str) -> &'static str {
    const WORDS: [(&str, &str); 9] = [
        ("proxy authorization required", "it asks for a user name and a password that it knows"),
        ("credentials not accepted", "it asks for a user name and a password that it knows"),
        ("server does not support user/pass", "it asks for a user name and a password, or takes none"),
        ("server implements authentication", "it asks for a user name and a password, or takes none"),
        ("unsuccessful", "it refuses to connect to the API server"),
        ("unexpected end of file", "it closed the connection"),
        ("io error", "it closed the connection"),
        ("failed parsing server response", "it does not speak SOCKS 5"),
        ("headers too long", "its answer is too long"),
    ];
    let known = WORDS.iter().find(|(theirs, _)| error.contains(theirs));
    known.map_or("it refuses to connect to the API server", |(_, ours)| ours)
}

/// A part of a URL without its percent signs. As it stands where they mean nothing.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = escaped.filter(|digits| !digits.starts_with('+'));
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn address(server: &Uri) -> String {
    format!("{}://{}", server.scheme_str().unwrap_or("https"), server.authority().map_or("", |one| one.as_str()))
}

/// Proxies need a port, which hyper takes to be that of https.
fn with_port(server: &Uri) -> Uri {
    if server.scheme_str() != Some("http") || server.port().is_some() {
        return server.clone();
    }
    let place = format!("http://{}:80/", server.host().unwrap_or_default());
    place.parse().unwrap_or_else(|_| server.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_urls_are_decoded() {
        for (text, expected) in [("p%40ss%3Aw", "p@ss:w"), ("100%", "100%"), ("%zz%+1", "%zz%+1"), ("%C3%BC", "ü")] {
            assert_eq!(decoded(text), expected);
        }
    }

    #[test]
    fn ports_are_those_of_the_scheme() {
        assert_eq!(with_port(&Uri::from_static("http://eu/")), "http://eu:80/");
        assert_eq!(with_port(&Uri::from_static("http://eu:8080/")), "http://eu:8080/");
        assert_eq!(with_port(&Uri::from_static("https://eu/")), "https://eu/");
    }
}
