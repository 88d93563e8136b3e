//! Authorities, certificates and keys of all kinds, made once for the whole table.

use std::sync::{Arc, LazyLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::server::Speech;

pub type Made = CertifiedIssuer<'static, KeyPair>;

/// What a server shows, and what vouches for it.
pub struct Keys {
    pub authority: Made,
    pub between: Made,
    pub stranger: Made,
    /// Of the authority, in order.
    pub server: Made,
    pub by_between: Made,
    pub without_names: Made,
    pub other_name: Made,
    pub expired: Made,
    pub for_clients: Made,
    pub marked: Made,
    pub marked_by_between: Made,
    /// Of themselves.
    pub own: Made,
    pub own_marked: Made,
    pub by_own: Made,
    pub old_authority: Made,
    pub by_old: Made,
    pub client: Made,
    pub rsa_client: Made,
}

/// They serve this machine under these names, and anything else by way of a proxy.
const NAMES: [&str; 5] = ["localhost", "eu-1.invalid", "eu.example.invalid", "kubernetes", "127.0.0.1"];

fn params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).unwrap();
    params.subject_alt_names.push(SanType::IpAddress("255.255.255.255".parse().unwrap()));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    change(&mut params);
    params
}

fn marked(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn over(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
}

fn own(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Made {
    CertifiedIssuer::self_signed(params(name, change), KeyPair::generate().unwrap()).unwrap()
}

fn by(issuer: &Made, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Made {
    CertifiedIssuer::signed_by(params(name, change), KeyPair::generate().unwrap(), issuer).unwrap()
}

pub static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let authority = own("authority", marked);
    let between = by(&authority, "between", marked);
    let old_authority = own("old", |params| {
        marked(params);
        over(params);
    });
    let itself = own("own", |_| {});
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    Keys {
        stranger: own("stranger", marked),
        server: by(&authority, "server", |_| {}),
        by_between: by(&between, "server", |_| {}),
        without_names: by(&authority, "localhost", |params| params.subject_alt_names.clear()),
        other_name: by(&authority, "server", |params| {
            params.subject_alt_names = vec![SanType::DnsName("elsewhere".try_into().unwrap())];
        }),
        expired: by(&authority, "server", over),
        for_clients: by(&authority, "server", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }),
        marked: by(&authority, "marked", marked),
        marked_by_between: by(&between, "marked", marked),
        own_marked: own("own marked", marked),
        by_own: by(&itself, "server", |_| {}),
        by_old: by(&old_authority, "server", |_| {}),
        client: by(&authority, "client", |_| {}),
        rsa_client: CertifiedIssuer::signed_by(params("rsa", |_| {}), rsa, &authority).unwrap(),
        own: itself,
        old_authority,
        between,
        authority,
    }
});

/// TLS with this chain.
pub fn tls(chain: &[&Made]) -> Speech {
    let key = PrivateKeyDer::from_pem_slice(chain[0].key().serialize_pem().as_bytes()).unwrap();
    Speech::Tls { chain: chain.iter().map(|one| one.der().clone()).collect(), key: Arc::new(key) }
}

/// What is within a PKCS #8 key: the form that older programs write, with the label of that form.
pub fn older_form(made: &Made, label: &str) -> String {
    let der = made.key().serialize_der();
    // Version, algorithm, then the key as an octet string.
    let content = value(&der).0;
    let (_, rest) = value(content);
    let (_, rest) = value(rest);
    pem(label, value(rest).0)
}

pub fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The content of a DER value, and what follows.
fn value(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, header) = match der[1] {
        short @ 0..=0x7F => (usize::from(short), 2),
        long => {
            let bytes = usize::from(long & 0x7F);
            (der[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + bytes)
        }
    };
    der[header..].split_at(length)
}
