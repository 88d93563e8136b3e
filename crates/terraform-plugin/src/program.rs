//! What a provider's program says of itself: in its help, in its logs, and in the messages that only a bug can cause.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::OnceLock;

/// A program that serves a provider.
#[derive(Clone, Copy)]
pub struct Program {
    /// Its file name: `terraform-provider-example`. Usually `env!("CARGO_PKG_NAME")`.
    pub name: &'static str,
    /// Usually `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
    /// Where users find a registry's copy: `acme/example`. What follows the slash is the provider's name in a
    /// configuration, in `TF_LOG_PROVIDER_EXAMPLE` and in log lines.
    pub source: &'static str,
    /// What it gives to Terraform's users, to end the sentence "… is a plugin that gives Terraform and OpenTofu …".
    pub purpose: &'static str,
    /// The address of its repository.
    pub repository: &'static str,
    /// Where users report bugs.
    pub issues: &'static str,
    /// The crates whose events are logged, with underscores. Libraries log bodies and headers, which may hold secrets, so
    /// nothing is logged of a crate that is not named here.
    pub logged: &'static [&'static str],
    /// What users can run by hand.
    pub commands: &'static [Command],
}

/// What a user can run by hand, beside Terraform's own use of this program.
#[derive(Clone, Copy)]
pub struct Command {
    /// The first argument that asks for it.
    pub name: &'static str,
    /// For `--help`.
    pub summary: &'static str,
    /// Runs it with the arguments that follow.
    pub run: fn(Vec<OsString>) -> ExitCode,
}

static RUNNING: OnceLock<Program> = OnceLock::new();

impl Program {
    /// The provider's name in a configuration: `example` of `acme/example`.
    pub fn provider(&self) -> &'static str {
        self.source.rsplit('/').next().unwrap_or(self.source)
    }

    /// This process is that program from now on.
    pub(crate) fn announce(self) {
        // A process is one program; a second announcement could only be the same.
        let _ = RUNNING.set(self);
    }
}

/// The program that this process is. A server without one runs in somebody's test.
pub(crate) fn running() -> Option<&'static Program> {
    RUNNING.get()
}

/// Ends a message about a bug: where to report it.
pub(crate) fn report_it() -> String {
    match running() {
        Some(program) => format!("please report it at {}", program.issues),
        None => "please report it to the provider's authors".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_source_is_the_providers_name() {
        let program = |source| Program {
            name: "",
            version: "",
            source,
            purpose: "",
            repository: "",
            issues: "",
            logged: &[],
            commands: &[],
        };
        assert_eq!(program("acme/example").provider(), "example");
        assert_eq!(program("registry.example.com/acme/example").provider(), "example");
        assert_eq!(program("example").provider(), "example");
    }
}
