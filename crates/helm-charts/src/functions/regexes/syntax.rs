//! Go's syntax of regular expressions, checked as `regexp/syntax` checks it and rewritten for the `regex` crate, which
//! matches alike but reads some things otherwise: `\d` is ASCII here, classes know no nesting, names may repeat.

/// An expression as the `regex` crate reads it. Its groups have no names there.
pub(super) struct Translated {
    pub pattern: String,
    /// The names of the groups, from the first one; empty for those without.
    pub names: Vec<String>,
}

/// The largest number in a repetition, and the largest product of nested ones.
const MAX_REPEAT: u64 = 1000;
/// Larger numbers are no numbers for Go.
const MAX_NUMBER: u64 = 100_000_000;

/// Rewrites an expression. The error is Go's, without its start.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut parser =
        Parser { whole: pattern, rest: pattern, out: String::new(), names: Vec::new(), groups: vec![Group::default()] };
    let mut last_repeat = None;
    while !parser.rest.is_empty() {
        last_repeat = parser.item(last_repeat)?;
    }
    match parser.groups.len() {
        1 => Ok(Translated { pattern: parser.out, names: parser.names }),
        _ => Err(wrong("missing closing )", pattern)),
    }
}

fn wrong(reason: &str, part: &str) -> String {
    format!("{reason}: `{part}`")
}

/// What is known of an open group.
#[derive(Default)]
struct Group {
    /// How often the last item repeats what is in it; none where there is nothing to repeat.
    last: Option<u64>,
    /// The largest such number in the group.
    most: u64,
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    out: String,
    names: Vec<String>,
    groups: Vec<Group>,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn take(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// What has been read of `from`.
    fn since(&self, from: &'a str) -> &'a str {
        &from[..from.len() - self.rest.len()]
    }

    /// The item that was just written can be repeated.
    fn written(&mut self, repeats: u64) {
        if let Some(group) = self.groups.last_mut() {
            group.last = Some(repeats);
            group.most = group.most.max(repeats);
        }
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.written(1);
    }

    /// Reads one item; gives the place of a repetition, which may not follow another one.
    fn item(&mut self, last_repeat: Option<&'a str>) -> Result<Option<&'a str>, String> {
        let start = self.rest;
        match self.next() {
            Some('(') => match self.rest.strip_prefix('?') {
                Some(rest) => self.special_group(start, rest)?,
                None => self.open(""),
            },
            Some('|') => {
                self.out.push('|');
                if let Some(group) = self.groups.last_mut() {
                    group.last = None;
                }
            }
            Some(')') => {
                let group = self.groups.pop().filter(|_| !self.groups.is_empty());
                let group = group.ok_or_else(|| wrong("unexpected )", self.whole))?;
                self.out.push(')');
                self.written(group.most.max(1));
            }
            Some(c @ ('^' | '$' | '.')) => {
                self.out.push(c);
                self.written(1);
            }
            Some('[') => self.class(start)?,
            Some('\\') => self.escaped(start)?,
            Some(c @ ('*' | '+' | '?')) => {
                let operator = c.to_string();
                self.repeat(start, last_repeat, &operator, 1)?;
                return Ok(Some(start));
            }
            Some('{') => match self.bounds(start)? {
                Some((min, max)) => {
                    let operator = self.since(start).to_owned();
                    let count = max.unwrap_or(min).max(min);
                    self.repeat(start, last_repeat, &operator, count.max(1))?;
                    return Ok(Some(start));
                }
                None => {
                    self.rest = &start[1..];
                    self.literal('{');
                }
            },
            Some(c) => self.literal(c),
            None => {}
        }
        Ok(None)
    }

    fn repeat(
        &mut self,
        start: &'a str,
        last_repeat: Option<&'a str>,
        operator: &str,
        count: u64,
    ) -> Result<(), String> {
        let lazy = self.take("?");
        if let Some(last) = last_repeat {
            return Err(wrong("invalid nested repetition operator", self.since(last)));
        }
        let part = self.since(start);
        let inner = self.groups.last().and_then(|group| group.last);
        let inner = inner.ok_or_else(|| wrong("missing argument to repetition operator", part))?;
        let product = inner.saturating_mul(count);
        if count >= 2 && product > MAX_REPEAT {
            return Err(wrong("invalid repeat count", part));
        }
        self.out.push_str(operator);
        if lazy {
            self.out.push('?');
        }
        self.written(product);
        Ok(())
    }

    /// `n}`, `n,}` or `n,m}` after a brace; nothing for what is no repetition.
    fn bounds(&mut self, start: &'a str) -> Result<Option<(u64, Option<u64>)>, String> {
        let Some(min) = self.count() else { return Ok(None) };
        let max = match self.take(",") {
            false => Some(min),
            true if self.rest.starts_with('}') => None,
            true => match self.count() {
                Some(max) => Some(max),
                None => return Ok(None),
            },
        };
        if !self.take("}") {
            return Ok(None);
        }
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min) {
            return Err(wrong("invalid repeat count", self.since(start)));
        }
        Ok(Some((min, max)))
    }

    /// A number without leading zeros.
    fn count(&mut self) -> Option<u64> {
        let len = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(len);
        if digits.is_empty() || (len > 1 && digits.starts_with('0')) {
            return None;
        }
        self.rest = rest;
        Some(digits.parse().unwrap_or(MAX_NUMBER))
    }

    /// A capturing group.
    fn open(&mut self, name: &str) {
        self.out.push('(');
        self.names.push(name.to_owned());
        self.groups.push(Group::default());
    }

    /// What starts with `(?`: a name, or flags. `rest` follows the question mark.
    fn special_group(&mut self, start: &'a str, rest: &'a str) -> Result<(), String> {
        if let Some(named) = rest.strip_prefix("P<").or_else(|| rest.strip_prefix('<')) {
            let Some((name, after)) = named.split_once('>') else {
                return Err(wrong("invalid named capture", start));
            };
            self.rest = after;
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_word) {
                return Err(wrong("invalid named capture", self.since(start)));
            }
            self.open(name);
            return Ok(());
        }
        self.rest = rest;
        let (mut on, mut off, mut negated, mut seen) = (String::new(), String::new(), false, false);
        while let Some(c) = self.next() {
            match c {
                'i' | 'm' | 's' | 'U' => {
                    seen = true;
                    let (to, from) = if negated { (&mut off, &mut on) } else { (&mut on, &mut off) };
                    from.retain(|flag| flag != c);
                    if !to.contains(c) {
                        to.push(c);
                    }
                }
                '-' if !negated => (negated, seen) = (true, false),
                ':' | ')' if seen || !negated => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    if c == ':' {
                        self.out.push_str(&format!("(?{on}{minus}{off}:"));
                        self.groups.push(Group::default());
                    } else if !(on.is_empty() && off.is_empty()) {
                        self.out.push_str(&format!("(?{on}{minus}{off})"));
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(wrong("invalid or unsupported Perl syntax", self.since(start)))
    }

    /// What a backslash starts outside of classes.
    fn escaped(&mut self, start: &'a str) -> Result<(), String> {
        let c = self.rest.chars().next();
        let replacement = match c {
            Some('A') => r"\A",
            Some('z') => r"\z",
            Some('b') => r"(?-u:\b)",
            Some('B') => r"(?-u:\B)",
            Some('Q') => {
                let (literal, rest) = self.rest[1..].split_once(r"\E").unwrap_or((&self.rest[1..], ""));
                self.rest = rest;
                literal.chars().for_each(|c| self.literal(c));
                return Ok(());
            }
            _ => {
                match self.shared_class(start)? {
                    Some(class) => self.out.push_str(&class),
                    None => {
                        let c = self.escape(start)?;
                        self.literal(c);
                    }
                }
                self.written(1);
                return Ok(());
            }
        };
        self.next();
        self.out.push_str(replacement);
        self.written(1);
        Ok(())
    }

    /// A class that a backslash stands for, inside of brackets as well as outside: `\d`, `\pL`.
    fn shared_class(&mut self, start: &'a str) -> Result<Option<String>, String> {
        let class = match self.rest.chars().next() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('s') => r"[\t\n\f\r ]",
            Some('S') => r"[^\t\n\f\r ]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some(p @ ('p' | 'P')) => {
                self.next();
                return self.unicode_class(start, p).map(Some);
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(class.to_owned()))
    }

    fn unicode_class(&mut self, start: &'a str, p: char) -> Result<String, String> {
        let name = match self.next() {
            Some('{') => match self.rest.split_once('}') {
                Some((name, rest)) => {
                    self.rest = rest;
                    name.to_owned()
                }
                None => return Err(wrong("invalid character class range", start)),
            },
            Some(c) => c.to_string(),
            None => return Err(wrong("invalid character class range", start)),
        };
        let (negated, name) = match name.strip_prefix('^') {
            Some(name) => (p == 'p', name),
            None => (p == 'P', name.as_str()),
        };
        let class = format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' });
        let known = !name.contains(['=', ':', '!']) && regex_syntax::parse(&class).is_ok();
        known.then_some(class).ok_or_else(|| wrong("invalid character class range", self.since(start)))
    }

    /// The character that an escape stands for; the backslash has been read.
    fn escape(&mut self, start: &'a str) -> Result<char, String> {
        let Some(c) = self.next() else {
            return Err(wrong("trailing backslash at end of expression", ""));
        };
        let found = match c {
            // A single digit would refer to a group.
            '1'..='7' if !self.rest.starts_with(|c: char| ('0'..='7').contains(&c)) => None,
            '0'..='7' => {
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(8)) else { break };
                    value = value * 8 + digit;
                    self.next();
                }
                char::from_u32(value)
            }
            'x' => self.hexadecimal(),
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        };
        found.ok_or_else(|| wrong("invalid escape sequence", self.since(start)))
    }

    /// `41` or `{1F389}` after `\x`.
    fn hexadecimal(&mut self) -> Option<char> {
        let mut digits = String::new();
        if self.next_is('{') {
            loop {
                match self.next()? {
                    '}' => break,
                    c if c.is_ascii_hexdigit() && digits.len() < 8 => digits.push(c),
                    _ => return None,
                }
            }
        } else {
            for _ in 0..2 {
                digits.push(self.next().filter(char::is_ascii_hexdigit)?);
            }
        }
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    }

    fn next_is(&mut self, c: char) -> bool {
        self.take(c.encode_utf8(&mut [0; 4]))
    }

    /// A class in brackets, of which the first has been read.
    fn class(&mut self, start: &'a str) -> Result<(), String> {
        self.out.push('[');
        if self.next_is('^') {
            self.out.push('^');
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.posix_class()? {
                continue;
            }
            let range = self.rest;
            if let Some(after) = range.strip_prefix('\\') {
                self.rest = after;
                if let Some(class) = self.shared_class(range)? {
                    self.out.push_str(&class);
                    continue;
                }
                self.rest = range;
            }
            let low = self.class_char(start)?;
            let mut high = low;
            if self.rest.starts_with('-') && !self.rest[1..].starts_with(']') && self.rest.len() > 1 {
                self.rest = &self.rest[1..];
                high = self.class_char(start)?;
                if high < low {
                    return Err(wrong("invalid character class range", self.since(range)));
                }
            }
            self.out.push_str(&format!(r"\x{{{:X}}}-\x{{{:X}}}", u32::from(low), u32::from(high)));
        }
        self.next();
        self.out.push(']');
        self.written(1);
        Ok(())
    }

    /// A class like `[:alpha:]`, if there is one.
    fn posix_class(&mut self) -> Result<bool, String> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        let start = self.rest;
        let Some((name, rest)) = start.strip_prefix("[:").and_then(|after| after.split_once(":]")) else {
            return Ok(false);
        };
        self.rest = rest;
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(wrong("invalid character class range", self.since(start)));
        }
        self.out.push_str(self.since(start));
        Ok(true)
    }

    fn class_char(&mut self, class: &'a str) -> Result<char, String> {
        let start = self.rest;
        match self.next() {
            None => Err(wrong("missing closing ]", class)),
            Some('\\') => self.escape(start),
            Some(c) => Ok(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn go_syntax_keeps_its_meaning() {
        let cases = [
            (r"^\d+$", "１", false),
            (r"[\w-]+", "-", true),
            (r"[[]", "[", true),
            (r"[]a]", "]", true),
            (r"[a&&b]", "&", true),
            (r"[[:alpha:]]", "x", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"a{,2}", "a{,2}", true),
            (r"(?P<x>a)(?P<x>b)", "ab", true),
            (r"(?ii-s)A", "a", true),
        ];
        for (pattern, whole, expected) in cases {
            let translated = translate(pattern).expect(pattern);
            let matched = regex::Regex::new(&translated.pattern).map(|regex| regex.is_match(whole));
            assert_eq!(matched.ok(), Some(expected), "{pattern} {whole}");
        }
    }
}
