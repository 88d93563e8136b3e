//! What may stand between a client and an API server: proxies, and listeners that are no API server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone, Copy)]
pub enum Proxy {
    /// CONNECT, to wherever it is asked.
    Http,
    /// SOCKS 5 without a password.
    Socks5,
    /// Answers every CONNECT with 407.
    Refusing,
}

impl Proxy {
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http | Self::Refusing => "http",
            Self::Socks5 => "socks5",
        }
    }

    /// Agrees with the client on where to go; `None` where it refuses.
    async fn target(self, client: &mut TcpStream) -> Option<String> {
        match self {
            Self::Socks5 => {
                let mut greeting = [0; 3];
                client.read_exact(&mut greeting).await.unwrap();
                client.write_all(&[5, 0]).await.unwrap();
                // Version, CONNECT, reserved, IPv4, address, port: the rig's addresses are IPv4.
                let mut request = [0; 10];
                client.read_exact(&mut request).await.unwrap();
                assert_eq!(request[..4], [5, 1, 0, 1]);
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let [.., a, b, c, d, high, low] = request;
                Some(format!("{a}.{b}.{c}.{d}:{}", u16::from_be_bytes([high, low])))
            }
            Self::Http | Self::Refusing => {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                let refuses = matches!(self, Self::Refusing);
                let answer = if refuses { "407 Proxy Authentication Required" } else { "200 OK" };
                client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.unwrap();
                (!refuses).then_some(target)
            }
        }
    }
}

/// Starts a proxy; the number counts what it let through.
pub async fn proxy(kind: Proxy) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let passed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&passed);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                if let Some(target) = kind.target(&mut client).await {
                    counter.fetch_add(1, Ordering::Relaxed);
                    let mut server = TcpStream::connect(target).await.unwrap();
                    // Ends with an error where one side just goes away.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (address, passed)
}

/// Listens with a certificate, and does nothing else.
pub async fn tls_listener(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // The client ends the handshake: that is what the test is about.
            let _ = acceptor.accept(client).await;
        }
    });
    address
}

/// Answers whatever comes with a line of HTTP.
pub async fn plain_listener() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    address
}

/// Accepts connections and closes them at once.
pub async fn closing_listener() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    address
}
