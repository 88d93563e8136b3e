//! The two host clusters that benchmarks run on, each behind a counting server, and Terraform directories that use them.

use std::path::Path;

use rig::Rig;
use tokio::runtime::Runtime;

use super::front::{Counts, Front};
use super::measured::Measured;
use super::support::cluster::Cluster;
use super::support::workspace::Workspace;

/// The hosts' names, the home of cluster groups first.
pub const NAMES: [&str; 2] = ["eu-1", "us-1"];

/// Two hosts with room for thousands of virtual clusters, whose API servers are left out.
pub struct Hosts {
    /// Fronts live in it.
    _runtime: Runtime,
    fronts: Vec<Front>,
    rig: Rig,
}

impl Hosts {
    /// Starts them, with so many nodes each. A node takes 110 pods.
    pub fn start(nodes: usize) -> Self {
        let runtime = Runtime::new().unwrap();
        let rig = Rig::builder().names(NAMES).nodes(nodes).node_size("8000", "8Ti").without_nested().start().unwrap();
        let front = |host: &rig::Host| runtime.block_on(async { Front::before(host.client().unwrap()).await });
        Self { fronts: rig.hosts().iter().map(front).collect(), _runtime: runtime, rig }
    }

    /// An empty directory whose provider reaches the hosts through the counting servers.
    pub fn workspace(&self) -> Workspace {
        let workspace = Workspace::on(&Cluster::of(self.rig.host(1)));
        let entry = |(name, front): (&str, &Front)| format!("\"{name}\" = {{ host = \"{}\" }}\n", front.url());
        workspace.provider(&NAMES.into_iter().zip(&self.fronts).map(entry).collect::<String>());
        workspace
    }

    /// The same, with providers that are measured.
    pub fn measured_workspace(&self, measured: &Measured) -> Workspace {
        let (variable, value) = measured.variable();
        let workspace = self.workspace().with_variable(variable, value);
        workspace.providers_in(measured.directory(), &["nested-clusters/nested", "hashicorp/helm"]);
        workspace
    }

    /// The URLs of the counting servers.
    pub fn urls(&self) -> Vec<String> {
        self.fronts.iter().map(Front::url).collect()
    }

    /// A kubeconfig of the first host's administrator, and so on.
    pub fn kubeconfigs(&self) -> Vec<&Path> {
        self.rig.hosts().iter().map(rig::Host::kubeconfig).collect()
    }

    /// What has come to each host since this was last asked.
    pub fn take(&self) -> [Counts; 2] {
        [self.fronts[0].take(), self.fronts[1].take()]
    }
}

/// A cluster group of the rig's chart on both hosts.
pub fn group() -> String {
    format!(
        "resource \"nested_cluster_group\" \"dev\" {{\n  name = \"dev\"\n  vcluster_version = \"0.34.7\"\n  \
         chart = {{ source = {:?} }}\n  host_clusters = {{ \"eu-1\" = {{}}, \"us-1\" = {{}} }}\n}}\n",
        rig::tools::chart()
    )
}

/// The most instances of one resource block: Terraform copies the state of a whole block for each of its instances.
const BLOCK: usize = 100;

/// So many instances in blocks of at most [`BLOCK`]: where each begins, and how many it has.
pub fn blocks(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).step_by(BLOCK).map(move |first| (first, BLOCK.min(count - first)))
}

/// So many virtual clusters in it.
pub fn members(count: usize, attributes: &str) -> String {
    let block = |(first, count)| {
        format!(
            "resource \"nested_virtual_cluster\" \"team_{first}\" {{\n  count = {count}\n  \
             name = \"team-${{count.index + {first}}}\"\n  cluster_group = nested_cluster_group.dev.name\n{attributes}}}\n"
        )
    };
    blocks(count).map(block).collect()
}
