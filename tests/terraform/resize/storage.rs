//! Storage: never less than what volumes take, and the control plane's own volumes grow with it.
//!
//! The rig's provisioner makes volumes grow as a driver does whose volumes can be in use meanwhile; nothing mounts them.

use serde_json::{Value, json};

use super::Sized;
use crate::interruption::kill_when_held;
use support::hold::Hold;
use support::workspace::Workspace;
use support::{eventually, host, is};

impl Sized<'_> {
    fn claim(&self, claim: &str) -> Value {
        self.host.get(&self.path(&format!("persistentvolumeclaims/{claim}"))).unwrap()
    }

    /// What a claim of the control plane asks for.
    fn asked(&self, ordinal: usize) -> Value {
        self.claim(&format!("data-{}-{ordinal}", self.name))["spec"]["resources"]["requests"]["storage"].clone()
    }

    /// A claim as the syncer puts it there.
    fn take(&self, claim: &str, storage: &str) {
        let spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": storage } } });
        self.host.create(&self.path("persistentvolumeclaims"), json!({ "metadata": { "name": claim }, "spec": spec }));
    }

    /// The size in the StatefulSet's template, which Kubernetes never changes.
    fn template(&self) -> Value {
        let path = format!("/apis/apps/v1/namespaces/{}/statefulsets/{}", self.namespace(), self.name);
        let template = &self.host.get(&path).unwrap()["spec"]["volumeClaimTemplates"][0];
        template["spec"]["resources"]["requests"]["storage"].clone()
    }
}

fn stored(name: &str, storage: &str, more: &str) -> String {
    format!("name = {name:?}\nresources = {{ storage = {storage:?} }}\n{more}")
}

/// The storage class of the control plane's volume.
fn of_class(class: &str) -> String {
    format!(
        "values = yamlencode({{ controlPlane = {{ statefulSet = {{ persistence = {{ volumeClaim = {{ storageClass = {class:?} }} }} }} }} }})"
    )
}

#[test]
fn storage_grows_in_place_and_the_control_planes_volume_with_it() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "growing" };
    let write = |storage: &str, more: &str| workspace.virtual_cluster(&stored("growing", storage, more));
    write("2Gi", "");
    workspace.apply().assert_success();
    assert_eq!(cluster.asked(0), "512Mi");
    let pod = || host().get(&cluster.path("pods/growing-0")).map(|pod| pod["metadata"]["uid"].clone());
    let before = pod();

    write("8Gi", "");
    workspace.apply().assert_success();
    cluster.assert_size("4", "4Gi", "8Gi");
    assert_eq!((cluster.asked(0), cluster.template()), (json!("2Gi"), json!("512Mi")));
    assert_eq!(pod(), before, "a resize replaced the pod");
    let has = || cluster.claim("data-growing-0")["status"]["capacity"]["storage"].clone();
    eventually("a volume of 2Gi", || is(has(), "2Gi"));
    workspace.plan().assert_quiet();

    // While it is paused, too.
    write("8Gi", "paused = true");
    workspace.apply().assert_success();
    write("30Gi", "paused = true");
    workspace.apply().assert_success();
    cluster.assert_size("4", "4Gi", "30Gi");
    assert_eq!(cluster.asked(0), "5Gi", "more than the chart's own it never needs");
    workspace.plan().assert_quiet();
    write("30Gi", "");
    workspace.apply().assert_success();
    assert_eq!(workspace.this()["status"], "Running");

    // The quota shrinks, a volume never does.
    write("6Gi", "");
    workspace.apply().assert_success();
    cluster.assert_size("4", "4Gi", "6Gi");
    assert_eq!(cluster.asked(0), "5Gi");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    host().assert_nothing_remains("vcluster-growing");
}

#[test]
fn every_replica_has_a_volume_that_grows() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "replicated" };
    let three = "values = yamlencode({ controlPlane = { statefulSet = { highAvailability = { replicas = 3 } } } })";
    let write = |storage: &str| workspace.virtual_cluster(&stored("replicated", storage, three));
    write("4Gi");
    workspace.apply().assert_success();
    assert_eq!([0, 1, 2].map(|ordinal| cluster.asked(ordinal)), ["1Gi"; 3]);
    write("8Gi");
    workspace.apply().assert_success();
    assert_eq!([0, 1, 2].map(|ordinal| cluster.asked(ordinal)), ["2Gi"; 3]);
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_volume_that_is_made_later_grows_once_it_is_there() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "claimless" };
    workspace.virtual_cluster(&stored("claimless", "2Gi", "paused = true"));
    workspace.apply().assert_success();
    assert_eq!(host().names(&cluster.path("persistentvolumeclaims")), [""; 0]);
    workspace.virtual_cluster(&stored("claimless", "8Gi", "paused = true"));
    workspace.apply().assert_success();
    workspace.virtual_cluster(&stored("claimless", "8Gi", ""));
    workspace.apply().assert_success();
    assert_eq!((cluster.asked(0), cluster.template()), (json!("2Gi"), json!("512Mi")));
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn growth_that_was_killed_between_quota_and_volume_is_finished() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "kill-volume" };
    workspace.virtual_cluster(&stored("kill-volume", "2Gi", ""));
    workspace.apply().assert_success();
    workspace.virtual_cluster(&stored("kill-volume", "8Gi", ""));
    let hold = Hold::on(host(), "UPDATE", "persistentvolumeclaims", "vcluster-kill-volume");
    kill_when_held(&workspace, hold, "apply");
    cluster.assert_size("4", "4Gi", "8Gi");
    // Terraform has no private state now, and nobody asks the host again what is in it.
    workspace.apply_unrefreshed().assert_success();
    assert_eq!((cluster.asked(0), cluster.template()), (json!("2Gi"), json!("512Mi")));
    workspace.plan().assert_quiet();

    // Given up after a kill, the quota goes back and the volume stays.
    workspace.virtual_cluster(&stored("kill-volume", "16Gi", ""));
    let hold = Hold::on(host(), "UPDATE", "persistentvolumeclaims", "vcluster-kill-volume");
    kill_when_held(&workspace, hold, "apply");
    workspace.virtual_cluster(&stored("kill-volume", "8Gi", ""));
    workspace.apply().assert_success();
    cluster.assert_size("4", "4Gi", "8Gi");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_volume_that_somebody_enlarged_is_no_drift_and_stays() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "by-hand" };
    workspace.virtual_cluster(&stored("by-hand", "2Gi", ""));
    workspace.apply().assert_success();
    let larger = json!({ "spec": { "resources": { "requests": { "storage": "1Gi" } } } });
    host().patch(&cluster.path("persistentvolumeclaims/data-by-hand-0"), larger);
    workspace.plan().assert_quiet();
    workspace.virtual_cluster(&stored("by-hand", "3Gi", ""));
    workspace.apply().assert_success();
    assert_eq!(cluster.asked(0), "1Gi", "768Mi would do");
    cluster.assert_size("4", "4Gi", "3Gi");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn storage_is_never_less_than_what_volumes_take() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "taken" };
    let write = |storage: &str, more: &str| workspace.virtual_cluster(&stored("taken", storage, more));
    write("8Gi", "");
    workspace.apply().assert_success();
    cluster.take("web-x-default-x-taken", "3Gi");
    cluster.wait_for("requests.storage", "5Gi");

    let refused = |more: &str| {
        write("4Gi", more);
        let refused = workspace.try_plan().0.assert_failure();
        for expected in [
            "Storage cannot be less than what volumes already take.",
            "take 5Gi; 4Gi was asked for",
            "namespace vcluster-taken of host cluster \"eu-1\"",
            "web-x-default-x-taken: 3Gi",
            "data-taken-0: 2Gi",
            "have `resources.storage` at 5Gi or more",
        ] {
            assert!(refused.to_lowercase().contains(&expected.to_lowercase()), "{expected}: {refused}");
        }
        assert_eq!(refused.matches("Next step").count(), 1, "{refused}");
    };
    refused("");

    // Planned while there was room.
    write("6Gi", "");
    workspace.plan();
    cluster.take("db-x-default-x-taken", "2Gi");
    cluster.wait_for("requests.storage", "7Gi");
    let late = workspace.apply_planned().assert_failure();
    assert!(late.contains("take 7Gi; 6Gi was asked for"), "{late}");
    cluster.assert_size("4", "4Gi", "8Gi");
    host().delete(&cluster.path("persistentvolumeclaims/db-x-default-x-taken"));
    cluster.wait_for("requests.storage", "5Gi");

    write("8Gi", "paused = true");
    workspace.apply().assert_success();
    refused("paused = true");
    write("5Gi", "paused = true");
    workspace.apply().assert_success();
    cluster.assert_size("4", "4Gi", "5Gi");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn storage_that_needs_a_larger_volume_is_refused_where_the_class_lets_none_grow() {
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "stiff" };
    let write = |storage: &str| workspace.virtual_cluster(&stored("stiff", storage, &of_class("unexpandable")));
    write("2Gi");
    workspace.apply().assert_success();
    write("8Gi");
    let refused = workspace.try_plan().0.assert_failure();
    for expected in [
        "The control plane's volume cannot grow with the storage.",
        "needs a volume of 2Gi",
        "vcluster-stiff/data-stiff-0 on host cluster \"eu-1\" has 512Mi",
        "\"unexpandable\"",
        "allowVolumeExpansion: true",
        "Leave `resources.storage` at 2Gi",
        "a new virtual cluster",
    ] {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    cluster.assert_size("4", "4Gi", "2Gi");
    // Less, or anything else, needs no larger volume.
    write("1Gi");
    workspace.apply().assert_success();
    write("8Gi");
    let refused = workspace.try_plan().0.assert_failure();
    assert!(refused.contains("Have `resources.storage` at 2Gi at most, with which it need not grow"), "{refused}");
    write("2Gi");
    workspace.apply().assert_success();
    cluster.assert_size("4", "4Gi", "2Gi");
    assert_eq!(cluster.asked(0), "512Mi");
    workspace.destroy().assert_success();

    // From 20Gi on every volume is large enough.
    let workspace = Workspace::on(host());
    let large = |storage: &str| workspace.virtual_cluster(&stored("stiff-large", storage, &of_class("unexpandable")));
    large("20Gi");
    workspace.apply().assert_success();
    large("40Gi");
    workspace.apply().assert_success();
    Sized { host: host(), name: "stiff-large" }.assert_size("4", "4Gi", "40Gi");
    workspace.destroy().assert_success();
}

#[test]
fn a_class_that_stops_growing_between_plan_and_apply_refuses_before_anything_changes() {
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    let standard = host().get(&format!("{classes}/standard")).unwrap();
    host().create(
        classes,
        json!({
            "metadata": { "name": "zz-changing" }, "provisioner": standard["provisioner"], "allowVolumeExpansion": true,
        }),
    );
    let workspace = Workspace::on(host());
    let cluster = Sized { host: host(), name: "changing" };
    workspace.virtual_cluster(&stored("changing", "2Gi", &of_class("zz-changing")));
    workspace.apply().assert_success();
    workspace.virtual_cluster(&stored("changing", "8Gi", &of_class("zz-changing")));
    workspace.plan();
    let expands = |expands: bool| {
        host().patch(&format!("{classes}/zz-changing"), json!({ "allowVolumeExpansion": expands }));
    };
    expands(false);
    let refused = workspace.apply_planned().assert_failure();
    assert!(refused.contains("cannot grow with the storage"), "{refused}");
    cluster.assert_size("4", "4Gi", "2Gi");
    assert_eq!(cluster.asked(0), "512Mi");
    expands(true);
    workspace.apply().assert_success();
    cluster.assert_size("4", "4Gi", "8Gi");
    assert_eq!(cluster.asked(0), "2Gi");
    workspace.destroy().assert_success();
    host().delete(&format!("{classes}/zz-changing"));
}
