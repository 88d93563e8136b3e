//! What is no drift: ordinary life on a host, and what others may do beside us. No plan shows any of it.

use serde_json::{Value, json};

use super::table::{check, quiet};
use super::target::{ACCOUNT, CONFIG, LIMITS, QUOTA, ROLE, SERVICE, SET, Target, all_objects, create};

/// Values of the same meaning as the API server's own spelling, which is another one.
const SPELLINGS: &str = "resources = { cpu = \"4000m\", memory = \"4096Mi\", storage = \"2048Mi\" }
values = <<-EOT
  controlPlane:
    statefulSet:
      resources:
        requests: { cpu: 0.25, memory: 1024Mi }
        limits: { cpu: \"1500m\", memory: 2e9 }
      env:
        - { name: EMPTY, value: \"\" }
        - { name: BARE }
      scheduling:
        tolerations: [{ key: a, operator: Exists, effect: \"\" }]
    service:
      spec: { externalTrafficPolicy: Cluster, loadBalancerSourceRanges: [] }
  rbac:
    role: { extraRules: [{ apiGroups: [\"\"], resources: [pods], verbs: [get], resourceNames: [] }] }
EOT";

#[test]
fn ordinary_life_on_a_host_shows_in_no_plan() {
    check(&[
        quiet("nothing-happens", |_| ()),
        quiet("spelled-otherwise", |vc| {
            vc.merge(
                QUOTA,
                "kubectl-edit",
                json!({"spec": {"hard": {"requests.cpu": "4000m", "requests.memory": "4096Mi"}}}),
            );
            vc.apply(
                QUOTA,
                "argocd-controller",
                json!({"spec": {"hard": {"requests.memory": "4194304Ki", "requests.storage": "2147483648"}}}),
            );
        }),
        quiet("spelled-otherwise-by-us", |_| ()).with(SPELLINGS),
        quiet("spelled-otherwise-by-us-and-wiped", |vc| each_object(vc, wipe)).with(SPELLINGS),
        quiet("taken-over", |vc| each_object(vc, |vc, object| vc.take(object, "argocd-controller", |_| ()))),
        quiet("written-again", |vc| each_object(vc, |vc, object| vc.replace(object, "kubectl-replace", |_| ()))),
        quiet("decorated", |vc| each_object(vc, decorate)),
        quiet("owned", own_everything),
        quiet("reported-on", |vc| {
            vc.status(SERVICE, json!({"loadBalancer": vc.get(SERVICE)["status"]["loadBalancer"], "conditions": []}));
            vc.status(QUOTA, json!({"used": {"requests.cpu": "3"}}));
            vc.status(SET, json!({"collisionCount": 3}));
        }),
        quiet("seen-by-vcluster", |vc| {
            vc.merge(
                SERVICE,
                "vcluster",
                json!({"metadata": {"annotations": {"vcluster.loft.sh/service-cidr": "10.96.0.0/16"}}}),
            );
        }),
        quiet("given-credentials", |vc| {
            let credentials = json!({"secrets": [{"name": "token"}], "imagePullSecrets": [{"name": "pull"}]});
            vc.merge(ACCOUNT, "openshift-controller-manager", credentials);
        }),
        quiet("rotated-certificates", |vc| {
            let annotations = json!({"vcluster.loft.sh/cert-rotation-at": "2026-11-29T14:00:00Z"});
            vc.merge(SET, "vcluster", json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}));
        }),
        quiet("restarted", |vc| vc.kubectl("rollout restart statefulset %")),
        quiet("restarted-deployment", |vc| vc.kubectl("rollout restart deployment %"))
            .with("resources = { storage = \"0\" }"),
        quiet("paused-and-resumed", |vc| {
            vc.pause_as_the_cli();
            vc.resume_as_the_cli();
        }),
        quiet("there-and-back", |vc| {
            vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "100", "services": "3"}}}));
            vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "4", "services": null}}}));
            vc.apply(ROLE, "admin-script", json!({"rules": []}));
            vc.merge(ROLE, "kubectl-edit", json!({"rules": rules_of(vc)}));
            vc.kubectl("scale statefulset % --replicas 2");
            vc.kubectl("scale statefulset % --replicas 1");
            vc.kubectl("set env statefulset/% --containers=syncer EXTRA=1");
            vc.kubectl("set env statefulset/% --containers=syncer EXTRA-");
        }),
        quiet("on-node-ports", |_| ()).with("endpoint_type = \"NodePort\""),
        quiet("by-ingress", |vc| {
            let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}});
            vc.status("Ingress vcluster-%/%", address);
        })
        .with("endpoint_type = \"Ingress\"\nhost_dns = \"*.quiet.example.com\""),
        quiet("of-another-chart", |vc| each_object(vc, wipe)).with("chart = CHART"),
        quiet("namespace-relabelled", |vc| {
            let labels =
                json!({"nested-clusters.io/virtual-cluster": null, "pod-security.kubernetes.io/warn": "baseline"});
            vc.cluster.patch(&vc.object("/api/v1/namespaces/vcluster-%"), json!({"metadata": {"labels": labels}}));
        }),
    ]);
}

/// Does something with every object of the virtual cluster.
fn each_object(vc: &Target<'_>, act: fn(&Target<'_>, &str)) {
    let objects = all_objects(vc.cluster);
    let ours = objects
        .iter()
        .filter(|(_, object)| object["metadata"]["labels"]["nested-clusters.io/virtual-cluster"] == vc.name);
    let names: Vec<&String> = ours.map(|(name, _)| name).collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        act(vc, name);
    }
}

/// Makes the API server forget who wrote the object.
fn wipe(vc: &Target<'_>, object: &str) {
    vc.merge(object, "kubectl-edit", json!({"metadata": {"managedFields": [{}]}}));
}

/// Adds what anybody may add to the metadata of an object.
fn decorate(vc: &Target<'_>, object: &str) {
    let metadata = json!({
        "labels": {"cost-center": "4711", "vcluster.loft.sh/managed-by": vc.name},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "backup": "yes"},
        "finalizers": ["example.com/backup"],
    });
    vc.merge(object, "backup-operator", json!({"metadata": metadata}));
}

fn own_everything(vc: &Target<'_>) {
    let owner = json!({"metadata": {"name": "owner", "namespace": vc.object("vcluster-%")}});
    let owner = vc.cluster.create(&vc.object("/api/v1/namespaces/vcluster-%/configmaps"), owner);
    for object in [QUOTA, LIMITS, SET, SERVICE, CONFIG, ROLE] {
        let reference =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]});
        vc.merge(object, "inventory", json!({"metadata": {"ownerReferences": [reference]}}));
    }
}

/// The rules that a Role had before somebody emptied it: those of a virtual cluster beside it.
fn rules_of(vc: &Target<'_>) -> Value {
    let beside = Target { name: "nothing-happens", ..*vc };
    beside.get(ROLE)["rules"].clone()
}

#[test]
fn what_others_wrote_survives_a_change_by_us() {
    let (workspace, vc) = create("shared-objects", "");
    each_object(&vc, decorate);
    each_object(&vc, |vc, object| vc.take(object, "argocd-controller", |_| ()));
    workspace.virtual_cluster("name = \"shared-objects\"\nlabels = { team = \"a\" }\nresources = { cpu = \"5\" }");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    each_object(&vc, |vc, object| {
        let metadata = vc.get(object)["metadata"].clone();
        assert_eq!(metadata["labels"]["cost-center"], "4711", "{object}");
        assert_eq!(metadata["labels"]["team"], "a", "{object}");
        assert_eq!(metadata["annotations"]["backup"], "yes", "{object}");
        assert_eq!(metadata["finalizers"], json!(["example.com/backup"]), "{object}");
        vc.merge(object, "backup-operator", json!({"metadata": {"finalizers": null}}));
    });
    assert_eq!(vc.get(QUOTA)["spec"]["hard"]["requests.cpu"], "5");
}

#[test]
fn a_change_by_us_after_somebody_wiped_who_wrote_what_leaves_no_drift() {
    let (workspace, vc) = create("forgetful", "");
    each_object(&vc, wipe);
    workspace.plan().assert_quiet();
    workspace.virtual_cluster("name = \"forgetful\"\nlabels = { team = \"a\" }");
    workspace.apply().assert_success();
    workspace.plan().assert_quiet();
    // What comes afterwards is seen.
    vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"services": "3"}}}));
    let change = workspace.plan().change(support::workspace::THIS).clone();
    assert_eq!(change["before"]["drift"][0]["field"], "spec.hard.services", "{}", change["before"]["drift"]);
}
