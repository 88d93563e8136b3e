//! Regular expressions: Go's syntax, matched by the `regex` crate, which has the same linear-time semantics.

mod syntax;

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;

use super::super::limits::Fault;
use super::super::value::{Element, List, Value};
use super::{Context, Row, int, text};

pub(super) const TABLE: &[Row] = &[
    ("regexMatch", "ss", |_, args| {
        Ok(compile(&args[0]).is_ok_and(|regex| text(&args[1]).is_ok_and(|whole| regex.is_match(whole))).into())
    }),
    ("mustRegexMatch", "ss", |_, args| Ok(compile(&args[0])?.is_match(text(&args[1])?).into())),
    ("regexFind", "ss", find),
    ("mustRegexFind", "ss", find),
    ("regexFindAll", "ssi", find_all),
    ("mustRegexFindAll", "ssi", find_all),
    ("regexReplaceAll", "sss", |context, args| replace(context, args, false)),
    ("mustRegexReplaceAll", "sss", |context, args| replace(context, args, false)),
    ("regexReplaceAllLiteral", "sss", |context, args| replace(context, args, true)),
    ("mustRegexReplaceAllLiteral", "sss", |context, args| replace(context, args, true)),
    ("regexSplit", "ssi", split),
    ("mustRegexSplit", "ssi", split),
    ("regexQuoteMeta", "s", |_, args| Ok(quote_meta(text(&args[0])?).into())),
];

thread_local! {
    /// Charts use the same few expressions again and again.
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
}

const MAX_COMPILED: usize = 100;

fn compile(pattern: &Value) -> Result<Regex, Fault> {
    let pattern = text(pattern)?;
    if let Some(regex) = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned()) {
        return Ok(regex);
    }
    let translated = translate(pattern);
    let regex = Regex::new(&translated)
        .map_err(|_| Fault(format!("error parsing regexp: {}", syntax::error(pattern, &translated))))?;
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), regex.clone());
    });
    Ok(regex)
}

/// Go's classes `\d`, `\w`, `\s` and `\b` are ASCII; its character classes know no nesting and no set operations.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut class_len = None;
    while let Some(c) = chars.next() {
        match (c, class_len) {
            ('\\', class) => {
                let escaped = chars.next();
                match (escaped, class.is_some()) {
                    (Some('d'), true) => out.push_str("0-9"),
                    (Some('d'), false) => out.push_str("[0-9]"),
                    (Some('w'), true) => out.push_str("0-9A-Za-z_"),
                    (Some('w'), false) => out.push_str("[0-9A-Za-z_]"),
                    (Some('s'), true) => out.push_str("\\t\\n\\f\\r "),
                    (Some('s'), false) => out.push_str("[\\t\\n\\f\\r ]"),
                    (Some('D'), _) => out.push_str("[^0-9]"),
                    (Some('W'), _) => out.push_str("[^0-9A-Za-z_]"),
                    (Some('S'), _) => out.push_str("[^\\t\\n\\f\\r ]"),
                    (Some('b'), false) => out.push_str("(?-u:\\b)"),
                    (Some('B'), false) => out.push_str("(?-u:\\B)"),
                    (Some('Q'), false) => quoted(&mut chars, &mut out),
                    (Some(other), _) => {
                        out.push('\\');
                        out.push(other);
                    }
                    (None, _) => out.push('\\'),
                }
                class_len = class.map(|len| len + 1);
            }
            ('[', None) => {
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                class_len = Some(0);
            }
            (']', Some(len)) if len > 0 => {
                out.push(']');
                class_len = None;
            }
            (']', Some(0)) => {
                out.push_str("\\]");
                class_len = Some(1);
            }
            ('[', Some(len)) if chars.peek() == Some(&':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
                class_len = Some(len + 1);
            }
            ('[' | '&' | '~', Some(len)) => {
                out.push('\\');
                out.push(c);
                class_len = Some(len + 1);
            }
            (c, class) => {
                out.push(c);
                class_len = class.map(|len| len + 1);
            }
        }
    }
    out
}

/// The text between `\Q` and `\E`.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut literal = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(c);
    }
    out.push_str(&regex::escape(&literal));
}

/// `regexp.QuoteMeta`, which escapes fewer characters than the crate's.
fn quote_meta(whole: &str) -> String {
    let mut out = String::with_capacity(whole.len());
    for c in whole.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn find(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    Ok(compile(&args[0])?.find(text(&args[1])?).map_or("", |found| found.as_str()).into())
}

/// A negative limit is none.
fn limit(value: &Value) -> Result<usize, Fault> {
    Ok(usize::try_from(int(value)?).unwrap_or(usize::MAX))
}

fn find_all(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let regex = compile(&args[0])?;
    let found = regex.find_iter(text(&args[1])?).take(limit(&args[2])?);
    let found: Vec<Value> = found.map(|found| found.as_str().into()).collect();
    Ok(Value::List(match found.is_empty() {
        true => List::nil(Element::Str),
        false => List::typed(Element::Str, found),
    }))
}

fn replace(context: &Context, args: &[Value], literal: bool) -> Result<Value, Fault> {
    let (regex, whole, with) = (compile(&args[0])?, text(&args[1])?, text(&args[2])?);
    let count = regex.find_iter(whole).count();
    // A replacement can hold at most as many references as characters, each no longer than the whole.
    let references = if literal { 0 } else { with.matches('$').count() };
    let each = with.len().saturating_add(references.saturating_mul(whole.len()));
    context.budget.text(whole.len().saturating_add(count.saturating_mul(each)))?;
    let replaced = match literal {
        true => regex.replace_all(whole, regex::NoExpand(with)),
        false => regex.replace_all(whole, with),
    };
    Ok(replaced.into_owned().into())
}

fn split(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (regex, whole, limit) = (compile(&args[0])?, text(&args[1])?, limit(&args[2])?);
    if limit == 0 {
        return Ok(Value::List(List::nil(Element::Str)));
    }
    if whole.is_empty() && !text(&args[0])?.is_empty() {
        return Ok(Value::strings([""]));
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in regex.find_iter(whole).take(limit) {
        if parts.len() == limit - 1 {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&whole[begin..end]);
        }
        begin = found.end();
    }
    if end != whole.len() {
        parts.push(&whole[begin..]);
    }
    Ok(Value::strings(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_syntax_keeps_its_meaning() {
        let cases = [
            (r"^\d+$", "１", false),
            (r"[\w-]+", "-", true),
            (r"[[]", "[", true),
            (r"[]a]", "]", true),
            (r"[a&&b]", "&", true),
            (r"[[:alpha:]]", "x", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
        ];
        for (pattern, whole, expected) in cases {
            let matched = Regex::new(&translate(pattern)).map(|regex| regex.is_match(whole));
            assert_eq!(matched.ok(), Some(expected), "{pattern} {whole}");
        }
    }
}
