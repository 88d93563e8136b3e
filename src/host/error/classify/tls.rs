//! What ended a TLS handshake, in words that need no knowledge of rustls.

use rustls::{AlertDescription, CertificateError, Error, OtherError};

use crate::host::connection::Distrust;
use crate::host::error::Tls;

impl Tls {
    pub(super) fn of(error: &Error) -> Self {
        let other = |problem: &str| Self::Other(problem.to_owned());
        match error {
            Error::InvalidCertificate(problem) => Self::of_certificate(problem),
            Error::InvalidMessage(_) => Self::NotTls,
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::PeerIncompatible(_) => other("it supports no version of TLS, or no cipher, that is supported here"),
            Error::PeerMisbehaved(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. } => other("it does not keep to the rules of TLS"),
            Error::NoCertificatesPresented => other("it shows no certificate"),
            _ => {
                tracing::debug!(?error, "a TLS handshake failed in a way that has no words of its own");
                other("the TLS handshake failed")
            }
        }
    }

    fn of_certificate(problem: &CertificateError) -> Self {
        use CertificateError::*;
        let other = |problem: &str| Self::Other(problem.to_owned());
        match problem {
            UnknownIssuer | BadSignature => Self::UnknownAuthority,
            NotValidForName => Self::NameMismatch("not the one that was asked for".to_owned()),
            NotValidForNameContext { expected, presented } => Self::NameMismatch(match presented.as_slice() {
                [] => format!(
                    "asked for {}, it has no names in its subjectAltName, and the common name does not count",
                    expected.to_str()
                ),
                presented => format!(
                    "asked for {}, it has {}",
                    expected.to_str(),
                    presented.iter().map(|name| readable_name(name)).collect::<Vec<_>>().join(", ")
                ),
            }),
            Expired | ExpiredContext { .. } => Self::NotValidNow("expired".to_owned()),
            NotValidYet | NotValidYetContext { .. } => Self::NotValidNow("not valid yet".to_owned()),
            Revoked => other("its certificate is revoked"),
            InvalidPurpose | InvalidPurposeContext { .. } => other("its certificate is not one for servers"),
            BadEncoding | UnhandledCriticalExtension => {
                other("its certificate is damaged, or has parts that are not supported")
            }
            UnsupportedSignatureAlgorithmContext { .. } | UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                other("its certificate is signed in a way that is not supported, such as with SHA-1")
            }
            Other(OtherError(problem)) if problem.is::<Distrust>() => Self::Other(problem.to_string()),
            problem => {
                tracing::debug!(?problem, "a certificate was refused in a way that has no words of its own");
                other("its certificate cannot be accepted")
            }
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription::*;
        let of_client = |problem: &str| Self::ClientCertificate(problem.to_owned());
        let other = |problem: &str| Self::Other(problem.to_owned());
        match alert {
            HandshakeFailure | ProtocolVersion | InsufficientSecurity => {
                other("it supports no version of TLS, or no cipher, that is supported here")
            }
            UnrecognisedName => other("it serves no host of that name"),
            InternalError => other("it ended the handshake because of an error of its own"),
            CertificateRequired | NoCertificate => of_client("it wants one, and got none"),
            CertificateExpired => of_client("expired"),
            CertificateRevoked => of_client("revoked"),
            UnknownCA => of_client("signed by an authority that it does not know"),
            BadCertificate | UnsupportedCertificate | CertificateUnknown => of_client("not one that it can use"),
            AccessDenied => of_client("access denied"),
            DecryptError => of_client("the key does not fit"),
            _ => other("it ended the handshake"),
        }
    }
}

/// rustls presents names in its own notation: `DnsName("kubernetes")`, `IpAddress(10.0.0.1)`.
fn readable_name(presented: &str) -> &str {
    presented.split_once('(').map_or(presented, |(_, name)| name.trim_end_matches(')').trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: Error, expected: &str) {
        assert_eq!(Tls::of(&error).to_string(), expected, "{error:?}");
    }

    #[test]
    fn handshakes_end_in_words() {
        check(Error::General("whatever rustls says".to_owned()), "the TLS handshake failed");
        check(CertificateError::ApplicationVerificationFailure.into(), "its certificate cannot be accepted");
        check(CertificateError::InvalidPurpose.into(), "its certificate is not one for servers");
        let alert = Error::AlertReceived(AlertDescription::UnknownCA);
        check(alert, "it did not accept the client certificate (signed by an authority that it does not know)");
        check(Error::AlertReceived(AlertDescription::Unknown(200)), "it ended the handshake");
    }
}
