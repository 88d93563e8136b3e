//! Certificates as Sprig makes them: RSA of 2048 bits unless a key is given, for servers and clients alike.

use std::net::IpAddr;
use std::rc::Rc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::keys::{PrivateKey, encode_pem};
use crate::functions::encoding::decode_base64;
use crate::functions::{Context, bytes, int, text};
use crate::limits::Fault;
use crate::print::format_value;
use crate::value::{Field, List, Struct, Value};

/// `%T` of a certificate with its key.
pub(crate) const CERTIFICATE: &str = "sprig.certificate";

const NANOS_OF_A_DAY: i64 = 86_400_000_000_000;

/// A certificate and its private key, which templates see as `.Cert` and `.Key`.
fn pair(certificate: Value, key: Value) -> Value {
    let field = |name, value| Field { name, json: name, omit_empty: false, value };
    let fields = vec![field("Cert", certificate), field("Key", key)];
    Value::Struct(Rc::new(Struct { type_name: CERTIFICATE, pointer: false, fields }))
}

/// `buildCustomCert certificate key`: both checked, in base64.
pub(super) fn build_custom_cert(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let decode = |index: usize, what: &str| {
        decode_base64(bytes(&args[index])?).map_err(|_| Fault(format!("unable to decode base64 {what}")))
    };
    let (certificate, key) = (decode(0, "certificate")?, decode(1, "private key")?);
    certificate_der(&certificate)?;
    PrivateKey::parse(&key).map_err(|error| Fault(format!("error parsing private key: {error}")))?;
    Ok(pair(Value::from_bytes(certificate), Value::from_bytes(key)))
}

/// `genCA name days`, and `genCAWithKey name days key`.
pub(super) fn gen_ca(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let key = key(context, args.get(2))?;
    let mut params = params(text(&args[0])?, int(&args[1])?);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    self_signed(&params, &key)
}

/// `genSelfSignedCert name ips dns days`, and with a key after these.
pub(super) fn gen_self_signed_cert(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let key = key(context, args.get(4))?;
    let mut params = params(text(&args[0])?, int(&args[3])?);
    params.subject_alt_names = names(&args[1], &args[2])?;
    self_signed(&params, &key)
}

/// `genSignedCert name ips dns days authority`, and with a key after these.
pub(super) fn gen_signed_cert(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let key = key(context, args.get(5))?;
    let Value::Struct(authority) = &args[4] else { return Err("expected a certificate".into()) };
    let part = |name: &str| authority.field(name).and_then(Value::bytes).unwrap_or_default();
    let authority = certificate_der(part("Cert"))?;
    let signer =
        PrivateKey::parse(part("Key")).map_err(|error| Fault(format!("error parsing private key: {error}")))?;
    let signer = signer.pair().map_err(Fault)?;
    let mut params = params(text(&args[0])?, int(&args[3])?);
    params.subject_alt_names = names(&args[1], &args[2])?;
    params.use_authority_key_identifier_extension = check_signer(&authority, &signer)?;
    let signed = key.pair().and_then(|own| {
        let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(authority.as_slice()), signer);
        issuer.and_then(|issuer| params.signed_by(&own, &issuer)).map_err(|error| creating(&error))
    });
    finish(signed.map_err(Fault)?.der(), &key)
}

/// The key that the chart gives, or a new one.
fn key(context: &Context, given: Option<&Value>) -> Result<PrivateKey, Fault> {
    match given {
        Some(pem) => PrivateKey::parse(bytes(pem)?).map_err(|error| Fault(format!("parsing private key: {error}"))),
        None => PrivateKey::for_certificate(context),
    }
}

fn params(name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if !name.is_empty() {
        let printable = name.try_into().map(DnValue::PrintableString);
        params.distinguished_name.push(DnType::CommonName, printable.unwrap_or_else(|_| name.into()));
    }
    // As Go, which counts in nanoseconds and wraps.
    params.not_before = OffsetDateTime::now_utc();
    params.not_after = params.not_before + Duration::nanoseconds(days.wrapping_mul(NANOS_OF_A_DAY));
    params.serial_number = Some(SerialNumber::from_slice(&rand::random::<[u8; 16]>()));
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    params
}

/// Addresses, then names; nil is none.
fn names(addresses: &Value, names: &Value) -> Result<Vec<SanType>, Fault> {
    let items = |value: &Value| match value {
        Value::List(List { items, .. }) => items.to_vec(),
        _ => Vec::new(),
    };
    let address = |value: &Value| match value {
        Value::Str(text) => match text.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address.to_canonical())),
            Err(_) => Err(Fault(format!("error parsing ip: {text}"))),
        },
        other => Err(Fault(format!("error parsing ip: {} is not a string", format_value(other)?))),
    };
    let name = |value: &Value| match value {
        Value::Str(text) => match (&**text).try_into() {
            Ok(name) => Ok(SanType::DnsName(name)),
            Err(_) => {
                let quoted = crate::template::quote::quote(text);
                Err(Fault(format!("error creating certificate: x509: {quoted} cannot be encoded as an IA5String")))
            }
        },
        other => {
            let text = format_value(other)?;
            Err(Fault(format!("error processing alternate dns name: {text} is not a string")))
        }
    };
    let addresses = items(addresses).iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let names = items(names).iter().map(name).collect::<Result<Vec<_>, _>>()?;
    Ok(names.into_iter().chain(addresses).collect())
}

fn self_signed(params: &CertificateParams, key: &PrivateKey) -> Result<Value, Fault> {
    let certificate = key.pair().and_then(|pair| params.self_signed(&pair).map_err(|error| creating(&error)));
    finish(certificate.map_err(Fault)?.der(), key)
}

fn creating(error: &rcgen::Error) -> String {
    format!("error creating certificate: {error}")
}

fn finish(der: &[u8], key: &PrivateKey) -> Result<Value, Fault> {
    let key = key.to_pem().map_err(Fault)?;
    Ok(pair(encode_pem("CERTIFICATE", der).into(), key.into()))
}

/// The certificate in the first PEM block.
fn certificate_der(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let block = pem::parse(text).map_err(|_| Fault::from("unable to decode certificate"))?;
    let der = block.into_contents();
    match X509Certificate::from_der(&der) {
        Ok(_) => Ok(der),
        Err(error) => Err(format!("error parsing certificate: decodedCert.Bytes: {error}").into()),
    }
}

/// Refuses a key that is not the authority's; says whether the authority has an identifier to refer to.
fn check_signer(authority: &[u8], signer: &KeyPair) -> Result<bool, Fault> {
    let (_, authority) = X509Certificate::from_der(authority).map_err(|error| Fault(error.to_string()))?;
    if authority.public_key().raw != signer.subject_public_key_info() {
        let reason = "x509: provided PrivateKey doesn't match parent's PublicKey";
        return Err(format!("error creating certificate: {reason}").into());
    }
    let identifiers = authority.extensions().iter().filter(|extension| {
        matches!(extension.parsed_extension(), x509_parser::prelude::ParsedExtension::SubjectKeyIdentifier(_))
    });
    Ok(identifiers.count() > 0)
}
