//! What tests of charts stand on: real Helm and a real registry, a web server that fails on demand, charts to fetch.
//!
//! Programs are found or built from the Go modules beside this crate, once. What goes wrong here ends in a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

pub mod charts;
pub mod compare;
pub mod registry;
pub mod repository;
pub mod server;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The Helm to compare with: `$HELM`, or the pinned version, which is built if need be.
///
/// # Errors
///
/// Why there is none; what the build says goes to standard error.
pub fn helm() -> Result<PathBuf, String> {
    static HELM: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| program("helm", "HELM"));
    HELM.clone()
}

/// The OCI registry of the distribution project: `$REGISTRY`, or the pinned version, which is built if need be.
///
/// # Errors
///
/// As with [`helm`].
pub fn registry() -> Result<PathBuf, String> {
    static REGISTRY: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| program("registry", "REGISTRY"));
    REGISTRY.clone()
}

fn program(name: &str, variable: &str) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let build = concat!(env!("CARGO_MANIFEST_DIR"), "/go/build");
    let output = Command::new(build).arg(name).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{build} cannot run: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim_end().into()),
        false => Err(format!("{build} {name} failed")),
    }
}
