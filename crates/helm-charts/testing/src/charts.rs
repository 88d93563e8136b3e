//! A directory of charts that somebody else has written, given as directories or archives.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use helm_charts::{Archive, Chart};

/// The charts in `directory`, oldest version first.
pub fn all(directory: &OsStr) -> Result<Vec<PathBuf>, String> {
    const ADVICE: &str = "Name a directory that holds charts as directories or .tgz files, one for each version, as from \
        `helm pull CHART --repo URL --version VERSION --untar --untardir …`, or the charts of checkouts, which have their \
        test suites, too.";
    let path = Path::new(directory);
    let entries = std::fs::read_dir(path);
    let entries = entries.map_err(|error| format!("{} cannot be read: {error}. {ADVICE}", path.display()))?;
    let mut charts = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_archive = path.extension().is_some_and(|end| end == "tgz");
        // `helm pull --untar` makes a directory with the chart's name in it.
        let inner = std::fs::read_dir(&path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        match [path.clone()].into_iter().chain(inner).find(|path| path.join("Chart.yaml").is_file()) {
            Some(chart) => charts.push(chart),
            None if is_archive => charts.push(path),
            None => {}
        }
    }
    charts.sort_by_cached_key(|path| version(path));
    match charts.is_empty() {
        true => Err(format!("{} holds no charts. {ADVICE}", path.display())),
        false => Ok(charts),
    }
}

/// A chart that cannot be read comes first; whoever uses it finds out why.
fn version(path: &Path) -> Option<semver::Version> {
    let chart = Chart::parse(&Archive::open(path).ok()?).ok()?;
    semver::Version::parse(&chart.metadata().version).ok()
}
