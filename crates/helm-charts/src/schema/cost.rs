//! What validating would cost, found before it is done: the validator has no limits, and a small schema can send it
//! through the same values without end. Walks as a validator does, and decides nothing about values.

use std::collections::HashMap;
use std::rc::Rc;

use regex::RegexBuilder;
use serde_json::Value;
use url::Url;

use super::LOCATION;
use super::documents::{Documents, is_built_in, own_url};

/// Pairs of a schema and a value that a validation may look at.
const MAX_VISITS: usize = 3_000_000;
/// References and levels of values on one path.
const MAX_DEPTH: usize = 2_000;
/// What a schema counts that is not walked.
const UNSEEN: usize = 100;
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
pub(super) fn check(schema: &Value, documents: &Documents, values: &Value) -> Result<(), String> {
    let roots = documents.readable().chain([(LOCATION, schema)]);
    let mut resources = HashMap::new();
    for (url, root) in roots {
        if let Ok(base) = Url::parse(url) {
            resources.insert(base.to_string(), root);
            embedded(root, &base, &mut resources);
        }
    }
    let base = Url::parse(LOCATION).map_err(|error| error.to_string())?;
    let mut walk = Walk { resources, documents, base: base.into(), visits: 0 };
    walk.schema(schema, values, 0)
}

/// The schemas within a schema that have URLs of their own.
fn embedded<'s>(schema: &'s Value, base: &Url, resources: &mut HashMap<String, &'s Value>) {
    let own = own_url(schema, base);
    if let Some(own) = &own {
        resources.insert(own.to_string(), schema);
    }
    let base = own.as_ref().unwrap_or(base);
    match schema {
        Value::Object(entries) => entries.values().for_each(|inner| embedded(inner, base, resources)),
        Value::Array(items) => items.iter().for_each(|inner| embedded(inner, base, resources)),
        _ => {}
    }
}

struct Walk<'s> {
    /// By their URLs.
    resources: HashMap<String, &'s Value>,
    documents: &'s Documents,
    /// What references are relative to where the walk is.
    base: Rc<Url>,
    visits: usize,
}

impl<'s> Walk<'s> {
    fn schema(&mut self, schema: &'s Value, value: &Value, depth: usize) -> Result<(), String> {
        self.visits += 1 + value.as_str().map_or(0, str::len) / 1024;
        if self.visits > MAX_VISITS || depth > MAX_DEPTH {
            return Err("the schema takes too long to check the values, or refers to itself without end".to_owned());
        }
        let Value::Object(keywords) = schema else { return Ok(()) };
        let outer = self.base.clone();
        if let Some(own) = own_url(schema, &outer) {
            self.base = own.into();
        }
        for (keyword, inner) in keywords {
            self.keyword(keyword, inner, value, depth + 1)?;
        }
        self.base = outer;
        Ok(())
    }

    fn keyword(&mut self, keyword: &str, inner: &'s Value, value: &Value, depth: usize) -> Result<(), String> {
        match (keyword, inner) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                let Some((target, base)) = self.resolve(reference)? else { return Ok(()) };
                let outer = std::mem::replace(&mut self.base, base);
                self.schema(target, value, depth)?;
                self.base = outer;
                Ok(())
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

    /// What a reference refers to, and its base: a JSON pointer after the `#`, or an anchor. None for what the validator has
    /// itself, and for what allows everything.
    fn resolve(&mut self, reference: &str) -> Result<Option<(&'s Value, Rc<Url>)>, String> {
        let not_found = || format!("the schema refers to {reference}, which is not found in it");
        let (resource, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = match resource.is_empty() {
            true => self.base.clone(),
            false => {
                let mut url = self.base.join(resource).map_err(|_| not_found())?;
                url.set_fragment(None);
                Rc::new(url)
            }
        };
        let Some(root) = self.resources.get(base.as_str()).copied() else {
            let allows_everything =
                is_built_in(base.as_str()) || self.documents.load(base.as_str()) == Ok(Value::Bool(true));
            self.visits += UNSEEN;
            return if allows_everything { Ok(None) } else { Err(not_found()) };
        };
        if fragment.is_empty() || fragment.starts_with('/') {
            return pointed(root, fragment, base).map(Some).ok_or_else(not_found);
        }
        Ok(Some((anchor(root, fragment).ok_or_else(not_found)?, base)))
    }
}

/// Follows a JSON pointer, through schemas that may have URLs of their own.
fn pointed<'s>(root: &'s Value, pointer: &str, base: Rc<Url>) -> Option<(&'s Value, Rc<Url>)> {
    let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8().ok()?;
    let mut found = (root, base);
    for token in decoded.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if let Some(own) = own_url(found.0, &found.1) {
            found.1 = own.into();
        }
        found.0 = match found.0 {
            Value::Object(entries) => entries.get(&token)?,
            Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(found)
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
