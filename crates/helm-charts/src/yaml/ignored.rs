//! What Helm drops of a text of values without a word. Looks at events only: what scalars mean is not decided here.

use std::collections::HashMap;
use std::fmt;

use libyaml_safer::{EventData, Parser};

/// Something that a text of values says, and that counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// A key that stands again in the same map: the last one counts.
    Repeated {
        /// Where it is, with dots, items of lists by their number.
        path: String,
        /// The line of the first one, from 1.
        first: usize,
        /// The line of the next one.
        line: usize,
    },
    /// A further document: the first one counts.
    Document {
        /// The line in which it begins, from 1.
        line: usize,
    },
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated { path, first, line } => {
                write!(f, "line {line}: `{path}` stands there again, after line {first}")
            }
            Self::Document { line } => write!(f, "line {line}: a second document begins"),
        }
    }
}

/// A map or a list that is open.
enum Open {
    Map { keys: HashMap<String, usize>, key: Option<String> },
    List { index: usize },
}

/// Everything that Helm drops of the text, in its order. Nothing of what comes after an error in it.
pub fn ignored(text: &str) -> Vec<Ignored> {
    // The scanner panics on some texts, which parsing has refused.
    std::panic::catch_unwind(|| scan(&format!("{text}\n"))).unwrap_or_default()
}

fn scan(text: &str) -> Vec<Ignored> {
    let mut bytes = text.as_bytes();
    let mut parser = Parser::new();
    parser.set_input_string(&mut bytes);
    let (mut found, mut open, mut documents) = (Vec::new(), Vec::<Open>::new(), 0);
    let mut began = 0;
    while let Ok(event) = parser.parse() {
        let line = event.start_mark.line as usize + 1;
        match event.data {
            EventData::StreamEnd => break,
            EventData::DocumentStart { .. } => (documents, began) = (documents + 1, line),
            EventData::Scalar { value, plain_implicit, .. } => {
                // What holds nothing says nothing.
                let is_nothing = open.is_empty() && plain_implicit && ["", "~", "null"].contains(&value.as_str());
                if documents > 1 && open.is_empty() && !is_nothing {
                    found.push(Ignored::Document { line: began });
                }
                match open.last_mut() {
                    Some(Open::Map { keys, key: key @ None }) => {
                        let first = keys.insert(value.clone(), line).filter(|_| value != "<<");
                        *key = Some(value);
                        if let Some(first) = first.filter(|_| documents == 1) {
                            found.push(Ignored::Repeated { path: path(&open), first, line });
                        }
                    }
                    _ => close(&mut open),
                }
            }
            EventData::Alias { .. } => close(&mut open),
            EventData::MappingStart { .. } | EventData::SequenceStart { .. } => {
                if documents > 1 && open.is_empty() {
                    found.push(Ignored::Document { line: began });
                }
                let is_map = matches!(event.data, EventData::MappingStart { .. });
                open.push(match is_map {
                    true => Open::Map { keys: HashMap::new(), key: None },
                    false => Open::List { index: 0 },
                });
            }
            EventData::MappingEnd | EventData::SequenceEnd => {
                open.pop();
                close(&mut open);
            }
            _ => {}
        }
    }
    found
}

/// A value has ended: what comes next in a map is a key, and in a list the next item.
fn close(open: &mut [Open]) {
    match open.last_mut() {
        // A key that is a collection has no name.
        Some(Open::Map { key: key @ None, .. }) => *key = Some("?".to_owned()),
        Some(Open::Map { key, .. }) => *key = None,
        Some(Open::List { index }) => *index += 1,
        None => {}
    }
}

fn path(open: &[Open]) -> String {
    let step = |open: &Open| match open {
        Open::Map { key, .. } => key.clone().unwrap_or_default(),
        Open::List { index } => index.to_string(),
    };
    open.iter().map(step).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = ignored(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn keys_that_stand_twice_are_found_wherever_they_are() {
        check("a: 1\nb: 2\n", &[]);
        check("a: 1\na: 1", &["line 2: `a` stands there again, after line 1"]);
        check("a:\n  b: 1\n  c: {}\n  \"b\": 2\n", &["line 4: `a.b` stands there again, after line 2"]);
        check("a: [{x: 1}, {x: 1, x: 2}]", &["line 1: `a.1.x` stands there again, after line 1"]);
        check("a: &m {x: 1}\nb:\n  <<: *m\n  <<: *m\n", &[]);
        check("? [a]\n: {k: 1}\n? [a]\n: {k: 2}\n", &[]);
        check("a: 1\nb: [\n", &[]);
    }

    #[test]
    fn further_documents_are_found_if_they_say_something() {
        check("---\na: 1\n---\n# nothing\n", &[]);
        check("a: 1\n---\n~\n...\n", &[]);
        check("a: 1\n---\nb: 2\nb: 3\n", &["line 2: a second document begins"]);
        check("a: 1\n---\ntext\n---\n[1]\n", &["line 2: a second document begins", "line 4: a second document begins"]);
        check("", &[]);
    }
}
