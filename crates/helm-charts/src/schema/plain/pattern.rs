//! Patterns, of which only what means the same in JavaScript and in Rust beyond doubt.

use std::sync::OnceLock;

use regex::Regex;

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 100;

/// A pattern that is compiled when the first text is compared with it: most charts are rendered without such a text.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "^$[]()?*+-".contains(c);
        let plain = text.len() <= MAX_LENGTH && text.chars().all(is_plain) && !text.contains("(?");
        let valid = plain && regex_syntax::parse(text).is_ok();
        valid.then(|| Self { text: text.to_owned(), compiled: OnceLock::new() })
    }

    /// Whether the text matches; `None` if the pattern cannot be compiled.
    pub(super) fn matches(&self, text: &str) -> Option<bool> {
        let compiled = self.compiled.get_or_init(|| Regex::new(&self.text).ok());
        compiled.as_ref().map(|regex| regex.is_match(text))
    }
}
