//! Go's quoted strings (`strconv.Quote` and `strconv.Unquote`).

use std::fmt::Write as _;

/// `strconv.Quote`, which is also `%q`.
pub(crate) fn quote(text: &str) -> String {
    quote_bytes(text.as_bytes())
}

/// As [`quote`], for a Go string of any bytes.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        // What stands for itself is copied at once.
        let mut rest = chunk.valid();
        while let Some(special) = rest.find(|c: char| matches!(c, '"' | '\\') || !(' '..='~').contains(&c)) {
            let (plain, tail) = rest.split_at(special);
            out.push_str(plain);
            let mut chars = tail.chars();
            chars.next().into_iter().for_each(|c| push_escaped(&mut out, c));
            rest = chars.as_str();
        }
        out.push_str(rest);
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{07}' => out.push_str("\\a"),
        '\u{08}' => out.push_str("\\b"),
        '\u{0c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{0b}' => out.push_str("\\v"),
        c if is_printable(c) => out.push(c),
        c if (c as u32) < 0x80 => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// `strconv.IsPrint`, nearly: letters, marks, numbers, punctuation, symbols and the ASCII space. Unicode's unassigned
/// code points are taken for printable.
pub(crate) fn is_printable(c: char) -> bool {
    match c {
        ' ' => true,
        '\u{ad}' | '\u{feff}' | '\u{61c}' | '\u{180e}' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' => false,
        '\u{e0000}'.. => false,
        c => !c.is_control() && !c.is_whitespace(),
    }
}

/// `strconv.Unquote` of a `"…"` or `` `…` `` literal with its quotes. `None` for bad syntax, or text that is not UTF-8.
pub(crate) fn unquote(literal: &str) -> Option<String> {
    let inner = literal.get(1..literal.len().checked_sub(1)?)?;
    if literal.starts_with('`') {
        return Some(inner.replace('\r', ""));
    }
    if !inner.contains('\\') {
        return Some(inner.to_owned());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (value, tail) = unquote_char(rest, '"')?;
        match value {
            Unquoted::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unquoted::Byte(byte) => out.push(byte),
        }
        rest = tail;
    }
    String::from_utf8(out).ok()
}

/// One character of a literal.
pub(crate) enum Unquoted {
    Char(char),
    /// From `\x` or an octal escape.
    Byte(u8),
}

/// `strconv.UnquoteChar`: the first character of `text` and what follows it.
pub(crate) fn unquote_char(text: &str, quote: char) -> Option<(Unquoted, &str)> {
    let mut chars = text.chars();
    match chars.next()? {
        c if c == quote => return None,
        '\\' => {}
        c => return Some((Unquoted::Char(c), chars.as_str())),
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let hex = |digits: usize| {
        let (code, tail) = (rest.get(..digits)?, rest.get(digits..)?);
        let valid = code.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then_some(())?;
        Some((u32::from_str_radix(code, 16).ok()?, tail))
    };
    let simple = |c: char| Some((Unquoted::Char(c), rest));
    match escape {
        'a' => simple('\u{07}'),
        'b' => simple('\u{08}'),
        'f' => simple('\u{0c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{0b}'),
        '\\' => simple('\\'),
        '\'' | '"' if escape == quote => simple(escape),
        'x' => hex(2).and_then(|(code, tail)| Some((Unquoted::Byte(u8::try_from(code).ok()?), tail))),
        'u' => hex(4).and_then(|(code, tail)| Some((Unquoted::Char(char::from_u32(code)?), tail))),
        'U' => hex(8).and_then(|(code, tail)| Some((Unquoted::Char(char::from_u32(code)?), tail))),
        '0'..='7' => {
            let code = text.get(1..4)?;
            let byte = u8::from_str_radix(code, 8).ok()?;
            Some((Unquoted::Byte(byte), text.get(4..)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_round_trips_and_matches_go() {
        let cases = [
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\t\u{0}\u{7f}", r#""\n\t\x00\x7f""#),
            ("é\u{a0}\u{2028}", r#""é\u00a0\u2028""#),
        ];
        for (text, quoted) in cases {
            assert_eq!(quote(text), quoted);
            assert_eq!(unquote(quoted).as_deref(), Some(text));
        }
        assert_eq!(unquote("`a\r\n\\n`").as_deref(), Some("a\n\\n"));
        assert_eq!(unquote(r#""\q""#), None);
    }
}
