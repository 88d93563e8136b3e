//! Values reduced to what YAML has, with their keys in go-yaml's order.

use crate::chart::json::replace_invalid;
use crate::chart::limits::{Fault, check_nesting};
use crate::chart::number;
use crate::chart::value::{Element, Value};
use crate::chart::yaml::resolve::{Scalar, is_base_60, resolve};

/// A value reduced to what YAML has.
pub(super) enum Node {
    Scalar(String, Style),
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
#[derive(Default)]
pub(super) struct Builder {
    size: usize,
}

impl Builder {
    /// `None` for what JSON cannot express.
    pub(super) fn node(&mut self, value: &Value, depth: usize) -> Result<Option<Node>, Fault> {
        self.size += std::mem::size_of::<Node>();
        check_nesting(depth, self.size)?;
        let node = match value {
            Value::Nil => plain("null"),
            Value::Bool(value) => plain(value),
            Value::Int(value) | Value::Int64(value) => plain(value),
            Value::Uint8(value) => plain(value),
            Value::Uint64(value) => plain(value),
            Value::Float(value) if !value.is_finite() => return Ok(None),
            Value::Float(value) => plain(float(*value)),
            Value::Str(text) => self.string(text),
            Value::Raw(bytes) => self.string(&replace_invalid(bytes)),
            Value::List(list) if list.is_nil => plain("null"),
            Value::List(list) if list.element == Element::Byte => {
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
                None => return self.mapping(value.json_fields().map(|field| (field.json, &field.value)), depth),
            },
            Value::Files(files) => {
                let mut nodes: Vec<_> =
                    files.iter().map(|(name, data)| (name.to_owned(), self.string(&base64(data)))).collect();
                nodes.sort_by(|(a, _), (b, _)| natural_order(a, b));
                Node::Mapping(nodes)
            }
            Value::Time(time) => self.string(&time.rfc3339()),
        };
        Ok(Some(node))
    }

    fn mapping<'a>(
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
        nodes.sort_by(|(a, _), (b, _)| natural_order(a, b));
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

pub(super) fn string_style(text: &str) -> Style {
    match resolve(text) {
        _ if text.contains('\n') => Style::Literal,
        Scalar::Text if !is_base_60(text) => Style::Plain,
        _ => Style::DoubleQuoted,
    }
}

/// go-yaml's order of keys: letters after other characters, runs of digits by their number.
fn natural_order(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = a.iter().zip(&b).position(|(x, y)| x != y) else { return a.len().cmp(&b.len()) };
    let (x, y) = (a[i], b[i]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
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
