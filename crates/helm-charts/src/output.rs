//! What `helm template` prints of a rendered chart, and what of it is asked for.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

use super::error::ChartError;
use super::manifest::{Document, Hook, texts};
use super::render::Rendered;

/// What is printed beside the documents, and what is left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'a> {
    /// CRDs first (`--include-crds`).
    pub crds: bool,
    /// No hooks at all (`--no-hooks`).
    pub no_hooks: bool,
    /// No hooks that are tests (`--skip-tests`).
    pub no_tests: bool,
    /// Only what comes from the templates that match one of these patterns (`--show-only`), in the order of the patterns.
    /// Paths are within the chart; none stands for all.
    pub templates: &'a [String],
}

impl Rendered {
    /// What `helm template` prints: documents, then hooks, without CRDs.
    pub fn to_text(&self) -> String {
        self.all(&Selection::default())
    }

    /// What `helm template` prints when something is selected.
    ///
    /// # Errors
    ///
    /// A pattern that no template matches.
    pub fn selected(&self, selection: &Selection<'_>) -> Result<String, ChartError> {
        let all = self.all(selection);
        if selection.templates.is_empty() {
            return Ok(all);
        }
        let documents = texts(&all);
        let mut out = String::new();
        for template in selection.templates {
            let pattern = file_pattern(template);
            let matches = |text: &&&str| pattern.as_ref().zip(source(text)).is_some_and(|(p, path)| p.is_match(path));
            let found: Vec<&&str> = documents.iter().filter(matches).collect();
            if found.is_empty() {
                let reason = format!("could not find template {template} in chart");
                return Err(ChartError::Load { file: template.clone(), reason });
            }
            for text in found {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "---\n{text}");
            }
        }
        Ok(out)
    }

    fn all(&self, selection: &Selection<'_>) -> String {
        let print = |path: &str, text: &str| format!("---\n# Source: {path}\n{text}\n");
        let crds = self.crds.iter().filter(|_| selection.crds).map(|crd| print(&crd.path, &crd.text));
        let documents = self.documents.iter().map(|document| print(&document.template, &document.text));
        let manifest: String = crds.chain(documents).collect();
        let is_test = |hook: &Hook| hook.events.iter().any(|event| event == "test");
        let left_out = |document: &&Document| {
            selection.no_hooks || selection.no_tests && document.hook.as_ref().is_some_and(is_test)
        };
        let hooks =
            self.hooks.iter().filter(|document| !left_out(document)).map(|hook| print(&hook.template, &hook.text));
        [manifest.trim().to_owned(), "\n".to_owned()].into_iter().chain(hooks).collect()
    }
}

/// The regular expression is a constant, so compiling it cannot fail at run time.
static SOURCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("# Source: [^/]+/(.+)").ok());

/// The template's path within the chart.
fn source(document: &str) -> Option<&str> {
    Some(SOURCE.as_ref()?.captures(document)?.get(1)?.as_str())
}

/// Go's `filepath.Match` as a regular expression; `None` for a pattern that Go calls malformed.
fn file_pattern(pattern: &str) -> Option<Regex> {
    let mut out = String::from(r"\A(?s:");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '\\' => out.push_str(&regex::escape(chars.next()?.encode_utf8(&mut [0; 4]))),
            '[' => {
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                let mut ranges = 0;
                while ranges == 0 || chars.next_if_eq(&']').is_none() {
                    let low = class_char(&mut chars)?;
                    let high = if chars.next_if_eq(&'-').is_some() { class_char(&mut chars)? } else { low };
                    // An empty range matches nothing in Go, and is an error in a regular expression.
                    if low <= high {
                        let _ = write!(out, r"\x{{{:x}}}-\x{{{:x}}}", u32::from(low), u32::from(high));
                    }
                    ranges += 1;
                }
                out.push(']');
            }
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(r")\z");
    Regex::new(&out).ok()
}

fn class_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        let cases = [
            ("templates/a.yaml", "templates/a.yaml", true),
            ("templates/a.yaml", "templates/b.yaml", false),
            ("templates/*.yaml", "templates/a.yaml", true),
            ("templates/*", "templates/sub/a.yaml", false),
            ("*/?.yaml", "templates/a.yaml", true),
            ("templates/[a-c].yaml", "templates/b.yaml", true),
            ("templates/[^a-c].yaml", "templates/b.yaml", false),
            ("templates/a.yaml", "templates/aXyaml", false),
            (r"templates/\*.yaml", "templates/*.yaml", true),
            ("templates/[", "templates/[", false),
            ("templates/[]a]", "templates/]", false),
            ("templates", "templates/a.yaml", false),
        ];
        for (pattern, path, expected) in cases {
            let matched = file_pattern(pattern).is_some_and(|pattern| pattern.is_match(path));
            assert_eq!(matched, expected, "{pattern} {path}");
        }
    }
}
