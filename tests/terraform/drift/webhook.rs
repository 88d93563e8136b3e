//! A mutating webhook on the host changes our objects whenever they are written, by us as well. That is no drift, and
//! hides none.

use serde_json::{Value, json};

use super::entries::{added, changed, missing};
use super::table::assert_drift;
use super::target::{ACCOUNT, LIMITS, QUOTA, SERVICE, SET, create};
use support::mutation::Mutation;
use support::roomy_host as host;
use support::workspace::THIS;

const MIRROR: &str = "mirror.example.com/";

/// What a policy engine may do: a label on everything; for workloads a sidecar, images from a mirror, a toleration and a
/// node selector; for Services an annotation, and a field of the spec; for accounts an image pull secret.
fn enforce(object: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    let mut put = |path: &str, value: Value| {
        if object.pointer(path) != Some(&value) {
            operations.push(json!({ "op": "add", "path": path, "value": value }));
        }
    };
    if object["metadata"]["labels"]["nested-clusters.io/virtual-cluster"].is_null() {
        return Vec::new();
    }
    put("/metadata/labels/policy", json!("enforced"));
    match object["kind"].as_str().unwrap_or_default() {
        "StatefulSet" => {
            let pod = &object["spec"]["template"]["spec"];
            for kind in ["containers", "initContainers"] {
                for (index, container) in pod[kind].as_array().into_iter().flatten().enumerate() {
                    let image = container["image"].as_str().unwrap().trim_start_matches(MIRROR);
                    put(&format!("/spec/template/spec/{kind}/{index}/image"), json!(format!("{MIRROR}{image}")));
                }
            }
            put("/spec/template/spec/nodeSelector", json!({"kubernetes.io/os": "linux"}));
            put("/spec/template/spec/tolerations", json!([{"operator": "Exists"}]));
            if !pod["containers"].as_array().unwrap().iter().any(|container| container["name"] == "proxy") {
                put(
                    "/spec/template/spec/containers/-",
                    json!({"name": "proxy", "image": "mirror.example.com/proxy:1"}),
                );
            }
        }
        "Service" => {
            put("/spec/internalTrafficPolicy", json!("Local"));
            if object["metadata"]["annotations"].is_null() {
                put("/metadata/annotations", json!({"balancer.example.com/internal": "true"}));
            }
        }
        "ServiceAccount" => put("/imagePullSecrets", json!([{"name": "mirror"}])),
        "LimitRange" => put("/spec/limits/0/maxLimitRequestRatio", json!({"cpu": "100"})),
        _ => {}
    }
    operations
}

#[test]
fn what_a_webhook_does_to_our_writes_is_no_drift_and_hides_none() {
    let webhook = Mutation::of(host(), "vcluster-policed", enforce);
    let (workspace, vc) = create("policed", "");
    assert!(webhook.changes() > 5, "{}", webhook.changes());
    let syncer = || vc.get(SET)["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(syncer(), "mirror.example.com/ghcr.io/loft-sh/vcluster-pro:0.34.7");
    assert_eq!(vc.get(LIMITS)["spec"]["limits"][0]["maxLimitRequestRatio"]["cpu"], "100");
    workspace.plan().assert_quiet();

    // A change by us: it is there again.
    workspace.virtual_cluster("name = \"policed\"\nlabels = { team = \"a\" }");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    assert_eq!(vc.get(SET)["metadata"]["labels"]["policy"], "enforced");

    // What others do is still seen, even where it has been through the webhook.
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "64"}}}));
    vc.kubectl("set image statefulset % syncer=example.com/other:1");
    vc.kubectl("set env statefulset/% --containers=syncer EXTRA=1");
    vc.merge(SERVICE, "kubectl-edit", json!({"spec": {"externalIPs": ["192.0.2.9"]}}));
    vc.delete(ACCOUNT);
    let plan = workspace.plan();
    assert_drift(
        &plan,
        vc.name,
        &[
            missing(ACCOUNT),
            changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64"),
            added(SERVICE, "spec.externalIPs", r#"["192.0.2.9"]"#),
            added(SET, "spec.template.spec.containers[name=syncer].env[name=EXTRA]", r#"{"name":"EXTRA","value":"1"}"#),
            changed(
                SET,
                "spec.template.spec.containers[name=syncer].image",
                "mirror.example.com/ghcr.io/loft-sh/vcluster-pro:0.34.7",
                "mirror.example.com/example.com/other:1",
            ),
        ],
    );
    assert_eq!(plan.changed(THIS), ["drift", "status"]);
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    assert_eq!(syncer(), "mirror.example.com/ghcr.io/loft-sh/vcluster-pro:0.34.7");
    assert_eq!(vc.get(QUOTA)["spec"]["hard"]["requests.cpu"], "4");

    // Gone, it leaves its traces, which nobody counts.
    drop(webhook);
    workspace.plan().assert_quiet();
    workspace.destroy().assert_success();
    host().assert_nothing_remains("vcluster-policed");
}

#[test]
fn what_a_webhook_brings_in_with_a_write_of_others_is_no_drift_either() {
    let (workspace, vc) = create("policed-later", "");
    let _webhook = Mutation::of(host(), "vcluster-policed-later", enforce);
    workspace.plan().assert_quiet();
    vc.kubectl("annotate statefulset % note=theirs");
    vc.kubectl("annotate service % note=theirs");
    vc.wait_until_ready();
    let containers = || vc.get(SET)["spec"]["template"]["spec"]["containers"].clone();
    assert_eq!(containers()[1]["name"], "proxy");
    workspace.plan().assert_quiet();

    // What they meant to change is seen, and the repair, which goes through the webhook, settles it.
    vc.kubectl("set env statefulset/% --containers=syncer EXTRA=1");
    let env = "spec.template.spec.containers[name=syncer].env[name=EXTRA]";
    assert_drift(&workspace.plan(), vc.name, &[added(SET, env, r#"{"name":"EXTRA","value":"1"}"#)]);
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    assert_eq!(containers()[0]["env"].as_array().unwrap().len(), 2);
    assert_eq!(containers()[1]["name"], "proxy");
}
