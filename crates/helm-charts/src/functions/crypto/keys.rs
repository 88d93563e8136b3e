//! Private keys, read from PEM and written in the form that Sprig writes for their kind.

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair,
};
use aws_lc_rs::{rsa, signature};
use rcgen::KeyPair;
use rustls_pki_types::PrivateKeyDer;
use x509_parser::asn1_rs::{FromDer as _, Integer, OctetString, Sequence};

use crate::functions::Context;
use crate::limits::Fault;

/// What making a key takes of a render's steps: about as long as that many steps run.
const RSA_2048_STEPS: usize = 50_000;
const RSA_4096_STEPS: usize = 300_000;

/// A private key.
pub(super) enum PrivateKey {
    /// One that can sign, with its PEM tag and contents.
    Signing { tag: &'static str, der: Vec<u8> },
    /// Read, but good for nothing: Go's certificates cannot use it either.
    Dsa,
}

const RSA: &str = "RSA PRIVATE KEY";
const EC: &str = "EC PRIVATE KEY";
const PKCS8: &str = "PRIVATE KEY";

impl PrivateKey {
    /// `genPrivateKey`: a new key as PEM, or Sprig's words for a type that it does not know.
    pub(super) fn of_type(context: &Context, kind: &str) -> Result<String, Fault> {
        let failed = |_| Fault::from("failed to generate private key");
        let key = match kind {
            "" | "rsa" => {
                context.budget.steps(RSA_4096_STEPS)?;
                Self::new_rsa(KeySize::Rsa4096)?
            }
            "ecdsa" => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?;
                Self::ec(&pair).map_err(Fault)?
            }
            "ed25519" => {
                let der = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(failed)?;
                Self::Signing { tag: PKCS8, der: der.as_ref().to_vec() }
            }
            "dsa" => return Err("DSA keys are not supported; nothing in Kubernetes takes one".into()),
            other => return Ok(format!("Unknown type {other}")),
        };
        key.to_pem().map_err(Fault)
    }

    /// The key of a certificate whose chart gives none.
    pub(super) fn for_certificate(context: &Context) -> Result<Self, Fault> {
        context.budget.steps(RSA_2048_STEPS)?;
        Self::new_rsa(KeySize::Rsa2048)
    }

    fn new_rsa(size: KeySize) -> Result<Self, Fault> {
        let pair = rsa::KeyPair::generate(size);
        let der = pair.and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map(|der| der.as_ref().to_vec()));
        let der = der.map_err(|_| Fault::from("error generating rsa key"))?;
        let der = pkcs8_contents(&der).ok_or_else(|| Fault::from("error generating rsa key"))?;
        Ok(Self::Signing { tag: RSA, der })
    }

    fn ec(pair: &EcdsaKeyPair) -> Result<Self, String> {
        let der = AsDer::<EcPrivateKeyRfc5915Der<'_>>::as_der(&pair.private_key());
        let der = der.map_err(|_| "the EC key cannot be written".to_owned())?;
        Ok(Self::Signing { tag: EC, der: der.as_ref().to_vec() })
    }

    /// Reads the first PEM block of a text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let block = pem::parse(text).map_err(|_| "no PEM data in input".to_owned())?;
        let (tag, der) = (block.tag(), block.contents());
        match tag {
            PKCS8 => from_pkcs8(der).map_err(|error| format!("decoding PEM as PKCS#8: {error}")),
            RSA => match rsa::KeyPair::from_der(der) {
                Ok(_) => Ok(Self::Signing { tag: RSA, der: der.to_vec() }),
                Err(error) => Err(format!("parsing RSA private key from PEM: {error}")),
            },
            EC => from_ec(der).map_err(|error| format!("parsing EC private key from PEM: {error}")),
            "DSA PRIVATE KEY" => match Sequence::from_der(der) {
                Ok(_) => Ok(Self::Dsa),
                Err(error) => Err(format!("parsing DSA private key from PEM: {error}")),
            },
            tag => match tag.strip_suffix(" PRIVATE KEY") {
                Some(_) => Err(format!("invalid private key type {tag}")),
                None => Err(format!("no private key data in PEM block of type {tag}")),
            },
        }
    }

    /// The key as it signs certificates.
    pub(super) fn pair(&self) -> Result<KeyPair, String> {
        const NO_SIGNER: &str =
            "error creating certificate: x509: certificate private key does not implement crypto.Signer";
        let Self::Signing { tag, der } = self else { return Err(NO_SIGNER.to_owned()) };
        let der = match *tag {
            RSA => PrivateKeyDer::Pkcs1(der.as_slice().into()),
            EC => PrivateKeyDer::Sec1(der.as_slice().into()),
            _ => PrivateKeyDer::Pkcs8(der.as_slice().into()),
        };
        KeyPair::try_from(&der).map_err(|error| format!("error creating certificate: {error}"))
    }

    pub(super) fn to_pem(&self) -> Result<String, String> {
        match self {
            Self::Signing { tag, der } => Ok(encode_pem(tag, der)),
            Self::Dsa => Err("the DSA key cannot be written".to_owned()),
        }
    }
}

/// PEM with Go's line ends.
pub(super) fn encode_pem(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

fn from_ec(der: &[u8]) -> Result<PrivateKey, String> {
    const CURVES: [&signature::EcdsaSigningAlgorithm; 3] =
        [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P521_SHA512_ASN1_SIGNING];
    let pair = CURVES.iter().find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok());
    PrivateKey::ec(&pair.ok_or_else(|| "x509: unknown elliptic curve".to_owned())?)
}

fn from_pkcs8(der: &[u8]) -> Result<PrivateKey, String> {
    if rsa::KeyPair::from_pkcs8(der).is_ok() {
        let der = pkcs8_contents(der).ok_or_else(|| "x509: malformed private key".to_owned())?;
        return Ok(PrivateKey::Signing { tag: RSA, der });
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        let der = pair.to_pkcs8v1().map_err(|_| "the key cannot be written".to_owned())?;
        return Ok(PrivateKey::Signing { tag: PKCS8, der: der.as_ref().to_vec() });
    }
    from_ec(der)
}

/// The key within a PKCS#8 envelope: version, algorithm, key.
fn pkcs8_contents(der: &[u8]) -> Option<Vec<u8>> {
    let (_, envelope) = Sequence::from_der(der).ok()?;
    let (rest, _version) = Integer::from_der(&envelope.content).ok()?;
    let (rest, _algorithm) = Sequence::from_der(rest).ok()?;
    let (_, key) = OctetString::from_der(rest).ok()?;
    Some(key.as_ref().to_vec())
}
