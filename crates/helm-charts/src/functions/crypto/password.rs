//! `derivePassword`: the Master Password algorithm, as Sprig has it.

use aws_lc_rs::hmac;

use super::PASSWORD_STEPS;
use crate::functions::{Context, bytes};
use crate::limits::Fault;
use crate::value::Value;

const SEED: &[u8] = b"com.lyndir.masterpassword";
/// log2 of N, r, p.
const SCRYPT: (u8, u32, u32) = (15, 8, 2);

const TEMPLATES: [(&str, &[&str]); 6] = [
    ("maximum", &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"]),
    (
        "long",
        &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
    ),
    ("medium", &["CvcnoCvc", "CvcCvcno"]),
    ("short", &["Cvcn"]),
    ("basic", &["aaanaaan", "aannaaan", "aaannaaa"]),
    ("pin", &["nnnn"]),
];

/// The characters that a letter of a template stands for.
fn characters(letter: u8) -> &'static [u8] {
    match letter {
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// `derivePassword counter type password user site`.
pub(super) fn derive_password(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let Value::Uint64(counter) = args[0] else { return Err("expected a uint32".into()) };
    let kind = bytes(&args[1])?;
    let (password, user, site) = (bytes(&args[2])?, bytes(&args[3])?, bytes(&args[4])?);
    let Some((_, templates)) = TEMPLATES.iter().find(|(known, _)| known.as_bytes() == kind) else {
        return Ok(Value::from_bytes([b"cannot find password template ", kind].concat()));
    };
    context.budget.steps(PASSWORD_STEPS)?;
    let length = |text: &[u8]| (text.len() as u32).to_be_bytes();
    let salt = [SEED, &length(user), user].concat();
    let (log_n, r, p) = SCRYPT;
    let mut key = [0; 64];
    let derived = scrypt::Params::new(log_n, r, p).map_err(|error| error.to_string());
    let derived = derived
        .and_then(|params| scrypt::scrypt(password, &salt, &params, &mut key).map_err(|error| error.to_string()));
    if let Err(error) = derived {
        return Ok(format!("failed to derive password: {error}").into());
    }
    // Go passes a uint32.
    let message = [SEED, &length(site), site, &(counter as u32).to_be_bytes()].concat();
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    let seed = seed.as_ref().iter().copied().map(usize::from).collect::<Vec<_>>();
    let template = templates[seed[0] % templates.len()];
    let pick = |(letter, byte): (u8, &usize)| {
        let choice = characters(letter);
        char::from(choice[byte % choice.len()])
    };
    Ok(template.bytes().zip(&seed[1..]).map(pick).collect::<String>().into())
}
