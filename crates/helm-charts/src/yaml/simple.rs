//! The YAML that most of a chart and of what it renders is: maps and lists in block style, a scalar on a line of its key.
//!
//! Read line by line, it takes a tenth of the time that libyaml's scanner takes. Whatever is not certainly such YAML, and
//! whatever is wrong with it, is left to the real parser, so that both always agree.

use serde_json::{Map, Value};

use super::parse::{Numbers, plain_json};
use super::resolve::{Scalar, resolve};

/// Nested collections.
const MAX_DEPTH: usize = 100;
/// The longest key, in bytes. libyaml's limit is 1024 with what surrounds it.
const MAX_KEY: usize = 256;

/// The value of a document, and how many keys and values it holds; `None` for what is not simple, or holds more.
pub(super) fn parse(text: &str, max_nodes: usize) -> Option<(Value, usize)> {
    let is_simple = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\n';
    if !text.bytes().all(is_simple) {
        return None;
    }
    let mut reader = Reader { lines: text.split('\n'), line: None, nodes: 0, max_nodes };
    reader.advance();
    let column = reader.line?.column;
    let value = reader.block(column, 0)?;
    reader.line.is_none().then_some((value, reader.nodes))
}

/// What is left of a line that is neither empty nor a comment: it begins with a character at `column`.
#[derive(Clone, Copy)]
struct Line<'t> {
    column: usize,
    text: &'t str,
}

struct Reader<'t> {
    lines: std::str::Split<'t, char>,
    line: Option<Line<'t>>,
    nodes: usize,
    max_nodes: usize,
}

impl<'t> Reader<'t> {
    fn advance(&mut self) {
        self.line = self.lines.find_map(|line| {
            let text = line.trim_start_matches(' ');
            let has_content = !text.is_empty() && !text.starts_with('#');
            has_content.then(|| Line { column: line.len() - text.len(), text: text.trim_end_matches(' ') })
        });
    }

    /// The collection that begins at this column.
    fn block(&mut self, column: usize, depth: usize) -> Option<Value> {
        match after_dash(self.line?.text) {
            Some(_) => self.sequence(column, depth),
            None => self.mapping(column, depth),
        }
    }

    fn sequence(&mut self, column: usize, depth: usize) -> Option<Value> {
        self.enter(depth)?;
        let mut items = Vec::new();
        while let Some(line) = self.line
            && line.column == column
            && let Some(rest) = after_dash(line.text)
        {
            let item = if rest.is_empty() {
                self.advance();
                self.below(column, false, depth)?
            } else if key(rest).is_some() {
                // A map that begins on the line of the dash.
                let column = column + line.text.len() - rest.len();
                self.line = Some(Line { column, text: rest });
                self.mapping(column, depth + 1)?
            } else {
                self.inline(rest, column)?
            };
            items.push(item);
        }
        self.ends(column)?;
        Some(Value::Array(items))
    }

    fn mapping(&mut self, column: usize, depth: usize) -> Option<Value> {
        self.enter(depth)?;
        let mut entries = Map::new();
        while let Some(line) = self.line
            && line.column == column
        {
            let (name, rest) = key(line.text)?;
            self.count()?;
            let value = if rest.is_empty() {
                self.advance();
                self.below(column, true, depth)?
            } else {
                self.inline(rest, column)?
            };
            entries.insert(name.to_owned(), value);
        }
        self.ends(column)?;
        Some(Value::Object(entries))
    }

    fn enter(&mut self, depth: usize) -> Option<()> {
        self.count()?;
        (depth <= MAX_DEPTH).then_some(())
    }

    fn count(&mut self) -> Option<()> {
        self.nodes += 1;
        (self.nodes <= self.max_nodes).then_some(())
    }

    /// A line further to the right would go on with something, or be an error.
    fn ends(&self, column: usize) -> Option<()> {
        self.line.is_none_or(|line| line.column <= column).then_some(())
    }

    /// What stands on the lines below a key or a dash. The list of a key may begin at the key's own column.
    fn below(&mut self, column: usize, of_key: bool, depth: usize) -> Option<Value> {
        match self.line {
            // Empty, as templates write it.
            Some(line) if line.column > column && line.text.starts_with(['{', '[']) => self.inline(line.text, column),
            Some(line) if line.column > column => self.block(line.column, depth + 1),
            Some(line) if of_key && line.column == column && after_dash(line.text).is_some() => {
                self.sequence(column, depth + 1)
            }
            _ => {
                self.count()?;
                Some(Value::Null)
            }
        }
    }

    /// A value that ends with its line.
    fn inline(&mut self, text: &'t str, column: usize) -> Option<Value> {
        self.count()?;
        let value = match text.as_bytes().first()? {
            b'"' | b'\'' => {
                let (content, rest) = quoted(text)?;
                ends_line(rest)?;
                content.into()
            }
            b'[' => self.flow_sequence(&text[1..])?,
            b'{' => {
                ends_line(text.strip_prefix("{}")?)?;
                Value::Object(Map::new())
            }
            _ => plain(text)?,
        };
        self.advance();
        self.ends(column)?;
        Some(value)
    }

    /// What follows the bracket.
    fn flow_sequence(&mut self, text: &'t str) -> Option<Value> {
        let mut items = Vec::new();
        let mut rest = text.trim_start_matches(' ');
        if let Some(rest) = rest.strip_prefix(']') {
            ends_line(rest)?;
            return Some(Value::Array(items));
        }
        loop {
            self.count()?;
            let (item, after) = match rest.starts_with(['"', '\'']) {
                true => quoted(rest).map(|(content, after)| (Value::from(content), after))?,
                false => {
                    let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
                    (plain(word)?, after)
                }
            };
            items.push(item);
            rest = after.trim_start_matches(' ');
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start_matches(' '),
                None => break,
            }
        }
        ends_line(rest.strip_prefix(']')?)?;
        Some(Value::Array(items))
    }
}

/// Characters without a meaning of their own, wherever they are but at the beginning.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

/// What follows the dash of a list's item on its line.
fn after_dash(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('-').filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
    Some(without_comment(rest))
}

/// What follows a dash or a colon, from where it begins; nothing if that is a comment.
fn without_comment(rest: &str) -> &str {
    let rest = rest.trim_start_matches(' ');
    if rest.starts_with('#') { "" } else { rest }
}

/// A key that is text, and what follows its colon.
fn key(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = if text.starts_with(['"', '\'']) {
        quoted(text)?
    } else {
        let (name, rest) = text.split_at(text.find(|c| !is_word(c))?);
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/'));
        let is_text = matches!(resolve(name), Scalar::Text | Scalar::Timestamp);
        (begins && is_text).then_some((name, rest))?
    };
    let rest = rest.strip_prefix(':').filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
    (name.len() <= MAX_KEY).then_some((name, without_comment(rest)))
}

/// The text between quotes, if it has neither escapes nor quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next()?;
    let (content, rest) = text[1..].split_once(quote)?;
    let is_plain = !rest.starts_with(quote) && (quote == '\'' || !content.contains('\\'));
    is_plain.then_some((content, rest))
}

/// Whether nothing but a comment follows a value.
fn ends_line(rest: &str) -> Option<()> {
    (rest.is_empty() || rest.starts_with(' ') && without_comment(rest).is_empty()).then_some(())
}

/// A scalar without quotes.
fn plain(text: &str) -> Option<Value> {
    let text = text.split_once(" #").map_or(text, |(text, _)| text).trim_end_matches(' ');
    let mut chars = text.chars();
    let begins = match chars.next()? {
        '-' => chars.next().is_some_and(|c| c != ' '),
        c => c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '~' | '+' | '$' | '('),
    };
    (begins && !text.contains(": ") && !text.ends_with(':')).then_some(())?;
    plain_json(text, Numbers::AsJson)
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom as _;
    use rand::{Rng as _, SeedableRng as _};

    use super::super::parse::parse_any;
    use super::*;
    use crate::limits::Allowance;

    /// Whether the text is simple; if so, the real parser reads the same and counts the same.
    fn check(text: &str) -> bool {
        let Some((value, nodes)) = parse(text, 1000) else { return false };
        let allowance = Allowance::new(1000);
        assert_eq!(parse_any(text, &allowance), Ok(value), "{text}");
        assert_eq!(allowance.left(), 1000 - nodes, "{text}");
        true
    }

    #[test]
    fn simple_documents_read_as_the_real_parser_reads_them() {
        let simple = [
            "a: 1",
            "a: 1 # b\n# c\n\nb: x # y#z",
            "a:\n  b: yes\n  c:\n    d: ~\ne: 1.5",
            "a:\n- b\n- c: 1\n  d: 2\n-\n- e:\n  - f\ng:",
            "a:\n  - b: \"x # y: z\"\n    c: 'd'\n",
            "- a\n- \"b\"\n- c: d\n-   e: f\n    g: h",
            "a: {}\nb: []\nc: [x, \"y\", 1, 'z' ]\n\"d\": [ \"*\" ] # e",
            "  a: -1\n  b: --c\n  d: ./e:f",
            "a: 1\na: 2",
            "2001-01-01: 2001-01-01\nb: 0644",
            "a: # b\n  c: d\n",
            "a:\n  {}\nb:\n- \n    []\n",
        ];
        for text in simple {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_simple_is_left_to_the_real_parser() {
        let others = [
            "",
            "# a",
            "a",
            "a: b: c",
            "a: b\n  c",
            "a:\n    b: 1\n  c: 2",
            "a: 1\n b: 2",
            "a:\n  - b\n  c: d",
            "- a\nb: c",
            "a: |\n  b",
            "a: &b c",
            "a: *b",
            "a: !b c",
            "a: \"b\\n\"",
            "a: 'b''c'",
            "a: [b: c]",
            "a: [b,]",
            "a: [b",
            "a: {b: c}",
            "a: \"b\"c",
            "a: \"b\"#c",
            "a: \"b\n  c\"",
            "1: a",
            "yes: a",
            "<<: a",
            "? a",
            "- - a",
            "---\na: b",
            "a: b\n---\nc: d",
            "a:\tb",
            "a: \u{e9}",
            "a: b\r\n",
            "a: - b",
            "a: .inf",
            "a:\n  {}\n  b: c",
            "a:\n  {}: b",
        ];
        for text in others {
            assert!(parse(text, 1000).is_none(), "{text}");
        }
    }

    #[test]
    fn random_lines_read_as_the_real_parser_reads_them() {
        let parts = [
            "a:",
            "b: 1",
            "c: x y",
            "- ",
            "-",
            "- d: e",
            "- f",
            "g: \"h # i\"",
            "# j",
            "k: [l, \"m\"]",
            "n: {}",
            "- - o",
            "p: q # r",
            "s: 'it''s'",
            "\"t\": 1",
            "---",
            "u: v: w",
            "x: |",
            "y: ~",
            "- \"z\": 1",
            "word",
            "a: b #",
            "a: #b",
            "a : b",
            "- # c",
            "b:c",
            "-d",
            "e: -",
            "f: [",
            "g: ]",
            "h: [ ]",
            "{}",
            "[a]",
            "i: [x y]",
            "j: -1",
            "...",
            "k: ...",
            "",
            "l: 'm' # n",
            "o: \"p\" q",
            "r: [s]t",
            "a: ,",
            "- [a]",
            "- {}",
            "- 'b': c",
            "c: ? d",
            "d: e ? f",
            "1.5: x",
        ];
        let mut random = StdRng::seed_from_u64(1);
        let mut simple = 0;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..random.random_range(1..7) {
                let spaces = *[0, 0, 0, 1, 2, 2, 4].choose(&mut random).unwrap();
                text += &" ".repeat(spaces);
                text += parts.choose(&mut random).unwrap();
                text += ["\n", "\n", "\n", " \n", ""].choose(&mut random).unwrap();
            }
            simple += usize::from(check(&text));
        }
        assert!(simple > 1000, "{simple}");
    }
}
