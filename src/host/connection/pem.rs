//! PEM given as text: what it should hold, and what was probably given instead.

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

/// The certificates in a PEM text, as DER.
///
/// # Errors
/// A sentence that says what is expected and what seems to be there instead; never a part of the text.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => {
            let mut store = rustls::RootCertStore::empty();
            match store.add_parsable_certificates(certificates.iter().cloned()) {
                (_, 0) => Ok(certificates),
                _ => Err("a certificate in it is damaged".to_owned()),
            }
        }
        _ => Err(format!("expected PEM text with \"-----BEGIN CERTIFICATE-----\", but {}", instead(text))),
    }
}

/// The certificates in a bundle of authorities, as DER. As in Go, one that is good is enough, and the others are passed over.
pub(super) fn authorities(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let readable = |certificate: &CertificateDer<'_>| {
        rustls::RootCertStore::empty().add_parsable_certificates([certificate.clone()]).0 == 1
    };
    let found = CertificateDer::pem_slice_iter(text.as_bytes()).filter_map(Result::ok).filter(readable);
    let found: Vec<_> = found.map(|certificate| certificate.to_vec()).collect();
    if found.is_empty() { Err(certificates(text).err().unwrap_or_default()) } else { Ok(found) }
}

/// Checks that a PEM text holds a private key that is usable here.
///
/// # Errors
/// As [`certificates`].
pub fn check_private_key(text: &str) -> Result<(), String> {
    private_key(text).map(drop)
}

/// The first private key in a PEM text, whatever of the three forms its label promises.
pub(super) fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, String> {
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| format!("expected PEM text with \"-----BEGIN PRIVATE KEY-----\", but {}", instead(text)))?;
    let der = key.secret_der().to_vec();
    let forms = [
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.clone())),
        PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der.clone())),
        PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)),
    ];
    forms.into_iter().find(|key| any_supported_type(key).is_ok()).ok_or_else(|| {
        "the private key is damaged, or of a kind that is not supported (RSA from 2048 bits on, ECDSA and Ed25519 are)".to_owned()
    })
}

/// Checks that the key belongs to the (first) certificate, which is the value of `of`.
pub(super) fn check_pair(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
    of: impl std::fmt::Display,
) -> Result<(), String> {
    let key = any_supported_type(key).map_err(|_| "the private key cannot be used")?;
    match rustls::sign::CertifiedKey::new(chain, key).keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            Err(format!("the key is not the one of {of}"))
        }
        _ => Ok(()),
    }
}

/// A guess at what was given instead of the expected PEM text.
fn instead(text: &str) -> &'static str {
    let text = text.trim();
    if text.is_empty() {
        return "it is empty";
    }
    if text.contains("-----BEGIN ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return "the key is encrypted: decrypt it, for example with `openssl pkey`";
    }
    match <(SectionKind, Vec<u8>)>::from_pem_slice(text.as_bytes()) {
        Ok((SectionKind::Certificate, _)) => "it holds a certificate",
        Ok((SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _)) => {
            "it holds a private key"
        }
        Ok(_) => "it holds something else",
        Err(_) if text.contains("-----BEGIN") && !text.contains("-----END") => "its \"-----END\" line is missing",
        Err(_) if text.contains("-----BEGIN") => "it is damaged",
        // "-----BEGIN" in base64, as kubeconfigs hold it.
        Err(_) if text.starts_with("LS0tLS") => "it is base64-encoded: use base64decode()",
        Err(_) if text.len() < 1024 && !text.contains('\n') && text.contains(['/', '\\', '.', '~']) => {
            "it looks like a path: use file()"
        }
        Err(_) => "it is something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let problem = certificates(text).expect_err(text);
        assert!(problem.ends_with(expected), "{problem}");
    }

    #[test]
    fn wrong_text_is_recognized() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        check("", "it is empty");
        check(&key, "it holds a private key");
        check("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "it is base64-encoded: use base64decode()");
        check("~/.kube/ca.crt", "it looks like a path: use file()");
        check("-----BEGIN CERTIFICATE-----\nMIIB", "its \"-----END\" line is missing");
        check("-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n", "it is damaged");
        check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "a certificate in it is damaged");
    }

    #[test]
    fn encrypted_keys_are_recognized() {
        for text in [
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        ] {
            let problem = check_private_key(text).unwrap_err();
            assert!(problem.contains("the key is encrypted"), "{problem}");
        }
    }

    #[test]
    fn keys_count_whatever_their_label() {
        let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            check_private_key(&format!("{parameters}{}", pem.replace("PRIVATE KEY", label))).unwrap();
        }
    }

    #[test]
    fn one_good_authority_is_enough() {
        let good = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap().cert.pem();
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(authorities(&format!("# ours\n{damaged}{good}")).unwrap().len(), 1);
        assert_eq!(authorities(damaged).unwrap_err(), "a certificate in it is damaged");
        assert!(authorities("").unwrap_err().ends_with("it is empty"));
    }

    #[test]
    fn key_of_another_certificate_is_refused() {
        let certified = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        let chain = certificates(&certified.cert.pem()).unwrap();
        let own = private_key(&certified.signing_key.serialize_pem()).unwrap();
        let other = private_key(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert_eq!(check_pair(chain.clone(), &own, "a"), Ok(()));
        assert_eq!(check_pair(chain, &other, "a"), Err("the key is not the one of a".to_owned()));
    }
}
