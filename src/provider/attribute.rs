//! Short forms for schema attributes, so that a schema reads like the table in the documentation.
//!
//! Owns no rules: what an attribute means is said where it is declared.

use std::collections::HashMap;

use terraform_plugin::schema::{Attribute, AttributeConstraint, AttributeType, Description};

/// The attributes of a block or of a nested attribute, by name.
pub type Attributes = HashMap<String, Attribute>;

/// Collects named attributes.
pub fn attributes<const N: usize>(attributes: [(&str, Attribute); N]) -> Attributes {
    attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect()
}

fn attribute(attr_type: AttributeType, constraint: AttributeConstraint, description: &str) -> Attribute {
    Attribute { attr_type, constraint, description: Description::markdown(description), ..Attribute::default() }
}

/// An attribute that the configuration must set.
pub fn required(attr_type: AttributeType, description: &str) -> Attribute {
    attribute(attr_type, AttributeConstraint::Required, description)
}

/// An attribute that stays null unless the configuration sets it.
pub fn optional(attr_type: AttributeType, description: &str) -> Attribute {
    attribute(attr_type, AttributeConstraint::Optional, description)
}

/// An attribute that the provider fills in where the configuration does not.
pub fn defaulted(attr_type: AttributeType, description: &str) -> Attribute {
    attribute(attr_type, AttributeConstraint::OptionalComputed, description)
}

/// An attribute that only the provider sets.
pub fn computed(attr_type: AttributeType, description: &str) -> Attribute {
    attribute(attr_type, AttributeConstraint::Computed, description)
}

/// Keeps an attribute's value out of Terraform's output.
pub fn sensitive(attribute: Attribute) -> Attribute {
    Attribute { sensitive: true, ..attribute }
}

/// The type of a set of strings.
pub fn string_set() -> AttributeType {
    AttributeType::Set(Box::new(AttributeType::String))
}

/// The type of a map from strings to strings.
pub fn string_map() -> AttributeType {
    AttributeType::Map(Box::new(AttributeType::String))
}
