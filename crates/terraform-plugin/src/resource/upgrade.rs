//! `UpgradeResourceState`: stored state, of this schema or of an older one, as the current schema has it.

use std::collections::HashMap;

use serde_json::Value;

use super::super::codec::{Encoded, encode};
use super::super::diagnostics::diagnostics;
use super::super::wire::tf6::upgrade_resource_state::{Request, Response};
use super::super::wire::tf6::{DynamicValue, RawState};
use crate::vocabulary::schema::{Attribute, AttributeType, Block, NestedBlock};
use crate::vocabulary::{AttributePath, Diagnostics, Report, Resource, StateUpgrade};

pub fn upgrade<R: Resource + StateUpgrade>(resource: &R, request: Request) -> Response {
    let mut diags = Diagnostics::default();
    let upgraded_state = current(resource, request, &mut diags);
    Response { upgraded_state, diagnostics: diagnostics(diags) }
}

fn current<R: Resource + StateUpgrade>(
    resource: &R,
    request: Request,
    diags: &mut Diagnostics,
) -> Option<DynamicValue> {
    let schema = resource.schema(diags)?;
    let mut state = stored(request.raw_state.unwrap_or_default(), diags)?;
    if request.version > schema.version {
        diags.fail(
            AttributePath::root(),
            "This state was written by a newer version of the provider",
            format!(
                "It has schema version {}, and this provider knows versions up to {}. Use the newer provider.",
                request.version, schema.version
            ),
        );
        return None;
    }
    if request.version < schema.version {
        state = resource.upgrade_state(request.version, state).map_err(|error| diags.add_error(error)).ok()?;
    }
    complete_block(&mut state, &schema.block);
    let encoded = Encoded::Json(state.to_string().into());
    let state: R::State<'_> = encoded.decode(diags)?;
    encode(diags, &state)
}

fn stored(raw: RawState, diags: &mut Diagnostics) -> Option<Value> {
    match serde_json::from_slice(&raw.json) {
        Ok(state @ Value::Object(_)) => Some(state),
        _ => {
            diags.fail(
                AttributePath::root(),
                "The stored state cannot be read",
                "It is not a JSON object. States of Terraform 0.11 and older have to be upgraded with Terraform 0.12.",
            );
            None
        }
    }
}

/// Adds null for what the schema has gained since the state was written. What it has lost is dropped by decoding.
fn complete_block(state: &mut Value, block: &Block) {
    complete(state, &block.attributes);
    let Value::Object(object) = state else { return };
    for (name, nested) in &block.blocks {
        let value = object.entry(name).or_insert(Value::Null);
        match nested {
            NestedBlock::Single(block) | NestedBlock::Group(block) => complete_block(value, block),
            NestedBlock::List(block)
            | NestedBlock::Set(block)
            | NestedBlock::Map(block)
            | NestedBlock::Optional(block) => {
                elements(value).into_iter().for_each(|element| complete_block(element, block));
            }
        }
    }
}

fn complete(state: &mut Value, attributes: &HashMap<String, Attribute>) {
    let Value::Object(object) = state else { return };
    for (name, attribute) in attributes {
        let value = object.entry(name).or_insert(Value::Null);
        match &attribute.attr_type {
            AttributeType::AttributeSingle(nested) => complete(value, nested),
            AttributeType::AttributeList(nested)
            | AttributeType::AttributeSet(nested)
            | AttributeType::AttributeMap(nested) => {
                elements(value).into_iter().for_each(|element| complete(element, nested));
            }
            _ => {}
        }
    }
}

/// The elements of a list or a map.
fn elements(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Array(elements) => elements.iter_mut().collect(),
        Value::Object(elements) => elements.values_mut().collect(),
        _ => Vec::new(),
    }
}
