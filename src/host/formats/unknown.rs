//! Fields that this version does not know, kept between the reading and the writing of a document.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;

/// The fields of one document that its reader did not know, with where they stood. Debug leaves out what they hold.
#[derive(Clone, Default)]
pub struct Unknown(Arc<[(Vec<String>, Value)]>);

impl std::fmt::Debug for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(path, _)| path.join("."))).finish()
    }
}

impl Unknown {
    /// Whether everything was known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts them where they stood. What stood in something that is not there any more has gone with it.
    pub fn put_back(&self, document: &mut Value) {
        for (path, value) in self.0.iter() {
            let Some((name, parents)) = path.split_last() else { continue };
            let parent = parents.iter().try_fold(&mut *document, |at, key| at.get_mut(key));
            if let Some(Value::Object(parent)) = parent {
                parent.entry(name).or_insert_with(|| value.clone());
            }
        }
    }
}

/// Reads a value, and what of it `T` does not know.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Unknown), serde_json::Error> {
    let mut ignored = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let known = serde_ignored::deserialize(&mut reader, |path| ignored.extend(keys(&path)))?;
    reader.end()?;
    // The number of the format is read before.
    ignored.retain(|path| path.as_slice() != ["format"]);
    if ignored.is_empty() {
        return Ok((known, Unknown::default()));
    }
    let document: Value = serde_json::from_slice(bytes)?;
    let value = |path: Vec<String>| {
        let value = path.iter().try_fold(&document, |at, key| at.get(key))?.clone();
        Some((path, value))
    };
    Ok((known, Unknown(ignored.into_iter().filter_map(value).collect())))
}

/// The names on a path; none for what stands in a list, which has no name to be found by.
fn keys(path: &Path<'_>) -> Option<Vec<String>> {
    match path {
        Path::Root => Some(Vec::new()),
        Path::Seq { .. } => None,
        Path::Map { parent, key } => {
            let mut path = keys(parent)?;
            path.push(key.clone());
            Some(path)
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => keys(parent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize)]
    struct Outer {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inner: Option<Inner>,
        members: BTreeMap<String, Inner>,
    }

    #[derive(Serialize, Deserialize)]
    struct Inner {
        size: u64,
    }

    #[track_caller]
    fn check(stored: Value, change: impl FnOnce(&mut Outer), written: Value) {
        let (mut outer, unknown) = read::<Outer>(stored.to_string().as_bytes()).unwrap();
        change(&mut outer);
        let mut document = serde_json::to_value(&outer).unwrap();
        unknown.put_back(&mut document);
        assert_eq!(document, written, "{stored}");
    }

    #[test]
    fn unknown_fields_survive_a_change_wherever_they_stand() {
        let stored = json!({
            "name": "a", "new": {"deep": [1, {"x": null}]},
            "inner": {"size": 1, "unit": "Gi"}, "members": {"b": {"size": 2, "zone": "eu"}, "c": {"size": 3, "zone": "us"}},
        });
        check(stored.clone(), |_| {}, stored.clone());
        let mut changed = stored.clone();
        changed["inner"]["size"] = json!(9);
        changed["members"] = json!({"b": {"size": 2, "zone": "eu"}, "d": {"size": 4}});
        let change = |outer: &mut Outer| {
            outer.inner = Some(Inner { size: 9 });
            outer.members.remove("c");
            outer.members.insert("d".into(), Inner { size: 4 });
        };
        check(stored.clone(), change, changed);
        let mut without = stored.clone();
        without.as_object_mut().unwrap().remove("inner");
        check(stored, |outer| outer.inner = None, without);
    }

    #[test]
    fn what_is_known_is_not_put_back() {
        let stored = json!({"name": "a", "members": {}});
        let (_, unknown) = read::<Outer>(stored.to_string().as_bytes()).unwrap();
        assert!(unknown.is_empty());
    }

    #[test]
    fn a_value_never_shows_what_it_holds() {
        let (_, unknown) = read::<Outer>(br#"{"name": "a", "members": {}, "token": "s3cr3t"}"#).unwrap();
        assert_eq!(format!("{unknown:?}"), "[\"token\"]");
    }
}
