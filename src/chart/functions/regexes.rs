//! Regular expressions: Go's syntax, matched by the `regex` crate, which has the same linear-time semantics.

mod syntax;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Captures, Regex};

use super::super::limits::Fault;
use super::super::template::quote::quote;
use super::super::value::{Element, List, Value};
use super::{Context, Row, int, text};

pub(super) const TABLE: &[Row] = &[
    ("regexMatch", "ss", |_, args| {
        Ok(compile(&args[0]).is_ok_and(|found| text(&args[1]).is_ok_and(|whole| found.regex.is_match(whole))).into())
    }),
    ("mustRegexMatch", "ss", |_, args| Ok(compile(&args[0])?.regex.is_match(text(&args[1])?).into())),
    ("regexFind", "ss", |context, args| find(context, args).map_err(|fault| panicked(&args[0], fault))),
    ("mustRegexFind", "ss", find),
    ("regexFindAll", "ssi", |context, args| find_all(context, args).map_err(|fault| panicked(&args[0], fault))),
    ("mustRegexFindAll", "ssi", find_all),
    ("regexReplaceAll", "sss", |context, args| {
        replace(context, args, false).map_err(|fault| panicked(&args[0], fault))
    }),
    ("mustRegexReplaceAll", "sss", |context, args| replace(context, args, false)),
    ("regexReplaceAllLiteral", "sss", |context, args| {
        replace(context, args, true).map_err(|fault| panicked(&args[0], fault))
    }),
    ("mustRegexReplaceAllLiteral", "sss", |context, args| replace(context, args, true)),
    ("regexSplit", "ssi", |context, args| split(context, args).map_err(|fault| panicked(&args[0], fault))),
    ("mustRegexSplit", "ssi", split),
    ("regexQuoteMeta", "s", |_, args| Ok(quote_meta(text(&args[0])?).into())),
];

thread_local! {
    /// Charts use the same few expressions again and again.
    static COMPILED: RefCell<HashMap<String, Rc<Expression>>> = RefCell::new(HashMap::new());
}

const MAX_COMPILED: usize = 100;

/// A compiled expression, and the names of its groups from the first one.
struct Expression {
    regex: Regex,
    names: Vec<String>,
}

fn compile(pattern: &Value) -> Result<Rc<Expression>, Fault> {
    let pattern = text(pattern)?;
    if let Some(expression) = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned()) {
        return Ok(expression);
    }
    let wrong = |reason: String| Fault(format!("error parsing regexp: {reason}"));
    let translated = syntax::translate(pattern).map_err(wrong)?;
    // What Go accepts can still compile to more than is allowed.
    let regex = Regex::new(&translated.pattern).map_err(|_| wrong(format!("expression too large: `{pattern}`")))?;
    let expression = Rc::new(Expression { regex, names: translated.names });
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        compiled.insert(pattern.to_owned(), expression.clone());
    });
    Ok(expression)
}

/// What `regexp.MustCompile` panics with.
fn panicked(pattern: &Value, fault: Fault) -> Fault {
    match pattern {
        Value::Str(pattern) if fault.0.starts_with("error parsing regexp: ") => {
            let can_backquote = |c: char| c == '\t' || (!c.is_control() && c != '`' && c != '\u{feff}');
            let quoted = if pattern.chars().all(can_backquote) { format!("`{pattern}`") } else { quote(pattern) };
            Fault(format!("regexp: Compile({quoted}): {}", fault.0))
        }
        _ => fault,
    }
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
    Ok(compile(&args[0])?.regex.find(text(&args[1])?).map_or("", |found| found.as_str()).into())
}

/// A negative limit is none.
fn limit(value: &Value) -> Result<usize, Fault> {
    Ok(usize::try_from(int(value)?).unwrap_or(usize::MAX))
}

fn find_all(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let expression = compile(&args[0])?;
    let found = expression.regex.find_iter(text(&args[1])?).take(limit(&args[2])?);
    let found: Vec<Value> = found.map(|found| found.as_str().into()).collect();
    Ok(Value::List(match found.is_empty() {
        true => List::nil(Element::Str),
        false => List::typed(Element::Str, found),
    }))
}

fn replace(context: &Context, args: &[Value], literal: bool) -> Result<Value, Fault> {
    let (expression, whole, with) = (compile(&args[0])?, text(&args[1])?, text(&args[2])?);
    let regex = &expression.regex;
    let count = regex.find_iter(whole).count();
    // A replacement can hold at most as many references as characters, each no longer than the whole.
    let references = if literal { 0 } else { with.matches('$').count() };
    let each = with.len().saturating_add(references.saturating_mul(whole.len()));
    context.budget.text(whole.len().saturating_add(count.saturating_mul(each)))?;
    let replaced = match literal {
        true => regex.replace_all(whole, regex::NoExpand(with)),
        false => regex.replace_all(whole, |groups: &Captures<'_>| expand(with, groups, &expression.names)),
    };
    Ok(replaced.into_owned().into())
}

/// Go's `Expand`: `$1`, `$name` and `${name}` stand for groups, `$$` for a dollar; what names no group is nothing.
fn expand(template: &str, groups: &Captures<'_>, names: &[String]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(after) else {
            out.push('$');
            rest = after;
            continue;
        };
        let number = name.parse::<usize>().ok().filter(|_| name == "0" || !name.starts_with('0'));
        let group = match number {
            Some(number) => groups.get(number),
            // Of groups with the same name, the first that takes part.
            None => (1..).zip(names).filter(|(_, known)| *known == name).find_map(|(index, _)| groups.get(index)),
        };
        out.push_str(group.map_or("", |group| group.as_str()));
        rest = after;
    }
    out + rest
}

/// The name after a dollar, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, text) = text.strip_prefix('{').map_or((false, text), |text| (true, text));
    let len = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(len);
    let rest = if braced { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

fn split(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (expression, whole, limit) = (compile(&args[0])?, text(&args[1])?, limit(&args[2])?);
    if limit == 0 {
        return Ok(Value::List(List::nil(Element::Str)));
    }
    if whole.is_empty() && !text(&args[0])?.is_empty() {
        return Ok(Value::strings([""]));
    }
    let (mut parts, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in expression.regex.find_iter(whole).take(limit) {
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
