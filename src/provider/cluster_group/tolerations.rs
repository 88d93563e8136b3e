//! `tolerations` of a host cluster: from what Terraform sends to what is stored and back, and what is wrong with them. Pure.

use crate::domain::toleration::{Toleration, TolerationError, Written};
use crate::fleet::group::spec;
use crate::provider::cluster_group::model::TolerationModel;
use crate::provider::number::Number;
use crate::provider::value::optional;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report};

type Model = Value<Vec<Value<TolerationModel>>>;

/// As they are stored; none while any of it is unknown, or malformed.
pub fn of(model: &Model) -> Option<Vec<String>> {
    let given = optional(model)?.unwrap_or_default();
    given.iter().map(|given| Some(read(given.as_ref_option()?)?.ok()?.to_string())).collect()
}

/// What is stored, as Terraform sees it, with as little as possible.
pub fn to_model(stored: &[String]) -> Model {
    if stored.is_empty() {
        return Value::Null;
    }
    let model = |toleration: &Toleration| {
        let Written { key, operator, value, effect, seconds } = toleration.written();
        let text = |text: Option<&str>| text.map(str::to_owned).into();
        Value::Value(TolerationModel {
            key: text(key),
            operator: text(operator),
            value: text(value),
            effect: text(effect),
            toleration_seconds: seconds.map(Number::Whole).into(),
        })
    };
    Value::Value(spec::tolerations(stored).iter().map(model).collect())
}

/// Adds an error for everything that Kubernetes would refuse. `path` is that of the list.
pub fn check(diags: &mut Diagnostics, path: &AttributePath, model: &Model) {
    for (index, given) in (0_i64..).zip(model.as_ref_option().into_iter().flatten()) {
        let path = path.clone().index(index);
        match given {
            Value::Unknown => {}
            Value::Null => diags.fail(path, "This toleration is null.", "Remove it, or say which taint is tolerated."),
            Value::Value(given) => {
                if let Some(Err(problem)) = read(given) {
                    let summary = "Kubernetes knows no such toleration.";
                    diags.fail(path.attribute(problem.attribute()), summary, format!("{}.", sentence(&problem)));
                }
            }
        }
    }
}

/// The toleration that is meant; none while any of it is unknown.
fn read(given: &TolerationModel) -> Option<Result<Toleration, TolerationError>> {
    let (key, operator, value) = (optional(&given.key)?, optional(&given.operator)?, optional(&given.value)?);
    let effect = optional(&given.effect)?;
    let seconds = match optional(&given.toleration_seconds)? {
        None => None,
        Some(Number::Whole(seconds)) => Some(seconds),
        Some(_) => return Some(Err(TolerationError::NotWhole)),
    };
    Some(Toleration::new(Written {
        key: key.as_deref(),
        operator: operator.as_deref(),
        value: value.as_deref(),
        effect: effect.as_deref(),
        seconds,
    }))
}

fn sentence(problem: &TolerationError) -> String {
    let text = problem.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
