//! `.helmignore`: Helm's rules, which are nearly Git's, without `**`.

use std::path::Path;

use super::{archive, read_up_to};
use crate::error::ChartError;
use crate::glob::Glob;

/// The largest file, in bytes; every rule of it is matched with every path.
const MAX_FILE: u64 = 64 << 10;
/// Rules in a file.
const MAX_RULES: usize = 500;

/// The rules in order; the first that applies decides.
pub(super) struct Rules(Vec<Rule>);

struct Rule {
    glob: Glob,
    negated: bool,
    only_directories: bool,
    /// The pattern has a slash, and is compared with the whole path.
    whole_path: bool,
}

impl Rules {
    /// The rules of a file; a missing one has none of its own.
    pub(super) fn read(path: &Path) -> Result<Self, ChartError> {
        if !path.is_file() {
            return Self::parse("");
        }
        let data = read_up_to(path, MAX_FILE).map_err(|source| ChartError::Read { path: path.to_owned(), source })?;
        let text = data.and_then(|data| String::from_utf8(data).ok());
        Self::parse(&text.ok_or_else(|| archive(format!(".helmignore is no text of at most {MAX_FILE} bytes")))?)
    }

    /// The rules of a text, and Helm's own: no hidden files in `templates`.
    pub(super) fn parse(text: &str) -> Result<Self, ChartError> {
        let lines = text.trim_start_matches('\u{feff}').lines().chain(["templates/.?*"]);
        let rules = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rules = rules.map(Rule::parse).collect::<Result<Vec<_>, _>>()?;
        match rules.len() > MAX_RULES {
            true => Err(archive(format!(".helmignore holds more than {MAX_RULES} rules"))),
            false => Ok(Self(rules)),
        }
    }

    /// Whether the path is left out.
    pub(super) fn ignores(&self, path: &str, is_directory: bool) -> bool {
        for rule in &self.0 {
            let applies = (is_directory || !rule.only_directories) && rule.matches(path);
            match rule.negated {
                // A negated rule leaves out everything that it does not name.
                true if !applies => return true,
                false if applies => return true,
                _ => {}
            }
        }
        false
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, ChartError> {
        let bad = |reason: &str| archive(format!(".helmignore: {line:?}: {reason}"));
        if line.contains("**") {
            return Err(bad("double-star (**) syntax is not supported"));
        }
        let (negated, pattern) = line.strip_prefix('!').map_or((false, line), |pattern| (true, pattern));
        let (only_directories, pattern) = pattern.strip_suffix('/').map_or((false, pattern), |pattern| (true, pattern));
        let whole_path = pattern.contains('/');
        let pattern = pattern.strip_prefix('/').unwrap_or(pattern);
        let glob = Glob::file_path(pattern).ok_or_else(|| bad("syntax error in pattern"))?;
        Ok(Self { glob, negated, only_directories, whole_path })
    }

    fn matches(&self, path: &str) -> bool {
        match self.whole_path {
            true => self.glob.matches(path),
            false => self.glob.matches(path.rsplit('/').next().unwrap_or(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_leave_out_what_helm_leaves_out() {
        let cases = [
            ("*.md", "docs/README.md", false, true),
            ("/tests", "tests", true, true),
            ("/tests", "sub/tests", true, false),
            ("tests/", "tests", false, false),
            ("tests/", "tests", true, true),
            ("# *.md", "README.md", false, false),
            ("", "templates/.hidden", false, true),
            ("a/b*", "a/bc", false, true),
        ];
        for (rules, path, is_directory, expected) in cases {
            let parsed = Rules::parse(rules).expect(rules);
            assert_eq!(parsed.ignores(path, is_directory), expected, "{rules} {path}");
        }
        assert!(Rules::parse("a/**").is_err());
    }
}
