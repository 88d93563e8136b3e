//! Text. Positions and lengths are bytes, as in Go.

use std::collections::HashSet;

use super::super::limits::Fault;
use super::super::print;
use super::super::template::quote;
use super::super::value::{Map, MapType, Value};
use super::{Context, Row, bytes, cast, int, text};

pub(super) const TABLE: &[Row] = &[
    ("trim", "s", |_, args| Ok(text(&args[0])?.trim().into())),
    ("trimAll", "ss", trim_all),
    ("trimall", "ss", trim_all),
    ("trimPrefix", "ss", |_, args| {
        let whole = text(&args[1])?;
        Ok(whole.strip_prefix(text(&args[0])?).unwrap_or(whole).into())
    }),
    ("trimSuffix", "ss", |_, args| {
        let whole = text(&args[1])?;
        Ok(whole.strip_suffix(text(&args[0])?).unwrap_or(whole).into())
    }),
    ("nospace", "s", |_, args| Ok(text(&args[0])?.split_whitespace().collect::<String>().into())),
    ("contains", "ss", |_, args| Ok(text(&args[1])?.contains(text(&args[0])?).into())),
    ("hasPrefix", "ss", |_, args| Ok(text(&args[1])?.starts_with(text(&args[0])?).into())),
    ("hasSuffix", "ss", |_, args| Ok(text(&args[1])?.ends_with(text(&args[0])?).into())),
    ("repeat", "is", repeat),
    ("replace", "sss", replace),
    ("indent", "is", |context, args| indent(context, args, "")),
    ("nindent", "is", |context, args| indent(context, args, "\n")),
    ("trunc", "is", trunc),
    ("substr", "iis", substr),
    ("abbrev", "is", |_, args| abbreviate(0, int(&args[0])?, &args[1])),
    ("abbrevboth", "iis", |_, args| abbreviate(int(&args[0])?, int(&args[1])?, &args[2])),
    ("plural", "ssi", |_, args| Ok(args[if int(&args[2])? == 1 { 0 } else { 1 }].clone())),
    ("quote", "a*", quote_all),
    ("squote", "a*", squote_all),
    ("cat", "a*", cat),
    ("toString", "a", |_, args| cast::to_string_value(&args[0])),
    ("split", "ss", |context, args| numbered(split(context, &args[1], &args[0], -1)?)),
    ("splitn", "sis", |context, args| numbered(split(context, &args[2], &args[0], int(&args[1])?)?)),
    ("splitList", "ss", |context, args| Ok(Value::strings(split(context, &args[1], &args[0], -1)?))),
    ("wrap", "is", |_, args| wrap(int(&args[0])?, "\n", text(&args[1])?, false)),
    ("wrapWith", "iss", |_, args| wrap(int(&args[0])?, text(&args[1])?, text(&args[2])?, true)),
];

fn trim_all(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    context.budget.steps(text(&args[0])?.len())?;
    let cut: HashSet<char> = text(&args[0])?.chars().collect();
    Ok(text(&args[1])?.trim_matches(|c| cut.contains(&c)).into())
}

fn repeat(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (count, part) = (int(&args[0])?, text(&args[1])?);
    let count = usize::try_from(count).map_err(|_| Fault::from("strings: negative Repeat count"))?;
    context.budget.text(count.saturating_mul(part.len()))?;
    Ok(part.repeat(count).into())
}

fn replace(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (old, new, whole) = (text(&args[0])?, text(&args[1])?, text(&args[2])?);
    if new.len() > old.len() {
        let count = whole.matches(old).count();
        context.budget.text(whole.len().saturating_add(count.saturating_mul(new.len())))?;
    }
    Ok(whole.replace(old, new).into())
}

fn indent(context: &Context, args: &[Value], start: &str) -> Result<Value, Fault> {
    let spaces = usize::try_from(int(&args[0])?).map_err(|_| Fault::from("strings: negative Repeat count"))?;
    let content = bytes(&args[1])?;
    let lines = 1 + content.iter().filter(|byte| **byte == b'\n').count();
    let len = lines.saturating_mul(spaces).saturating_add(content.len());
    context.budget.text(len)?;
    let mut out = Vec::with_capacity(len + start.len());
    out.extend_from_slice(start.as_bytes());
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + spaces, b' ');
        out.extend_from_slice(line);
    }
    Ok(Value::from_bytes(out))
}

fn trunc(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (count, content) = (int(&args[0])?, bytes(&args[1])?);
    let len = content.len();
    let count_from = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    Ok(match count < 0 {
        true if count_from < len => Value::from_bytes(content[len - count_from..].to_vec()),
        false if count_from < len => Value::from_bytes(content[..count_from].to_vec()),
        _ => args[1].clone(),
    })
}

fn substr(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let (start, end, content) = (int(&args[0])?, int(&args[1])?, bytes(&args[2])?);
    let len = content.len();
    let index = |value: i64| usize::try_from(value).unwrap_or(usize::MAX);
    let range = match (start, end) {
        (..0, _) => 0..index(end),
        (_, ..0) => index(start)..len,
        _ if index(end) > len => index(start)..len,
        _ => index(start)..index(end),
    };
    let out_of_range = || {
        Fault(match range.end > len {
            true => format!("runtime error: slice bounds out of range [:{end}] with length {len}"),
            false => format!("runtime error: slice bounds out of range [{}:{}]", range.start, range.end),
        })
    };
    Ok(Value::from_bytes(content.get(range.clone()).ok_or_else(out_of_range)?.to_vec()))
}

/// `goutils.AbbreviateFull` behind sprig's own checks of the widths.
fn abbreviate(offset: i64, width: i64, value: &Value) -> Result<Value, Fault> {
    if width < 4 || (offset > 0 && width < 7) {
        return Ok(value.clone());
    }
    let content = bytes(value)?;
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    let offset = usize::try_from(offset).unwrap_or(0);
    Ok(Value::from_bytes(abbreviated(content, offset, width)))
}

fn abbreviated(content: &[u8], offset: usize, width: usize) -> Vec<u8> {
    let len = content.len();
    if len <= width {
        return content.to_vec();
    }
    let offset = offset.min(len).min(len - (width - 3));
    if offset <= 4 {
        return [&content[..width - 3], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    let rest = match offset + width - 3 < len {
        true => abbreviated(&content[offset..], 0, width - 3),
        false => content[len - (width - 3)..].to_vec(),
    };
    [b"...", rest.as_slice()].concat()
}

fn quote_all(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let quoted = |arg| {
        let text = cast::to_string_value(arg)?;
        context.budget.text(text.bytes().map_or(0, <[u8]>::len))?;
        Ok(quote::quote_bytes(text.bytes().unwrap_or_default()))
    };
    let texts = args.iter().filter(|arg| !arg.is_nil()).map(quoted);
    Ok(texts.collect::<Result<Vec<_>, Fault>>()?.join(" ").into())
}

/// One of several values that are printed before any of it is counted as a result.
fn printed(context: &Context, value: &Value) -> Result<String, Fault> {
    let text = print::format_value(value)?;
    context.budget.text(text.len())?;
    Ok(text)
}

fn squote_all(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let texts = args.iter().filter(|arg| !arg.is_nil()).map(|arg| Ok(format!("'{}'", printed(context, arg)?)));
    Ok(texts.collect::<Result<Vec<_>, Fault>>()?.join(" ").into())
}

fn cat(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let texts = args.iter().filter(|arg| !arg.is_nil()).map(|arg| printed(context, arg));
    Ok(texts.collect::<Result<Vec<_>, Fault>>()?.join(" ").into())
}

/// `strings.SplitN`: a negative count means all, an empty separator splits into characters.
fn split(context: &Context, whole: &Value, separator: &Value, count: i64) -> Result<Vec<String>, Fault> {
    let (whole, separator) = (text(whole)?, text(separator)?);
    context.budget.items(whole.matches(separator).count())?;
    let limit = match count {
        0 => return Ok(Vec::new()),
        count => usize::try_from(count).unwrap_or(usize::MAX),
    };
    if !separator.is_empty() {
        return Ok(whole.splitn(limit, separator).map(str::to_owned).collect());
    }
    let mut parts: Vec<String> = whole.chars().map(String::from).collect();
    if parts.len() > limit {
        let rest = parts.split_off(limit - 1).concat();
        parts.push(rest);
    }
    Ok(parts)
}

/// Sprig's map of parts: `_0`, `_1` …
fn numbered(parts: Vec<String>) -> Result<Value, Fault> {
    let entries = parts.into_iter().enumerate().map(|(index, part)| (format!("_{index}").into(), part.into()));
    Ok(Value::Map(Map::typed(MapType::Str, entries.collect())))
}

/// `goutils.WrapCustom`.
fn wrap(width: i64, new_line: &str, whole: &str, long_words: bool) -> Result<Value, Fault> {
    let content = whole.as_bytes();
    let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
    let new_line = if new_line.is_empty() { "\n" } else { new_line };
    let (mut out, mut offset) = (Vec::new(), 0);
    let line = |out: &mut Vec<u8>, from: usize, to: usize| {
        out.extend_from_slice(&content[from..to]);
        out.extend_from_slice(new_line.as_bytes());
    };
    while content.len() - offset > width {
        if content[offset] == b' ' {
            offset += 1;
            continue;
        }
        let end = offset + width;
        if let Some(space) = content[offset..=end].iter().rposition(|byte| *byte == b' ') {
            line(&mut out, offset, offset + space);
            offset += space + 1;
        } else if long_words {
            line(&mut out, offset, end);
            offset = end;
        } else if let Some(space) = content[end..].iter().position(|byte| *byte == b' ') {
            line(&mut out, offset, end + space);
            offset = end + space + 1;
        } else {
            out.extend_from_slice(&content[offset..]);
            offset = content.len();
        }
    }
    out.extend_from_slice(&content[offset..]);
    Ok(Value::from_bytes(out))
}
