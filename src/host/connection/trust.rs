//! Which certificates of an API server are trusted, where the connection names authorities: those that Go trusts.
//!
//! rustls verifies a chain up to an authority. Three things are different from Go there, and are dealt with here. A
//! certificate that is itself among the authorities is trusted, whatever it is. One that is marked as an authority (CA) may be a
//! server's, where an authority has signed it directly. And an authority has to be valid now and marked as one: what is neither
//! must not vouch for others. Names, dates, purposes and signatures count in every case.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why a certificate is not trusted that rustls has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::host) enum Distrust {
    #[error(
        "its certificate is marked as an authority (CA) and comes by way of other authorities, which no server's does; name that \
         very certificate as the authority to trust it all the same"
    )]
    ServerIsAuthority,
    #[error("the authority that signed its certificate has expired, or is not valid yet")]
    AuthorityNotValidNow,
}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}

/// The certificates that a connection names as authorities.
#[derive(Debug)]
pub(super) struct Authorities {
    listed: Vec<Listed>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Listed {
    certificate: CertificateDer<'static>,
    /// What it vouches with; `None` where it may not.
    anchor: Option<TrustAnchor<'static>>,
    /// In seconds since 1970.
    begins: i64,
    ends: i64,
}

impl Listed {
    fn read(der: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from(der.to_vec());
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let mut store = RootCertStore::empty();
        store.add(certificate.clone()).ok()?;
        let anchor = if may_sign(&parsed) { store.roots.pop() } else { None };
        let validity = parsed.validity();
        let (begins, ends) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Some(Self { certificate, anchor, begins, ends })
    }

    fn is_valid(&self, now: UnixTime) -> bool {
        (self.begins..=self.ends).contains(&seconds(now))
    }
}

/// Go's `CheckSignatureFrom`: before version 3, there was no mark.
fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    let is_authority = match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => certificate.version().0 < 2,
        Err(_) => false,
    };
    is_authority && certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()))
}

fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

impl Authorities {
    pub fn new(certificates: &[Vec<u8>], provider: Arc<CryptoProvider>) -> Self {
        let listed = certificates.iter().filter_map(|der| Listed::read(der)).collect();
        Self { listed, provider }
    }

    fn check(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if let Some(listed) = self.listed.iter().find(|listed| listed.certificate == *server) {
            return check_by_itself(&listed.certificate, now);
        }
        let by_chain = |authorities: &mut dyn Iterator<Item = &Listed>| {
            let roots = authorities.filter_map(|listed| listed.anchor.clone()).collect();
            let algorithms = self.provider.signature_verification_algorithms.all;
            let certificate = ParsedCertificate::try_from(server)?;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                &RootCertStore { roots },
                intermediates,
                now,
                algorithms,
            )
        };
        let Err(error) = by_chain(&mut self.listed.iter().filter(|listed| listed.is_valid(now))) else { return Ok(()) };
        if is_marked_as_authority(server) {
            return self.check_direct(server, !intermediates.is_empty(), now);
        }
        match by_chain(&mut self.listed.iter()) {
            Ok(()) => Err(Distrust::AuthorityNotValidNow.into()),
            Err(_) => Err(error),
        }
    }

    /// A server's certificate that is marked as an authority: rustls verifies none, so it has to be signed by an authority
    /// directly.
    fn check_direct(&self, server: &CertificateDer<'_>, by_others: bool, now: UnixTime) -> Result<(), Error> {
        let damaged = || Error::from(CertificateError::BadEncoding);
        let (_, parsed) = X509Certificate::from_der(server).map_err(|_| damaged())?;
        let mut found = false;
        for listed in self.listed.iter().filter(|listed| listed.anchor.is_some()) {
            let Ok((_, authority)) = X509Certificate::from_der(&listed.certificate) else { continue };
            if authority.subject().as_raw() != parsed.issuer().as_raw() || !self.has_signed(&authority, server) {
                continue;
            }
            found = true;
            // Constraints of names are rustls's to check, and it does not come to them.
            let constrained = !matches!(authority.name_constraints(), Ok(None));
            if listed.is_valid(now) && !constrained {
                return check_by_itself(server, now);
            }
        }
        match found {
            true => Err(Distrust::AuthorityNotValidNow.into()),
            false if by_others => Err(Distrust::ServerIsAuthority.into()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn has_signed(&self, authority: &X509Certificate<'_>, certificate: &[u8]) -> bool {
        let Some(signed) = Signed::read(certificate) else { return false };
        let Some(key_algorithm) = sequence(authority.public_key().raw).and_then(|(spki, _)| sequence(spki)) else {
            return false;
        };
        let key = &authority.public_key().subject_public_key.data;
        let fitting = self.provider.signature_verification_algorithms.all.iter().filter(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == key_algorithm.0
                && algorithm.signature_alg_id().as_ref() == signed.algorithm
        });
        fitting.into_iter().any(|algorithm| algorithm.verify_signature(key, signed.message, signed.signature).is_ok())
    }
}

/// The parts of a certificate that a signature is about.
struct Signed<'c> {
    message: &'c [u8],
    algorithm: &'c [u8],
    signature: &'c [u8],
}

impl<'c> Signed<'c> {
    fn read(certificate: &'c [u8]) -> Option<Self> {
        let (content, _) = sequence(certificate)?;
        let (_, rest) = sequence(content)?;
        let message = &content[..content.len() - rest.len()];
        let (algorithm, rest) = sequence(rest)?;
        // A bit string of whole bytes.
        let (signature, _) = value(rest, 0x03)?;
        Some(Self { message, algorithm, signature: signature.strip_prefix(&[0])? })
    }
}

fn sequence(der: &[u8]) -> Option<(&[u8], &[u8])> {
    value(der, 0x30)
}

/// The content of the DER value with this tag, and what follows.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[is, length], rest) = der.split_first_chunk::<2>()?;
    if is != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7F => (usize::from(length), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7F))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn is_marked_as_authority(certificate: &[u8]) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| certificate.is_ca())
}

/// Dates and purpose.
fn check_by_itself(certificate: &[u8], now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.validity();
    let is_for_servers = match parsed.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.any || usage.value.server_auth,
        Err(_) => false,
    };
    match seconds(now) {
        now if now < validity.not_before.timestamp() => Err(CertificateError::NotValidYet.into()),
        now if now > validity.not_after.timestamp() => Err(CertificateError::Expired.into()),
        _ if !is_for_servers => Err(CertificateError::InvalidPurpose.into()),
        _ => Ok(()),
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        self.check(end_entity, intermediates, now)?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
