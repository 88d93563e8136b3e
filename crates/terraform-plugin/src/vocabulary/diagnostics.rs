//! Diagnostics as users read them: one sentence that says what is wrong, and a detail that lets them fix it.
//!
//! tf-provider's own constructors append a backtrace when `RUST_BACKTRACE` is set; these never do.

use super::{AttributePath, Diagnostic, Diagnostics};

/// A diagnostic on `attribute` ([`AttributePath::root`] when it belongs to no attribute).
pub fn diagnostic(attribute: AttributePath, summary: impl Into<String>, detail: impl Into<String>) -> Diagnostic {
    Diagnostic { summary: summary.into().into(), detail: detail.into().into(), attribute }
}

/// Adds errors and warnings to [`Diagnostics`], without a backtrace.
pub trait Report {
    /// Adds an error. Terraform stops at it.
    fn fail(&mut self, attribute: AttributePath, summary: impl Into<String>, detail: impl Into<String>);

    /// Adds a warning. Terraform shows it and goes on.
    fn warn(&mut self, attribute: AttributePath, summary: impl Into<String>, detail: impl Into<String>);
}

impl Report for Diagnostics {
    fn fail(&mut self, attribute: AttributePath, summary: impl Into<String>, detail: impl Into<String>) {
        self.add_error(diagnostic(attribute, summary, detail));
    }

    fn warn(&mut self, attribute: AttributePath, summary: impl Into<String>, detail: impl Into<String>) {
        self.add_warning(diagnostic(attribute, summary, detail));
    }
}
