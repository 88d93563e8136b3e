//! Labels and annotations that say whose an object is, and attempts to take an object over.

use serde_json::json;

use crate::drift::entries::Shown::Since;
use crate::drift::entries::{added, changed, missing, removed};
use crate::drift::table::{Case, case};
use crate::drift::target::{ACCOUNT, CLUSTER_ROLE, CONFIG, HEADLESS, LIMITS, QUOTA, ROLE, SERVICE, SET};

const LABEL: &str = "metadata.labels[\"nested-clusters.io/virtual-cluster\"]";
/// Our own field manager.
const US: &str = "terraform-provider-nested";
const OF_A_TEAM: &str = "labels = { team = \"a\" }\nannotations = { note = \"ours\" }";

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "label-removed",
            |vc| vc.kubectl("label role vc-% nested-clusters.io/virtual-cluster-"),
            [removed(ROLE, LABEL, "%")],
        ),
        case(
            "label-removed-in-the-cluster",
            |vc| {
                vc.kubectl("label clusterrole vc-%-v-vcluster-% nested-clusters.io/virtual-cluster- app-");
            },
            [removed(CLUSTER_ROLE, LABEL, "%"), removed(CLUSTER_ROLE, "metadata.labels.app", "vcluster")],
        )
        .with("values = yamlencode({ sync = { fromHost = { nodes = { enabled = true } } } })"),
        case(
            "labels-stripped",
            |vc| vc.merge(LIMITS, "kubectl-edit", json!({"metadata": {"labels": null}})),
            [
                removed(LIMITS, LABEL, "%"),
                removed(LIMITS, "metadata.labels[\"app.kubernetes.io/managed-by\"]", "terraform-provider-nested"),
            ],
        ),
        // As vCluster labels what it makes for tenants.
        case(
            "labelled-as-a-tenants",
            |vc| {
                let labels = json!({"vcluster.loft.sh/managed-by": vc.name});
                let change = json!({"metadata": {"labels": labels}, "spec": {"hard": {"requests.cpu": "64"}}});
                vc.merge(QUOTA, "vcluster", change);
            },
            [changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64")],
        ),
        case(
            "label-given-away",
            |vc| vc.kubectl("label --overwrite statefulset % nested-clusters.io/virtual-cluster=quota-raised"),
            [changed(SET, LABEL, "%", "quota-raised")],
        ),
        case(
            "label-of-helm",
            |vc| vc.merge(SERVICE, "helm", json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})),
            [changed(
                SERVICE,
                "metadata.labels[\"app.kubernetes.io/managed-by\"]",
                "terraform-provider-nested",
                "Helm",
            )],
        ),
        case(
            "users-label-changed",
            |vc| vc.merge(ACCOUNT, "kubectl-label", json!({"metadata": {"labels": {"team": "b"}}})),
            [changed(ACCOUNT, "metadata.labels.team", "a", "b")],
        )
        .with(OF_A_TEAM),
        case(
            "users-label-removed",
            |vc| vc.remove(QUOTA, "/metadata/labels/team"),
            [removed(QUOTA, "metadata.labels.team", "a")],
        )
        .with(OF_A_TEAM),
        case(
            "users-annotation-changed",
            |vc| vc.kubectl("annotate --overwrite limitrange vc-% note=theirs"),
            [changed(LIMITS, "metadata.annotations.note", "ours", "theirs")],
        )
        .with(OF_A_TEAM),
        case(
            "users-annotation-removed",
            |vc| vc.kubectl("annotate service %-headless note-"),
            [removed(HEADLESS, "metadata.annotations.note", "ours")],
        )
        .with(OF_A_TEAM),
        case(
            "taken-over-with-a-change",
            |vc| vc.take(QUOTA, "argocd-controller", |quota| quota["spec"]["hard"]["requests.memory"] = json!("64Gi")),
            [changed(QUOTA, "spec.hard[\"requests.memory\"]", "4Gi", "64Gi")],
        ),
        case(
            "set-taken-over-with-a-change",
            |vc| {
                vc.take(SET, "argocd-controller", |set| {
                    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/other:1");
                });
            },
            [changed(
                SET,
                "spec.template.spec.containers[name=syncer].image",
                "ghcr.io/loft-sh/vcluster-pro:0.34.7",
                "example.com/other:1",
            )],
        ),
        // Whoever changes an object may also wipe who wrote it.
        case(
            "traces-wiped",
            |vc| {
                let wiped = json!({"metadata": {"managedFields": [{}]}, "spec": {"hard": {"requests.cpu": "64"}}});
                vc.merge(QUOTA, "kubectl-edit", wiped);
            },
            [changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64")],
        ),
        case(
            "traces-wiped-of-a-sidecar",
            |vc| {
                let sidecar = json!({"name": "sidecar", "image": "example.com/sidecar:1"});
                vc.json_patch(
                    SET,
                    json!([
                        {"op": "add", "path": "/spec/template/spec/containers/-", "value": sidecar},
                        {"op": "replace", "path": "/metadata/managedFields", "value": [{}]},
                    ]),
                );
            },
            [added(SET, "spec.template.spec.containers[name=sidecar]", Since("/spec/template/spec/containers/1"))],
        ),
        case(
            "traces-wiped-and-written-again",
            |vc| {
                vc.json_patch(
                    QUOTA,
                    json!([
                        {"op": "add", "path": "/spec/hard/services", "value": "9"},
                        {"op": "replace", "path": "/metadata/managedFields", "value": [{}]},
                    ]),
                );
                vc.apply(QUOTA, "labeller", json!({"metadata": {"annotations": {"vcluster.loft.sh/note": "1"}}}));
            },
            [added(QUOTA, "spec.hard.services", "9")],
        ),
        case(
            "changed-in-our-name",
            |vc| vc.merge(QUOTA, US, json!({"spec": {"hard": {"requests.cpu": "64", "services": "9"}}})),
            [added(QUOTA, "spec.hard.services", "9"), changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64")],
        ),
        case(
            "applied-in-our-name",
            |vc| vc.take(QUOTA, US, |quota| quota["spec"]["hard"]["requests.cpu"] = json!("64")),
            [changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64")],
        ),
        case(
            "several-at-once",
            |vc| {
                vc.delete(LIMITS);
                vc.delete(CONFIG);
                vc.merge(
                    QUOTA,
                    "kubectl-edit",
                    json!({"spec": {"hard": {"requests.cpu": "64", "requests.memory": "64Gi"}}}),
                );
                vc.kubectl("scale statefulset % --replicas 2");
            },
            [
                missing(LIMITS),
                missing(CONFIG),
                changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "64"),
                changed(QUOTA, "spec.hard[\"requests.memory\"]", "4Gi", "64Gi"),
                changed(SET, "spec.replicas", "1", "2"),
            ],
        ),
    ]
}
