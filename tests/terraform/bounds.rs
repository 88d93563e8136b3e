//! Everything of a size beside CPU, memory and storage: what a virtual cluster names, what its group gives and bounds, and whether its
//! control plane can run with it.

use serde_json::{Value, json};

use crate::sharing::support::{Hosts, group, member, referring};
use support::cluster::Cluster;
use support::host;
use support::workspace::{THIS, Workspace};

fn hard(host: &Cluster, name: &str) -> Value {
    host.get(&format!("/api/v1/namespaces/vcluster-{name}/resourcequotas/vc-{name}")).unwrap()["spec"]["hard"].take()
}

#[test]
fn what_a_virtual_cluster_names_is_in_its_quota_and_the_rest_follows_from_its_size() {
    let workspace = Workspace::on(host());
    // Its nodes have no GPU.
    let promised = "host_capacity = { extended = { \"nvidia.com/gpu\" = \"1\" } }";
    let with = |size: &str| {
        workspace.virtual_cluster(&format!("name = \"named\"\n{promised}\nresources = {{ {size} }}"));
    };
    with(
        "hard = { pods = \"12\", \"requests.nvidia.com/gpu\" = \"1\", \"fast.storageclass.storage.k8s.io/requests.storage\" = \"1Gi\" }",
    );
    workspace.apply().assert_success();
    let now = hard(host(), "named");
    for (name, amount) in [
        ("pods", "12"),
        ("requests.nvidia.com/gpu", "1"),
        ("fast.storageclass.storage.k8s.io/requests.storage", "1Gi"),
        ("requests.amd.com/gpu", "0"),
        ("services.loadbalancers", "4"),
        ("requests.ephemeral-storage", "20Gi"),
    ] {
        assert_eq!(now[name], amount, "{name}");
    }
    workspace.plan().assert_quiet();
    with("hard = { pods = \"13\" }");
    assert_eq!(workspace.plan().changed(THIS), ["resources", "revision", "status"]);
    workspace.apply_planned().assert_success();
    assert_eq!([&hard(host(), "named")["pods"], &hard(host(), "named")["requests.nvidia.com/gpu"]], ["13", "0"]);
    assert_eq!(host().record("vcluster-named").unwrap()["spec"]["hard"], json!({ "pods": "13" }));
    for (size, expected) in [
        ("hard = { \"requests.cpu\" = \"9\" }", "follows from `cpu`"),
        ("hard = { gpus = \"9\" }", "counts nothing that is called"),
        ("hard = { pods = \"lots\" }", "is not a quantity"),
    ] {
        with(size);
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    with("");
    workspace.apply().assert_success();
    assert_eq!(hard(host(), "named")["pods"], "100");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_group_gives_and_bounds_everything_of_a_size() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let bounds = "virtual_cluster_defaults = { hard = { \"services.loadbalancers\" = \"1\" } }\n\
                  virtual_cluster_minimums = { hard = { pods = \"10\" } }\n\
                  virtual_cluster_maximums = { cpu = \"6\", hard = { pods = \"50\", secrets = \"90\" } }";
    let write = |bounds: &str, size: &str| {
        let more = format!("host_cluster = \"eu-1\"\n{}\nresources = {{ {size} }}", referring("bounding"));
        workspace.write(&[group("bounding", bounds), member("bound", "bounding", &more)].concat());
    };
    write(bounds, "hard = { secrets = \"80\" }");
    workspace.apply().assert_success();
    let now = hard(hosts.eu, "bound");
    for (name, amount) in
        [("services.loadbalancers", "1"), ("pods", "50"), ("secrets", "80"), ("services.nodeports", "40")]
    {
        assert_eq!(now[name], amount, "{name}");
    }
    workspace.plan().assert_quiet();
    for (size, path, expected) in [
        ("cpu = \"8\"", "`resources.cpu` is above the maximum", "cpu is 8, and the maximum is 6"),
        (
            "hard = { pods = \"51\" }",
            "`resources.hard[\"pods\"]` is above the maximum",
            "pods is 51, and the maximum is 50",
        ),
        (
            "hard = { pods = \"9\" }",
            "`resources.hard[\"pods\"]` is below the minimum",
            "pods is 9, and the minimum is 10",
        ),
    ] {
        write(bounds, size);
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains(path) && refused.contains(expected), "{expected}: {refused}");
    }
    // What a group gives was fixed at the creation, as the rest of a size.
    write(&bounds.replace("\"50\"", "\"20\""), "hard = { secrets = \"80\" }");
    workspace.apply().assert_success();
    assert_eq!(hard(hosts.eu, "bound")["pods"], "50");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}

fn values(text: &str) -> String {
    format!("values = yamlencode({{ controlPlane = {{ {text} }} }})")
}

#[test]
fn a_control_plane_that_cannot_run_is_refused_by_the_plan() {
    let workspace = Workspace::on(host());
    let with = |more: &str| {
        workspace
            .virtual_cluster(&format!("name = \"crowded\"\nresources = {{ cpu = \"3\", memory = \"3Gi\" }}\n{more}"))
    };
    let three = "statefulSet = { highAvailability = { replicas = 3 } }";
    with(&format!("count_limits = true\n{}", values(three)));
    let refused = workspace.try_plan().0.assert_failure();
    for expected in
        ["cannot run within its size", "limits.cpu: 3.2, and the size has 3", "3 pods of StatefulSet crowded: 3"]
    {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    with(&values(three));
    workspace.plan();
    with(&values("statefulSet = { resources = { requests = { cpu = \"2700m\" } , limits = { cpu = \"3\" } } }"));
    let (run, _) = workspace.try_plan();
    run.assert_success();
    assert!(run.warnings().contains("requests.cpu: 2.72 of 3, which leaves 280m"), "{}", run.warnings());
}

#[test]
fn a_group_is_not_given_values_with_which_a_member_could_not_run() {
    let hosts = Hosts::alone();
    let workspace = hosts.workspace();
    let write = |more: &str| {
        let member = member("small", "careful", &format!("host_cluster = \"eu-1\"\n{}", referring("careful")));
        workspace.write(&[group("careful", more), member].concat());
    };
    write("");
    workspace.apply().assert_success();
    write(&values("statefulSet = { resources = { limits = { memory = \"6Gi\" } } }"));
    let refused = workspace.try_plan().0.assert_failure();
    for expected in [
        "With this change of cluster group \"careful\" control planes could not run.",
        "eu-1/vcluster-small/small:",
        "container syncer: 6Gi of memory, and the size has 4Gi",
    ] {
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    write(&values("statefulSet = { resources = { limits = { memory = \"2Gi\" } } }"));
    workspace.apply().assert_success();
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    hosts.assert_empty();
}
