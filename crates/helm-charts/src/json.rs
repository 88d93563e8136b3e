//! Values as Go's `encoding/json` writes them.

mod read;

use super::limits::{Fault, check_nesting};
use super::number;
use super::value::{Element, Value};

pub(super) use read::read;

/// Why a value has no JSON text.
#[derive(Debug)]
pub(super) enum Unencodable {
    /// Go refuses it, too; functions that swallow Go's error swallow this.
    Value(String),
    /// A limit of ours; never swallowed.
    Limit(Fault),
}

impl From<Fault> for Unencodable {
    fn from(fault: Fault) -> Self {
        Unencodable::Limit(fault)
    }
}

/// Layout of the text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    /// `<`, `>` and `&` as `\u003c` and so on, as `json.Marshal` does.
    pub escape_html: bool,
    /// Two spaces per level, as `toPrettyJson` does.
    pub indent: bool,
}

/// The JSON text of a value.
pub(super) fn encode(value: &Value, style: Style) -> Result<String, Unencodable> {
    let mut encoder = Encoder { out: String::new(), style };
    encoder.value(value, 0)?;
    Ok(encoder.out)
}

struct Encoder {
    out: String,
    style: Style,
}

impl Encoder {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Unencodable> {
        check_nesting(depth, self.out.len())?;
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) | Value::Int64(value) => self.out.push_str(&value.to_string()),
            Value::Uint8(value) => self.out.push_str(&value.to_string()),
            Value::Uint64(value) => self.out.push_str(&value.to_string()),
            Value::Float(value) if value.is_finite() => self.out.push_str(&number::format_json(*value)),
            Value::Float(value) => {
                let value = number::format_g(*value);
                return Err(Unencodable::Value(format!("json: unsupported value: {value}")));
            }
            Value::Complex(..) => return Err(Unencodable::Value("json: unsupported type: complex128".to_owned())),
            Value::Str(text) => self.string(text.as_bytes()),
            Value::Raw(bytes) => self.string(bytes),
            Value::List(list) if list.is_nil => self.out.push_str("null"),
            Value::List(list) if list.element == Element::Byte => {
                let bytes: Vec<u8> = list.items.iter().filter_map(as_byte).collect();
                self.bytes(&bytes);
            }
            Value::List(list) => {
                self.sequence(('[', ']'), list.items.iter(), depth, |encoder, item| encoder.value(item, depth + 1))?;
            }
            Value::Map(map) => {
                self.sequence(('{', '}'), map.entries().iter(), depth, |encoder, (key, item)| {
                    encoder.key(key);
                    encoder.value(item, depth + 1)
                })?;
            }
            Value::Struct(value) => {
                if let Some(text) = value.json_text() {
                    return self.value(text, depth);
                }
                self.sequence(('{', '}'), value.json_fields(), depth, |encoder, field| {
                    encoder.key(field.json);
                    encoder.value(&field.value, depth + 1)
                })?;
            }
            Value::Files(files) => {
                self.sequence(('{', '}'), files.iter(), depth, |encoder, (name, data)| {
                    encoder.key(name);
                    encoder.bytes(data);
                    Ok(())
                })?;
            }
            Value::Time(time) => self.string(time.rfc3339().as_bytes()),
        }
        Ok(())
    }

    fn sequence<T>(
        &mut self,
        (open, close): (char, char),
        items: impl Iterator<Item = T>,
        depth: usize,
        mut each: impl FnMut(&mut Self, T) -> Result<(), Unencodable>,
    ) -> Result<(), Unencodable> {
        self.out.push(open);
        let mut empty = true;
        for item in items {
            if !empty {
                self.out.push(',');
            }
            empty = false;
            self.new_line(depth + 1);
            each(self, item)?;
        }
        if !empty {
            self.new_line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn new_line(&mut self, depth: usize) {
        if self.style.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n("  ", depth));
        }
    }

    fn key(&mut self, key: &str) {
        self.string(key.as_bytes());
        self.out.push_str(if self.style.indent { ": " } else { ":" });
    }

    fn bytes(&mut self, bytes: &[u8]) {
        use base64::Engine as _;
        self.string(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push('"');
        for chunk in text.utf8_chunks() {
            chunk.valid().chars().for_each(|c| self.char(c));
            chunk.invalid().iter().for_each(|_| self.unicode('\u{fffd}'));
        }
        self.out.push('"');
    }

    fn char(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            '\u{08}' => self.out.push_str("\\b"),
            '\u{0c}' => self.out.push_str("\\f"),
            '<' | '>' | '&' if self.style.escape_html => self.unicode(c),
            '\u{2028}' | '\u{2029}' => self.unicode(c),
            c if c < ' ' => self.unicode(c),
            c => self.out.push(c),
        }
    }

    fn unicode(&mut self, c: char) {
        self.out.push_str(&format!("\\u{:04x}", c as u32));
    }
}

fn as_byte(value: &Value) -> Option<u8> {
    match value {
        Value::Uint8(byte) => Some(*byte),
        _ => None,
    }
}

/// What Go's `encoding/json` calls a value that it cannot use.
pub(super) fn kind(json: &serde_json::Value) -> &'static str {
    match json {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    }
}

/// A number where text is wanted, as `sigs.k8s.io/yaml` writes it: floats have the digits of 32 bits.
pub(super) fn number_text(number: &serde_json::Number) -> String {
    match (number.is_f64(), number.as_f64()) {
        (true, Some(value)) => number::format_g_f32(value as f32),
        _ => number.to_string(),
    }
}

/// Go replaces every byte that is not UTF-8 with one U+FFFD of its own.
pub(super) fn replace_invalid(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(std::iter::repeat_n('\u{fffd}', chunk.invalid().len()));
    }
    out
}
