//! Values reduced to what YAML has, with their keys in go-yaml's order.

use super::Dialect;
use crate::chart::json::replace_invalid;
use crate::chart::limits::{Budget, Fault, check_nesting};
use crate::chart::number;
use crate::chart::value::{Element, Value};
use crate::chart::yaml::resolve::{Scalar, is_base_60, resolve};

/// A value reduced to what YAML has.
pub(super) enum Node {
    Scalar(String, Style),
    /// Bytes in base64, with a tag that says so.
    Binary(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(String, Node)>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// Turns values into nodes, and keeps count: shared maps can unfold into far more than they hold.
pub(super) struct Builder {
    dialect: Dialect,
    size: usize,
}

impl Builder {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, size: 0 }
    }

    /// `None` for what JSON cannot express.
    pub(super) fn node(&mut self, value: &Value, depth: usize) -> Result<Option<Node>, Fault> {
        self.size += std::mem::size_of::<Node>();
        check_nesting(depth, self.size)?;
        let through_json = self.dialect == Dialect::V2;
        let node = match value {
            Value::Nil => plain("null"),
            Value::Bool(value) => plain(value),
            Value::Int(value) | Value::Int64(value) => plain(value),
            Value::Uint8(value) => plain(value),
            Value::Uint64(value) => plain(value),
            Value::Float(value) if through_json && !value.is_finite() => return Ok(None),
            Value::Float(value) if through_json => plain(float(*value)),
            Value::Float(value) => plain(direct_float(*value)),
            Value::Str(text) => self.string(text),
            Value::Raw(bytes) if through_json => self.string(&replace_invalid(bytes)),
            Value::Raw(bytes) => Node::Binary(base64(bytes)),
            Value::List(list) if through_json && list.is_nil => plain("null"),
            Value::List(list) if through_json && list.element == Element::Byte => {
                let bytes = list.items.iter().map(|item| if let Value::Uint8(byte) = item { *byte } else { 0 });
                self.string(&base64(&bytes.collect::<Vec<u8>>()))
            }
            Value::List(list) => {
                let mut nodes = Vec::with_capacity(list.items.len());
                for item in &*list.items {
                    let Some(item) = self.node(item, depth + 1)? else { return Ok(None) };
                    nodes.push(item);
                }
                Node::Sequence(nodes)
            }
            Value::Map(map) => {
                let entries = map.entries();
                return self.mapping(entries.iter().map(|(key, item)| (&**key, item)), depth);
            }
            Value::Struct(value) => match value.json_text() {
                Some(text) => return self.node(text, depth),
                // Without tags of its own, go-yaml v3 takes the fields' names.
                None if !through_json => {
                    let fields: Vec<_> =
                        value.fields.iter().map(|field| (field.name.to_lowercase(), &field.value)).collect();
                    return self.entries(fields.iter().map(|(name, value)| (name.as_str(), *value)), depth);
                }
                None => return self.mapping(value.json_fields().map(|field| (field.json, &field.value)), depth),
            },
            Value::Files(files) if !through_json => {
                let entries = files.named_bytes(&Budget::default())?.collect::<Vec<_>>();
                return self.mapping(entries.iter().map(|(name, value)| (name.as_str(), value)), depth);
            }
            Value::Files(files) => {
                let mut nodes: Vec<_> =
                    files.iter().map(|(name, data)| (name.to_owned(), self.string(&base64(data)))).collect();
                nodes.sort_by(|(a, _), (b, _)| natural_order(a, b, self.dialect));
                Node::Mapping(nodes)
            }
            Value::Time(time) if through_json => self.string(&time.rfc3339()),
            Value::Time(time) => plain(time.rfc3339()),
        };
        Ok(Some(node))
    }

    fn mapping<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a str, &'a Value)>,
        depth: usize,
    ) -> Result<Option<Node>, Fault> {
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by(|(a, _), (b, _)| natural_order(a, b, self.dialect));
        self.entries(entries.into_iter(), depth)
    }

    /// A mapping in the order given.
    fn entries<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a str, &'a Value)>,
        depth: usize,
    ) -> Result<Option<Node>, Fault> {
        let mut nodes = Vec::new();
        for (key, item) in entries {
            let Some(item) = self.node(item, depth + 1)? else { return Ok(None) };
            self.size += key.len();
            nodes.push((key.to_owned(), item));
        }
        Ok(Some(Node::Mapping(nodes)))
    }

    fn string(&mut self, text: &str) -> Node {
        self.size += text.len();
        Node::Scalar(text.to_owned(), string_style(text))
    }
}

fn plain(value: impl ToString) -> Node {
    Node::Scalar(value.to_string(), Style::Plain)
}

fn base64(data: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(data)
}

/// JSON's text of the number, read again as YAML and written by go-yaml.
fn float(value: f64) -> String {
    let json = number::format_json(value);
    match resolve(&json) {
        Scalar::Float(value) => number::format_g(value),
        _ => json,
    }
}

/// Version 3 writes the number as Go's `%g` has it.
fn direct_float(value: f64) -> String {
    match value {
        value if value.is_nan() => ".nan".to_owned(),
        value if value.is_infinite() => if value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        value => number::format_g(value),
    }
}

pub(super) fn string_style(text: &str) -> Style {
    match resolve(text) {
        _ if text.contains('\n') => Style::Literal,
        Scalar::Text if !is_base_60(text) => Style::Plain,
        _ => Style::DoubleQuoted,
    }
}

/// go-yaml's order of keys: letters after other characters, runs of digits by their number.
fn natural_order(a: &str, b: &str, dialect: Dialect) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = a.iter().zip(&b).position(|(x, y)| x != y) else { return a.len().cmp(&b.len()) };
    let (x, y) = (a[i], b[i]);
    let digit_before = i > 0 && a[i - 1].is_numeric();
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        // Version 3 has letters first after a common number.
        (true, false) if dialect == Dialect::V3 && digit_before => return Ordering::Less,
        (false, true) if dialect == Dialect::V3 && digit_before => return Ordering::Greater,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero within a number is not a leading zero.
    let within_number = (x == '0' || y == '0') && a[..i].iter().rev().take_while(|c| c.is_numeric()).any(|c| *c != '0');
    let run = |text: &[char]| {
        let digits = text[i..].iter().take_while(|c| c.is_numeric());
        digits.fold((i64::from(within_number), i), |(value, end), c| {
            (value.wrapping_mul(10).wrapping_add(i64::from(*c as u32) - i64::from('0' as u32)), end + 1)
        })
    };
    run(&a).cmp(&run(&b)).then(x.cmp(&y))
}
