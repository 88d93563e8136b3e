//! Plays Terraform's part of a connection: certificate, handshake line, mutual TLS over the socket, gRPC.
//!
//! For tests and benchmarks of providers, in Rust or not: what is wrong with a plugin ends in a panic.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

pub mod values;
mod wire;

pub use wire::{go_plugin, health, tf6};

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use wire::go_plugin::grpc_controller_client::GrpcControllerClient;
use wire::tf6::provider_client::ProviderClient;

/// As large as Terraform allows its answers to be.
const LARGEST_MESSAGE: usize = i32::MAX as usize;

/// A certificate like the one that Terraform makes for each run: curve P-521, self-signed, an authority.
pub struct Certificate {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificate {
    pub fn new() -> Self {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { key, certificate }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }
}

/// The handshake line, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Handshake {
    pub core_version: String,
    pub protocol: String,
    pub network: String,
    pub address: String,
    pub transport: String,
    pub certificate: Vec<u8>,
}

impl Handshake {
    pub fn parse(line: &str) -> Self {
        let fields: Vec<_> = line.trim_end().split('|').map(ToOwned::to_owned).collect();
        let [core_version, protocol, network, address, transport, certificate] = fields.try_into().unwrap();
        let certificate = STANDARD_NO_PAD.decode(certificate).unwrap();
        Self { core_version, protocol, network, address, transport, certificate }
    }

    /// Connects as Terraform does: with `own` certificate if any, and trusting the server's only.
    pub async fn connect(&self, own: Option<&Certificate>) -> Result<Grpc, Box<dyn std::error::Error + Send + Sync>> {
        let stream = UnixStream::connect(&self.address).await?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ExactlyThisServer(self.certificate.clone(), Arc::clone(&provider));
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(server));
        let mut client = match own {
            None => client.with_no_client_auth(),
            Some(own) => client.with_client_auth_cert(
                vec![own.certificate.der().clone()],
                PrivatePkcs8KeyDer::from(own.key.serialize_der()).into(),
            )?,
        };
        client.alpn_protocols = vec![b"h2".to_vec()];
        let server = ServerName::try_from("localhost")?;
        Grpc::over(TlsConnector::from(Arc::new(client)).connect(server, stream).await?).await
    }
}

/// Trusts the certificate of the handshake line. (A plugin written in Go has one that is marked as an authority, which
/// web rules refuse.)
#[derive(Debug)]
struct ExactlyThisServer(Vec<u8>, Arc<CryptoProvider>);

impl ServerCertVerifier for ExactlyThisServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        assert_eq!(**end_entity, *self.0, "the server is another than the one of the handshake");
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.1.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// One HTTP/2 connection.
#[derive(Clone)]
pub struct Grpc(SendRequest<Body>);

impl Grpc {
    /// A connection over any stream, without TLS unless the stream has it.
    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (requests, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(4 << 20)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(connection);
        Ok(Self(requests))
    }

    pub fn provider(&self) -> ProviderClient<Self> {
        ProviderClient::with_origin(self.clone(), http::Uri::from_static("http://localhost"))
            .max_decoding_message_size(LARGEST_MESSAGE)
            .max_encoding_message_size(LARGEST_MESSAGE)
    }

    pub fn controller(&self) -> GrpcControllerClient<Self> {
        GrpcControllerClient::with_origin(self.clone(), http::Uri::from_static("http://localhost"))
    }
}

impl tower::Service<http::Request<Body>> for Grpc {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
