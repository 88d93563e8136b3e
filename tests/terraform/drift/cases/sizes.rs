//! Quotas and limits by which the host enforces the size.

use serde_json::json;

use crate::drift::entries::Shown::{Before, Since};
use crate::drift::entries::{added, changed, missing, remade, removed};
use crate::drift::table::{Case, case};
use crate::drift::target::{LIMITS, QUOTA};

pub fn cases() -> Vec<Case> {
    vec![
        case(
            "quota-raised",
            |vc| vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": {"requests.cpu": "100"}}})),
            [changed(QUOTA, "spec.hard[\"requests.cpu\"]", "4", "100")],
        ),
        case(
            "quota-lowered",
            |vc| vc.set(QUOTA, "/spec/hard/requests.memory", json!("3.5Gi")),
            // As the API server writes it.
            [changed(QUOTA, "spec.hard[\"requests.memory\"]", "4Gi", "3584Mi")],
        ),
        case(
            "quota-key-removed",
            |vc| vc.remove(QUOTA, "/spec/hard/requests.storage"),
            [removed(QUOTA, "spec.hard[\"requests.storage\"]", "2Gi")],
        ),
        case(
            "quota-keys-added",
            |vc| {
                let more = json!({"spec": {"hard": {"services": "3", "count/configmaps": "70"}}});
                vc.apply(QUOTA, "quota-operator", more);
            },
            [added(QUOTA, "spec.hard.services", "3"), added(QUOTA, "spec.hard[\"count/configmaps\"]", "70")],
        ),
        case(
            "quota-replaced",
            |vc| {
                vc.replace(QUOTA, "kubectl-replace", |quota| {
                    let hard = quota["spec"]["hard"].as_object_mut().unwrap();
                    hard.remove("requests.memory");
                    hard.remove("requests.storage");
                    hard.insert("services".to_owned(), json!("9"));
                });
            },
            [
                added(QUOTA, "spec.hard.services", "9"),
                removed(QUOTA, "spec.hard[\"requests.memory\"]", "4Gi"),
                removed(QUOTA, "spec.hard[\"requests.storage\"]", "2Gi"),
            ],
        ),
        case(
            "quota-emptied",
            |vc| vc.merge(QUOTA, "kubectl-edit", json!({"spec": {"hard": null}})),
            [removed(QUOTA, "spec.hard", Before("/spec/hard"))],
        ),
        // Scopes never change: who wants some makes another quota of that name.
        case(
            "quota-scoped",
            |vc| {
                vc.remake(QUOTA, "kubectl-create", |quota| {
                    quota["spec"] =
                        json!({"scopes": ["NotTerminating"], "hard": {"limits.cpu": "4", "limits.memory": "4Gi"}});
                });
            },
            [
                remade(QUOTA),
                removed(QUOTA, "spec.hard[\"requests.cpu\"]", "4"),
                removed(QUOTA, "spec.hard[\"requests.memory\"]", "4Gi"),
                removed(QUOTA, "spec.hard[\"requests.storage\"]", "2Gi"),
                added(QUOTA, "spec.scopes", r#"["NotTerminating"]"#),
            ],
        )
        // By which a quota counts only what scopes know.
        .with("mapping_version = 1"),
        case("quota-deleted", |vc| vc.kubectl("delete resourcequota vc-%"), [missing(QUOTA)]),
        case(
            "limits-default-changed",
            |vc| vc.set(LIMITS, "/spec/limits/0/default/cpu", json!("2")),
            [changed(LIMITS, "spec.limits", Before("/spec/limits"), Since("/spec/limits"))],
        ),
        case(
            "limits-item-added",
            |vc| vc.add(LIMITS, "/spec/limits/-", json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}})),
            [changed(LIMITS, "spec.limits", Before("/spec/limits"), Since("/spec/limits"))],
        ),
        case("limits-deleted", |vc| vc.delete(LIMITS), [missing(LIMITS)]),
    ]
}
