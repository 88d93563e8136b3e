//! Which styles a scalar's characters allow, as libyaml decides it.

use super::Dialect;

/// What the characters of a scalar allow.
#[derive(Default)]
pub(super) struct Analysis {
    pub multiline: bool,
    pub plain_allowed: bool,
    pub single_quoted_allowed: bool,
    pub literal_allowed: bool,
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// go-yaml's idea of printable, which ends below U+E000 but for a few ranges and takes no 4-byte characters.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        '\n' | ' '..='~' => true,
        '\u{a0}'..='\u{d7ff}' => true,
        '\u{e000}'..='\u{fffd}' => c != '\u{feff}',
        _ => false,
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Most texts: without spaces and line breaks only the first and the last character can have a meaning of their own.
fn is_ordinary(text: &[u8]) -> bool {
    let first_is_text = text.first().is_some_and(|first| first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_'));
    first_is_text && text.last() != Some(&b':') && text.iter().all(u8::is_ascii_graphic)
}

pub(super) fn analyze(text: &str, dialect: Dialect) -> Analysis {
    if text.is_empty() {
        return Analysis { plain_allowed: true, single_quoted_allowed: true, ..Analysis::default() };
    }
    if is_ordinary(text.as_bytes()) {
        return Analysis { multiline: false, plain_allowed: true, single_quoted_allowed: true, literal_allowed: true };
    }
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let (mut line_breaks, mut special, mut tabs) = (false, false, false);
    let (mut leading, mut trailing_space, mut trailing_break) = (false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let (mut previous_space, mut previous_break, mut after_blank) = (false, false, true);
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let before_blank = next.is_none_or(is_blank);
        indicators |= match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                if index == 0 =>
            {
                true
            }
            '?' | '-' if index == 0 => before_blank,
            ':' => before_blank,
            '#' => after_blank,
            _ => false,
        };
        match c {
            '\t' if dialect == Dialect::V3 => tabs = true,
            c => special |= !is_printable(c),
        }
        if c == ' ' {
            leading |= index == 0;
            trailing_space |= next.is_none();
            break_space |= previous_break;
            (previous_space, previous_break) = (true, false);
        } else if is_break(c) {
            line_breaks = true;
            leading |= index == 0;
            trailing_break |= next.is_none();
            space_break |= previous_space;
            (previous_space, previous_break) = (false, true);
        } else {
            (previous_space, previous_break) = (false, false);
        }
        after_blank = is_blank(c) || is_break(c) || c == '\0';
    }
    let broken = space_break || special;
    Analysis {
        multiline: line_breaks,
        plain_allowed: !(leading
            || trailing_space
            || trailing_break
            || break_space
            || broken
            || tabs
            || line_breaks
            || indicators),
        single_quoted_allowed: !(break_space || broken || tabs),
        literal_allowed: !(trailing_space || broken),
    }
}
