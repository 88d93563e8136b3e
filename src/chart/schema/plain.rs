//! Schemas that say only what the schemas of most charts say, checked as they stand.
//!
//! To compile vCluster's schema takes ten times as long as all the rest of a render. So values are looked at here first, and
//! what certainly fits is not looked at again. A schema with any keyword that is not known here, or that is not as it
//! should be, is not [`Plain`]; and what is wrong with values is for the real validator to say.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

/// Rules on one path; more may be a circle of references.
const MAX_DEPTH: usize = 100;
/// Pairs of a rule and a value. vCluster's chart needs some thousands.
const MAX_VISITS: usize = 200_000;
/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 100;
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

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
    /// Empty for all.
    types: Vec<String>,
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
    pattern: Option<Regex>,
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
    pub(super) fn parse(json: &Value) -> Option<Self> {
        let mut root = json.as_object()?.clone();
        if root.remove("$schema").is_some_and(|draft| draft != DRAFT) {
            return None;
        }
        // Nothing is looked up by it, as all references begin with `#`.
        if let Some(id) = root.remove("$id") {
            let path = id.as_str()?.strip_prefix("https://")?.to_owned();
            path.chars().all(|c| c.is_ascii_alphanumeric() || "-./".contains(c)).then_some(())?;
        }
        let definitions = root.remove("$defs").map_or(Some(BTreeMap::new()), |json| rules(&json))?;
        let plain = Self { root: Rule::parse(&Value::Object(root))?, definitions };
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
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            return Err(Unsure);
        }
        if rule.never || !(rule.types.is_empty() || rule.types.iter().any(|name| is_of_type(value, name))) {
            return Ok(false);
        }
        let fits = match value {
            Value::Object(entries) => self.fits_object(rule, entries, depth)?,
            Value::Array(items) => self.all_fit(items, rule.items.as_deref(), depth)?,
            Value::String(text) => {
                text.chars().count() >= rule.min_length && rule.pattern.as_ref().is_none_or(|p| p.is_match(text))
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
    fn parse(json: &Value) -> Option<Self> {
        let mut rule = Self::default();
        let keywords = match json {
            Value::Bool(always) => return Some(Self { never: !always, ..rule }),
            Value::Object(keywords) => keywords,
            _ => return None,
        };
        let boxed = |json: &Value| Self::parse(json).map(Box::new);
        for (keyword, json) in keywords {
            match keyword.as_str() {
                "type" => rule.types = types(json)?,
                "$ref" => rule.reference = Some(json.as_str()?.strip_prefix("#/$defs/")?.to_owned()),
                "required" => rule.required = distinct_texts(json)?,
                "properties" => rule.properties = rules(json)?,
                "patternProperties" => {
                    let (pattern, every) = json.as_object().filter(|all| all.len() == 1)?.iter().next()?;
                    rule.every_property = Some(boxed(every).filter(|_| pattern == ".*")?);
                }
                "additionalProperties" => rule.other_properties = Some(boxed(json)?),
                "items" => rule.items = Some(boxed(json)?),
                "anyOf" => rule.any_of = Some(alternatives(json)?),
                "oneOf" => rule.one_of = Some(alternatives(json)?),
                "minLength" => rule.min_length = usize::try_from(json.as_u64()?).ok()?,
                "pattern" => rule.pattern = Some(pattern(json.as_str()?)?),
                // These check nothing. `pro` is vCluster's own.
                "title" | "description" | "contentEncoding" => drop(json.as_str()?),
                "default" | "pro" => {}
                _ => return None,
            }
        }
        Some(rule)
    }

    fn leads_somewhere(&self, definitions: &BTreeMap<String, Rule>) -> bool {
        let lists = [&self.any_of, &self.one_of].into_iter().flatten().flatten();
        let single =
            [&self.every_property, &self.other_properties, &self.items].into_iter().flatten().map(|rule| &**rule);
        self.reference.as_ref().is_none_or(|name| definitions.contains_key(name))
            && self.properties.values().chain(lists).chain(single).all(|rule| rule.leads_somewhere(definitions))
    }
}

fn rules(json: &Value) -> Option<BTreeMap<String, Rule>> {
    json.as_object()?.iter().map(|(name, json)| Some((name.clone(), Rule::parse(json)?))).collect()
}

fn alternatives(json: &Value) -> Option<Vec<Rule>> {
    json.as_array().filter(|rules| !rules.is_empty())?.iter().map(Rule::parse).collect()
}

fn types(json: &Value) -> Option<Vec<String>> {
    let types = match json {
        Value::String(name) => vec![name.clone()],
        _ => distinct_texts(json).filter(|names| !names.is_empty())?,
    };
    types.iter().all(|name| TYPES.contains(&name.as_str())).then_some(types)
}

fn distinct_texts(json: &Value) -> Option<Vec<String>> {
    let texts: Vec<String> =
        json.as_array()?.iter().map(|text| Some(text.as_str()?.to_owned())).collect::<Option<_>>()?;
    let is_distinct = texts.iter().enumerate().all(|(index, text)| !texts[..index].contains(text));
    is_distinct.then_some(texts)
}

/// Of patterns only what means the same in JavaScript and in Rust beyond doubt.
fn pattern(text: &str) -> Option<Regex> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "^$[]()?*+-".contains(c);
    let plain = text.len() <= MAX_PATTERN && text.chars().all(is_plain) && !text.contains("(?");
    plain.then(|| Regex::new(text).ok()).flatten()
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match (value, name) {
        (Value::Null, "null") | (Value::Bool(_), "boolean") | (Value::Number(_), "number") => true,
        (Value::Number(number), "integer") => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        (Value::String(_), "string") | (Value::Array(_), "array") | (Value::Object(_), "object") => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom as _;
    use rand::{Rng as _, SeedableRng as _};
    use serde_json::json;

    use super::super::Compiled;
    use super::*;

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
            let Some(plain) = Plain::parse(&root) else { continue };
            plain_schemas += 1;
            let compiled = Compiled::new(&root).unwrap_or_else(|error| panic!("{root} is no schema: {error}"));
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
            json!({"properties": {"a": {"$id": "x"}}}),
            json!([]),
        ];
        for schema in not_plain {
            assert!(Plain::parse(&schema).is_none(), "{schema}");
        }
    }

    #[test]
    fn what_would_take_long_is_not_accepted() {
        let twice = |next: usize| json!({"anyOf": [{"type": "null"}, {"$ref": format!("#/$defs/{next}")}, {"$ref": format!("#/$defs/{next}")}]});
        let mut definitions: Map<String, Value> = (0..40).map(|index| (index.to_string(), twice(index + 1))).collect();
        definitions.insert("40".to_owned(), json!(true));
        let plain = Plain::parse(&json!({"$defs": definitions, "$ref": "#/$defs/0"})).unwrap();
        assert!(!plain.accepts(&json!({})));
        let circle = Plain::parse(&json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})).unwrap();
        assert!(!circle.accepts(&json!({})));
    }
}
