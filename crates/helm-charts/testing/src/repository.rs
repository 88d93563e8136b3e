//! Charts and repositories as the real Helm makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tempfile::TempDir;

/// The versions that a [`Packed`] chart has.
pub const VERSIONS: [&str; 5] = ["0.33.4", "0.34.6", "0.34.7", "0.35.0-rc.1", "0.36.1+build.1"];

/// Runs Helm, with nothing of this machine's configuration.
pub fn helm(arguments: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(crate::helm().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELM_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).env("HOME", home.path()).env_remove("XDG_CACHE_HOME").output().unwrap();
    assert!(output.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A chart, packed in all [`VERSIONS`].
pub struct Packed {
    name: String,
    directory: TempDir,
}

impl Packed {
    /// The chart in `directory`, whose name is `name`.
    pub fn of(directory: &Path, name: &str) -> Self {
        let packed = tempfile::tempdir().unwrap();
        let destination = packed.path().to_str().unwrap();
        for version in VERSIONS {
            helm(&["package", directory.to_str().unwrap(), "--version", version, "--destination", destination]);
        }
        Self { name: name.to_owned(), directory: packed }
    }

    /// Where the archives are. Shared: not to be written to.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The archive of one version.
    pub fn archive(&self, version: &str) -> PathBuf {
        self.directory.path().join(format!("{}-{version}.tgz", self.name))
    }

    /// A repository: archives in `charts/`, and the index that Helm writes for them, with URLs below `url` or relative ones.
    pub fn repository(&self, url: Option<&str>) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("charts")).unwrap();
        for version in VERSIONS {
            let archive = self.archive(version);
            fs::copy(&archive, directory.path().join("charts").join(archive.file_name().unwrap())).unwrap();
        }
        let mut arguments = vec!["repo", "index", directory.path().to_str().unwrap()];
        arguments.extend(url.map(|url| ["--url", url]).into_iter().flatten());
        helm(&arguments);
        directory
    }
}

/// The directory of the chart `widget`.
pub fn widget() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("widget")
}

static WIDGET: LazyLock<Packed> = LazyLock::new(|| Packed::of(&widget(), "widget"));

/// A directory with the archives of all [`VERSIONS`] of the chart `widget`. Shared: not to be written to.
pub fn archives() -> &'static Path {
    WIDGET.directory()
}

/// The archive of one version of the chart `widget`.
pub fn archive(version: &str) -> PathBuf {
    WIDGET.archive(version)
}

/// [`Packed::repository`] of the chart `widget`.
pub fn repository(url: Option<&str>) -> TempDir {
    WIDGET.repository(url)
}
