//! Regular expressions: Go's syntax, matched by the `regex` crate, which has the same linear-time semantics.

mod syntax;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Captures, Match, Regex, RegexBuilder};

use super::super::limits::Fault;
use super::super::template::quote::quote;
use super::super::value::{Element, List, Value};
use super::{Context, Row, int, text};

pub(super) const TABLE: &[Row] = &[
    ("regexMatch", "ss", |context, args| match (compile(context, &args[0])?, text(&args[1])) {
        (Ok(expression), Ok(whole)) => is_match(context, &expression, whole),
        _ => Ok(false.into()),
    }),
    ("mustRegexMatch", "ss", |context, args| is_match(context, &*compile(context, &args[0])??, text(&args[1])?)),
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

/// Bytes of an expression's own text.
const MAX_PATTERN: usize = 16 << 10;

/// A compiled expression, the names of its groups from the first one, and what a step of it costs.
struct Expression {
    regex: Regex,
    names: Vec<String>,
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

/// A limit's fault outside, the expression's own inside.
fn compile(context: &Context, pattern: &Value) -> Result<Result<Rc<Expression>, Fault>, Fault> {
    let pattern = match text(pattern) {
        Ok(pattern) => pattern,
        Err(fault) => return Ok(Err(fault)),
    };
    if let Some(expression) = COMPILED.with_borrow(|compiled| compiled.get(pattern).cloned()) {
        return Ok(Ok(expression));
    }
    let wrong = |reason: String| Ok(Err(Fault(format!("error parsing regexp: {reason}"))));
    // What Go accepts can still be more than is allowed.
    let too_large = || wrong(format!("expression too large: `{pattern}`"));
    if pattern.len() > MAX_PATTERN {
        return too_large();
    }
    context.budget.parse(pattern.len())?;
    let translated = match syntax::translate(pattern) {
        Ok(translated) => translated,
        Err(reason) => return wrong(reason),
    };
    for (size, weight) in SIZES {
        context.budget.steps(COMPILE_STEPS * weight)?;
        let Ok(regex) = RegexBuilder::new(&translated.pattern).size_limit(size).build() else { continue };
        let expression = Rc::new(Expression { regex, names: translated.names, weight });
        COMPILED.with_borrow_mut(|compiled| {
            if compiled.len() >= MAX_COMPILED {
                compiled.clear();
            }
            compiled.insert(pattern.to_owned(), expression.clone());
        });
        return Ok(Ok(expression));
    }
    too_large()
}

fn is_match(context: &Context, expression: &Expression, whole: &str) -> Result<Value, Fault> {
    expression.count(context, whole)?;
    Ok(expression.regex.is_match(whole).into())
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
    let regex = &expression.regex;
    let count = expression.matches(context, whole, usize::MAX)?.len();
    // A reference is no longer than its match, and all matches are no longer than the whole.
    let references = if literal { 0 } else { with.matches('$').count() };
    let referenced = references.saturating_add(1).saturating_mul(whole.len());
    context.budget.text(count.saturating_mul(with.len()).saturating_add(referenced))?;
    context.budget.steps(count.saturating_mul(references).saturating_mul(1 + expression.names.len() / 8))?;
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
