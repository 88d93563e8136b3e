//! Resizing: on the host, in the ledgers, and beside what is in use. `storage` is about volumes.

mod storage;

use serde_json::{Value, json};

use crate::interruption::{at_once, kill_when_held};
use crate::sharing::support::Hosts;
use support::cluster::Cluster;
use support::hold::Hold;
use support::workspace::{THIS, Workspace};
use support::{eventually, host, is};

/// A virtual cluster on a host, by what enforces and counts its size.
struct Sized<'a> {
    host: &'a Cluster,
    name: &'a str,
}

impl Sized<'_> {
    fn namespace(&self) -> String {
        format!("vcluster-{}", self.name)
    }

    fn path(&self, resource: &str) -> String {
        format!("/api/v1/namespaces/{}/{resource}", self.namespace())
    }

    fn quota(&self) -> Value {
        self.host.get(&self.path(&format!("resourcequotas/vc-{}", self.name))).unwrap()
    }

    /// What of the quota is in use.
    fn used(&self, resource: &str) -> String {
        self.quota()["status"]["used"][resource].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn assert_size(&self, cpu: &str, memory: &str, storage: &str) {
        let hard = self.quota()["spec"]["hard"].take();
        for (resource, amount) in [("requests.cpu", cpu), ("requests.memory", memory), ("requests.storage", storage)] {
            assert_eq!(hard[resource], amount, "{resource}");
        }
        let held = self.host.held(&self.namespace()).unwrap();
        assert_eq!(held["size"], json!({ "cpu": cpu, "memory": memory, "storage": storage }));
    }

    #[track_caller]
    fn assert_cpu(&self, quota: &str, held: &str) {
        let size = &self.host.held(&self.namespace()).unwrap()["size"];
        let found = (self.quota()["spec"]["hard"]["requests.cpu"].clone(), size["cpu"].clone());
        assert_eq!(found, (json!(quota), json!(held)), "{}", self.name);
    }

    /// A pod as the syncer puts it there, with these limits.
    fn run(&self, pod: &str, cpu: &str, memory: &str) -> Result<Value, String> {
        let amount = json!({ "cpu": cpu, "memory": memory });
        let resources = json!({ "requests": amount, "limits": amount });
        let metadata = json!({ "name": pod, "labels": { "vcluster.loft.sh/managed-by": self.name } });
        let spec = json!({ "containers": [{ "name": "app", "image": "none", "resources": resources }] });
        self.host.try_create(&self.path("pods"), json!({ "metadata": metadata, "spec": spec }))
    }

    fn wait_for(&self, resource: &str, used: &str) {
        eventually(&format!("{resource} of {} to be {used}", self.name), || is(self.used(resource), used));
    }
}

fn sized(name: &str, size: &str) -> String {
    format!("name = {name:?}\nresources = {{ {size} }}")
}

#[test]
fn quota_limit_range_and_ledger_follow_a_resize_and_nothing_restarts() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "resized" };
    let pod = || host().get(&cluster.path("pods/resized-0")).map(|pod| pod["metadata"]["uid"].clone());
    let mut first = None;
    for (cpu, memory) in [("4", "4Gi"), ("8", "8Gi"), ("3", "3Gi"), ("3500m", "3584Mi")] {
        workspace.virtual_cluster(&sized("resized", &format!("cpu = {cpu:?}, memory = {memory:?}")));
        let run = workspace.apply();
        run.assert_success();
        assert_eq!(run.warnings().matches("Virtual cluster").count(), 0, "{}", run.warnings());
        cluster.assert_size(cpu, memory, "2Gi");
        let limits = host().get(&cluster.path("limitranges/vc-resized")).unwrap();
        let (container, whole) = (&limits["spec"]["limits"][0], json!({ "cpu": cpu, "memory": memory }));
        for amount in ["cpu", "memory"] {
            assert_eq!([&container["default"][amount], &container["max"][amount]], [&whole[amount]; 2], "{cpu}");
        }
        assert_eq!(pod(), *first.get_or_insert_with(pod), "a resize replaced the pod");
        workspace.plan().assert_quiet();
    }
    workspace.destroy().assert_success();
    assert_eq!(host().held("vcluster-resized"), None);
}

#[test]
fn a_resize_killed_on_its_way_is_in_step_after_the_next_apply() {
    let cases = [
        // From, to, and then; where it is killed; what the ledger has then.
        ("kill-grow", ["4", "6", "6"], "resourcequotas", "6"),
        ("kill-grow-undone", ["4", "6", "4"], "resourcequotas", "6"),
        ("kill-shrink", ["6", "3", "3"], "resourcequotas", "6"),
        ("kill-shrink-undone", ["6", "3", "6"], "limitranges", "6"),
    ];
    at_once(&cases, |(name, [from, to, then], resource, held)| {
        let (workspace, cluster) = (Workspace::on(host()), Sized { host: host(), name });
        let write = |cpu: &str| workspace.virtual_cluster(&sized(name, &format!("cpu = {cpu:?}")));
        write(from);
        workspace.apply().assert_success();
        write(to);
        kill_when_held(&workspace, Hold::on(host(), "UPDATE", resource, &cluster.namespace()), "apply");
        let found = cluster.host.held(&cluster.namespace()).unwrap();
        assert_eq!(found["size"]["cpu"], *held, "{name}: never less than what the host may allow");
        write(then);
        workspace.apply().assert_success();
        cluster.assert_cpu(then, then);
        workspace.plan().assert_quiet();
        workspace.destroy().assert_success();
        host().assert_nothing_remains(&cluster.namespace());
    });
}

#[test]
fn a_resize_that_does_not_fit_is_refused_by_its_plan() {
    let hosts = Hosts::alone();
    let workspace = Workspace::on(hosts.eu);
    let cluster = Sized { host: hosts.eu, name: "too-large" };
    workspace.virtual_cluster(&sized("too-large", "cpu = \"4\""));
    workspace.apply().assert_success();
    workspace.virtual_cluster(&sized("too-large", "cpu = \"40\""));
    let refused = workspace.try_plan().0.assert_failure();
    for expected in [
        "\"too-large\" does not fit on host cluster \"eu-1\"",
        "available",
        // 28 CPU, oversubscribed by 120 %.
        "cpu: 36 requested, 29.6 available, 6.4 too many",
        "Next step",
    ] {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    cluster.assert_size("4", "4Gi", "2Gi");
    workspace.virtual_cluster(&sized("too-large", "cpu = \"33\""));
    workspace.apply().assert_success();
    cluster.assert_size("33", "4Gi", "2Gi");
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

#[test]
fn less_than_what_is_in_use_is_warned_of_with_both_numbers() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "in-use" };
    let write = |size: &str| workspace.virtual_cluster(&sized("in-use", size));
    write("cpu = \"8\", memory = \"8Gi\"");
    workspace.apply().assert_success();
    // Control plane and CoreDNS request 220m and 576Mi.
    cluster.wait_for("requests.cpu", "220m");

    // Nothing is in use yet when this is planned.
    write("cpu = \"6\", memory = \"8Gi\"");
    assert_eq!(workspace.try_plan().0.warnings().matches("uses more").count(), 0);
    cluster.run("app", "5980m", "4032Mi").unwrap();
    cluster.wait_for("requests.cpu", "6200m");
    let run = workspace.apply_planned();
    run.assert_success();
    let said = run.warnings();
    assert_eq!(said.matches("uses more cpu than it is to have").count(), 1, "{said}");
    assert!(said.contains("requests.cpu: 6.2 in use, 6 from now on") && !said.contains("limits.cpu"), "{said}");
    cluster.assert_size("6", "8Gi", "2Gi");

    write("cpu = \"4\", memory = \"4Gi\"");
    let (planned, plan) = workspace.try_plan();
    planned.assert_success();
    assert_eq!(plan.changed(THIS), ["resources", "revision", "status"], "a look changes no plan");
    let said = planned.warnings();
    for expected in [
        "requests.cpu: 6.2 in use, 4 from now on",
        "requests.memory: 4608Mi in use, 4Gi from now on",
        "ResourceQuota vcluster-in-use/vc-in-use on host cluster \"eu-1\"",
        "Pods that run go on.",
        "have `resources.cpu` at 6.2 or more",
        "have `resources.memory` at 4608Mi or more",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    workspace.apply_planned().assert_success();
    cluster.assert_size("4", "4Gi", "2Gi");
    assert!(host().get(&cluster.path("pods/app")).is_some(), "what runs goes on");
    let refused = cluster.run("another", "10m", "10Mi").unwrap_err();
    assert!(refused.contains("exceeded quota: vc-in-use"), "{refused}");

    // Less of it is no reason to warn once less is in use, and more never is.
    host().delete(&cluster.path("pods/app"));
    cluster.wait_for("requests.cpu", "220m");
    write("cpu = \"3\", memory = \"5Gi\"");
    let run = workspace.apply();
    run.assert_success();
    assert_eq!(run.warnings().matches("uses more").count(), 0, "{}", run.warnings());
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_host_that_cannot_be_asked_what_is_in_use_only_makes_a_warning() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster(&sized("unasked", "cpu = \"8\""));
    workspace.apply().assert_success();
    workspace.virtual_cluster(&sized("unasked", "cpu = \"4\", storage = \"1Gi\""));
    workspace.provider("\"eu-1\" = { host = \"https://127.0.0.1:1\", insecure = true, token = \"x\" }");
    let planned = workspace.start(&["plan", "-refresh=false"]).wait();
    planned.assert_success();
    let said = planned.warnings();
    assert_eq!(said.matches("What virtual cluster \"unasked\" uses could not be checked.").count(), 1, "{said}");
    assert!(said.contains("connection refused"), "{said}");
}
