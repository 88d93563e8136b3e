//! The functions every Go template has: comparison, indexing, printing, escaping.

use super::super::compare::{equal, less};
use super::super::limits::Fault;
use super::super::print;
use super::super::value::Value;
use super::format::sprintf;
use super::{Context, Row, text};

pub(super) const TABLE: &[Row] = &[
    // These two are evaluated by the template itself, argument by argument.
    ("and", "vv*", |_, _| Err("and is evaluated by the template".into())),
    ("or", "vv*", |_, _| Err("or is evaluated by the template".into())),
    ("not", "v", |_, args| Ok((!args[0].is_true()).into())),
    ("len", "v", len),
    ("index", "vv*", index),
    // Nothing that a template can hold is a function; the evaluator adds what the callee was called.
    ("call", "vv*", |_, args| match args[0].is_nil() {
        true => Err("call of nil".into()),
        false => Err(args[0].type_name().into()),
    }),
    ("eq", "vv*", eq),
    ("ne", "vv", |context, args| Ok((!equal(context, &args[0], &args[1])?).into())),
    ("lt", "vv", |_, args| Ok(less(&args[0], &args[1])?.into())),
    ("le", "vv", |context, args| Ok((less(&args[0], &args[1])? || equal(context, &args[0], &args[1])?).into())),
    ("gt", "vv", |context, args| Ok((!(less(&args[0], &args[1])? || equal(context, &args[0], &args[1])?)).into())),
    ("ge", "vv", |_, args| Ok((!less(&args[0], &args[1])?).into())),
    ("print", "a*", |_, args| sprint(args).map(Value::from_bytes)),
    ("println", "a*", sprintln),
    ("printf", "sa*", |context, args| sprintf(context, text(&args[0])?, &args[1..])),
    ("html", "a*", |_, args| escaped(args, escape_html, |byte, out| out.push(byte))),
    ("js", "a*", |_, args| escaped(args, escape_js, |byte, out| out.push(byte))),
    ("urlquery", "a*", |_, args| escaped(args, escape_query, escape_byte)),
];

fn len(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let len = match &args[0] {
        Value::Str(text) => text.len(),
        Value::Raw(bytes) => bytes.len(),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.len(),
        Value::Files(files) => files.len(),
        Value::Nil => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", other.type_name().trim_start_matches('*')).into()),
    };
    Ok(Value::Int(len as i64))
}

fn index(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    if args[0].is_nil() {
        return Err("index of untyped nil".into());
    }
    args[1..].iter().try_fold(args[0].clone(), |item, key| at(context, &item, key))
}

fn at(context: &Context, item: &Value, key: &Value) -> Result<Value, Fault> {
    let position = |len: usize| -> Result<usize, Fault> {
        let position = match key {
            Value::Int(index) | Value::Int64(index) => *index,
            Value::Uint8(index) => i64::from(*index),
            Value::Uint64(index) => i64::try_from(*index).unwrap_or(i64::MAX),
            Value::Nil => return Err("cannot index slice/array with nil".into()),
            other => return Err(format!("cannot index slice/array with type {}", other.type_name()).into()),
        };
        match usize::try_from(position) {
            Ok(position) if position < len => Ok(position),
            // Go lets the length itself through and then fails within reflect.
            Ok(position) if position == len => Err("reflect: slice index out of range".into()),
            _ => Err(format!("index out of range: {position}").into()),
        }
    };
    let name = || match key {
        Value::Str(name) => Ok(name.clone()),
        Value::Nil => Err(Fault::from("value is nil; should be of type string")),
        other => Err(format!("value has type {}; should be string", other.type_name()).into()),
    };
    match item {
        Value::Nil => Err("index of nil pointer".into()),
        Value::List(list) => Ok(list.items[position(list.items.len())?].clone()),
        Value::Str(text) => Ok(Value::Uint8(text.as_bytes()[position(text.len())?])),
        Value::Raw(bytes) => Ok(Value::Uint8(bytes[position(bytes.len())?])),
        Value::Map(map) => Ok(map.get(&name()?).unwrap_or_else(|| map.zero())),
        Value::Files(files) => files.bytes(&name()?, &context.budget),
        other => Err(format!("can't index item of type {}", other.type_name()).into()),
    }
}

fn eq(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let [first, others @ ..] = args else { return Err(MISSING.into()) };
    if others.is_empty() {
        return Err(MISSING.into());
    }
    for other in others {
        if equal(context, first, other)? {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

const MISSING: &str = "missing argument for comparison";

/// `fmt.Sprint`: a space between two arguments when neither is a string.
fn sprint(args: &[Value]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 && arg.bytes().is_none() && args[index - 1].bytes().is_none() {
            out.push(b' ');
        }
        print::append_value(arg, &mut out)?;
    }
    Ok(out)
}

fn sprintln(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let mut out = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        print::append_value(arg, &mut out)?;
    }
    out.push(b'\n');
    Ok(Value::from_bytes(out))
}

/// What a template would print, then an escaper.
fn escaped(args: &[Value], escape: fn(&str) -> String, invalid: fn(u8, &mut Vec<u8>)) -> Result<Value, Fault> {
    let shown = |arg: &Value| if arg.is_nil() { Value::from("<no value>") } else { arg.clone() };
    let printed = sprint(&args.iter().map(shown).collect::<Vec<_>>())?;
    let mut out = Vec::with_capacity(printed.len());
    for chunk in printed.utf8_chunks() {
        out.extend_from_slice(escape(chunk.valid()).as_bytes());
        chunk.invalid().iter().for_each(|byte| invalid(*byte, &mut out));
    }
    Ok(Value::from_bytes(out))
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if !super::super::template::quote::is_printable(c) => {
                out.push_str(&format!("\\u{:04X}", c as u32));
            }
            c => out.push(c),
        }
    }
    out
}

fn escape_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("%{byte:02X}").as_bytes());
}
