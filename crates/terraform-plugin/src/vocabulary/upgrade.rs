//! State written by an older version of a resource's schema.

use serde_json::Value;

use super::{AttributePath, Diagnostic, diagnostic};

/// Brings stored state to the current schema.
///
/// The state of the current schema version never gets here: it is read as it is, attributes that the schema has gained
/// since are null, and those that it has lost are dropped. So this is only for changes that null cannot express, and
/// those raise the version of the schema.
pub trait StateUpgrade: Send + Sync {
    /// Turns the state of schema `version` (an older one) into the current one's. Both are JSON objects as in the state
    /// file: unset attributes are null, sensitive ones are in clear.
    ///
    /// # Errors
    ///
    /// A diagnostic that says what the user should do. The default knows no older version.
    fn upgrade_state(&self, version: i64, state: Value) -> Result<Value, Diagnostic> {
        let _ = state;
        Err(diagnostic(
            AttributePath::root(),
            "This state is of a schema version that the provider cannot read",
            format!(
                "The state has schema version {version}. Apply once with a version of the provider that reads it, or \
                 remove the resource from the state and import it."
            ),
        ))
    }
}
