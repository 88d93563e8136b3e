//! `values.schema.json`: compiled once per chart with boon, whose author also wrote the validator that Helm uses: both
//! find the same problems in the same order. Loads nothing from the network or the disk.

mod message;

use std::fmt::Write as _;

use boon::{Compiler, SchemaIndex, Schemas, UrlLoader};
use serde_json::{Map, Value};

use super::dependencies::Node;
use super::json;

/// A chart's schema.
pub(super) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Schema")
    }
}

const LOCATION: &str = "file:///values.schema.json";

struct NoLoader;

impl UrlLoader for NoLoader {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        // As Helm, which cannot load these either and lets them allow everything.
        if url.starts_with("urn:") {
            return Ok(Value::Bool(true));
        }
        Err(format!("the schema refers to {url}; other files are not loaded").into())
    }
}

impl Schema {
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let json: Value = serde_json::from_slice(json).map_err(|error| not_json(json, &error))?;
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(NoLoader));
        compiler.add_resource(LOCATION, json).map_err(|error| message::unusable(&error))?;
        let mut schemas = Schemas::new();
        let index = compiler.compile(LOCATION, &mut schemas).map_err(|error| message::unusable(&error))?;
        Ok(Self { schemas, index })
    }

    fn validate(&self, values: &Map<String, Value>) -> Result<(), String> {
        let values = Value::Object(values.clone());
        self.schemas.validate(&values, self.index).map_err(|error| message::describe(&error))
    }
}

/// Go reads a schema as a stream, whose end has words of its own.
fn not_json(text: &[u8], error: &serde_json::Error) -> String {
    match json::read(text) {
        Err(_) if text.trim_ascii().is_empty() => "EOF".to_owned(),
        Err(reason) if reason == "unexpected end of JSON input" => "unexpected EOF".to_owned(),
        Err(reason) => reason,
        Ok(_) => error.to_string(),
    }
}

/// Checks values against the schemas of a chart and its subcharts; the message lists every chart and place.
pub(super) fn validate(node: &Node<'_>, values: &Map<String, Value>) -> Result<(), String> {
    let problems = problems(node, values);
    match problems.is_empty() {
        true => Ok(()),
        false => {
            Err(format!("values don't meet the specifications of the schema(s) in the following chart(s):\n{problems}"))
        }
    }
}

fn problems(node: &Node<'_>, values: &Map<String, Value>) -> String {
    let mut out = String::new();
    if let Some(schema) = &node.chart.schema {
        let result = match schema {
            Ok(schema) => schema.validate(values),
            Err(reason) => Err(reason.clone()),
        };
        if let Err(reason) = result {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}:\n{reason}", node.name);
        }
    }
    for child in &node.children {
        match values.get(&child.name) {
            None | Some(Value::Null) => {}
            Some(Value::Object(values)) => out.push_str(&problems(child, values)),
            Some(_) => {
                let _ = writeln!(out, "{}:\ninvalid type for values: expected object (map)", child.name);
            }
        }
    }
    out
}
