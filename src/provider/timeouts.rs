//! The attribute `timeouts` of a resource: model, schema, and the time that an operation has.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::provider::attribute::{attributes, optional};
use crate::provider::duration;
use terraform_plugin::schema::{Attribute, AttributeType};
use terraform_plugin::value::Value;

/// How long an operation may take where the configuration does not say.
const DEFAULT: Duration = Duration::from_secs(10 * 60);

/// `timeouts`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TimeoutsModel {
    pub create: Value<String>,
    pub update: Value<String>,
    pub delete: Value<String>,
}

/// The time that one of the `timeouts` gives.
pub fn timeout(timeouts: &Value<TimeoutsModel>, which: impl FnOnce(&TimeoutsModel) -> &Value<String>) -> Duration {
    let text = timeouts.as_ref_option().map(which).and_then(Value::as_ref_option);
    text.and_then(|text| duration::parse(text).ok()).unwrap_or(DEFAULT)
}

/// The attribute.
pub fn schema() -> Attribute {
    use AttributeType::{AttributeSingle, String};
    optional(
        AttributeSingle(attributes([
            ("create", optional(String, "How long creating may take. Default `10m`.")),
            ("update", optional(String, "How long updating may take. Default `10m`.")),
            ("delete", optional(String, "How long deleting may take. Default `10m`.")),
        ])),
        "How long operations may take, as durations such as `90s`, `10m` or `1h30m`.",
    )
}
