//! What this program is called, to users, to servers and to Terraform.

use helm_charts::source::Environment;
use terraform_plugin::{Command, Program};

/// Its file name.
pub const NAME: &str = env!("CARGO_PKG_NAME");
/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What servers are told of who asks.
pub const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The program, with what users can run by hand.
pub const fn program(commands: &'static [Command]) -> Program {
    Program {
        name: NAME,
        version: VERSION,
        source: "nested-clusters/nested",
        purpose: "virtual clusters (vCluster) from groups of your Kubernetes clusters",
        repository: env!("CARGO_PKG_REPOSITORY"),
        issues: concat!(env!("CARGO_PKG_REPOSITORY"), "/issues"),
        logged: &[env!("CARGO_CRATE_NAME"), "helm_charts"],
        commands,
    }
}

/// How charts are fetched. `NESTED_CHART_CACHE` names the directory of their cache.
pub fn chart_environment() -> Environment {
    Environment::of_process(NAME, VERSION, "NESTED_CHART_CACHE")
}
