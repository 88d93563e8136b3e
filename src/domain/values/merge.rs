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

/// Why the user's values cannot be used. Managed values are shown as JSON, and none of them is a secret. Those of the user are not:
/// they may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// The text holds a list or a plain value where a mapping belongs.
    #[error("{layer} are not a mapping of chart values")]
    NotAMapping {
        /// Whose.
        layer: String,
    },
    /// A managed value is given otherwise.
    #[error("{layer} set {path} otherwise than the provider, which sets it to {managed}")]
    Contradiction {
        /// Whose.
        layer: String,
        /// Where, with dots.
        path: String,
        /// What the provider sets.
        managed: Value,
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
        Some((path, managed)) if !path.is_empty() => {
            Err(ValuesError::Contradiction { layer: layer.name.to_owned(), path, managed: managed.clone() })
        }
        _ => Ok(()),
    }
}

fn contradiction<'a>(managed: &'a Value, given: &Value, path: String) -> Option<(String, &'a Value)> {
    match (managed, given) {
        (Value::Object(managed), Value::Object(given)) => managed.iter().find_map(|(key, managed)| {
            let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            contradiction(managed, given.get(key)?, child)
        }),
        (Value::Array(_), Value::Array(_)) => None,
        (managed, given) if same(managed, given) => None,
        (managed, _) => Some((path, managed)),
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
