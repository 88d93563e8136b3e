//! What a virtual cluster was created with stays: its vCluster version, its distribution, its chart.

use std::path::PathBuf;
use std::process::Command;

use support::host;
use support::workspace::{THIS, Workspace};

/// A copy of the rig's chart of another version.
fn chart(workspace: &Workspace, version: &str) -> PathBuf {
    let copy = workspace.path(&format!("chart-{version}"));
    let copied = Command::new("cp").arg("-r").args([rig::tools::chart(), copy.clone()]).status().unwrap();
    assert!(copied.success());
    let metadata = std::fs::read_to_string(copy.join("Chart.yaml")).unwrap();
    std::fs::write(copy.join("Chart.yaml"), metadata.replace("0.34.7", version)).unwrap();
    copy
}

#[test]
fn version_distro_and_chart_are_locked() {
    let workspace = Workspace::on(host());
    let source = chart(&workspace, "0.32.1");
    let write = |version: &str, chart: &str, more: &str| {
        workspace.virtual_cluster(&format!(
            "vcluster_version = {version:?}\nchart = {{ source = {source:?}\n{chart} }}\n{more}"
        ));
    };
    write("0.32.1", "", "distro = \"k8s\"");
    workspace.apply().assert_success();
    let locked = workspace.this();
    let other = format!("digest = \"sha256:{}\"", "0123456789abcdef".repeat(4));
    for (version, chart, distro, expected) in [
        ("0.32.2", "", "distro = \"k8s\"", "The vCluster version of a virtual cluster is locked."),
        ("0.32.1", "", "distro = \"k3s\"", "The distribution of a virtual cluster is locked."),
        ("0.32.1", other.as_str(), "distro = \"k8s\"", "The chart of a virtual cluster is locked."),
    ] {
        write(version, chart, distro);
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains(expected) && refused.contains("create a new virtual cluster beside"), "{refused}");
    }
    write("0.32.1", &format!("digest = {}", locked["chart"]["digest"]), "");
    workspace.plan().assert_quiet();
}

#[test]
fn an_update_needs_no_chart_source() {
    let workspace = Workspace::on(host());
    let source = chart(&workspace, "0.34.8");
    let write = |more: &str| {
        workspace.virtual_cluster(&format!("vcluster_version = \"0.34.8\"\nchart = {{ source = {source:?} }}\n{more}"));
    };
    write("");
    workspace.apply().assert_success();
    std::fs::remove_dir_all(&source).unwrap();
    workspace.plan().assert_quiet();
    write("labels = { team = \"a\" }");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();

    write("");
    let moved = chart(&workspace, "0.34.9");
    workspace.virtual_cluster(&format!("vcluster_version = \"0.34.8\"\nchart = {{ source = {moved:?} }}"));
    assert_eq!(workspace.plan().changed(THIS), ["chart", "labels", "revision", "status"]);
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
}

#[test]
fn a_chart_that_changed_under_its_version_is_refused_where_the_digest_is_set() {
    let workspace = Workspace::on(host());
    let source = chart(&workspace, "0.34.6");
    let write = |name: &str, digest: &str| {
        workspace.virtual_cluster(&format!(
            "name = {name:?}\nvcluster_version = \"0.34.6\"\nchart = {{ source = {source:?}\n{digest} }}"
        ));
    };
    write("first", "");
    workspace.apply().assert_success();
    let digest = format!("digest = {}", workspace.this()["chart"]["digest"]);
    let values = std::fs::read_to_string(source.join("values.yaml")).unwrap();
    std::fs::write(source.join("values.yaml"), values + "\nchanged: true\n").unwrap();

    let second = Workspace::on(host());
    second.virtual_cluster(&format!(
        "name = \"second\"\nvcluster_version = \"0.34.6\"\nchart = {{ source = {source:?}\n{digest} }}"
    ));
    let refused = second.apply().assert_failure();
    assert!(refused.contains("The chart is not the one that the configuration insists on."), "{refused}");
    host().assert_nothing_remains("vcluster-second");
    // The first one has its own copy.
    write("first", &digest);
    workspace.plan().assert_quiet();
}

#[test]
fn a_chart_of_another_version_is_refused_and_leaves_nothing() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"mismatch\"\nvcluster_version = \"0.34.1\"");
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("The chart is of another version.") && refused.contains("0.34.7"), "{refused}");
    host().assert_nothing_remains("vcluster-mismatch");
}
