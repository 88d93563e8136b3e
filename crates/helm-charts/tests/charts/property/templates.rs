//! Random whole templates: blocks within blocks, variables, definitions, white space that is trimmed or not.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::calls;

/// A template.
pub fn template(rng: &mut StdRng) -> String {
    let mut writer = Writer { rng, out: String::new(), variables: Vec::new(), ranges: 0 };
    writer.list(0);
    writer.out
}

struct Writer<'a> {
    rng: &'a mut StdRng,
    out: String,
    /// Variables in scope.
    variables: Vec<String>,
    /// Loops around the current place.
    ranges: u32,
}

const TEXTS: &[&str] = &["x", " ", "\n", "\n  ", "a b\n", "- ", "\t", "é", "}} {", "\r\n", ""];

const SIMPLE: &[&str] = &[
    ".",
    "$",
    ".Values.text",
    ".Values.number",
    ".Values.list",
    ".Values.map",
    ".Values.map.a.b",
    ".Values.missing",
    ".Values.nothing",
    "$.Values.float",
    "\"text\"",
    "`raw\ntext`",
    "3",
    "0x1F",
    "1_000",
    "'c'",
    "2.50",
    "true",
    ".Release.Name",
    ".Chart.Name",
    ".Template.Name",
    ".k",
    "(dict \"k\" 5).k",
];

/// What cannot be evaluated.
const FAILING: &[&str] = &[
    "nil",
    ".Values.map.k.deep",
    "$.Values.missing.deep",
    "(list 1 2).x",
    ".Values.text.x",
    "1 2",
    "$.Values.text 1",
    ".Values.map.k | 5",
    "include \"missing\" .",
    "template",
    "undefined 1",
];

const RANGES: &[&str] = &[
    ".Values.list",
    "$.Values.map",
    ".Values.words",
    "(until 3)",
    "3",
    "(list)",
    "$.Values.nothing",
    "$.Values.empty",
    "(dict \"b\" 1 \"a\" 2)",
    "(list (list 1 2) (list 3))",
    "\"text\"",
    ".",
    "$.Values.number",
];

impl Writer<'_> {
    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from.choose(self.rng).copied().unwrap_or_default()
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.rng.random_range(0..count) == 0
    }

    fn list(&mut self, depth: u32) {
        let mark = self.variables.len();
        for _ in 0..self.rng.random_range(1..5) {
            self.node(depth);
        }
        self.variables.truncate(mark);
    }

    fn action(&mut self, inside: &str) {
        let open = if self.one_in(4) { "{{- " } else { "{{ " };
        let close = if self.one_in(4) { " -}}" } else { " }}" };
        self.out.push_str(open);
        self.out.push_str(inside);
        self.out.push_str(close);
    }

    fn expression(&mut self) -> String {
        match self.rng.random_range(0..10) {
            0 if !self.variables.is_empty() => {
                let variable = self.variables.choose(self.rng).cloned().unwrap_or_default();
                if self.one_in(4) { format!("{variable}.k") } else { variable }
            }
            0 | 1 => calls::call(self.rng, 2),
            2 if self.one_in(8) => self.pick(FAILING).to_owned(),
            3 => {
                let (value, function) =
                    (self.pick(SIMPLE), self.pick(&["quote", "toJson", "toString", "len", "default 5", "kindOf"]));
                format!("{value} | {function}")
            }
            _ => self.pick(SIMPLE).to_owned(),
        }
    }

    fn node(&mut self, depth: u32) {
        if depth > 3 {
            let text = self.pick(TEXTS);
            return self.out.push_str(text);
        }
        match self.rng.random_range(0..16) {
            0..=3 => {
                let text = self.pick(TEXTS);
                self.out.push_str(text);
            }
            4..=6 => {
                let expression = self.expression();
                self.action(&expression);
            }
            7 => {
                let comment = self.pick(&["{{/* a comment */}}", "{{- /* a\ncomment */ -}}", "{{/*}}*/}}"]);
                self.out.push_str(comment);
            }
            8 => {
                let (expression, name) = (self.expression(), format!("$v{}", self.rng.random_range(0..3)));
                self.action(&format!("{name} := {expression}"));
                self.variables.push(name);
            }
            9 => match self.variables.choose(self.rng).cloned() {
                Some(name) => {
                    let expression = self.expression();
                    self.action(&format!("{name} = {expression}"));
                }
                None => self.out.push('.'),
            },
            10 | 11 => self.branch("if", depth),
            12 => self.branch("with", depth),
            13 => self.range(depth),
            14 if self.ranges > 0 => {
                let word = self.pick(&["break", "continue"]);
                let condition = self.expression();
                self.action(&format!("if {condition}"));
                self.action(word);
                self.action("end");
            }
            _ => self.call(depth),
        }
    }

    fn branch(&mut self, word: &str, depth: u32) {
        let mark = self.variables.len();
        let condition = self.expression();
        let condition = match self.one_in(4) {
            true => {
                self.variables.push("$w".to_owned());
                format!("$w := {condition}")
            }
            false => condition,
        };
        self.action(&format!("{word} {condition}"));
        self.list(depth + 1);
        if self.one_in(3) {
            let condition = self.expression();
            self.action(&format!("else {word} {condition}"));
            self.list(depth + 1);
        }
        if self.one_in(2) {
            self.action("else");
            self.list(depth + 1);
        }
        self.action("end");
        self.variables.truncate(mark);
    }

    fn range(&mut self, depth: u32) {
        let mark = self.variables.len();
        let over = self.pick(RANGES);
        let head = match self.rng.random_range(0..4) {
            0 => {
                self.variables.push("$item".to_owned());
                format!("$item := {over}")
            }
            1 => {
                self.variables.extend(["$key".to_owned(), "$item".to_owned()]);
                format!("$key, $item := {over}")
            }
            2 if !self.variables.is_empty() => {
                let variable = self.variables.choose(self.rng).cloned().unwrap_or_default();
                format!("{variable} = {over}")
            }
            _ => over.to_owned(),
        };
        self.action(&format!("range {head}"));
        self.ranges += 1;
        self.list(depth + 1);
        self.ranges -= 1;
        if self.one_in(3) {
            self.action("else");
            self.list(depth + 1);
        }
        self.action("end");
        self.variables.truncate(mark);
    }

    /// A template text of its own, or one that cannot be found.
    fn call(&mut self, depth: u32) {
        let expression = self.expression();
        match self.rng.random_range(0..4) {
            1 => self.action(&format!("tpl \"<{{{{ . }}}}>\" ({expression})")),
            2 => {
                let simple = self.pick(SIMPLE);
                self.action(&format!("tpl \"{{{{ define \\\"inner\\\" }}}}[{{{{ . }}}}]{{{{ end }}}}{{{{ include \\\"inner\\\" . }}}}\" ({simple})"));
            }
            _ => {
                self.action(&format!("with {expression}"));
                self.list(depth + 1);
                self.action("end");
            }
        }
    }
}
