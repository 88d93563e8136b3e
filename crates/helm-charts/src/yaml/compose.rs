//! From text to the nodes of its first document, by libyaml's scanner. Knows where go-yaml's scanner takes other text, and
//! what the scanner panics on. What scalars mean is not decided here.

use std::borrow::Cow;
use std::collections::HashMap;

use libyaml_safer::{ErrorKind, Event, EventData, Parser, ScalarStyle};

use crate::limits::MAX_YAML_NODES;

/// Nested collections in a document. go-yaml's limit is 10,000; ours holds the stack.
pub(super) const MAX_DEPTH: usize = 500;

pub(super) fn too_many_values() -> String {
    format!("more than {MAX_YAML_NODES} values are not supported")
}

/// Whether a block scalar at the end of the text ends with the line break that was added: not where its last line is white
/// space that is no part of it, unless it keeps all line breaks.
fn has_added_break(scalar: &str, last_is_text: bool) -> bool {
    scalar.strip_suffix('\n').is_some_and(|rest| {
        let last = rest.rsplit('\n').next().unwrap_or_default();
        last_is_text || last.trim_matches([' ', '\t']).is_empty()
    })
}

pub(super) enum Node {
    Scalar { text: String, plain: bool, tag: Option<String> },
    Sequence(Vec<usize>),
    Mapping(Vec<(usize, usize)>),
    Alias(String, usize),
}

/// The nodes of a document, and which of them is the root; there may be none.
pub(super) type Nodes = (Vec<Node>, Option<usize>);

/// Why there are no nodes.
struct Problem {
    message: String,
    /// Where an escape is that libyaml does not know.
    escape: Option<usize>,
}

/// Composes the first document of `text`.
pub(super) fn compose(text: &str, max_nodes: usize) -> Result<Nodes, String> {
    /// Bytes that are read again because of quotes that need no escape.
    const MAX_READ: usize = 64 << 20;
    // It could also be the mark of an encoding, which go-yaml does not look for here.
    if text.starts_with('\u{fffe}') {
        return Err("control characters are not allowed".to_owned());
    }
    let mut text = Cow::Borrowed(text);
    let mut read = 0;
    loop {
        read += text.len();
        match compose_once(&text, max_nodes) {
            Err(Problem { escape: Some(at), .. }) if text[at..].starts_with("\\'") && read < MAX_READ => {
                text = Cow::Owned(without_escaped_quotes(&text, at));
            }
            composed => return composed.map_err(|problem| problem.message),
        }
    }
}

fn compose_once(text: &str, max_nodes: usize) -> Result<Nodes, Problem> {
    // libyaml-safer 0.3 panics where a comma follows a tag at once, as in `[!a,]`, and at tags with escapes that are no
    // characters.
    let composed = std::panic::catch_unwind(|| Composer::compose(text, max_nodes));
    let unsupported = || Problem { message: "the parser does not support this text".to_owned(), escape: None };
    composed.unwrap_or_else(|_| Err(unsupported()))
}

/// The text with `'` for each `\'`, which go-yaml knows, from `at` to the end of the quotes around it.
fn without_escaped_quotes(text: &str, at: usize) -> String {
    let (mut out, mut rest) = (text[..at].to_owned(), &text[at..]);
    while let Some(special) = rest.find(['"', '\\']).filter(|special| !rest[*special..].starts_with('"')) {
        let (before, escape) = rest.split_at(special);
        let escaped = escape.chars().nth(1).map_or(1, |c| 1 + c.len_utf8());
        out.push_str(before);
        out.push_str(if escape.starts_with("\\'") { "'" } else { &escape[..escaped] });
        rest = &escape[escaped..];
    }
    out + rest
}

/// Where the first `\/` is, which libyaml knows and go-yaml does not.
fn escaped_slash(quoted: &str) -> Option<usize> {
    let mut chars = quoted.char_indices();
    while let Some((index, c)) = chars.next() {
        if c == '\\' && chars.next().is_some_and(|(_, escaped)| escaped == '/') {
            return Some(index);
        }
    }
    None
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

struct Composer<'a> {
    text: &'a str,
    parser: Parser<&'a mut &'a [u8]>,
    nodes: Vec<Node>,
    max_nodes: usize,
    anchors: HashMap<String, usize>,
    /// Where the text ended before a line break was added to it, and whether its last line has more than white space.
    unbroken_end: Option<(usize, bool)>,
    unknown_escape: Option<usize>,
}

impl Composer<'_> {
    fn compose(text: &str, max_nodes: usize) -> Result<Nodes, Problem> {
        // libyaml-safer 0.3 panics on a block scalar that ends with the text. It gets a line break to end with, and
        // the scalar loses it again.
        let unbroken = text.chars().next_back().is_some_and(|last| !is_break(last));
        let broken = if unbroken { format!("{text}\n") } else { String::new() };
        let mut bytes = if unbroken { broken.as_bytes() } else { text.as_bytes() };
        let mut parser = Parser::new();
        parser.set_input_string(&mut bytes);
        let last_is_text = text.rsplit('\n').next().is_some_and(|line| !line.trim().is_empty());
        let unbroken_end = unbroken.then_some((text.len(), last_is_text));
        let anchors = HashMap::new();
        let mut composer =
            Composer { text, parser, nodes: Vec::new(), max_nodes, anchors, unbroken_end, unknown_escape: None };
        match composer.document() {
            Ok(root) => Ok((composer.nodes, root)),
            Err(message) => Err(Problem { message, escape: composer.unknown_escape }),
        }
    }

    fn document(&mut self) -> Result<Option<usize>, String> {
        self.next()?;
        let EventData::DocumentStart { .. } = self.next()? else { return Ok(None) };
        let first = self.next()?;
        let root = self.node(first, 0)?;
        self.next()?;
        Ok(Some(root))
    }

    fn next(&mut self) -> Result<EventData, String> {
        match self.parser.parse() {
            Ok(event) => self.as_in_go(event),
            Err(error) => Err(self.problem(&error)),
        }
    }

    /// The event without the line break that was added, and without what go-yaml refuses.
    fn as_in_go(&self, event: Event) -> Result<EventData, String> {
        let mut data = event.data;
        match &mut data {
            EventData::Scalar { value, style: ScalarStyle::Literal | ScalarStyle::Folded, .. } => {
                let at_end = self.unbroken_end.filter(|(end, _)| event.end_mark.index >= *end as u64);
                if at_end.is_some_and(|(_, last_is_text)| has_added_break(value, last_is_text)) {
                    value.pop();
                }
            }
            EventData::Scalar { style: ScalarStyle::DoubleQuoted, .. } => {
                let (start, end) = (event.start_mark.index as usize, event.end_mark.index as usize);
                let quoted = self.text.get(start..end).unwrap_or_default();
                if let Some(at) = escaped_slash(quoted) {
                    let breaks = quoted[..at].replace("\r\n", "\n").chars().filter(|c| is_break(*c)).count() as u64;
                    let (scalar, escape) = (event.start_mark.line, event.start_mark.line + breaks);
                    return Err(placed("found unknown escape character", (scalar, escape), ErrorKind::Scanner));
                }
            }
            _ => {}
        }
        Ok(data)
    }

    fn problem(&mut self, error: &libyaml_safer::Error) -> String {
        let message = error.problem();
        let mark = error.problem_mark();
        if message == "found unknown escape character" {
            self.unknown_escape = mark.map(|mark| mark.index as usize);
        }
        // The text ended before the line break that was added to it.
        let added = u64::from(self.unbroken_end.is_some() && message == "found unexpected end of stream");
        let line = mark.map_or(0, |mark| mark.line.saturating_sub(added));
        placed(message, (error.context_mark().map_or(0, |mark| mark.line), line), error.kind())
    }

    fn add(&mut self, node: Node, anchor: Option<String>) -> usize {
        let index = self.nodes.len();
        self.nodes.push(node);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, index);
        }
        index
    }

    fn node(&mut self, event: EventData, depth: usize) -> Result<usize, String> {
        if depth > MAX_DEPTH {
            return Err(format!("exceeded max depth of {MAX_DEPTH}"));
        }
        if self.nodes.len() >= self.max_nodes {
            return Err(too_many_values());
        }
        match event {
            EventData::Alias { anchor } => match self.anchors.get(&anchor) {
                Some(&target) => Ok(self.add(Node::Alias(anchor, target), None)),
                None => Err(format!("unknown anchor '{anchor}' referenced")),
            },
            EventData::Scalar { anchor, tag, value, plain_implicit, .. } => {
                Ok(self.add(Node::Scalar { text: value, plain: plain_implicit, tag }, anchor))
            }
            EventData::SequenceStart { anchor, .. } => {
                let index = self.add(Node::Sequence(Vec::new()), anchor);
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        EventData::SequenceEnd => break,
                        item => items.push(self.node(item, depth + 1)?),
                    }
                }
                self.nodes[index] = Node::Sequence(items);
                Ok(index)
            }
            EventData::MappingStart { anchor, .. } => {
                let index = self.add(Node::Mapping(Vec::new()), anchor);
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        EventData::MappingEnd => break,
                        key => {
                            let key = self.node(key, depth + 1)?;
                            let value = self.next()?;
                            entries.push((key, self.node(value, depth + 1)?));
                        }
                    }
                }
                self.nodes[index] = Node::Mapping(entries);
                Ok(index)
            }
            _ => Err("unexpected end of the document".to_owned()),
        }
    }
}

/// A message with its line as go-yaml counts: scanner errors are one line further on than parser errors.
fn placed(message: &str, (context, problem): (u64, u64), kind: ErrorKind) -> String {
    let line = match problem {
        0 => context,
        line if kind == ErrorKind::Scanner => line + 1,
        line => line,
    };
    match line {
        0 => message.to_owned(),
        line => format!("line {line}: {message}"),
    }
}
