//! What is left of a text between JSON and YAML: `sigs.k8s.io/yaml` has go-yaml read the JSON, for which some characters
//! that stand in JSON for themselves are line breaks or an error.

use std::borrow::Cow;

use crate::json::{self, Style};
use crate::value::Value;

/// go-yaml cannot read the JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

const NEXT_LINE: char = '\u{85}';
/// A longer key, with its quotes, is none.
const MAX_KEY: usize = 1024;
/// Of one character in JSON.
const LONGEST_ESCAPE: usize = 6;

fn is_allowed(c: char) -> bool {
    !matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

/// The text that go-yaml reads: it folds lines, as within any quotes.
pub(super) fn text(text: &str) -> Result<Cow<'_, str>, Unreadable> {
    if text.is_ascii() && !text.contains('\u{7f}') {
        return Ok(text.into());
    }
    if !text.chars().all(is_allowed) {
        return Err(Unreadable);
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some(end) = rest.find(NEXT_LINE) {
        let (line, tail) = rest.split_at(end);
        out.push_str(line.trim_end_matches(' '));
        rest = tail.trim_start_matches([NEXT_LINE, ' ']);
        let folded = &tail[..tail.len() - rest.len()];
        match folded.matches(NEXT_LINE).count() {
            1 => out.push(' '),
            breaks => out.extend(std::iter::repeat_n('\n', breaks - 1)),
        }
        if folded.ends_with(NEXT_LINE) && is_marker(rest) {
            return Err(Unreadable);
        }
    }
    Ok(if out.is_empty() { text.into() } else { Cow::Owned(out + rest) })
}

/// Whether a line begins or ends a document.
fn is_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| rest.starts_with([' ', NEXT_LINE]))
}

/// A key ends on the line on which it begins, and soon.
pub(super) fn check_key(key: &str) -> Result<(), Unreadable> {
    let fits = || {
        let style = Style { escape_html: true, indent: false };
        json::encode(&Value::from(key), style).is_ok_and(|json| json.chars().count() <= MAX_KEY)
    };
    let readable = !key.contains(NEXT_LINE) && key.chars().all(is_allowed);
    match readable && (key.len() * LONGEST_ESCAPE + 2 <= MAX_KEY || fits()) {
        true => Ok(()),
        false => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded() {
        let cases = [
            ("a\u{85}b", Ok("a b")),
            ("a \u{85} b", Ok("a b")),
            ("a\u{85} \u{85}\u{85}b", Ok("a\n\nb")),
            ("\u{85}", Ok(" ")),
            (" \u{85}\u{85} ", Ok("\n")),
            ("a\n\u{85}b\u{2028}", Ok("a\n b\u{2028}")),
            ("a\u{85}---", Ok("a ---")),
            ("a\u{85} --- b", Ok("a --- b")),
            ("a\u{85}--- b", Err(Unreadable)),
            ("é\u{7f}", Err(Unreadable)),
        ];
        for (given, expected) in cases {
            assert_eq!(text(given).as_deref(), expected.as_ref().copied(), "{given:?}");
        }
    }

    #[test]
    fn keys_have_one_short_line() {
        assert_eq!(check_key("a\u{85}b"), Err(Unreadable));
        assert_eq!(check_key(&"k".repeat(1022)), Ok(()));
        assert_eq!(check_key(&"k".repeat(1023)), Err(Unreadable));
        assert_eq!(check_key(&"<".repeat(171)), Err(Unreadable));
    }
}
