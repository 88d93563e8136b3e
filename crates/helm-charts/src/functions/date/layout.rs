//! Times written and read by Go's layouts.

use time::{Date, Month, OffsetDateTime, UtcOffset};

use super::{Time, UTC};
use crate::limits::Fault;
use crate::template::quote::quote;

impl Time {
    /// Go's `Time.Format`.
    pub(in crate::functions) fn format(&self, layout: &str) -> String {
        let mut out = String::new();
        let mut rest = layout;
        while let Some((before, element, after)) = next_element(rest) {
            out.push_str(before);
            self.push(&mut out, element);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn push(&self, out: &mut String, element: &str) {
        let time = self.at;
        let hour_12 = match time.hour() % 12 {
            0 => 12,
            hour => hour,
        };
        let text = match element {
            "2006" => format!("{:04}", time.year()),
            "06" => format!("{:02}", time.year().rem_euclid(100)),
            "January" => time.month().to_string(),
            "Jan" => time.month().to_string()[..3].to_owned(),
            "01" => format!("{:02}", u8::from(time.month())),
            "1" => u8::from(time.month()).to_string(),
            "Monday" => time.weekday().to_string(),
            "Mon" => time.weekday().to_string()[..3].to_owned(),
            "02" => format!("{:02}", time.day()),
            "_2" => format!("{:2}", time.day()),
            "2" => time.day().to_string(),
            "002" => format!("{:03}", time.ordinal()),
            "__2" => format!("{:3}", time.ordinal()),
            "15" => format!("{:02}", time.hour()),
            "03" => format!("{hour_12:02}"),
            "3" => hour_12.to_string(),
            "04" => format!("{:02}", time.minute()),
            "4" => time.minute().to_string(),
            "05" => format!("{:02}", time.second()),
            "5" => time.second().to_string(),
            "PM" => if time.hour() >= 12 { "PM" } else { "AM" }.to_owned(),
            "pm" => if time.hour() >= 12 { "pm" } else { "am" }.to_owned(),
            "MST" if !self.zone.is_empty() => self.zone.to_string(),
            "MST" => offset(time.offset(), "", 2),
            "Z0700" | "Z07:00" | "Z07" if time.offset().is_utc() => "Z".to_owned(),
            "-0700" | "Z0700" => offset(time.offset(), "", 2),
            "-07:00" | "Z07:00" => offset(time.offset(), ":", 2),
            "-07" | "Z07" => offset(time.offset(), "", 1),
            fraction => {
                let digits = format!("{:09}", time.nanosecond());
                let kept = &digits[..(fraction.len() - 1).min(9)];
                match fraction.ends_with('9') {
                    true if kept.trim_end_matches('0').is_empty() => String::new(),
                    true => format!("{}{}", &fraction[..1], kept.trim_end_matches('0')),
                    false => format!("{}{kept}", &fraction[..1]),
                }
            }
        };
        out.push_str(&text);
    }
}

fn offset(offset: UtcOffset, separator: &str, parts: usize) -> String {
    let (hours, minutes, _) = offset.as_hms();
    let sign = if offset.is_negative() { '-' } else { '+' };
    match parts {
        1 => format!("{sign}{:02}", hours.abs()),
        _ => format!("{sign}{:02}{separator}{:02}", hours.abs(), minutes.abs()),
    }
}

/// Layout elements; a longer one comes before its prefixes.
const ELEMENTS: [&str; 31] = [
    "January", "Jan", "Monday", "Mon", "MST", "2006", "-07:00", "-0700", "-07", "Z07:00", "Z0700", "Z07", "002", "__2",
    "01", "02", "03", "04", "05", "06", "15", "PM", "pm", "_2", "1", "2", "3", "4", "5", ".", ",",
];

/// The text before the first element of a layout, the element, and the rest.
fn next_element(layout: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in layout.char_indices() {
        let (before, rest) = layout.split_at(at);
        for element in ELEMENTS {
            let Some(after) = rest.strip_prefix(element) else { continue };
            if element == "." || element == "," {
                // Fractions of a second: `.000` or `.999`, and no digit after them.
                let digit = after.chars().next().filter(|c| matches!(c, '0' | '9'));
                let Some(digit) = digit else { continue };
                let len = after.chars().take_while(|c| *c == digit).count();
                if after[len..].starts_with(|c: char| c.is_ascii_digit()) {
                    continue;
                }
                return Some((before, &rest[..=len], &after[len..]));
            }
            let lower_follows = after.starts_with(|c: char| c.is_ascii_lowercase());
            if matches!(element, "Jan" | "Mon") && lower_follows {
                continue;
            }
            if element == "_2" && after.starts_with("006") {
                continue;
            }
            return Some((before, element, after));
        }
    }
    None
}

/// Go's `time.Parse` for layouts of numbers, month names and zones.
pub(super) fn parse(layout: &str, value: &str) -> Result<Time, Fault> {
    read(layout, value).map_err(|reason| Fault(format!("parsing time {}{reason}", quote(value))))
}

/// What a layout reads, before it becomes a time.
struct Fields {
    year: i32,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
    afternoon: Option<bool>,
    offset: Option<UtcOffset>,
    zone: Option<String>,
}

fn read(layout: &str, value: &str) -> Result<Time, String> {
    let mut fields = Fields {
        year: 0,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        afternoon: None,
        offset: None,
        zone: None,
    };
    let (mut rest_layout, mut rest) = (layout, value);
    while let Some((before, element, after)) = next_element(rest_layout) {
        let failed = |rest: &str, element: &str| {
            format!(" as {}: cannot parse {} as {}", quote(layout), quote(rest), quote(element))
        };
        rest = rest.strip_prefix(before).ok_or_else(|| failed(rest, before))?;
        rest_layout = after;
        let start = rest;
        fields.read(element, &mut rest).ok_or_else(|| failed(start, element))?;
        if element == "05" && !after.starts_with(['.', ',']) {
            // A fraction may follow even where the layout has none.
            fields.nanos = fraction(&mut rest).unwrap_or(0);
        }
    }
    rest = rest
        .strip_prefix(rest_layout)
        .ok_or_else(|| format!(" as {}: cannot parse {} as {}", quote(layout), quote(rest), quote(rest_layout)))?;
    match rest.is_empty() {
        true => fields.time().ok_or_else(|| ": day out of range".to_owned()),
        false => Err(format!(": extra text: {}", quote(rest))),
    }
}

impl Fields {
    fn read(&mut self, element: &str, value: &mut &str) -> Option<()> {
        match element {
            "2006" => self.year = number(value, 4, 4)?,
            "06" => {
                let short: i32 = number(value, 2, 2)?;
                self.year = short + if short >= 69 { 1900 } else { 2000 };
            }
            "01" => self.month = number(value, 2, 2)?,
            "1" => self.month = number(value, 1, 2)?,
            "January" | "Jan" => self.month = month_name(value, element == "Jan")?,
            "Monday" | "Mon" => {
                let len = value.find(|c: char| !c.is_alphabetic()).unwrap_or(value.len());
                *value = &value[len..];
            }
            "02" => self.day = number(value, 2, 2)?,
            "2" | "_2" => {
                *value = value.trim_start_matches(' ');
                self.day = number(value, 1, 2)?;
            }
            "15" | "03" => self.hour = number(value, 2, 2)?,
            "3" => self.hour = number(value, 1, 2)?,
            "04" => self.minute = number(value, 2, 2)?,
            "4" => self.minute = number(value, 1, 2)?,
            "05" => self.second = number(value, 2, 2)?,
            "5" => self.second = number(value, 1, 2)?,
            "PM" | "pm" => {
                self.afternoon = Some(value.get(..2)?.eq_ignore_ascii_case("pm"));
                *value = &value[2..];
            }
            "MST" => {
                let (name, rest) = value.split_at_checked(zone_name(value)?)?;
                self.zone = Some(name.to_owned());
                *value = rest;
            }
            element if element.contains("07") => self.offset = Some(zone_offset(value, element)?),
            _ => self.nanos = fraction(value)?,
        }
        Some(())
    }

    fn time(&self) -> Option<Time> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let date = Date::from_calendar_date(self.year, Month::try_from(self.month).ok()?, self.day).ok()?;
        let time = time::Time::from_hms_nano(hour, self.minute, self.second, self.nanos).ok()?;
        // A name alone has no offset; `GMT+3` has one, but the clock is still UTC's.
        let hours = self.zone.as_deref().and_then(|name| name.strip_prefix("GMT")?.parse::<i8>().ok());
        let named = hours.and_then(|hours| UtcOffset::from_hms(hours, 0, 0).ok()).unwrap_or(UtcOffset::UTC);
        let at = match self.offset {
            Some(offset) => OffsetDateTime::new_in_offset(date, time, offset),
            None => OffsetDateTime::new_utc(date, time).checked_to_offset(named)?,
        };
        let unnamed = if at.offset().is_utc() { UTC } else { "" };
        Some(Time { at, zone: self.zone.as_deref().unwrap_or(unnamed).into() })
    }
}

fn number<T: std::str::FromStr>(value: &mut &str, min: usize, max: usize) -> Option<T> {
    let digits = value.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if digits < min {
        return None;
    }
    let number = value[..digits].parse().ok()?;
    *value = &value[digits..];
    Some(number)
}

fn month_name(value: &mut &str, short: bool) -> Option<u8> {
    (1..=12u8).find_map(|month| {
        let name = Month::try_from(month).ok()?.to_string();
        let name = if short { &name[..3] } else { &name };
        let start = value.get(..name.len())?;
        start.eq_ignore_ascii_case(name).then(|| *value = &value[name.len()..])?;
        Some(month)
    })
}

fn fraction(value: &mut &str) -> Option<u32> {
    let after = value.strip_prefix(['.', ','])?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let nanos = format!("{:0<9}", &after[..digits.min(9)]).parse().ok()?;
    *value = &after[digits..];
    (digits > 0).then_some(nanos)
}

fn zone_offset(value: &mut &str, element: &str) -> Option<UtcOffset> {
    if element.starts_with('Z')
        && let Some(after) = value.strip_prefix('Z')
    {
        *value = after;
        return Some(UtcOffset::UTC);
    }
    let sign = if value.starts_with('-') { -1 } else { 1 };
    *value = value.strip_prefix(['+', '-'])?;
    let hours: i8 = number(value, 2, 2)?;
    if element.contains(':') {
        *value = value.strip_prefix(':')?;
    }
    let minutes: i8 = if element.ends_with("00") { number(value, 2, 2)? } else { 0 };
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// The length of the abbreviation of a zone that a text starts with: `CEST`, `GMT+3`, `-03`.
fn zone_name(text: &str) -> Option<usize> {
    let signed = |text: &str| -> Option<usize> {
        let digits = text.strip_prefix(['+', '-'])?;
        let len = digits.bytes().take_while(u8::is_ascii_digit).count();
        (digits[..len].parse::<u8>().ok()? <= 23).then_some(1 + len)
    };
    if text.starts_with("UTC") {
        return Some(3);
    }
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix("GMT") {
        return Some(3 + signed(after).unwrap_or(0));
    }
    if text.starts_with(['+', '-']) {
        return signed(text);
    }
    match text.bytes().take(6).take_while(u8::is_ascii_uppercase).count() {
        3 => Some(3),
        4 if text.as_bytes()[3] == b'T' || text.starts_with("WITA") => Some(4),
        5 if text.as_bytes()[4] == b'T' => Some(5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_format_and_parse_as_in_go() {
        let cases = [
            ("2006-01-02T15:04:05Z07:00", "2024-02-29T13:04:05Z"),
            ("02 Jan 06 15:04 -0700", "29 Feb 24 13:04 +0000"),
            ("Monday, January _2 3:04PM", "Thursday, February 29 1:04PM"),
            ("20060102150405", "20240229130405"),
            ("15:04:05.000", "13:04:05.000"),
            ("002", "060"),
        ];
        let time = read("2006-01-02T15:04:05Z07:00", "2024-02-29T13:04:05Z").expect("a time");
        for (layout, expected) in cases {
            assert_eq!(time.format(layout), expected, "{layout}");
        }
        assert_eq!(read("2006-01-02", "2024-02-30"), Err(": day out of range".to_owned()));
    }
}
