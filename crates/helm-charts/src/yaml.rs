//! YAML as Helm reads and writes it: `sigs.k8s.io/yaml`, which is go-yaml v2 (YAML 1.1) with JSON in between.
//! Reading goes through libyaml's own scanner where a document is not simple; writing follows go-yaml's emitter.

mod compose;
mod emit;
mod ignored;
mod parse;
mod resolve;
mod simple;

use super::limits::Fault;
use super::value::Value;
use emit::Dialect;
#[cfg(feature = "source")]
use parse::Numbers;

pub use ignored::{Ignored, ignored};
pub use parse::YamlError;
pub(super) use parse::{parse, parse_with_floats, parse_within};

/// `toYaml`: without the last newline, and empty for what JSON cannot express.
pub(super) fn to_yaml(value: &Value) -> Result<String, Fault> {
    trimmed(value, Dialect::V2)
}

/// `toYamlPretty`: written by go-yaml v3, whose sequences are indented.
pub(super) fn to_yaml_pretty(value: &Value) -> Result<String, Fault> {
    trimmed(value, Dialect::V3)
}

fn trimmed(value: &Value, dialect: Dialect) -> Result<String, Fault> {
    let mut text = emit::emit(value, dialect)?.unwrap_or_default();
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// A plain scalar where text is wanted; none for null.
#[cfg(feature = "source")]
pub(super) fn plain_text(text: &str) -> Option<String> {
    match parse::plain_json(text, Numbers::AsWritten) {
        Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::Bool(value)) => Some(value.to_string()),
        Some(serde_json::Value::Number(number)) => Some(super::json::number_text(&number)),
        _ => Some(text.to_owned()),
    }
}
