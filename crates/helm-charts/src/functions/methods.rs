//! Methods that templates call on Helm's objects: `.Files.Get`, `.Capabilities.APIVersions.Has`, `.Values.AsMap` …

use super::super::limits::Fault;
use super::super::print::{KUBE_VERSION, SEMVER};
use super::super::value::{Element, MapType, Value};
use super::super::yaml;
use super::semver::Version;
use super::{Context, Signature, int, text};

/// A method's body: receiver, context, arguments.
pub(crate) type Body = fn(&Value, &Context, &[Value]) -> Result<Value, Fault>;

/// A method of a value.
#[derive(Clone, Copy)]
pub(crate) struct Method {
    pub signature: Signature,
    pub call: Body,
}

type Row = (&'static str, &'static str, Body);

/// A character of a pattern can become a class of all of Unicode.
const GLOB_STEPS: usize = 8;

const FILES: &[Row] = &[
    ("Get", "s", |value, _, args| files(value).map(|files| files.get(text(&args[0]).unwrap_or_default()))),
    ("GetBytes", "s", |value, context, args| files(value)?.bytes(text(&args[0]).unwrap_or_default(), &context.budget)),
    ("Glob", "s", |value, context, args| {
        let (files, pattern) = (files(value)?, text(&args[0])?);
        context.budget.steps(files.len() + pattern.len() * GLOB_STEPS)?;
        Ok(Value::Files(files.glob(pattern).into()))
    }),
    ("Lines", "s", |value, context, args| {
        let (files, name) = (files(value)?, text(&args[0])?);
        context.budget.items(files.count_lines(name))?;
        Ok(files.lines(name))
    }),
    ("AsConfig", "", |value, _, _| files(value)?.as_config()),
    ("AsSecrets", "", |value, _, _| files(value)?.as_secrets()),
];

const VERSION_SET: &[Row] = &[("Has", "s", |value, _, args| {
    let Value::List(list) = value else { return Ok(false.into()) };
    Ok(list.items.iter().any(|item| item.bytes() == args[0].bytes()).into())
})];

const VALUES: &[Row] = &[
    ("AsMap", "", |value, _, _| match value {
        Value::Map(map) => Ok(Value::Map(map.seen_as(MapType::Any))),
        other => Ok(other.clone()),
    }),
    ("YAML", "", |value, _, _| Ok(format!("{}\n", yaml::to_yaml(value)?).into())),
    ("Table", "s", |value, _, args| {
        text(&args[0])?.split('.').try_fold(value.clone(), |table, name| match &table {
            Value::Map(map) => match map.get(name) {
                Some(Value::Map(inner)) => Ok(Value::Map(inner.seen_as(MapType::Values))),
                _ => Err(format!("\"{name}\" is not a table").into()),
            },
            _ => Err(format!("\"{name}\" is not a table").into()),
        })
    }),
];

const KUBE: &[Row] = &[
    ("String", "", |value, _, _| Ok(field(value, "Version"))),
    ("GitVersion", "", |value, _, _| Ok(field(value, "Version"))),
];

const VERSION: &[Row] = &[
    ("Major", "", |value, _, _| Ok(Value::Uint64(version(value)?.number("Major")))),
    ("Minor", "", |value, _, _| Ok(Value::Uint64(version(value)?.number("Minor")))),
    ("Patch", "", |value, _, _| Ok(Value::Uint64(version(value)?.number("Patch")))),
    ("Prerelease", "", |value, _, _| Ok(version(value)?.part("Prerelease").into())),
    ("Metadata", "", |value, _, _| Ok(version(value)?.part("Metadata").into())),
    ("Original", "", |value, _, _| Ok(version(value)?.part("Original").into())),
    ("String", "", |value, _, _| Ok(version(value)?.part("String").into())),
    ("Compare", "a", |value, _, args| Ok(Value::Int(version(value)?.compare(&version(&args[0])?) as i64))),
    ("LessThan", "a", |value, _, args| Ok(version(value)?.compare(&version(&args[0])?).is_lt().into())),
    ("LessThanEqual", "a", |value, _, args| Ok(version(value)?.compare(&version(&args[0])?).is_le().into())),
    ("GreaterThan", "a", |value, _, args| Ok(version(value)?.compare(&version(&args[0])?).is_gt().into())),
    ("GreaterThanEqual", "a", |value, _, args| Ok(version(value)?.compare(&version(&args[0])?).is_ge().into())),
    ("Equal", "a", |value, _, args| Ok(version(value)?.compare(&version(&args[0])?).is_eq().into())),
];

const TIME: &[Row] = &[
    ("Format", "s", |value, _, args| Ok(time(value)?.format(text(&args[0])?).into())),
    ("String", "", |value, _, _| Ok(time(value)?.to_string().into())),
    ("UTC", "", |value, _, _| Ok(Value::Time(time(value)?.to_utc()))),
    ("Unix", "", |value, _, _| Ok(Value::Int64(time(value)?.at.unix_timestamp()))),
    ("Year", "", |value, _, _| Ok(Value::Int(time(value)?.at.year().into()))),
    ("Day", "", |value, _, _| Ok(Value::Int(time(value)?.at.day().into()))),
    ("Hour", "", |value, _, _| Ok(Value::Int(time(value)?.at.hour().into()))),
    ("Minute", "", |value, _, _| Ok(Value::Int(time(value)?.at.minute().into()))),
    ("Second", "", |value, _, _| Ok(Value::Int(time(value)?.at.second().into()))),
    ("IsZero", "", |value, _, _| Ok((time(value)?.at.unix_timestamp_nanos() == -62_135_596_800_000_000_000).into())),
    ("Nanosecond", "", |value, _, _| Ok(Value::Int(time(value)?.at.nanosecond().into()))),
    ("UnixMilli", "", |value, _, _| {
        Ok(Value::Int64((time(value)?.at.unix_timestamp_nanos().div_euclid(1_000_000)) as i64))
    }),
    ("UnixMicro", "", |value, _, _| {
        Ok(Value::Int64((time(value)?.at.unix_timestamp_nanos().div_euclid(1_000)) as i64))
    }),
    ("UnixNano", "", |value, _, _| Ok(Value::Int64(time(value)?.at.unix_timestamp_nanos() as i64))),
    ("AddDate", "iii", |value, _, args| time(value)?.add_date(int(&args[0])?, int(&args[1])?, int(&args[2])?)),
    ("Before", "t", |value, _, args| Ok((time(value)?.at < time(&args[0])?.at).into())),
    ("After", "t", |value, _, args| Ok((time(value)?.at > time(&args[0])?.at).into())),
    ("Equal", "t", |value, _, args| Ok((time(value)?.at == time(&args[0])?.at).into())),
    ("YearDay", "", |value, _, _| Ok(Value::Int(time(value)?.at.ordinal().into()))),
];

/// The method of that name on that value.
pub(crate) fn find(receiver: &Value, name: &str) -> Option<Method> {
    let table = match receiver {
        Value::Files(_) => FILES,
        Value::List(list) if list.element == Element::VersionSet => VERSION_SET,
        Value::Map(map) if map.ty() == MapType::Values => VALUES,
        Value::Struct(value) if value.type_name == KUBE_VERSION => KUBE,
        Value::Struct(value) if value.type_name == SEMVER => VERSION,
        Value::Time(_) => TIME,
        _ => return None,
    };
    let (_, signature, call) = table.iter().find(|(known, ..)| *known == name)?;
    Some(Method { signature: Signature(signature), call: *call })
}

fn wrong_receiver() -> Fault {
    "the method does not belong to this value".into()
}

fn files(value: &Value) -> Result<&super::super::files::Files, Fault> {
    match value {
        Value::Files(files) => Ok(files),
        _ => Err(wrong_receiver()),
    }
}

fn time(value: &Value) -> Result<&super::date::Time, Fault> {
    match value {
        Value::Time(time) => Ok(time),
        _ => Err(wrong_receiver()),
    }
}

fn version(value: &Value) -> Result<Version, Fault> {
    Version::from_value(value).ok_or_else(wrong_receiver)
}

fn field(value: &Value, name: &str) -> Value {
    match value {
        Value::Struct(value) => value.field(name).cloned().unwrap_or(Value::Nil),
        _ => Value::Nil,
    }
}
