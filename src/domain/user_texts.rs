//! The texts that a user's `values` hold. Any of them may come from a sensitive variable, and Terraform does not say which: so none
//! of them is shown, wherever it turns up, and its path says what it was.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What stands in the place of a text that nobody may read.
pub const SENSITIVE: &str = "(sensitive)";

/// Shorter texts are looked for as a whole only: they stand by chance in others.
const SHORT: usize = 4;

/// Shorter texts are left in messages: these would be unreadable without them.
const WORD: usize = 8;

/// Texts and numbers of values.
#[derive(Debug, Clone, Default)]
pub struct UserTexts {
    /// Each as it was written, line by line where it has several, and in Base64.
    texts: BTreeSet<String>,
}

impl UserTexts {
    /// All that these values hold. Keys are no secrets.
    pub fn of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut texts = BTreeSet::new();
        values.into_iter().for_each(|value| collect(value, &mut texts));
        Self { texts }
    }

    /// Whether the value, or anything in it, holds one of them.
    pub fn are_in(&self, value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => self.texts.contains(&number.to_string()),
            Value::String(text) => self.texts.iter().any(|given| is_in(given, text)),
            Value::Array(items) => items.iter().any(|item| self.are_in(item)),
            Value::Object(fields) => fields.values().any(|field| self.are_in(field)),
        }
    }

    /// A message without them.
    pub fn hide(&self, message: &str) -> String {
        let mut given: Vec<&String> = self.texts.iter().filter(|text| text.chars().count() >= WORD).collect();
        // A text may hold another one.
        given.sort_by_key(|text| std::cmp::Reverse(text.len()));
        given.into_iter().fold(message.to_owned(), |message, text| message.replace(text, SENSITIVE))
    }
}

fn is_in(given: &str, text: &str) -> bool {
    if given.chars().count() < SHORT { text == given } else { text.contains(given) }
}

fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => drop(texts.insert(number.to_string())),
        Value::String(text) => {
            texts.insert(STANDARD.encode(text));
            texts.extend(text.lines().map(|line| line.trim().to_owned()));
            texts.insert(text.clone());
            texts.remove("");
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts() -> UserTexts {
        let own = json!({ "env": [{ "name": "TOKEN", "value": "hunter2!" }], "port": 4711, "on": true, "short": "ab" });
        let group = json!({ "file": "first line\n  second line\n", "empty": "" });
        UserTexts::of([&own, &group])
    }

    #[test]
    fn texts_are_found_wherever_a_chart_puts_them() {
        let are_in = |value: Value| texts().are_in(&value);
        assert!(
            are_in(json!("hunter2!"))
                && are_in(json!("--token=hunter2!"))
                && are_in(json!({ "a": [{ "b": "hunter2!" }] }))
        );
        assert!(are_in(json!(STANDARD.encode("hunter2!"))), "in Base64");
        assert!(are_in(json!("key: |\n    second line\n")), "indented");
        assert!(are_in(json!(4711)) && are_in(json!("4711")) && are_in(json!("ab")));
        assert!(!are_in(json!("abc")), "two letters stand anywhere");
        for other in [json!(null), json!(true), json!(47), json!("other"), json!(""), json!({ "hunter2!": "key" })] {
            assert!(!are_in(other.clone()), "{other}");
        }
    }

    #[test]
    fn messages_are_left_readable() {
        let said = texts().hide("at '/on': hunter2! and aHVudGVyMiE= are no ab, on port 4711: first line");
        assert_eq!(said, "at '/on': (sensitive) and (sensitive) are no ab, on port 4711: (sensitive)");
        assert_eq!(UserTexts::default().hide("as it is"), "as it is");
    }
}
