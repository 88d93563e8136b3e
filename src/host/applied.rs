//! What was applied, kept in a virtual cluster's record: each object as it was right after the apply, packed. With it a
//! refresh tells what has drifted without rendering anything, whatever a chart's functions would give today.
//!
//! It holds no values of Secrets, only their digests.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::formats::FormatError;
use super::object::ObjectRef;
use crate::domain::drift::Snapshot;

/// The most that a record's objects may unpack to: more was not packed by this provider.
const MOST: u64 = 32 << 20;

/// Objects of which each is named and confirmed, as compressed text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Applied(String);

/// One object as it was applied.
#[derive(Clone, PartialEq)]
pub struct Confirmed {
    /// Its name.
    pub object: ObjectRef,
    /// Digest of what was sent.
    pub sent: String,
    /// It, right after it was applied.
    pub applied: Snapshot,
}

/// One object as it was applied, its content still text.
#[derive(Debug, Serialize, Deserialize)]
pub struct Packed {
    /// Its name.
    pub object: ObjectRef,
    /// Digest of what was sent.
    pub sent: String,
    /// [`Confirmed::applied`] as JSON.
    pub applied: Box<RawValue>,
}

impl Applied {
    /// Packs objects, which [`conceal`] has taken the secrets from.
    ///
    /// # Errors
    /// Never in practice: writing JSON and compressing to memory do not fail.
    pub fn pack(objects: &[Confirmed]) -> Result<Self, FormatError> {
        let damaged = |error: &dyn std::error::Error| FormatError::Damaged { problem: error.to_string() };
        let mut entries = Vec::new();
        for Confirmed { object, sent, applied } in objects {
            let applied = serde_json::value::to_raw_value(applied).map_err(|error| damaged(&error))?;
            entries.push(Packed { object: object.clone(), sent: sent.clone(), applied });
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        let text = serde_json::to_vec(&entries).map_err(|error| damaged(&error))?;
        packed.write_all(&text).map_err(|error| damaged(&error))?;
        Ok(Self(BASE64.encode(packed.finish().map_err(|error| damaged(&error))?)))
    }

    /// The objects.
    ///
    /// # Errors
    /// It was edited by hand.
    pub fn unpack(&self) -> Result<Vec<Packed>, FormatError> {
        let damaged =
            |error: &dyn std::error::Error| FormatError::Damaged { problem: format!("what was applied: {error}") };
        let packed = BASE64.decode(&self.0).map_err(|error| damaged(&error))?;
        let mut text = Vec::new();
        GzDecoder::new(packed.as_slice()).take(MOST).read_to_end(&mut text).map_err(|error| damaged(&error))?;
        serde_json::from_slice(&text).map_err(|error| damaged(&error))
    }
}

/// Replaces the values of an object of this `kind` by their digests if it is a Secret, so that they can be compared and not read.
/// Objects of lists do not say what they are.
pub fn conceal(kind: &str, object: &mut Value) {
    if kind != "Secret" {
        return;
    }
    for value in object.get_mut("data").and_then(Value::as_object_mut).into_iter().flat_map(|data| data.values_mut()) {
        let text = value.as_str().unwrap_or_default();
        *value = json!(format!("sha256:{}", BASE64.encode(Sha256::digest(text))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_applied_survives_packing_without_secrets() {
        let name = ObjectRef {
            api_version: "v1".into(),
            kind: "Secret".into(),
            namespace: Some("a".into()),
            name: "b".into(),
        };
        let mut secret = json!({"kind": "Secret", "type": "Opaque", "data": {"key": "c2VjcmV0"}});
        let plain = secret.clone();
        conceal("Secret", &mut secret);
        assert!(!secret.to_string().contains("c2VjcmV0"));
        assert_eq!(secret["type"], plain["type"]);
        let confirmed = Confirmed { object: name.clone(), sent: "0".into(), applied: Snapshot::of(&secret, "us") };
        let packed = Applied::pack(&[confirmed]).unwrap();
        let unpacked = packed.unpack().unwrap();
        assert_eq!((&unpacked[0].object, unpacked[0].sent.as_str()), (&name, "0"));
        let applied: Snapshot = serde_json::from_str(unpacked[0].applied.get()).unwrap();
        assert_eq!(applied.get("/data"), secret.get("data"));
    }

    #[test]
    fn an_edited_record_is_an_error() {
        for text in ["", "x", "AAAA"] {
            assert!(Applied(text.into()).unpack().is_err(), "{text:?}");
        }
    }

    #[test]
    fn other_objects_are_not_concealed() {
        let mut map = json!({"kind": "ConfigMap", "data": {"key": "value"}});
        conceal("ConfigMap", &mut map);
        assert_eq!(map["data"]["key"], "value");
    }
}
