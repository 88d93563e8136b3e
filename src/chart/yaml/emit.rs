//! Writes values the way go-yaml v2 does after a detour through JSON: block style, keys in natural order, indentless
//! sequences, folding after column 80. One document, no comments, no anchors.

use super::resolve::{Scalar, is_base_60, resolve};
use crate::chart::json::replace_invalid;
use crate::chart::limits::{Fault, check_nesting};
use crate::chart::number;
use crate::chart::value::{Element, Value};

const BEST_WIDTH: usize = 80;
const BEST_INDENT: usize = 2;
/// Longer keys are written after a `?`.
const MAX_SIMPLE_KEY: usize = 128;

/// The YAML of a value, ending in a newline; `None` for what JSON cannot express (infinity).
pub(super) fn emit(value: &Value) -> Result<Option<String>, Fault> {
    let mut emitter = Emitter { out: String::new(), column: 0, whitespace: true, indention: true, indent: None };
    let Some(node) = Builder::default().node(value, 0)? else { return Ok(None) };
    emitter.node(&node, Context::Root)?;
    emitter.write_indent();
    Ok(Some(emitter.out))
}

/// A value reduced to what YAML has.
enum Node {
    Scalar(String, Style),
    Sequence(Vec<Node>),
    Mapping(Vec<(String, Node)>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Sequence,
    Mapping,
    SimpleKey,
}

/// Turns values into nodes, and keeps count: shared maps can unfold into far more than they hold.
#[derive(Default)]
struct Builder {
    size: usize,
}

impl Builder {
    /// `None` for what JSON cannot express.
    fn node(&mut self, value: &Value, depth: usize) -> Result<Option<Node>, Fault> {
        self.size += std::mem::size_of::<Node>();
        check_nesting(depth, self.size)?;
        let node = match value {
            Value::Nil => plain("null"),
            Value::Bool(value) => plain(value),
            Value::Int(value) | Value::Int64(value) => plain(value),
            Value::Uint8(value) => plain(value),
            Value::Uint64(value) => plain(value),
            Value::Float(value) if !value.is_finite() => return Ok(None),
            Value::Float(value) => plain(float(*value)),
            Value::Str(text) => self.string(text),
            Value::Raw(bytes) => self.string(&replace_invalid(bytes)),
            Value::List(list) if list.is_nil => plain("null"),
            Value::List(list) if list.element == Element::Byte => {
                let bytes = list.items.iter().map(|item| if let Value::Uint8(byte) = item { *byte } else { 0 });
                self.string(&base64(&bytes.collect::<Vec<u8>>()))
            }
            Value::List(list) => {
                let mut nodes = Vec::with_capacity(list.items.len());
                for item in &*list.items {
                    let Some(item) = self.node(item, depth + 1)? else { return Ok(None) };
                    nodes.push(item);
                }
                Node::Sequence(nodes)
            }
            Value::Map(map) => {
                let entries = map.entries();
                return self.mapping(entries.iter().map(|(key, item)| (&**key, item)), depth);
            }
            Value::Struct(value) => match value.json_text() {
                Some(text) => return self.node(text, depth),
                None => return self.mapping(value.json_fields().map(|field| (field.json, &field.value)), depth),
            },
            Value::Files(files) => {
                let mut nodes: Vec<_> =
                    files.iter().map(|(name, data)| (name.to_owned(), self.string(&base64(data)))).collect();
                nodes.sort_by(|(a, _), (b, _)| natural_order(a, b));
                Node::Mapping(nodes)
            }
            Value::Time(time) => self.string(&time.rfc3339()),
        };
        Ok(Some(node))
    }

    fn mapping<'a>(
        &mut self,
        entries: impl Iterator<Item = (&'a str, &'a Value)>,
        depth: usize,
    ) -> Result<Option<Node>, Fault> {
        let mut nodes = Vec::new();
        for (key, item) in entries {
            let Some(item) = self.node(item, depth + 1)? else { return Ok(None) };
            self.size += key.len();
            nodes.push((key.to_owned(), item));
        }
        nodes.sort_by(|(a, _), (b, _)| natural_order(a, b));
        Ok(Some(Node::Mapping(nodes)))
    }

    fn string(&mut self, text: &str) -> Node {
        self.size += text.len();
        Node::Scalar(text.to_owned(), string_style(text))
    }
}

fn plain(value: impl ToString) -> Node {
    Node::Scalar(value.to_string(), Style::Plain)
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

fn string_style(text: &str) -> Style {
    match resolve(text) {
        _ if text.contains('\n') => Style::Literal,
        Scalar::Text if !is_base_60(text) => Style::Plain,
        _ => Style::DoubleQuoted,
    }
}

/// go-yaml's order of keys: letters after other characters, runs of digits by their number.
fn natural_order(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(i) = a.iter().zip(&b).position(|(x, y)| x != y) else { return a.len().cmp(&b.len()) };
    let (x, y) = (a[i], b[i]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero within a number is not a leading zero.
    let within_number = (x == '0' || y == '0') && a[..i].iter().rev().take_while(|c| c.is_numeric()).any(|c| *c != '0');
    let run = |text: &[char]| {
        let digits = text[i..].iter().take_while(|c| c.is_numeric());
        digits.fold((i64::from(within_number), i), |(value, end), c| {
            (value.wrapping_mul(10).wrapping_add(i64::from(*c as u32) - i64::from('0' as u32)), end + 1)
        })
    };
    run(&a).cmp(&run(&b)).then(x.cmp(&y))
}

/// What the characters of a scalar allow.
#[derive(Default)]
struct Analysis {
    multiline: bool,
    plain_allowed: bool,
    single_quoted_allowed: bool,
    literal_allowed: bool,
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// go-yaml's idea of printable, which ends below U+E000 but for a few ranges and takes no 4-byte characters.
fn is_printable(c: char) -> bool {
    match c {
        '\n' | ' '..='~' => true,
        '\u{a0}'..='\u{d7ff}' => true,
        '\u{e000}'..='\u{fffd}' => c != '\u{feff}',
        _ => false,
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn analyze(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis { plain_allowed: true, single_quoted_allowed: true, ..Analysis::default() };
    }
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut line_breaks, mut special) = (false, false);
    let (mut leading, mut trailing_space, mut trailing_break) = (false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break, mut after_blank) = (false, false, true);
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let before_blank = next.is_none_or(is_blank);
        indicators |= match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                if index == 0 =>
            {
                true
            }
            '?' | '-' if index == 0 => before_blank,
            ':' => before_blank,
            '#' => after_blank,
            _ => false,
        };
        special |= !is_printable(c);
        if c == ' ' {
            leading |= index == 0;
            trailing_space |= next.is_none();
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(c) {
            line_breaks = true;
            leading |= index == 0;
            trailing_break |= next.is_none();
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        after_blank = is_blank(c) || is_break(c) || c == '\0';
    }
    let broken = space_break || special;
    Analysis {
        multiline: line_breaks,
        plain_allowed: !(leading
            || trailing_space
            || trailing_break
            || break_space
            || broken
            || line_breaks
            || indicators),
        single_quoted_allowed: !(break_space || broken),
        literal_allowed: !(trailing_space || broken),
    }
}

struct Emitter {
    out: String,
    column: usize,
    /// The last character was white space (or nothing has been written).
    whitespace: bool,
    /// Only indentation and indicators have been written on this line.
    indention: bool,
    indent: Option<usize>,
}

impl Emitter {
    fn node(&mut self, node: &Node, context: Context) -> Result<(), Fault> {
        match node {
            Node::Scalar(text, style) => self.scalar(text, *style, context),
            Node::Sequence(items) if items.is_empty() => self.indicator("[]", true, false, false),
            Node::Mapping(entries) if entries.is_empty() => self.indicator("{}", true, false, false),
            Node::Sequence(items) => {
                let outer = self.indent;
                let indentless = context == Context::Mapping && !self.indention;
                self.increase_indent(indentless);
                for item in items {
                    self.write_indent();
                    self.indicator("-", true, false, true);
                    self.node(item, Context::Sequence)?;
                }
                self.indent = outer;
            }
            Node::Mapping(entries) => {
                let outer = self.indent;
                self.increase_indent(false);
                for (key, item) in entries {
                    self.entry(key, item)?;
                }
                self.indent = outer;
            }
        }
        check_nesting(0, self.out.len())
    }

    fn entry(&mut self, key: &str, item: &Node) -> Result<(), Fault> {
        let style = string_style(key);
        self.write_indent();
        if key.len() <= MAX_SIMPLE_KEY && !analyze(key).multiline {
            self.scalar(key, style, Context::SimpleKey);
            self.indicator(":", false, false, false);
        } else {
            self.indicator("?", true, false, true);
            self.scalar(key, style, Context::Mapping);
            self.write_indent();
            self.indicator(":", true, false, true);
        }
        self.node(item, Context::Mapping)
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

    fn scalar(&mut self, text: &str, style: Style, context: Context) {
        let analysis = analyze(text);
        let simple_key = context == Context::SimpleKey;
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
            Style::Plain => self.plain(text, !simple_key),
            Style::SingleQuoted => self.single_quoted(text, !simple_key),
            Style::DoubleQuoted => self.double_quoted(text, !simple_key),
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
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((index, c)) = chars.next() {
            if !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
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
