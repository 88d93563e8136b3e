//! The order in which go-yaml writes the keys of a map.

use std::cmp::Ordering;

use super::Dialect;

/// go-yaml's order of keys: letters after other characters, runs of digits by their number.
pub(super) fn natural_order(a: &str, b: &str, dialect: Dialect) -> Ordering {
    let mut pairs = a.char_indices().zip(b.chars());
    let Some(((at, x), y)) = pairs.find(|((_, x), y)| x != y) else { return a.len().cmp(&b.len()) };
    let before = || a[..at].chars().rev().take_while(|c| c.is_numeric());
    let digit_before = before().next().is_some();
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        // Version 3 has letters first after a common number.
        (true, false) if dialect == Dialect::V3 && digit_before => return Ordering::Less,
        (false, true) if dialect == Dialect::V3 && digit_before => return Ordering::Greater,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero within a number is not a leading zero.
    let within_number = (x == '0' || y == '0') && before().any(|c| c != '0');
    // What is common is as long in both.
    let run = |text: &str| {
        let digits = text[at..].chars().take_while(|c| c.is_numeric());
        digits.fold((i64::from(within_number), 0), |(value, count), c| {
            (value.wrapping_mul(10).wrapping_add(i64::from(c as u32) - i64::from('0' as u32)), count + 1)
        })
    };
    run(a).cmp(&run(b)).then(x.cmp(&y))
}
