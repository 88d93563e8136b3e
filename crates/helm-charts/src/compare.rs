//! Equality and order of values: `eq` and `lt` of Go's templates, and `reflect.DeepEqual`.

use super::functions::{Context, sprintf};
use super::limits::{Budget, Fault};
use super::print;
use super::value::{Kind, Value};

#[derive(PartialEq, Eq, Clone, Copy)]
enum Basic {
    Invalid,
    Bool,
    Int,
    Uint,
    Float,
    Complex,
    String,
}

fn basic(value: &Value) -> Basic {
    match value.kind() {
        Kind::Bool => Basic::Bool,
        Kind::Int | Kind::Int64 => Basic::Int,
        Kind::Uint8 | Kind::Uint64 => Basic::Uint,
        Kind::Float64 => Basic::Float,
        Kind::Complex128 => Basic::Complex,
        Kind::String => Basic::String,
        _ => Basic::Invalid,
    }
}

fn integer(value: &Value) -> i128 {
    match value {
        Value::Int(value) | Value::Int64(value) => i128::from(*value),
        Value::Uint8(value) => i128::from(*value),
        Value::Uint64(value) => i128::from(*value),
        _ => 0,
    }
}

fn incompatible(a: &Value, b: &Value) -> Fault {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()).into()
}

/// `eq a b`.
pub(super) fn equal(context: &Context, a: &Value, b: &Value) -> Result<bool, Fault> {
    match (basic(a), basic(b)) {
        (Basic::Int | Basic::Uint, Basic::Int | Basic::Uint) => Ok(integer(a) == integer(b)),
        (Basic::Invalid, Basic::Invalid) => equal_others(context, a, b),
        (x, y) if x != y => match a.is_nil() || b.is_nil() {
            true => Ok(false),
            false => Err(incompatible(a, b)),
        },
        _ => Ok(match (a, b) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
            _ => a.bytes() == b.bytes(),
        }),
    }
}

/// Go's `%s`, whatever the value is.
fn as_text(context: &Context, value: &Value) -> Result<String, Fault> {
    print::format_value(&sprintf(context, "%s", std::slice::from_ref(value))?)
}

fn equal_others(context: &Context, a: &Value, b: &Value) -> Result<bool, Fault> {
    let is_nil = |value: &Value| match value {
        Value::List(list) => list.is_nil,
        other => other.is_nil(),
    };
    if a.kind() != b.kind() && a.kind() != Kind::Invalid && b.kind() != Kind::Invalid {
        let (a_text, b_text) = (as_text(context, a)?, print::format_value(b)?);
        let (a_type, b_type) = (a.type_name(), b.type_name());
        return Err(format!("non-comparable types {a_text}: {a_type}, {b_type}: {b_text}").into());
    }
    if is_nil(a) || is_nil(b) {
        return Ok(is_nil(a) == is_nil(b));
    }
    match (a, b) {
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Struct(a), Value::Struct(b)) if a.pointer && b.pointer => Ok(std::rc::Rc::ptr_eq(a, b)),
        _ => {
            let (text, ty) = (as_text(context, b)?, b.type_name());
            Err(format!("non-comparable type {text}: {ty}").into())
        }
    }
}

/// `lt a b`.
pub(super) fn less(a: &Value, b: &Value) -> Result<bool, Fault> {
    let bad = || Fault::from("invalid type for comparison");
    match (basic(a), basic(b)) {
        (Basic::Invalid, _) | (_, Basic::Invalid) => Err(bad()),
        (Basic::Int | Basic::Uint, Basic::Int | Basic::Uint) => Ok(integer(a) < integer(b)),
        (x, y) if x != y => Err(incompatible(a, b)),
        _ => match (a, b) {
            (Value::Float(a), Value::Float(b)) => Ok(a < b),
            (Value::Bool(_) | Value::Complex(..), _) => Err(bad()),
            _ => Ok(a.bytes() < b.bytes()),
        },
    }
}

/// `reflect.DeepEqual`: types count, so `1` and `1.0` differ.
pub(super) fn deep_equal(a: &Value, b: &Value, budget: &Budget) -> Result<bool, Fault> {
    budget.enter()?;
    let equal = match (a, b) {
        (Value::List(a), Value::List(b)) => {
            a.element == b.element
                && a.is_nil == b.is_nil
                && a.items.len() == b.items.len()
                && all_equal(a.items.iter().zip(b.items.iter()), budget)?
        }
        (Value::Map(a), Value::Map(b)) => {
            a.same(b)
                || (a.ty() == b.ty() && a.len() == b.len() && {
                    let (a, b) = (a.entries(), b.entries());
                    a.keys().eq(b.keys()) && all_equal(a.values().zip(b.values()), budget)?
                })
        }
        (Value::Struct(a), Value::Struct(b)) => {
            a.type_name == b.type_name
                && a.pointer == b.pointer
                && all_equal(a.fields.iter().zip(&b.fields).map(|(a, b)| (&a.value, &b.value)), budget)?
        }
        (Value::Files(a), Value::Files(b)) => a.iter().eq(b.iter()),
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        _ if a.is_nil() && b.is_nil() => true,
        _ if a.kind() != b.kind() => false,
        _ if a.kind() == Kind::String => {
            budget.read(a.bytes().map_or(0, <[u8]>::len))?;
            a.bytes() == b.bytes()
        }
        _ => integer(a) == integer(b),
    };
    budget.leave();
    Ok(equal)
}

fn all_equal<'a>(mut pairs: impl Iterator<Item = (&'a Value, &'a Value)>, budget: &Budget) -> Result<bool, Fault> {
    pairs.try_fold(true, |equal, (a, b)| Ok(equal && deep_equal(a, b, budget)?))
}
