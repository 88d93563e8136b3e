//! Base64, base32, checksums and JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

use super::super::json::{Style, Unencodable, encode, kind, read};
use super::super::limits::Fault;
use super::super::value::{List, Map, Value, map_from_json};
use super::{Context, Row, bytes};

pub(super) const TABLE: &[Row] = &[
    ("b64enc", "s", |_, args| Ok(STANDARD.encode(bytes(&args[0])?).into())),
    ("b64dec", "s", b64dec),
    ("b32enc", "s", |_, args| Ok(base32_encode(bytes(&args[0])?).into())),
    ("b32dec", "s", b32dec),
    ("sha1sum", "s", |_, args| Ok(hex(&sha1::Sha1::digest(bytes(&args[0])?)).into())),
    ("sha256sum", "s", |_, args| Ok(hex(&sha2::Sha256::digest(bytes(&args[0])?)).into())),
    ("sha512sum", "s", |_, args| Ok(hex(&sha2::Sha512::digest(bytes(&args[0])?)).into())),
    ("adler32sum", "s", |_, args| Ok(adler32(bytes(&args[0])?).to_string().into())),
    ("toJson", "a", |_, args| swallowed(encode(&args[0], HTML))),
    ("mustToJson", "a", |_, args| raised(encode(&args[0], HTML))),
    ("toPrettyJson", "a", |_, args| swallowed(encode(&args[0], PRETTY))),
    ("mustToPrettyJson", "a", |_, args| raised(encode(&args[0], PRETTY))),
    ("toRawJson", "a", |_, args| raised(encode(&args[0], Style { escape_html: false, indent: false }))),
    ("mustToRawJson", "a", |_, args| raised(encode(&args[0], Style { escape_html: false, indent: false }))),
    ("fromJson", "s", from_json),
    ("fromJsonArray", "s", from_json_array),
    ("mustFromJson", "s", |context, args| Ok(Value::from_json(&parsed(context, args)??))),
];

const HTML: Style = Style { escape_html: true, indent: false };
const PRETTY: Style = Style { escape_html: true, indent: true };

fn swallowed(result: Result<String, Unencodable>) -> Result<Value, Fault> {
    match result {
        Ok(json) => Ok(json.into()),
        Err(Unencodable::Value(_)) => Ok("".into()),
        Err(Unencodable::Limit(fault)) => Err(fault),
    }
}

fn raised(result: Result<String, Unencodable>) -> Result<Value, Fault> {
    match result {
        Ok(json) => Ok(json.into()),
        Err(Unencodable::Value(message)) => Err(message.into()),
        Err(Unencodable::Limit(fault)) => Err(fault),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The error's text takes the place of the data.
fn b64dec(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    Ok(decode_base64(bytes(&args[0])?).map_or_else(Value::from, Value::from_bytes))
}

/// Go ignores line breaks.
pub(super) fn decode_base64(encoded: &[u8]) -> Result<Vec<u8>, String> {
    let encoded: Vec<u8> = encoded.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    STANDARD
        .decode(&encoded)
        .map_err(|error| format!("illegal base64 data at input byte {}", illegal_byte(&encoded, &error)))
}

fn illegal_byte(encoded: &[u8], error: &base64::DecodeError) -> usize {
    match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => *at,
        _ => encoded.len() / 4 * 4,
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32_encode(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len().div_ceil(5) * 8);
    for chunk in data.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let used = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            let symbol = BASE32[(bits >> (35 - index * 5) & 31) as usize];
            out.push(if index < used { char::from(symbol) } else { '=' });
        }
    }
    out
}

fn b32dec(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let encoded: Vec<u8> = bytes(&args[0])?.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    Ok(match base32_decode(&encoded) {
        Ok(data) => Value::from_bytes(data),
        Err(at) => format!("illegal base32 data at input byte {at}").into(),
    })
}

/// As Go's decoder, which goes through the text in groups of eight; the error is the place where it gives up.
fn base32_decode(encoded: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::new();
    for start in (0..encoded.len()).step_by(8) {
        let group = &encoded[start..encoded.len().min(start + 8)];
        // Only what is near the end is padding.
        let is_padding = |at: &usize| group[*at] == b'=' && *at >= 2 && encoded.len() - (start + at) <= 8;
        let padding = (0..group.len()).find(is_padding);
        let mut bits = 0u64;
        let digits = padding.unwrap_or(group.len());
        for (index, byte) in group[..digits].iter().enumerate() {
            let symbol = BASE32.iter().position(|symbol| symbol == byte).ok_or(start + index)?;
            bits = bits << 5 | symbol as u64;
        }
        match padding {
            None if group.len() < 8 => return Err(start),
            Some(_) if group.len() < 8 => return Err(encoded.len()),
            _ => {}
        }
        if let Some(wrong) = group[digits..].iter().position(|byte| *byte != b'=') {
            return Err(start + digits + wrong - 1);
        }
        if matches!(digits, 3 | 6) {
            return Err(start + digits);
        }
        out.extend_from_slice(&(bits << (64 - digits * 5)).to_be_bytes()[..digits * 5 / 8]);
        if padding.is_some() {
            break;
        }
    }
    Ok(out)
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    let (a, b) = data.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    b << 16 | a
}

/// Helm returns a map with the key `Error` instead of failing.
fn from_json(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    Ok(object_or_error(context, parsed(context, args)?, ""))
}

/// A limit's fault outside, JSON's own inside.
fn parsed(context: &Context, args: &[Value]) -> Result<Result<serde_json::Value, String>, Fault> {
    let json = bytes(&args[0])?;
    context.budget.parse(json.len())?;
    Ok(read(json))
}

/// The map, or Helm's map with the key `Error`. `source` starts the message about a wrong type.
pub(super) fn object_or_error(context: &Context, json: Result<serde_json::Value, String>, source: &str) -> Value {
    let map = match json {
        Ok(serde_json::Value::Object(entries)) => map_from_json(&entries),
        Ok(serde_json::Value::Null) => Map::new(Default::default()),
        Ok(other) => error_map(format!("{source}{}", not_a(&other, "map[string]interface {}"))),
        Err(message) => error_map(message),
    };
    context.map(map)
}

fn error_map(message: String) -> Map {
    Map::new([("Error".into(), Value::from(message))].into_iter().collect())
}

fn from_json_array(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    Ok(array_or_error(parsed(context, args)?, ""))
}

/// The list, or Helm's list of the error's text. `source` starts the message about a wrong type.
pub(super) fn array_or_error(json: Result<serde_json::Value, String>, source: &str) -> Value {
    let items = match json {
        Ok(serde_json::Value::Array(items)) => items.iter().map(Value::from_json).collect(),
        Ok(serde_json::Value::Null) => Vec::new(),
        Ok(other) => vec![format!("{source}{}", not_a(&other, "[]interface {}")).into()],
        Err(message) => vec![message.into()],
    };
    Value::List(List::new(items))
}

/// `encoding/json`'s refusal.
fn not_a(json: &serde_json::Value, target: &str) -> String {
    let kind = kind(json);
    format!("json: cannot unmarshal {kind} into Go value of type {target}")
}
