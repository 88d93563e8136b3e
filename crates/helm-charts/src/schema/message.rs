//! A schema's refusals in the words of the validator that Helm uses (`santhosh-tekuri/jsonschema` v6).

use std::fmt::Write as _;

use boon::{CompileError, ErrorKind, ValidationError};
use serde_json::Number;

use crate::number;
use crate::template::quote;

/// One line for every place, indented under the alternative that failed there.
pub(super) fn describe(error: &ValidationError<'_, '_>) -> String {
    let mut out = String::new();
    for cause in &error.causes {
        append(cause, 0, &mut out);
    }
    out
}

/// Why a schema cannot be used.
pub(super) fn unusable(error: &CompileError) -> String {
    match error {
        CompileError::ValidationError { url, src } => {
            let metaschema = match &src.kind {
                ErrorKind::Schema { url } => *url,
                _ => "",
            };
            let places = describe(src);
            let failed = format!("jsonschema validation failed with '{metaschema}'\n{}", places.trim_end());
            format!("{} is not valid against metaschema: {failed}", quote::quote(url))
        }
        CompileError::LoadUrlError { url, src } => format!("failing loading {}: {src}", quote::quote(url)),
        CompileError::InvalidMetaSchemaUrl { url, src } => format!("invalid $schema in {}: {src}", quote::quote(url)),
        CompileError::UnsupportedDraft { url } => format!("draft {} is not supported", quote::quote(url)),
        CompileError::MetaSchemaCycle { url } => format!("cycle in resolving $schema in {}", quote::quote(url)),
        CompileError::ParseIdError { loc } => format!("error in parsing id at {}", quote::quote(loc)),
        CompileError::ParseAnchorError { loc } => format!("error in parsing anchor at {}", quote::quote(loc)),
        CompileError::JsonPointerNotFound(url) => format!("json-pointer in {} not found", quote::quote(url)),
        CompileError::InvalidJsonPointer(url) => format!("invalid json-pointer {}", quote::quote(url)),
        CompileError::AnchorNotFound { url, reference } => {
            format!("anchor in {} not found in schema {}", quote::quote(reference), quote::quote(url))
        }
        CompileError::UnsupportedVocabulary { url, vocabulary } => {
            format!("unsupported vocabulary {} in {}", quote::quote(vocabulary), quote::quote(url))
        }
        other => other.to_string(),
    }
}

fn append(error: &ValidationError<'_, '_>, depth: usize, out: &mut String) {
    // A reference with one reason is that reason.
    let skipped = error.causes.len() == 1 && matches!(error.kind, ErrorKind::Reference { .. });
    if !skipped {
        let place = quoted(&error.instance_location.to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}- at {place}: {}", "  ".repeat(depth), reason(&error.kind));
    }
    for cause in &error.causes {
        append(cause, depth + usize::from(!skipped), out);
    }
}

fn contained(got: &[usize], want: usize) -> String {
    let places: Vec<String> = got.iter().map(usize::to_string).collect();
    let (count, places) = (got.len(), places.join(" "));
    format!("{want} items required to match contains schema, but matched {count} items at {places}")
}

fn reason(kind: &ErrorKind<'_, '_>) -> String {
    let counted = |what: &str, got: &usize, want: &usize| {
        format!("{what}: got {}, want {}", grouped(&got.to_string()), grouped(&want.to_string()))
    };
    let compared =
        |what: &str, got: &Number, want: &Number| format!("{what}: got {}, want {}", float(got), float(want));
    let list = |names: &mut dyn Iterator<Item = &str>| names.map(quoted).collect::<Vec<_>>().join(", ");
    match kind {
        ErrorKind::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|want| want.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        ErrorKind::Required { want } if want.len() == 1 => format!("missing property {}", quoted(want[0])),
        ErrorKind::Required { want } => format!("missing properties {}", list(&mut want.iter().copied())),
        ErrorKind::AdditionalProperties { got } => {
            format!("additional properties {} not allowed", list(&mut got.iter().map(|name| &**name)))
        }
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quoted(prop)),
        ErrorKind::AdditionalItems { got } => format!("last {got} additionalItem(s) not allowed"),
        ErrorKind::MinProperties { got, want } => counted("minProperties", got, want),
        ErrorKind::MaxProperties { got, want } => counted("maxProperties", got, want),
        ErrorKind::MinItems { got, want } => counted("minItems", got, want),
        ErrorKind::MaxItems { got, want } => counted("maxItems", got, want),
        ErrorKind::MinLength { got, want } => counted("minLength", got, want),
        ErrorKind::MaxLength { got, want } => counted("maxLength", got, want),
        ErrorKind::Minimum { got, want } => compared("minimum", got, want),
        ErrorKind::Maximum { got, want } => compared("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => compared("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => compared("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => compared("multipleOf", got, want),
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((first, second))) => {
            format!("'oneOf' failed, subschemas {first}, {second} matched")
        }
        ErrorKind::Dependency { prop, missing } | ErrorKind::DependentRequired { prop, missing } => {
            let missing = list(&mut missing.iter().copied());
            format!("properties {missing} required, if {} exists", quoted(prop))
        }
        ErrorKind::MinContains { got, want } => match got.is_empty() {
            true => format!("min {want} items required to match contains schema, but none matched"),
            false => format!("min {}", contained(got, *want)),
        },
        ErrorKind::MaxContains { got, want } => format!("max {}", contained(got, *want)),
        // Elsewhere both say the same.
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let quoted = quote::quote(text).replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

/// As Go's `golang.org/x/text/message` prints a float in English: `70,001`, `1.234567×10⁰⁶`.
fn float(number: &Number) -> String {
    let text = number.as_f64().map_or_else(|| number.to_string(), number::format_g);
    let Some((mantissa, exponent)) = text.split_once('e') else { return grouped(&text) };
    let superscript = |c: char| match c {
        '-' => '⁻',
        c => c.to_digit(10).and_then(|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize)).unwrap_or(c),
    };
    let exponent: String = exponent.trim_start_matches('+').chars().map(superscript).collect();
    format!("{mantissa}×10{exponent}")
}

/// English digits: `1,234,567.5`.
fn grouped(digits: &str) -> String {
    let (sign, unsigned) = digits.strip_prefix('-').map_or(("", digits), |unsigned| ("-", unsigned));
    let (whole, fraction) = unsigned.find('.').map_or((unsigned, ""), |point| unsigned.split_at(point));
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}
