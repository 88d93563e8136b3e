//! Renders a chart for a cluster that exists, so that `lookup` finds what is in it, as with `helm install`:
//!
//! ```shell
//! cargo run --example lookup
//! ```
//!
//! The cluster is a map here. A program with a Kubernetes client asks the API server in its place.

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use helm_charts::{Archive, Chart, Cluster, KubeVersion, Release, UserValues};
use serde_json::{Value, json};

/// Objects by kind, namespace and name.
#[derive(Debug)]
struct Objects(HashMap<[&'static str; 3], Value>);

impl Cluster for Objects {
    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Option<Value>, String> {
        if api_version != "v1" {
            return Err(format!("this cluster does not know {api_version}"));
        }
        Ok(self.0.get(&[kind, namespace, name]).cloned())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let secret = json!({"data": {"password": "c3dvcmRmaXNo"}});
    let cluster = Objects(HashMap::from([(["Secret", "default", "mine-password"], secret)]));

    let chart = Chart::parse(&Archive::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello"))?)?;
    let kube_version = KubeVersion::parse("1.35.4").ok_or("not a version of Kubernetes")?;
    let release = Release {
        name: "mine",
        namespace: "default",
        revision: 2,
        is_install: false,
        kube_version: &kube_version,
        api_versions: &["v1".to_owned(), "apps/v1".to_owned()],
        values: &UserValues::default(),
    };
    let rendered = chart.render_on(&release, Arc::new(cluster))?;
    for document in &rendered.documents {
        println!("{}: {}", document.kind(), document.object);
    }
    Ok(())
}
