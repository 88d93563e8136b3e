//! Times, in UTC: what Helm prints in the machine's own zone would make a plan depend on the machine.
//! Layouts are Go's (`2006-01-02 15:04:05`).

mod duration;
mod layout;

use std::fmt;

use time::{OffsetDateTime, UtcOffset};

use super::super::limits::Fault;
use super::super::value::Value;
use super::{Context, Row, text};
use duration::{format_duration, parse_duration};

pub(super) const TABLE: &[Row] = &[
    ("now", "", |context, _| Ok(Value::Time(context.now))),
    ("date", "sa", |context, args| Ok(time_of(context, &args[1]).format(text(&args[0])?).into())),
    ("htmlDate", "a", |context, args| Ok(time_of(context, &args[0]).format(HTML_DATE).into())),
    ("htmlDateInZone", "as", |context, args| in_zone(context, HTML_DATE, &args[0], text(&args[1])?)),
    ("date_in_zone", "sas", |context, args| in_zone(context, text(&args[0])?, &args[1], text(&args[2])?)),
    ("dateInZone", "sas", |context, args| in_zone(context, text(&args[0])?, &args[1], text(&args[2])?)),
    ("date_modify", "st", |_, args| modify(args).or_else(|_| Ok(args[1].clone()))),
    ("dateModify", "st", |_, args| modify(args).or_else(|_| Ok(args[1].clone()))),
    ("must_date_modify", "st", |_, args| modify(args)),
    ("mustDateModify", "st", |_, args| modify(args)),
    ("toDate", "ss", |_, args| {
        let time = layout::parse(text(&args[0])?, text(&args[1])?);
        Ok(Value::Time(time.unwrap_or_else(|_| Time::zero())))
    }),
    ("mustToDate", "ss", |_, args| layout::parse(text(&args[0])?, text(&args[1])?).map(Value::Time)),
    ("unixEpoch", "t", |_, args| match &args[0] {
        Value::Time(time) => Ok(time.0.unix_timestamp().to_string().into()),
        _ => Err("expected a time".into()),
    }),
    ("ago", "a", ago),
    ("duration", "a", duration),
    ("durationRound", "a", duration_round),
];

const HTML_DATE: &str = "2006-01-02";
const NANOS: i128 = 1_000_000_000;

/// A Go `time.Time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chart) struct Time(pub(super) OffsetDateTime);

impl Time {
    /// Go's zero time: the first moment of the year 1.
    fn zero() -> Self {
        // The constant lies in range; the present would be no worse an answer.
        Time(OffsetDateTime::from_unix_timestamp(-62_135_596_800).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// The present.
    pub(in crate::chart) fn now() -> Self {
        Time(OffsetDateTime::now_utc())
    }

    /// As JSON shows it.
    pub(in crate::chart) fn rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

fn time_of(context: &Context, value: &Value) -> Time {
    match value {
        Value::Time(time) => Time(time.0.to_offset(UtcOffset::UTC)),
        Value::Int(seconds) | Value::Int64(seconds) => {
            OffsetDateTime::from_unix_timestamp(*seconds).map_or(context.now, Time)
        }
        _ => context.now,
    }
}

fn in_zone(context: &Context, layout: &str, value: &Value, zone: &str) -> Result<Value, Fault> {
    match zone {
        "" | "UTC" | "Local" => Ok(time_of(context, value).format(layout).into()),
        other => Err(format!("the time zone {other} is not supported by this provider; use UTC").into()),
    }
}

fn modify(args: &[Value]) -> Result<Value, Fault> {
    let Value::Time(time) = args[1] else { return Err("expected a time".into()) };
    let nanos = parse_duration(text(&args[0])?)?;
    let moved = OffsetDateTime::from_unix_timestamp_nanos(time.0.unix_timestamp_nanos().saturating_add(nanos));
    moved.map(|moved| Value::Time(Time(moved))).map_err(|_| "the time is out of range".into())
}

fn ago(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let since = context.now.0.unix_timestamp_nanos() - time_of(context, &args[0]).0.unix_timestamp_nanos();
    let rounded = (since + NANOS / 2).div_euclid(NANOS) * NANOS;
    Ok(format_duration(rounded).into())
}

fn duration(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let seconds = match &args[0] {
        Value::Str(text) => text.parse().unwrap_or(0),
        Value::Int64(seconds) => *seconds,
        _ => 0,
    };
    Ok(format_duration(i128::from(seconds.wrapping_mul(NANOS as i64))).into())
}

fn duration_round(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let nanos = match &args[0] {
        Value::Str(text) => parse_duration(text).unwrap_or(0),
        Value::Int64(nanos) => i128::from(*nanos),
        Value::Time(time) => context.now.0.unix_timestamp_nanos() - time.0.unix_timestamp_nanos(),
        _ => 0,
    };
    let seconds = nanos.unsigned_abs() as f64 / NANOS as f64;
    let units =
        [(365.0 * 86400.0, "y"), (30.0 * 86400.0, "mo"), (86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")];
    let unit = units.iter().find(|(length, _)| seconds > *length);
    Ok(unit.map_or_else(|| "0s".to_owned(), |(length, name)| format!("{}{name}", (seconds / length) as u64)).into())
}
