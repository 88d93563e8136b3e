//! Numbers as Terraform sends them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number as Terraform sends it. Those that are not whole are read as well, so that they can be refused with their
/// attribute and what to write instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// Without a fraction.
    Whole(i64),
    /// With one.
    Fraction(f64),
    /// What fits neither.
    Text(String),
}

impl Number {
    /// The number, if it is whole and neither negative nor too large.
    pub fn whole(&self) -> Option<u32> {
        match self {
            Self::Whole(number) => u32::try_from(*number).ok(),
            Self::Fraction(_) | Self::Text(_) => None,
        }
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self::Whole(i64::from(number))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Fraction(number) => number.fmt(f),
            Self::Text(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use terraform_plugin::value::Value;

    /// A model of one number, as it comes from Terraform.
    #[derive(Serialize, Deserialize)]
    struct Wire {
        number: Value<Number>,
    }

    #[track_caller]
    fn check(number: impl Serialize, expected: Value<Number>) {
        let bytes = rmp_serde::to_vec_named(&BTreeMap::from([("number", number)])).unwrap();
        let wire: Wire = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(wire.number, expected);
        assert_eq!(rmp_serde::to_vec_named(&wire).unwrap(), bytes);
    }

    #[test]
    fn every_number_of_terraforms_is_read_and_given_back_as_it_was() {
        check(120, Value::Value(Number::Whole(120)));
        check(-1, Value::Value(Number::Whole(-1)));
        check(1.5, Value::Value(Number::Fraction(1.5)));
        check("1e400", Value::Value(Number::Text("1e400".into())));
        check((), Value::Null);
        check(Value::<i64>::Unknown, Value::Unknown);
    }
}
