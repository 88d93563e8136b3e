//! Schemas that say only what the schemas of most charts say, checked as they stand.
//!
//! To compile the schema of a large chart takes ten times as long as all the rest of a render. So values are looked at
//! here first, and what certainly fits is not looked at again. A schema with any keyword that is not known here, or that
//! is not as it should be, is not [`Plain`]; and what is wrong with values is for the real validator to say.

mod pattern;
mod read;

use std::collections::BTreeMap;

use pattern::Pattern;
use serde_json::{Map, Value};

/// Rules on one path; more may be a circle of references.
const MAX_DEPTH: usize = 100;
/// Pairs of a rule and a value. A large chart needs some thousands.
const MAX_VISITS: usize = 200_000;
/// Names that are looked up, and bytes of text that are looked at, for one visit.
const NAMES_PER_VISIT: usize = 16;
const BYTES_PER_VISIT: usize = 1024;

/// A schema whose every word is understood.
#[derive(Debug)]
pub(super) struct Plain {
    root: Rule,
    definitions: BTreeMap<String, Rule>,
}

#[derive(Debug, Default)]
struct Rule {
    /// `false` for a schema.
    never: bool,
    types: Types,
    /// The name of a definition.
    reference: Option<String>,
    required: Vec<String>,
    properties: BTreeMap<String, Rule>,
    /// `patternProperties` with the one pattern `.*`.
    every_property: Option<Box<Rule>>,
    other_properties: Option<Box<Rule>>,
    items: Option<Box<Rule>>,
    any_of: Option<Vec<Rule>>,
    one_of: Option<Vec<Rule>>,
    min_length: usize,
    pattern: Option<Pattern>,
}

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// A set of [`TYPES`], one bit each; none stands for all.
#[derive(Debug, Default, Clone, Copy)]
struct Types(u8);

impl Types {
    fn named(name: &str) -> Option<Self> {
        TYPES.iter().position(|known| *known == name).map(|index| Self(1 << index))
    }

    fn has(self, value: &Value) -> bool {
        let of_value: u8 = match value {
            Value::Array(_) => 0b1,
            Value::Bool(_) => 0b10,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => 0b1_0100,
            Value::Number(_) => 0b1_0000,
            Value::Null => 0b1000,
            Value::Object(_) => 0b10_0000,
            Value::String(_) => 0b100_0000,
        };
        self.0 == 0 || self.0 & of_value != 0
    }
}

/// It takes too long to be sure of anything.
struct Unsure;

/// One look at values.
struct Look<'p> {
    definitions: &'p BTreeMap<String, Rule>,
    visits: usize,
}

impl Plain {
    /// `None` if anything in the schema is not plain.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let plain = read::schema(text)?;
        let leads_somewhere = |rule: &Rule| rule.leads_somewhere(&plain.definitions);
        let sound = leads_somewhere(&plain.root) && plain.definitions.values().all(leads_somewhere);
        sound.then_some(plain)
    }

    /// Whether values certainly fit.
    pub(super) fn accepts(&self, values: &Value) -> bool {
        let mut look = Look { definitions: &self.definitions, visits: 0 };
        look.fits(&self.root, values, 0).unwrap_or(false)
    }
}

impl Look<'_> {
    fn fits(&mut self, rule: &Rule, value: &Value, depth: usize) -> Result<bool, Unsure> {
        self.visits += 1 + match value {
            Value::Object(entries) => (entries.len() + rule.required.len()) / NAMES_PER_VISIT,
            Value::String(text) => text.len() / BYTES_PER_VISIT,
            _ => 0,
        };
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            return Err(Unsure);
        }
        if rule.never || !rule.types.has(value) {
            return Ok(false);
        }
        let fits = match value {
            Value::Object(entries) => self.fits_object(rule, entries, depth)?,
            Value::Array(items) => self.all_fit(items, rule.items.as_deref(), depth)?,
            Value::String(text) => {
                let matches = rule.pattern.as_ref().map_or(Some(true), |pattern| pattern.matches(text));
                matches.ok_or(Unsure)? && (rule.min_length == 0 || text.chars().count() >= rule.min_length)
            }
            _ => true,
        };
        let definition = rule.reference.as_ref().and_then(|name| self.definitions.get(name));
        Ok(fits
            && definition.map_or(Ok(true), |definition| self.fits(definition, value, depth + 1))?
            && self.count(rule.any_of.as_deref(), value, depth)?.is_none_or(|count| count > 0)
            && self.count(rule.one_of.as_deref(), value, depth)?.is_none_or(|count| count == 1))
    }

    fn fits_object(&mut self, rule: &Rule, entries: &Map<String, Value>, depth: usize) -> Result<bool, Unsure> {
        let every = rule.every_property.as_deref();
        for (name, value) in entries {
            let own = rule.properties.get(name);
            let other = if own.is_none() && every.is_none() { rule.other_properties.as_deref() } else { None };
            if !self.all_fit([value], own, depth)?
                || !self.all_fit([value], every, depth)?
                || !self.all_fit([value], other, depth)?
            {
                return Ok(false);
            }
        }
        Ok(rule.required.iter().all(|name| entries.contains_key(name)))
    }

    fn all_fit<'v>(
        &mut self,
        values: impl IntoIterator<Item = &'v Value>,
        rule: Option<&Rule>,
        depth: usize,
    ) -> Result<bool, Unsure> {
        let Some(rule) = rule else { return Ok(true) };
        for value in values {
            if !self.fits(rule, value, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many of the rules the value fits.
    fn count(&mut self, rules: Option<&[Rule]>, value: &Value, depth: usize) -> Result<Option<usize>, Unsure> {
        let Some(rules) = rules else { return Ok(None) };
        let mut count = 0;
        for rule in rules {
            count += usize::from(self.fits(rule, value, depth + 1)?);
        }
        Ok(Some(count))
    }
}

impl Rule {
    fn leads_somewhere(&self, definitions: &BTreeMap<String, Rule>) -> bool {
        let lists = [&self.any_of, &self.one_of].into_iter().flatten().flatten();
        let single =
            [&self.every_property, &self.other_properties, &self.items].into_iter().flatten().map(|rule| &**rule);
        self.reference.as_ref().is_none_or(|name| definitions.contains_key(name))
            && self.properties.values().chain(lists).chain(single).all(|rule| rule.leads_somewhere(definitions))
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom as _;
    use rand::{Rng as _, SeedableRng as _};
    use serde_json::json;

    use super::super::{Compiled, Documents};
    use super::*;

    fn parse(schema: &Value) -> Option<Plain> {
        Plain::parse(schema.to_string().as_bytes())
    }

    fn schema(random: &mut StdRng, depth: usize) -> Value {
        let simple = depth > 3 || random.random_bool(0.2);
        if simple {
            let plain =
                [json!(true), json!(false), json!({}), json!({"$ref": "#/$defs/a"}), json!({"$ref": "#/$defs/b"})];
            let wrong = [json!({"type": "text"}), json!({"const": 1}), json!({"required": ["a", "a"]}), json!(1)];
            return if random.random_bool(0.01) { wrong.choose(random) } else { plain.choose(random) }
                .cloned()
                .unwrap();
        }
        let mut out = Map::new();
        for _ in 0..random.random_range(1..4) {
            let (name, value) = match random.random_range(0..10) {
                0..3 => ("type", json!(TYPES.choose(random).unwrap())),
                3 => ("type", json!(TYPES[random.random_range(0..6)..])),
                4 => ("properties", json!({"a": schema(random, depth + 1), "b": schema(random, depth + 1)})),
                5 => ("additionalProperties", schema(random, depth + 1)),
                6 => ("items", schema(random, depth + 1)),
                7 => ("required", json!(["a"])),
                8 => (
                    *["anyOf", "oneOf"].choose(random).unwrap(),
                    json!([schema(random, depth + 1), schema(random, depth + 1)]),
                ),
                _ => [
                    ("minLength", json!(2)),
                    ("pattern", json!("^a[a-z]*$")),
                    ("patternProperties", json!({".*": schema(random, depth + 1)})),
                    ("description", json!("x")),
                ]
                .choose(random)
                .cloned()
                .unwrap(),
            };
            out.insert(name.to_owned(), value);
        }
        Value::Object(out)
    }

    fn value(random: &mut StdRng, depth: usize) -> Value {
        let simple =
            [json!(null), json!(true), json!(1), json!(1.5), json!(""), json!("ab"), json!("Ab"), json!({}), json!([])];
        match random.random_range(0..4) {
            0 if depth < 3 => json!([value(random, depth + 1), value(random, depth + 1)]),
            1 if depth < 3 => json!({"a": value(random, depth + 1), "c": value(random, depth + 1)}),
            2 if depth < 3 => json!({"b": value(random, depth + 1)}),
            _ => simple.choose(random).cloned().unwrap(),
        }
    }

    #[test]
    fn nothing_is_accepted_that_the_validator_refuses() {
        let mut random = StdRng::seed_from_u64(1);
        let (mut accepted, mut plain_schemas) = (0, 0);
        for _ in 0..600 {
            let definitions = json!({"a": schema(&mut random, 1), "b": schema(&mut random, 1)});
            let (own, other) = (schema(&mut random, 0), schema(&mut random, 0));
            let root = json!({"$defs": definitions, "properties": {"a": own}, "additionalProperties": other});
            let Some(plain) = parse(&root) else { continue };
            plain_schemas += 1;
            let compiled = Compiled::new(&root, &Documents::default())
                .unwrap_or_else(|error| panic!("{root} is no schema: {error}"));
            for _ in 0..4 {
                let value = json!({"a": value(&mut random, 0), "b": value(&mut random, 0)});
                if plain.accepts(&value) {
                    accepted += 1;
                    assert!(compiled.schemas.validate(&value, compiled.index).is_ok(), "{root}\n{value}");
                }
            }
        }
        assert!(plain_schemas > 300 && accepted > 150, "{plain_schemas} plain schemas, {accepted} values accepted");
    }

    #[test]
    fn what_is_not_understood_is_not_plain() {
        let not_plain = [
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            json!({"properties": {"a": {"const": 1}}}),
            json!({"$ref": "#/$defs/missing"}),
            json!({"$ref": "other.json"}),
            json!({"type": "text"}),
            json!({"pattern": "\\d"}),
            json!({"required": "a"}),
            json!({"required": ["a", "a"]}),
            json!({"type": null}),
            json!({"items": null}),
            json!({"anyOf": []}),
            json!({"minLength": 1.5}),
            json!({"title": 1}),
            json!({"patternProperties": {"a": true}}),
            json!({"properties": {"a": {"$defs": {}}}}),
            json!({"properties": {"a": {"$id": "x"}}}),
            json!([]),
        ];
        for schema in not_plain {
            assert!(parse(&schema).is_none(), "{schema}");
        }
        let not_json = ["", "{", "{}x", r#"{"default": 1e999}"#, r#"{"default": "\ud800"}"#, r#"{"title": "\x00"}"#];
        for schema in not_json {
            assert!(Plain::parse(schema.as_bytes()).is_none(), "{schema}");
        }
    }

    #[test]
    fn what_would_take_long_is_not_accepted() {
        let twice = |next: usize| json!({"anyOf": [{"type": "null"}, {"$ref": format!("#/$defs/{next}")}, {"$ref": format!("#/$defs/{next}")}]});
        let mut definitions: Map<String, Value> = (0..40).map(|index| (index.to_string(), twice(index + 1))).collect();
        definitions.insert("40".to_owned(), json!(true));
        let plain = parse(&json!({"$defs": definitions, "$ref": "#/$defs/0"})).unwrap();
        assert!(!plain.accepts(&json!({})));
        let circle = parse(&json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})).unwrap();
        assert!(!circle.accepts(&json!({})));
    }
}
