//! Arithmetic: sprig's integer functions work on int64 and wrap around, as Go does.

use super::super::limits::Fault;
use super::super::number;
use super::super::print;
use super::super::value::Value;
use super::cast::{to_float, to_int};
use super::{Context, Row, int, text};

pub(super) const TABLE: &[Row] = &[
    ("add1", "a", |_, args| Ok(Value::Int64(to_int(&args[0]).wrapping_add(1)))),
    ("add", "a*", |_, args| Ok(Value::Int64(args.iter().map(to_int).fold(0, i64::wrapping_add)))),
    ("sub", "aa", |_, args| Ok(Value::Int64(to_int(&args[0]).wrapping_sub(to_int(&args[1]))))),
    ("div", "aa", |_, args| by(args, i64::wrapping_div)),
    ("mod", "aa", |_, args| by(args, i64::wrapping_rem)),
    ("mul", "aa*", |_, args| Ok(Value::Int64(args.iter().map(to_int).fold(1, i64::wrapping_mul)))),
    ("max", "aa*", |_, args| Ok(Value::Int64(args.iter().map(to_int).max().unwrap_or(0)))),
    ("biggest", "aa*", |_, args| Ok(Value::Int64(args.iter().map(to_int).max().unwrap_or(0)))),
    ("min", "aa*", |_, args| Ok(Value::Int64(args.iter().map(to_int).min().unwrap_or(0)))),
    ("maxf", "aa*", |_, args| Ok(Value::Float(args.iter().map(to_float).fold(f64::NEG_INFINITY, f64::max)))),
    ("minf", "aa*", |_, args| Ok(Value::Float(args.iter().map(to_float).fold(f64::INFINITY, f64::min)))),
    ("ceil", "a", |_, args| Ok(Value::Float(to_float(&args[0]).ceil()))),
    ("floor", "a", |_, args| Ok(Value::Float(to_float(&args[0]).floor()))),
    ("round", "aif*", round),
    ("int", "a", |_, args| Ok(Value::Int(to_int(&args[0])))),
    ("int64", "a", |_, args| Ok(Value::Int64(to_int(&args[0])))),
    ("float64", "a", |_, args| Ok(Value::Float(to_float(&args[0])))),
    ("atoi", "s", |_, args| Ok(Value::Int(text(&args[0])?.parse().unwrap_or(0)))),
    ("toDecimal", "a", to_decimal),
    ("add1f", "a", |_, args| decimals(&[args[0].clone(), Value::Int(1)], '+')),
    ("addf", "a*", |_, args| decimals(args, '+')),
    ("subf", "aa*", |_, args| decimals(args, '-')),
    ("mulf", "aa*", |_, args| decimals(args, '*')),
    ("divf", "aa*", |_, args| decimals(args, '/')),
];

fn by(args: &[Value], operation: fn(i64, i64) -> i64) -> Result<Value, Fault> {
    match to_int(&args[1]) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::Int64(operation(to_int(&args[0]), divisor))),
    }
}

fn round(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let value = to_float(&args[0]);
    let places = int(&args[1])? as f64;
    let round_on = args.get(2).map_or(0.5, to_float);
    let power = 10f64.powf(places);
    let digit = power * value;
    let rounded = if digit.fract() >= round_on { digit.ceil() } else { digit.floor() };
    Ok(Value::Float(rounded / power))
}

/// Reads the printed value as an octal number.
fn to_decimal(_: &Context, args: &[Value]) -> Result<Value, Fault> {
    let text = print::format_value(&args[0])?;
    Ok(Value::Int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
}

/// Sprig calculates with decimal fractions, so that 0.1 + 0.2 is 0.3: here exactly on the shortest decimal digits.
fn decimals(args: &[Value], operation: char) -> Result<Value, Fault> {
    let mut numbers = args.iter().map(|arg| Decimal::from_float(to_float(arg)));
    let zero = Decimal { digits: 0, scale: 0 };
    let mut result = numbers.next().unwrap_or(Some(zero)).ok_or_else(unrepresentable)?;
    for number in numbers {
        let number = number.ok_or_else(unrepresentable)?;
        let next = match operation {
            '+' => result.add(number, 1),
            '-' => result.add(number, -1),
            '*' => result.multiply(number),
            _ if number.digits == 0 => return Err("decimal division by 0".into()),
            _ => result.divide(number),
        };
        result = next.ok_or_else(unrepresentable)?;
    }
    Ok(Value::Float(result.to_float()))
}

fn unrepresentable() -> Fault {
    "a number has more digits than decimal arithmetic supports here".into()
}

/// `digits` times ten to the power of `-scale`.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    scale: i32,
}

impl Decimal {
    fn from_float(value: f64) -> Option<Self> {
        let text = number::format_f(value);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { digits, scale: i32::try_from(fraction.len()).ok()? })
    }

    fn at_scale(self, scale: i32) -> Option<i128> {
        let power = u32::try_from(scale.checked_sub(self.scale)?).ok()?;
        self.digits.checked_mul(10i128.checked_pow(power)?)
    }

    fn add(self, other: Self, sign: i128) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let digits = self.at_scale(scale)?.checked_add(other.at_scale(scale)?.checked_mul(sign)?)?;
        Some(Self { digits, scale })
    }

    fn multiply(self, other: Self) -> Option<Self> {
        Some(Self { digits: self.digits.checked_mul(other.digits)?, scale: self.scale + other.scale })
    }

    /// To 16 places after the point, the last one rounded half up, as `shopspring/decimal` does.
    fn divide(self, other: Self) -> Option<Self> {
        let scale = 16;
        let shift = scale + other.scale - self.scale;
        let power = 10i128.checked_pow(shift.unsigned_abs())?;
        let (numerator, denominator) = match shift >= 0 {
            true => (self.digits.checked_mul(power)?, other.digits),
            false => (self.digits, other.digits.checked_mul(power)?),
        };
        let (quotient, remainder) = (numerator / denominator, numerator % denominator);
        let up = remainder.unsigned_abs() * 2 >= denominator.unsigned_abs();
        let step = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
        Some(Self { digits: quotient + if up { step } else { 0 }, scale })
    }

    fn to_float(self) -> f64 {
        format!("{}e{}", self.digits, -self.scale).parse().unwrap_or(f64::NAN)
    }
}
