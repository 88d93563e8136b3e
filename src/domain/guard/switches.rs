//! The part of a user's values that can hold no text: what is on or off, and how many.

use serde_json::{Map, Value};

/// Words that charts read as switches.
const WORDS: &[&str] = &["true", "false", "auto"];

/// The switches and numbers of `values` at those places where the chart's own `defaults` have a plain value. Anything else is the
/// chart's own: then no key and no text is the user's.
pub fn switches(values: &Value, defaults: &Value) -> Value {
    picked(values, defaults).unwrap_or_else(|| Value::Object(Map::new()))
}

fn picked(values: &Value, defaults: &Value) -> Option<Value> {
    match (values, defaults) {
        (Value::Object(values), Value::Object(defaults)) => {
            let fields =
                values.iter().filter_map(|(key, value)| Some((key.clone(), picked(value, defaults.get(key)?)?)));
            Some(Value::Object(fields.collect()))
        }
        (Value::Number(_), Value::Number(_)) => Some(values.clone()),
        // A word where the chart has no switch is a name, as is what looks like one.
        (given, default) if is_switch(given) && is_switch(default) => Some(values.clone()),
        _ => None,
    }
}

fn is_switch(value: &Value) -> bool {
    match value {
        Value::Bool(_) => true,
        Value::String(word) => WORDS.contains(&word.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn neither_text_nor_a_key_of_the_users_is_a_switch() {
        let defaults = json!({
            "on": false, "auto": "auto", "count": 1, "text": "", "name": "", "none": null, "map": {}, "list": [], "deep": { "on": false },
        });
        let values = json!({
            "on": true, "auto": "true", "count": 3, "text": "a\n---\nb", "none": "kind: Pod", "map": { "key": true },
            "list": [true], "deep": { "on": true, "off": true }, "other": true, "name": true,
        });
        let expected = json!({ "on": true, "auto": "true", "count": 3, "map": {}, "deep": { "on": true } });
        assert_eq!(switches(&values, &defaults), expected);
        assert_eq!(switches(&json!({ "deep": true }), &defaults), json!({}), "a mapping stays one");
    }
}
