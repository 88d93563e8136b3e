//! Pods that stay in their box: the Pod Security Standard that the host enforces, and network policies.

use serde_json::{Value, json};

use crate::sharing::support::{group, member, referring};
use support::cluster::Cluster;
use support::host;
use support::workspace::Workspace;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

fn enforced(namespace: &str) -> Value {
    host().get(&format!("/api/v1/namespaces/{namespace}")).unwrap()["metadata"]["labels"][ENFORCE].clone()
}

/// What the host says to a pod whose container has this security context.
fn pod_on(host: &Cluster, namespace: &str, security: &Value) -> Result<Value, String> {
    let container = json!({"name": "a", "image": "a", "securityContext": security});
    let pod = json!({"metadata": {"generateName": "boxed-"}, "spec": {"containers": [container]}});
    host.try_create(&format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"), pod)
}

#[track_caller]
fn assert_refused(answer: Result<Value, String>) {
    let refused = answer.expect_err("the pod is admitted");
    assert!(refused.contains("violates PodSecurity"), "{refused}");
}

#[test]
fn the_host_refuses_privileged_pods_and_the_control_plane_runs_at_every_level() {
    let workspace = Workspace::on(host());
    let with = |more: &str| workspace.virtual_cluster(&format!("name = \"boxed\"\n{more}"));
    let namespace = "vcluster-boxed";
    with("");
    workspace.apply().assert_success();
    assert_eq!(workspace.this()["pod_security"], "baseline");
    assert_eq!(enforced(namespace), "baseline");
    assert_refused(pod_on(host(), namespace, &json!({"privileged": true})));
    pod_on(host(), namespace, &json!({"runAsUser": 0})).unwrap();
    workspace.plan().assert_quiet();

    with("pod_security = \"restricted\"");
    workspace.apply().assert_success();
    assert_eq!(workspace.this()["status"], "Running");
    assert_eq!(enforced(namespace), "restricted");
    assert_refused(pod_on(host(), namespace, &json!({"runAsUser": 0})));
    workspace.plan().assert_quiet();

    with("pod_security = \"privileged\"");
    workspace.apply().assert_success();
    assert_eq!(enforced(namespace), "privileged");
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_label_that_others_take_off_is_drift_and_is_put_back() {
    let workspace = Workspace::on(host());
    workspace.virtual_cluster("name = \"unboxed\"");
    workspace.apply().assert_success();
    for level in [Value::Null, json!("privileged")] {
        host().patch("/api/v1/namespaces/vcluster-unboxed", json!({"metadata": {"labels": {ENFORCE: level}}}));
        let plan = workspace.plan();
        let drift = &plan.change("nested_virtual_cluster.this")["before"]["drift"][0];
        assert_eq!(drift["object"], "Namespace vcluster-unboxed");
        assert_eq!((&drift["expected"], &drift["actual"]), (&json!("baseline"), &level));
        workspace.apply().assert_success();
        assert_eq!(enforced("vcluster-unboxed"), "baseline");
        workspace.plan().assert_quiet();
    }
    workspace.destroy().assert_success();
}

#[test]
fn values_cannot_say_otherwise() {
    let workspace = Workspace::on(host());
    let with = |values: &str| {
        let attributes = "name = \"contrary\"\npod_security = \"restricted\"\nnetwork_isolation = true";
        workspace.virtual_cluster(&format!("{attributes}\nvalues = yamlencode({{ {values} }})"));
        workspace.try_plan().0.assert_failure()
    };
    let refused = with("policies = { podSecurityStandard = \"privileged\" }");
    assert!(refused.contains("policies.podSecurityStandard"), "{refused}");
    let refused = with("policies = { networkPolicy = { enabled = false } }");
    assert!(refused.contains("policies.networkPolicy.enabled"), "{refused}");
    let refused =
        with("controlPlane = { statefulSet = { security = { containerSecurityContext = { runAsUser = 0 } } } }");
    assert!(refused.contains("containerSecurityContext.runAsUser"), "{refused}");
}

#[test]
fn what_a_group_says_its_virtual_clusters_do_not_weaken() {
    let workspace = Workspace::on(host());
    let with = |said: &str, attributes: &str| {
        let group = group("boxes", &format!("host_clusters = {{ {:?} = {{}} }}\n{said}", host().name));
        let attributes = format!("{}\n{attributes}", referring("boxes"));
        workspace.write(&(group + &member("in_a_box", "boxes", &attributes)));
    };
    let refused = |group: &str, member: &str, part: &str| {
        with(group, member);
        let refused = workspace.try_plan().0.assert_failure();
        assert!(refused.contains(part), "{refused}");
    };
    let strict = "pod_security = \"restricted\"\nnetwork_isolation = true";
    refused(strict, "pod_security = \"baseline\"", "`pod_security` is weaker than that of cluster group \"boxes\"");
    refused(strict, "network_isolation = false", "`network_isolation` is weaker than that of cluster group \"boxes\"");
    let open = "values = yamlencode({ policies = { networkPolicy = { workload = { egress = [{}] } } } })";
    refused(strict, open, "isolates its virtual clusters, which cannot change that");
    refused("pod_security = \"tight\"", "", "is not a Pod Security Standard");

    let namespace = "vcluster-in-a-box";
    with("", "pod_security = \"restricted\"");
    workspace.apply().assert_success();
    assert_eq!(enforced(namespace), "restricted");
    let policies = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
    assert_eq!(host().names(&policies), [""; 0]);
    with(strict, "");
    workspace.apply().assert_success();
    // What follows the group comes with the next plan of each virtual cluster.
    workspace.apply().assert_success();
    assert_eq!(enforced(namespace), "restricted");
    assert!(host().names(&policies).contains(&"vc-work-in-a-box".to_owned()));
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
}

#[test]
fn a_namespace_of_others_is_not_labelled_and_that_is_said() {
    let workspace = Workspace::on(host());
    host().create_namespace("found-box");
    workspace.virtual_cluster("name = \"guest\"\nnamespace = \"found-box\"");
    let applied = workspace.apply();
    applied.assert_success();
    assert!(
        applied.warnings().contains("Pod Security is not enforced in namespace found-box"),
        "{}",
        applied.warnings()
    );
    assert_eq!(enforced("found-box"), Value::Null);
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    host().remove("/api/v1/namespaces/found-box");
}
