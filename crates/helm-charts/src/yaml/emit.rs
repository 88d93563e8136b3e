//! Writes values as go-yaml does: block style, keys in natural order. One document, no comments, no anchors.
//! Version 2, after a detour through JSON, has indentless sequences and folds after column 80; version 3 has neither.

mod analysis;
mod order;
mod reread;

use std::sync::Arc;

use analysis::{Analysis, analyze, is_break, is_printable};
use order::natural_order;

use crate::json::replace_invalid;
use crate::limits::{Budget, Fault, check_nesting};
use crate::number;
use crate::value::{Element, List, Struct, Value};
use crate::yaml::resolve::{Scalar, is_base_60, resolve};

const BEST_WIDTH: usize = 80;
const BEST_INDENT: usize = 2;
/// Longer keys are written after a `?`.
const MAX_SIMPLE_KEY: usize = 128;
/// What a value counts beside its text.
const VALUE_SIZE: usize = 32;

/// Which go-yaml writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `sigs.k8s.io/yaml`: JSON, then go-yaml v2.
    V2,
    /// go-yaml v3, from Go values.
    V3,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// Why there is no text.
enum Stop {
    /// JSON cannot express the value.
    Inexpressible,
    Fault(Fault),
}

impl From<reread::Unreadable> for Stop {
    fn from(_: reread::Unreadable) -> Self {
        Stop::Inexpressible
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

/// The YAML of a value, ending in a newline; `None` for what JSON cannot express (infinity) where it goes through JSON.
pub(super) fn emit(value: &Value, dialect: Dialect) -> Result<Option<String>, Fault> {
    let mut emitter =
        Emitter { dialect, out: String::new(), size: 0, column: 0, whitespace: true, indention: true, indent: None };
    match emitter.value(value, Context::Root, 0) {
        Ok(()) => {}
        Err(Stop::Inexpressible) => return Ok(None),
        Err(Stop::Fault(fault)) => return Err(fault),
    }
    emitter.write_indent();
    Ok(Some(emitter.out))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Sequence,
    Mapping,
    SimpleKey,
}

struct Emitter {
    dialect: Dialect,
    out: String,
    /// What the values seen so far count: shared maps can unfold into far more than they hold.
    size: usize,
    column: usize,
    /// The last character was white space (or nothing has been written).
    whitespace: bool,
    /// Only indentation and indicators have been written on this line.
    indention: bool,
    indent: Option<usize>,
}

impl Emitter {
    fn value(&mut self, value: &Value, context: Context, depth: usize) -> Result<(), Stop> {
        self.size += VALUE_SIZE;
        check_nesting(depth, self.size.max(self.out.len()))?;
        let through_json = self.dialect == Dialect::V2;
        match value {
            Value::Nil => self.plain_scalar("null", context),
            Value::Bool(value) => self.plain_scalar(if *value { "true" } else { "false" }, context),
            Value::Int(value) | Value::Int64(value) => self.plain_scalar(&value.to_string(), context),
            Value::Uint8(value) => self.plain_scalar(&value.to_string(), context),
            Value::Uint64(value) => self.plain_scalar(&value.to_string(), context),
            Value::Float(value) if through_json && !value.is_finite() => return Err(Stop::Inexpressible),
            Value::Float(value) if through_json => self.plain_scalar(&float(*value), context),
            Value::Float(value) => self.plain_scalar(&direct_float(*value), context),
            Value::Complex(..) if through_json => return Err(Stop::Inexpressible),
            Value::Complex(..) => return Err(Stop::Fault("cannot marshal type: complex128".into())),
            Value::Str(text) if through_json => self.string(&reread::text(text)?, context),
            Value::Str(text) => self.string(text, context),
            Value::Raw(bytes) if through_json => self.string(&reread::text(&replace_invalid(bytes))?, context),
            Value::Raw(bytes) => {
                let text = base64(bytes);
                self.indicator("!!binary", true, false, false);
                self.scalar(&text, string_style(&text), context);
            }
            Value::List(list) => return self.list(list, context, depth),
            Value::Map(map) => {
                let entries = map.entries();
                return self.sorted(entries.iter().map(|(key, item)| (&**key, item)).collect(), depth);
            }
            Value::Struct(value) => return self.structure(value, context, depth),
            Value::Files(files) if !through_json => {
                let entries = files.named_bytes(&Budget::default())?.collect::<Vec<_>>();
                return self.sorted(entries.iter().map(|(name, value)| (name.as_str(), value)).collect(), depth);
            }
            Value::Files(files) => {
                let entries: Vec<(&str, Value)> =
                    files.iter().map(|(name, data)| (name, Value::Str(Arc::from(base64(data))))).collect();
                return self.sorted(entries.iter().map(|(name, value)| (*name, value)).collect(), depth);
            }
            Value::Time(time) if through_json => self.string(&time.rfc3339(), context),
            Value::Time(time) => self.plain_scalar(&time.rfc3339(), context),
        }
        Ok(())
    }

    fn list(&mut self, list: &List, context: Context, depth: usize) -> Result<(), Stop> {
        let through_json = self.dialect == Dialect::V2;
        if through_json && list.is_nil {
            self.plain_scalar("null", context);
            return Ok(());
        }
        if through_json && list.element == Element::Byte {
            let bytes = list.items.iter().map(|item| if let Value::Uint8(byte) = item { *byte } else { 0 });
            self.string(&base64(&bytes.collect::<Vec<u8>>()), context);
            return Ok(());
        }
        if list.items.is_empty() {
            self.indicator("[]", true, false, false);
            return Ok(());
        }
        let outer = self.indent;
        self.increase_indent(through_json && context == Context::Mapping && !self.indention);
        for item in &*list.items {
            self.write_indent();
            self.indicator("-", true, false, true);
            self.value(item, Context::Sequence, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn structure(&mut self, value: &Struct, context: Context, depth: usize) -> Result<(), Stop> {
        match value.json_text() {
            Some(text) => self.value(text, context, depth),
            // Without tags of its own, go-yaml v3 takes the fields' names.
            None if self.dialect == Dialect::V3 => {
                let fields: Vec<_> =
                    value.fields.iter().map(|field| (field.name.to_lowercase(), &field.value)).collect();
                self.mapping(fields.iter().map(|(name, value)| (name.as_str(), *value)), depth)
            }
            None => self.sorted(value.json_fields().map(|field| (field.json, &field.value)).collect(), depth),
        }
    }

    /// A mapping in go-yaml's order.
    fn sorted(&mut self, mut entries: Vec<(&str, &Value)>, depth: usize) -> Result<(), Stop> {
        entries.sort_by(|(a, _), (b, _)| natural_order(a, b, self.dialect));
        self.mapping(entries.into_iter(), depth)
    }

    /// A mapping in the order given.
    fn mapping<'a>(
        &mut self,
        entries: impl ExactSizeIterator<Item = (&'a str, &'a Value)>,
        depth: usize,
    ) -> Result<(), Stop> {
        if entries.len() == 0 {
            self.indicator("{}", true, false, false);
            return Ok(());
        }
        let outer = self.indent;
        self.increase_indent(false);
        for (key, item) in entries {
            if self.dialect == Dialect::V2 {
                reread::check_key(key)?;
            }
            self.size += key.len();
            self.key(key);
            self.value(item, Context::Mapping, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn key(&mut self, key: &str) {
        let (style, analysis) = (string_style(key), analyze(key, self.dialect));
        self.write_indent();
        if key.len() <= MAX_SIMPLE_KEY && !analysis.multiline {
            self.analyzed(key, style, Context::SimpleKey, &analysis);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.analyzed(key, style, Context::Mapping, &analysis);
            self.write_indent();
            self.indicator(":", true, false, true);
        }
    }

    fn plain_scalar(&mut self, text: &str, context: Context) {
        self.scalar(text, Style::Plain, context);
    }

    fn string(&mut self, text: &str, context: Context) {
        self.size += text.len();
        self.scalar(text, string_style(text), context);
    }

    fn scalar(&mut self, text: &str, style: Style, context: Context) {
        self.analyzed(text, style, context, &analyze(text, self.dialect));
    }

    fn increase_indent(&mut self, indentless: bool) {
        self.indent = match self.indent {
            None => Some(0),
            Some(indent) if indentless => Some(indent),
            Some(indent) => Some(indent + BEST_INDENT),
        };
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, needs_space: bool, is_whitespace: bool, is_indention: bool) {
        if needs_space && !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = is_whitespace;
        self.indention &= is_indention;
    }

    fn analyzed(&mut self, text: &str, style: Style, context: Context, analysis: &Analysis) {
        let simple_key = context == Context::SimpleKey;
        let may_fold = !simple_key && self.dialect == Dialect::V2;
        let mut style = style;
        if simple_key && analysis.multiline {
            style = Style::DoubleQuoted;
        }
        if style == Style::Plain && (!analysis.plain_allowed || (text.is_empty() && simple_key)) {
            style = Style::SingleQuoted;
        }
        if style == Style::SingleQuoted && !analysis.single_quoted_allowed {
            style = Style::DoubleQuoted;
        }
        if style == Style::Literal && (!analysis.literal_allowed || simple_key) {
            style = Style::DoubleQuoted;
        }
        // A nested scalar is indented one level deeper than its parent, as every node is.
        let outer = self.indent;
        self.indent = Some(outer.map_or(BEST_INDENT, |indent| indent + BEST_INDENT));
        match style {
            Style::Plain => self.plain(text, may_fold),
            Style::SingleQuoted => self.single_quoted(text, may_fold),
            Style::DoubleQuoted => self.double_quoted(text, may_fold),
            Style::Literal => self.literal(text),
        }
        self.indent = outer;
    }

    fn plain(&mut self, text: &str, may_fold: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        self.folded(text, may_fold, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn single_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("'", true, false, false);
        self.folded(text, may_fold, true);
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// Text without escapes: breaks a line at a single space after column 80, and doubles quotes when quoted.
    fn folded(&mut self, text: &str, may_fold: bool, quoted: bool) {
        let fits = !may_fold || self.column + text.len() <= BEST_WIDTH;
        if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\'' || byte == b' ' && fits) {
            self.out.push_str(text);
            self.column += text.len();
            self.indention &= text.is_empty();
            return;
        }
        let (mut spaces, mut breaks) = (false, false);
        let mut chars = text.char_indices().peekable();
        while let Some((index, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' {
                let inside = !quoted || (index > 0 && index + 1 < text.len());
                let folds = may_fold && !spaces && self.column > BEST_WIDTH && next != Some(' ') && inside;
                if folds {
                    self.write_indent()
                } else {
                    self.put(' ')
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.put_break('\n');
                }
                self.put_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if quoted && c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
    }

    fn double_quoted(&mut self, text: &str, may_fold: bool) {
        self.indicator("\"", true, false, false);
        // go-yaml looks for the mark at the beginning of the text, whichever character it is at.
        let all = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((index, c)) = chars.next() {
            if all || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                self.escape(c);
                spaces = false;
            } else if c == ' ' {
                let inside = index > 0 && index < text.len() - 1;
                if may_fold && !spaces && self.column > BEST_WIDTH && inside {
                    self.write_indent();
                    if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, c: char) {
        let code = c as u32;
        let short = match c {
            '\0' => "0",
            '\u{07}' => "a",
            '\u{08}' => "b",
            '\t' => "t",
            '\n' => "n",
            '\u{0b}' => "v",
            '\u{0c}' => "f",
            '\r' => "r",
            '\u{1b}' => "e",
            '"' => "\"",
            '\\' => "\\",
            '\u{85}' => "N",
            '\u{a0}' => "_",
            '\u{2028}' => "L",
            '\u{2029}' => "P",
            _ => "",
        };
        let escape = match code {
            _ if !short.is_empty() => format!("\\{short}"),
            0..=0xff => format!("\\x{code:02X}"),
            0x100..=0xffff => format!("\\u{code:04X}"),
            _ => format!("\\U{code:08X}"),
        };
        self.column += escape.len();
        self.out.push_str(&escape);
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with([' ', '\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            self.indicator("2", false, false, false);
        }
        let mut back = text.chars().rev();
        match back.next() {
            Some(last) if is_break(last) => {
                if back.next().is_none_or(is_break) {
                    self.indicator("+", false, false, false);
                }
            }
            _ => self.indicator("-", false, false, false),
        }
        self.put_break('\n');
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.put_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }
}

fn base64(data: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(data)
}

/// JSON's text of the number, read again as YAML and written by go-yaml.
fn float(value: f64) -> String {
    let json = number::format_json(value);
    match resolve(&json) {
        Scalar::Float(value) => number::format_g(value),
        _ => json,
    }
}

/// Version 3 writes the number as Go's `%g` has it.
fn direct_float(value: f64) -> String {
    match value {
        value if value.is_nan() => ".nan".to_owned(),
        value if value.is_infinite() => if value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        value => number::format_g(value),
    }
}

fn string_style(text: &str) -> Style {
    match resolve(text) {
        _ if text.contains('\n') => Style::Literal,
        Scalar::Text if !is_base_60(text) => Style::Plain,
        _ => Style::DoubleQuoted,
    }
}
