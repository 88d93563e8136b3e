//! Floats as `printf` shows them.

use crate::number;

/// The verbs that floats have.
pub(super) const VERBS: &str = "vbgGxXfFeE";

/// Digits after which every float has only zeros. Rust panics where more than 65,535 are asked for.
const EXACT: usize = 1100;

/// The text of a float with one of [`VERBS`], with a sign only where it is negative or infinite.
pub(super) fn shown(value: f64, verb: char, precision: Option<usize>, sharp: bool) -> String {
    let text = match (verb, precision) {
        _ if !value.is_finite() => return number::format_g(value),
        ('b', _) => return binary(value),
        ('v' | 'g' | 'G', None) => number::format_g(value),
        ('f' | 'F', precision) => decimal(value, precision.unwrap_or(6)),
        ('e' | 'E', precision) => scientific(value, precision.unwrap_or(6)),
        ('x' | 'X', precision) => hexadecimal(value, precision),
        (_, precision) => general(value, precision.unwrap_or(6)),
    };
    let text = match sharp && verb != 'v' {
        true => with_point(&text, verb, precision),
        false => text,
    };
    if verb.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text }
}

/// `%#g`: always a decimal point, and all the digits that the precision asks for.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let exponent = text.find(if verb == 'x' || verb == 'X' { 'p' } else { 'e' }).unwrap_or(text.len());
    let (digits, exponent) = text.split_at(exponent);
    let wanted = if matches!(verb, 'g' | 'G' | 'x' | 'X') { precision.unwrap_or(6) } else { 0 };
    let unsigned = digits.trim_start_matches('-');
    let significant = unsigned.trim_start_matches(['0', '.']);
    let mut present = significant.chars().filter(|c| *c != '.').count();
    let point = if digits.contains('.') { "" } else { "." };
    present += usize::from(unsigned == "0");
    format!("{digits}{point}{}{exponent}", "0".repeat(wanted.saturating_sub(present)))
}

/// `%.3f`
fn decimal(value: f64, precision: usize) -> String {
    let exact = precision.min(EXACT);
    format!("{value:.exact$}") + &"0".repeat(precision - exact)
}

/// Rust writes `1e7` where Go writes `1e+07`.
fn scientific(value: f64, precision: usize) -> String {
    let exact = precision.min(EXACT);
    let text = format!("{value:.exact$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{mantissa}{}e{sign}{exponent:0>2}", "0".repeat(precision - exact))
}

/// `%.3g`: significant digits, without trailing zeros.
fn general(value: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let text = scientific(value, precision - 1);
    let exponent: i64 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let trim = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i64 {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", trim(mantissa));
    }
    let decimals = usize::try_from(precision as i64 - 1 - exponent).unwrap_or(0);
    trim(&decimal(value, decimals))
}

const MANTISSA_BITS: u32 = 52;

/// A float is `mantissa * 2^(exponent - 52)`.
fn parts(value: f64) -> (u64, i64) {
    const BIAS: i64 = 1023;
    let bits = value.abs().to_bits();
    let (exponent, fraction) = ((bits >> MANTISSA_BITS) as i64, bits & ((1 << MANTISSA_BITS) - 1));
    match exponent {
        0 => (fraction, 1 - BIAS),
        exponent => (fraction | 1 << MANTISSA_BITS, exponent - BIAS),
    }
}

/// `%b`: `4503599627370496p-52`.
fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{:+}", exponent - i64::from(MANTISSA_BITS))
}

/// `%x`: `0x1.8p+01`.
fn hexadecimal(value: f64, precision: Option<usize>) -> String {
    /// The leading digit is the bit above all others.
    const TOP: u32 = 60;
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        let shift = mantissa.leading_zeros() - (u64::BITS - 1 - TOP);
        mantissa <<= shift;
        exponent -= i64::from(shift) - i64::from(TOP - MANTISSA_BITS);
    }
    if let Some(precision) = precision.filter(|precision| *precision < 15) {
        let cut = TOP - 4 * precision as u32;
        let (kept, rest, half) = (mantissa >> cut, mantissa & ((1 << cut) - 1), 1 << (cut - 1));
        mantissa = (kept + u64::from(rest > half || rest == half && kept & 1 == 1)) << cut;
        if mantissa >> (TOP + 1) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let digits = format!("{:015x}", mantissa & ((1 << TOP) - 1));
    let digits = match precision {
        None => digits.trim_end_matches('0').to_owned(),
        Some(precision) => format!("{digits:0<precision$}")[..precision].to_owned(),
    };
    let point = if digits.is_empty() { "" } else { "." };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}0x{}{point}{digits}p{exponent_sign}{:02}", mantissa >> TOP, exponent.abs())
}
