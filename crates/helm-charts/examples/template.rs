//! Renders a chart as `helm template` does, and prints the same:
//!
//! ```shell
//! cargo run --example template -- examples/hello
//! cargo run --example template -- examples/hello --values my-values.yaml --set greeting=Welcome
//! ```

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use std::error::Error;
use std::path::Path;

use helm_charts::{Archive, Chart, HELM_API_VERSIONS, HELM_KUBE_VERSION, KubeVersion, Release, UserValues};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: template CHART [--values FILE] [--set NAME=VALUE] …")?;

    // Later values win, as with Helm.
    let mut values = UserValues::default();
    while let Some(flag) = arguments.next() {
        let argument = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--values" => values.merge_file(&std::fs::read_to_string(argument)?)?,
            "--set" => values.set(&argument)?,
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }

    // Without a cluster, a chart sees what Helm 3.22 itself knows of Kubernetes.
    let kube_version = KubeVersion::parse(HELM_KUBE_VERSION).ok_or("not a version of Kubernetes")?;
    let api_versions = HELM_API_VERSIONS.map(str::to_owned);
    let release = Release {
        name: "release-name",
        namespace: "default",
        revision: 1,
        is_install: true,
        kube_version: &kube_version,
        api_versions: &api_versions,
        values: &values,
    };
    let chart = Chart::parse(&Archive::open(Path::new(&path))?)?;
    print!("{}", chart.render(&release)?.to_text());
    Ok(())
}
