//! The schema part of a reference page: attributes by what the user does with them, nested ones below.

use std::collections::HashMap;

use terraform_plugin::schema::{Attribute, AttributeConstraint, AttributeType};

type Attributes = HashMap<String, Attribute>;

/// Whether an attribute belongs under a heading, by who sets it.
type Belongs = fn(&AttributeConstraint) -> bool;

/// The headings of the registry's pages, in their order.
const GROUPS: [(&str, Belongs); 3] = [
    ("Required", |constraint| matches!(constraint, AttributeConstraint::Required)),
    ("Optional", |constraint| {
        matches!(constraint, AttributeConstraint::Optional | AttributeConstraint::OptionalComputed)
    }),
    ("Read-Only", |constraint| matches!(constraint, AttributeConstraint::Computed)),
];

/// The section `## Schema`.
pub fn schema_section(attributes: &Attributes) -> String {
    let mut sections = vec!["## Schema".to_owned()];
    for (heading, belongs) in GROUPS {
        let list = list(attributes, "", belongs);
        if !list.is_empty() {
            sections.push(format!("### {heading}\n\n{list}"));
        }
    }
    add_nested(&mut sections, attributes, "");
    sections.join("\n\n")
}

/// The attributes inside of an attribute, if it has any.
pub fn nested(attribute: &Attribute) -> Option<&Attributes> {
    match &attribute.attr_type {
        AttributeType::AttributeSingle(inner)
        | AttributeType::AttributeList(inner)
        | AttributeType::AttributeSet(inner)
        | AttributeType::AttributeMap(inner) => Some(inner),
        _ => None,
    }
}

/// A section for each nested schema, outer ones before their inner ones.
fn add_nested(sections: &mut Vec<String>, attributes: &Attributes, path: &str) {
    for (name, attribute) in sorted(attributes) {
        let Some(inner) = nested(attribute) else { continue };
        let path = join(path, name);
        let mut section = format!("<a id=\"{}\"></a>\n### Nested Schema for `{path}`", anchor(&path));
        for (heading, belongs) in GROUPS {
            let list = list(inner, &path, belongs);
            if !list.is_empty() {
                section.push_str(&format!("\n\n{heading}:\n\n{list}"));
            }
        }
        sections.push(section);
        add_nested(sections, inner, &path);
    }
}

fn list(attributes: &Attributes, path: &str, belongs: Belongs) -> String {
    let lines = sorted(attributes)
        .into_iter()
        .filter(|(_, attribute)| belongs(&attribute.constraint))
        .map(|(name, attribute)| line(name, attribute, path));
    lines.collect::<Vec<_>>().join("\n")
}

fn line(name: &str, attribute: &Attribute, path: &str) -> String {
    let mut notes = vec![type_name(&attribute.attr_type)];
    notes.extend(attribute.sensitive.then(|| "Sensitive".to_owned()));
    notes.extend(attribute.deprecated.then(|| "Deprecated".to_owned()));
    // Further paragraphs belong to the list item.
    let description = attribute.description.content.replace("\n\n", "\n\n  ");
    let below = match nested(attribute) {
        Some(_) => format!(" (see [below for nested schema](#{}))", anchor(&join(path, name))),
        None => String::new(),
    };
    format!("- `{name}` ({}) {description}{below}", notes.join(", "))
}

fn type_name(attribute: &AttributeType) -> String {
    match attribute {
        AttributeType::String => "String".to_owned(),
        AttributeType::Number => "Number".to_owned(),
        AttributeType::Bool => "Boolean".to_owned(),
        AttributeType::Any => "Dynamic".to_owned(),
        AttributeType::List(element) => format!("List of {}", type_name(element)),
        AttributeType::Set(element) => format!("Set of {}", type_name(element)),
        AttributeType::Map(element) => format!("Map of {}", type_name(element)),
        AttributeType::Object(_) => "Object".to_owned(),
        AttributeType::Tuple(_) => "Tuple".to_owned(),
        AttributeType::AttributeSingle(_) => "Attributes".to_owned(),
        AttributeType::AttributeList(_) => "Attributes List".to_owned(),
        AttributeType::AttributeSet(_) => "Attributes Set".to_owned(),
        AttributeType::AttributeMap(_) => "Attributes Map".to_owned(),
    }
}

fn sorted(attributes: &Attributes) -> Vec<(&String, &Attribute)> {
    let mut entries: Vec<_> = attributes.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    entries
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn anchor(path: &str) -> String {
    format!("nestedatt--{}", path.replace('.', "--"))
}
