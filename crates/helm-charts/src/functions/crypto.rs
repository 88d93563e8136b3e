//! Passwords, ciphers, keys and certificates. `derivePassword`, `decryptAES` and `buildCustomCert` depend on nothing but
//! their arguments; the others give something else in every render.

mod certificates;
mod keys;
mod password;

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::limits::Fault;
use super::super::value::Value;
use super::encoding::decode_base64;
use super::{Context, Row, bytes, text};
pub(crate) use certificates::CERTIFICATE;
use certificates::{build_custom_cert, gen_ca, gen_self_signed_cert, gen_signed_cert};
use keys::PrivateKey;
use password::derive_password;

pub(super) const TABLE: &[Row] = &[
    ("bcrypt", "s", |context, args| bcrypt(context, bytes(&args[0])?).map(Value::from)),
    ("htpasswd", "ss", htpasswd),
    ("genPrivateKey", "s", |context, args| PrivateKey::of_type(context, text(&args[0])?).map(Value::from)),
    ("derivePassword", "ussss", derive_password),
    ("buildCustomCert", "ss", build_custom_cert),
    ("genCA", "si", gen_ca),
    ("genCAWithKey", "sis", gen_ca),
    ("genSelfSignedCert", "slli", gen_self_signed_cert),
    ("genSelfSignedCertWithKey", "sllis", gen_self_signed_cert),
    ("genSignedCert", "sllic", gen_signed_cert),
    ("genSignedCertWithKey", "sllics", gen_signed_cert),
    ("encryptAES", "ss", |_, args| encrypt_aes(bytes(&args[0])?, bytes(&args[1])?)),
    ("decryptAES", "ss", |_, args| decrypt_aes(bytes(&args[0])?, bytes(&args[1])?)),
];

/// What hashing one password takes of a render's steps: about as long as that many steps run.
const PASSWORD_STEPS: usize = 30_000;
/// `golang.org/x/crypto/bcrypt.DefaultCost`.
const BCRYPT_COST: u32 = 10;
const BCRYPT_MAX: usize = 72;
const AES_BLOCK: usize = 16;

fn bcrypt(context: &Context, password: &[u8]) -> Result<String, Fault> {
    context.budget.steps(PASSWORD_STEPS)?;
    let hash = match password.len() {
        0..=BCRYPT_MAX => bcrypt::hash_with_result(password, BCRYPT_COST).map_err(|error| error.to_string()),
        _ => Err(format!("bcrypt: password length exceeds {BCRYPT_MAX} bytes")),
    };
    Ok(match hash {
        Ok(hash) => hash.format_for_version(bcrypt::Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: {error}"),
    })
}

fn htpasswd(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (user, password) = (bytes(&args[0])?, bytes(&args[1])?);
    if user.contains(&b':') {
        return Ok(Value::from_bytes([b"invalid username: ", user].concat()));
    }
    let hash = bcrypt(context, password)?;
    Ok(Value::from_bytes([user, b":", hash.as_bytes()].concat()))
}

/// Sprig takes the password itself as the key, cut or filled with zeros to 32 bytes.
fn aes_key(password: &[u8]) -> Result<UnboundCipherKey, Fault> {
    let mut key = [0; 32];
    let len = password.len().min(key.len());
    key[..len].copy_from_slice(&password[..len]);
    UnboundCipherKey::new(&AES_256, &key).map_err(|_| "the key cannot be used".into())
}

/// AES-256 in CBC mode, the initialization vector first, in base64.
fn encrypt_aes(password: &[u8], plain: &[u8]) -> Result<Value, Fault> {
    if plain.is_empty() {
        return Ok("".into());
    }
    let failed = || Fault::from("the text cannot be encrypted");
    let mut data = plain.to_vec();
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(aes_key(password)?).map_err(|_| failed())?;
    let DecryptionContext::Iv128(iv) = cipher.encrypt(&mut data).map_err(|_| failed())? else { return Err(failed()) };
    Ok(STANDARD.encode([iv.as_ref(), &data[..]].concat()).into())
}

/// The reverse. Sprig trusts the last byte to be the length of the padding; Go's panics come out as errors.
fn decrypt_aes(password: &[u8], encrypted: &[u8]) -> Result<Value, Fault> {
    if encrypted.is_empty() {
        return Ok("".into());
    }
    let data = decode_base64(encrypted)?;
    // Go's slice has the room that the padding of the base64 text would have taken.
    let capacity = encrypted.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).count() / 4 * 3;
    if capacity < AES_BLOCK {
        return Err(format!("runtime error: slice bounds out of range [:{AES_BLOCK}] with capacity {capacity}").into());
    }
    let Some((iv, blocks)) = data.split_first_chunk::<AES_BLOCK>() else {
        return Err(format!("runtime error: slice bounds out of range [{AES_BLOCK}:{}]", data.len()).into());
    };
    if !blocks.len().is_multiple_of(AES_BLOCK) {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let mut blocks = blocks.to_vec();
    let cipher = DecryptingKey::cbc(aes_key(password)?);
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    let plain = cipher.and_then(|cipher| cipher.decrypt(&mut blocks, context).map(|plain| plain.to_vec()));
    let plain = plain.map_err(|_| Fault::from("the text cannot be decrypted"))?;
    let Some(padding) = plain.last() else { return Err("runtime error: index out of range [-1]".into()) };
    match plain.len().checked_sub(usize::from(*padding)) {
        Some(len) => Ok(Value::from_bytes(plain[..len].to_vec())),
        None => {
            let bound = plain.len() as i64 - i64::from(*padding);
            Err(format!("runtime error: slice bounds out of range [:{bound}]").into())
        }
    }
}
