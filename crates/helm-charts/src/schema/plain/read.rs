//! Reads a schema's text straight into rules: to make JSON of it first takes longer than to parse all templates of a large
//! chart.
//! Accepts no text that is not JSON, and no schema with anything in it that is not known here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::pattern::Pattern;
use super::{Plain, Rule, Types};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// `None` if anything in it is not plain.
pub(super) fn schema(text: &[u8]) -> Option<Plain> {
    let root: Written = serde_json::from_slice(text).ok()?;
    if root.draft.is_some_and(|draft| draft != DRAFT) {
        return None;
    }
    // Nothing is looked up by it, as all references begin with `#`.
    if let Some(id) = root.id {
        let path = id.strip_prefix("https://")?;
        path.chars().all(|c| c.is_ascii_alphanumeric() || "-./".contains(c)).then_some(())?;
    }
    Some(Plain { root: root.rule, definitions: root.definitions.unwrap_or_default() })
}

/// A schema with what only the outermost one may have.
#[derive(Default)]
struct Written {
    draft: Option<String>,
    id: Option<String>,
    definitions: Option<BTreeMap<String, Rule>>,
    rule: Rule,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Keywords)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        match Written::deserialize(json)? {
            Written { draft: None, id: None, definitions: None, rule } => Ok(rule),
            _ => Err(not_plain()),
        }
    }
}

fn not_plain<E: Error>() -> E {
    E::custom("not plain")
}

struct Keywords;

impl<'de> Visitor<'de> for Keywords {
    type Value = Written;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a schema")
    }

    fn visit_bool<E>(self, always: bool) -> Result<Written, E> {
        Ok(Written { rule: Rule { never: !always, ..Rule::default() }, ..Written::default() })
    }

    // Of equal keywords the last one counts, as everywhere in JSON.
    fn visit_map<A: MapAccess<'de>>(self, mut json: A) -> Result<Written, A::Error> {
        let mut written = Written::default();
        let rule = &mut written.rule;
        while let Some(Name(keyword)) = json.next_key()? {
            match &*keyword {
                "$schema" => written.draft = Some(json.next_value()?),
                "$id" => written.id = Some(json.next_value()?),
                "$defs" => written.definitions = Some(json.next_value()?),
                "type" => rule.types = json.next_value()?,
                "$ref" => {
                    let Name(reference) = json.next_value()?;
                    rule.reference = Some(reference.strip_prefix("#/$defs/").ok_or_else(not_plain)?.to_owned());
                }
                "required" => rule.required = distinct(json.next_value()?).ok_or_else(not_plain)?,
                "properties" => rule.properties = json.next_value()?,
                "patternProperties" => {
                    let mut patterns: BTreeMap<String, Rule> = json.next_value()?;
                    let every = patterns.remove(".*").filter(|_| patterns.is_empty()).ok_or_else(not_plain)?;
                    rule.every_property = Some(Box::new(every));
                }
                "additionalProperties" => rule.other_properties = Some(json.next_value()?),
                "items" => rule.items = Some(json.next_value()?),
                "anyOf" => rule.any_of = Some(alternatives(json.next_value()?)?),
                "oneOf" => rule.one_of = Some(alternatives(json.next_value()?)?),
                "minLength" => rule.min_length = json.next_value()?,
                "pattern" => {
                    let Name(text) = json.next_value()?;
                    rule.pattern = Some(Pattern::parse(&text).ok_or_else(not_plain)?);
                }
                // These check nothing. `pro` is an annotation of a maker of charts.
                "title" | "description" | "contentEncoding" => drop(json.next_value::<Name<'_>>()?),
                "default" | "pro" => {
                    let Anything = json.next_value()?;
                }
                _ => return Err(not_plain()),
            }
        }
        Ok(written)
    }
}

fn alternatives<E: Error>(rules: Vec<Rule>) -> Result<Vec<Rule>, E> {
    if rules.is_empty() { Err(not_plain()) } else { Ok(rules) }
}

fn distinct(texts: Vec<String>) -> Option<Vec<String>> {
    let is_distinct = texts.iter().enumerate().all(|(index, text)| !texts[..index].contains(text));
    is_distinct.then_some(texts)
}

/// A text that need not be kept.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_str(OneName)
    }
}

struct OneName;

impl<'de> Visitor<'de> for OneName {
    type Value = Name<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(text.to_owned().into()))
    }
}

impl<'de> Deserialize<'de> for Types {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(OneOrMoreTypes)
    }
}

#[derive(Clone, Copy)]
struct OneOrMoreTypes;

impl<'de> Visitor<'de> for OneOrMoreTypes {
    type Value = Types;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("types")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Types, E> {
        Types::named(name).ok_or_else(not_plain)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut json: A) -> Result<Types, A::Error> {
        let mut all = Types::default();
        while let Some(Name(name)) = json.next_element()? {
            let Types(named) = self.visit_str(&name)?;
            if all.0 & named != 0 {
                return Err(not_plain());
            }
            all.0 |= named;
        }
        if all.0 == 0 { Err(not_plain()) } else { Ok(all) }
    }
}

/// Any JSON. Serde's own `IgnoredAny` looks neither at escapes nor at the size of numbers.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Anything {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut json: A) -> Result<Self, A::Error> {
        while json.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut json: A) -> Result<Self, A::Error> {
        while json.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
