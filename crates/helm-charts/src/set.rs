//! The lines of `--set` and its kin, as Helm 3.22 reads them (its package `strvals`), with its messages and its oddities:
//! `a.b[0]=1,c={x,y}` written into values that are there. What a value becomes depends on the flag ([`Reading`]). Opens no
//! file itself.

use serde_json::{Map, Value};

use super::limits;
use super::template::quote::quote;
use super::values::as_floats;

/// Helm's limit of an index in a list.
const MAX_INDEX: usize = 65536;
/// Helm's limit of the dots in a name.
const MAX_NESTED_NAMES: usize = 30;

/// Reads the file of a `--set-file`; the error is what Helm would say.
pub(super) type ReadFile<'r> = &'r mut dyn FnMut(&str) -> Result<String, String>;

/// What the text after `=` means.
pub(super) enum Reading<'r> {
    /// `--set`: `true`, `false`, `null`, whole numbers, or text.
    Typed,
    /// `--set-string`: text.
    Text,
    /// `--set-file`: the path of a file, whose content is the value.
    File(ReadFile<'r>),
    /// `--set-json`: one JSON value.
    Json,
    /// `--set-literal`: all the rest of the line, with no character special.
    Literal,
}

/// Why reading a line ends.
enum Stop {
    /// It is used up. Go's `io.EOF`, which is no failure however deep it happens.
    End,
    Failed(String),
}

type Outcome = Result<(), Stop>;

fn failed<T>(message: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(message.into()))
}

/// Writes what `line` says into `values`. In them whole numbers are Go's `int64`, others `float64`.
///
/// # Errors
///
/// Helm's message. `values` are of no use then.
pub(super) fn set(values: &mut Map<String, Value>, line: &str, reading: Reading<'_>) -> Result<(), String> {
    let mut line = Line { rest: line, reading, brackets: 0 };
    loop {
        line.brackets = 0;
        match line.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Failed(message)) => return Err(message),
        }
    }
}

struct Line<'l, 'r> {
    rest: &'l str,
    reading: Reading<'r>,
    /// Indexes seen in this name. Helm has no limit for lists within lists.
    brackets: usize,
}

/// What stands where a value is expected.
enum Found {
    Nothing,
    List(Vec<Value>),
    Single,
}

impl Line<'_, '_> {
    /// One name with all that belongs to it.
    fn key(&mut self, values: &mut Map<String, Value>, depth: usize) -> Outcome {
        let stops: &[char] = if self.is_literal() { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (name, stop) = self.until(stops);
        match stop {
            None if name.is_empty() => Err(Stop::End),
            None => failed(format!("key {} has no value", quote(&name))),
            Some('[') => {
                let index = self.index()?;
                match values.get_mut(&name) {
                    Some(Value::Array(list)) => self.item(list, index, depth),
                    Some(other) => failed(format!("unable to parse key: {}", not_a(other, "[]interface {}"))),
                    None => {
                        let mut list = Vec::new();
                        let outcome = self.item(&mut list, index, depth);
                        insert(values, name, Value::Array(list));
                        outcome
                    }
                }
            }
            Some('.') if depth == MAX_NESTED_NAMES => failed(format!(
                "value name nested level is greater than maximum supported nested level of {MAX_NESTED_NAMES}"
            )),
            Some('.') => match values.get_mut(&name) {
                Some(Value::Object(inner)) => self.inner(inner, &name, depth),
                Some(other) => failed(format!("unable to parse key: {}", not_a(other, "map[string]interface {}"))),
                None => {
                    let mut inner = Map::new();
                    let outcome = self.inner(&mut inner, &name, depth);
                    if !inner.is_empty() {
                        insert(values, name, Value::Object(inner));
                    }
                    outcome
                }
            },
            Some('=') => {
                let (value, outcome) = self.value()?;
                insert(values, name, value);
                outcome
            }
            Some(_) => failed(format!("key {} has no value (cannot end with ,)", quote(&name))),
        }
    }

    fn inner(&mut self, inner: &mut Map<String, Value>, name: &str, depth: usize) -> Outcome {
        self.key(inner, depth + 1)?;
        match inner.is_empty() {
            true => failed(format!("key map {} has no value", quote(name))),
            false => Ok(()),
        }
    }

    /// What follows the `]` of an index. A line that ends within a new entry leaves no trace of it, as in Helm.
    fn item(&mut self, list: &mut Vec<Value>, index: i64, depth: usize) -> Outcome {
        let Ok(index) = usize::try_from(index) else {
            return failed(format!("negative {index} index not allowed"));
        };
        self.brackets += 1;
        if self.brackets > limits::MAX_NESTING {
            return failed(format!("the lists nest more than {} levels deep", limits::MAX_NESTING));
        }
        let (between, stop) = self.until(&['[', '.', '=']);
        if !between.is_empty() {
            let chars: Vec<String> = between.chars().map(quote_char).collect();
            return failed(format!("unexpected data at end of array index: [{}]", chars.join(" ")));
        }
        match stop {
            None => Err(Stop::End),
            Some('=') => {
                let (value, _) = self.value()?;
                set_index(list, index, value)
            }
            Some('[') => {
                let next = self.index()?;
                match list.get_mut(index) {
                    Some(Value::Array(inner)) => self.item(inner, next, depth),
                    None | Some(Value::Null) => {
                        let mut inner = Vec::new();
                        self.item(&mut inner, next, depth)?;
                        set_index(list, index, Value::Array(inner))
                    }
                    Some(other) => failed(format!("unable to parse key: {}", not_a(other, "[]interface {}"))),
                }
            }
            Some(_) => {
                if let Some(other) = list.get_mut(index).filter(|entry| !entry.is_object()) {
                    *other = Value::Object(Map::new());
                }
                if let Some(Value::Object(inner)) = list.get_mut(index) {
                    return self.key(inner, depth);
                }
                let mut inner = Map::new();
                self.key(&mut inner, depth)?;
                set_index(list, index, Value::Object(inner))
            }
        }
    }

    /// What follows a `=`, and whether the line ends with it.
    fn value(&mut self) -> Result<(Value, Outcome), Stop> {
        match self.reading {
            Reading::Literal => {
                let text = std::mem::take(&mut self.rest);
                return Ok((text.into(), Ok(())));
            }
            Reading::Json => return Ok((self.json()?, Ok(()))),
            _ => {}
        }
        match self.found()? {
            Found::Nothing => Ok(("".into(), Err(Stop::End))),
            Found::List(items) => Ok((Value::Array(items), Ok(()))),
            Found::Single => {
                let (text, _) = self.until(&[',']);
                Ok((self.read(text)?, Ok(())))
            }
        }
    }

    fn found(&mut self) -> Result<Found, Stop> {
        if self.rest.is_empty() {
            return Ok(Found::Nothing);
        }
        let Some(rest) = self.rest.strip_prefix('{') else { return Ok(Found::Single) };
        self.rest = rest;
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            if stop.is_none() {
                return failed("list must terminate with '}'");
            }
            items.push(self.read(text)?);
            if stop == Some('}') {
                self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
                return Ok(Found::List(items));
            }
        }
    }

    fn read(&mut self, text: String) -> Result<Value, Stop> {
        match &mut self.reading {
            Reading::Typed => Ok(typed(text)),
            Reading::File(read) => read(&text).map(Value::String).map_err(Stop::Failed),
            Reading::Text | Reading::Json | Reading::Literal => Ok(text.into()),
        }
    }

    /// One JSON value; what follows it on the line is left. Nothing at all is null.
    fn json(&mut self) -> Result<Value, Stop> {
        if self.is_empty_json() {
            return Ok(Value::Null);
        }
        let mut deserializer = serde_json::Deserializer::from_str(self.rest);
        let raw = <&serde_json::value::RawValue as serde::Deserialize>::deserialize(&mut deserializer);
        let raw = raw.map_err(|error| Stop::Failed(error.to_string()))?.get();
        let value = serde_json::from_str(raw).map_err(|error| Stop::Failed(error.to_string()))?;
        self.rest = self.rest.get(raw.len()..).unwrap_or_default();
        self.is_empty_json();
        Ok(as_floats(value))
    }

    /// Skips white space and one comma, and says whether that was all.
    fn is_empty_json(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(',');
        let is_empty = self.rest.is_empty() || rest.is_some();
        self.rest = rest.unwrap_or(self.rest);
        is_empty
    }

    fn index(&mut self) -> Result<i64, Stop> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return failed("error parsing index: EOF");
        }
        let wrong = |why: &str| format!("error parsing index: strconv.Atoi: parsing {}: {why}", quote(&text));
        text.parse().map_err(|error: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            Stop::Failed(match error.kind() {
                PosOverflow | NegOverflow => wrong("value out of range"),
                _ => wrong("invalid syntax"),
            })
        })
    }

    /// The text up to one of `stops`, which is taken off as well; none at the line's end. A backslash takes the meaning of
    /// what follows it.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        let stop = loop {
            match chars.next() {
                None => break None,
                Some(c) if stops.contains(&c) => break Some(c),
                Some('\\') if !self.is_literal() => match chars.next() {
                    None => break None,
                    Some(escaped) => text.push(escaped),
                },
                Some(c) => text.push(c),
            }
        };
        self.rest = chars.as_str();
        (text, stop)
    }

    fn is_literal(&self) -> bool {
        matches!(self.reading, Reading::Literal)
    }
}

/// Helm does not write under an empty name.
fn insert(values: &mut Map<String, Value>, name: String, value: Value) {
    if !name.is_empty() {
        values.insert(name, value);
    }
}

fn set_index(list: &mut Vec<Value>, index: usize, value: Value) -> Outcome {
    if index > MAX_INDEX {
        return failed(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}"));
    }
    if list.len() <= index {
        list.resize(index + 1, Value::Null);
    }
    list[index] = value;
    Ok(())
}

fn typed(text: String) -> Value {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("false") {
        return is("true").into();
    }
    if is("null") {
        return Value::Null;
    }
    // Telephone numbers and the like keep their leading zeros.
    let number = (text == "0" || !text.starts_with('0')).then(|| text.parse::<i64>().ok()).flatten();
    number.map_or(Value::String(text), Value::from)
}

/// Go's panic when a value is not what it is taken for.
fn not_a(value: &Value, wanted: &str) -> String {
    let is = match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("interface conversion: interface {{}} is {is}, not {wanted}")
}

/// Go's `%q` of a rune.
fn quote_char(c: char) -> String {
    match c {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        c => {
            let quoted = quote(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(line: &str, reading: Reading<'_>, expected: Result<Value, &str>) {
        let Value::Object(mut values) = json!({"map": {"a": 1.0}, "list": [1.0, {"a": 1.0}]}) else { return };
        let given = values.clone();
        let result = set(&mut values, line, reading);
        // Only what the line has changed is expected.
        values.retain(|key, value| given.get(key) != Some(value));
        assert_eq!(result.map(|()| Value::Object(values)), expected.map_err(str::to_owned), "{line}");
    }

    // All of it is compared with Helm in `tests/command_render.rs`.

    #[test]
    fn lines_are_written_into_the_values() {
        let cases = [
            (
                "a=1,b=007,c=true,d=null,e=1.5,f=",
                json!({"a": 1, "b": "007", "c": true, "d": null, "e": "1.5", "f": ""}),
            ),
            ("map.b=x,list[1].b={1,y}", json!({"map": {"a": 1.0, "b": "x"}, "list": [1.0, {"a": 1.0, "b": [1, "y"]}]})),
            (r"a\.b=1\,2", json!({"a.b": "1,2"})),
            ("a[2]=x,b[0][1]=y", json!({"a": [null, null, "x"], "b": [[null, "y"]]})),
            ("a[0].b=", json!({"a": []})),
        ];
        for (line, expected) in cases {
            check(line, Reading::Typed, Ok(expected));
        }
        check("a=1,b={x,2}", Reading::Text, Ok(json!({"a": "1", "b": ["x", "2"]})));
        check("a={\"b\":1},c.d=[1,\"x\"]", Reading::Json, Ok(json!({"a": {"b": 1.0}, "c": {"d": [1.0, "x"]}})));
        check("a={1,b=2", Reading::Literal, Ok(json!({"a": "{1,b=2"})));
        let mut read = |path: &str| Ok(format!("in {path}"));
        check("a=x,b={y}", Reading::File(&mut read), Ok(json!({"a": "in x", "b": ["in y"]})));
    }

    #[test]
    fn what_is_wrong_is_said_in_helms_words() {
        let cases = [
            ("a", "key \"a\" has no value"),
            ("a,b=1", "key \"a\" has no value (cannot end with ,)"),
            ("a[-1]=1", "negative -1 index not allowed"),
            ("a[65537]=1", "index of 65537 is greater than maximum supported index of 65536"),
            ("a={1", "list must terminate with '}'"),
            (
                "map.a.b=1",
                "unable to parse key: interface conversion: interface {} is float64, not map[string]interface {}",
            ),
        ];
        for (line, expected) in cases {
            check(line, Reading::Typed, Err(expected));
        }
        check(&format!("a{}=1", "[0]".repeat(1000)), Reading::Typed, Err("the lists nest more than 500 levels deep"));
    }
}
