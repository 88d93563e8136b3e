//! YAML as Helm reads and writes it: `sigs.k8s.io/yaml`, which is go-yaml v2 (YAML 1.1) with JSON in between.
//! Reading goes through libyaml's own scanner; writing follows go-yaml's emitter.

mod emit;
mod parse;
mod resolve;

use super::limits::Fault;
use super::value::Value;

pub(super) use parse::{parse, parse_within};

/// `toYaml`: without the last newline, and empty for what JSON cannot express.
pub(super) fn to_yaml(value: &Value) -> Result<String, Fault> {
    let mut text = emit::emit(value)?.unwrap_or_default();
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}
