//! The name of a release, from a template of its own. Charts have no part in it.

use super::error::ChartError;
use super::functions::{is_known_outside_of_charts, without_marks};
use super::limits::{Allowance, MAX_TEMPLATE_NODES};
use super::render::on_own_stack;
use super::template::{Env, Namespace, execute, parse};
use super::value::Value;

/// How messages name the template.
const TEMPLATE: &str = "name-template";

/// What `--name-template` of `helm template` makes of a template: Go's and Sprig's functions, and no data.
///
/// # Errors
///
/// A template that Go refuses, or that fails; functions that belong to charts, or read the environment.
pub fn release_name(template: &str) -> Result<String, ChartError> {
    on_own_stack(|| render(template).map_err(|reason| ChartError::Name { reason }))
}

fn render(template: &str) -> Result<String, String> {
    let nodes = Allowance::new(MAX_TEMPLATE_NODES);
    let trees = parse(TEMPLATE, template.into(), &is_known_outside_of_charts, &nodes);
    let trees = trees.map_err(|error| format!("template: {TEMPLATE}:{}: {}", error.line, error.message))?;
    let env = Env::new(None);
    let mut namespace = Namespace::new(None);
    trees.iter().for_each(|tree| namespace.add(tree));
    let mut out = Vec::new();
    if let Some(tree) = namespace.find(TEMPLATE) {
        execute(&env, &namespace, tree, Value::Nil, &mut out).map_err(|fault| without_marks(&fault.0))?;
    }
    String::from_utf8(out).map_err(|_| "the name is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_helm_makes_of_their_templates() {
        let check = |template: &str, expected: &str| {
            let name = release_name(template).unwrap_or_else(|error| error.to_string());
            assert_eq!(name, expected, "{template}");
        };
        check("plain", "plain");
        check(r#"a-{{ "B" | lower }}-{{ add 1 2 }}{{ define "x" }}{{ end }}"#, "a-b-3");
        check("{{ . }}", "<no value>");
        check(r#"{{ toYaml "x" }}"#, r#"template: name-template:1: function "toYaml" not defined"#);
        check("{{ if }}", "template: name-template:1: missing value for if");
        let failed = r#"template: name-template:1:3: executing "name-template" at <fail "x">: error calling fail: x"#;
        check(r#"{{ fail "x" }}"#, failed);
    }
}
