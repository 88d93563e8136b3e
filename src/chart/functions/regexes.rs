//! Regular expressions: Go's syntax, matched by the `regex` crate, which has the same linear-time semantics.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::{Match, Regex, RegexBuilder};

use super::super::limits::Fault;
use super::super::value::{Element, List, Value};
use super::{Context, Row, int, text};

pub(super) const TABLE: &[Row] = &[
    ("regexMatch", "ss", |context, args| {
        let Ok(expression) = compile(context, &args[0])? else { return Ok(false.into()) };
        let Ok(whole) = text(&args[1]) else { return Ok(false.into()) };
        expression.count(context, whole)?;
        Ok(expression.regex.is_match(whole).into())
    }),
    ("mustRegexMatch", "ss", |context, args| {
        let (expression, whole) = (compile(context, &args[0])??, text(&args[1])?);
        expression.count(context, whole)?;
        Ok(expression.regex.is_match(whole).into())
    }),
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

/// A compiled expression, and what a step of it costs.
#[derive(Clone)]
struct Expression {
    regex: Regex,
    weight: usize,
}

/// Compiled sizes in bytes, with their weights: matching takes at most as long as the size times the text. Go's limit
/// is far higher, but nobody writes such expressions.
const SIZES: [(usize, usize); 3] = [(8 << 10, 1), (64 << 10, 8), (1 << 20, 128)];
/// Bytes that an expression of the smallest size matches in one step.
const BYTES_PER_STEP: usize = 16;
/// The same for the rest of the text after a match, which the next search may look at in vain.
const BYTES_PER_MATCH: usize = 128;
/// Steps that compiling to the smallest size takes.
const COMPILE_STEPS: usize = 1000;

impl Expression {
    /// Counts a search through the text.
    fn count(&self, context: &Context, whole: &str) -> Result<(), Fault> {
        context.budget.steps(whole.len() / BYTES_PER_STEP * self.weight)
    }

    /// All matches up to a limit. Each may have looked at the whole rest of the text.
    fn matches<'t>(&self, context: &Context, whole: &'t str, limit: usize) -> Result<Vec<Match<'t>>, Fault> {
        self.count(context, whole)?;
        let mut matches = Vec::new();
        for found in self.regex.find_iter(whole).take(limit) {
            context.budget.items(1 + (whole.len() - found.start()) / BYTES_PER_MATCH * self.weight)?;
            matches.push(found);
        }
        Ok(matches)
    }
}

thread_local! {
    /// Charts use the same few expressions again and again.
    static COMPILED: RefCell<HashMap<String, Expression>> = RefCell::new(HashMap::new());
}

const MAX_COMPILED: usize = 100;
/// Bytes of an expression's own text.
const MAX_PATTERN: usize = 16 << 10;

/// A limit's fault outside, the syntax error of the expression inside.
fn compile(context: &Context, pattern: &Value) -> Result<Result<Expression, Fault>, Fault> {
    let pattern = match text(pattern) {
        Ok(pattern) => pattern,
        Err(fault) => return Ok(Err(fault)),
    };
    if let Some(expression) = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned()) {
        return Ok(Ok(expression));
    }
    context.budget.parse(pattern.len())?;
    let mut failed = Fault::from("error parsing regexp: expression too large");
    if pattern.len() > MAX_PATTERN {
        return Ok(Err(failed));
    }
    let translated = translate(pattern);
    for (size, weight) in SIZES {
        context.budget.steps(COMPILE_STEPS * weight)?;
        match RegexBuilder::new(&translated).size_limit(size).build() {
            Ok(regex) => {
                let expression = Expression { regex, weight };
                COMPILED.with_borrow_mut(|compiled| {
                    if compiled.len() >= MAX_COMPILED {
                        compiled.clear();
                    }
                    compiled.insert(pattern.to_owned(), expression.clone());
                });
                return Ok(Ok(expression));
            }
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                failed = Fault(format!("error parsing regexp: {reason}: `{pattern}`"));
                break;
            }
        }
    }
    Ok(Err(failed))
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

fn find(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (expression, whole) = (compile(context, &args[0])??, text(&args[1])?);
    expression.count(context, whole)?;
    Ok(expression.regex.find(whole).map_or("", |found| found.as_str()).into())
}

/// A negative limit is none.
fn limit(value: &Value) -> Result<usize, Fault> {
    Ok(usize::try_from(int(value)?).unwrap_or(usize::MAX))
}

fn find_all(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let found = compile(context, &args[0])??.matches(context, text(&args[1])?, limit(&args[2])?)?;
    let found: Vec<Value> = found.iter().map(|found| found.as_str().into()).collect();
    Ok(Value::List(match found.is_empty() {
        true => List::nil(Element::Str),
        false => List::typed(Element::Str, found),
    }))
}

fn replace(context: &Context, args: &[Value], literal: bool) -> Result<Value, Fault> {
    let (expression, whole, with) = (compile(context, &args[0])??, text(&args[1])?, text(&args[2])?);
    let count = expression.matches(context, whole, usize::MAX)?.len();
    // A reference is no longer than its match, and all matches are no longer than the whole.
    let references = if literal { 0 } else { with.matches('$').count() };
    let referenced = references.saturating_add(1).saturating_mul(whole.len());
    context.budget.text(count.saturating_mul(with.len()).saturating_add(referenced))?;
    let replaced = match literal {
        true => expression.regex.replace_all(whole, regex::NoExpand(with)),
        false => expression.regex.replace_all(whole, with),
    };
    Ok(replaced.into_owned().into())
}

fn split(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (expression, whole, limit) = (compile(context, &args[0])??, text(&args[1])?, limit(&args[2])?);
    if limit == 0 {
        return Ok(Value::List(List::nil(Element::Str)));
    }
    if whole.is_empty() && !text(&args[0])?.is_empty() {
        return Ok(Value::strings([""]));
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in expression.matches(context, whole, limit)? {
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
