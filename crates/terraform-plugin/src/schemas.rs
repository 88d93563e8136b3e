//! Schemas as Terraform reads them, always in the same order.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::wire::tf6;
use super::wire::tf6::schema::nested_block::NestingMode as BlockNesting;
use super::wire::tf6::schema::object::NestingMode as ObjectNesting;
use crate::vocabulary::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, Description, FunctionSchema, NestedBlock, Parameter, Schema,
    StringKind, Type,
};

pub fn schema(schema: &Schema) -> tf6::Schema {
    tf6::Schema { version: schema.version, block: Some(block(&schema.block)) }
}

/// Marks the attribute at `path` as write-only. A path that leads nowhere marks nothing.
pub fn mark_write_only(schema: &mut tf6::Schema, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let Some(mut attributes) = schema.block.as_mut().map(|block| &mut block.attributes) else { return };
    for parent in parents {
        let parent = attributes.iter_mut().find(|attribute| attribute.name == *parent);
        let Some(nested) = parent.and_then(|parent| parent.nested_type.as_mut()) else { return };
        attributes = &mut nested.attributes;
    }
    for attribute in attributes.iter_mut().filter(|attribute| attribute.name == *last) {
        attribute.write_only = true;
    }
}

pub fn is_empty(schema: &Schema) -> bool {
    schema.block.attributes.is_empty() && schema.block.blocks.is_empty()
}

pub fn function(function: &FunctionSchema) -> tf6::Function {
    tf6::Function {
        parameters: function.parameters.iter().map(parameter).collect(),
        variadic_parameter: function.variadic.as_ref().map(parameter),
        r#return: Some(tf6::function::Return { r#type: encode(&value_type(&function.return_type)) }),
        summary: function.summary.clone(),
        description: function.description.content.clone(),
        description_kind: kind(&function.description),
        deprecation_message: function.deprecated.clone().unwrap_or_default(),
    }
}

fn parameter(parameter: &Parameter) -> tf6::function::Parameter {
    tf6::function::Parameter {
        name: parameter.name.clone(),
        r#type: encode(&value_type(&parameter.param_type)),
        allow_null_value: parameter.allow_null,
        allow_unknown_values: parameter.allow_unknown,
        description: parameter.description.content.clone(),
        description_kind: kind(&parameter.description),
    }
}

fn block(block: &Block) -> tf6::schema::Block {
    tf6::schema::Block {
        version: block.version,
        attributes: attributes(&block.attributes),
        block_types: sorted(&block.blocks).map(|(name, block)| nested_block(name, block)).collect(),
        description: block.description.content.clone(),
        description_kind: kind(&block.description),
        deprecated: block.deprecated,
        ..Default::default()
    }
}

fn nested_block(name: &str, nested: &NestedBlock) -> tf6::schema::NestedBlock {
    // No upper limit is written as 0.
    let (nesting, inner, (min_items, max_items)) = match nested {
        NestedBlock::Single(block) => (BlockNesting::Single, block, (1, 1)),
        NestedBlock::Optional(block) => (BlockNesting::List, block, (0, 1)),
        NestedBlock::List(block) => (BlockNesting::List, block, (0, 0)),
        NestedBlock::Set(block) => (BlockNesting::Set, block, (0, 0)),
        NestedBlock::Map(block) => (BlockNesting::Map, block, (0, 0)),
        NestedBlock::Group(block) => (BlockNesting::Group, block, (0, 0)),
    };
    tf6::schema::NestedBlock {
        type_name: name.to_owned(),
        block: Some(block(inner)),
        nesting: nesting.into(),
        min_items,
        max_items,
    }
}

fn attributes(attributes: &HashMap<String, Attribute>) -> Vec<tf6::schema::Attribute> {
    sorted(attributes).map(|(name, attribute)| one_attribute(name, attribute)).collect()
}

fn one_attribute(name: &str, attribute: &Attribute) -> tf6::schema::Attribute {
    use AttributeConstraint::{Computed, Optional, OptionalComputed, Required};
    // Terraform refuses an attribute that has both a type and a nested type.
    let nested = |nesting: ObjectNesting, inner| tf6::schema::Object {
        attributes: attributes(inner),
        nesting: nesting.into(),
        ..Default::default()
    };
    let (r#type, nested_type) = match &attribute.attr_type {
        AttributeType::AttributeSingle(inner) => (None, Some(nested(ObjectNesting::Single, inner))),
        AttributeType::AttributeList(inner) => (None, Some(nested(ObjectNesting::List, inner))),
        AttributeType::AttributeSet(inner) => (None, Some(nested(ObjectNesting::Set, inner))),
        AttributeType::AttributeMap(inner) => (None, Some(nested(ObjectNesting::Map, inner))),
        plain => (Some(encode(&attribute_type(plain))), None),
    };
    tf6::schema::Attribute {
        name: name.to_owned(),
        r#type: r#type.unwrap_or_default(),
        nested_type,
        description: attribute.description.content.clone(),
        description_kind: kind(&attribute.description),
        required: attribute.constraint == Required,
        optional: matches!(attribute.constraint, Optional | OptionalComputed),
        computed: matches!(attribute.constraint, Computed | OptionalComputed),
        sensitive: attribute.sensitive,
        deprecated: attribute.deprecated,
        ..Default::default()
    }
}

/// A type constraint in Terraform's JSON. Nested attributes appear here only inside of a plain type, as objects.
fn attribute_type(attribute: &AttributeType) -> Value {
    match attribute {
        AttributeType::String => json!("string"),
        AttributeType::Number => json!("number"),
        AttributeType::Bool => json!("bool"),
        AttributeType::Any => json!("dynamic"),
        AttributeType::List(element) => json!(["list", attribute_type(element)]),
        AttributeType::Set(element) => json!(["set", attribute_type(element)]),
        AttributeType::Map(element) => json!(["map", attribute_type(element)]),
        AttributeType::Tuple(elements) => json!(["tuple", elements.iter().map(attribute_type).collect::<Vec<_>>()]),
        AttributeType::Object(attributes) => json!(["object", object(attributes, attribute_type)]),
        AttributeType::AttributeSingle(nested) => nested_object(nested),
        AttributeType::AttributeList(nested) => json!(["list", nested_object(nested)]),
        AttributeType::AttributeSet(nested) => json!(["set", nested_object(nested)]),
        AttributeType::AttributeMap(nested) => json!(["map", nested_object(nested)]),
    }
}

fn nested_object(attributes: &HashMap<String, Attribute>) -> Value {
    json!(["object", object(attributes, |attribute| attribute_type(&attribute.attr_type))])
}

fn value_type(value: &Type) -> Value {
    match value {
        Type::String => json!("string"),
        Type::Number => json!("number"),
        Type::Bool => json!("bool"),
        Type::Any => json!("dynamic"),
        Type::List(element) => json!(["list", value_type(element)]),
        Type::Set(element) => json!(["set", value_type(element)]),
        Type::Map(element) => json!(["map", value_type(element)]),
        Type::Tuple(elements) => json!(["tuple", elements.iter().map(value_type).collect::<Vec<_>>()]),
        Type::Object(attributes) => json!(["object", object(attributes, value_type)]),
    }
}

fn object<T>(attributes: &HashMap<String, T>, convert: impl Fn(&T) -> Value) -> Value {
    sorted(attributes).map(|(name, attribute)| (name.to_owned(), convert(attribute))).collect()
}

fn sorted<T>(map: &HashMap<String, T>) -> impl Iterator<Item = (&str, &T)> {
    let mut entries: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value)).collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    entries.into_iter()
}

fn kind(description: &Description) -> i32 {
    match description.kind {
        StringKind::Plain => tf6::StringKind::Plain,
        StringKind::Markdown => tf6::StringKind::Markdown,
    }
    .into()
}

fn encode(json: &Value) -> bytes::Bytes {
    json.to_string().into()
}
