//! Reads JSON as Go's `encoding/json` does, with its words for what is wrong: bytes that are not UTF-8 and lone
//! surrogates become U+FFFD, and every number is a float64.

use serde_json::{Map, Number, Value};

use super::super::limits::MAX_NESTING;
use super::super::template::quote::quote;
use super::replace_invalid;

/// The value that a text is.
pub(crate) fn read(text: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    match reader.next_token() {
        None => Ok(value),
        Some(byte) => Err(invalid(byte, "after top-level value")),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The byte at the current place, which `what` is expected to be; the next place becomes current.
    fn expect(&mut self, what: &str, fits: impl Fn(u8) -> bool) -> Result<u8, String> {
        // Go's scanner meets a space at the end.
        let byte = match self.peek() {
            None if fits(b' ') => return Err(ended()),
            byte => byte.unwrap_or(b' '),
        };
        if !fits(byte) {
            return Err(invalid(byte, what));
        }
        self.at += 1;
        Ok(byte)
    }

    /// As [`expect`](Self::expect), after white space.
    fn token(&mut self, what: &str, fits: impl Fn(u8) -> bool) -> Result<u8, String> {
        self.next_token().ok_or_else(ended)?;
        self.expect(what, fits)
    }

    fn next_token(&mut self) -> Option<u8> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.peek()
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_NESTING {
            return Err("exceeded max depth".to_owned());
        }
        match self.next_token().ok_or_else(ended)? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::String),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Null),
            b'-' | b'0'..=b'9' => self.number(),
            other => Err(invalid(other, "looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut entries = Map::new();
        if self.next_token() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(entries));
        }
        loop {
            match self.next_token().ok_or_else(ended)? {
                b'"' => {}
                other => return Err(invalid(other, "looking for beginning of object key string")),
            }
            let key = self.string()?;
            self.token("after object key", |byte| byte == b':')?;
            entries.insert(key, self.value(depth + 1)?);
            if self.token("after object key:value pair", |byte| matches!(byte, b',' | b'}'))? == b'}' {
                return Ok(Value::Object(entries));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        if self.next_token() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.token("after array element", |byte| matches!(byte, b',' | b']'))? == b']' {
                return Ok(Value::Array(items));
            }
        }
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, String> {
        for letter in word.chars() {
            let what = format!("in literal {word} (expecting '{letter}')");
            self.expect(&what, |byte| char::from(byte) == letter)?;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.expect("in numeric literal", |byte| byte.is_ascii_digit())?;
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.expect("after decimal point in numeric literal", |byte| byte.is_ascii_digit())?;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.expect("in exponent of numeric literal", |byte| byte.is_ascii_digit())?;
            self.digits();
        }
        // What was read is ASCII.
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        let number = text.parse().ok().and_then(Number::from_f64);
        number
            .map(Value::Number)
            .ok_or_else(|| format!("json: cannot unmarshal number {text} into Go value of type float64"))
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let byte = self.expect("in string literal", |byte| byte >= b' ')?;
            match byte {
                b'"' => return Ok(replace_invalid(&out)),
                b'\\' => {
                    let c = self.escape()?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                byte => out.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let known = |byte| matches!(byte, b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' | b'u');
        Ok(match self.expect("in string escape code", known)? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            other => char::from(other),
        })
    }

    /// A code point, or a pair of surrogates.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) || !self.text[self.at..].starts_with(b"\\u") {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.at;
        self.at += 2;
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            // The second one stands for itself.
            self.at = after_first;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        Ok(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.expect("in \\u hexadecimal character escape", |byte| byte.is_ascii_hexdigit())?;
            value = value * 16 + char::from(digit).to_digit(16).unwrap_or(0);
        }
        Ok(value)
    }
}

fn ended() -> String {
    "unexpected end of JSON input".to_owned()
}

/// Go shows the byte as the character of that number.
fn invalid(byte: u8, what: &str) -> String {
    let shown = match byte {
        b'\'' => "\\'".to_owned(),
        b'"' => "\"".to_owned(),
        byte => quote(&char::from(byte).to_string()).trim_matches('"').to_owned(),
    };
    format!("invalid character '{shown}' {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_go_s_words() {
        let cases: [(&[u8], &str); 12] = [
            (b"", "unexpected end of JSON input"),
            (b"[1", "unexpected end of JSON input"),
            (b"{a", "invalid character 'a' looking for beginning of object key string"),
            (b"{\"a\" 1}", "invalid character '1' after object key"),
            (b"{\"a\":1 \"", "invalid character '\"' after object key:value pair"),
            (b"[1 2]", "invalid character '2' after array element"),
            (b"01", "invalid character '1' after top-level value"),
            (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
            (b"nul", "invalid character ' ' in literal null (expecting 'l')"),
            (b"tru\xc3", "invalid character 'Ã' in literal true (expecting 'e')"),
            (b"\"\n\"", "invalid character '\\n' in string literal"),
            (b"1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Err(expected.to_owned()), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn text_that_is_not_unicode_is_replaced() {
        let cases: [(&[u8], &str); 4] = [
            (b"\"\xff\"", "\u{fffd}"),
            (b"\"\\ud800x\"", "\u{fffd}x"),
            (b"\"\\ud800\\u0041\"", "\u{fffd}A"),
            (b"\"\\ud83c\\udf89\"", "\u{1f389}"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Ok(Value::from(expected)), "{}", String::from_utf8_lossy(text));
        }
    }
}
