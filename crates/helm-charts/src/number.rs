//! Numbers as Go reads and prints them (`strconv`): the base of literals in templates, YAML scalars and casts.
//! Never knows about templates or YAML; it turns text into numbers and back.

mod read;

pub(super) use read::{parse_complex, parse_float, parse_int, parse_uint};

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
}
