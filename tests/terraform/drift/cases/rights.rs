//! Rights of the control plane on its host, its accounts, and its configuration, which is a Secret.

use serde_json::json;

use crate::drift::entries::Shown::{Before, Since};
use crate::drift::entries::{added, changed, missing, remade, removed};
use crate::drift::table::{Case, case};
use crate::drift::target::{ACCOUNT, BINDING, CLUSTER_BINDING, CLUSTER_ROLE, CONFIG, ROLE};

const HIDDEN: &str = "(sensitive)";
/// Makes the chart render a ClusterRole.
const SEES_NODES: &str = "values = yamlencode({ sync = { fromHost = { nodes = { enabled = true } } } })";

pub fn cases() -> Vec<Case> {
    let mut cases = in_the_namespace();
    cases.extend(in_the_cluster());
    cases.extend(accounts());
    cases.extend(configuration());
    cases
}

fn in_the_namespace() -> Vec<Case> {
    let rules = || [changed(ROLE, "rules", Before("/rules"), Since("/rules"))];
    vec![
        case(
            "role-widened",
            |vc| vc.add(ROLE, "/rules/-", json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})),
            rules(),
        ),
        case(
            "role-flooded",
            |vc| {
                let names: Vec<String> = (0..500).map(|number| format!("name-{number}")).collect();
                let rule = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": names});
                vc.add(ROLE, "/rules/0", rule);
            },
            rules(),
        ),
        case("role-verb-added", |vc| vc.add(ROLE, "/rules/1/verbs/-", json!("*")), rules()),
        case("role-rule-removed", |vc| vc.remove(ROLE, "/rules/0"), rules()),
        case(
            "role-emptied",
            |vc| vc.merge(ROLE, "kubectl-edit", json!({"rules": null})),
            [removed(ROLE, "rules", Before("/rules"))],
        ),
        case(
            "users-rule-removed",
            |vc| {
                let last = vc.get(ROLE)["rules"].as_array().unwrap().len() - 1;
                vc.remove(ROLE, &format!("/rules/{last}"));
            },
            [changed(ROLE, "rules", "(sensitive)", "(sensitive)")],
        )
        .with(
            "values = yamlencode({ rbac = { role = { extraRules = [{ apiGroups = [\"batch\"], resources = [\"jobs\"], \
             verbs = [\"get\"] }] } } })\nallow_unsafe_values = true",
        ),
        case("role-deleted", |vc| vc.kubectl("delete role vc-%"), [missing(ROLE)]),
        case(
            "binding-subject-added",
            |vc| vc.add(BINDING, "/subjects/-", json!({"kind": "User", "name": "mallory"})),
            [changed(BINDING, "subjects", Before("/subjects"), Since("/subjects"))],
        ),
        case(
            "binding-emptied",
            |vc| vc.remove(BINDING, "/subjects"),
            [removed(BINDING, "subjects", Before("/subjects"))],
        ),
        // A binding's role never changes: who points it elsewhere makes another one of that name.
        case(
            "binding-pointed-elsewhere",
            |vc| vc.remake(BINDING, "kubectl-create", |binding| binding["roleRef"]["name"] = json!("admin")),
            [remade(BINDING), changed(BINDING, "roleRef", Before("/roleRef"), Since("/roleRef"))],
        ),
        case("binding-deleted", |vc| vc.delete(BINDING), [missing(BINDING)]),
    ]
}

fn in_the_cluster() -> Vec<Case> {
    let cases = [
        case(
            "cluster-role-widened",
            |vc| {
                let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
                vc.apply(CLUSTER_ROLE, "admin-script", json!({"rules": all}));
            },
            [changed(
                CLUSTER_ROLE,
                "rules",
                Before("/rules"),
                r#"[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]"#,
            )],
        ),
        case("cluster-role-deleted", |vc| vc.delete(CLUSTER_ROLE), [missing(CLUSTER_ROLE)]),
        case(
            "cluster-binding-shared",
            |vc| vc.add(CLUSTER_BINDING, "/subjects/-", json!({"kind": "Group", "name": "system:authenticated"})),
            [changed(CLUSTER_BINDING, "subjects", Before("/subjects"), Since("/subjects"))],
        ),
        case(
            "cluster-binding-elsewhere",
            |vc| vc.remake(CLUSTER_BINDING, "kubectl-create", |binding| binding["roleRef"]["name"] = json!("view")),
            [remade(CLUSTER_BINDING), changed(CLUSTER_BINDING, "roleRef", Before("/roleRef"), Since("/roleRef"))],
        ),
        case("cluster-binding-deleted", |vc| vc.delete(CLUSTER_BINDING), [missing(CLUSTER_BINDING)]),
    ];
    cases.into_iter().map(|case| case.with(SEES_NODES)).collect()
}

fn accounts() -> Vec<Case> {
    vec![
        case("account-deleted", |vc| vc.kubectl("delete serviceaccount vc-%"), [missing(ACCOUNT)]),
        // What controllers add there is no drift; what was applied has to stay.
        case(
            "account-pulls-otherwise",
            |vc| vc.merge(ACCOUNT, "kubectl-edit", json!({"imagePullSecrets": [{"name": "other"}]})),
            [changed(ACCOUNT, "imagePullSecrets", "(sensitive)", "(sensitive)")],
        )
        .with(
            "values = yamlencode({ controlPlane = { advanced = { serviceAccount = { imagePullSecrets = [{ name = \
             \"mine\" }] } } } })",
        ),
        case(
            "account-without-token",
            |vc| vc.apply(ACCOUNT, "hardening", json!({"automountServiceAccountToken": false})),
            [added(ACCOUNT, "automountServiceAccountToken", "false")],
        ),
    ]
}

fn configuration() -> Vec<Case> {
    vec![
        case(
            "config-changed",
            |vc| vc.merge(CONFIG, "kubectl-edit", json!({"stringData": {"config.yaml": "sync: {}"}})),
            [changed(CONFIG, "data[\"config.yaml\"]", HIDDEN, HIDDEN)],
        ),
        case(
            "config-key-added",
            |vc| vc.add(CONFIG, "/data/more", json!("c2VjcmV0")),
            [added(CONFIG, "data.more", HIDDEN)],
        ),
        case(
            "config-key-renamed",
            |vc| {
                vc.replace(CONFIG, "kubectl-replace", |config| {
                    config["data"] = json!({"vcluster.yaml": config["data"]["config.yaml"]});
                });
            },
            [added(CONFIG, "data[\"vcluster.yaml\"]", HIDDEN), removed(CONFIG, "data[\"config.yaml\"]", HIDDEN)],
        ),
        // What is immutable from then on can only be made anew.
        case(
            "config-frozen",
            |vc| vc.merge(CONFIG, "kubectl-edit", json!({"immutable": true})),
            [added(CONFIG, "immutable", "true")],
        ),
        case(
            "config-changed-and-frozen",
            |vc| vc.merge(CONFIG, "kubectl-edit", json!({"immutable": true, "data": {"more": "c2VjcmV0"}})),
            [added(CONFIG, "data.more", HIDDEN), added(CONFIG, "immutable", "true")],
        ),
        case("config-deleted", |vc| vc.delete(CONFIG), [missing(CONFIG)]),
    ]
}
