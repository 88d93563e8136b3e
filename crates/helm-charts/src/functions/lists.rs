//! Lists. All of them make new lists; none changes its argument.

use super::super::compare::deep_equal;
use super::super::limits::Fault;
use super::super::value::{Element, List, Value};
use super::{Context, Row, cast, int, text};

pub(super) const TABLE: &[Row] = &[
    ("list", "a*", of_arguments),
    ("tuple", "a*", of_arguments),
    ("append", "aa", push),
    ("mustAppend", "aa", push),
    ("push", "aa", push),
    ("mustPush", "aa", push),
    ("prepend", "aa", prepend),
    ("mustPrepend", "aa", prepend),
    ("chunk", "ia", chunk),
    ("mustChunk", "ia", chunk),
    ("first", "a", |_, args| end(&args[0], "first", <[Value]>::first)),
    ("mustFirst", "a", |_, args| end(&args[0], "first", <[Value]>::first)),
    ("last", "a", |_, args| end(&args[0], "last", <[Value]>::last)),
    ("mustLast", "a", |_, args| end(&args[0], "last", <[Value]>::last)),
    ("rest", "a", rest),
    ("mustRest", "a", rest),
    ("initial", "a", initial),
    ("mustInitial", "a", initial),
    ("reverse", "a", reverse),
    ("mustReverse", "a", reverse),
    ("uniq", "a", uniq),
    ("mustUniq", "a", uniq),
    ("without", "aa*", without),
    ("mustWithout", "aa*", without),
    ("has", "aa", has),
    ("mustHas", "aa", has),
    ("slice", "aa*", slice),
    ("mustSlice", "aa*", slice),
    ("concat", "a*", concat),
    ("sortAlpha", "a", sort_alpha),
    ("join", "sa", join),
    ("toStrings", "a", |context, args| Ok(Value::strings(cast::to_texts(context, &args[0])?))),
    ("until", "i", |context, args| until(context, 0, int(&args[0])?, if int(&args[0])? < 0 { -1 } else { 1 })),
    ("untilStep", "iii", |context, args| until(context, int(&args[0])?, int(&args[1])?, int(&args[2])?)),
    ("seq", "i*", seq),
];

/// Sprig's lists are anything that Go calls a slice.
pub(super) fn list<'a>(value: &'a Value, refusal: &str) -> Result<&'a List, Fault> {
    match value {
        Value::List(list) => Ok(list),
        Value::Nil => Err("runtime error: invalid memory address or nil pointer dereference".into()),
        other => Err(format!("{refusal} {}", other.kind().name()).into()),
    }
}

fn of_arguments(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    context.budget.items(args.len())?;
    Ok(args.to_vec().into())
}

fn push(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = list(&args[0], "Cannot push on type")?;
    context.budget.items(list.items.len())?;
    Ok(list.items.iter().chain([&args[1]]).cloned().collect::<Vec<_>>().into())
}

fn prepend(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = list(&args[0], "Cannot prepend on type")?;
    context.budget.items(list.items.len())?;
    Ok([&args[1]].into_iter().chain(list.items.iter()).cloned().collect::<Vec<_>>().into())
}

fn chunk(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = list(&args[1], "Cannot chunk type")?;
    context.budget.items(list.items.len())?;
    let size = int(&args[0])?;
    // Sprig makes as many chunks as the quotient says, rounded down.
    let count = ((list.items.len() as f64 - 1.0) / size as f64).floor() + 1.0;
    let size = match usize::try_from(size) {
        Ok(size) if size > 0 => size,
        Err(_) if count == 0.0 => return Ok(Value::List(List::typed(Element::List, Vec::new()))),
        Err(_) if list.items.len() == 1 => 1,
        _ => return Err("runtime error: makeslice: len out of range".into()),
    };
    let chunks = list.items.chunks(size).map(|chunk| Value::from(chunk.to_vec())).collect();
    Ok(Value::List(List::typed(Element::List, chunks)))
}

fn end(value: &Value, which: &str, pick: fn(&[Value]) -> Option<&Value>) -> Result<Value, Fault> {
    let list = list(value, &format!("Cannot find {which} on type"))?;
    Ok(pick(&list.items).cloned().unwrap_or(Value::Nil))
}

fn rest(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = list(&args[0], "Cannot find rest on type")?;
    context.budget.items(list.items.len())?;
    Ok(match list.items.split_first() {
        Some((_, rest)) => rest.to_vec().into(),
        None => Value::List(List::nil(Element::Any)),
    })
}

fn initial(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = list(&args[0], "Cannot find initial on type")?;
    context.budget.items(list.items.len())?;
    Ok(match list.items.split_last() {
        Some((_, initial)) => initial.to_vec().into(),
        None => Value::List(List::nil(Element::Any)),
    })
}

fn reverse(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = list(&args[0], "Cannot find reverse on type")?;
    context.budget.items(list.items.len())?;
    Ok(list.items.iter().rev().cloned().collect::<Vec<_>>().into())
}

fn contains(context: &Context, items: &[Value], needle: &Value) -> Result<bool, Fault> {
    for item in items {
        if deep_equal(needle, item, &context.budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let mut unique = Vec::new();
    for item in &*list(&args[0], "Cannot find uniq on type")?.items {
        if !contains(context, &unique, item)? {
            unique.push(item.clone());
        }
    }
    Ok(unique.into())
}

fn without(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let mut kept = Vec::new();
    for item in &*list(&args[0], "Cannot find without on type")?.items {
        if !contains(context, &args[1..], item)? {
            kept.push(item.clone());
        }
    }
    Ok(kept.into())
}

fn has(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    if args[1].is_nil() {
        return Ok(false.into());
    }
    let list = list(&args[1], "Cannot find has on type")?;
    Ok(contains(context, &list.items, &args[0])?.into())
}

fn slice(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let list = list(&args[0], "list should be type of slice or array but")?;
    context.budget.items(list.items.len())?;
    if list.items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, cast::to_int);
    let end = args.get(2).map_or(list.items.len() as i64, cast::to_int);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let items = range.and_then(|(start, end)| list.items.get(start..end));
    let items = items.ok_or_else(|| Fault::from("reflect.Value.Slice: slice index out of bounds"))?;
    Ok(Value::List(List::typed(list.element, items.to_vec())))
}

fn concat(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let mut items = Vec::new();
    for arg in args {
        let list = match arg {
            Value::List(_) | Value::Nil => list(arg, "")?,
            other => return Err(format!("Cannot concat type {} as list", other.kind().name()).into()),
        };
        context.budget.items(list.items.len())?;
        items.extend(list.items.iter().cloned());
    }
    Ok(match items.is_empty() {
        true => Value::List(List::nil(Element::Any)),
        false => items.into(),
    })
}

fn sort_alpha(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let mut texts = match &args[0] {
        list @ Value::List(_) => cast::to_texts(context, list)?,
        other => vec![cast::to_text(other)?],
    };
    texts.sort();
    Ok(Value::strings(texts))
}

fn join(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let separator = text(&args[0])?;
    let texts = cast::to_texts(context, &args[1])?;
    context.budget.text(texts.iter().map(|text| text.len() + separator.len()).sum())?;
    Ok(texts.join(separator).into())
}

fn range(context: &Context, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Fault> {
    let towards = if stop < start { -1 } else { 1 };
    if step == 0 || step.signum() != towards {
        return Ok(Vec::new());
    }
    let distance = stop.abs_diff(start);
    let count = usize::try_from(distance.div_ceil(step.unsigned_abs())).unwrap_or(usize::MAX);
    context.budget.items(count)?;
    Ok((0..count as i64).map(|index| start + index * step).collect())
}

fn until(context: &Context, start: i64, stop: i64, step: i64) -> Result<Value, Fault> {
    let numbers = range(context, start, stop, step)?;
    Ok(Value::List(List::typed(Element::Int, numbers.into_iter().map(Value::Int).collect())))
}

/// Like the shell's `seq`: first, step and last; the result is one text.
fn seq(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let numbers = args.iter().map(int).collect::<Result<Vec<_>, _>>()?;
    let numbers = match numbers[..] {
        [end] => {
            let towards = if end < 1 { -1 } else { 1 };
            range(context, 1, end.saturating_add(towards), towards)?
        }
        [start, end] => {
            let towards = if end < start { -1 } else { 1 };
            range(context, start, end.saturating_add(towards), towards)?
        }
        [start, step, end] if end < start => match step > 0 {
            true => Vec::new(),
            false => range(context, start, end.saturating_sub(1), step)?,
        },
        [start, step, end] => range(context, start, end.saturating_add(1), step)?,
        _ => Vec::new(),
    };
    Ok(numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" ").into())
}
