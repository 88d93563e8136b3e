//! Objects that another chart renders, of kinds that vCluster's does not have, one of them a custom resource.

use serde_json::json;

use crate::drift::entries::Shown::{Before, Since};
use crate::drift::entries::{added, changed, missing, removed};
use crate::drift::table::{Case, case};

const SETTINGS: &str = "ConfigMap vcluster-%/settings";
const WALLS: &str = "NetworkPolicy vcluster-%/walls";
const BUDGET: &str = "PodDisruptionBudget vcluster-%/budget";
const GADGET: &str = "Widget vcluster-%/gadget";

pub fn cases() -> Vec<Case> {
    let cases = [
        case("chart-object-removed", |vc| vc.kubectl("delete configmap settings"), [missing(SETTINGS)]),
        case(
            "chart-object-changed",
            |vc| {
                vc.merge(SETTINGS, "kubectl-edit", json!({"data": {"color": "red", "size": null, "shape": "round"}}));
                vc.add(SETTINGS, "/binaryData", json!({"blob": "AAAA"}));
            },
            [
                added(SETTINGS, "binaryData", r#"{"blob":"AAAA"}"#),
                changed(SETTINGS, "data.color", "blue", "red"),
                added(SETTINGS, "data.shape", "round"),
                removed(SETTINGS, "data.size", "4"),
            ],
        ),
        // A quantity only where Kubernetes reads it as one.
        case(
            "chart-object-respelt",
            |vc| vc.merge(SETTINGS, "kubectl-edit", json!({"data": {"max": "1000m"}})),
            [changed(SETTINGS, "data.max", "1", "1000m")],
        ),
        case(
            "walls-opened",
            |vc| vc.add(WALLS, "/spec/ingress/-", json!({})),
            [changed(WALLS, "spec.ingress", Before("/spec/ingress"), Since("/spec/ingress"))],
        ),
        case(
            "budget-loosened",
            |vc| vc.set(BUDGET, "/spec/minAvailable", json!(0)),
            [changed(BUDGET, "spec.minAvailable", "1", "0")],
        ),
        case(
            "gadget-changed",
            |vc| {
                vc.merge(
                    GADGET,
                    "kubectl-edit",
                    json!({"spec": {"color": "red", "sizes": [1, 2, 3], "parts": {"wheel": 3, "bell": 1}}}),
                );
            },
            [
                changed(GADGET, "spec.color", "blue", "red"),
                added(GADGET, "spec.parts.bell", "1"),
                changed(GADGET, "spec.parts.wheel", "4", "3"),
                changed(GADGET, "spec.sizes", "[1,2]", "[1,2,3]"),
            ],
        ),
        case("gadget-deleted", |vc| vc.delete(GADGET), [missing(GADGET)]),
    ];
    cases.into_iter().map(|case| case.with("chart = CHART")).collect()
}
