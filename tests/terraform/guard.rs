//! What values may do, as a user meets it: in the plan, with the value that is at fault, and as the group allows.

use crate::sharing::support::{group, member, referring};
use support::host;
use support::workspace::Workspace;

const SIDECAR: &str = "controlPlane = { advanced = { defaultImageRegistry = \"evil.example.com\" } }";
const RULE: &str =
    "rbac = { role = { extraRules = [{ apiGroups = [\"batch\"], resources = [\"jobs\"], verbs = [\"get\"] }] } }";

fn values(text: &str) -> String {
    format!("values = yamlencode({{ {text} }})")
}

#[track_caller]
fn check_plan(workspace: &Workspace, parts: &[&str]) {
    let refused = workspace.try_plan().0.assert_failure();
    let refused = refused.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
    for part in parts {
        assert!(refused.contains(part), "{part:?} is not in {refused}");
    }
}

#[test]
fn a_plan_refuses_values_that_reach_out_and_names_object_field_and_value() {
    let workspace = Workspace::on(host());
    let with = |more: &str| workspace.virtual_cluster(&format!("name = \"guarded\"\n{more}"));
    let text =
        "high\\n---\\napiVersion: v1\\nkind: Secret\\nmetadata:\\n      name: evil\\n      namespace: kube-system";
    with(&values(&format!(
        "controlPlane = {{ statefulSet = {{ scheduling = {{ priorityClassName = \"{text}\" }} }} }}"
    )));
    check_plan(
        &workspace,
        &[
            "Secret kube-system/evil: the chart makes no such object by itself",
            "controlPlane.statefulSet.scheduling.priorityClassName",
        ],
    );
    with(&values(RULE));
    check_plan(
        &workspace,
        &["Role vcluster-guarded/vc-guarded, rules[", "rbac.role.extraRules", "allow_unsafe_values"],
    );
    with(&values(SIDECAR));
    check_plan(&workspace, &["\"evil.example.com/loft-sh/vcluster-pro:0.34.7\"", "image_registries"]);
    for label in ["rbac.authorization.k8s.io/aggregate-to-view", "pod-security.kubernetes.io/enforce"] {
        with(&format!("labels = {{ \"{label}\" = \"x\" }}"));
        check_plan(&workspace, &["is reserved"]);
    }
    with(&format!("{}\nallow_unsafe_values = true", values(RULE)));
    workspace.plan();
    with(&format!("{}\nimage_registries = [\"evil.example.com\"]", values(SIDECAR)));
    workspace.plan();
}

#[test]
fn a_group_says_what_its_virtual_clusters_may_set() {
    let workspace = Workspace::on(host());
    let with = |said: &str, attributes: &str| {
        let group = group("guarding", &format!("host_clusters = {{ {:?} = {{}} }}\n{said}", host().name));
        let attributes = format!("{}\n{attributes}", referring("guarding"));
        workspace.write(&(group + &member("member", "guarding", &attributes)));
    };
    let labels = values("controlPlane = { statefulSet = { labels = { team = \"a\" } } }");
    with("", &labels);
    workspace.plan();
    with("member_values = []", &labels);
    check_plan(
        &workspace,
        &["does not let its virtual clusters set this value", "controlPlane.statefulSet.labels.team"],
    );
    with("member_values = [\"controlPlane.statefulSet.labels\"]", &labels);
    workspace.plan();
    with("", &values(RULE));
    check_plan(&workspace, &["because values set rbac.role.extraRules", "Cluster group \"guarding\" can allow it"]);
    with("allow_unsafe_values = true", &values(RULE));
    check_plan(&workspace, &["because values set rbac.role.extraRules"]);
    with("allow_unsafe_values = true\nmember_values = [\"rbac\"]", &values(RULE));
    workspace.plan();
    with(&values(RULE), "");
    check_plan(&workspace, &["because the group's values set rbac.role.extraRules"]);
    with("", &format!("{}\nallow_unsafe_values = true", values(RULE)));
    check_plan(&workspace, &["`allow_unsafe_values` comes from the cluster group"]);
}

#[test]
fn text_in_values_does_not_look_at_the_host() {
    let workspace = Workspace::on(host());
    let looking = "{{ (lookup \\\"v1\\\" \\\"Namespace\\\" \\\"\\\" \\\"kube-system\\\").metadata.uid }}";
    let ingress =
        format!("controlPlane = {{ ingress = {{ enabled = true, spec = {{ ingressClassName = \"{looking}\" }} }} }}");
    workspace.virtual_cluster(&format!("name = \"looking-out\"\n{}", values(&ingress)));
    let refused = workspace.apply().assert_failure();
    assert!(refused.contains("a cluster is not looked at from within"), "{refused}");
    host().assert_nothing_remains("vcluster-looking-out");
}
