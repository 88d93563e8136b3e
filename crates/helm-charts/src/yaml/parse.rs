//! Reads one YAML document into JSON, as `sigs.k8s.io/yaml` does: aliases and merge keys are expanded, keys become
//! strings, the last of equal keys wins. A second document is ignored, as Helm ignores it.

use std::collections::HashMap;

use libyaml_safer::{ErrorKind, Event, EventData, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use super::resolve::{Scalar, resolve};
use super::simple;
use crate::limits::{Allowance, MAX_YAML_NODES};
use crate::number;

/// Nested collections in a document. go-yaml's limit is 10,000; ours holds the stack.
const MAX_DEPTH: usize = 500;
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

/// As [`parse_within`], for any document.
pub(super) fn parse_any(text: &str, allowance: &Allowance) -> Result<Value, YamlError> {
    let failed = |reason: String| YamlError(format!("error converting YAML to JSON: {reason}"));
    // libyaml-safer 0.3 panics where a comma follows a tag at once, as in `[!a,]`, and at tags with escapes that are no
    // characters.
    let max_nodes = allowance.left();
    let composed = std::panic::catch_unwind(|| Composer::compose(text, max_nodes));
    let composed = composed.unwrap_or_else(|_| Err("the parser does not support this text".to_owned()));
    let (nodes, root) = composed.map_err(|reason| failed(format!("yaml: {reason}")))?;
    let Some(root) = root else { return Ok(Value::Null) };
    let mut decoder = Decoder { nodes: &nodes, open_aliases: Vec::new(), decoded: 0, from_aliases: 0, repeated: 0 };
    let value = decoder.decode(root).map_err(failed)?;
    match allowance.take(nodes.len().max(decoder.decoded)) {
        true => Ok(value),
        false => Err(failed(format!("yaml: {}", too_many_values()))),
    }
}

fn too_many_values() -> String {
    format!("more than {MAX_YAML_NODES} values are not supported")
}

/// Whether a block scalar at the end of the text ends with the line break that was added: not where its last line is white
/// space that is no part of it, unless it keeps all line breaks.
fn has_added_break(scalar: &str, last_is_text: bool) -> bool {
    scalar.strip_suffix('\n').is_some_and(|rest| {
        let last = rest.rsplit('\n').next().unwrap_or_default();
        last_is_text || last.trim_matches([' ', '\t']).is_empty()
    })
}

enum Node {
    Scalar { text: String, plain: bool, tag: Option<String> },
    Sequence(Vec<usize>),
    Mapping(Vec<(usize, usize)>),
    Alias(String, usize),
}

struct Composer<'a> {
    parser: Parser<&'a mut &'a [u8]>,
    nodes: Vec<Node>,
    max_nodes: usize,
    anchors: HashMap<String, usize>,
    /// Where the text ended before a line break was added to it, and whether its last line has more than white space.
    unbroken_end: Option<(usize, bool)>,
}

impl Composer<'_> {
    fn compose(text: &str, max_nodes: usize) -> Result<(Vec<Node>, Option<usize>), String> {
        // libyaml-safer 0.3 panics on a block scalar that ends with the text. It gets a line break to end with, and
        // the scalar loses it again.
        let unbroken = !text.is_empty() && !text.ends_with('\n');
        let broken = if unbroken { format!("{text}\n") } else { String::new() };
        let mut bytes = if unbroken { broken.as_bytes() } else { text.as_bytes() };
        let mut parser = Parser::new();
        parser.set_input_string(&mut bytes);
        let last_is_text = text.rsplit('\n').next().is_some_and(|line| !line.trim().is_empty());
        let unbroken_end = unbroken.then_some((text.len(), last_is_text));
        let mut composer = Composer { parser, nodes: Vec::new(), max_nodes, anchors: HashMap::new(), unbroken_end };
        composer.next()?;
        let root = match composer.next()? {
            EventData::DocumentStart { .. } => {
                let first = composer.next()?;
                let root = composer.node(first, 0)?;
                composer.next()?;
                Some(root)
            }
            _ => None,
        };
        Ok((composer.nodes, root))
    }

    fn next(&mut self) -> Result<EventData, String> {
        let unbroken_end = self.unbroken_end;
        let without_added_break = |event: Event| {
            let mut data = event.data;
            if let EventData::Scalar { value, style: ScalarStyle::Literal | ScalarStyle::Folded, .. } = &mut data
                && unbroken_end.is_some_and(|(end, _)| event.end_mark.index >= end as u64)
                && unbroken_end.is_some_and(|(_, last_is_text)| has_added_break(value, last_is_text))
            {
                value.pop();
            }
            data
        };
        self.parser.parse().map(without_added_break).map_err(|error| {
            // As go-yaml counts: scanner errors are one line further on than parser errors.
            let mark = error.problem_mark().map_or(0, |mark| mark.line);
            let context = error.context_mark().map_or(0, |mark| mark.line);
            let line = match (mark, context) {
                (0, line) => line,
                (line, _) if error.kind() == ErrorKind::Scanner => line + 1,
                (line, _) => line,
            };
            match line {
                0 => error.problem().to_owned(),
                line => format!("line {line}: {}", error.problem()),
            }
        })
    }

    fn add(&mut self, node: Node, anchor: Option<String>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(node);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, index);
        }
        index
    }

    fn node(&mut self, event: EventData, depth: usize) -> Result<usize, String> {
        if depth > MAX_DEPTH {
            return Err(format!("exceeded max depth of {MAX_DEPTH}"));
        }
        if self.nodes.len() >= self.max_nodes {
            return Err(too_many_values());
        }
        match event {
            EventData::Alias { anchor } => match self.anchors.get(&anchor) {
                Some(&target) => Ok(self.add(Node::Alias(anchor, target), None)),
                None => Err(format!("unknown anchor '{anchor}' referenced")),
            },
            EventData::Scalar { anchor, tag, value, plain_implicit, .. } => {
                Ok(self.add(Node::Scalar { text: value, plain: plain_implicit, tag }, anchor))
            }
            EventData::SequenceStart { anchor, .. } => {
                let index = self.add(Node::Sequence(Vec::new()), anchor);
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        EventData::SequenceEnd => break,
                        item => items.push(self.node(item, depth + 1)?),
                    }
                }
                self.nodes[index] = Node::Sequence(items);
                Ok(index)
            }
            EventData::MappingStart { anchor, .. } => {
                let index = self.add(Node::Mapping(Vec::new()), anchor);
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        EventData::MappingEnd => break,
                        key => {
                            let key = self.node(key, depth + 1)?;
                            let value = self.next()?;
                            entries.push((key, self.node(value, depth + 1)?));
                        }
                    }
                }
                self.nodes[index] = Node::Mapping(entries);
                Ok(index)
            }
            _ => Err("unexpected end of the document".to_owned()),
        }
    }
}

struct Decoder<'a> {
    nodes: &'a [Node],
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
                json(scalar(text, *plain, tag.as_deref())?, text).ok_or_else(|| unsupported_float(text))
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
            Node::Sequence(_) | Node::Mapping(_) => return Err("yaml: invalid map key: not a scalar".to_owned()),
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
            Scalar::Null => return Err("unsupported map key of type: %!s(<nil>)".to_owned()),
        };
        Ok(Key::Name(name))
    }
}

enum Key {
    Name(String),
    Merge,
}

fn want_map() -> String {
    "yaml: map merge requires map or sequence of maps as the value".to_owned()
}

fn unsupported_float(text: &str) -> String {
    format!("json: unsupported value: {text}")
}

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

fn scalar(text: &str, plain: bool, tag: Option<&str>) -> Result<Scalar, String> {
    let Some(tag) = tag else {
        return Ok(if plain { resolve(text) } else { Scalar::Text });
    };
    let resolved = match tag.strip_prefix(TAG_PREFIX) {
        Some("str") => Scalar::Text,
        Some("binary") => return Err("yaml: !!binary is not supported".to_owned()),
        Some(kind @ ("bool" | "int" | "float" | "null" | "timestamp")) => {
            let resolved = resolve(text);
            match (kind, resolved) {
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
                        Scalar::Timestamp => "timestamp",
                        Scalar::Text => "str",
                    };
                    return Err(format!("yaml: cannot decode !!{found} `{text}` as a !!{kind}"));
                }
            }
        }
        _ => Scalar::Text,
    };
    Ok(resolved)
}

/// What a scalar without quotes and tag is; `None` for what JSON cannot express.
pub(super) fn plain_json(text: &str) -> Option<Value> {
    json(resolve(text), text)
}

fn json(scalar: Scalar, text: &str) -> Option<Value> {
    let value = match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Number(value.into()),
        Scalar::Uint(value) => Value::Number(value.into()),
        // JSON has one kind of number: a whole one stays whole.
        Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e15 => Value::Number((value as i64).into()),
        Scalar::Float(value) => Value::Number(Number::from_f64(value)?),
        Scalar::Text | Scalar::Timestamp => Value::String(text.to_owned()),
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
