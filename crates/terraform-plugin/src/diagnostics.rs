//! Diagnostics and attribute paths as Terraform reads them.

use super::program::report_it;
use super::wire::tf6;
use crate::vocabulary::{AttributePath, AttributePathStep, Diagnostic, Diagnostics, diagnostic};

/// All diagnostics, errors first.
pub fn diagnostics(diags: Diagnostics) -> Vec<tf6::Diagnostic> {
    use tf6::diagnostic::Severity;
    let one = |severity: Severity| {
        move |diagnostic: Diagnostic| tf6::Diagnostic {
            severity: severity.into(),
            summary: diagnostic.summary.into_owned(),
            detail: diagnostic.detail.into_owned(),
            attribute: Some(attribute_path(diagnostic.attribute)).filter(|path| !path.steps.is_empty()),
        }
    };
    let errors = diags.errors.into_iter().map(one(Severity::Error));
    errors.chain(diags.warnings.into_iter().map(one(Severity::Warning))).collect()
}

pub fn attribute_path(path: AttributePath) -> tf6::AttributePath {
    use tf6::attribute_path::{Step, step::Selector};
    let step = |step| Step {
        selector: Some(match step {
            AttributePathStep::Attribute(name) => Selector::AttributeName(name.into_owned()),
            AttributePathStep::Key(key) => Selector::ElementKeyString(key.into_owned()),
            AttributePathStep::Index(index) => Selector::ElementKeyInt(index),
        }),
    };
    tf6::AttributePath { steps: path.steps.into_iter().map(step).collect() }
}

/// Says so when a call of the provider gave neither a result nor an error.
pub fn expect_result(diags: &mut Diagnostics) {
    if diags.errors.is_empty() {
        diags.add_error(diagnostic(
            AttributePath::root(),
            "The provider gave no result and no reason",
            format!("This is a bug: {}.", report_it()),
        ));
    }
}
