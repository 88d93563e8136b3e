//! Times, and zones by their IANA names from a built-in database. Where Helm takes the machine's own zone, this takes UTC:
//! what is rendered must not depend on the machine. Layouts are Go's (`2006-01-02 15:04:05`).

mod duration;
mod layout;
mod zones;

use std::fmt;
use std::sync::Arc;

use time::{Date, Month, OffsetDateTime, UtcOffset};

use super::super::limits::Fault;
use super::super::value::Value;
use super::{Context, Row, text};
use duration::{format_duration, parse_duration};

pub(super) const TABLE: &[Row] = &[
    ("now", "", |context, _| Ok(Value::Time(context.now.clone()))),
    ("date", "sa", |context, args| Ok(time_of(context, &args[1]).format(text(&args[0])?).into())),
    ("htmlDate", "a", |context, args| Ok(time_of(context, &args[0]).format(HTML_DATE).into())),
    ("htmlDateInZone", "as", |context, args| in_zone(context, HTML_DATE, &args[0], &args[1])),
    ("date_in_zone", "sas", |context, args| in_zone(context, text(&args[0])?, &args[1], &args[2])),
    ("dateInZone", "sas", |context, args| in_zone(context, text(&args[0])?, &args[1], &args[2])),
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
        Value::Time(time) => Ok(time.at.unix_timestamp().to_string().into()),
        _ => Err("expected a time".into()),
    }),
    ("ago", "a", ago),
    ("duration", "a", duration),
    ("durationRound", "a", duration_round),
];

const HTML_DATE: &str = "2006-01-02";
const NANOS: i128 = 1_000_000_000;

/// A Go `time.Time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Time {
    /// The moment, with its zone's offset.
    pub(super) at: OffsetDateTime,
    /// What its zone is called, such as `CET`; empty for a bare offset.
    zone: Arc<str>,
}

const UTC: &str = "UTC";

impl Time {
    fn utc(at: OffsetDateTime) -> Self {
        Self { at: at.to_offset(UtcOffset::UTC), zone: UTC.into() }
    }

    /// A moment in a zone that is nothing but an offset and a name.
    pub(super) fn at(
        (year, month, day): (u16, u8, u8),
        (hour, minute, second, nanos): (u8, u8, u8, u32),
        offset_minutes: i16,
        zone: &str,
    ) -> Option<Self> {
        let date = Date::from_calendar_date(year.into(), Month::try_from(month).ok()?, day).ok()?;
        let clock = time::Time::from_hms_nano(hour, minute, second, nanos).ok()?;
        let offset = UtcOffset::from_whole_seconds(i32::from(offset_minutes) * 60).ok()?;
        Some(Self { at: OffsetDateTime::new_in_offset(date, clock, offset), zone: zone.into() })
    }

    /// Go's zero time: the first moment of the year 1.
    fn zero() -> Self {
        // The constant lies in range; the present would be no worse an answer.
        Time::utc(OffsetDateTime::from_unix_timestamp(-62_135_596_800).unwrap_or(OffsetDateTime::UNIX_EPOCH))
    }

    /// The present.
    pub(crate) fn now() -> Self {
        Time::utc(OffsetDateTime::now_utc())
    }

    /// The same moment in a zone; one that is not known is UTC, as in Sprig.
    fn in_zone(&self, name: &str) -> Result<Self, Fault> {
        let located = |zone: zones::Zone| {
            let offset = UtcOffset::from_whole_seconds(zone.offset).ok()?;
            Some(Self { at: self.at.checked_to_offset(offset)?, zone: zone.name.into() })
        };
        let zone = zones::find(name, self.at.unix_timestamp())?;
        Ok(zone.and_then(located).unwrap_or_else(|| Time::utc(self.at)))
    }

    /// Go's `AddDate`: what is too much for a month or a year goes to the next ones.
    pub(crate) fn add_date(&self, years: i64, months: i64, days: i64) -> Result<Value, Fault> {
        let moved = || {
            let months = i64::from(u8::from(self.at.month())) - 1 + months;
            let year = i64::from(self.at.year()).checked_add(years)?.checked_add(months.div_euclid(12))?;
            let month = Month::try_from(u8::try_from(months.rem_euclid(12)).ok()? + 1).ok()?;
            let first = Date::from_calendar_date(i32::try_from(year).ok()?, month, 1).ok()?;
            let days = days.checked_add(i64::from(self.at.day()) - 1)?;
            let date = first.checked_add(time::Duration::days(i64::from(i32::try_from(days).ok()?)))?;
            Some(Value::Time(Time { at: self.at.replace_date(date), zone: self.zone.clone() }))
        };
        moved().ok_or_else(|| "the time is out of range".into())
    }

    /// The same moment in UTC.
    pub(crate) fn to_utc(&self) -> Self {
        Time::utc(self.at)
    }

    /// As JSON shows it.
    pub(crate) fn rfc3339(&self) -> String {
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
        Value::Time(time) => time.to_utc(),
        Value::Int(seconds) | Value::Int64(seconds) => {
            OffsetDateTime::from_unix_timestamp(*seconds).map_or_else(|_| context.now.clone(), Time::utc)
        }
        _ => context.now.clone(),
    }
}

fn in_zone(context: &Context, layout: &str, value: &Value, zone: &Value) -> Result<Value, Fault> {
    Ok(time_of(context, value).in_zone(text(zone)?)?.format(layout).into())
}

fn modify(args: &[Value]) -> Result<Value, Fault> {
    let Value::Time(time) = &args[1] else { return Err("expected a time".into()) };
    let nanos = parse_duration(text(&args[0])?)?;
    let moved = i64::try_from(nanos).ok().and_then(|nanos| time.at.checked_add(time::Duration::nanoseconds(nanos)));
    match moved {
        Some(at) => Ok(Value::Time(Time { at, zone: time.zone.clone() })),
        None => Err("the time is out of range".into()),
    }
}

fn ago(context: &Context, args: &[Value]) -> Result<Value, Fault> {
    let since = context.now.at.unix_timestamp_nanos() - time_of(context, &args[0]).at.unix_timestamp_nanos();
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
        Value::Time(time) => context.now.at.unix_timestamp_nanos() - time.at.unix_timestamp_nanos(),
        _ => 0,
    };
    let seconds = nanos.unsigned_abs() as f64 / NANOS as f64;
    let units =
        [(365.0 * 86400.0, "y"), (30.0 * 86400.0, "mo"), (86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s")];
    let unit = units.iter().find(|(length, _)| seconds > *length);
    Ok(unit.map_or_else(|| "0s".to_owned(), |(length, name)| format!("{}{name}", (seconds / length) as u64)).into())
}
