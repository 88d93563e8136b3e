//! Maps. `set`, `unset` and `merge` change their first argument, which everyone who holds it sees, as in Go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::limits::Fault;
use super::super::value::{List, Map, MapType, Value};
use super::{Context, Row, cast, map, text};

pub(super) const TABLE: &[Row] = &[
    ("dict", "a*", dict),
    ("get", "ms", |_, args| Ok(map(&args[0]).and_then(|map| map.get(text(&args[1]).ok()?)).unwrap_or("".into()))),
    ("set", "msa", set),
    ("unset", "ms", |_, args| {
        if let Some(map) = map(&args[0]) {
            map.remove(text(&args[1])?);
        }
        Ok(args[0].clone())
    }),
    ("hasKey", "ms", |_, args| {
        let key = text(&args[1])?;
        Ok(map(&args[0]).is_some_and(|map| map.get(key).is_some()).into())
    }),
    ("pluck", "sm*", pluck),
    ("keys", "m*", keys),
    ("values", "m", |context, args| {
        context.budget.items(map(&args[0]).map_or(0, Map::len))?;
        Ok(map(&args[0]).map(|map| map.entries().values().cloned().collect::<Vec<_>>()).unwrap_or_default().into())
    }),
    ("pick", "ms*", |context, args| select(context, args, true)),
    ("omit", "ms*", |context, args| select(context, args, false)),
    ("merge", "mm*", |context, args| merge_all(context, args, false)),
    ("mustMerge", "mm*", |context, args| merge_all(context, args, false)),
    ("mergeOverwrite", "mm*", |context, args| merge_all(context, args, true)),
    ("mustMergeOverwrite", "mm*", |context, args| merge_all(context, args, true)),
    ("deepCopy", "a", |context, args| deep_copy(context, &args[0])),
    ("mustDeepCopy", "a", |context, args| deep_copy(context, &args[0])),
    ("dig", "a*", dig),
];

fn dict(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    context.budget.items(args.len())?;
    let mut entries = BTreeMap::new();
    for pair in args.chunks(2) {
        let key: Arc<str> = match &pair[0] {
            Value::Str(key) => key.clone(),
            other => cast::to_text(other)?.into(),
        };
        entries.insert(key, pair.get(1).cloned().unwrap_or_else(|| "".into()));
    }
    Ok(context.map(Map::new(entries)))
}

fn set(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let Some(target) = map(&args[0]) else { return Err("assignment to entry in nil map".into()) };
    if let Value::Map(_) | Value::List(_) = args[2] {
        // It may now contain itself.
        context.map(target.clone());
    }
    target.set(text(&args[1])?, args[2].clone());
    Ok(args[0].clone())
}

fn pluck(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let key = text(&args[0])?;
    Ok(args[1..].iter().filter_map(|arg| map(arg)?.get(key)).collect::<Vec<_>>().into())
}

/// Go's order is random; ours is sorted.
fn keys(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    context.budget.items(args.iter().filter_map(map).map(Map::len).sum())?;
    let maps = args.iter().filter_map(map);
    Ok(Value::strings(maps.flat_map(|map| map.entries().keys().cloned().map(Value::Str).collect::<Vec<_>>())))
}

fn select(context: &Context, args: &[Value], keep: bool) -> Result<Value, Fault> {
    let named = args[1..].iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let Some(map) = map(&args[0]) else { return Ok(context.map(Map::new(BTreeMap::new()))) };
    let entries = map.entries();
    context.budget.items(entries.len().saturating_mul(named.len().max(1)))?;
    let chosen = entries.iter().filter(|(key, _)| named.contains(&&***key) == keep);
    Ok(context.map(Map::new(chosen.map(|(key, value)| (key.clone(), value.clone())).collect())))
}

fn merge_all(context: &Context, args: &[Value], overwrite: bool) -> Result<Value, Fault> {
    let Some(target) = map(&args[0]) else { return Err("assignment to entry in nil map".into()) };
    context.map(target.clone());
    for source in args[1..].iter().filter_map(map) {
        merge(context, target, source, overwrite)?;
    }
    Ok(args[0].clone())
}

/// `mergo.Merge`: maps are merged into the target's own maps; what the target lacks is shared with the source.
/// Without `overwrite`, empty values of the target (`""`, `0`, `false`, an empty list) count as lacking.
fn merge(context: &Context, target: &Map, source: &Map, overwrite: bool) -> Result<(), Fault> {
    context.budget.enter()?;
    context.budget.items(source.len())?;
    let entries = source.entries().clone();
    for (key, from) in entries {
        if from.is_nil() {
            if overwrite {
                target.set(key, Value::Nil);
            }
            continue;
        }
        let into = target.get(&key);
        if let (Some(Value::Map(into)), Value::Map(from)) = (&into, &from) {
            merge(context, into, from, overwrite)?;
        }
        let into = into.filter(|into| into.is_true());
        let replace = match (&into, &from) {
            (None, _) => true,
            (Some(Value::Map(_)), Value::Map(_)) => false,
            (Some(_), _) => overwrite,
        };
        if replace {
            target.set(key, from);
        }
    }
    context.budget.leave();
    Ok(())
}

pub(crate) fn deep_copy(context: &Context, value: &Value) -> Result<Value, Fault> {
    context.budget.enter()?;
    let copy = match value {
        Value::Map(map) => {
            let mut copies = BTreeMap::new();
            for (key, item) in map.entries().iter() {
                copies.insert(key.clone(), deep_copy(context, item)?);
            }
            context.map(Map::typed(map.ty(), copies))
        }
        Value::List(list) => {
            let items = list.items.iter().map(|item| deep_copy(context, item)).collect::<Result<Vec<_>, _>>()?;
            Value::List(List { items: items.into(), ..list.clone() })
        }
        other => other.clone(),
    };
    context.budget.leave();
    Ok(copy)
}

fn dig(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let [keys @ .., default, last] = args else { return Err("dig needs at least three arguments".into()) };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let mut current = last.clone();
    for key in keys {
        let Value::Map(map) = &current else { return Err(not_a_map(&current)) };
        if map.ty() != MapType::Any {
            return Err(not_a_map(&current));
        }
        let Value::Str(key) = key else {
            return Err(format!("interface conversion: interface {{}} is {}, not string", key.type_name()).into());
        };
        match map.get(key) {
            Some(next) => current = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(current)
}

fn not_a_map(value: &Value) -> Fault {
    let ty = if value.is_nil() { "nil".to_owned() } else { value.type_name() };
    format!("interface conversion: interface {{}} is {ty}, not map[string]interface {{}}").into()
}
