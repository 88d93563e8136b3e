//! Two small hosts for tests that fill them up: one test has them at a time, and leaves nothing on them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use rig::Rig;
use serde_json::Value;

use crate::support::cluster::Cluster;
use crate::support::workspace::{Workspace, connection};
use crate::support::{eventually, is};

/// Both hosts, with 28 CPU each on two nodes, and plenty of memory.
pub struct Hosts {
    pub eu: &'static Cluster,
    pub us: &'static Cluster,
    _alone: MutexGuard<'static, Option<&'static [Cluster; 2]>>,
}

impl Hosts {
    /// Waits until nobody else has them. After a test that failed there are new ones, as it has left something behind.
    pub fn alone() -> Self {
        static CLUSTERS: Mutex<Option<&'static [Cluster; 2]>> = Mutex::new(None);
        let mut alone = CLUSTERS.lock().unwrap_or_else(|failed| {
            CLUSTERS.clear_poison();
            let mut alone = failed.into_inner();
            *alone = None;
            alone
        });
        let start = || {
            let names = ["eu-1", "us-1"];
            let rig = Rig::builder().names(names).node_size("14", "256Gi").without_nested().start().unwrap();
            // Until the process ends.
            let rig: &'static Rig = Box::leak(Box::new(rig));
            &*Box::leak(Box::new([Cluster::of(rig.host(1)), Cluster::of(rig.host(2))]))
        };
        let [eu, us] = alone.get_or_insert_with(start);
        // A node that somebody has cordoned counts again only when its taint is gone.
        for host in [eu, us] {
            eventually(&format!("all nodes of {} to count", host.name), || is(left_out(host), &[""; 0]));
        }
        Self { eu, us, _alone: alone }
    }

    /// A directory whose provider has both.
    pub fn workspace(&self) -> Workspace {
        let workspace = Workspace::on(self.eu);
        workspace.provider(&self.connections());
        workspace
    }

    /// The same, run by OpenTofu.
    pub fn tofu_workspace(&self) -> Workspace {
        let workspace = Workspace::run_by(rig::tools::tofu().unwrap(), self.eu);
        workspace.provider(&self.connections());
        workspace
    }

    pub fn connections(&self) -> String {
        format!("{}\n{}", connection("eu-1", &self.eu.kubeconfig), connection("us-1", &self.us.kubeconfig))
    }

    /// The entries of a host's ledger: namespace to CPU, or `paused`.
    pub fn ledger(&self, host: &Cluster) -> BTreeMap<String, String> {
        entries(host, "ledger")
    }

    /// The entries of a group's quota ledger: namespace to CPU.
    pub fn quota(&self, home: &Cluster, group: &str) -> BTreeMap<String, String> {
        let entries = entries(home, &format!("quota.{group}"));
        entries.into_iter().map(|(key, cpu)| (key.split_once('/').unwrap().1.to_owned(), cpu)).collect()
    }

    /// Fails unless neither host has anything left of a test before.
    #[track_caller]
    pub fn assert_empty(&self) {
        for host in [self.eu, self.us] {
            assert_eq!(self.ledger(host), BTreeMap::new(), "{}", host.name);
            let left = host.names("/api/v1/namespaces/nested-system/secrets");
            assert_eq!(left, [""; 0], "{}", host.name);
            let namespaces = host.names("/api/v1/namespaces");
            assert!(!namespaces.iter().any(|name| name.starts_with("vcluster-")), "{namespaces:?}");
        }
    }
}

/// The nodes that do not count as capacity, and why.
fn left_out(host: &Cluster) -> Vec<String> {
    let reason = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
        let (name, spec) = (&node["metadata"]["name"], &node["spec"]);
        let counts = ready["status"] == "True" && spec["taints"].is_null() && spec["unschedulable"] != true;
        (!counts).then(|| format!("{name}: {spec} {ready}"))
    };
    host.list("/api/v1/nodes").iter().filter_map(reason).collect()
}

fn entries(host: &Cluster, secret: &str) -> BTreeMap<String, String> {
    let Some(secret) = host.get(&format!("/api/v1/namespaces/nested-system/secrets/{secret}")) else {
        return BTreeMap::new();
    };
    let bytes =
        base64::Engine::decode(&base64::prelude::BASE64_STANDARD, secret["data"]["record.json"].as_str().unwrap());
    let record: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
    let entries = record["entries"].as_object().unwrap();
    let amount = |entry: &Value| match entry["paused"].as_bool() {
        Some(true) => "paused".to_owned(),
        _ => entry["size"]["cpu"].as_str().unwrap().to_owned(),
    };
    entries.iter().map(|(key, entry)| (key.clone(), amount(entry))).collect()
}

/// A cluster group of the rig's chart on both hosts without oversubscription, unless `attributes` say otherwise.
pub fn group(name: &str, attributes: &str) -> String {
    let chart = rig::tools::chart();
    let defaults = [
        ("vcluster_version", "\"0.34.7\"".to_owned()),
        ("chart", format!("{{ source = {chart:?} }}")),
        ("host_clusters", "{ \"eu-1\" = {}, \"us-1\" = {} }".to_owned()),
        ("oversubscription_percent", "100".to_owned()),
    ];
    let label = name.replace('-', "_");
    format!(
        "resource \"nested_cluster_group\" {label:?} {{\n  name = {name:?}\n{}{attributes}\n}}\n",
        unset(&defaults, attributes)
    )
}

/// A virtual cluster in the group, by the group's name alone.
pub fn member(label: &str, group: &str, attributes: &str) -> String {
    let name = format!("{:?}", label.replace('_', "-"));
    let defaults = [("name", name), ("cluster_group", format!("{group:?}"))];
    format!("resource \"nested_virtual_cluster\" {label:?} {{\n{}{attributes}\n}}\n", unset(&defaults, attributes))
}

fn unset(defaults: &[(&str, String)], attributes: &str) -> String {
    let is_set = |name: &str| attributes.lines().any(|line| line.trim_start().split([' ', '=']).next() == Some(name));
    let defaults = defaults.iter().filter(|(name, _)| !is_set(name));
    defaults.map(|(name, value)| format!("  {name} = {value}\n")).collect()
}

/// The group and what follows it in one configuration: the members refer to the group's resource.
pub fn referring(group: &str) -> String {
    format!("cluster_group = nested_cluster_group.{}.name", group.replace('-', "_"))
}
