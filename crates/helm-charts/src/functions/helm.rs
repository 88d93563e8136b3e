//! Helm's own functions. `include` and `tpl` execute templates; their bodies are in [`template`](super::super::template).

use super::super::limits::Fault;
use super::super::value::Value;
use super::super::yaml;
use super::encoding::{array_or_error, object_or_error};
use super::{Row, text};

pub(super) const TABLE: &[Row] = &[
    ("toYaml", "a", |context, args| {
        let text = yaml::to_yaml(&args[0])?;
        context.budget.text(text.len())?;
        Ok(text.into())
    }),
    ("toYamlPretty", "a", |context, args| {
        let text = yaml::to_yaml_pretty(&args[0])?;
        context.budget.text(text.len())?;
        Ok(text.into())
    }),
    ("fromYaml", "s", |context, args| {
        context.budget.parse(text(&args[0])?.len())?;
        let json = yaml::parse(text(&args[0])?).map_err(|error| error.to_string());
        Ok(object_or_error(context, json, FROM_YAML))
    }),
    ("fromYamlArray", "s", |context, args| {
        context.budget.parse(text(&args[0])?.len())?;
        let json = yaml::parse(text(&args[0])?).map_err(|error| error.to_string());
        Ok(array_or_error(json, FROM_YAML))
    }),
    ("include", "sa", |_, _| unreachable_body("include")),
    ("tpl", "sa", |_, _| unreachable_body("tpl")),
    // Helm looks names up only when asked to.
    ("getHostByName", "s", |_, _| Ok("".into())),
];

/// What comes before JSON's own message when YAML is of the wrong type.
const FROM_YAML: &str = "error unmarshaling JSON: while decoding JSON: ";

fn unreachable_body(name: &str) -> Result<Value, Fault> {
    Err(format!("{name} needs templates to call").into())
}
