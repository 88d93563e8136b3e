//! Defaults, emptiness and flow: `default`, `coalesce`, `ternary`, `required`, `fail` …

use super::super::limits::Fault;
use super::super::value::{List, Value};
use super::{Context, Row, boolean, text};

pub(super) const TABLE: &[Row] = &[
    ("default", "aa*", default),
    ("empty", "a", |_, args| Ok(empty(&args[0]).into())),
    ("coalesce", "a*", |_, args| Ok(args.iter().find(|value| !empty(value)).cloned().unwrap_or(Value::Nil))),
    ("all", "a*", |_, args| Ok((!args.iter().any(empty)).into())),
    ("any", "a*", |_, args| Ok((!args.iter().all(empty)).into())),
    ("compact", "a", compact),
    ("mustCompact", "a", compact),
    ("ternary", "aab", |_, args| Ok(args[if boolean(&args[2])? { 0 } else { 1 }].clone())),
    ("required", "sa", required),
    ("fail", "s", |_, args| Err(Fault(warn(text(&args[0])?)))),
    ("hello", "", |_, _| Ok("Hello!".into())),
];

/// Sprig's `empty`.
pub(super) fn empty(value: &Value) -> bool {
    !value.is_true()
}

fn default(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    Ok(args.get(1).filter(|given| !empty(given)).unwrap_or(&args[0]).clone())
}

fn compact(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = super::lists::list(&args[0], "Cannot compact on type")?;
    context.budget.items(list.items.len())?;
    Ok(Value::List(List::new(list.items.iter().filter(|item| !empty(item)).cloned().collect())))
}

fn required(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let missing = match &args[1] {
        Value::Nil => true,
        Value::Str(text) => text.is_empty(),
        _ => false,
    };
    match missing {
        true => Err(Fault(warn(text(&args[0])?))),
        false => Ok(args[1].clone()),
    }
}

/// Helm marks what a chart's author says, and shows nothing else of the error.
fn warn(message: &str) -> String {
    format!("{WARN_START}{message}{WARN_END}")
}

const WARN_START: &str = "HELM_ERR_START";
const WARN_END: &str = "HELM_ERR_END";

/// An error as it is without Helm, which marks what an author says.
pub(crate) fn without_marks(error: &str) -> String {
    error.replace(WARN_START, "").replace(WARN_END, "")
}

/// The author's words within an error, if there are any.
pub(crate) fn author_message(error: &str) -> Option<&str> {
    let start = error.find(WARN_START)? + WARN_START.len();
    let end = error.rfind(WARN_END)?;
    error.get(start..end)
}
