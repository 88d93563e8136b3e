//! YAML as kubectl reads it, and taking values out of it with the types that Go insists on.
//!
//! Go's decoder tells an empty text from a missing one nowhere, and takes a number for a text nowhere either. Messages name the
//! field and the kind of what is there, never a value: kubeconfigs and credentials hold secrets.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

/// As in Go, what is left over in the last character does not matter.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The first document of a YAML or JSON text, in UTF-8 or UTF-16.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = decode(bytes).ok_or("it is not a text in UTF-8")?;
    helm_charts::parse_yaml(&text).map_err(|error| match error.line() {
        Some(line) => format!("it is not YAML or JSON at line {line}"),
        None => "it is not YAML or JSON".to_owned(),
    })
}

/// A text by its byte order mark.
fn decode(bytes: &[u8]) -> Option<String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text = String::from_utf16(&pairs.iter().map(|pair| unit(*pair)).collect::<Vec<_>>());
        text.ok().filter(|_| rest.is_empty())
    };
    match bytes {
        [0xFF, 0xFE, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xFE, 0xFF, text @ ..] => utf16(text, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, text @ ..] | text => String::from_utf8(text.to_vec()).ok(),
    }
}

/// A value, and where in its document it is. What is missing is null.
#[derive(Clone)]
pub(super) struct Node<'v> {
    value: &'v Value,
    path: String,
}

impl<'v> Node<'v> {
    pub fn root(value: &'v Value) -> Self {
        Self { value, path: String::new() }
    }

    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    pub fn value(&self) -> &'v Value {
        self.value
    }

    pub fn field(&self, name: &str) -> Result<Self, String> {
        let value = match self.value {
            Value::Object(fields) => fields.get(name).unwrap_or(&Value::Null),
            Value::Null => &Value::Null,
            _ => return Err(self.wrong("a map")),
        };
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Ok(Self { value, path })
    }

    pub fn text(&self) -> Result<String, String> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            Value::Number(_) | Value::Bool(_) => Err(format!("{}: put it in quotes", self.wrong("a text"))),
            _ => Err(self.wrong("a text")),
        }
    }

    pub fn flag(&self) -> Result<bool, String> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            Value::Null => Ok(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    pub fn items(&self) -> Result<Vec<Self>, String> {
        match self.value {
            Value::Array(items) => {
                let item = |(index, value)| Self { value, path: format!("{}[{index}]", self.path) };
                Ok(items.iter().enumerate().map(item).collect())
            }
            Value::Null => Ok(Vec::new()),
            _ => Err(self.wrong("a list")),
        }
    }

    pub fn entries(&self) -> Result<Vec<(String, Self)>, String> {
        match self.value {
            Value::Object(fields) => {
                fields.keys().map(|name| Ok((name.clone(), self.field(name)?))).collect::<Result<_, _>>()
            }
            Value::Null => Ok(Vec::new()),
            _ => Err(self.wrong("a map")),
        }
    }

    pub fn texts(&self) -> Result<Vec<String>, String> {
        self.items()?.iter().map(Self::text).collect()
    }

    /// Bytes in base64, which may have line breaks in it.
    pub fn base64(&self) -> Result<Vec<u8>, String> {
        let text = self.text()?;
        BASE64.decode(text.replace(['\r', '\n'], "")).map_err(|_| {
            let instead = match text.trim_start().starts_with("-----BEGIN") {
                true => "PEM text: encode it, or name a file in the field without -data",
                false => "something else",
            };
            format!("{} has to be in base64, and is {instead}", self.path)
        })
    }

    fn wrong(&self, expected: &str) -> String {
        let kind = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        let subject = if self.path.is_empty() { "it" } else { &self.path };
        format!("{subject} has to be {expected}, and is {kind}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, read: impl Fn(Node<'_>) -> Result<String, String>, expected: Result<&str, &str>) {
        let value = parse(text.as_bytes()).unwrap();
        let is = read(Node::root(&value).field("a").unwrap());
        assert_eq!(is.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn texts_are_texts() {
        check("a: b", |node| node.text(), Ok("b"));
        check("a: 2024-01-01", |node| node.text(), Ok("2024-01-01"));
        check("b: c", |node| node.text(), Ok(""));
        check("a: 12", |node| node.text(), Err("a has to be a text, and is a number: put it in quotes"));
        check("a: no", |node| node.text(), Err("a has to be a text, and is true or false: put it in quotes"));
        check("a: [b]", |node| node.text(), Err("a has to be a text, and is a list"));
    }

    #[test]
    fn flags_and_lists_are_no_texts() {
        check("a: yes", |node| node.flag().map(|flag| flag.to_string()), Ok("true"));
        check("a: 'true'", |node| node.flag().map(|_| String::new()), Err("a has to be true or false, and is a text"));
        check("a: [b, c]", |node| node.texts().map(|texts| texts.join("+")), Ok("b+c"));
        check("a: b", |node| node.texts().map(|_| String::new()), Err("a has to be a list, and is a text"));
        check("a: [1]", |node| node.texts().map(|_| String::new()), {
            Err("a[0] has to be a text, and is a number: put it in quotes")
        });
    }

    #[test]
    fn base64_may_have_line_breaks_and_no_spaces() {
        let read = |node: Node<'_>| node.base64().map(|bytes| String::from_utf8(bytes).unwrap());
        check("a: |\n  aGVs\n  bG8=\n", read, Ok("hello"));
        check("a: aGVsbG8=", read, Ok("hello"));
        check("a: aGVsbG9=", read, Ok("hello"));
        check("a: >\n  aGVs\n  bG8=\n", read, Err("a has to be in base64, and is something else"));
        check("a: aGVsbG8", read, Err("a has to be in base64, and is something else"));
    }

    #[test]
    fn texts_may_have_a_byte_order_mark() {
        let expected = serde_json::json!({ "a": "ü" });
        let wide: Vec<u16> = "a: ü\r\n".encode_utf16().collect();
        let little = wide.iter().flat_map(|unit| unit.to_le_bytes());
        let big = wide.iter().flat_map(|unit| unit.to_be_bytes());
        assert_eq!(parse("\u{feff}a: ü\r\n".as_bytes()).unwrap(), expected);
        assert_eq!(parse(&[0xFF, 0xFE].into_iter().chain(little).collect::<Vec<_>>()).unwrap(), expected);
        assert_eq!(parse(&[0xFE, 0xFF].into_iter().chain(big).collect::<Vec<_>>()).unwrap(), expected);
        assert_eq!(parse(b"a: \xff"), Err("it is not a text in UTF-8".to_owned()));
        assert_eq!(parse(b"a: b\nc: [\n"), Err("it is not YAML or JSON at line 2".to_owned()));
    }
}
