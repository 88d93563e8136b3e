//! What a plain scalar means in go-yaml v2 (YAML 1.1): null, a boolean, a number, or just text.

use crate::number;

/// A resolved scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    /// What base64 stood for, of which only text is left.
    Binary(String),
    /// Looks like a date; read as text, but quoted when written.
    Timestamp,
    Text,
}

/// Resolves plain text. Words like `yes` and `off` are booleans, `0644` is an octal number.
pub(super) fn resolve(text: &str) -> Scalar {
    let Some(first) = text.bytes().next() else { return Scalar::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            word(text).unwrap_or(Scalar::Text)
        }
        b'.' => word(text).or_else(|| float(text)).unwrap_or(Scalar::Text),
        b'+' | b'-' | b'0'..=b'9' => word(text).unwrap_or_else(|| numeric(text)),
        _ => Scalar::Text,
    }
}

fn word(text: &str) -> Option<Scalar> {
    let scalar = match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => return None,
    };
    Some(scalar)
}

fn float(text: &str) -> Option<Scalar> {
    number::parse_float(text).map(Scalar::Float)
}

fn numeric(text: &str) -> Scalar {
    if is_timestamp(text) {
        return Scalar::Timestamp;
    }
    let plain = text.replace('_', "");
    if let Some(value) = number::parse_int(&plain) {
        return Scalar::Int(value);
    }
    if let Some(value) = number::parse_uint(&plain) {
        return Scalar::Uint(value);
    }
    if is_float_syntax(&plain)
        && let Some(value) = number::parse_float(&plain)
    {
        return Scalar::Float(value);
    }
    signed_binary(&plain).unwrap_or(Scalar::Text)
}

/// go-yaml reads what follows `0b` with a sign of its own.
fn signed_binary(text: &str) -> Option<Scalar> {
    let digits = text.strip_prefix("0b").filter(|digits| digits.starts_with(['+', '-']))?;
    i64::from_str_radix(digits, 2).ok().map(Scalar::Int)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float_syntax(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_is_number = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
    };
    mantissa_is_number && exponent.is_none_or(digits)
}

/// The formats go-yaml tries: a date, with a time after a space, or RFC 3339 after `T` or `t`; short fields allowed.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 6 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let mut rest = &text[5..];
    let month = take_number(&mut rest, 2);
    let dash = take(&mut rest, '-');
    let day = take_number(&mut rest, 2);
    let year = text[..4].parse().unwrap_or(0);
    let (Some(month), true, Some(day)) = (month, dash, day) else { return false };
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let zoned = !take(&mut rest, ' ');
    if zoned && !take(&mut rest, 'T') && !take(&mut rest, 't') {
        return false;
    }
    clock(&mut rest) && if zoned { zone(rest) } else { rest.is_empty() }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

fn clock(rest: &mut &str) -> bool {
    let hour = take_number(rest, 2).is_some_and(|hour| hour < 24) && take(rest, ':');
    let minute = hour && take_number(rest, 2).is_some_and(|minute| minute < 60) && take(rest, ':');
    let second = minute && take_number(rest, 2).is_some_and(|second| second < 60);
    if second && (take(rest, '.') || take(rest, ',')) {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        *rest = &rest[digits..];
        return digits > 0;
    }
    second
}

fn zone(rest: &str) -> bool {
    if rest == "Z" {
        return true;
    }
    let mut offset = rest;
    let sign = take(&mut offset, '+') || take(&mut offset, '-');
    let valid = |text: &str, limit: u32| text.len() == 2 && text.parse::<u32>().is_ok_and(|value| value <= limit);
    sign && offset.split_once(':').is_some_and(|(hours, minutes)| valid(hours, 24) && valid(minutes, 60))
}

fn take(rest: &mut &str, c: char) -> bool {
    match rest.strip_prefix(c) {
        Some(tail) => {
            *rest = tail;
            true
        }
        None => false,
    }
}

fn take_number(rest: &mut &str, max_digits: usize) -> Option<u32> {
    let digits = rest.bytes().take(max_digits).take_while(u8::is_ascii_digit).count();
    let value = rest[..digits].parse().ok();
    *rest = &rest[digits..];
    value
}

/// YAML 1.1's base 60 numbers, such as `12:30:45`: never read, but quoted when written.
pub(super) fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut count = 0;
    let sexagesimal = |part: &str| match part.as_bytes() {
        [unit] => unit.is_ascii_digit(),
        [tens, unit] => (b'0'..=b'5').contains(tens) && unit.is_ascii_digit(),
        _ => false,
    };
    let parts_valid = parts.all(|part| {
        count += 1;
        sexagesimal(part)
    });
    !first.is_empty() && digits(first) && count > 0 && parts_valid && digits(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_go_yaml_takes_them_for() {
        let cases = [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("yes", Scalar::Bool(true)),
            ("off", Scalar::Bool(false)),
            ("yEs", Scalar::Text),
            ("0644", Scalar::Int(420)),
            ("0o17", Scalar::Int(15)),
            ("08", Scalar::Float(8.0)),
            ("0b11", Scalar::Int(3)),
            ("0b-11", Scalar::Int(-3)),
            ("0b+2", Scalar::Text),
            (".5_0", Scalar::Float(0.5)),
            ("1e3_0", Scalar::Float(1e30)),
            ("1_000", Scalar::Int(1000)),
            ("1e3", Scalar::Float(1000.0)),
            ("1.", Scalar::Float(1.0)),
            ("18446744073709551615", Scalar::Uint(u64::MAX)),
            ("2001-01-01", Scalar::Timestamp),
            ("2001-02-30", Scalar::Text),
            ("2001-1-1 1:2:3.4", Scalar::Timestamp),
            ("2001-12-14t21:59:43.10-05:00", Scalar::Timestamp),
            ("12:30", Scalar::Text),
            ("<<", Scalar::Text),
            ("-", Scalar::Text),
            ("1.2.3", Scalar::Text),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text), expected, "{text}");
        }
        assert!(is_base_60("12:30:45") && is_base_60("-1:59.5") && !is_base_60("12:60") && !is_base_60("a:1"));
    }
}
