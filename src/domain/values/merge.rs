//! Merging the user's values with the provider's, and finding where they contradict.

use serde_json::{Map, Value};

use crate::domain::quantity::Quantity;

/// One of the user's `values`, parsed.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Where it is from, for errors: "the group's values".
    pub name: &'a str,
    /// The values; null for an empty text.
    pub values: &'a Value,
}

/// Why the user's values cannot be used. Values are shown as JSON; none of the managed ones is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// The text holds a list or a plain value where a mapping belongs.
    #[error("{layer} are not a mapping of chart values")]
    NotAMapping {
        /// Whose.
        layer: String,
    },
    /// A managed value is given otherwise.
    #[error("{layer} set {path} to {given}, but the provider sets it to {managed}")]
    Contradiction {
        /// Whose.
        layer: String,
        /// Where, with dots.
        path: String,
        /// What the provider sets.
        managed: Value,
        /// What the user gave.
        given: Value,
    },
    /// A value that no virtual cluster of this provider may have.
    #[error("{layer} set {path}, which is refused: {reason}")]
    Refused {
        /// Whose.
        layer: String,
        /// Where, with dots.
        path: &'static str,
        /// Why.
        reason: &'static str,
    },
}

/// Looks for a value of the layer that contradicts a managed one. Equal ones are fine, and lists are joined.
pub(super) fn check(managed: &Value, layer: &Layer<'_>) -> Result<(), ValuesError> {
    if !matches!(layer.values, Value::Null | Value::Object(_)) {
        return Err(ValuesError::NotAMapping { layer: layer.name.to_owned() });
    }
    match contradiction(managed, layer.values, String::new()) {
        Some((path, managed, given)) if !path.is_empty() => {
            let (managed, given) = (managed.clone(), given.clone());
            Err(ValuesError::Contradiction { layer: layer.name.to_owned(), path, managed, given })
        }
        _ => Ok(()),
    }
}

fn contradiction<'a>(managed: &'a Value, given: &'a Value, path: String) -> Option<(String, &'a Value, &'a Value)> {
    match (managed, given) {
        (Value::Object(managed), Value::Object(given)) => managed.iter().find_map(|(key, managed)| {
            let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            contradiction(managed, given.get(key)?, child)
        }),
        (Value::Array(_), Value::Array(_)) => None,
        (managed, given) if same(managed, given) => None,
        (managed, given) => Some((path, managed, given)),
    }
}

/// Equal, or the same quantity.
fn same(a: &Value, b: &Value) -> bool {
    let quantity = |value: &Value| match value {
        Value::String(text) => text.parse::<Quantity>().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    a == b || quantity(a).is_some_and(|a| quantity(b) == Some(a))
}

/// Lays `top` over `base` as Helm does: mappings are merged, everything else is replaced, and null stays null so that
/// it can delete a default of the chart.
pub(super) fn overlay(base: &mut Value, top: &Value) {
    lay(base, top, |base, top| *base = top.clone());
}

/// The same, but a list keeps what the base has beside what `top` has.
pub(super) fn overlay_joining_lists(base: &mut Value, top: &Value) {
    lay(base, top, |base, top| match (base, top) {
        (Value::Array(base), Value::Array(top)) => {
            let missing: Vec<_> = top.iter().filter(|item| !base.contains(item)).cloned().collect();
            base.extend(missing);
        }
        (base, top) => *base = top.clone(),
    });
}

fn lay(base: &mut Value, top: &Value, leaf: fn(&mut Value, &Value)) {
    match (base, top) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(top)) => lay_mapping(base, top, leaf),
        (base, top) => leaf(base, top),
    }
}

fn lay_mapping(base: &mut Map<String, Value>, top: &Map<String, Value>, leaf: fn(&mut Value, &Value)) {
    for (key, top) in top {
        match (base.get_mut(key), top) {
            (Some(base), Value::Object(_) | Value::Array(_)) => lay(base, top, leaf),
            _ => {
                base.insert(key.clone(), top.clone());
            }
        }
    }
}
