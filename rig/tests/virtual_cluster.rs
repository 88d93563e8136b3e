//! The stand-in for vCluster keeps its contract: what the rig's chart deploys becomes a virtual cluster that is reached,
//! paused and resumed as a real one is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing step is a failing test")]

use std::{
    fmt::Debug,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use rig::{Rig, tools};

/// Never dropped: the guardian ends it after the last test.
static RIG: LazyLock<Rig> = LazyLock::new(|| Rig::builder().nodes(1).start().unwrap());

/// Runs a program to its end, feeding it `input`; its output, or a panic with what it complained about.
fn run(program: &Path, arguments: &[&str], input: &str) -> String {
    attempt(program, arguments, input).unwrap_or_else(|complaint| panic!("{arguments:?}: {complaint}"))
}

fn attempt(program: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Waits until `look` finds it so. As long as it does not, it says what it sees instead.
fn eventually<T, S: Debug>(what: &str, look: impl Fn() -> Result<T, S>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => {
                assert!(start.elapsed() < Duration::from_secs(180), "gave up waiting for {what}; last seen: {seen:?}");
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A virtual cluster deployed from the rig's chart into a namespace of its own name.
struct VirtualCluster {
    name: &'static str,
    workload: String,
    manifests: String,
    kubeconfig: tempfile::NamedTempFile,
}

impl VirtualCluster {
    /// Deploys and waits until it is ready. `settings` are chart values as `helm --set` takes them.
    fn deploy(name: &'static str, kind: &str, settings: &str) -> Self {
        let chart = tools::chart();
        let arguments =
            ["template", name, chart.to_str().unwrap(), "-n", name, "--kube-version=1.35.4", "--set", settings];
        let manifests = run(&helm_charts_testing::helm().unwrap(), &arguments, "");
        let kubeconfig = tempfile::NamedTempFile::new().unwrap();
        let cluster = Self { name, workload: format!("{kind}/{name}"), manifests, kubeconfig };
        run(&tools::kubectl().unwrap(), &["--kubeconfig", host(), "create", "namespace", name], "");
        cluster.apply();
        cluster
    }

    fn apply(&self) {
        self.host(&["apply", "-f", "-"]);
        self.wait_until_ready();
        let config =
            self.host(&["get", "secret", &format!("vc-{}", self.name), "-o=template={{.data.config|base64decode}}"]);
        let config = config.replace("https://localhost:8443", &format!("https://{}", self.endpoint()));
        std::fs::write(self.kubeconfig.path(), config).unwrap();
    }

    /// Where the Service is reached from outside of the host.
    fn endpoint(&self) -> String {
        let service = |template: &str| self.host(&["get", "service", self.name, "-o=template", "--template", template]);
        match service("{{.spec.type}}").as_str() {
            "NodePort" => {
                let node =
                    self.host(&["get", "nodes", "-o=template={{(index (index .items 0).status.addresses 0).address}}"]);
                format!("{node}:{}", service("{{(index .spec.ports 0).nodePort}}"))
            }
            _ => service("{{(index .status.loadBalancer.ingress 0).ip}}:{{(index .spec.ports 0).port}}"),
        }
    }

    fn wait_until_ready(&self) {
        self.host(&["rollout", "status", &self.workload, "--timeout=180s"]);
    }

    /// kubectl on the host, in the virtual cluster's namespace, with its manifests as input.
    fn host(&self, arguments: &[&str]) -> String {
        let arguments = [&["--kubeconfig", host(), "--namespace", self.name], arguments].concat();
        run(&tools::kubectl().unwrap(), &arguments, &self.manifests)
    }

    /// kubectl inside the virtual cluster.
    fn inside(&self, arguments: &[&str]) -> Result<String, String> {
        let arguments = [&["--kubeconfig", self.kubeconfig.path().to_str().unwrap()], arguments].concat();
        attempt(&tools::kubectl().unwrap(), &arguments, "")
    }

    fn pause(&self) {
        self.host(&["scale", &self.workload, "--replicas=0"]);
        let pods = ["get", "pods", "-l", &format!("app=vcluster,release={}", self.name), "-o=name"];
        eventually("the end of the control plane", || {
            let left = self.host(&pods);
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        self.inside(&["get", "namespaces", "--request-timeout=5s"]).unwrap_err();
    }

    fn resume(&self) {
        self.host(&["scale", &self.workload, "--replicas=1"]);
        self.wait_until_ready();
    }
}

fn host() -> &'static str {
    RIG.host(1).kubeconfig().to_str().unwrap()
}

#[test]
fn data_on_a_volume_survive_a_pause_and_go_with_the_claim() {
    let cluster = VirtualCluster::deploy("kept", "statefulset", "controlPlane.service.spec.type=LoadBalancer");
    assert!(cluster.inside(&["get", "namespaces", "-o=name"]).unwrap().contains("namespace/kube-system"));
    cluster.inside(&["create", "configmap", "note"]).unwrap();

    cluster.pause();
    cluster.resume();
    cluster.inside(&["get", "configmap", "note"]).unwrap();

    cluster.host(&["delete", "-f", "-", "--wait"]);
    cluster.host(&["delete", "persistentvolumeclaims", "--all", "--wait"]);
    cluster.apply();
    assert!(cluster.inside(&["get", "configmap", "note"]).unwrap_err().contains("not found"));
}

#[test]
fn data_without_a_volume_go_with_the_pod() {
    let settings = "controlPlane.service.spec.type=NodePort,\
                    controlPlane.statefulSet.persistence.volumeClaim.enabled=false";
    let cluster = VirtualCluster::deploy("fleeting", "deployment", settings);
    cluster.inside(&["create", "configmap", "note"]).unwrap();
    cluster.pause();
    cluster.resume();
    assert!(cluster.inside(&["get", "configmap", "note"]).unwrap_err().contains("not found"));
}

#[test]
fn a_syncer_leaves_its_pods_to_whoever_pauses() {
    let cluster = VirtualCluster::deploy("synced", "statefulset", "controlPlane.service.spec.type=LoadBalancer");
    let synced = ["-l", "vcluster.loft.sh/managed-by=synced"];
    // UIDs: kubectl waits for the end of a pod, and may then wait for that of the one that takes its name.
    let uids = || cluster.host(&[&["get", "pods", "-o=jsonpath={.items[*].metadata.uid}"], &synced[..]].concat());
    let delete = || cluster.host(&[&["delete", "pods", "--wait=false"], &synced[..]].concat());
    let other_than = |uid: &str| match uids() {
        now if now.is_empty() || now == uid => Err(now),
        now => Ok(now),
    };
    let first = eventually("CoreDNS to be synced", || other_than(""));
    delete();
    eventually("CoreDNS to be back", || other_than(&first));
    cluster.pause();
    assert!(!uids().is_empty());
    delete();
    eventually("CoreDNS to be gone", || if uids().is_empty() { Ok(()) } else { Err(uids()) });
}
