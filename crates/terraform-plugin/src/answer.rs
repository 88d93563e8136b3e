//! What every answer has: a place for diagnostics. And what becomes of a call that panics.

use super::program::report_it;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::diagnostics::diagnostics;
use super::wire::tf6;
use crate::vocabulary::{AttributePath, DeferReason, Diagnostic, Diagnostics, Request, deferred, diagnostic};

/// An answer to Terraform that can carry errors.
pub trait Answer: Send {
    fn add(&mut self, diagnostics: Vec<tf6::Diagnostic>);

    /// This answer with one more error.
    fn with_error(mut self, error: Diagnostic) -> Self
    where
        Self: Sized,
    {
        self.add(diagnostics(Diagnostics { errors: vec![error], warnings: Vec::new() }));
        self
    }
}

macro_rules! carries_diagnostics {
    ($($message:ident),+ $(,)?) => {$(
        impl Answer for tf6::$message::Response {
            fn add(&mut self, diagnostics: Vec<tf6::Diagnostic>) {
                self.diagnostics.extend(diagnostics);
            }
        }
    )+};
}

carries_diagnostics!(
    get_metadata,
    get_provider_schema,
    get_functions,
    validate_provider_config,
    configure_provider,
    validate_resource_config,
    upgrade_resource_state,
    upgrade_resource_identity,
    read_resource,
    plan_resource_change,
    apply_resource_change,
    import_resource_state,
    move_resource_state,
    validate_data_resource_config,
    read_data_source,
);

impl Answer for tf6::call_function::Response {
    /// A function has one text and at most one argument that it is about. Terraform has no place for its warnings.
    fn add(&mut self, diagnostics: Vec<tf6::Diagnostic>) {
        use tf6::attribute_path::step::Selector;
        for diagnostic in diagnostics {
            if diagnostic.severity() != tf6::diagnostic::Severity::Error {
                continue;
            }
            let argument = diagnostic.attribute.and_then(|path| path.steps.into_iter().next()?.selector);
            let error = self.error.get_or_insert_with(|| tf6::FunctionError {
                text: String::new(),
                function_argument: match argument {
                    Some(Selector::ElementKeyInt(index)) => Some(index),
                    _ => None,
                },
            });
            for line in [diagnostic.summary, diagnostic.detail] {
                let separator = if error.text.is_empty() || line.is_empty() { "" } else { "\n" };
                error.text = format!("{}{separator}{line}", error.text);
            }
            self.result = None;
        }
    }
}

/// Runs one call of the provider in its context. Should it panic, `fallback` is answered with an error.
pub async fn answer<A: Answer>(context: Request, fallback: A, call: impl Future<Output = A>) -> A {
    match AssertUnwindSafe(context.scope(call)).catch_unwind().await {
        Ok(answer) => answer,
        Err(_) => fallback.with_error(diagnostic(
            AttributePath::root(),
            "The provider has a bug and could not finish this request",
            format!(
                "It stopped at {}. Other resources are not affected. This is a bug: {}, with the log that \
                 TF_LOG_PROVIDER=error shows.",
                super::panics::last_location(),
                report_it(),
            ),
        )),
    }
}

/// The reason that the running call gave for deferring, as Terraform reads it.
pub fn deferral() -> Option<tf6::Deferred> {
    use tf6::deferred::Reason;
    deferred().map(|reason| tf6::Deferred {
        reason: match reason {
            DeferReason::ResourceConfigUnknown => Reason::ResourceConfigUnknown,
            DeferReason::ProviderConfigUnknown => Reason::ProviderConfigUnknown,
            DeferReason::AbsentPrerequisite => Reason::AbsentPrereq,
        }
        .into(),
    })
}
