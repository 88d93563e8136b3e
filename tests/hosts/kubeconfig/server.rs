//! What both sides are sent to: a server that answers like an API server and notes who asked, and a proxy that leads every
//! name to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a request says of who sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The path before that of the API.
    pub prefix: String,
    pub authorization: Option<String>,
    /// Headers of impersonation, in the order of the alphabet.
    pub impersonation: Vec<(String, String)>,
    pub certificate: Option<Vec<u8>>,
    /// What a proxy was asked for, and its credentials.
    pub proxied: Option<(String, Option<String>)>,
}

pub type Log<T> = Arc<Mutex<Vec<T>>>;

/// How a server speaks.
#[derive(Clone)]
pub enum Speech {
    Plain,
    Tls { chain: Vec<CertificateDer<'static>>, key: Arc<PrivateKeyDer<'static>> },
}

/// Starts a server; what it was asked comes into the log.
pub async fn server(speech: Speech, log: Log<Seen>) -> SocketAddr {
    let acceptor = match speech {
        Speech::Plain => None,
        Speech::Tls { chain, key } => Some(acceptor(chain, &key)),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                let Some(acceptor) = acceptor else { return serve(client, None, &log).await };
                // Who does not trust the certificate goes away.
                let Ok(stream) = acceptor.accept(client).await else { return };
                let certificate = stream.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec());
                serve(stream, certificate, &log).await;
            });
        }
    });
    address
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(Arc::new(Anyone));
    // Certificates that rustls would not show of itself are part of the table.
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(chain, key);
    TlsAcceptor::from(Arc::new(config.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))))
}

async fn serve(mut client: impl AsyncRead + AsyncWrite + Unpin, certificate: Option<Vec<u8>>, log: &Log<Seen>) {
    while let Some(head) = read_head(&mut client).await {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let answers = [
            (
                "/version",
                json!({ "major": "1", "minor": "35", "gitVersion": "v1.35.4", "gitCommit": "", "gitTreeState": "",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
            ),
            (
                "/api/v1/namespaces/kube-system",
                json!({ "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "name": "kube-system", "uid": "uid-1" } }),
            ),
        ];
        let known = answers.iter().find(|(known, _)| path.ends_with(known));
        let (prefix, body) =
            known.map_or((path, json!({})), |(known, body)| (path.trim_end_matches(known), body.clone()));
        let mut seen = Seen { prefix: prefix.to_owned(), certificate: certificate.clone(), ..Seen::default() };
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            match name.to_lowercase() {
                name if name == "authorization" => seen.authorization = Some(value.to_owned()),
                name if name.starts_with("impersonate-") => seen.impersonation.push((name, value.to_owned())),
                _ => {}
            }
        }
        seen.impersonation.sort();
        log.lock().unwrap().push(seen);
        let body = body.to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if client.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The head of a request; `None` where none comes any more, or something else than HTTP.
async fn read_head(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<String> {
    let mut head = vec![client.read_u8().await.ok()?];
    if !head[0].is_ascii_alphabetic() {
        client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok()?;
        return None;
    }
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Takes any client certificate, and none.
#[derive(Debug)]
struct Anyone;

impl ClientCertVerifier for Anyone {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Connect,
    Socks,
}

/// Starts a proxy that leads everybody to `server`; what it was asked for comes into the log.
pub async fn proxy(
    manner: Manner,
    speech: Speech,
    server: SocketAddr,
    log: Log<(String, Option<String>)>,
) -> SocketAddr {
    let acceptor = match speech {
        Speech::Plain => None,
        Speech::Tls { chain, key } => Some(acceptor(chain, &key)),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                match acceptor {
                    None => pass_on(client, manner, server, &log).await,
                    Some(acceptor) => match acceptor.accept(client).await {
                        Ok(client) => pass_on(client, manner, server, &log).await,
                        Err(_) => None,
                    },
                }
            });
        }
    });
    address
}

async fn pass_on(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    manner: Manner,
    server: SocketAddr,
    log: &Log<(String, Option<String>)>,
) -> Option<()> {
    let asked = match manner {
        Manner::Connect => connect(&mut client).await?,
        Manner::Socks => socks(&mut client).await?,
    };
    log.lock().unwrap().push(asked);
    let mut server = TcpStream::connect(server).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}

async fn connect(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<(String, Option<String>)> {
    let head = read_head(client).await?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let basic = lines.find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization")).map(|(_, value)| value);
    let basic = basic.and_then(|value| BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok());
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    Some((target, basic.map(|basic| String::from_utf8(basic).unwrap())))
}

async fn socks(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<(String, Option<String>)> {
    async fn text(client: &mut (impl AsyncRead + Unpin)) -> Option<String> {
        let mut bytes = vec![0; client.read_u8().await.ok()?.into()];
        client.read_exact(&mut bytes).await.ok()?;
        String::from_utf8(bytes).ok()
    }
    client.read_u8().await.ok()?;
    let mut methods = vec![0; client.read_u8().await.ok()?.into()];
    client.read_exact(&mut methods).await.ok()?;
    let mut credentials = None;
    if methods.contains(&2) {
        client.write_all(&[5, 2]).await.ok()?;
        client.read_u8().await.ok()?;
        credentials = Some(format!("{}:{}", text(client).await?, text(client).await?));
        client.write_all(&[1, 0]).await.ok()?;
    } else {
        client.write_all(&[5, 0]).await.ok()?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(client.read_u32().await.ok()?).to_string(),
        _ => text(client).await?,
    };
    let port = client.read_u16().await.ok()?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    Some((format!("{host}:{port}"), credentials))
}
