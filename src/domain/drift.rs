//! What differs on a host from what was applied there: the definition of drift, as pure functions over JSON.
//!
//! Server-side apply keeps in `metadata.managedFields` who owns each field, which tells an edit from ordinary life. A field
//! that was applied has drifted when it is gone, or when it differs in meaning and is no longer ours; any other field has when
//! it differs from what it was right after our apply and somebody else owns it. Defaults and what an admission webhook changes
//! during our own apply are in the [`Snapshot`] of that moment. The order of a list has no owner; where it has an effect, what
//! we applied has to stand as it stood. [`workload`] says what a pause means for it.

mod compare;
mod meaning;
mod path;
mod repair;
mod shown;
pub mod workload;

use serde_json::Value;

use crate::domain::user_texts::{SENSITIVE, UserTexts};

pub use compare::{Since, Snapshot};
pub use path::{Path, Step};
pub use repair::{restoration, undoing};

/// One way in which an object is not as it was applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// It is not there.
    Missing,
    /// It is another object of the same name: somebody deleted ours and made it.
    Replaced {
        /// The UID of ours.
        recorded: String,
        /// The UID of what is there now.
        now: String,
    },
    /// A field has another value.
    Field {
        /// Which one.
        path: Path,
        /// As it was right after the apply; none if it was not there.
        expected: Option<Value>,
        /// As it is; none if it is gone.
        actual: Option<Value>,
        /// Whether it was applied, so that applying it again puts it right.
        applied: bool,
    },
    /// Items that were applied to a list are in another order, which has an effect there. Applying them again puts it right.
    Order {
        /// The list.
        path: Path,
        /// The names of those that are still there, in their order.
        expected: Value,
        /// The same names as they stand now.
        actual: Value,
    },
}

/// A difference as a user reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The object, such as `StatefulSet vcluster-a/a`.
    pub object: String,
    /// The path of the field; none for the object as a whole.
    pub field: Option<String>,
    /// What was applied.
    pub expected: Option<String>,
    /// What is there.
    pub actual: Option<String>,
}

impl Difference {
    /// For a user, about `object`. The values of a `sensitive` object's data are left out, and so is everything that holds one of
    /// `given`, and what stands in its place now.
    pub fn entry(&self, object: &str, sensitive: bool, given: &UserTexts) -> Entry {
        let entry = |field: Option<String>, expected: Option<String>, actual: Option<String>| Entry {
            object: object.to_owned(),
            field,
            expected,
            actual,
        };
        match self {
            Self::Missing => entry(None, Some("present".to_owned()), Some("missing".to_owned())),
            Self::Replaced { recorded, now } => {
                entry(Some(Path::of(["metadata", "uid"]).to_string()), Some(recorded.clone()), Some(now.clone()))
            }
            Self::Field { path, expected, actual, .. } => {
                let hidden = |value: &Option<Value>| value.as_ref().map(|_| SENSITIVE.to_owned());
                let is_secret = sensitive && (path.has_field("data") || path.has_field("stringData"));
                let is_given = [expected, actual].into_iter().flatten().any(|value| given.are_in(value));
                let (expected, actual) = if is_secret || is_given {
                    (hidden(expected), hidden(actual))
                } else {
                    shown::pair(expected.as_ref(), actual.as_ref())
                };
                entry(Some(path.to_string()), expected, actual)
            }
            Self::Order { path, expected, actual } => {
                // As texts: of long ones, what stands behind the first difference is left.
                let text = |names: &Value| Value::String(names.to_string());
                let (expected, actual) = shown::pair(Some(&text(expected)), Some(&text(actual)));
                entry(Some(path.to_string()), expected, actual)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_say_what_was_expected_and_what_is_there() {
        let field = |path: Path, expected: Option<Value>, actual: Option<Value>| Difference::Field {
            path,
            expected,
            actual,
            applied: true,
        };
        let replicas = Path::of(["spec", "replicas"]);
        let cases = [
            (Difference::Missing, false, (None, Some("present"), Some("missing"))),
            (
                Difference::Replaced { recorded: "1".into(), now: "2".into() },
                false,
                (Some("metadata.uid"), Some("1"), Some("2")),
            ),
            (field(replicas, Some(json!(1)), Some(json!(3))), false, (Some("spec.replicas"), Some("1"), Some("3"))),
            (
                field(Path::of(["spec", "hard", "limits.cpu"]), Some(json!("4")), None),
                false,
                (Some("spec.hard[\"limits.cpu\"]"), Some("4"), None),
            ),
            (
                field(Path::of(["data", "config.yaml"]), Some(json!("a")), Some(json!("b"))),
                true,
                (Some("data[\"config.yaml\"]"), Some(SENSITIVE), Some(SENSITIVE)),
            ),
            (
                field(Path::of(["env"]), Some(json!("as from values")), Some(json!("rotated by hand"))),
                false,
                (Some("env"), Some(SENSITIVE), Some(SENSITIVE)),
            ),
            (field(Path::of(["env"]), None, Some(json!(["from values"]))), false, (Some("env"), None, Some(SENSITIVE))),
            (field(Path::of(["type"]), Some(json!("Opaque")), None), true, (Some("type"), Some("Opaque"), None)),
        ];
        for (difference, sensitive, (name, expected, actual)) in cases {
            let entry = difference.entry("Object a", sensitive, &UserTexts::of([&json!("from values")]));
            assert_eq!(
                (entry.field.as_deref(), entry.expected.as_deref(), entry.actual.as_deref()),
                (name, expected, actual)
            );
        }
    }
}
