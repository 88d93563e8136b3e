//! The documents that schemas refer to beyond themselves: which ones, and what they hold. Fetches nothing; whoever can,
//! brings them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::cost::check_patterns;

/// Documents of all schemas of a chart together. One can name the next without end.
const MAX_DOCUMENTS: usize = 100;
/// Their bytes together.
const MAX_BYTES: usize = 20 << 20;

/// What is known of documents, by their URLs without fragments.
#[derive(Debug, Clone, Default)]
pub(crate) struct Documents {
    known: BTreeMap<String, Result<Arc<Value>, String>>,
    bytes: usize,
    /// Nobody is to fetch any: what is not known allows everything.
    closed: bool,
}

impl Documents {
    /// From now on documents that are not known allow everything.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Adds what came of fetching a document.
    pub(crate) fn add(&mut self, url: String, fetched: Result<&[u8], String>) {
        let read = |text: &[u8]| {
            let document: Value = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))?;
            check_patterns(&document)?;
            Ok(Arc::new(document))
        };
        self.bytes += fetched.as_ref().map_or(0, |text| text.len());
        let document = match (self.known.len() < MAX_DOCUMENTS, self.bytes <= MAX_BYTES) {
            (true, true) => fetched.and_then(read),
            (false, _) => Err(format!("schemas refer to more than {MAX_DOCUMENTS} documents")),
            (_, false) => Err(format!("schemas refer to more than {MAX_BYTES} bytes of documents")),
        };
        self.known.insert(url, document);
    }

    /// The URLs of documents on the network that `schema`, or a document that is known, refers to and that are not known.
    pub(super) fn missing(&self, schema: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        if !self.closed {
            let known =
                self.known.iter().filter_map(|(url, document)| Some((url.as_str(), &**document.as_ref().ok()?)));
            for (url, document) in known.chain([(super::LOCATION, schema)]) {
                if let Ok(base) = Url::parse(url) {
                    references(document, &base, &mut found);
                }
            }
            found.retain(|url| !self.known.contains_key(url));
        }
        found
    }

    /// The document at that URL, for the validator.
    pub(super) fn load(&self, url: &str) -> Result<Value, String> {
        match self.known.get(url) {
            Some(document) => document.as_ref().map(|document| Value::clone(document)).map_err(Clone::clone),
            // As Helm, which cannot load these either and lets them allow everything.
            None if url.starts_with("urn:") => Ok(Value::Bool(true)),
            None if self.closed && is_remote(url) => Ok(Value::Bool(true)),
            None if is_remote(url) => Err("it was not fetched".to_owned()),
            None => Err(format!("the schema refers to {url}; other files are not loaded")),
        }
    }

    /// The documents that there are.
    pub(super) fn readable(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.known.iter().filter_map(|(url, document)| Some((url.as_str(), &**document.as_ref().ok()?)))
    }
}

fn is_remote(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// Whether the validator has the document itself.
pub(super) fn is_built_in(url: &str) -> bool {
    let path = url.strip_prefix("http://json-schema.org/").or_else(|| url.strip_prefix("https://json-schema.org/"));
    path.is_some_and(|path| path.starts_with("draft"))
}

/// What a schema calls itself, which its own references are relative to.
pub(super) fn own_url(schema: &Value, base: &Url) -> Option<Url> {
    let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
    // `id` of draft 4 is a name of anything in later ones.
    let id = text("$id").or_else(|| text("id").filter(|id| id.contains("://")))?;
    let mut url = base.join(id).ok()?;
    url.set_fragment(None);
    Some(url)
}

fn references(schema: &Value, base: &Url, found: &mut BTreeSet<String>) {
    let own = own_url(schema, base);
    let base = own.as_ref().unwrap_or(base);
    match schema {
        Value::Object(entries) => {
            for keyword in ["$ref", "$dynamicRef", "$recursiveRef", "$schema"] {
                let reference = entries.get(keyword).and_then(Value::as_str);
                if let Some(mut url) = reference.and_then(|reference| base.join(reference).ok()) {
                    url.set_fragment(None);
                    let is_other = is_remote(url.as_str()) && !is_built_in(url.as_str()) && url != *base;
                    found.extend(is_other.then(|| url.to_string()));
                }
            }
            entries.values().for_each(|inner| references(inner, base, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, base, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_relative_to_what_a_schema_calls_itself() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/a",
            "allOf": [{"$ref": "https://example.com/a.json#/x"}, {"$ref": "https://example.com/a.json#/y"}],
            "definitions": {"a": {
                "$id": "https://example.com/dir/own.json",
                "items": {"$ref": "b.json"},
                "not": {"$ref": "own.json#/items"},
            }},
            "properties": {"$ref": {"type": "string"}, "f": {"$ref": "c.json"}, "u": {"$ref": "urn:example:d"}},
        });
        let mut documents = Documents::default();
        let missing = |documents: &Documents| documents.missing(&schema).into_iter().collect::<Vec<_>>();
        assert_eq!(missing(&documents), ["https://example.com/a.json", "https://example.com/dir/b.json"]);
        documents.add("https://example.com/a.json".to_owned(), Ok(br#"{"$ref": "c.json"}"#));
        documents.add("https://example.com/dir/b.json".to_owned(), Err("nobody is there".to_owned()));
        assert_eq!(missing(&documents), ["https://example.com/c.json"]);
        assert_eq!(documents.load("https://example.com/dir/b.json"), Err("nobody is there".to_owned()));
        documents.close();
        assert!(missing(&documents).is_empty());
        assert_eq!(documents.load("https://example.com/c.json"), Ok(Value::Bool(true)));
    }

    #[test]
    fn documents_have_an_end() {
        let mut documents = Documents::default();
        for number in 0..=MAX_DOCUMENTS {
            documents.add(format!("https://example.com/{number}"), Ok(b"true"));
        }
        assert!(documents.load(&format!("https://example.com/{MAX_DOCUMENTS}")).is_err());
    }
}
