//! Coalescing of values, as Helm does it: what the user says wins, maps are merged, null deletes a default,
//! globals reach every subchart. Works on plain JSON, where a whole number is Go's `int64` and any other a `float64`;
//! rendering turns the result into template values.

use serde_json::{Map, Number, Value};

use super::dependencies::Node;
use super::number;

/// The key under which values are shared with all subcharts.
pub(super) const GLOBAL: &str = "global";

/// Helm coalesces twice: first keeping nulls, then deleting what they name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    Keep,
    Delete,
}

/// The values of a chart and its subcharts: `given` over the charts' own.
pub(super) fn coalesce(node: &Node<'_>, given: &mut Map<String, Value>, nulls: Nulls) -> Result<(), String> {
    coalesce_own(node, given, nulls);
    for child in &node.children {
        let entry = given.entry(child.name.clone()).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(table) = entry else {
            return Err(format!("type mismatch on {}: %!t({})", child.name, go_type(entry)));
        };
        let mut table = std::mem::take(table);
        coalesce_globals(&mut table, given);
        coalesce(child, &mut table, nulls)?;
        given.insert(child.name.clone(), Value::Object(table));
    }
    Ok(())
}

fn go_type(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => format!("bool={value}"),
        Value::Number(value) => match value.as_i64() {
            Some(value) => format!("int64={value}"),
            None => format!("float64={}", number::format_g(value.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(value) => format!("string={value}"),
        other => other.to_string(),
    }
}

fn coalesce_own(node: &Node<'_>, given: &mut Map<String, Value>, nulls: Nulls) {
    for (key, default) in &*node.values {
        match given.get_mut(key) {
            None => drop(given.insert(key.clone(), default.clone())),
            Some(Value::Null) if nulls == Nulls::Delete => drop(given.remove(key)),
            Some(Value::Object(table)) => {
                let Value::Object(default) = default else { continue };
                // A subchart's own values are coalesced later, and need the nulls until then.
                let is_child = node.children.iter().any(|child| child.name == *key);
                let nulls = if is_child { Nulls::Keep } else { nulls };
                coalesce_tables(table, default.clone(), nulls);
            }
            Some(_) => {}
        }
    }
}

/// Merges `source` into `target`, which wins.
pub(super) fn coalesce_tables(target: &mut Map<String, Value>, source: Map<String, Value>, nulls: Nulls) {
    for (key, default) in source {
        match target.get_mut(&key) {
            None => drop(target.insert(key, default)),
            // Only a default that says something can be deleted.
            Some(Value::Null) if nulls == Nulls::Delete && !default.is_null() => drop(target.remove(&key)),
            Some(Value::Object(table)) => {
                if let Value::Object(default) = default {
                    coalesce_tables(table, default, nulls);
                }
            }
            Some(_) => {}
        }
    }
}

/// Hands the parent's globals down: they win over the child's own.
fn coalesce_globals(child: &mut Map<String, Value>, parent: &Map<String, Value>) {
    let source = match parent.get(GLOBAL) {
        None => Map::new(),
        Some(Value::Object(table)) => table.clone(),
        Some(_) => return,
    };
    let entry = child.entry(GLOBAL).or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(target) = entry else { return };
    for (key, value) in source {
        match (value, target.get_mut(&key)) {
            (Value::Object(value), None) => drop(target.insert(key, Value::Object(value))),
            (Value::Object(mut value), Some(Value::Object(own))) => {
                coalesce_tables(&mut value, std::mem::take(own), Nulls::Keep);
                target.insert(key, Value::Object(value));
            }
            (Value::Object(_), Some(_)) | (_, Some(Value::Object(_))) => {}
            (value, _) => drop(target.insert(key, value)),
        }
    }
}

/// JSON and YAML as Go reads them: every number is a float64.
pub(super) fn as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        Value::Array(items) => items.into_iter().map(as_floats).collect(),
        Value::Object(entries) => entries.into_iter().map(|(key, value)| (key, as_floats(value))).collect(),
        other => other,
    }
}

/// As Go writes values as JSON: whole numbers without a fraction.
pub(super) fn as_written(value: &Value) -> Value {
    match value {
        Value::Number(number) => whole(number).map_or_else(|| value.clone(), Value::from),
        Value::Array(items) => items.iter().map(as_written).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), as_written(value))).collect(),
        other => other.clone(),
    }
}

fn whole(number: &Number) -> Option<i64> {
    // Beyond that, floats are whole anyway.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64()?;
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
    let whole = (float.fract() == 0.0 && float.abs() <= LIMIT).then_some(float as i64);
    number.as_i64().or(whole)
}

/// The table at a path of dots.
pub(super) fn table<'a>(values: &'a Map<String, Value>, path: &str) -> Option<&'a Map<String, Value>> {
    path.split('.').try_fold(values, |table, name| table.get(name)?.as_object())
}

/// The value at a path of dots, if it is no table.
pub(super) fn scalar<'a>(values: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (parent, name) = match path.rsplit_once('.') {
        Some((parent, name)) => (table(values, parent)?, name),
        None => (values, path),
    };
    parent.get(name).filter(|value| !value.is_object())
}
