//! One digest for everything that decides what is applied, the same for every version of this provider.
//!
//! A revision is computed from a canonical form: each field that is set, by its path, in the order of the paths. Fields that
//! are not set, empty maps and empty lists have no part in it, so a field that a later version adds changes no revision
//! where nobody uses it. An object of which nothing is set is another thing than none. Golden values in the tests pin the
//! recipe.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The digest of `value`: 16 hexadecimal digits.
pub fn digest(value: &impl Serialize) -> String {
    // What is digested are structs of strings, numbers and maps of them, which cannot fail to be serialized.
    let value = serde_json::to_value(value).unwrap_or_default();
    let mut fields = BTreeMap::new();
    collect(&value, String::new(), &mut fields);
    let mut hasher = Sha256::new();
    for (path, field) in fields {
        hasher.update(format!("{path}={field}\n"));
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What is set below `value`, as JSON by path. Names are JSON texts, so that no name reads like a path.
fn collect(value: &Value, path: String, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(object) => {
            let before = fields.len();
            for (name, value) in object {
                collect(value, format!("{path}.{}", Value::from(name.as_str())), fields);
            }
            if !object.is_empty() && fields.len() == before {
                fields.insert(path, "{}".to_owned());
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                collect(value, format!("{path}[{index}]"), fields);
            }
        }
        scalar => {
            fields.insert(path, scalar.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_recipe_never_changes() {
        assert_eq!(digest(&json!({})), "e3b0c44298fc1c14");
        assert_eq!(
            digest(&json!({"cpu": "4", "labels": {"team": "a"}, "hosts": [{"n": 1}, {"n": 2}]})),
            "90e9b718286fcb62"
        );
    }

    #[track_caller]
    fn check(changed: Value, changes: bool) {
        let before = json!({"cpu": "4", "labels": {"a.b": "c"}});
        assert_eq!(digest(&before) != digest(&changed), changes, "{changed}");
    }

    #[test]
    fn what_is_not_set_has_no_part_in_it() {
        check(json!({"labels": {"a.b": "c"}, "cpu": "4"}), false);
        check(json!({"cpu": "4", "labels": {"a.b": "c"}, "new": null, "more": {}, "list": []}), false);
        check(json!({"cpu": "4", "labels": {"a.b": "c"}, "new": ""}), true);
        check(json!({"cpu": "4", "labels": {"a.b": "c"}, "new": {"cpu": null}}), true);
        check(json!({"cpu": "4", "labels": {"a": {"b": "c"}}}), true);
        check(json!({"cpu": 4, "labels": {"a.b": "c"}}), true);
    }
}
