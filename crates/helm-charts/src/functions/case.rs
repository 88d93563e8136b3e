//! Upper and lower case, words and their initials, as Go, goutils and xstrings see them.

use super::super::limits::Fault;
use super::super::value::Value;
use super::{Row, text};

pub(super) const TABLE: &[Row] = &[
    ("upper", "s", |_, args| map_chars(args, upper)),
    ("lower", "s", |_, args| map_chars(args, lower)),
    ("swapcase", "s", |_, args| map_chars(args, swap)),
    ("title", "s", |_, args| Ok(title(text(&args[0])?).into())),
    ("untitle", "s", |_, args| Ok(first_of_words(text(&args[0])?, lower).into())),
    ("initials", "s", |_, args| Ok(initials(text(&args[0])?).into())),
    ("camelcase", "s", |_, args| Ok(pascal(text(&args[0])?).into())),
    ("snakecase", "s", |_, args| Ok(joined_lower(text(&args[0])?, '_').into())),
    ("kebabcase", "s", |_, args| Ok(joined_lower(text(&args[0])?, '-').into())),
];

/// Go changes case character by character: `ß` stays as it is.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => c,
    }
}

fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => c,
    }
}

fn swap(c: char) -> char {
    match c {
        c if c.is_uppercase() => lower(c),
        c if c.is_lowercase() => upper(c),
        c => c,
    }
}

fn map_chars(args: &[Value], map: fn(char) -> char) -> Result<Value, Fault> {
    Ok(text(&args[0])?.chars().map(map).collect::<String>().into())
}

/// `strings.Title`: the first letter after anything that is no letter, digit or underscore.
fn title(whole: &str) -> String {
    let mut previous = ' ';
    let separates = |c: char| match c {
        '_' => false,
        c if c.is_ascii() => !c.is_ascii_alphanumeric(),
        c => c.is_whitespace(),
    };
    let change = |c: char| {
        let changed = if separates(previous) { upper(c) } else { c };
        previous = c;
        changed
    };
    whole.chars().map(change).collect()
}

fn first_of_words(whole: &str, map: fn(char) -> char) -> String {
    let mut at_start = true;
    let change = |c: char| {
        let changed = if at_start && !c.is_whitespace() { map(c) } else { c };
        at_start = c.is_whitespace();
        changed
    };
    whole.chars().map(change).collect()
}

/// `goutils.Initials`, which takes every byte for a character.
fn initials(whole: &str) -> String {
    let mut after_gap = true;
    let starts = |c: &char| {
        let starts = after_gap && !c.is_whitespace();
        after_gap = c.is_whitespace();
        starts
    };
    whole.bytes().map(char::from).filter(starts).collect()
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// `xstrings.ToPascalCase`: words start in upper case and go on in lower case; connectors go, but for leading ones.
fn pascal(whole: &str) -> String {
    let mut out = String::new();
    let mut chars = whole.chars();
    let mut current = None;
    for c in chars.by_ref() {
        if !is_connector(c) {
            current = Some(upper(c));
            break;
        }
        out.push(c);
    }
    let Some(mut current) = current else {
        // As xstrings has it, which writes the last connector twice.
        out.extend(out.chars().next_back());
        return out;
    };
    for c in chars {
        let previous = std::mem::replace(&mut current, c);
        if is_connector(c) && is_connector(previous) {
            out.push(previous);
        } else if is_connector(previous) {
            current = upper(c);
        } else {
            current = lower(c);
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    End,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

fn is_punctuation(c: char) -> bool {
    // Unicode's P categories, for ASCII; symbols ($+<=>^`|~) are not among them.
    c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c)
}

/// Go's letters without the capitals and titles, nearly: ideographs count as alphabet here, too.
fn is_alphabet(c: char) -> bool {
    c.is_alphabetic()
}

/// `xstrings.nextWord`: the next run of characters of one kind.
fn next_word(text: &str) -> (Word, &str, &str) {
    let Some(first) = text.chars().next() else { return (Word::End, "", "") };
    let run = |text: &str, belongs: &dyn Fn(char) -> bool| {
        text.char_indices().find(|(_, c)| !belongs(*c)).map_or(text.len(), |(at, _)| at)
    };
    let (word, len) = match first {
        c if is_connector(c) => (Word::Connector, run(text, &is_connector)),
        c if is_punctuation(c) => (Word::Punctuation, run(text, &is_punctuation)),
        c if c.is_uppercase() => {
            let rest = &text[c.len_utf8()..];
            match rest.chars().next() {
                Some(second) if second.is_uppercase() => {
                    let capitals = run(text, &char::is_uppercase);
                    // The last capital starts the next word when letters follow it.
                    let followed = text[capitals..].chars().next().is_some_and(is_alphabet);
                    let last = text[..capitals].chars().next_back().map_or(0, char::len_utf8);
                    (Word::Upper, if followed { capitals - last } else { capitals })
                }
                Some(second) if is_alphabet(second) => {
                    (Word::Upper, c.len_utf8() + run(rest, &|c| is_alphabet(c) && !c.is_uppercase()))
                }
                _ => (Word::Upper, c.len_utf8()),
            }
        }
        c if is_alphabet(c) => (Word::Alphabet, run(text, &|c| is_alphabet(c) && !c.is_uppercase())),
        c if c.is_numeric() => (Word::Number, run(text, &char::is_numeric)),
        _ => {
            let other = |c| !(is_connector(c) || is_alphabet(c) || c.is_numeric() || is_punctuation(c));
            (Word::Other, run(text, &other))
        }
    };
    let (word_text, rest) = text.split_at(len);
    (word, word_text, rest)
}

/// `xstrings.ToSnakeCase` and `ToKebabCase`.
fn joined_lower(whole: &str, connector: char) -> String {
    let mut out = String::new();
    let (mut kind, mut word, mut rest) = next_word(whole);
    while !rest.is_empty() {
        if kind != Word::Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::End | Word::Punctuation | Word::Connector) {
                    out.push(connector);
                }
            }
            Word::Connector => push_lower(&mut out, previous, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let last = word;
                (kind, word, rest) = next_word(rest);
                if kind != Word::Alphabet {
                    push_lower(&mut out, Word::Number, last, connector);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        out.push(connector);
                    }
                    continue;
                }
                out.push(connector);
                push_lower(&mut out, Word::Number, last, connector);
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::End | Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}

fn push_lower(out: &mut String, kind: Word, word: &str, connector: char) {
    match kind {
        Word::Upper => out.extend(word.chars().map(lower)),
        Word::Connector => out.extend(word.chars().map(|_| connector)),
        _ => out.push_str(word),
    }
}
