//! Writes values as go-yaml does: block style, keys in natural order. One document, no comments, no anchors.
//! Version 2, after a detour through JSON, has indentless sequences and folds after column 80; version 3 has neither.

mod analysis;
mod node;

use analysis::{analyze, is_break, is_printable};
use node::{Builder, Node, Style, string_style};

use crate::chart::limits::{Fault, check_nesting};
use crate::chart::value::Value;

const BEST_WIDTH: usize = 80;
const BEST_INDENT: usize = 2;
/// Longer keys are written after a `?`.
const MAX_SIMPLE_KEY: usize = 128;

/// Which go-yaml writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `sigs.k8s.io/yaml`: JSON, then go-yaml v2.
    V2,
    /// go-yaml v3, from Go values.
    V3,
}

/// The YAML of a value, ending in a newline; `None` for what JSON cannot express (infinity) where it goes through JSON.
pub(super) fn emit(value: &Value, dialect: Dialect) -> Result<Option<String>, Fault> {
    let mut emitter =
        Emitter { dialect, out: String::new(), column: 0, whitespace: true, indention: true, indent: None };
    let Some(node) = Builder::new(dialect).node(value, 0)? else { return Ok(None) };
    emitter.node(&node, Context::Root)?;
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
            Node::Binary(text) => {
                self.indicator("!!binary", true, false, false);
                self.scalar(text, string_style(text), context);
            }
            Node::Sequence(items) if items.is_empty() => self.indicator("[]", true, false, false),
            Node::Mapping(entries) if entries.is_empty() => self.indicator("{}", true, false, false),
            Node::Sequence(items) => {
                let outer = self.indent;
                let indentless = self.dialect == Dialect::V2 && context == Context::Mapping && !self.indention;
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
        if key.len() <= MAX_SIMPLE_KEY && !analyze(key, self.dialect).multiline {
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
        let analysis = analyze(text, self.dialect);
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
