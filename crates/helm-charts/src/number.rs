//! Numbers as Go reads and prints them (`strconv`): the base of literals in templates, YAML scalars and casts.
//! Never knows about templates or YAML; it turns text into numbers and back.

/// `strconv.ParseInt(text, 0, 64)`: sign, `0x`/`0o`/`0b`/leading-zero octal prefixes, underscores between digits.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    match negative {
        true if magnitude == 1 << 63 => Some(i64::MIN),
        true => i64::try_from(magnitude).ok().map(|value| -value),
        false => i64::try_from(magnitude).ok(),
    }
}

/// `strconv.ParseUint(text, 0, 64)`: as [`parse_int`], without a sign.
pub(super) fn parse_uint(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (radix, digits) = match (bytes.first()?, bytes.get(1)) {
        (b'0', Some(b'x' | b'X')) => (16, &text[2..]),
        (b'0', Some(b'o' | b'O')) => (8, &text[2..]),
        (b'0', Some(b'b' | b'B')) => (2, &text[2..]),
        (b'0', Some(_)) => (8, &text[1..]),
        _ => (10, text),
    };
    if digits.starts_with(['+', '-']) || !underscores_separate_digits(text) {
        return None;
    }
    match digits.contains('_') {
        true => u64::from_str_radix(&digits.replace('_', ""), radix).ok(),
        false => u64::from_str_radix(digits, radix).ok(),
    }
}

/// Go allows `_` only between digits, or between a base prefix and a digit.
fn underscores_separate_digits(text: &str) -> bool {
    !text.starts_with('_') && !text.ends_with('_') && !text.contains("__")
}

/// `strconv.ParseFloat(text, 64)` for decimal numbers and `inf`/`nan` words. Too large a number is `None`, as in Go.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let digits = text.trim_start_matches(['+', '-']);
    (value.is_finite() || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')).then_some(value)
}

/// The shortest digits that read back as `value`, and the decimal exponent of the first one.
fn shortest(value: f64) -> (bool, String, i32) {
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (value.is_sign_negative(), mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// As [`format_g`] for a 32-bit float, which is how `sigs.k8s.io/yaml` turns float keys into strings.
pub(super) fn format_g_f32(value: f32) -> String {
    // The shortest text of the 32-bit number, taken as the exact digits of a 64-bit one.
    format!("{value:e}").parse().map(format_g).unwrap_or_default()
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        v if v.is_nan() => Some("NaN"),
        v if v == f64::INFINITY => Some("+Inf"),
        v if v == f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// `strconv.FormatFloat(value, 'g', -1, 64)`, which is also `%v`: an exponent is written below -4 and from 6 on.
pub(super) fn format_g(value: f64) -> String {
    if let Some(word) = special(value) {
        return word.to_owned();
    }
    let (negative, digits, exponent) = shortest(value);
    match !(-4..6).contains(&exponent) {
        true => scientific(negative, &digits, exponent),
        false => plain(negative, &digits, exponent),
    }
}

/// `encoding/json`: plain from 1e-6 up to 1e21, with Go's shortened exponents (`1e-7`).
pub(super) fn format_json(value: f64) -> String {
    let (negative, digits, exponent) = shortest(value);
    match value != 0.0 && !(-6..21).contains(&exponent) {
        true => scientific(negative, &digits, exponent).replacen("e-0", "e-", 1),
        false => plain(negative, &digits, exponent),
    }
}

/// `strconv.FormatFloat(value, 'f', -1, 64)`.
pub(super) fn format_f(value: f64) -> String {
    if let Some(word) = special(value) {
        return word.to_owned();
    }
    let (negative, digits, exponent) = shortest(value);
    plain(negative, &digits, exponent)
}

fn scientific(negative: bool, digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if negative { "-" } else { "" };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.abs())
}

fn plain(negative: bool, digits: &str, exponent: i32) -> String {
    let sign = if negative { "-" } else { "" };
    let len = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    if exponent + 1 >= len {
        return format!("{sign}{digits}{}", "0".repeat((exponent + 1 - len).unsigned_abs() as usize));
    }
    let (whole, fraction) = digits.split_at(exponent.unsigned_abs() as usize + 1);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        let cases = [
            (1e6, "1e+06", "1000000"),
            (100000.0, "100000", "100000"),
            (0.1, "0.1", "0.1"),
            (1234567.5, "1.2345675e+06", "1234567.5"),
            (1e-5, "1e-05", "0.00001"),
            (1e20, "1e+20", "100000000000000000000"),
            (1e-7, "1e-07", "1e-7"),
            (1e21, "1e+21", "1e+21"),
            (0.0, "0", "0"),
            (-2.5, "-2.5", "-2.5"),
        ];
        for (value, g, json) in cases {
            assert_eq!((format_g(value).as_str(), format_json(value).as_str()), (g, json), "{value}");
        }
    }

    #[test]
    fn integers_follow_go_base_prefixes() {
        let cases = [
            ("12", Some(12)),
            ("-0x1F", Some(-31)),
            ("0o17", Some(15)),
            ("017", Some(15)),
            ("0b11", Some(3)),
            ("1_000", Some(1000)),
            ("1__0", None),
            ("0x_ff", Some(255)),
            ("08", None),
            ("", None),
            ("+5", Some(5)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_int(text), expected, "{text}");
        }
    }
}
