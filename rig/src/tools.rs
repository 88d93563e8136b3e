//! Paths of the command line tools that tests and the quickstart drive. What the machine has is used; what it lacks is
//! built once from its Go module (see `binaries`).

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use crate::binaries::{self, BinaryError};

/// Makes sure that all programs of a host are there, building what is missing.
///
/// # Errors
/// When one has to be built and cannot.
pub fn build_host_programs() -> Result<(), BinaryError> {
    binaries::HostBinaries::find().map(drop)
}

/// `kubectl` of `PATH`, else built.
///
/// # Errors
/// When it has to be built and cannot.
pub fn kubectl() -> Result<PathBuf, BinaryError> {
    binaries::on_path("kubectl").map_or_else(|| binaries::find(binaries::KUBECTL), Ok)
}

/// `kubectl` in the version of the rig's hosts, for what depends on how it reads things.
///
/// # Errors
/// When it has to be built and cannot.
pub fn kubectl_of_hosts() -> Result<PathBuf, BinaryError> {
    binaries::find(binaries::KUBECTL)
}

/// `terraform` of `PATH` if it is 1.11 or newer, else [`tofu`].
///
/// # Errors
/// When OpenTofu has to be built and cannot.
pub fn terraform() -> Result<PathBuf, BinaryError> {
    installed_terraform().map_or_else(tofu, Ok)
}

/// `terraform` of `PATH` if it is 1.11 or newer. It is asked once in a process, which costs as much as some of its commands.
#[must_use]
pub fn installed_terraform() -> Option<PathBuf> {
    static INSTALLED: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        binaries::on_path("terraform").filter(|path| terraform_version(path).is_some_and(|version| version >= (1, 11)))
    });
    INSTALLED.clone()
}

/// OpenTofu in the pinned version, built.
///
/// # Errors
/// When it has to be built and cannot.
pub fn tofu() -> Result<PathBuf, BinaryError> {
    binaries::find(binaries::TOFU)
}

/// The directory of the rig's own chart, which keeps vCluster's contract.
#[must_use]
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("chart")
}

fn terraform_version(terraform: &Path) -> Option<(u32, u32)> {
    // Telling its version must not phone home.
    let output = Command::new(terraform).args(["version", "-json"]).env("CHECKPOINT_DISABLE", "1").output().ok()?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let mut parts = answer["terraform_version"].as_str()?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
