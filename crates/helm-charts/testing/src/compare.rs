//! Real Helm, for comparison: finds the binary, runs `helm template`, renders the same here.

use std::path::{Path, PathBuf};
use std::process::Command;

use helm_charts::{Chart, HELM_API_VERSIONS, KubeVersion, Release, UserValues};

/// What both sides render for.
pub struct Case {
    pub name: String,
    pub release: String,
    pub namespace: String,
    pub kube_version: String,
    pub api_versions: Vec<String>,
    /// The user's values as YAML text.
    pub values: String,
}

impl Case {
    pub fn new(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            release: "my-release".to_owned(),
            namespace: "my-namespace".to_owned(),
            kube_version: "v1.35.4".to_owned(),
            api_versions: Vec::new(),
            values: values.into(),
        }
    }

    /// What we print, or our error.
    pub fn ours(&self, chart: &Chart) -> Result<String, String> {
        let kind = chart.metadata().kind.as_str();
        if !["", "application"].contains(&kind) {
            // The command refuses what there is nothing to install of.
            return Err(format!("{kind} charts are not installable"));
        }
        let mut values = UserValues::default();
        values.merge_file(&self.values).map_err(|error| error.to_string())?;
        let kube_version = KubeVersion::parse(&self.kube_version).ok_or("a bad Kubernetes version")?;
        let known = HELM_API_VERSIONS.iter().map(|version| (*version).to_owned());
        let api_versions: Vec<String> = known.chain(self.api_versions.clone()).collect();
        let release = Release {
            name: &self.release,
            namespace: &self.namespace,
            revision: 1,
            is_install: true,
            kube_version: &kube_version,
            api_versions: &api_versions,
            values: &values,
        };
        chart.render(&release).map(|rendered| rendered.to_text()).map_err(|error| error.to_string().trim().to_owned())
    }

    /// What Helm prints, or its error.
    pub fn helm(&self, helm: &Path, chart: &Path) -> Result<String, String> {
        let values = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(values.path(), &self.values).expect("the values are written");
        let mut command = Command::new(helm);
        command.args(["template", &self.release]).arg(chart).args(["--namespace", &self.namespace]);
        command.args(["--kube-version", &self.kube_version]).arg("--values").arg(values.path());
        for version in &self.api_versions {
            command.args(["--api-versions", version]);
        }
        // Without Go's garbage collection it takes half the time.
        let output = command.env("GOGC", "off").output().expect("helm runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        if output.status.success() {
            return Ok(text(output.stdout));
        }
        let error = text(output.stderr);
        let error = error.lines().skip_while(|line| !line.starts_with("Error: ")).collect::<Vec<_>>().join("\n");
        let error = error.trim_start_matches("Error: ").trim_end_matches("Use --debug flag to render out invalid YAML");
        // Helm names the values file, which is ours alone.
        let error = error
            .strip_prefix("failed to parse ")
            .and_then(|rest| rest.split_once(": "))
            .map_or(error, |(_, rest)| rest);
        Err(error.trim().to_owned())
    }
}

/// [`helm`](crate::helm); says so when there is none.
pub fn find() -> Option<PathBuf> {
    crate::helm().map_err(|error| println!("SKIPPED: there is no Helm to compare with: {error}")).ok()
}
