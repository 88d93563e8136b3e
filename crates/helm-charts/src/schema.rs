//! `values.schema.json`: what is not plainly right is compiled, once per chart, with boon, whose author also wrote the
//! validator that Helm uses: both find the same problems in the same order. Loads nothing from the network or the disk;
//! what it refers to elsewhere is brought to it.

mod cost;
mod documents;
mod message;
mod plain;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use boon::{Compiler, SchemaIndex, Schemas, UrlLoader};
use serde_json::Value;

use super::dependencies::Node;
use super::json;
use super::values::as_written;
pub(super) use documents::Documents;
use plain::Plain;

/// A chart's schema. One that cannot be used fails when values are checked, as in Helm.
#[derive(Debug)]
pub(super) struct Schema {
    text: Arc<[u8]>,
    plain: Option<Plain>,
    /// Made when it is needed.
    full: OnceLock<Result<Full, String>>,
}

/// A schema of any kind.
#[derive(Debug)]
struct Full {
    json: Value,
    compiled: OnceLock<Result<Compiled, String>>,
}

struct Compiled {
    schemas: Schemas,
    index: SchemaIndex,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Compiled")
    }
}

const LOCATION: &str = "file:///values.schema.json";

/// Gives the validator what is known.
struct Known(Documents);

impl UrlLoader for Known {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Ok(self.0.load(url)?)
    }
}

impl Schema {
    pub(super) fn parse(text: &Arc<[u8]>) -> Self {
        Self { text: text.clone(), plain: Plain::parse(text), full: OnceLock::new() }
    }

    /// The URLs of what it refers to on the network and is not among `documents`.
    pub(super) fn missing(&self, documents: &Documents) -> BTreeSet<String> {
        // A plain schema refers to nothing beyond itself.
        let full = || self.full.get_or_init(|| Full::parse(&self.text)).as_ref().ok();
        let full = if self.plain.is_some() { None } else { full() };
        full.map(|full| documents.missing(&full.json)).unwrap_or_default()
    }

    fn validate(&self, values: &Value, documents: &Documents) -> Result<(), String> {
        if self.plain.as_ref().is_some_and(|plain| plain.accepts(values)) {
            return Ok(());
        }
        let full = self.full.get_or_init(|| Full::parse(&self.text));
        full.as_ref().map_err(Clone::clone)?.validate(&as_written(values), documents)
    }
}

impl Full {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let json = serde_json::from_slice(text).map_err(|error| not_json(text, &error))?;
        cost::check_patterns(&json)?;
        Ok(Self { json, compiled: OnceLock::new() })
    }

    fn validate(&self, values: &Value, documents: &Documents) -> Result<(), String> {
        // What is wrong with the schema itself, the validator says best.
        let compiled = self.compiled.get_or_init(|| Compiled::new(&self.json, documents));
        let compiled = compiled.as_ref().map_err(Clone::clone)?;
        cost::check(&self.json, documents, values)?;
        compiled.validate(values)
    }
}

impl Compiled {
    fn new(json: &Value, documents: &Documents) -> Result<Self, String> {
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(Known(documents.clone())));
        compiler.add_resource(LOCATION, json.clone()).map_err(|error| message::unusable(&error))?;
        let mut schemas = Schemas::new();
        let index = compiler.compile(LOCATION, &mut schemas).map_err(|error| message::unusable(&error))?;
        Ok(Self { schemas, index })
    }

    fn validate(&self, values: &Value) -> Result<(), String> {
        self.schemas.validate(values, self.index).map_err(|error| message::describe(&error))
    }
}

/// Go reads a schema as a stream, whose end has words of its own.
fn not_json(text: &[u8], error: &serde_json::Error) -> String {
    match json::read(text) {
        Err(_) if text.trim_ascii().is_empty() => "EOF".to_owned(),
        Err(reason) if reason == "unexpected end of JSON input" => "unexpected EOF".to_owned(),
        Err(reason) if reason.ends_with("after top-level value") => {
            "invalid character after top-level value".to_owned()
        }
        Err(reason) => reason,
        Ok(_) => error.to_string(),
    }
}

/// Checks values against the schemas of a chart and its subcharts; the message lists every chart and place.
pub(super) fn validate(node: &Node<'_>, values: &Value) -> Result<(), String> {
    let problems = problems(node, values, &node.chart.remote_schemas);
    match problems.is_empty() {
        true => Ok(()),
        false => {
            Err(format!("values don't meet the specifications of the schema(s) in the following chart(s):\n{problems}"))
        }
    }
}

fn problems(node: &Node<'_>, values: &Value, documents: &Documents) -> String {
    let mut out = String::new();
    if let Some(schema) = &node.chart.schema
        && let Err(reason) = schema.validate(values, documents)
    {
        // Writing to a String cannot fail.
        let _ = write!(out, "{}:\n{reason}", node.name);
    }
    for child in &node.children {
        match values.get(&child.name) {
            None | Some(Value::Null) => {}
            Some(values @ Value::Object(_)) => out.push_str(&problems(child, values, documents)),
            Some(_) => {
                let _ = writeln!(out, "{}:\ninvalid type for values: expected object (map)", child.name);
            }
        }
    }
    out
}
