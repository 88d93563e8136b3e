//! JSON patches (RFC 6902) that put an object right where applying it does not. They hold for the object as it was read, and
//! fail where it has changed since.

use serde_json::{Value, json};

use super::Difference;
use super::path::{Path, Step};

/// Undoes what others did to fields that are not applied: what they added goes, and defaults that they changed come back. None
/// if there is nothing. Everything else a forced apply puts right.
pub fn undoing(live: &Value, differences: &[Difference]) -> Option<Value> {
    patch(live, differences.iter().filter(|difference| matches!(difference, Difference::Field { applied: false, .. })))
}

/// Puts everything right in one write, for where an apply and [`undoing`] one after the other would be invalid in between: of
/// two alternatives only one may be set.
pub fn restoration(live: &Value, differences: &[Difference]) -> Option<Value> {
    patch(live, differences.iter())
}

fn patch<'a>(live: &Value, differences: impl Iterator<Item = &'a Difference>) -> Option<Value> {
    let (mut settings, mut removals) = (Vec::new(), Vec::new());
    for difference in differences {
        let Difference::Field { path, expected, actual, .. } = difference else { continue };
        match (expected, actual) {
            (Some(expected), _) => settings.extend(setting(live, path, expected)),
            (None, _) => removals.extend(path.pointer(live)),
        }
    }
    if settings.is_empty() && removals.is_empty() {
        return None;
    }
    // From the end of a list to its beginning, so that what is removed moves nothing that is still to be removed.
    removals.sort_by_key(|pointer| sortable(pointer));
    let read = json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]});
    let removals = removals.iter().rev().map(|pointer| json!({"op": "remove", "path": pointer}));
    Some(Value::Array(std::iter::once(read).chain(settings).chain(removals).collect()))
}

/// Sets a field that is there, or adds it to what it belongs to.
fn setting(live: &Value, path: &Path, expected: &Value) -> Option<Value> {
    if let Some(pointer) = path.pointer(live) {
        return Some(json!({"op": "replace", "path": pointer, "value": expected}));
    }
    let (parent, last) = path.parent()?;
    let end = match last {
        Step::Field(name) => super::path::token(name),
        Step::Item(_) | Step::Value(_) | Step::Index(_) => "-".to_owned(),
    };
    Some(json!({"op": "add", "path": format!("{}/{end}", parent.pointer(live)?), "value": expected}))
}

/// The parts of a pointer, numbers ordered as such.
fn sortable(pointer: &str) -> Vec<(u64, String)> {
    pointer.split('/').map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: Path, expected: Option<Value>, actual: Option<Value>, applied: bool) -> Difference {
        Difference::Field { path, expected, actual, applied }
    }

    fn container(name: &str) -> Path {
        let key = json!({ "name": name }).as_object().unwrap().clone();
        Path::of(["spec", "containers"]).with(Step::Item(key))
    }

    #[test]
    fn what_others_did_is_undone_from_the_end() {
        let names = ["syncer", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let containers: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        let live =
            json!({"metadata": {"resourceVersion": "7"}, "spec": {"containers": containers, "x": 1, "policy": "B"}});
        let added = |path: Path| field(path, None, Some(json!(1)), false);
        let differences = [
            added(container("a")),
            added(container("j")),
            field(container("syncer"), Some(json!(1)), Some(json!(2)), true),
            added(Path::of(["spec", "x"])),
            field(Path::of(["spec", "policy"]), Some(json!("A")), Some(json!("B")), false),
        ];
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});
        let remove = |path: &str| json!({"op": "remove", "path": path});
        assert_eq!(
            undoing(&live, &differences).unwrap(),
            json!([
                test,
                {"op": "replace", "path": "/spec/policy", "value": "A"},
                remove("/spec/x"),
                remove("/spec/containers/10"),
                remove("/spec/containers/1"),
            ])
        );
        assert_eq!(undoing(&live, &[Difference::Missing]), None);
    }

    #[test]
    fn everything_is_put_right_in_one_write() {
        let live = json!({
            "metadata": {"resourceVersion": "7"},
            "spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}]}]},
        });
        let env = container("a").field("env").with(Step::Item(json!({"name": "X"}).as_object().unwrap().clone()));
        let differences = [
            field(env.field("value"), None, Some(json!("1")), false),
            field(env.field("valueFrom"), Some(json!({"a": 1})), None, true),
            field(container("b"), Some(json!({"name": "b"})), None, true),
        ];
        assert_eq!(
            restoration(&live, &differences).unwrap(),
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "add", "path": "/spec/containers/0/env/0/valueFrom", "value": {"a": 1}},
                {"op": "add", "path": "/spec/containers/-", "value": {"name": "b"}},
                {"op": "remove", "path": "/spec/containers/0/env/0/value"},
            ])
        );
    }
}
