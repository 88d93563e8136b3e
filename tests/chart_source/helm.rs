//! Charts and repositories as the real Helm makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// The versions that there are of the chart `vcluster`.
pub const VERSIONS: [&str; 5] = ["0.33.4", "0.34.6", "0.34.7", "0.35.0-rc.1", "0.36.1+build.1"];

/// Runs Helm, with nothing of this machine's configuration.
pub fn helm(arguments: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(rig::tools::helm().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELM_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).env("HOME", home.path()).env_remove("XDG_CACHE_HOME").output().unwrap();
    assert!(output.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A directory with the archives of all [`VERSIONS`] of the rig's chart. Shared: not to be written to.
pub fn archives() -> &'static Path {
    static ARCHIVES: OnceLock<TempDir> = OnceLock::new();
    let made = || {
        let directory = tempfile::tempdir().unwrap();
        let destination = directory.path().to_str().unwrap();
        let chart = rig::tools::chart();
        for version in VERSIONS {
            helm(&["package", chart.to_str().unwrap(), "--version", version, "--destination", destination]);
        }
        directory
    };
    ARCHIVES.get_or_init(made).path()
}

/// The archive of one version.
pub fn archive(version: &str) -> PathBuf {
    archives().join(format!("vcluster-{version}.tgz"))
}

/// A repository: archives in `charts/`, and the index that Helm writes for them, with URLs below `url` or relative ones.
pub fn repository(url: Option<&str>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("charts")).unwrap();
    for version in VERSIONS {
        let archive = archive(version);
        fs::copy(&archive, directory.path().join("charts").join(archive.file_name().unwrap())).unwrap();
    }
    let mut arguments = vec!["repo", "index", directory.path().to_str().unwrap()];
    arguments.extend(url.map(|url| ["--url", url]).into_iter().flatten());
    helm(&arguments);
    directory
}
