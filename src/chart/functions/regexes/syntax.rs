//! What is wrong with a regular expression, in the words of Go's `regexp/syntax`.

use regex_syntax::ast::{ErrorKind, parse::Parser};

/// The reason and the part of the pattern that it is about. `translated` is the pattern as the `regex` crate gets it.
pub(super) fn error(pattern: &str, translated: &str) -> String {
    let Err(error) = Parser::new().parse(translated) else {
        // It is well formed, but compiles to more than is allowed.
        return format!("expression too large: `{pattern}`");
    };
    let (from, to) = (error.span().start.offset, error.span().end.offset);
    let part = translated.get(from..to).unwrap_or_default();
    let rest = translated.get(from..).unwrap_or_default();
    let (reason, shown) = match error.kind() {
        ErrorKind::GroupUnclosed => ("missing closing )", pattern),
        ErrorKind::GroupUnopened => ("unexpected )", pattern),
        ErrorKind::ClassUnclosed => ("missing closing ]", rest),
        ErrorKind::ClassRangeInvalid => ("invalid character class range", part),
        ErrorKind::RepetitionMissing => ("missing argument to repetition operator", translated.get(from..from + 1).unwrap_or(part)),
        ErrorKind::RepetitionCountInvalid => ("invalid repeat count", from_last(part, '{')),
        ErrorKind::EscapeUnexpectedEof => ("trailing backslash at end of expression", ""),
        ErrorKind::EscapeUnrecognized
        | ErrorKind::EscapeHexEmpty
        | ErrorKind::EscapeHexInvalid
        | ErrorKind::EscapeHexInvalidDigit
        | ErrorKind::ClassEscapeInvalid
        | ErrorKind::UnsupportedBackreference => ("invalid escape sequence", part),
        ErrorKind::UnicodeClassInvalid => ("invalid character class range", part),
        ErrorKind::GroupNameEmpty | ErrorKind::GroupNameInvalid | ErrorKind::GroupNameUnexpectedEof => {
            let start = translated[..from].rfind("(?").unwrap_or(from);
            let end = translated[start..].find(')').map_or(translated.len(), |len| start + len);
            ("invalid named capture", &translated[start..end])
        }
        ErrorKind::GroupNameDuplicate { .. } => ("duplicate capture group name", part),
        ErrorKind::UnsupportedLookAround => ("invalid or unsupported Perl syntax", part),
        ErrorKind::FlagDanglingNegation
        | ErrorKind::FlagDuplicate { .. }
        | ErrorKind::FlagRepeatedNegation { .. }
        | ErrorKind::FlagUnexpectedEof
        | ErrorKind::FlagUnrecognized => {
            let start = translated[..from].rfind("(?").unwrap_or(from);
            ("invalid or unsupported Perl syntax", &translated[start..to])
        }
        _ => ("invalid expression", pattern),
    };
    format!("{reason}: `{shown}`")
}

fn from_last(text: &str, c: char) -> &str {
    text.rfind(c).map_or(text, |start| &text[start..])
}
