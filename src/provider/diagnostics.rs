//! Errors of a host cluster, and of a connection to one, as Terraform diagnostics: a summary of one sentence, and a detail
//! from which the user can act.

use crate::host;
use crate::host::connection::ConnectError;
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

/// What failed on a host cluster, shown on `attribute` ([`AttributePath::root`] for the whole resource).
pub fn host_failure(error: &host::Error, attribute: AttributePath) -> Diagnostic {
    let (operation, object, host, reason) = (error.operation(), error.object(), error.host(), error.reason());
    let next_step = error.next_step();
    if matches!(reason, host::Reason::Stopped) {
        return diagnostic(attribute, "The run was stopped.", format!("{error}.\n\nNext step: {next_step}"));
    }
    diagnostic(
        attribute,
        format!("Cannot {operation} {object} on host cluster {host:?}"),
        format!(
            "Operation: {operation}\nObject: {object}\nHost cluster: {host}\nReason: {reason}\n\nNext step: {next_step}"
        ),
    )
}

/// What is wrong with the connection of the host cluster `name`, shown on `attribute`. `origin` says where the value comes
/// from when it is not in the provider block.
pub fn connection_problem(
    name: &str,
    error: &ConnectError,
    origin: Option<String>,
    attribute: AttributePath,
) -> Diagnostic {
    let origin = origin.map(|origin| format!("\n{origin}")).unwrap_or_default();
    let next_step = error.next_step();
    diagnostic(attribute, format!("Host cluster {name:?}: {error}"), format!("Next step: {next_step}{origin}"))
}
