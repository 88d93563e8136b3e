//! Terraform's values as resources use them: known or not, filled in with a default, compared by what they mean.
//!
//! Owns no attribute: which default belongs to which is said where it is planned.

use std::collections::BTreeMap;

use semver::Version;

use crate::domain::distro::Distro;
use crate::domain::quantity::Quantity;
use terraform_plugin::value::Value;

/// A map of strings as Terraform sends it.
pub type StringMap = Value<BTreeMap<String, Value<String>>>;

/// The value of an attribute that must have one; none while it is unknown, or null.
pub fn known<T: Clone>(value: &Value<T>) -> Option<T> {
    value.as_ref_option().cloned()
}

/// The value of an attribute that may be null; none while it is unknown.
pub fn optional<T: Clone>(value: &Value<T>) -> Option<Option<T>> {
    match value {
        Value::Value(value) => Some(Some(value.clone())),
        Value::Null => Some(None),
        Value::Unknown => None,
    }
}

/// The entries of a map that may be null; none while any of it is unknown.
pub fn string_map(map: &StringMap) -> Option<BTreeMap<String, String>> {
    match map {
        Value::Value(map) => map.iter().map(|(key, value)| Some((key.clone(), known(value)?))).collect(),
        Value::Null => Some(BTreeMap::new()),
        Value::Unknown => None,
    }
}

/// The map as Terraform sees it. Nothing in it is null.
pub fn map_or_null(map: &BTreeMap<String, String>) -> StringMap {
    let entries = map.iter().map(|(key, value)| (key.clone(), Value::Value(value.clone())));
    if map.is_empty() { Value::Null } else { Value::Value(entries.collect()) }
}

/// A set of texts as Terraform sends it.
pub type StringSet = Value<Vec<Value<String>>>;

/// The texts of a set that may be null, sorted; none while any of it is unknown.
pub fn string_set(set: &StringSet) -> Option<Option<Vec<String>>> {
    let Some(texts) = optional(set)? else { return Some(None) };
    let mut texts: Vec<String> = texts.iter().map(known).collect::<Option<_>>()?;
    texts.sort();
    texts.dedup();
    Some(Some(texts))
}

/// The set as Terraform sees it.
pub fn set_or_null(texts: Option<&Vec<String>>) -> StringSet {
    texts.map(|texts| texts.iter().cloned().map(Value::Value).collect::<Vec<_>>()).into()
}

/// What the configuration says, or else what only an apply decides.
pub fn or_unknown<T: Clone>(config: &Value<T>) -> Value<T> {
    match config {
        Value::Null => Value::Unknown,
        config => config.clone(),
    }
}

/// What the configuration says, or else what was there before.
pub fn or_prior<T: Clone>(config: &Value<T>, prior: &Value<T>) -> Value<T> {
    match config {
        Value::Null => prior.clone(),
        config => config.clone(),
    }
}

/// What the configuration says, or else the default.
pub fn or_default<T: Clone>(config: &Value<T>, default: T) -> Value<T> {
    match config {
        Value::Null => Value::Value(default),
        config => config.clone(),
    }
}

/// The planned `distro`: what the configuration says, or else what it was, or else what the version of vCluster ships.
pub fn planned_distro(
    config: &Value<String>,
    vcluster_version: &Value<String>,
    prior: Option<&Value<String>>,
) -> Value<String> {
    match (config, prior) {
        (Value::Null, Some(prior)) => prior.clone(),
        (Value::Null, None) => match vcluster_version {
            Value::Value(version) => match Version::parse(version) {
                Ok(version) => Value::Value(Distro::default_of(&version).to_string()),
                // Validation has refused it already.
                Err(_) => Value::Unknown,
            },
            _ => Value::Unknown,
        },
        (distro, _) => distro.clone(),
    }
}

/// Whether two texts are the same quantity.
pub fn same_quantity(left: &str, right: &str) -> bool {
    matches!((left.parse::<Quantity>(), right.parse::<Quantity>()), (Ok(left), Ok(right)) if left == right)
}
