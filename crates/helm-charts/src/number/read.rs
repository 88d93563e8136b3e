//! Text as numbers (`strconv.ParseInt`, `ParseUint`, `ParseFloat` and `fmt.Sscan` of a complex number).

/// `strconv.ParseInt(text, 0, 64)`: sign, `0x`/`0o`/`0b`/leading-zero octal prefixes, underscores between digits.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = signed(text);
    let magnitude = parse_uint(digits)?;
    match negative {
        true if magnitude == 1 << 63 => Some(i64::MIN),
        true => i64::try_from(magnitude).ok().map(|value| -value),
        false => i64::try_from(magnitude).ok(),
    }
}

/// `strconv.ParseUint(text, 0, 64)`: as [`parse_int`], without a sign.
pub(crate) fn parse_uint(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (radix, digits) = match (bytes.first()?, bytes.get(1)) {
        (b'0', Some(b'x' | b'X')) => (16, &text[2..]),
        (b'0', Some(b'o' | b'O')) => (8, &text[2..]),
        (b'0', Some(b'b' | b'B')) => (2, &text[2..]),
        (b'0', Some(_)) => (8, &text[1..]),
        _ => (10, text),
    };
    if digits.contains(['+', '-']) || !underscores_separate_digits(text) {
        return None;
    }
    match digits.contains('_') {
        true => u64::from_str_radix(&digits.replace('_', ""), radix).ok(),
        false => u64::from_str_radix(digits, radix).ok(),
    }
}

/// `strconv.ParseFloat(text, 64)`: decimal and hexadecimal numbers with underscores between digits, and the words `inf`,
/// `infinity` and `nan`. Too large a number is `None`, as in Go.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let (negative, unsigned) = signed(text);
    let value = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => hexadecimal(unsigned)?,
        [b'i' | b'I', ..] => unsigned.parse().ok()?,
        [b'n' | b'N', ..] if unsigned.len() == text.len() => unsigned.parse().ok()?,
        [b'0'..=b'9' | b'.', ..] => decimal(unsigned)?,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// `fmt.Sscan` of `1+2i`: the real and the imaginary part, or what Go says of others, such as one with octal digits.
pub(crate) fn parse_complex(text: &str) -> Result<(f64, f64), &'static str> {
    const NO_PAIR: &str = "syntax error scanning complex number";
    let pair = text.strip_suffix('i').ok_or(NO_PAIR)?;
    let is_hex = |text: &str| text.contains(['x', 'X']);
    let separates = |(index, c): (usize, char)| {
        let before = &pair[..index];
        let in_exponent = before.ends_with(if is_hex(before) { ['p', 'P'] } else { ['e', 'E'] });
        (index > 0 && matches!(c, '+' | '-') && !in_exponent).then_some(index)
    };
    let (real, imaginary) = pair.split_at(pair.char_indices().find_map(separates).ok_or(NO_PAIR)?);
    let part = |text: &str| match !is_hex(text) && text.contains(['o', 'O', 'b', 'B']) {
        true => Err(NO_PAIR),
        false => parse_float(text).ok_or("invalid syntax"),
    };
    Ok((part(real)?, part(imaginary)?))
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Go allows `_` only between digits, or between a base prefix and a digit.
fn underscores_separate_digits(text: &str) -> bool {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let is_digit = |byte: u8| byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit();
    let bytes = text.as_bytes();
    let prefixed = matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let separates = |index: usize| {
        let before = index.checked_sub(1).is_some_and(|before| is_digit(bytes[before]) || prefixed && before == 1);
        before && bytes.get(index + 1).is_some_and(|after| is_digit(*after))
    };
    bytes.iter().enumerate().all(|(index, byte)| *byte != b'_' || separates(index))
}

fn decimal(text: &str) -> Option<f64> {
    let value: f64 = match text.contains('_') {
        true if underscores_separate_digits(text) => text.replace('_', "").parse().ok()?,
        true => return None,
        false => text.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// The digits after the point and the exponent count powers of two: `0x1.8p3` is 12. The exponent is not optional.
fn hexadecimal(text: &str) -> Option<f64> {
    /// More digits can only tell which way to round.
    const MAX_DIGITS: usize = 16;
    if !underscores_separate_digits(text) {
        return None;
    }
    let text = text[2..].replace('_', "");
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.to_owned() + fraction;
    let power = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if digits.is_empty() || power.is_empty() || !power.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits_valid = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let significant = digits.trim_start_matches('0');
    let (kept, cut) = significant.split_at_checked(MAX_DIGITS).unwrap_or((significant, ""));
    let mantissa = match (digits_valid, kept.is_empty()) {
        (false, _) => return None,
        (true, true) => return Some(0.0),
        (true, false) => u64::from_str_radix(kept, 16).ok()?,
    };
    let sticky = u64::from(cut.bytes().any(|digit| digit != b'0'));
    // What does not fit is far beyond all floats.
    let power: i64 = power.parse().unwrap_or(i64::from(i32::MAX));
    let power = if exponent.starts_with('-') { -power } else { power };
    let shift = i64::try_from(cut.len()).ok()? - i64::try_from(fraction.len()).ok()?;
    scaled(mantissa | sticky, power.saturating_add(4 * shift))
}

/// `mantissa * 2^exponent`, rounded once, to the nearest even; `None` where it is too large.
fn scaled(mantissa: u64, exponent: i64) -> Option<f64> {
    /// The exponents of the lowest bits of floats.
    const SMALLEST: i64 = -1074;
    const LARGEST: i64 = 971;
    const BITS: i64 = 53;
    let length = i64::from(u64::BITS - mantissa.leading_zeros());
    let lowest = (exponent + length - BITS).max(SMALLEST);
    let cut = u32::try_from(lowest - exponent).unwrap_or(0);
    let rounded = match cut {
        0 => mantissa,
        // Less than half of the smallest float.
        65.. => 0,
        cut => {
            let (wide, half) = (u128::from(mantissa), 1_u128 << (cut - 1));
            let (kept, rest) = (wide >> cut, wide & ((half << 1) - 1));
            u64::try_from(kept + u128::from(rest > half || rest == half && kept & 1 == 1)).ok()?
        }
    };
    let lowest = exponent + i64::from(cut);
    let value = match lowest > LARGEST + BITS {
        true => f64::INFINITY,
        // In two steps, each of which is exact: the smallest floats have no inverse.
        false => {
            let power = |exponent: i64| 2.0_f64.powi(i32::try_from(exponent).unwrap_or(i32::MIN));
            rounded as f64 * power(lowest / 2) * power(lowest - lowest / 2)
        }
    };
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("0x_+1", None),
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

    #[test]
    fn floats_are_gos() {
        let cases = [
            ("0x1p60", Some(1_152_921_504_606_846_976.0)),
            ("0X1.8P-1", Some(0.75)),
            ("-0x.8p1", Some(-1.0)),
            ("0x_1_0p+1_0", Some(16384.0)),
            ("0x1.fffffffffffff7p0", Some(1.999_999_999_999_999_8)),
            ("0x1.fffffffffffff8p0", Some(2.0)),
            ("0x1.00000000000008p0", Some(1.0)),
            ("0x1.00000000000008000001p0", Some(1.000_000_000_000_000_2)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1p-1075", Some(0.0)),
            ("0x1.8p-1075", Some(5e-324)),
            ("0x1p-99999999999999999999", Some(0.0)),
            ("0x1.fffffffffffffp1023", Some(f64::MAX)),
            ("0x1p1024", None),
            ("0x1p99999999999999999999", None),
            ("0x0p99999999999999999999", Some(0.0)),
            ("0x1", None),
            ("0x1p", None),
            ("0xp1", None),
            ("0x_p1", None),
            ("0x1._8p1", None),
            ("0x1.8.1p1", None),
            ("1_23.50_0e+1_2", Some(1.235e14)),
            ("1_.5", None),
            ("1._5", None),
            ("1e400", None),
            ("1e-400", Some(0.0)),
            ("Inf", Some(f64::INFINITY)),
            ("-infinity", Some(f64::NEG_INFINITY)),
            ("+nan", None),
            ("1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            (".", None),
            ("e5", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_float(text), expected, "{text}");
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn complex_numbers_are_pairs() {
        let no_pair = Err("syntax error scanning complex number");
        let cases = [
            ("1+2i", Ok((1.0, 2.0))),
            ("-1e-2-0x1p-2i", Ok((-0.01, -0.25))),
            ("0x1p+1+2i", Ok((2.0, 2.0))),
            ("1_0+2i", Ok((10.0, 2.0))),
            ("0x1e+2i", Err("invalid syntax")),
            ("1__0+2i", Err("invalid syntax")),
            ("0o17+2i", no_pair),
            ("2i", no_pair),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_complex(text), expected, "{text}");
        }
    }
}
