//! When two values of a field mean the same.

use serde_json::Value;

use super::path::Path;
use crate::domain::quantity::Quantity;

/// Fields of a spec whose values, or the values below them, are Kubernetes quantities.
const QUANTITIES: &[&str] = &[
    "hard",
    "limits",
    "requests",
    "default",
    "defaultRequest",
    "max",
    "min",
    "maxLimitRequestRatio",
    "capacity",
    "sizeLimit",
];

/// Whether both mean the same at `path`: equal values, numbers in another form, quantities in another spelling. An atomic
/// value means what its parts mean, and what is empty in it might as well be absent.
pub(super) fn same(path: &Path, expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let pairs = expected.iter().map(|(name, value)| (name, value, actual.get(name)));
            let more = actual.iter().filter(|(name, _)| !expected.contains_key(*name));
            pairs.into_iter().all(|(name, value, other)| match other {
                Some(other) => same(&path.field(name), value, other),
                None => is_empty(value),
            }) && more.into_iter().all(|(name, value)| is_empty(value) || is_default(name, value))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && std::iter::zip(expected, actual).all(|(a, b)| same(path, a, b))
        }
        (Value::Number(a), Value::Number(b)) => a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64()),
        (expected, actual) => expected == actual || (is_quantity(path) && same_quantity(expected, actual)),
    }
}

/// Whether the value says nothing: an API server drops it, or keeps it and means the same.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What API servers fill in inside of lists that have one owner.
fn is_default(name: &str, value: &Value) -> bool {
    (name == "protocol" && value == "TCP") || (name == "apiGroup" && value == "rbac.authorization.k8s.io")
}

fn is_quantity(path: &Path) -> bool {
    path.begins_with("spec") && QUANTITIES.iter().any(|name| path.has_field(name))
}

fn same_quantity(a: &Value, b: &Value) -> bool {
    let quantity = |value: &Value| super::path::plain(value).parse::<Quantity>().ok();
    quantity(a).is_some_and(|a| quantity(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_by_what_they_mean() {
        let hard = Path::of(["spec", "hard", "limits.cpu"]);
        let data = Path::of(["data", "limits"]);
        for (path, expected, actual, is_same) in [
            (&hard, json!("4"), json!("4000m"), true),
            (&hard, json!("4Gi"), json!("4096Mi"), true),
            (&hard, json!(4), json!("4"), true),
            (&hard, json!("4"), json!("5"), false),
            (&data, json!("4"), json!("4000m"), false),
            (&data, json!(1), json!(1.0), true),
            (&data, json!(1), json!("1"), false),
            (&data, json!([{"a": 1}]), json!([{"a": 1, "b": ""}]), true),
            (&data, json!([{"a": 1, "c": []}]), json!([{"a": 1}]), true),
            (&data, json!([{"a": 1}]), json!([{"a": 1}, {"a": 2}]), false),
            (&data, json!([{"a": 1}]), json!([{"a": 1, "b": false}]), false),
            (
                &data,
                json!([{"kind": "User"}]),
                json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io"}]),
                true,
            ),
        ] {
            assert_eq!(same(path, &expected, &actual), is_same, "{expected} {actual}");
        }
    }
}
