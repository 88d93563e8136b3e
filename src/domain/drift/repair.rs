//! What has to be removed from a live object so that it is as it was applied. Everything else a forced apply puts right. A
//! default that somebody has changed comes back when it is removed.

use serde_json::{Value, json};

use super::Difference;

/// A JSON patch (RFC 6902) that removes from `live` what others have added to it; none if there is nothing. It fails where
/// the object has changed since it was read.
pub fn removals(live: &Value, differences: &[Difference]) -> Option<Value> {
    let added = differences.iter().filter_map(|difference| match difference {
        Difference::Field { path, actual: Some(_), applied: false, .. } => path.pointer(live),
        _ => None,
    });
    let mut pointers: Vec<String> = added.collect();
    if pointers.is_empty() {
        return None;
    }
    // From the end of a list to its beginning, so that what is removed moves nothing that is still to be removed.
    pointers.sort_by_key(|pointer| sortable(pointer));
    let read = json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]});
    let removals = pointers.iter().rev().map(|pointer| json!({"op": "remove", "path": pointer}));
    Some(Value::Array(std::iter::once(read).chain(removals).collect()))
}

/// The parts of a pointer, numbers ordered as such.
fn sortable(pointer: &str) -> Vec<(u64, String)> {
    pointer.split('/').map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Path, Step};
    use super::*;

    #[test]
    fn what_others_added_is_removed_from_the_end() {
        let names = ["syncer", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let containers: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        let live = json!({"metadata": {"resourceVersion": "7"}, "spec": {"containers": containers, "x": 1}});
        let added = |path: Path| Difference::Field { path, expected: None, actual: Some(json!(1)), applied: false };
        let container = |name: &str| {
            let key = json!({ "name": name }).as_object().unwrap().clone();
            Path::of(["spec", "containers"]).with(Step::Item(key))
        };
        let changed = Difference::Field {
            path: container("syncer"),
            expected: Some(json!(1)),
            actual: Some(json!(2)),
            applied: true,
        };
        let differences = [added(container("a")), added(container("j")), changed, added(Path::of(["spec", "x"]))];
        let patch = removals(&live, &differences).unwrap();
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});
        let remove = |path: &str| json!({"op": "remove", "path": path});
        assert_eq!(
            patch,
            json!([test, remove("/spec/x"), remove("/spec/containers/10"), remove("/spec/containers/1")])
        );
        assert_eq!(removals(&live, &[Difference::Missing]), None);
    }
}
