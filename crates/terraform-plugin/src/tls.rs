//! Mutual TLS between Terraform and this plugin: certificates made for one run, each side pinned to the other's.
//!
//! Terraform's is self-signed, marked as an authority and of curve P-521, so web rules do not fit it (and `ring` cannot
//! check its signatures). Here exactly that certificate is accepted, and no other.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};

/// Why mutual TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// What Terraform passed is not a certificate.
    #[error("Terraform's certificate (PLUGIN_CLIENT_CERT) cannot be read")]
    ClientCertificate(#[source] rustls::pki_types::pem::Error),
    /// Our own certificate could not be made.
    #[error("cannot make the plugin's own certificate")]
    OwnCertificate(#[source] rcgen::Error),
    /// rustls does not take it.
    #[error("cannot set up TLS")]
    Configuration(#[source] rustls::Error),
}

/// Our side of the connection.
pub struct Identity {
    pub configuration: Arc<ServerConfig>,
    pub certificate: CertificateDer<'static>,
}

impl Identity {
    /// Makes a fresh certificate. Only the owner of `client_certificate` (PEM) will be able to connect.
    pub fn for_client(client_certificate: &str) -> Result<Self, TlsError> {
        let client = CertificateDer::from_pem_slice(client_certificate.as_bytes());
        let client = client.map_err(TlsError::ClientCertificate)?;
        let key = KeyPair::generate().map_err(TlsError::OwnCertificate)?;
        let certificate = CertificateParams::new(["localhost".to_owned()])
            .and_then(|parameters| parameters.self_signed(&key))
            .map_err(TlsError::OwnCertificate)?;
        let certificate = certificate.der().clone();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(ExactlyThisClient { certificate: client, provider: Arc::clone(&provider) });
        let mut configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Configuration)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .map_err(TlsError::Configuration)?;
        configuration.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { configuration: Arc::new(configuration), certificate })
    }
}

#[derive(Debug)]
struct ExactlyThisClient {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for ExactlyThisClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
