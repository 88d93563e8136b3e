//! Values as Go's `fmt` prints them with `%v`, and as a template action prints them.

use super::limits::{Fault, check_nesting};
use super::number;
use super::value::{Struct, Value};

/// What a template action prints: as `%v`, but nothing at all is `<no value>`.
pub(super) fn print(value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Nil => out.extend_from_slice(b"<no value>"),
        // Its String method has a pointer receiver, which `fmt` cannot call but a template can.
        Value::Struct(value) if value.type_name == KUBE_VERSION => {
            append(value.field("Version").unwrap_or(&Value::Nil), out, 0)?;
        }
        other => append(other, out, 0)?,
    }
    Ok(())
}

/// `%T` of `.Capabilities.KubeVersion`.
pub(super) const KUBE_VERSION: &str = "chartutil.KubeVersion";
/// `%T` of `.Chart`, whose last field stands beside an embedded struct that holds the others.
pub(super) const CHART: &str = "struct { chart.Metadata; IsRoot bool }";
/// `%T` of what `semver` returns, without the `*`.
pub(super) const SEMVER: &str = "semver.Version";

/// `%v`.
pub(super) fn append_value(value: &Value, out: &mut Vec<u8>) -> Result<(), Fault> {
    append(value, out, 0)
}

/// `fmt.Sprintf("%v", value)`; bytes that are not UTF-8 are replaced.
pub(super) fn format_value(value: &Value) -> Result<String, Fault> {
    let mut out = Vec::new();
    append(value, &mut out, 0)?;
    Ok(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn append(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), Fault> {
    check_nesting(depth, out.len())?;
    match value {
        Value::Nil => out.extend_from_slice(b"<nil>"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int(value) | Value::Int64(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Uint8(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Uint64(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Value::Float(value) => out.extend_from_slice(number::format_g(*value).as_bytes()),
        Value::Complex(real, imaginary) => {
            let sign = if imaginary.is_sign_negative() { "" } else { "+" };
            let text = format!("({}{sign}{}i)", number::format_g(*real), number::format_g(*imaginary));
            out.extend_from_slice(text.as_bytes());
        }
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Raw(bytes) => out.extend_from_slice(bytes),
        Value::List(list) => {
            out.push(b'[');
            for (index, item) in list.items.iter().enumerate() {
                separate(index, out);
                append(item, out, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.extend_from_slice(b"map[");
            for (index, (key, item)) in map.entries().iter().enumerate() {
                separate(index, out);
                out.extend_from_slice(key.as_bytes());
                out.push(b':');
                append(item, out, depth + 1)?;
            }
            out.push(b']');
        }
        Value::Struct(value) => append_struct(value, out, depth)?,
        Value::Files(files) => {
            out.extend_from_slice(b"map[");
            for (index, (name, data)) in files.iter().enumerate() {
                separate(index, out);
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
                out.push(b'[');
                for (index, byte) in data.iter().enumerate() {
                    separate(index, out);
                    out.extend_from_slice(byte.to_string().as_bytes());
                }
                out.push(b']');
                check_nesting(depth, out.len())?;
            }
            out.push(b']');
        }
        Value::Time(time) => out.extend_from_slice(time.to_string().as_bytes()),
    }
    Ok(())
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b' ');
    }
}

fn append_struct(value: &Struct, out: &mut Vec<u8>, depth: usize) -> Result<(), Fault> {
    if value.type_name == SEMVER
        && let Some(text) = value.field("text")
    {
        return append(text, out, depth);
    }
    if value.pointer {
        // Inside another value Go prints an address, which no chart can want.
        out.push(b'&');
    }
    out.push(b'{');
    let embeds = value.type_name == CHART;
    if embeds {
        out.push(b'{');
    }
    for (index, field) in value.fields.iter().enumerate() {
        if embeds && index + 1 == value.fields.len() {
            out.push(b'}');
        }
        separate(index, out);
        append(&field.value, out, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}
