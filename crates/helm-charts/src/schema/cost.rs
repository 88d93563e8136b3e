//! What validating would cost, found before it is done: the validator has no limits, and a small schema can send it
//! through the same values without end. Walks as a validator does, and decides nothing about values.

use regex::RegexBuilder;
use serde_json::Value;

/// Pairs of a schema and a value that a validation may look at.
const MAX_VISITS: usize = 3_000_000;
/// References and levels of values on one path.
const MAX_DEPTH: usize = 2_000;
/// Bytes of a compiled pattern, which is matched with every text.
const MAX_PATTERN: usize = 256 << 10;

/// Refuses patterns that take too long to match.
pub(super) fn check_patterns(schema: &Value) -> Result<(), String> {
    let small = |pattern: &str| match RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build() {
        Err(regex::Error::CompiledTooBig(_)) => Err(format!("the schema's pattern {pattern:.100} is too large")),
        // What is no pattern, the validator says better.
        _ => Ok(()),
    };
    match schema {
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| match (key.as_str(), value) {
            ("pattern", Value::String(pattern)) => small(pattern),
            ("patternProperties", Value::Object(patterns)) => {
                patterns.keys().try_for_each(|pattern| small(pattern))?;
                check_patterns(value)
            }
            _ => check_patterns(value),
        }),
        Value::Array(items) => items.iter().try_for_each(check_patterns),
        _ => Ok(()),
    }
}

/// Refuses to validate values when it would take too long.
pub(super) fn check(schema: &Value, values: &Value) -> Result<(), String> {
    Walk { root: schema, visits: 0 }.schema(schema, values, 0)
}

struct Walk<'s> {
    root: &'s Value,
    visits: usize,
}

impl<'s> Walk<'s> {
    fn schema(&mut self, schema: &'s Value, value: &Value, depth: usize) -> Result<(), String> {
        self.visits += 1 + value.as_str().map_or(0, str::len) / 1024;
        if self.visits > MAX_VISITS || depth > MAX_DEPTH {
            return Err("the schema takes too long to check the values, or refers to itself without end".to_owned());
        }
        let Value::Object(keywords) = schema else { return Ok(()) };
        for (keyword, inner) in keywords {
            self.keyword(keyword, inner, value, depth + 1)?;
        }
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, inner: &'s Value, value: &Value, depth: usize) -> Result<(), String> {
        match (keyword, inner) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                let target = self.resolve(reference)?;
                self.schema(target, value, depth)
            }
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                schemas.iter().try_for_each(|schema| self.schema(schema, value, depth))
            }
            ("not" | "if" | "then" | "else", schema) => self.schema(schema, value, depth),
            ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                schemas.values().try_for_each(|schema| self.schema(schema, value, depth))
            }
            ("properties", Value::Object(schemas)) => schemas.iter().try_for_each(|(name, schema)| {
                value.get(name).map_or(Ok(()), |value| self.schema(schema, value, depth))
            }),
            ("patternProperties", Value::Object(schemas)) => {
                schemas.values().try_for_each(|schema| self.children(schema, value, depth))
            }
            ("prefixItems" | "items", Value::Array(schemas)) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                schemas.iter().zip(items).try_for_each(|(schema, item)| self.schema(schema, item, depth))
            }
            (
                "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames"
                | "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains",
                schema,
            ) => self.children(schema, value, depth),
            _ => Ok(()),
        }
    }

    fn children(&mut self, schema: &'s Value, value: &Value, depth: usize) -> Result<(), String> {
        match value {
            Value::Object(entries) => entries.values().try_for_each(|value| self.schema(schema, value, depth)),
            Value::Array(items) => items.iter().try_for_each(|item| self.schema(schema, item, depth)),
            _ => Ok(()),
        }
    }

    /// What a reference within the schema refers to: a JSON pointer after the `#`, or an anchor.
    fn resolve(&self, reference: &str) -> Result<&'s Value, String> {
        let fragment = reference.split_once('#').map_or("", |(_, fragment)| fragment);
        let found = match fragment.is_empty() || fragment.starts_with('/') {
            true => self.root.pointer(&fragment.replace("%24", "$").replace("%25", "%")),
            false => anchor(self.root, fragment),
        };
        found.ok_or_else(|| format!("the schema refers to {reference}, which is not found in it"))
    }
}

fn anchor<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    match schema {
        Value::Object(entries) => {
            let named = |keyword: &str| entries.get(keyword).and_then(Value::as_str) == Some(name);
            match named("$anchor") || named("$dynamicAnchor") {
                true => Some(schema),
                false => entries.values().find_map(|inner| anchor(inner, name)),
            }
        }
        Value::Array(items) => items.iter().find_map(|inner| anchor(inner, name)),
        _ => None,
    }
}
