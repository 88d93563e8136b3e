//! The pods of the control plane: what runs in them, with which rights, and where.

use serde_json::json;

use crate::drift::entries::Shown::{Before, Since};
use crate::drift::entries::{added, changed, removed};
use crate::drift::table::{Case, case};
use crate::drift::target::{SET, Target};

const SPEC: &str = "/spec/template/spec";
const ANNOTATIONS: &str = "/spec/template/metadata/annotations";

fn add(vc: &Target<'_>, below: &str, value: serde_json::Value) {
    vc.add(SET, &format!("{SPEC}{below}"), value);
}

fn set(vc: &Target<'_>, below: &str, value: serde_json::Value) {
    vc.set(SET, &format!("{SPEC}{below}"), value);
}

fn remove(vc: &Target<'_>, below: &str) {
    vc.remove(SET, &format!("{SPEC}{below}"));
}

pub fn cases() -> Vec<Case> {
    let mut cases = containers();
    cases.extend(pods());
    cases
}

fn containers() -> Vec<Case> {
    vec![
        case(
            "image-changed",
            |vc| vc.kubectl("set image statefulset % syncer=example.com/other:1"),
            [changed(
                SET,
                "spec.template.spec.containers[name=syncer].image",
                "ghcr.io/loft-sh/vcluster-pro:0.34.7",
                "example.com/other:1",
            )],
        ),
        case(
            "init-image-changed",
            |vc| set(vc, "/initContainers/0/image", json!("example.com/other:1")),
            [changed(
                SET,
                "spec.template.spec.initContainers[name=kubernetes].image",
                "ghcr.io/loft-sh/kubernetes:v1.35.0",
                "example.com/other:1",
            )],
        ),
        case(
            "env-added",
            |vc| vc.kubectl("set env statefulset/% --containers=syncer EXTRA=1"),
            [added(SET, "spec.template.spec.containers[name=syncer].env[name=EXTRA]", r#"{"name":"EXTRA","value":"1"}"#)],
        ),
        case(
            "env-changed",
            |vc| vc.kubectl("set env statefulset/% --containers=syncer VCLUSTER_NAME=other"),
            [changed(SET, "spec.template.spec.containers[name=syncer].env[name=VCLUSTER_NAME].value", "%", "other")],
        ),
        case(
            "env-removed",
            |vc| vc.kubectl("set env statefulset/% --containers=syncer VCLUSTER_NAME-"),
            [removed(
                SET,
                "spec.template.spec.containers[name=syncer].env[name=VCLUSTER_NAME]",
                r#"{"name":"VCLUSTER_NAME","value":"%"}"#,
            )],
        ),
        case(
            "env-fixed",
            |vc| set(vc, "/containers/0/env/1", json!({"name": "POD_NAME", "value": "fixed"})),
            [
                added(SET, "spec.template.spec.containers[name=syncer].env[name=POD_NAME].value", "fixed"),
                removed(
                    SET,
                    "spec.template.spec.containers[name=syncer].env[name=POD_NAME].valueFrom",
                    Before("/spec/template/spec/containers/0/env/1/valueFrom"),
                ),
            ],
        ),
        // Of two of one name the last one counts.
        case(
            "env-overridden",
            |vc| add(vc, "/containers/0/env/-", json!({"name": "VCLUSTER_NAME", "value": "other"})),
            [added(
                SET,
                "spec.template.spec.containers[name=syncer].env[2]",
                r#"{"name":"VCLUSTER_NAME","value":"other"}"#,
            )],
        ),
        // Another order is a change where variables refer to others.
        case(
            "users-env-reordered",
            |vc| {
                let [from, path] = [0, 1].map(|place| format!("{SPEC}/containers/0/env/{place}"));
                vc.json_patch(SET, json!([{"op": "move", "from": from, "path": path}]));
            },
            [changed(
                SET,
                "spec.template.spec.containers[name=syncer].env",
                r#"["VCLUSTER_NAME","POD_NAME","BASE","OWN"]"#,
                r#"["POD_NAME","VCLUSTER_NAME","BASE","OWN"]"#,
            )],
        )
        .with(
            "values = yamlencode({ controlPlane = { statefulSet = { env = [{ name = \"BASE\", value = \"a\" }, \
             { name = \"OWN\", value = \"$(BASE)/b\" }] } } })",
        ),
        case(
            "users-env-changed",
            |vc| vc.kubectl("set env statefulset/% --containers=syncer OWN=other"),
            [changed(SET, "spec.template.spec.containers[name=syncer].env[name=OWN].value", "(sensitive)", "(sensitive)")],
        )
        .with(
            "values = yamlencode({ controlPlane = { statefulSet = { env = [{ name = \"OWN\", value = \"mine\" }] } } })",
        ),
        case(
            "command-changed",
            |vc| set(vc, "/initContainers/0/command", json!(["sh", "-c", "true"])),
            [changed(
                SET,
                "spec.template.spec.initContainers[name=kubernetes].command",
                r#"["cp","-r","/kubernetes/.","/binaries/"]"#,
                r#"["sh","-c","true"]"#,
            )],
        ),
        case(
            "args-added",
            |vc| add(vc, "/containers/0/args", json!(["--debug"])),
            [added(SET, "spec.template.spec.containers[name=syncer].args", r#"["--debug"]"#)],
        ),
        case(
            "limits-raised",
            |vc| vc.kubectl("set resources statefulset % --containers=syncer --limits=cpu=2"),
            [changed(SET, "spec.template.spec.containers[name=syncer].resources.limits.cpu", "1", "2")],
        ),
        case(
            "request-removed",
            |vc| remove(vc, "/containers/0/resources/requests/memory"),
            [removed(SET, "spec.template.spec.containers[name=syncer].resources.requests.memory", "512Mi")],
        ),
        case(
            "probe-removed",
            |vc| remove(vc, "/containers/0/readinessProbe"),
            [removed(
                SET,
                "spec.template.spec.containers[name=syncer].readinessProbe",
                Before("/spec/template/spec/containers/0/readinessProbe"),
            )],
        ),
        case(
            "probe-changed",
            |vc| set(vc, "/containers/0/readinessProbe/periodSeconds", json!(1)),
            [changed(SET, "spec.template.spec.containers[name=syncer].readinessProbe.periodSeconds", "2", "1")],
        ),
        case(
            "sidecar-added",
            |vc| add(vc, "/containers/-", json!({"name": "sidecar", "image": "example.com/sidecar:1"})),
            [added(SET, "spec.template.spec.containers[name=sidecar]", Since("/spec/template/spec/containers/1"))],
        ),
        case(
            "init-container-added",
            |vc| add(vc, "/initContainers/0", json!({"name": "first", "image": "example.com/first:1"})),
            [added(SET, "spec.template.spec.initContainers[name=first]", Since("/spec/template/spec/initContainers/0"))],
        ),
        case(
            "mount-added",
            |vc| add(vc, "/containers/0/volumeMounts/-", json!({"name": "binaries", "mountPath": "/more"})),
            [added(
                SET,
                "spec.template.spec.containers[name=syncer].volumeMounts[mountPath=/more]",
                r#"{"mountPath":"/more","name":"binaries"}"#,
            )],
        ),
        case(
            "mount-removed",
            |vc| remove(vc, "/containers/0/volumeMounts/1"),
            [removed(
                SET,
                "spec.template.spec.containers[name=syncer].volumeMounts[mountPath=/binaries]",
                r#"{"mountPath":"/binaries","name":"binaries"}"#,
            )],
        ),
        case(
            "privileged",
            |vc| add(vc, "/containers/0/securityContext", json!({"privileged": true})),
            [
                removed(SET, "spec.template.spec.containers[name=syncer].securityContext.allowPrivilegeEscalation", "false"),
                added(SET, "spec.template.spec.containers[name=syncer].securityContext.privileged", "true"),
                removed(SET, "spec.template.spec.containers[name=syncer].securityContext.runAsGroup", "0"),
                removed(SET, "spec.template.spec.containers[name=syncer].securityContext.runAsUser", "0"),
            ],
        ),
    ]
}

fn pods() -> Vec<Case> {
    vec![
        case(
            "volume-added",
            |vc| add(vc, "/volumes/-", json!({"name": "host", "hostPath": {"path": "/"}})),
            [added(
                SET,
                "spec.template.spec.volumes[name=host]",
                r#"{"hostPath":{"path":"/","type":""},"name":"host"}"#,
            )],
        ),
        case(
            "volume-swapped",
            |vc| set(vc, "/volumes/0", json!({"name": "binaries", "hostPath": {"path": "/opt", "type": "Directory"}})),
            [
                removed(SET, "spec.template.spec.volumes[name=binaries].emptyDir", "{}"),
                added(
                    SET,
                    "spec.template.spec.volumes[name=binaries].hostPath",
                    r#"{"path":"/opt","type":"Directory"}"#,
                ),
            ],
        ),
        case(
            "toleration-added",
            |vc| {
                let all = json!({"spec": {"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}}});
                vc.apply(SET, "scheduler-operator", all);
            },
            [added(SET, "spec.template.spec.tolerations", r#"[{"operator":"Exists"}]"#)],
        ),
        case(
            "node-selected",
            |vc| add(vc, "/nodeSelector", json!({"kubernetes.io/os": "linux"})),
            [added(SET, "spec.template.spec.nodeSelector", r#"{"kubernetes.io/os":"linux"}"#)],
        ),
        case(
            "users-node-deselected",
            |vc| remove(vc, "/nodeSelector"),
            [removed(SET, "spec.template.spec.nodeSelector", "(sensitive)")],
        )
        .with(
            "values = yamlencode({ controlPlane = { statefulSet = { scheduling = { nodeSelector = { \
             \"kubernetes.io/os\" = \"linux\" } } } } })",
        ),
        case(
            "on-the-hosts-network",
            |vc| add(vc, "/hostNetwork", json!(true)),
            [added(SET, "spec.template.spec.hostNetwork", "true")],
        ),
        case(
            "as-root",
            |vc| {
                vc.merge(
                    SET,
                    "kubectl-edit",
                    json!({"spec": {"template": {"spec": {"securityContext": {"runAsUser": 0}}}}}),
                )
            },
            [added(SET, "spec.template.spec.securityContext.runAsUser", "0")],
        ),
        case(
            "account-swapped",
            |vc| set(vc, "/serviceAccountName", json!("default")),
            [changed(SET, "spec.template.spec.serviceAccountName", "vc-%", "default")],
        ),
        case(
            "killed-at-once",
            |vc| set(vc, "/terminationGracePeriodSeconds", json!(0)),
            [changed(SET, "spec.template.spec.terminationGracePeriodSeconds", "15", "0")],
        ),
        case(
            "config-hash-changed",
            |vc| vc.set(SET, &format!("{ANNOTATIONS}/vClusterConfigHash"), json!("0")),
            [changed(
                SET,
                "spec.template.metadata.annotations.vClusterConfigHash",
                Before("/spec/template/metadata/annotations/vClusterConfigHash"),
                "0",
            )],
        ),
        case(
            "config-hash-removed",
            |vc| vc.remove(SET, &format!("{ANNOTATIONS}/vClusterConfigHash")),
            [removed(SET, "spec.template.metadata.annotations", Before("/spec/template/metadata/annotations"))],
        ),
        case(
            "template-annotated",
            |vc| vc.add(SET, &format!("{ANNOTATIONS}/example.com~1inject"), json!("true")),
            [added(SET, "spec.template.metadata.annotations[\"example.com/inject\"]", "true")],
        ),
        case(
            "template-labelled",
            |vc| vc.merge(SET, "kubectl-edit", json!({"spec": {"template": {"metadata": {"labels": {"team": "x"}}}}})),
            [added(SET, "spec.template.metadata.labels.team", "x")],
        ),
    ]
}
