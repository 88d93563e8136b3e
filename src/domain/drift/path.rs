//! Where a field is in an object: its name for people, and its JSON pointer in a live object.

use std::fmt;

use serde_json::{Map, Value};

/// One step into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field of an object, or a key of a map.
    Field(String),
    /// The item of a list that has these fields, as `[name=syncer]`.
    Item(Map<String, Value>),
    /// The item of a list of scalars that is this value.
    Value(Value),
    /// The item at this place of a list, counted from 0: one of several that the same fields would name.
    Index(usize),
}

/// A field of an object. `Display` writes it as `spec.ports[port=443,protocol=TCP].targetPort`; a key that is no plain word
/// stands in `["…"]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// The path of a field below the object itself.
    pub fn of<const N: usize>(fields: [&str; N]) -> Self {
        Self(fields.into_iter().map(|field| Step::Field(field.to_owned())).collect())
    }

    /// The path of what is one step below.
    #[must_use]
    pub fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The path of a field below.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.with(Step::Field(name.to_owned()))
    }

    /// Whether one of the steps is a field of that name.
    pub fn has_field(&self, name: &str) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Field(field) if field == name))
    }

    /// Whether it is this top-level field, or below it.
    pub(super) fn begins_with(&self, name: &str) -> bool {
        matches!(self.0.first(), Some(Step::Field(field)) if field == name)
    }

    /// The field that it is, if it is one.
    pub(super) fn last_field(&self) -> Option<&str> {
        match self.0.last()? {
            Step::Field(name) => Some(name),
            Step::Item(_) | Step::Value(_) | Step::Index(_) => None,
        }
    }

    /// What it is in, and the last step.
    pub(super) fn parent(&self) -> Option<(Self, &Step)> {
        let (last, before) = self.0.split_last()?;
        Some((Self(before.to_vec()), last))
    }

    /// The JSON pointer (RFC 6901) of the field in `live`, if it is there. Items are found by their fields or value, so it
    /// holds for this very object only.
    pub fn pointer(&self, live: &Value) -> Option<String> {
        let mut pointer = String::new();
        let mut at = live;
        for step in &self.0 {
            let (token, next) = match step {
                Step::Field(name) => (token(name), at.get(name)?),
                Step::Item(fields) => nth(at, |item| has_fields(item, fields))?,
                Step::Value(value) => nth(at, |item| item == value)?,
                Step::Index(index) => (index.to_string(), at.get(index)?),
            };
            pointer.push('/');
            pointer.push_str(&token);
            at = next;
        }
        Some(pointer)
    }
}

/// A field's name as a part of a JSON pointer.
pub(super) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Whether an item of a list has all of these fields with these values.
pub(super) fn has_fields(item: &Value, fields: &Map<String, Value>) -> bool {
    fields.iter().all(|(name, value)| item.get(name) == Some(value))
}

fn nth(list: &Value, is_it: impl Fn(&Value) -> bool) -> Option<(String, &Value)> {
    let (index, item) = list.as_array()?.iter().enumerate().find(|(_, item)| is_it(item))?;
    Some((index.to_string(), item))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if is_word(name) && index == 0 => f.write_str(name)?,
                Step::Field(name) if is_word(name) => write!(f, ".{name}")?,
                Step::Field(name) => write!(f, "[{name:?}]")?,
                Step::Item(fields) => {
                    let fields: Vec<_> =
                        fields.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
                    write!(f, "[{}]", fields.join(","))?;
                }
                Step::Value(value) => write!(f, "[{value}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A text as it is, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(fields: Value) -> Step {
        Step::Item(fields.as_object().unwrap().clone())
    }

    #[test]
    fn paths_are_read_by_people_and_found_in_objects() {
        let live = json!({
            "metadata": {"labels": {"a.example/b~c": "x"}, "finalizers": ["one", "two"]},
            "spec": {"containers": [{"name": "a"}, {"name": "b", "ports": [{"port": 1, "protocol": "TCP"}]}]},
        });
        let container = Path::of(["spec", "containers"]).with(item(json!({"name": "b"})));
        let cases = [
            (Path::of(["spec"]), "spec", "/spec"),
            (
                Path::of(["metadata", "labels", "a.example/b~c"]),
                "metadata.labels[\"a.example/b~c\"]",
                "/metadata/labels/a.example~1b~0c",
            ),
            (
                Path::of(["metadata", "finalizers"]).with(Step::Value(json!("two"))),
                "metadata.finalizers[\"two\"]",
                "/metadata/finalizers/1",
            ),
            (
                container.field("ports").with(item(json!({"port": 1, "protocol": "TCP"}))),
                "spec.containers[name=b].ports[port=1,protocol=TCP]",
                "/spec/containers/1/ports/0",
            ),
            (
                container.field("ports").with(Step::Index(0)),
                "spec.containers[name=b].ports[0]",
                "/spec/containers/1/ports/0",
            ),
        ];
        for (path, shown, pointer) in cases {
            assert_eq!(path.to_string(), shown);
            assert_eq!(path.pointer(&live).as_deref(), Some(pointer), "{shown}");
        }
        assert_eq!(container.field("image").pointer(&live), None);
    }
}
