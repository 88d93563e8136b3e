//! Which of a user's values is behind what was found: found by leaving them out, one after the other.

use serde_json::Value;

/// A place in values, from the top.
pub type ValuePath = Vec<String>;

/// The places of everything that is set, in order. A list counts as one.
pub fn leaves(values: &Value) -> Vec<ValuePath> {
    let mut found = Vec::new();
    collect(values, &mut Vec::new(), &mut found);
    found
}

fn collect(value: &Value, path: &mut ValuePath, found: &mut Vec<ValuePath>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                path.push(key.clone());
                collect(value, path, found);
                path.pop();
            }
        }
        _ if !path.is_empty() => found.push(path.clone()),
        _ => {}
    }
}

/// The values without what is at `path`.
#[must_use]
pub fn without(values: &Value, path: &[String]) -> Value {
    let mut values = values.clone();
    let Some((last, parents)) = path.split_last() else { return values };
    let parent = parents.iter().try_fold(&mut values, |value, key| value.get_mut(key));
    if let Some(Value::Object(parent)) = parent {
        parent.remove(last);
    }
    values
}

/// The place as users write it.
pub fn written(path: &[String]) -> String {
    let mut text = String::new();
    for key in path {
        let is_plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        match (is_plain, text.is_empty()) {
            (true, true) => text.push_str(key),
            (true, false) => {
                text.push('.');
                text.push_str(key);
            }
            (false, _) => text.push_str(&format!("[{key:?}]")),
        }
    }
    text
}

/// The first value that is set at none of the `allowed` places and within none of them.
pub fn outside(values: &Value, allowed: &[String]) -> Option<ValuePath> {
    let is_within = |path: &str, allowed: &String| {
        path == allowed || path.strip_prefix(allowed.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    leaves(values).into_iter().find(|path| {
        let path = written(path);
        !allowed.iter().any(|allowed| is_within(&path, allowed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_is_found_and_can_be_left_out() {
        let values = json!({ "a": { "b": 1, "c": [1, 2] }, "d": {}, "e/f": { "g": null } });
        let found: Vec<String> = leaves(&values).iter().map(|path| written(path)).collect();
        assert_eq!(found, ["a.b", "a.c", "d", "[\"e/f\"].g"]);
        let path = ["a", "b"].map(str::to_owned);
        assert_eq!(without(&values, &path), json!({ "a": { "c": [1, 2] }, "d": {}, "e/f": { "g": null } }));
        assert_eq!(without(&values, &[]), values);
    }

    #[test]
    fn what_is_outside_of_named_places_is_found() {
        let allowed = ["sync.toHost".to_owned(), "logging".to_owned()];
        let inside =
            json!({ "sync": { "toHost": { "ingresses": { "enabled": true } } }, "logging": { "encoding": "json" } });
        assert_eq!(outside(&inside, &allowed), None);
        let given = json!({ "sync": { "toHostile": 1 } });
        assert_eq!(outside(&given, &allowed).map(|path| written(&path)).as_deref(), Some("sync.toHostile"));
        assert!(outside(&inside, &[]).is_some() && outside(&json!({}), &[]).is_none());
    }
}
