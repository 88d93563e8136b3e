//! Entries of `drift`: what a case expects of them, and what a plan says, as JSON and as text.

use std::collections::BTreeMap;

use serde_json::Value;

/// Objects of a host by name.
pub type Objects = BTreeMap<String, Value>;

/// An expected entry. `%` stands for the virtual cluster's name.
pub struct Entry {
    object: &'static str,
    field: Option<&'static str>,
    expected: Shown,
    actual: Shown,
}

/// A value as an entry shows it.
#[derive(Clone, Copy)]
pub enum Shown {
    /// Null: it is not there.
    Nothing,
    /// This text, or this JSON.
    Text(&'static str),
    /// What was at this pointer of the object before somebody tampered with it.
    Before(&'static str),
    /// What is at this pointer since then.
    Since(&'static str),
}

impl From<&'static str> for Shown {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

pub fn changed(
    object: &'static str,
    field: &'static str,
    expected: impl Into<Shown>,
    actual: impl Into<Shown>,
) -> Entry {
    Entry { object, field: Some(field), expected: expected.into(), actual: actual.into() }
}

pub fn added(object: &'static str, field: &'static str, actual: impl Into<Shown>) -> Entry {
    changed(object, field, Shown::Nothing, actual)
}

pub fn removed(object: &'static str, field: &'static str, expected: impl Into<Shown>) -> Entry {
    changed(object, field, expected, Shown::Nothing)
}

pub fn missing(object: &'static str) -> Entry {
    Entry { object, field: None, expected: "present".into(), actual: "missing".into() }
}

/// Deleted, and made anew by somebody else.
pub fn remade(object: &'static str) -> Entry {
    changed(object, "metadata.uid", Shown::Before("/metadata/uid"), Shown::Since("/metadata/uid"))
}

impl Entry {
    /// The object with the name of its virtual cluster.
    pub fn object(&self, name: &str) -> String {
        self.object.replace('%', name)
    }

    /// Whether the repaired object is another one.
    pub fn is_about_the_whole(&self) -> bool {
        // What was made immutable can only be made anew.
        self.field.is_none_or(|field| matches!(field, "metadata.uid" | "immutable"))
    }

    /// Whether the repair makes new pods.
    pub fn is_about_pods(&self) -> bool {
        let of_workload = self.object.starts_with("StatefulSet") || self.object.starts_with("Deployment");
        of_workload && self.field.is_none_or(|field| !field.starts_with("metadata.labels"))
    }

    fn in_words(&self, name: &str, before: &Objects, since: &Objects) -> Words {
        let object = self.object(name);
        let at = |objects: &Objects, pointer: &str| {
            let found = objects.get(&object).and_then(|object| object.pointer(pointer));
            Some(found.map_or_else(|| format!("(no {pointer})"), words))
        };
        let shown = |shown: Shown| match shown {
            Shown::Nothing => None,
            Shown::Text(text) => Some(text.replace('%', name)),
            Shown::Before(pointer) => at(before, pointer),
            Shown::Since(pointer) => at(since, pointer),
        };
        let field = self.field.map(|field| field.replace('%', name));
        let (expected, actual) = shortened(shown(self.expected), shown(self.actual));
        Words { object: object.clone(), field, expected, actual }
    }
}

/// A text as it is, anything else as JSON.
fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An entry as it is in a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Words {
    object: String,
    field: Option<String>,
    expected: Option<String>,
    actual: Option<String>,
}

impl Words {
    fn of(entry: &Value) -> Self {
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        let object = text("object").unwrap_or_default();
        Self { object, field: text("field"), expected: text("expected"), actual: text("actual") }
    }

    /// The same entry; of texts that were cut, as far as they go.
    fn is(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => is_same_text(a, b),
            _ => a == b,
        };
        self.object == other.object
            && self.field == other.field
            && same(&self.expected, &other.expected)
            && same(&self.actual, &other.actual)
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
        let field = self.field.as_deref().unwrap_or("null");
        write!(f, "{} | {field} | {} | {}", self.object, shown(&self.expected), shown(&self.actual))
    }
}

/// The longest text that is shown whole.
const LONGEST: usize = 300;

/// Of lists of which one is long only the items that differ are shown.
fn shortened(expected: Option<String>, actual: Option<String>) -> (Option<String>, Option<String>) {
    let items = |text: &Option<String>| match serde_json::from_str(text.as_ref()?) {
        Ok(Value::Array(items)) => Some(items),
        _ => None,
    };
    let is_long = [&expected, &actual].into_iter().flatten().any(|text| text.len() > LONGEST);
    match (items(&expected), items(&actual)) {
        (Some(left), Some(right)) if is_long => {
            let others = |items: &[Value], other: &[Value]| {
                Value::from(items.iter().filter(|item| !other.contains(item)).cloned().collect::<Vec<_>>()).to_string()
            };
            (Some(others(&left, &right)), Some(others(&right, &left)))
        }
        _ => (expected, actual),
    }
}

/// The mark at the end of a text that was cut.
const CUT: char = '…';

fn is_same_text(whole: &str, shown: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    let start = shown.split(CUT).next().unwrap_or_default();
    let cut = shown.contains(CUT) && start.len() == LONGEST && whole.starts_with(start);
    whole == shown || cut || json(whole).is_some_and(|whole| json(shown) == Some(whole))
}

/// What is wrong with the entries that a plan shows of the virtual cluster `name`; nothing, if they are the expected ones.
pub fn differences(name: &str, expected: &[Entry], shown: &Value, before: &Objects, since: &Objects) -> Option<String> {
    let mut expected: Vec<Words> = expected.iter().map(|entry| entry.in_words(name, before, since)).collect();
    expected.sort();
    let shown: Vec<Words> = shown.as_array().into_iter().flatten().map(Words::of).collect();
    let equal = expected.len() == shown.len() && std::iter::zip(&expected, &shown).all(|(a, b)| a.is(b));
    let list = |entries: &[Words]| entries.iter().map(|entry| format!("\n      {entry}")).collect::<String>();
    (!equal).then(|| format!("drift is{}\n    instead of{}", list(&shown), list(&expected)))
}

/// What of the entries of a plan is not in its text.
pub fn untold(shown: &Value, text: &str) -> Vec<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut untold = Vec::new();
    for entry in shown.as_array().into_iter().flatten() {
        for attribute in ["object", "field", "expected", "actual"] {
            if let Some(value) = entry[attribute].as_str() {
                untold.extend(pieces(attribute, value).into_iter().filter(|piece| !text.contains(piece)));
            }
        }
    }
    untold
}

/// How Terraform writes an attribute, blanks aside; of JSON, which it writes as `jsonencode(…)`, the texts inside.
fn pieces(attribute: &str, value: &str) -> Vec<String> {
    match serde_json::from_str(value) {
        Ok(Value::Object(fields)) if fields.is_empty() => vec![format!("{attribute} = jsonencode({{}})")],
        Ok(json @ (Value::Array(_) | Value::Object(_))) => {
            let mut texts = vec![format!("{attribute} = jsonencode(")];
            collect_texts(&json, &mut texts);
            texts
        }
        _ => vec![format!("{attribute} = {}", quoted(value))],
    }
}

fn collect_texts(json: &Value, texts: &mut Vec<String>) {
    match json {
        Value::String(text) => texts.push(quoted(text)),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect_texts(field, texts)),
        _ => {}
    }
}

fn quoted(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${"))
}
