//! TOML as Helm writes and reads it, which is as `github.com/BurntSushi/toml` does. Its errors are results, not failures.

use toml_edit::{DocumentMut, Item, Offset, Value as Toml};

use super::super::limits::{Fault, check_nesting};
use super::super::number;
use super::super::value::{Element, List, Map, Value};
use super::date::Time;
use super::{Context, Row, text};

pub(super) const TABLE: &[Row] = &[("toToml", "a", to_toml), ("fromToml", "s", from_toml)];

fn to_toml(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    if args[0].is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    let mut writer = Writer { context, out: Vec::new() };
    match writer.entry(&mut Vec::new(), &args[0]) {
        Ok(()) => {
            context.budget.text(writer.out.len())?;
            Ok(Value::from_bytes(writer.out))
        }
        Err(Failure::Toml(message)) => Ok(message.into()),
        Err(Failure::Limit(fault)) => Err(fault),
    }
}

/// Why a value could not be written.
enum Failure {
    /// TOML cannot hold it; the text becomes the function's result.
    Toml(&'static str),
    Limit(Fault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::Limit(fault)
    }
}

struct Writer<'a> {
    context: &'a Context,
    out: Vec<u8>,
}

/// What a value is in TOML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Nothing,
    Scalar,
    Table,
    ArrayOfTables,
}

impl Writer<'_> {
    /// A list is an array of tables if all its elements are tables.
    fn shape(&self, value: &Value, depth: usize) -> Result<Shape, Failure> {
        check_nesting(depth, self.out.len())?;
        self.context.budget.step()?;
        Ok(match value {
            Value::Nil => Shape::Nothing,
            Value::Map(_) | Value::Files(_) => Shape::Table,
            Value::Struct(value) if value.json_text().is_none() => Shape::Table,
            Value::List(list) if list.is_nil => Shape::Nothing,
            Value::List(list) => {
                let mut all = !list.items.is_empty();
                for item in &*list.items {
                    match self.shape(item, depth + 1)? {
                        Shape::Nothing => return Err(Failure::Toml("toml: cannot encode array with nil element")),
                        shape => all &= shape == Shape::Table,
                    }
                }
                if all { Shape::ArrayOfTables } else { Shape::Scalar }
            }
            _ => Shape::Scalar,
        })
    }

    /// A value under its key; without one it is the document.
    fn entry(&mut self, key: &mut Vec<String>, value: &Value) -> Result<(), Failure> {
        match self.shape(value, key.len())? {
            Shape::Nothing => Ok(()),
            Shape::Table => {
                if key.len() == 1 {
                    self.new_line();
                }
                if !key.is_empty() {
                    self.head(key, ("[", "]"));
                }
                self.table(key, value)
            }
            Shape::ArrayOfTables if key.is_empty() => {
                Err(Failure::Toml("toml: top-level values must be Go maps or structs"))
            }
            Shape::ArrayOfTables => {
                let Value::List(list) = value else { return Ok(()) };
                for item in &*list.items {
                    self.new_line();
                    self.head(key, ("[[", "]]"));
                    self.table(key, item)?;
                }
                Ok(())
            }
            Shape::Scalar => {
                if let Some(last) = key.last() {
                    self.indent(key.len());
                    self.out.extend_from_slice(quoted_key(last).as_bytes());
                    self.out.extend_from_slice(b" = ");
                }
                self.element(value, key.len())?;
                if !key.is_empty() {
                    self.new_line();
                }
                Ok(())
            }
        }
    }

    fn head(&mut self, key: &[String], (open, close): (&str, &str)) {
        self.indent(key.len());
        let path = key.iter().map(|part| quoted_key(part)).collect::<Vec<_>>().join(".");
        self.out.extend_from_slice(format!("{open}{path}{close}\n").as_bytes());
    }

    /// The entries that are values come before those that are tables.
    fn table(&mut self, key: &mut Vec<String>, value: &Value) -> Result<(), Failure> {
        let (direct, tables) = self.entries(value, key.len())?;
        for (name, item) in direct.into_iter().chain(tables) {
            key.push(name);
            self.entry(key, &item)?;
            key.pop();
        }
        Ok(())
    }

    #[expect(clippy::type_complexity, reason = "two lists of entries")]
    fn entries(&self, value: &Value, depth: usize) -> Result<(Vec<(String, Value)>, Vec<(String, Value)>), Failure> {
        let entries: Vec<(String, Value)> = match value {
            Value::Map(map) => map.entries().iter().map(|(key, item)| (key.to_string(), item.clone())).collect(),
            Value::Files(files) => files.named_bytes(&self.context.budget)?.collect(),
            Value::Struct(value) => {
                value.fields.iter().map(|field| (field.name.to_owned(), field.value.clone())).collect()
            }
            _ => Vec::new(),
        };
        let (mut direct, mut tables) = (Vec::new(), Vec::new());
        for (name, item) in entries {
            match self.shape(&item, depth + 1)? {
                Shape::Table | Shape::ArrayOfTables => tables.push((name, item)),
                Shape::Scalar | Shape::Nothing => direct.push((name, item)),
            }
        }
        Ok((direct, tables))
    }

    /// A value after `=` or within an array.
    fn element(&mut self, value: &Value, depth: usize) -> Result<(), Failure> {
        check_nesting(depth, self.out.len())?;
        match value {
            Value::Nil => {}
            Value::Bool(value) => self.push(value),
            Value::Int(value) | Value::Int64(value) => self.push(value),
            Value::Uint8(value) => self.push(value),
            Value::Uint64(value) => self.push(value),
            Value::Float(value) => self.push(float(*value)),
            Value::Complex(..) => return Err(Failure::Toml("unsupported type: complex128")),
            Value::Str(text) => self.string(text.as_bytes()),
            Value::Raw(bytes) => self.string(bytes),
            Value::Time(time) => self.push(time.rfc3339()),
            Value::List(list) => {
                self.out.push(b'[');
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        self.out.extend_from_slice(b", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(b']');
            }
            Value::Struct(inner) if inner.json_text().is_some() => {
                self.element(inner.json_text().unwrap_or(&Value::Nil), depth + 1)?;
            }
            Value::Map(_) | Value::Struct(_) | Value::Files(_) => self.inline_table(value, depth)?,
        }
        Ok(())
    }

    /// Entries of nothing are left out, but Go's commas count them.
    fn inline_table(&mut self, value: &Value, depth: usize) -> Result<(), Failure> {
        let (direct, tables) = self.entries(value, depth)?;
        let count = direct.len() + tables.len();
        self.out.push(b'{');
        for (index, (name, item)) in direct.into_iter().chain(tables).enumerate() {
            if matches!(self.shape(&item, depth + 1)?, Shape::Nothing) {
                continue;
            }
            self.out.extend_from_slice(format!("{} = ", quoted_key(&name)).as_bytes());
            self.element(&item, depth + 1)?;
            if index + 1 < count {
                self.out.extend_from_slice(b", ");
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn push(&mut self, value: impl ToString) {
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        self.out.extend(escape(text));
        self.out.push(b'"');
    }

    fn indent(&mut self, depth: usize) {
        self.out.extend(std::iter::repeat_n(b' ', 2 * depth.saturating_sub(1)));
    }

    /// Nothing comes before the first line.
    fn new_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }
}

fn float(value: f64) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    match value {
        value if value.is_nan() => format!("{sign}nan"),
        value if value.is_infinite() => format!("{sign}inf"),
        value => {
            let text = number::format_g(value);
            if text.contains(['e', '.']) { text } else { format!("{text}.0") }
        }
    }
}

fn quoted_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) {
        return key.to_owned();
    }
    // What is escaped is ASCII.
    format!("\"{}\"", String::from_utf8_lossy(&escape(key.as_bytes())))
}

fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f | 0x7f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out
}

/// A map; for text that is no TOML it has the key `Error`. The error's words are not Helm's.
fn from_toml(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let document = text(&args[0])?;
    // What reads TOML keeps much beside each value.
    context.budget.steps(document.len().saturating_mul(4))?;
    let entries = match document.parse::<DocumentMut>() {
        Ok(document) => table(context, document.as_table())?,
        Err(error) => {
            let line = error.span().map_or(1, |span| 1 + document[..span.start].matches('\n').count());
            let reason = error.message().trim_end().to_owned();
            [("Error".into(), Value::from(format!("toml: line {line}: {reason}")))].into_iter().collect()
        }
    };
    Ok(context.map(Map::new(entries)))
}

type Entries = std::collections::BTreeMap<std::sync::Arc<str>, Value>;

fn table<'a>(context: &Context, entries: impl IntoIterator<Item = (&'a str, &'a Item)>) -> Result<Entries, Fault> {
    let read = |(key, item): (&str, &Item)| {
        let value = match item {
            Item::None => Value::Nil,
            Item::Value(value) => scalar(context, value)?,
            Item::Table(inner) => context.map(Map::new(table(context, inner)?)),
            Item::ArrayOfTables(tables) => {
                let items = tables.iter().map(|inner| table(context, inner).map(|map| context.map(Map::new(map))));
                Value::List(List::typed(Element::Map, items.collect::<Result<_, _>>()?))
            }
        };
        Ok((key.into(), value))
    };
    entries.into_iter().map(read).collect()
}

fn scalar(context: &Context, value: &Toml) -> Result<Value, Fault> {
    context.budget.step()?;
    Ok(match value {
        Toml::String(text) => text.value().as_str().into(),
        Toml::Integer(number) => Value::Int64(*number.value()),
        Toml::Float(number) => Value::Float(*number.value()),
        Toml::Boolean(value) => (*value.value()).into(),
        Toml::Datetime(time) => date_time(time.value())?,
        Toml::Array(items) => items.iter().map(|item| scalar(context, item)).collect::<Result<Vec<_>, _>>()?.into(),
        Toml::InlineTable(inner) => {
            let entries = inner.iter().map(|(key, value)| Ok((key.into(), scalar(context, value)?)));
            context.map(Map::new(entries.collect::<Result<_, Fault>>()?))
        }
    })
}

/// Dates and times without an offset are in the machine's zone for Go, and in UTC here.
fn date_time(time: &toml_edit::Datetime) -> Result<Value, Fault> {
    let date = time.date.map_or((0, 1, 1), |date| (date.year, date.month, date.day));
    let clock = time.time.map_or((0, 0, 0, 0), |clock| {
        (clock.hour, clock.minute, clock.second.unwrap_or(0), clock.nanosecond.unwrap_or(0))
    });
    let minutes = match time.offset {
        Some(Offset::Custom { minutes }) => minutes,
        Some(Offset::Z) | None => 0,
    };
    let name = match (time.offset, time.date, time.time) {
        (Some(Offset::Z), ..) => "UTC",
        (Some(_), ..) => "",
        (None, Some(_), Some(_)) => "datetime-local",
        (None, Some(_), None) => "date-local",
        (None, ..) => "time-local",
    };
    Time::at(date, clock, minutes, name).map(Value::Time).ok_or_else(|| "the time is out of range".into())
}
