//! Values as Terraform sends them, to and from the types that a provider declares.
//!
//! Never does: put a value, or an error that quotes one, into a diagnostic or a log.

use super::program::report_it;
use bytes::Bytes;
use rmp_serde::decode::ReadRefReader;
use serde::{Deserialize, Serialize};
use serde_path_to_error::{Path, Segment};

use super::wire::tf6;
use crate::vocabulary::{AttributePath, Diagnostics, Report};

/// MessagePack's nil.
const NULL: Bytes = Bytes::from_static(&[0xc0]);
/// A whole value that is unknown: extension type 0 with one byte.
const UNKNOWN: Bytes = Bytes::from_static(&[0xd4, 0x00, 0x00]);
/// How deeply values may nest: as in JSON, whose reader has this limit. Providers' types recurse with the values.
const MAX_DEPTH: usize = 128;
/// An empty object.
const EMPTY: &[u8] = &[0x80];

/// One value as it came, not decoded yet.
pub enum Encoded {
    MessagePack(Bytes),
    Json(Bytes),
}

impl Encoded {
    /// Private state, and what else Terraform keeps for us without looking at it.
    pub fn opaque(private: Bytes) -> Self {
        Self::MessagePack(if private.is_empty() { NULL } else { private })
    }

    pub fn is_null(&self) -> bool {
        match self {
            Self::MessagePack(bytes) => *bytes == NULL,
            Self::Json(bytes) => bytes.trim_ascii() == b"null",
        }
    }

    /// Decodes the value; what cannot be read becomes a diagnostic on the attribute.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self, diags: &mut Diagnostics) -> Option<T> {
        let (path, error) = match self.read() {
            Ok(value) => return Some(value),
            Err(failure) => failure,
        };
        diags.fail(
            path,
            "This value cannot be read",
            format!(
                "It does not have the type that the provider expects here ({error}). Numbers have to be whole. If the \
                 value is right, this is a bug: {}.",
                report_it()
            ),
        );
        None
    }

    /// Decodes what may be absent: null, or else an empty object, where `T` has no null.
    pub fn decode_optional<'a, T: Deserialize<'a>>(&'a self, diags: &mut Diagnostics) -> Option<T> {
        if self.is_null()
            && let Ok(value) = self.read().or_else(|_| rmp_serde::from_slice(EMPTY))
        {
            return Some(value);
        }
        self.decode(diags)
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, (AttributePath, &'static str)> {
        match self {
            Self::MessagePack(bytes) => serde_path_to_error::deserialize(&mut message_pack_reader(bytes))
                .map_err(|error| (attribute(error.path()), describe(error.inner()))),
            Self::Json(bytes) => {
                let mut deserializer = serde_json::Deserializer::from_slice(bytes);
                serde_path_to_error::deserialize(&mut deserializer)
                    .map_err(|error| (attribute(error.path()), "JSON of another shape"))
            }
        }
    }
}

/// Reads MessagePack. What nests too deeply is refused before it fills the stack.
pub fn message_pack_reader(bytes: &[u8]) -> rmp_serde::Deserializer<ReadRefReader<'_, [u8]>> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(MAX_DEPTH);
    reader
}

impl From<Option<tf6::DynamicValue>> for Encoded {
    fn from(value: Option<tf6::DynamicValue>) -> Self {
        match value {
            Some(value) if !value.msgpack.is_empty() => Self::MessagePack(value.msgpack),
            Some(value) if !value.json.is_empty() => Self::Json(value.json),
            _ => Self::MessagePack(NULL),
        }
    }
}

/// Encodes a value for Terraform.
pub fn encode(diags: &mut Diagnostics, value: &impl Serialize) -> Option<tf6::DynamicValue> {
    encode_bytes(diags, value).map(message_pack)
}

/// Encodes private state. Nothing is kept of an empty one.
pub fn encode_private(diags: &mut Diagnostics, value: &impl Serialize) -> Option<Bytes> {
    encode_bytes(diags, value).map(|bytes| if bytes == NULL { Bytes::new() } else { bytes })
}

/// The value null of any type.
pub fn null() -> tf6::DynamicValue {
    message_pack(NULL)
}

/// The unknown value of any type: what Terraform is told of an object whose reading is deferred.
pub fn unknown() -> tf6::DynamicValue {
    message_pack(UNKNOWN)
}

fn message_pack(msgpack: Bytes) -> tf6::DynamicValue {
    tf6::DynamicValue { msgpack, json: Bytes::new() }
}

fn encode_bytes(diags: &mut Diagnostics, value: &impl Serialize) -> Option<Bytes> {
    match rmp_serde::to_vec_named(value) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            diags.fail(
                AttributePath::root(),
                "The provider's answer cannot be encoded",
                format!("This is a bug ({error}): {}.", report_it()),
            );
            None
        }
    }
}

/// The attribute at which decoding failed. Inside of it serde cannot tell an object's attribute from a map's key, so
/// that is where the path ends.
fn attribute(path: &Path) -> AttributePath {
    match path.iter().next() {
        Some(Segment::Map { key }) => AttributePath::new(key.clone()),
        _ => AttributePath::root(),
    }
}

/// What kind of error it is. Not its text, which may quote the value.
fn describe(error: &rmp_serde::decode::Error) -> &'static str {
    use rmp_serde::decode::Error;
    match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => "the value ends early",
        Error::OutOfRange => "the number is out of range",
        Error::TypeMismatch(_) => "another type was found",
        Error::LengthMismatch(_) => "the length is another",
        Error::DepthLimitExceeded => "it is nested too deeply",
        _ => "the shape is another",
    }
}
