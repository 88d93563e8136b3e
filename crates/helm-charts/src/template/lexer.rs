//! Cuts template text into items, following Go's `text/template/parse` lexer rule by rule.
//! Knows nothing about what the items mean; errors are items too, so that the parser can say where it was.

use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Error,
    Bool,
    /// A printable ASCII character that is nothing else, such as a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Nil,
    /// `block`, `break`, `continue`, `define`, `else`, `end`, `if`, `range`, `template` or `with`; see the item's text.
    Keyword,
}

#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    pub kind: Kind,
    pub pos: usize,
    pub text: Cow<'a, str>,
    pub line: usize,
}

impl Item<'_> {
    pub(super) fn is_keyword(&self, word: &str) -> bool {
        self.kind == Kind::Keyword && self.text == word
    }

    /// How Go names the item in a message.
    pub(super) fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            Kind::Error => self.text.clone().into_owned(),
            Kind::Keyword | Kind::Dot | Kind::Nil => format!("<{}>", self.text),
            _ if self.text.len() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                format!("{}...", super::quote::quote(&start))
            }
            _ => super::quote::quote(&self.text),
        }
    }
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];
const LEFT: &str = "{{";
const RIGHT: &str = "}}";

pub(super) struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    paren_depth: usize,
    inside_action: bool,
}

fn is_space(c: Option<char>) -> bool {
    c.is_some_and(|c| SPACES.contains(&c))
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn has_left_trim_marker(text: &str) -> bool {
    text.starts_with('-') && is_space(text[1..].chars().next())
}

fn has_right_trim_marker(text: &str) -> bool {
    let mut chars = text.chars();
    is_space(chars.next()) && chars.next() == Some('-')
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, pos: 0, start: 0, line: 1, start_line: 1, paren_depth: 0, inside_action: false }
    }

    /// The next item; after an error or the end, `Eof` for ever.
    pub(super) fn next_item(&mut self) -> Item<'a> {
        match self.inside_action {
            true => self.inside(),
            false => self.text(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|c| valid.contains(c));
        if found {
            self.advance();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn emit(&mut self, kind: Kind) -> Item<'a> {
        let text = Cow::Borrowed(&self.input[self.start..self.pos]);
        let item = Item { kind, pos: self.start, text, line: self.start_line };
        self.start = self.pos;
        self.start_line = self.line;
        item
    }

    /// Moves to `to` and forgets what is skipped, counting its lines.
    fn skip_to(&mut self, to: usize) {
        self.line += self.input[self.pos..to].matches('\n').count();
        self.pos = to;
        self.start = to;
        self.start_line = self.line;
    }

    fn fail(&mut self, message: impl Into<String>) -> Item<'a> {
        let item = Item { kind: Kind::Error, pos: self.start, text: Cow::Owned(message.into()), line: self.start_line };
        self.input = "";
        self.pos = 0;
        self.start = 0;
        self.inside_action = false;
        item
    }

    fn text(&mut self) -> Item<'a> {
        loop {
            let Some(found) = self.rest().find(LEFT) else {
                let end = self.input.len();
                if end == self.start {
                    return self.emit(Kind::Eof);
                }
                self.line += self.rest().matches('\n').count();
                self.pos = end;
                return self.emit(Kind::Text);
            };
            if found > 0 {
                let delim = self.pos + found;
                let before = &self.input[self.start..delim];
                let kept = match has_left_trim_marker(&self.input[delim + LEFT.len()..]) {
                    true => before.trim_end_matches(SPACES),
                    false => before,
                };
                self.line += kept.matches('\n').count();
                self.pos = self.start + kept.len();
                let item = self.emit(Kind::Text);
                self.skip_to(delim);
                if !item.text.is_empty() {
                    return item;
                }
            }
            if let Some(item) = self.left_delim() {
                return item;
            }
        }
    }

    /// At `{{`: the delimiter, or nothing when a comment was skipped.
    fn left_delim(&mut self) -> Option<Item<'a>> {
        self.pos += LEFT.len();
        let marker = if has_left_trim_marker(self.rest()) { 2 } else { 0 };
        if self.rest()[marker..].starts_with("/*") {
            self.skip_to(self.pos + marker);
            return self.comment();
        }
        let item = self.emit(Kind::LeftDelim);
        self.inside_action = true;
        self.skip_to(self.pos + marker);
        self.paren_depth = 0;
        Some(item)
    }

    fn comment(&mut self) -> Option<Item<'a>> {
        let Some(end) = self.rest()[2..].find("*/") else {
            return Some(self.fail("unclosed comment"));
        };
        self.skip_to(self.pos + 2 + end + 2);
        let Some(trims) = self.at_right_delim() else {
            return Some(self.fail("comment ends before closing delimiter"));
        };
        let mut end = self.pos + RIGHT.len() + if trims { 2 } else { 0 };
        if trims {
            let after = &self.input[end..];
            end += after.len() - after.trim_start_matches(SPACES).len();
        }
        self.skip_to(end);
        None
    }

    /// Whether the input is at `}}` (false) or ` -}}` (true).
    fn at_right_delim(&self) -> Option<bool> {
        if has_right_trim_marker(self.rest()) && self.rest()[2..].starts_with(RIGHT) {
            return Some(true);
        }
        self.rest().starts_with(RIGHT).then_some(false)
    }

    fn right_delim(&mut self, trims: bool) -> Item<'a> {
        if trims {
            self.skip_to(self.pos + 2);
        }
        self.pos += RIGHT.len();
        let item = self.emit(Kind::RightDelim);
        if trims {
            let after = self.rest();
            self.skip_to(self.pos + after.len() - after.trim_start_matches(SPACES).len());
        }
        self.inside_action = false;
        item
    }

    fn inside(&mut self) -> Item<'a> {
        if let Some(trims) = self.at_right_delim() {
            return match self.paren_depth {
                0 => self.right_delim(trims),
                _ => self.fail("unclosed left paren"),
            };
        }
        let Some(c) = self.peek() else { return self.fail("unclosed action") };
        if SPACES.contains(&c) {
            return self.space();
        }
        if is_alphanumeric(c) && !c.is_ascii_digit() {
            return self.identifier();
        }
        self.advance();
        match c {
            '=' => self.emit(Kind::Assign),
            ':' if self.accept("=") => self.emit(Kind::Declare),
            ':' => self.fail("expected :="),
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => self.raw_string(),
            '$' => self.field_or_variable(Kind::Variable),
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => self.field_or_variable(Kind::Field),
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()
            }
            '(' => {
                self.paren_depth += 1;
                self.emit(Kind::LeftParen)
            }
            ')' => match self.paren_depth.checked_sub(1) {
                None => self.fail("unexpected right paren"),
                Some(depth) => {
                    self.paren_depth = depth;
                    self.emit(Kind::RightParen)
                }
            },
            c if c.is_ascii_graphic() => self.emit(Kind::Char),
            c => self.fail(format!("unrecognized character in action: {}", code_point(Some(c)))),
        }
    }

    fn space(&mut self) -> Item<'a> {
        let first = self.pos;
        while is_space(self.peek()) {
            // The space before a trim marker belongs to the delimiter.
            if self.at_right_delim() == Some(true) {
                if self.pos == first {
                    return self.right_delim(true);
                }
                break;
            }
            self.advance();
        }
        self.emit(Kind::Space)
    }

    fn identifier(&mut self) -> Item<'a> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.advance();
        }
        if !self.at_terminator() {
            let bad = code_point(self.peek());
            return self.fail(format!("bad character {bad}"));
        }
        let kind = match &self.input[self.start..self.pos] {
            "nil" => Kind::Nil,
            "block" | "break" | "continue" | "define" | "else" | "end" | "if" | "range" | "template" | "with" => {
                Kind::Keyword
            }
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.emit(kind)
    }

    /// After the `.` or `$`.
    fn field_or_variable(&mut self, kind: Kind) -> Item<'a> {
        if self.at_terminator() {
            return self.emit(if kind == Kind::Variable { Kind::Variable } else { Kind::Dot });
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.advance();
        }
        match self.at_terminator() {
            true => self.emit(kind),
            false => {
                let bad = code_point(self.peek());
                self.fail(format!("bad character {bad}"))
            }
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            c => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, end: char, kind: Kind, unterminated: &str) -> Item<'a> {
        loop {
            match self.advance() {
                Some('\\') => match self.advance() {
                    None | Some('\n') => return self.fail(unterminated),
                    Some(_) => {}
                },
                None | Some('\n') => return self.fail(unterminated),
                Some(c) if c == end => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Item<'a> {
        loop {
            match self.advance() {
                None => return self.fail("unterminated raw quoted string"),
                Some('`') => return self.emit(Kind::RawString),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Item<'a> {
        let complete = self.scan_number();
        let complex = complete && matches!(self.peek(), Some('+' | '-'));
        let valid = match complex {
            true => self.scan_number() && self.input[..self.pos].ends_with('i'),
            false => complete,
        };
        if !valid {
            let text = super::quote::quote(&self.input[self.start..self.pos]);
            return self.fail(format!("bad number syntax: {text}"));
        }
        self.emit(if complex { Kind::Complex } else { Kind::Number })
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let digits = match self.accept("0") {
            true if self.accept("xX") => "0123456789abcdefABCDEF_",
            true if self.accept("oO") => "01234567_",
            true if self.accept("bB") => "01_",
            _ => "0123456789_",
        };
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.advance();
            return false;
        }
        true
    }
}

/// `%#U`: `U+0041 'A'`. The end of the text is Go's rune -1.
fn code_point(c: Option<char>) -> String {
    match c {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
        Some(c) if super::quote::is_printable(c) => format!("U+{:04X} '{c}'", c as u32),
        Some(c) => format!("U+{:04X}", c as u32),
    }
}
