//! Go's durations: `1h30m0s`.

use super::NANOS;
use crate::limits::Fault;
use crate::template::quote::quote;

/// Go's `Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub(super) fn format_duration(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let decimal = |unit: u128| {
        let fraction = format!("{:0width$}", magnitude % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction}", magnitude / unit)
    };
    match magnitude {
        0 => "0s".to_owned(),
        1..=999 => format!("{sign}{magnitude}ns"),
        1_000..=999_999 => format!("{sign}{}µs", decimal(1_000)),
        1_000_000..=999_999_999 => format!("{sign}{}ms", decimal(1_000_000)),
        _ => {
            let seconds = magnitude / NANOS as u128;
            let fraction = format!("{:09}", magnitude % NANOS as u128);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let hours_text = if hours > 0 { format!("{hours}h") } else { String::new() };
            let minutes_text = if hours > 0 || minutes > 0 { format!("{minutes}m") } else { String::new() };
            format!("{sign}{hours_text}{minutes_text}{seconds}{point}{fraction}s")
        }
    }
}

/// Go's `time.ParseDuration`, in nanoseconds.
pub(super) fn parse_duration(text: &str) -> Result<i128, Fault> {
    let quoted = quote(text);
    let invalid = || Fault(format!("time: invalid duration {quoted}"));
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(0);
    }
    let (mut rest, mut total) = (unsigned, 0f64);
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| Fault(format!("time: missing unit in duration {quoted}")))?;
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let scale = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            unit => {
                let unit = quote(unit);
                return Err(format!("time: unknown unit {unit} in duration {quoted}").into());
            }
        };
        total += number * scale;
        rest = &rest[end..];
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    Ok(if text.starts_with('-') { -(total as i128) } else { total as i128 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_in_go() {
        let cases = [("1h0m5.5s", "1h0m5.5s"), ("90s", "1m30s"), ("1500us", "1.5ms"), ("0", "0s"), ("-2h", "-2h0m0s")];
        for (text, expected) in cases {
            assert_eq!(format_duration(parse_duration(text).expect(text)), expected);
        }
    }
}
