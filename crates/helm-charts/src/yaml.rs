//! YAML as Helm reads and writes it: `sigs.k8s.io/yaml`, which is go-yaml v2 (YAML 1.1) with JSON in between.
//! Reading goes through libyaml's own scanner where a document is not simple; writing follows go-yaml's emitter.

mod emit;
mod parse;
mod resolve;
mod simple;

use super::limits::Fault;
use super::value::Value;
use emit::Dialect;

pub use parse::YamlError;
pub(super) use parse::{parse, parse_within};

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
