//! Path patterns: `.Files.Glob` (gobwas/glob with `/` as separator) and `.helmignore` (Go's `filepath.Match`).
//! What is more than a name or an ending becomes a regular expression, whose matching takes linear time whatever it is.

use regex::{Regex, RegexBuilder};

/// Bytes of a compiled pattern: some hundred wildcards.
const MAX_COMPILED: usize = 256 << 10;

/// A compiled pattern that must match a whole path.
#[derive(Debug)]
pub(super) enum Glob {
    /// This very path.
    Path(String),
    /// `*`, and then this.
    Ending(String),
    Regex(Regex),
}

impl Glob {
    /// `*` and `?` within a path element, `**` across, `[a-z]`, `[!a-z]`, `{a,b}`. `None` where gobwas/glob fails.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        if let Some(simple) = simple(pattern) {
            return Some(simple);
        }
        let mut regex = String::new();
        let mut braces = 0;
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => regex.push_str(".*"),
                '*' => regex.push_str("[^/]*"),
                '?' => regex.push_str("[^/]"),
                '[' => regex.push_str(&class(&mut chars, '!')?),
                '{' => {
                    braces += 1;
                    regex.push_str("(?:");
                }
                '}' if braces > 0 => {
                    braces -= 1;
                    regex.push(')');
                }
                ',' if braces > 0 => regex.push('|'),
                '\\' => push_literal(&mut regex, chars.next()?),
                c => push_literal(&mut regex, c),
            }
        }
        if braces > 0 {
            return None;
        }
        compile(&regex)
    }

    /// Go's `filepath.Match`: `*`, `?`, `[a-z]`, `[^a-z]` and `\`, none of which crosses a `/`. `None` for bad syntax.
    pub(super) fn file_path(pattern: &str) -> Option<Self> {
        if let Some(simple) = simple(pattern) {
            return Some(simple);
        }
        let mut regex = String::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' => regex.push_str("[^/]*"),
                '?' => regex.push_str("[^/]"),
                '[' => regex.push_str(&class(&mut chars, '^')?),
                '\\' => push_literal(&mut regex, chars.next()?),
                c => push_literal(&mut regex, c),
            }
        }
        compile(&regex)
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Glob::Path(name) => path == name,
            Glob::Ending(end) => path.strip_suffix(end.as_str()).is_some_and(|start| !start.contains('/')),
            Glob::Regex(regex) => regex.is_match(path),
        }
    }
}

/// Most patterns, in both languages.
fn simple(pattern: &str) -> Option<Glob> {
    let is_literal = |text: &str| !text.contains(['*', '?', '[', ']', '{', '}', ',', '\\']);
    match pattern.strip_prefix('*') {
        Some(end) => is_literal(end).then(|| Glob::Ending(end.to_owned())),
        None => is_literal(pattern).then(|| Glob::Path(pattern.to_owned())),
    }
}

fn compile(regex: &str) -> Option<Glob> {
    RegexBuilder::new(&format!("(?s)\\A{regex}\\z")).size_limit(MAX_COMPILED).build().ok().map(Glob::Regex)
}

fn push_literal(regex: &mut String, c: char) {
    regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// The rest of a character class after its `[`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, negation: char) -> Option<String> {
    let mut class = String::from("[");
    if chars.next_if_eq(&negation).is_some() {
        class.push('^');
    }
    let empty = class.len();
    loop {
        match chars.next()? {
            ']' if class.len() > empty => break,
            ']' => return None,
            '-' => class.push('-'),
            '\\' => push_class_char(&mut class, chars.next()?),
            c => push_class_char(&mut class, c),
        }
    }
    class.push(']');
    Some(class)
}

fn push_class_char(class: &mut String, c: char) {
    if matches!(c, '[' | ']' | '^' | '\\' | '&' | '~' | '-') {
        class.push('\\');
    }
    class.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_gobwas_glob() {
        let cases = [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("*", "a", true),
            ("*", "d/a", false),
            ("d/a", "d/a", true),
            ("d/a", "d/ab", false),
            ("a.c", "abc", false),
            ("**.txt", "d/a.txt", true),
            ("d/**", "d/e/f", true),
            ("{a,b*}.yaml", "bc.yaml", true),
            ("[!a]x", "bx", true),
            ("[!a]x", "ax", false),
            ("a?c", "a/c", false),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(Glob::new(pattern).is_some_and(|glob| glob.matches(path)), expected, "{pattern} {path}");
        }
        assert!(Glob::new("[").is_none());
        assert!(Glob::new("{a").is_none());
    }
}
