//! Kubernetes quantities (`"500m"`, `"4"`, `"4Gi"`) as exact integers.
//!
//! Owns parsing, comparing by value and the canonical form. Never uses floats, and never changes what a user wrote:
//! callers keep the text and compare through [`Quantity`].
//!
//! The grammar is that of `k8s.io/apimachinery/pkg/api/resource`: a decimal number and one suffix, of which there are
//! binary (`Ki` … `Ei`), decimal (`n` … `E`) and exponents (`e3`, `E3`).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a quantity cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not of the form number and suffix.
    #[error("\"{0}\" is not a quantity: write a number with an optional unit, as in \"500m\", \"4\" or \"4Gi\"")]
    Malformed(String),
    /// A minus sign. Sizes start at zero.
    #[error("\"{0}\" is negative")]
    Negative(String),
    /// More than 2^63-1 of the base unit.
    #[error("\"{0}\" is larger than Kubernetes can count")]
    TooLarge(String),
    /// Finer than the unit that the resource is counted in.
    #[error("\"{given}\" is finer than {unit}, the smallest unit of {resource}")]
    TooFine {
        /// What was written.
        given: String,
        /// What it counts: CPU, memory or storage.
        resource: &'static str,
        /// The resource's unit.
        unit: &'static str,
    },
}

/// An exact, non-negative quantity, in thousand-millionths of its unit (Kubernetes' own smallest step).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity {
    nanos: u128,
}

const NANOS: u128 = 1_000_000_000;
const MAX: u128 = i64::MAX as u128;

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed(text.to_owned());
        let number = text.strip_prefix('+').unwrap_or(text);
        if number.starts_with('-') {
            return Err(QuantityError::Negative(text.to_owned()));
        }
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
        let (digits, suffix) = number.split_at(end);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return Err(malformed());
        }
        let (mut numerator, mut denominator) = scale(suffix).ok_or_else(malformed)?;
        let too_large = || QuantityError::TooLarge(text.to_owned());
        let fraction = fraction.trim_end_matches('0');
        for _ in 0..fraction.len() {
            denominator = denominator.checked_mul(10).ok_or_else(malformed)?;
        }
        let digits = format!("{whole}{fraction}");
        let mantissa: u128 = match digits.trim_start_matches('0') {
            "" => 0,
            digits => digits.parse().map_err(|_| too_large())?,
        };
        // Cancel before multiplying, so that "0.000001E" does not overflow on the way to a small result.
        let common = gcd(numerator, denominator);
        numerator /= common;
        denominator /= common;
        let scaled = mantissa.checked_mul(numerator).ok_or_else(too_large)?;
        // As Kubernetes does, what is finer than a thousand-millionth is rounded up.
        let nanos = scaled.div_ceil(denominator);
        if nanos > MAX * NANOS {
            return Err(too_large());
        }
        Ok(Self { nanos })
    }
}

/// The factor of a suffix in thousand-millionths, as a fraction.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let decimal = |power: i32| match power {
        -9..=18 => Some((10u128.pow((power + 9) as u32), 1)),
        -30..=-10 => Some((1, 10u128.pow((-power - 9) as u32))),
        _ => None,
    };
    let binary = |shift: u32| Some((NANOS << shift, 1));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        exponent => decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// CPU in millicores (thousandths of a core).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millicores(pub u64);

/// Memory or storage in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Quantity {
    /// In millicores, rounded up to a whole one. What hosts count may be finer than what a size can be.
    pub fn millicores(self) -> u64 {
        self.rounded_up(NANOS / 1000)
    }

    /// In bytes, rounded up to a whole one.
    pub fn bytes(self) -> u64 {
        self.rounded_up(NANOS)
    }

    fn rounded_up(self, nanos_per_unit: u128) -> u64 {
        u64::try_from(self.nanos.div_ceil(nanos_per_unit)).unwrap_or(u64::MAX)
    }

    fn in_units(self, nanos_per_unit: u128) -> Result<u64, ()> {
        if !self.nanos.is_multiple_of(nanos_per_unit) {
            return Err(());
        }
        u64::try_from(self.nanos / nanos_per_unit).map_err(|_| ())
    }
}

impl FromStr for Millicores {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let too_fine = |()| QuantityError::TooFine { given: text.to_owned(), resource: "CPU", unit: "1m" };
        let quantity: Quantity = text.parse()?;
        if quantity.nanos > MAX * (NANOS / 1000) {
            return Err(QuantityError::TooLarge(text.to_owned()));
        }
        quantity.in_units(NANOS / 1000).map(Self).map_err(too_fine)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let too_fine =
            |()| QuantityError::TooFine { given: text.to_owned(), resource: "memory and storage", unit: "one byte" };
        text.parse::<Quantity>()?.in_units(NANOS).map(Self).map_err(too_fine)
    }
}

/// Binary units, the largest first, and what each shifts by.
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

impl Millicores {
    /// For people: cores from one core on (`4`, `3.5`), with one decimal that is rounded down where it is not exact;
    /// below, millicores (`250m`).
    pub fn human(self) -> String {
        match (self.0 / 1000, self.0 % 1000) {
            (cores, 0) => cores.to_string(),
            (0, millicores) => format!("{millicores}m"),
            (cores, millicores) => format!("{cores}.{}", millicores / 100),
        }
    }
}

impl Bytes {
    /// For people: in the largest binary unit that is not larger than the value (`3Gi`, `3.5Gi`), with one decimal that
    /// is rounded down where it is not exact.
    pub fn human(self) -> String {
        match BINARY.iter().find(|(_, shift)| self.0 >> shift != 0) {
            None => self.0.to_string(),
            Some((unit, shift)) => match self.0 & ((1 << shift) - 1) {
                0 => format!("{}{unit}", self.0 >> shift),
                // Below 2^60, so that ten times as much still is a u64.
                rest => format!("{}.{}{unit}", self.0 >> shift, (rest * 10) >> shift),
            },
        }
    }
}

impl Serialize for Millicores {
    /// The canonical form: a string.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millicores {
    /// Any quantity that is written as a string.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Bytes {
    /// The canonical form: a string.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    /// Any quantity that is written as a string.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Millicores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BINARY.iter().find(|(_, shift)| self.0 != 0 && self.0.is_multiple_of(1 << shift)) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_bytes(text: &str, expected: Result<u64, &str>) {
        let actual = text.parse::<Bytes>();
        match expected {
            Ok(bytes) => assert_eq!(actual, Ok(Bytes(bytes)), "{text}"),
            Err(part) => {
                let message = actual.expect_err(text).to_string();
                assert!(message.contains(part), "{message:?} does not say {part:?}");
            }
        }
    }

    #[track_caller]
    fn check_cpu(text: &str, expected: Result<u64, &str>) {
        let actual = text.parse::<Millicores>();
        match expected {
            Ok(millicores) => assert_eq!(actual, Ok(Millicores(millicores)), "{text}"),
            Err(part) => {
                let message = actual.expect_err(text).to_string();
                assert!(message.contains(part), "{message:?} does not say {part:?}");
            }
        }
    }

    #[test]
    fn memory_is_counted_in_whole_bytes() {
        check_bytes("4Gi", Ok(4 << 30));
        check_bytes("4G", Ok(4_000_000_000));
        check_bytes("0", Ok(0));
        check_bytes("1.5Gi", Ok(3 << 29));
        check_bytes(".5Ki", Ok(512));
        check_bytes("2.", Ok(2));
        check_bytes("+1k", Ok(1000));
        check_bytes("1e3", Ok(1000));
        check_bytes("1E3", Ok(1000));
        check_bytes("1E", Ok(1_000_000_000_000_000_000));
        check_bytes("5000m", Ok(5));
        check_bytes("0.000000000000000001E", Ok(1));
        check_bytes("9223372036854775807", Ok(i64::MAX as u64));
        check_bytes("500m", Err("finer than one byte"));
        check_bytes("9223372036854775808", Err("larger than"));
        check_bytes("8Ei", Err("larger than"));
        check_bytes("99999999999999999999999999999999999999999", Err("larger than"));
    }

    #[test]
    fn cpu_is_counted_in_whole_millicores() {
        check_cpu("4", Ok(4000));
        check_cpu("500m", Ok(500));
        check_cpu("0.5", Ok(500));
        check_cpu("1k", Ok(1_000_000));
        check_cpu("1500000u", Ok(1500));
        check_cpu("0.0005", Err("finer than 1m"));
        check_cpu("100000000000000000", Err("larger than"));
    }

    #[test]
    fn what_is_finer_than_a_unit_is_rounded_up() {
        for (text, millicores, bytes) in
            [("0", 0, 0), ("0.0001", 1, 1), ("1500m", 1500, 2), ("1E", u64::MAX, 1_000_000_000_000_000_000)]
        {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!((quantity.millicores(), quantity.bytes()), (millicores, bytes), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", " ", "4 Gi", "4gi", "4GiB", "four", "1..2", "1.2.3", ".", "Gi", "1e", "1e99", "0x10", "1_000", "٤"]
        {
            check_bytes(text, Err("is not a quantity"));
        }
        check_bytes("-1", Err("negative"));
    }

    #[test]
    fn canonical_form_reads_back_as_the_same_value() {
        for (value, text) in
            [(0, "0"), (1, "1"), (1000, "1000"), (1 << 10, "1Ki"), (3 << 29, "1536Mi"), (1 << 40, "1Ti")]
        {
            assert_eq!(Bytes(value).to_string(), text);
            check_bytes(text, Ok(value));
        }
        for (value, text) in [(0, "0"), (500, "500m"), (1500, "1500m"), (4000, "4")] {
            assert_eq!(Millicores(value).to_string(), text);
            check_cpu(text, Ok(value));
        }
    }

    #[test]
    fn people_read_the_largest_unit_and_never_more_than_there_is() {
        for (value, text) in [
            (0, "0"),
            (1023, "1023"),
            (1 << 10, "1Ki"),
            (7 << 29, "3.5Gi"),
            (3 << 30, "3Gi"),
            ((3 << 30) + 1, "3.0Gi"),
            ((4 << 30) - 1, "3.9Gi"),
            (u64::MAX, "15.9Ei"),
        ] {
            assert_eq!(Bytes(value).human(), text, "{value}");
        }
        for (value, text) in [(0, "0"), (250, "250m"), (999, "999m"), (1050, "1.0"), (3500, "3.5"), (4000, "4")] {
            assert_eq!(Millicores(value).human(), text, "{value}");
        }
    }

    #[test]
    fn what_is_stored_is_the_canonical_form() {
        let stored = serde_json::to_string(&(Millicores(1500), Bytes(3 << 29))).unwrap();
        assert_eq!(stored, r#"["1500m","1536Mi"]"#);
        assert_eq!(serde_json::from_str::<(Millicores, Bytes)>(&stored).unwrap(), (Millicores(1500), Bytes(3 << 29)));
        let error = serde_json::from_str::<Bytes>(r#""-1""#).unwrap_err().to_string();
        assert!(error.contains("negative"), "{error}");
    }
}
