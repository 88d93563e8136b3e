//! The rig's chart as archives and as a repository, as the real Helm makes them.

use std::path::PathBuf;
use std::sync::LazyLock;

use helm_charts_testing::repository::Packed;
use tempfile::TempDir;

static CHART: LazyLock<Packed> = LazyLock::new(|| Packed::of(&rig::tools::chart(), "vcluster"));

/// The archive of one version.
pub fn archive(version: &str) -> PathBuf {
    CHART.archive(version)
}

/// A repository of all versions, with URLs below `url` or relative ones.
pub fn repository(url: Option<&str>) -> TempDir {
    CHART.repository(url)
}
