//! Conversions as sprig does them with `spf13/cast`: whatever does not convert is zero.

use super::super::json::replace_invalid;
use super::super::limits::Fault;
use super::super::number;
use super::super::print;
use super::super::value::{Element, Value};
use super::Context;

/// `cast.ToInt64`.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(value) | Value::Int64(value) => *value,
        Value::Uint8(value) => i64::from(*value),
        Value::Uint64(value) => *value as i64,
        Value::Float(value) => truncate(*value),
        Value::Bool(value) => i64::from(*value),
        Value::Str(text) => number::parse_int(trim_zero_decimal(text)).unwrap_or(0),
        _ => 0,
    }
}

/// Go on amd64 turns what does not fit into the smallest number.
fn truncate(value: f64) -> i64 {
    match value.is_nan() || value.abs() >= 9.223_372_036_854_776e18 {
        true => i64::MIN,
        false => value as i64,
    }
}

/// `1.00` as `1`.
fn trim_zero_decimal(text: &str) -> &str {
    let trimmed = text.trim_end_matches('0');
    match trimmed.strip_suffix('.') {
        Some(whole) if trimmed.len() < text.len() => whole,
        _ => text,
    }
}

/// `cast.ToFloat64`.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(value) => *value,
        Value::Str(text) => number::parse_float(text).unwrap_or(0.0),
        Value::Uint64(value) => *value as f64,
        other => to_int(other) as f64,
    }
}

/// Sprig's `strval`: strings as they are, everything else as `%v`.
pub(super) fn to_text(value: &Value) -> Result<String, Fault> {
    match value {
        Value::Str(text) => Ok((**text).to_owned()),
        Value::Raw(bytes) => Ok(replace_invalid(bytes)),
        Value::List(list) if list.element == Element::Byte => Ok(replace_invalid(&byte_list(&list.items))),
        other => print::format_value(other),
    }
}

/// As [`to_text`], keeping bytes that are not UTF-8.
pub(super) fn to_string_value(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::Str(_) | Value::Raw(_) => Ok(value.clone()),
        Value::List(list) if list.element == Element::Byte => Ok(Value::from_bytes(byte_list(&list.items))),
        other => print::format_value(other).map(Value::from),
    }
}

fn byte_list(items: &[Value]) -> Vec<u8> {
    items.iter().map(|item| if let Value::Uint8(byte) = item { *byte } else { 0 }).collect()
}

/// Sprig's `strslice`: the texts of a list's items that are not nil, or of one value. Counted, because a list can hold
/// one long text many times.
pub(super) fn to_texts(context: &Context, value: &Value) -> Result<Vec<String>, Fault> {
    let counted = |item: &Value| {
        context.budget.text(item.bytes().map_or(0, <[u8]>::len))?;
        let text = to_text(item)?;
        context.budget.read(text.len())?;
        Ok(text)
    };
    match value {
        Value::List(list) => {
            context.budget.items(list.items.len())?;
            list.items.iter().filter(|item| !item.is_nil()).map(counted).collect()
        }
        Value::Nil => Ok(Vec::new()),
        other => Ok(vec![counted(other)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_does_not_convert_is_zero() {
        let cases = [
            (Value::from("12"), 12),
            (Value::from("1.00"), 1),
            (Value::from("100"), 100),
            (Value::from("1.5"), 0),
            (Value::from("0x10"), 16),
            (Value::from("08"), 0),
            (Value::Float(3.9), 3),
            (Value::Bool(true), 1),
            (Value::Nil, 0),
        ];
        for (value, expected) in cases {
            assert_eq!(to_int(&value), expected, "{value:?}");
        }
    }
}
