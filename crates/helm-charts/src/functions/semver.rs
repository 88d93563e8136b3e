//! Semantic versions and constraints, as `Masterminds/semver` v3 reads them: loosely, with missing parts as zero.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::LazyLock;

use regex::Regex;

use super::super::limits::Fault;
use super::super::print;
use super::super::template::quote::quote;
use super::super::value::{Field, Struct, Value};
use super::{Row, text};

pub(super) const TABLE: &[Row] = &[
    ("semver", "s", |_, args| Ok(Version::parse(text(&args[0])?)?.to_value())),
    ("semverCompare", "ss", |_, args| {
        let constraints = Constraints::parse(text(&args[0])?)?;
        Ok(constraints.check(&Version::parse(text(&args[1])?)?).into())
    }),
];

/// A version whose parts are numbers; the pre-release and metadata are text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
    patch: u64,
    pre: String,
    metadata: String,
    original: String,
}

const MAX_VERSION: usize = 256;
const MAX_CONSTRAINT: usize = 512;
const MAX_CONSTRAINT_GROUPS: usize = 32;

impl Version {
    pub(crate) fn parse(text: &str) -> Result<Version, Fault> {
        let invalid = || Fault::from("invalid semantic version");
        if text.len() > MAX_VERSION {
            return Err(format!("version string is too long (max {MAX_VERSION} bytes)").into());
        }
        let (rest, metadata) = split_suffix(text.strip_prefix('v').unwrap_or(text), '+').ok_or_else(invalid)?;
        let (core, pre) = split_suffix(rest, '-').ok_or_else(invalid)?;
        let mut numbers = [0; 3];
        let parts: Vec<&str> = core.split('.').collect();
        if parts.len() > 3 {
            return Err(invalid());
        }
        for (number, part) in numbers.iter_mut().zip(&parts) {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(invalid());
            }
            *number = part.parse().map_err(|_| Fault::from("error parsing version segment: value out of range"))?;
        }
        let leads_with_zero = |part: &str| part.len() > 1 && part.starts_with('0') && is_number(part);
        if pre.split('.').any(leads_with_zero) {
            return Err("version segment starts with 0".into());
        }
        let [major, minor, patch] = numbers;
        Ok(Version {
            major,
            minor,
            patch,
            pre: pre.to_owned(),
            metadata: metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    pub(crate) fn compare(&self, other: &Version) -> Ordering {
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| compare_pre(&self.pre, &other.pre))
    }

    fn text(&self) -> String {
        let mut text = format!("{}.{}.{}", self.major, self.minor, self.patch);
        for (mark, part) in [('-', &self.pre), ('+', &self.metadata)] {
            if !part.is_empty() {
                text.push(mark);
                text.push_str(part);
            }
        }
        text
    }

    /// As templates see it: a pointer to a struct with methods only.
    pub(super) fn to_value(&self) -> Value {
        let field = |name, value| Field { name, json: "", omit_empty: false, value };
        let fields = vec![field("text", self.text().into()), field("original", self.original.as_str().into())];
        Value::Struct(Rc::new(Struct { type_name: print::SEMVER, pointer: true, fields }))
    }

    /// Back from a template's value.
    pub(super) fn from_value(value: &Value) -> Option<Version> {
        match value {
            Value::Struct(version) if version.type_name == print::SEMVER => {
                Version::parse(text(version.field("original")?).ok()?).ok()
            }
            _ => None,
        }
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        match name {
            "Major" => self.major,
            "Minor" => self.minor,
            _ => self.patch,
        }
    }

    pub(crate) fn part(&self, name: &str) -> String {
        match name {
            "Prerelease" => self.pre.clone(),
            "Metadata" => self.metadata.clone(),
            "Original" => self.original.clone(),
            _ => self.text(),
        }
    }
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// What follows the first `mark`, which must be dot-separated identifiers; `None` when it is not.
fn split_suffix(text: &str, mark: char) -> Option<(&str, &str)> {
    let Some((core, suffix)) = text.split_once(mark) else { return Some((text, "")) };
    let identifier = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    suffix.split('.').all(identifier).then_some((core, suffix))
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Alternatives of conditions that must all hold.
#[derive(Debug)]
pub(crate) struct Constraints(Vec<Vec<Constraint>>);

#[derive(Debug)]
struct Constraint {
    operator: String,
    version: Version,
    /// Which parts were left out or written as `x`.
    any_minor: bool,
    any_patch: bool,
    dirty: bool,
}

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const VERSION: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

struct Patterns {
    one: Regex,
    range: Regex,
    each: Regex,
    valid: Regex,
}

/// The expressions of Masterminds/semver; constants, so that they compile is tested below.
static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    Some(Patterns {
        one: Regex::new(&format!(r"^\s*({OPERATORS})\s*({VERSION})\s*$")).ok()?,
        range: Regex::new(&format!(r"\s*({VERSION})\s+-\s+({VERSION})\s*")).ok()?,
        each: Regex::new(&format!(r"({OPERATORS})\s*({VERSION})")).ok()?,
        valid: Regex::new(&format!(
            r"^(\s*({OPERATORS})\s*({VERSION})\s*)((?:\s+|,\s*)({OPERATORS})\s*({VERSION})\s*)*$"
        ))
        .ok()?,
    })
});

impl Constraints {
    pub(crate) fn parse(text: &str) -> Result<Constraints, Fault> {
        if text.len() > MAX_CONSTRAINT {
            return Err(format!("constraint string is too long (max {MAX_CONSTRAINT} bytes)").into());
        }
        let Some(patterns) = &*PATTERNS else { return Err("constraint parser error".into()) };
        // `1.2 - 2` is short for `>=1.2 <=2`.
        let text = patterns.range.replace_all(text, ">= ${1}, <= ${11} ");
        let groups: Vec<&str> = text.split("||").collect();
        if groups.len() > MAX_CONSTRAINT_GROUPS {
            return Err(format!("too many constraint groups (max {MAX_CONSTRAINT_GROUPS})").into());
        }
        groups.into_iter().map(|group| Self::group(patterns, group)).collect::<Result<_, _>>().map(Constraints)
    }

    fn group(patterns: &Patterns, group: &str) -> Result<Vec<Constraint>, Fault> {
        if !patterns.valid.is_match(group) {
            return Err(format!("improper constraint: {}", quote(group)).into());
        }
        patterns.each.find_iter(group).map(|found| Constraint::parse(patterns, found.as_str())).collect()
    }

    pub(crate) fn check(&self, version: &Version) -> bool {
        self.0.iter().any(|group| {
            let with_pre = group.iter().any(|constraint| !constraint.version.pre.is_empty());
            (version.pre.is_empty() || with_pre) && group.iter().all(|constraint| constraint.check(version))
        })
    }
}

impl Constraint {
    fn parse(patterns: &Patterns, text: &str) -> Result<Constraint, Fault> {
        let improper = || Fault(format!("improper constraint: {}", quote(text)));
        let captures = patterns.one.captures(text).ok_or_else(improper)?;
        let group = |index| captures.get(index).map_or("", |found| found.as_str());
        let is_any = |part: &str| matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*");
        let (major, minor, patch, pre) = (group(3), group(4), group(5), group(6));
        let (mut any_minor, mut any_patch, mut dirty) = (false, false, true);
        let version = if is_any(major) {
            format!("0.0.0{pre}")
        } else if is_any(minor) {
            any_minor = true;
            format!("{major}.0.0{pre}")
        } else if is_any(patch) {
            any_patch = true;
            format!("{major}{minor}.0{pre}")
        } else {
            dirty = false;
            group(2).to_owned()
        };
        let version = Version::parse(&version).map_err(|_| Fault::from("constraint parser error"))?;
        Ok(Constraint { operator: group(1).to_owned(), version, any_minor, any_patch, dirty })
    }

    fn check(&self, version: &Version) -> bool {
        let wanted = &self.version;
        let order = version.compare(wanted);
        match self.operator.as_str() {
            "!=" => self.differs(version),
            ">" => self.is_exceeded_by(version),
            "<" => order.is_lt(),
            ">=" | "=>" => order.is_ge(),
            "<=" | "=<" if !self.dirty => order.is_le(),
            "<=" | "=<" => {
                version.major < wanted.major
                    || (version.major == wanted.major && (self.any_minor || version.minor <= wanted.minor))
            }
            "~" | "~>" => self.tilde(version),
            "^" => self.caret(version),
            _ if self.dirty => self.tilde(version),
            _ => order.is_eq(),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if !self.dirty {
            return version.compare(wanted).is_ne();
        }
        if wanted.major != version.major {
            return true;
        }
        if self.any_minor {
            return false;
        }
        if wanted.minor != version.minor {
            return true;
        }
        match self.any_patch {
            true => compare_pre(&version.pre, &wanted.pre).is_ne(),
            false => version.compare(wanted).is_ne(),
        }
    }

    fn is_exceeded_by(&self, version: &Version) -> bool {
        let wanted = &self.version;
        match version.major.cmp(&wanted.major) {
            _ if !self.dirty => version.compare(wanted).is_gt(),
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal if self.any_minor => false,
            Ordering::Equal if self.any_patch => version.minor > wanted.minor,
            Ordering::Equal => version.compare(wanted).is_gt(),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version.compare(wanted).is_lt() {
            return false;
        }
        let zero = (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0);
        if zero && !self.any_minor && !self.any_patch {
            return true;
        }
        version.major == wanted.major && (self.any_minor || version.minor == wanted.minor)
    }

    fn caret(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version.compare(wanted).is_lt() {
            return false;
        }
        if wanted.major > 0 || self.any_minor {
            return version.major == wanted.major;
        }
        if version.major > 0 {
            return false;
        }
        if wanted.minor > 0 || self.any_patch {
            return version.minor == wanted.minor;
        }
        version.minor == 0 && version.patch == wanted.patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_hold_as_in_masterminds_semver() {
        let cases = [
            (">=1.21-0", "1.35.4", true),
            (">=1.21", "1.35.0-rc.1", false),
            (">=1.21-0", "v1.35.0-rc.1", true),
            ("^1.2", "1.9.0", true),
            ("^1.2", "2.0.0", false),
            ("^0.2.3", "0.2.9", true),
            ("^0.2.3", "0.3.0", false),
            ("~1.2.3", "1.2.9", true),
            ("~1.2.3", "1.3.0", false),
            ("1.2.x", "1.2.7", true),
            ("1.2 - 1.4", "1.3.0", true),
            ("1.2 - 1.4", "1.4.9", true),
            (">1.2", "1.2.5", false),
            ("!=1.2.x", "1.2.5", false),
            ("<1.2 || >2", "3.0.0", true),
            (">=1, <2", "1.5", true),
            ("*", "1.0.0", true),
        ];
        for (constraint, version, expected) in cases {
            let constraints = Constraints::parse(constraint).expect(constraint);
            assert_eq!(constraints.check(&Version::parse(version).expect(version)), expected, "{constraint} {version}");
        }
        assert!(Constraints::parse("not a version").is_err());
    }
}
