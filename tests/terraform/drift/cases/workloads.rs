//! The workload that runs the control plane, its pods aside: replicas, strategies, and the object as a whole.

use serde_json::json;

use crate::drift::entries::{added, changed, missing, remade};
use crate::drift::table::{Case, case};
use crate::drift::target::{DEPLOYMENT, SET};

/// Without storage the control plane is a Deployment.
const NO_STORAGE: &str = "resources = { storage = \"0\" }";

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "scaled-up",
            |vc| vc.kubectl("scale statefulset % --replicas 2"),
            [changed(SET, "spec.replicas", "1", "2")],
        ),
        case(
            "scaled-to-zero",
            |vc| vc.merge(SET, "kubectl-edit", json!({"spec": {"replicas": 0}})),
            [changed(SET, "spec.replicas", "1", "0")],
        ),
        case("autoscaled", |vc| vc.scale(SET, 3), [changed(SET, "spec.replicas", "1", "3")]),
        case(
            "half-paused",
            |vc| vc.kubectl("annotate statefulset % loft.sh/paused=true"),
            [added(SET, "metadata.annotations[\"loft.sh/paused\"]", "true")],
        ),
        case(
            "strategy-changed",
            |vc| {
                let by_hand = json!({"type": "OnDelete", "rollingUpdate": null});
                vc.merge(SET, "kubectl-edit", json!({"spec": {"updateStrategy": by_hand}}));
            },
            [changed(SET, "spec.updateStrategy.type", "RollingUpdate", "OnDelete")],
        ),
        case(
            "volumes-not-kept",
            |vc| vc.set(SET, "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted", json!("Delete")),
            [changed(SET, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "Retain", "Delete")],
        ),
        case(
            "slowed-down",
            |vc| vc.apply(SET, "kubectl", json!({"spec": {"minReadySeconds": 5}})),
            [added(SET, "spec.minReadySeconds", "5")],
        ),
        case("set-deleted", |vc| vc.kubectl("delete statefulset %"), [missing(SET)]),
        case("set-orphaned", |vc| vc.kubectl("delete statefulset % --cascade=orphan"), [missing(SET)]),
        case(
            "set-remade",
            |vc| {
                vc.remake(SET, "helm", |set| {
                    set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("example.com/other:1");
                });
            },
            [
                remade(SET),
                changed(
                    SET,
                    "spec.template.spec.containers[name=syncer].image",
                    "ghcr.io/loft-sh/vcluster-pro:0.34.7",
                    "example.com/other:1",
                ),
            ],
        ),
        // Neither can be changed back.
        case(
            "set-remade-for-good",
            |vc| {
                vc.remake(SET, "helm", |set| {
                    set["spec"]["serviceName"] = json!("other");
                    set["spec"]["podManagementPolicy"] = json!("OrderedReady");
                });
            },
            [
                remade(SET),
                changed(SET, "spec.podManagementPolicy", "Parallel", "OrderedReady"),
                changed(SET, "spec.serviceName", "%-headless", "other"),
            ],
        ),
        case(
            "deployment-scaled",
            |vc| vc.kubectl("scale deployment % --replicas 2"),
            [changed(DEPLOYMENT, "spec.replicas", "1", "2")],
        )
        .with(NO_STORAGE),
        case(
            "deployment-held",
            |vc| vc.kubectl("rollout pause deployment %"),
            [added(DEPLOYMENT, "spec.paused", "true")],
        )
        .with(NO_STORAGE),
        case(
            "deployment-surge",
            |vc| vc.set(DEPLOYMENT, "/spec/strategy/rollingUpdate/maxUnavailable", json!(1)),
            [changed(DEPLOYMENT, "spec.strategy.rollingUpdate.maxUnavailable", "0", "1")],
        )
        .with(NO_STORAGE),
        case("deployment-deleted", |vc| vc.delete(DEPLOYMENT), [missing(DEPLOYMENT)]).with(NO_STORAGE),
    ]
}
