//! Small hosts for tests that fill them up: a test has a pair of them to itself, and leaves nothing on them.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rig::Rig;
use serde_json::Value;

use support::cluster::Cluster;
use support::workspace::{Workspace, connection};
use support::{eventually, is};

/// Pairs of hosts at most: as many of these tests run at a time.
const PAIRS: usize = 4;

/// Both hosts, with 28 CPU each on two nodes, and plenty of memory.
pub struct Hosts {
    pub eu: &'static Cluster,
    pub us: &'static Cluster,
}

/// The pairs that no test has right now, and how many there are in all.
struct Pairs {
    free: Vec<[&'static Cluster; 2]>,
    started: usize,
}

static PAIRS_OF_HOSTS: Mutex<Pairs> = Mutex::new(Pairs { free: Vec::new(), started: 0 });
static GIVEN_BACK: Condvar = Condvar::new();

fn pairs() -> MutexGuard<'static, Pairs> {
    PAIRS_OF_HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hosts {
    /// Waits until a pair is free, or starts one, and until all of its nodes count.
    pub fn alone() -> Self {
        let hosts = Self::free();
        // A node that somebody has cordoned counts again only when its taint is gone.
        for host in [hosts.eu, hosts.us] {
            eventually(&format!("all nodes of {} to count", host.name), || is(left_out(host), &[""; 0]));
        }
        hosts
    }

    fn free() -> Self {
        let mut pairs = pairs();
        loop {
            if let Some([eu, us]) = pairs.free.pop() {
                return Self { eu, us };
            }
            if pairs.started < PAIRS {
                pairs.started += 1;
                drop(pairs);
                return std::panic::catch_unwind(Self::start).unwrap_or_else(|failure| {
                    give_back(None);
                    std::panic::resume_unwind(failure)
                });
            }
            pairs = GIVEN_BACK.wait(pairs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn start() -> Self {
        let rig = Rig::builder().names(["eu-1", "us-1"]).node_size("14", "256Gi").without_nested().start().unwrap();
        // Until the process ends.
        let rig: &'static Rig = Box::leak(Box::new(rig));
        let [eu, us] = [1, 2].map(|number| &*Box::leak(Box::new(Cluster::of(rig.host(number)))));
        Self { eu, us }
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

/// A test that failed has left something behind: nobody gets its hosts any more.
impl Drop for Hosts {
    fn drop(&mut self) {
        give_back((!std::thread::panicking()).then_some([self.eu, self.us]));
    }
}

/// A pair for the next test, or room for a new one.
fn give_back(pair: Option<[&'static Cluster; 2]>) {
    let mut pairs = pairs();
    match pair {
        Some(pair) => pairs.free.push(pair),
        None => pairs.started -= 1,
    }
    GIVEN_BACK.notify_one();
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
