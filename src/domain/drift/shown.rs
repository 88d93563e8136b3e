//! Two values of a field as a person reads them: whole where they are short, and otherwise where they differ.

use serde_json::Value;

use super::path::plain;

/// The longest value that is shown, in characters.
const LONGEST: usize = 300;

/// How much of what is the same stands before a difference in a long text.
const BEFORE: usize = 40;

/// What was expected and what is there. Of long lists only the items that differ are left, and long texts begin shortly before
/// the first difference and are cut.
pub(super) fn pair(expected: Option<&Value>, actual: Option<&Value>) -> (Option<String>, Option<String>) {
    let (left, right) = (expected.map(plain), actual.map(plain));
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().nth(LONGEST).is_some());
    if !is_long(&left) && !is_long(&right) {
        return (left, right);
    }
    match (expected, actual) {
        (Some(Value::Array(expected)), Some(Value::Array(actual))) => {
            let others = |items: &[Value], other: &[Value]| {
                let differing = items.iter().filter(|item| !other.contains(item)).cloned();
                Some(cut(&Value::Array(differing.collect()).to_string(), 0))
            };
            (others(expected, actual), others(actual, expected))
        }
        (Some(_), Some(_)) => {
            let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
            let same = std::iter::zip(left.chars(), right.chars()).take_while(|(a, b)| a == b).count();
            let from = same.saturating_sub(BEFORE);
            (Some(cut(&left, from)), Some(cut(&right, from)))
        }
        _ => (left.map(|text| cut(&text, 0)), right.map(|text| cut(&text, 0))),
    }
}

/// A text from a character on, with a mark where something is left out.
fn cut(text: &str, from: usize) -> String {
    let mut shown: String = text.chars().skip(from).take(LONGEST).collect();
    if from > 0 {
        shown.insert(0, '…');
    }
    if text.chars().nth(from + LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let rule = |name: &str| json!({"resources": [name.repeat(60)]});
        let widened = [rule("a"), rule("b"), rule("c"), rule("d"), rule("e"), rule("f"), json!({"resources": ["*"]})];
        let (before, after) = (Value::from(widened[..6].to_vec()), Value::from(widened.to_vec()));
        let shown = pair(Some(&before), Some(&after));
        assert_eq!(shown, (Some("[]".into()), Some("[{\"resources\":[\"*\"]}]".into())));

        let text = |end: &str| Value::from("x".repeat(400) + end);
        let (left, right) = pair(Some(&text("one")), Some(&text("two")));
        assert_eq!(left.unwrap(), format!("…{}one", "x".repeat(BEFORE)));
        assert_eq!(right.unwrap(), format!("…{}two", "x".repeat(BEFORE)));

        let (none, long) = pair(None, Some(&json!("ü".repeat(1000))));
        assert_eq!((none, long.unwrap()), (None, "ü".repeat(LONGEST) + "…"));
    }

    #[test]
    fn short_values_are_shown_whole() {
        let values = (json!(["a", "b"]), json!(["a"]));
        assert_eq!(pair(Some(&values.0), Some(&values.1)), (Some("[\"a\",\"b\"]".into()), Some("[\"a\"]".into())));
    }
}
