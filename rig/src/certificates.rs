//! Certificate authorities, server and client certificates of the rig's API servers, all ECDSA P-256 and PEM.
//! Nothing here is written to disk: callers decide where keys go.

use std::{fmt, net::IpAddr};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use crate::RigError;

/// A certificate and its private key, both PEM.
#[derive(Clone)]
pub(crate) struct Credential {
    pub certificate: String,
    pub key: String,
}

/// Keys stay out of logs.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential { .. }")
    }
}

/// An authority that signs certificates; can be kept as two PEM texts and taken up again.
pub(crate) struct Authority {
    name: String,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with the common name `name`.
    pub fn new(name: &str) -> Result<Self, RigError> {
        let failed = |source| failed(name, source);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = authority_params(name).self_signed(&key).map_err(failed)?.pem();
        Ok(Self { name: name.to_owned(), certificate, issuer: Issuer::new(authority_params(name), key) })
    }

    /// The authority whose credential [`Authority::credential`] gave.
    pub fn restore(name: &str, kept: &Credential) -> Result<Self, RigError> {
        let key = KeyPair::from_pem(&kept.key).map_err(|source| failed(name, source))?;
        Ok(Self {
            name: name.to_owned(),
            certificate: kept.certificate.clone(),
            issuer: Issuer::new(authority_params(name), key),
        })
    }

    /// Certificate and key, to be kept.
    pub fn credential(&self) -> Credential {
        Credential { certificate: self.certificate.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// The authority's own certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A server certificate for host names and IP addresses.
    pub fn server(&self, names: &[String]) -> Result<Credential, RigError> {
        let mut params = CertificateParams::new(names).map_err(|source| failed(&self.name, source))?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign("kube-apiserver", params)
    }

    /// A client certificate: Kubernetes takes the common name as the user, the organization as the group.
    pub fn client(&self, user: &str, group: &str) -> Result<Credential, RigError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(user, params)
    }

    fn sign(&self, subject: &str, mut params: CertificateParams) -> Result<Credential, RigError> {
        let failed = |source| failed(subject, source);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Credential { certificate, key: key.serialize_pem() })
    }
}

/// A private key for signing service account tokens, PEM.
pub(crate) fn signing_key() -> Result<String, RigError> {
    KeyPair::generate().map(|key| key.serialize_pem()).map_err(|source| failed("service account tokens", source))
}

/// The public half of a [`signing_key`], PEM.
pub(crate) fn public_key(signing_key: &str) -> Result<String, RigError> {
    let key = KeyPair::from_pem(signing_key).map_err(|source| failed("service account tokens", source))?;
    Ok(key.public_key_pem())
}

/// The names under which an API server is reached from anywhere, plus `addresses`.
pub(crate) fn server_names(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<String> {
    ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        .into_iter()
        .map(str::to_owned)
        .chain(addresses.into_iter().map(|address| address.to_string()))
        .collect()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn failed(subject: &str, source: rcgen::Error) -> RigError {
    RigError::Certificate { subject: subject.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_authority_keeps_its_certificate_and_key() {
        let first = Authority::new("team-a").unwrap();
        let second = Authority::restore("team-a", &first.credential()).unwrap();
        assert_eq!(second.certificate(), first.certificate());
        assert_eq!(second.credential().key, first.credential().key);
    }

    #[test]
    fn keys_stay_out_of_debug_output() {
        let credential = Authority::new("team-a").unwrap().credential();
        assert_eq!(format!("{credential:?}"), "Credential { .. }");
    }
}
