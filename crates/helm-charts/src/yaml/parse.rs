//! Reads one YAML document into JSON, as `sigs.k8s.io/yaml` does: aliases and merge keys are expanded, keys become
//! strings, the last of equal keys wins. A second document is ignored, as Helm ignores it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Number, Value};

use super::compose::{MAX_DEPTH, Node, compose, too_many_values};
use super::resolve::{Scalar, resolve};
use super::simple;
use crate::json::replace_invalid;
use crate::limits::{Allowance, MAX_YAML_NODES};
use crate::number;
use crate::template::quote::quote;

/// Values that aliases may unfold into.
const MAX_DECODED: usize = 4_000_000;
/// Bytes of text that aliases may repeat.
const MAX_REPEATED: usize = 16 << 20;

/// Text that is not YAML: Helm's message, with the line where go-yaml gives one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct YamlError(String);

impl YamlError {
    /// The line that the parser stopped at, counted from 1.
    pub fn line(&self) -> Option<usize> {
        let (_, rest) = self.0.split_once("line ")?;
        rest.split_once(':')?.0.parse().ok()
    }
}

/// Parses the first document of `text`; no document is null. Numbers keep their integer form where they have one.
pub(crate) fn parse(text: &str) -> Result<Value, YamlError> {
    parse_within(text, &Allowance::new(MAX_YAML_NODES))
}

/// As [`parse`], taking the document's values from an allowance.
pub(crate) fn parse_within(text: &str, allowance: &Allowance) -> Result<Value, YamlError> {
    match simple::parse(text, allowance.left()) {
        Some((value, nodes)) if allowance.take(nodes) => Ok(value),
        _ => parse_any(text, allowance),
    }
}

/// As [`parse_within`], but `1e3` stays a float: where Go wants text it becomes other text than `1000`.
pub(crate) fn parse_with_floats(text: &str, allowance: &Allowance) -> Result<Value, YamlError> {
    parse_as(text, allowance, Numbers::AsWritten)
}

/// As [`parse_within`], for any document.
pub(super) fn parse_any(text: &str, allowance: &Allowance) -> Result<Value, YamlError> {
    parse_as(text, allowance, Numbers::AsJson)
}

fn parse_as(text: &str, allowance: &Allowance, numbers: Numbers) -> Result<Value, YamlError> {
    let failed = |reason: String| YamlError(format!("error converting YAML to JSON: {reason}"));
    let (nodes, root) = compose(text, allowance.left()).map_err(|reason| failed(format!("yaml: {reason}")))?;
    let Some(root) = root else { return Ok(Value::Null) };
    let mut decoder =
        Decoder { nodes: &nodes, numbers, open_aliases: Vec::new(), decoded: 0, from_aliases: 0, repeated: 0 };
    let value = decoder.decode(root).map_err(failed)?;
    match allowance.take(nodes.len().max(decoder.decoded)) {
        true => Ok(value),
        false => Err(failed(format!("yaml: {}", too_many_values()))),
    }
}

/// What becomes of a float that is a whole number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// JSON has one kind of number.
    AsJson,
    /// It stays a float.
    AsWritten,
}

struct Decoder<'a> {
    nodes: &'a [Node],
    numbers: Numbers,
    open_aliases: Vec<usize>,
    decoded: usize,
    from_aliases: usize,
    repeated: usize,
}

impl Decoder<'_> {
    fn decode(&mut self, index: usize) -> Result<Value, String> {
        self.count()?;
        match &self.nodes[index] {
            Node::Scalar { text, plain, tag } => {
                self.count_text(text)?;
                let scalar = scalar(text, *plain, tag.as_deref())?;
                let unsupported = match scalar {
                    Scalar::Float(value) => format!("json: unsupported value: {}", number::format_g(value)),
                    _ => String::new(),
                };
                json(scalar, text, self.numbers).ok_or(unsupported)
            }
            Node::Alias(name, target) => self.through_alias(name, *target, |decoder| decoder.decode(*target)),
            Node::Sequence(items) => {
                items.iter().map(|item| self.decode(*item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            Node::Mapping(_) => {
                let mut entries = Map::new();
                self.mapping(index, &mut entries)?;
                Ok(Value::Object(entries))
            }
        }
    }

    /// go-yaml's guard against documents that are mostly aliases of aliases.
    fn count(&mut self) -> Result<(), String> {
        self.decoded += 1;
        self.from_aliases += usize::from(!self.open_aliases.is_empty());
        let allowed = match self.decoded {
            0..=400_000 => 0.99,
            decoded if decoded >= MAX_DECODED => 0.1,
            decoded => 0.99 - 0.89 * ((decoded - 400_000) as f64 / (MAX_DECODED - 400_000) as f64),
        };
        let ratio = self.from_aliases as f64 / self.decoded as f64;
        match self.from_aliases > 100 && self.decoded > 1000 && ratio > allowed {
            true => Err("yaml: document contains excessive aliasing".to_owned()),
            false => Ok(()),
        }
    }

    /// Go shares the text of an alias; here every value has its own.
    fn count_text(&mut self, text: &str) -> Result<(), String> {
        if !self.open_aliases.is_empty() {
            self.repeated += text.len();
        }
        match self.repeated > MAX_REPEATED {
            true => Err("yaml: document contains excessive aliasing".to_owned()),
            false => Ok(()),
        }
    }

    fn through_alias<T>(
        &mut self,
        name: &str,
        target: usize,
        decode: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        if self.open_aliases.contains(&target) {
            return Err(format!("yaml: anchor '{name}' value contains itself"));
        }
        if self.open_aliases.len() > MAX_DEPTH {
            return Err(format!("yaml: exceeded max depth of {MAX_DEPTH}"));
        }
        self.open_aliases.push(target);
        let result = decode(self);
        self.open_aliases.pop();
        result
    }

    fn mapping(&mut self, index: usize, entries: &mut Map<String, Value>) -> Result<(), String> {
        let Node::Mapping(pairs) = &self.nodes[index] else { return Err(want_map()) };
        for (key, value) in pairs {
            match self.key(*key)? {
                Key::Merge => self.merge(*value, entries)?,
                Key::Null => {
                    let value = go_syntax(&self.decode(*value)?);
                    return Err(format!("unsupported map key of type: %!s(<nil>), key: <nil>, value: {value}"));
                }
                Key::Name(name) => {
                    let value = self.decode(*value)?;
                    entries.insert(name, value);
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, index: usize, entries: &mut Map<String, Value>) -> Result<(), String> {
        self.count()?;
        match &self.nodes[index] {
            Node::Mapping(_) => self.mapping(index, entries),
            Node::Alias(name, target) => self.through_alias(name, *target, |decoder| decoder.mapping(*target, entries)),
            Node::Sequence(items) => items.iter().rev().try_for_each(|item| match &self.nodes[*item] {
                Node::Mapping(_) | Node::Alias(..) => self.merge(*item, entries),
                _ => Err(want_map()),
            }),
            Node::Scalar { .. } => Err(want_map()),
        }
    }

    fn key(&mut self, index: usize) -> Result<Key, String> {
        let (text, plain, tag) = match &self.nodes[index] {
            Node::Scalar { text, plain, tag } => (text, *plain, tag.as_deref()),
            Node::Alias(name, target) => return self.through_alias(name, *target, |decoder| decoder.key(*target)),
            Node::Sequence(_) | Node::Mapping(_) => {
                return Err(format!("yaml: invalid map key: {}", go_syntax(&self.decode(index)?)));
            }
        };
        if text == "<<" && (plain || tag.is_some_and(|tag| tag.ends_with(":merge"))) {
            return Ok(Key::Merge);
        }
        self.count_text(text)?;
        let name = match scalar(text, plain, tag)? {
            Scalar::Text | Scalar::Timestamp => text.clone(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Int(value) => value.to_string(),
            Scalar::Uint(value) => value.to_string(),
            Scalar::Float(value) => match value {
                f64::INFINITY => ".inf".to_owned(),
                f64::NEG_INFINITY => "-.inf".to_owned(),
                value if value.is_nan() => ".nan".to_owned(),
                value => number::format_g_f32(value as f32),
            },
            Scalar::Binary(text) => text,
            Scalar::Null => return Ok(Key::Null),
        };
        Ok(Key::Name(name))
    }
}

enum Key {
    Name(String),
    Merge,
    Null,
}

fn want_map() -> String {
    "yaml: map merge requires map or sequence of maps as the value".to_owned()
}

/// `%#v`, which is what an error shows of a value.
fn go_syntax(value: &Value) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => quote(text),
        Value::Array(items) => format!("[]interface {{}}{{{}}}", list(&mut items.iter().map(go_syntax))),
        Value::Object(entries) => {
            let mut entries = entries.iter().map(|(key, value)| format!("{}:{}", quote(key), go_syntax(value)));
            format!("map[interface {{}}]interface {{}}{{{}}}", list(&mut entries))
        }
        other => other.to_string(),
    }
}

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

fn scalar(text: &str, plain: bool, tag: Option<&str>) -> Result<Scalar, String> {
    let Some(tag) = tag else {
        return Ok(if plain { resolve(text) } else { Scalar::Text });
    };
    let resolved = match tag.strip_prefix(TAG_PREFIX) {
        Some("str") => Scalar::Text,
        Some("binary") => Scalar::Binary(binary(text)?),
        Some(kind @ ("bool" | "int" | "float" | "null" | "timestamp")) => match (kind, resolve(text)) {
            ("float", Scalar::Int(value)) => Scalar::Float(value as f64),
            ("bool", value @ Scalar::Bool(_))
            | ("int", value @ (Scalar::Int(_) | Scalar::Uint(_)))
            | ("float", value @ Scalar::Float(_))
            | ("null", value @ Scalar::Null)
            | ("timestamp", value @ Scalar::Timestamp) => value,
            (kind, other) => {
                let found = match other {
                    Scalar::Null => "null",
                    Scalar::Bool(_) => "bool",
                    Scalar::Int(_) | Scalar::Uint(_) => "int",
                    Scalar::Float(_) => "float",
                    // Only looked for where nothing else is asked for.
                    Scalar::Timestamp | Scalar::Text | Scalar::Binary(_) => "str",
                };
                return Err(format!("yaml: cannot decode !!{found} `{text}` as a !!{kind}"));
            }
        },
        _ => Scalar::Text,
    };
    Ok(resolved)
}

/// What base64 stands for. Line breaks have no meaning, nor have bits beyond the last byte; JSON takes no bytes that are not
/// UTF-8.
fn binary(text: &str) -> Result<String, String> {
    const BASE64: GeneralPurpose =
        GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    let bytes = BASE64.decode(text.replace(['\r', '\n'], ""));
    let bytes = bytes.map_err(|_| "yaml: !!binary value contains invalid base64 data".to_owned())?;
    Ok(replace_invalid(&bytes))
}

/// What a scalar without quotes and tag is; `None` for what JSON cannot express.
pub(super) fn plain_json(text: &str, numbers: Numbers) -> Option<Value> {
    json(resolve(text), text, numbers)
}

fn json(scalar: Scalar, text: &str, numbers: Numbers) -> Option<Value> {
    let value = match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Number(value.into()),
        Scalar::Uint(value) => Value::Number(value.into()),
        Scalar::Float(value) if numbers == Numbers::AsJson && value.fract() == 0.0 && value.abs() < 9.0e15 => {
            Value::Number((value as i64).into())
        }
        Scalar::Float(value) => Value::Number(Number::from_f64(value)?),
        Scalar::Text | Scalar::Timestamp => Value::String(text.to_owned()),
        Scalar::Binary(text) => Value::String(text),
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let actual = parse(text).map_or_else(|error| error.to_string(), |json| json.to_string());
        assert_eq!(actual, expected, "{text:?}");
    }

    #[test]
    fn documents_read_as_helm_reads_them() {
        check("", "null");
        check("# only a comment", "null");
        check("a: |\n  x", r#"{"a":"x"}"#);
        check("a: |\n  x\n", r#"{"a":"x\n"}"#);
        check("a: |+\n  x\n\n", r#"{"a":"x\n\n"}"#);
        check("a: |", r#"{"a":""}"#);
        check("a: >-\n  x\n  y", r#"{"a":"x y"}"#);
        check("a: 1\na: 2", r#"{"a":2}"#);
        check("1: a\ntrue: b\n1.5: c", r#"{"1":"a","1.5":"c","true":"b"}"#);
        check("a: &x {b: 1}\nc: {<<: *x, d: 2}", r#"{"a":{"b":1},"c":{"b":1,"d":2}}"#);
        check("a: [1, 2.0, 1e3, 0x10, 0644, yes, ~]", r#"{"a":[1,2,1000,16,420,true,null]}"#);
        check("a: [x]# comment\nb: 1", r#"{"a":["x"],"b":1}"#);
        check("a: 1\n---\nb: 2", r#"{"a":1}"#);
        check("a: !!str 1", r#"{"a":"1"}"#);
    }

    #[test]
    fn errors_are_go_yaml_s() {
        let start = "error converting YAML to JSON: yaml: ";
        check("a: b: c", &format!("{start}mapping values are not allowed in this context"));
        check("a: 1\n b: 2", &format!("{start}line 2: mapping values are not allowed in this context"));
        check("a:\n\t- b", &format!("{start}line 2: found character that cannot start any token"));
        check("a: *x", &format!("{start}unknown anchor 'x' referenced"));
        check("a: &x [*x]", "error converting YAML to JSON: yaml: anchor 'x' value contains itself");
    }

    #[test]
    fn hostile_documents_end_in_errors() {
        let bomb = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, index| {
            text + &format!("a{}: &a{} [*a{index}, *a{index}]\n", index + 1, index + 1)
        });
        check(&bomb, "error converting YAML to JSON: yaml: document contains excessive aliasing");
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        assert!(parse("a: !<%ff%ff> b").is_err());
    }
}
