//! Tests of the file one level up: one thing at a time that must not get through, on objects as a chart makes them.

use super::*;
use crate::domain::quantity::{Bytes, Millicores};
use serde_json::json;

fn metadata(name: &str) -> Value {
    json!({ "name": name, "namespace": "ns", "labels": { "app": "vcluster", "release": "a" } })
}

fn own() -> Vec<Value> {
    let rules = json!([
        { "apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list", "create"] },
        { "apiGroups": ["example.com"], "resources": ["things"], "resourceNames": ["one", "two"], "verbs": ["get"] },
    ]);
    let container = json!({
        "name": "syncer", "image": "ghcr.io/loft-sh/vcluster-pro:1",
        "securityContext": { "allowPrivilegeEscalation": false },
        "resources": { "requests": { "cpu": "200m", "memory": "512Mi" }, "limits": { "cpu": "1", "memory": "1Gi" } },
    });
    let pod = json!({
        "serviceAccountName": "vc-a", "volumes": [{ "name": "tmp", "emptyDir": {} }], "containers": [container],
        "initContainers": [{ "name": "kubernetes", "image": "ghcr.io/loft-sh/kubernetes:v1" }],
    });
    let claim = json!({ "metadata": { "name": "data" }, "spec": { "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": "512Mi" } } } });
    vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("vc-a") }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata("a"), "spec": { "type": "LoadBalancer" } }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata("vc-a"), "rules": rules }),
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata("vc-a"),
            "subjects": [{ "kind": "ServiceAccount", "name": "vc-a", "namespace": "ns" }],
            "roleRef": { "kind": "Role", "name": "vc-a", "apiGroup": "rbac.authorization.k8s.io" } }),
        json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata("a"), "spec": {
            "replicas": 1, "volumeClaimTemplates": [claim],
            "template": { "metadata": { "labels": { "app": "vcluster" } }, "spec": pod } } }),
    ]
}

/// What a switch makes of the chart: a role for the whole cluster, and things that no virtual cluster may have.
fn switched() -> Vec<Value> {
    let mut objects = own();
    let cluster =
        |kind: &str, name: &str, api: &str| json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name } });
    objects.push(cluster("ClusterRole", "vc-a-v-ns", "rbac.authorization.k8s.io/v1"));
    objects.push(cluster("ClusterRole", "vc-mn-a-v-ns", "rbac.authorization.k8s.io/v1"));
    objects.push(cluster("Namespace", "other", "v1"));
    objects.push(json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata("vc-a") }));
    objects
        .push(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "x", "namespace": "kube-system" } }));
    objects
}

fn found(objects: &[Value]) -> Vec<String> {
    let (own, switched, registries) = (own(), switched(), ["registry.example.com/mirror".to_owned()]);
    let size = Size { cpu: Millicores(3000), memory: Bytes(3 << 30), storage: Bytes(2 << 30) };
    let guard = Guard { name: "a", namespace: "ns", own: &own, switched: &switched, registries: &registries, size };
    guard.violations(objects).iter().map(ToString::to_string).collect()
}

/// The chart's objects, one of them changed at a place.
fn changed(kind: &str, pointer: &str, value: Value) -> Vec<Value> {
    let mut objects = own();
    objects.extend(switched().into_iter().filter(|object| object["metadata"]["name"] == "vc-a-v-ns"));
    let object = objects.iter_mut().find(|object| object["kind"] == kind).expect(kind);
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = parent.split('/').skip(1).fold(object, |value, key| match key.parse::<usize>() {
        Ok(index) => &mut value[index],
        Err(_) => &mut value[key],
    });
    match key.parse::<usize>() {
        Ok(_) => parent.as_array_mut().expect("a list").push(value),
        Err(_) => parent[key.replace('~', "/").as_str()] = value,
    }
    objects
}

#[track_caller]
fn refused(kind: &str, pointer: &str, value: Value, expected: &str) {
    let found = found(&changed(kind, pointer, value));
    assert!(found.iter().any(|line| line.contains(expected)), "{found:?} does not say {expected:?}");
}

#[track_caller]
fn fine(kind: &str, pointer: &str, value: Value) {
    let found = found(&changed(kind, pointer, value));
    assert!(found.is_empty(), "{found:?}");
}

const POD: &str = "/spec/template/spec";
const SYNCER: &str = "/spec/template/spec/containers/0";

fn pod(field: &str) -> String {
    format!("{POD}/{field}")
}

fn syncer(field: &str) -> String {
    format!("{SYNCER}/{field}")
}

#[test]
fn the_charts_own_objects_are_fine() {
    assert!(found(&own()).is_empty());
    fine("StatefulSet", "/spec/replicas", json!(3));
}

#[test]
fn an_object_more_is_refused_wherever_it_is() {
    for (api, kind, namespace, name) in [
        ("v1", "Namespace", None, "evil"),
        ("v1", "Secret", Some("kube-system"), "evil"),
        ("v1", "ResourceQuota", Some("ns"), "more"),
        ("v1", "LimitRange", Some("ns"), "more"),
        ("v1", "ConfigMap", Some("ns"), "more"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", None, "evil"),
    ] {
        let mut objects = own();
        objects.push(json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name, "namespace": namespace } }));
        assert_eq!(found(&objects).len(), 1, "{kind}");
    }
}

#[test]
fn a_second_document_of_a_name_is_refused() {
    let mut objects = own();
    objects.push(json!({ "apiVersion": "apps/v1beta2", "kind": "StatefulSet", "metadata": metadata("a") }));
    assert_eq!(found(&objects), ["StatefulSet ns/a: there are two objects of this name"]);
}

#[test]
fn a_switch_makes_no_object_that_is_not_a_virtual_clusters() {
    let found = found(&switched());
    for name in ["ClusterRole vc-mn-a-v-ns", "Namespace other", "ResourceQuota ns/vc-a", "Secret kube-system/x"] {
        assert!(found.iter().any(|line| line.starts_with(name)), "{name}: {found:?}");
    }
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn the_name_of_a_cluster_role_may_be_long_and_cut() {
    let name = "a-name-of-some-length-that-is-no-rarity";
    let whole = format!("vc-{name}-v-vcluster-{name}");
    let role = |name: &str| json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name } });
    for (called, is_fine) in [(whole.as_str(), true), (&whole[..63], true), (&whole[..62], false)] {
        let switched = [role(called)];
        let namespace = format!("vcluster-{name}");
        let guard =
            Guard { name, namespace: &namespace, own: &[], switched: &switched, registries: &[], size: Size::DEFAULT };
        assert_eq!(guard.violations(&switched).is_empty(), is_fine, "{called}");
    }
}

#[test]
fn roles_grant_no_more_than_the_chart_and_the_reviewed_lists() {
    let rule = |group: &str, resource: &str, verb: &str| json!({ "apiGroups": [group], "resources": [resource], "verbs": [verb] });
    fine("Role", "/rules/9", rule("networking.k8s.io", "ingresses", "create"));
    fine("Role", "/rules/9", rule("", "pods/resize", "patch"));
    fine(
        "Role",
        "/rules/9",
        json!({ "apiGroups": ["example.com"], "resources": ["things"], "resourceNames": ["two"], "verbs": ["get"] }),
    );
    for (group, resource, verb) in [
        ("*", "*", "*"),
        ("", "*", "get"),
        ("", "serviceaccounts/token", "create"),
        ("", "resourcequotas", "delete"),
        ("", "pods", "escalate"),
        ("rbac.authorization.k8s.io", "roles", "create"),
        ("example.com", "things", "get"),
        ("kubevirt.io", "virtualmachines", "create"),
    ] {
        refused("Role", "/rules/9", rule(group, resource, verb), "which the chart does not grant by itself");
    }
    fine("ClusterRole", "/rules", json!([rule("", "nodes", "watch"), rule("storage.k8s.io", "storageclasses", "get")]));
    for (group, resource, verb) in [
        ("", "secrets", "get"),
        ("", "configmaps", "list"),
        ("", "namespaces", "get"),
        ("", "nodes/proxy", "get"),
        ("", "nodes", "update"),
        ("", "persistentvolumes", "create"),
        ("", "pods", "create"),
        ("scheduling.k8s.io", "priorityclasses", "create"),
    ] {
        refused(
            "ClusterRole",
            "/rules",
            json!([rule(group, resource, verb)]),
            "which the chart does not grant by itself",
        );
    }
    refused(
        "ClusterRole",
        "/rules",
        json!([{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }]),
        "rules[0]: it grants URLs",
    );
    refused("Role", "/rules/9", json!({ "verbs": "get" }), "it is malformed");
    refused("ClusterRole", "/aggregationRule", json!({ "clusterRoleSelectors": [] }), "may not collect");
    refused("RoleBinding", "/subjects/9", json!({ "kind": "User", "name": "me" }), "subjects: a binding is for");
    refused(
        "RoleBinding",
        "/roleRef",
        json!({ "kind": "ClusterRole", "name": "cluster-admin" }),
        "roleRef: a binding is for",
    );
}

#[test]
fn metadata_that_others_act_on_is_refused() {
    refused(
        "ClusterRole",
        "/metadata/labels",
        json!({ "rbac.authorization.k8s.io/aggregate-to-view": "true" }),
        "is reserved",
    );
    refused("StatefulSet", "/spec/template/metadata/labels/vcluster.loft.sh~managed-by", json!("b"), "is reserved");
    refused("StatefulSet", "/metadata/labels/app", json!("other"), "is reserved");
    refused(
        "Service",
        "/metadata/annotations",
        json!({ "nginx.ingress.kubernetes.io/server-snippet": "x" }),
        "is reserved",
    );
    refused("Service", "/metadata/finalizers", json!(["a/b"]), "metadata.finalizers: values may not set this");
    refused("Service", "/metadata/ownerReferences", json!([{}]), "may not set this");
    fine("Service", "/metadata/annotations", json!({ "service.beta.kubernetes.io/aws-load-balancer-type": "nlb" }));
    fine("StatefulSet", "/metadata/labels/team", json!("a"));
}

#[test]
fn services_take_nothing_of_others() {
    refused("Service", "/spec/externalIPs", json!(["1.2.3.4"]), "spec.externalIPs");
    refused("Service", "/spec/externalName", json!("kubernetes.default.svc"), "spec.externalName");
}

#[test]
fn pods_reach_no_node() {
    for (field, value) in [
        ("hostNetwork", json!(true)),
        ("hostPID", json!(true)),
        ("hostIPC", json!(true)),
        ("nodeName", json!("n")),
        ("priority", json!(1000)),
        ("resourceClaims", json!([{ "name": "gpu" }])),
    ] {
        refused("StatefulSet", &pod(field), value, &format!("spec.template.spec.{field}"));
    }
    fine("StatefulSet", &pod("hostNetwork"), json!(false));
    for volume in ["hostPath", "nfs", "csi", "gcePersistentDisk", "image", "flexVolume"] {
        refused("StatefulSet", &pod("volumes/9"), json!({ "name": "v", volume: { "path": "/" } }), volume);
    }
    fine("StatefulSet", &pod("volumes/9"), json!({ "name": "v", "secret": { "secretName": "x" } }));
    let claim = json!({ "name": "v", "ephemeral": { "volumeClaimTemplate": { "spec": { "volumeName": "theirs" } } } });
    refused("StatefulSet", &pod("volumes/9"), claim, "may not choose what is in its volume");
    refused(
        "StatefulSet",
        "/spec/volumeClaimTemplates/9",
        json!({ "spec": { "dataSource": { "name": "x" } } }),
        "dataSource",
    );
    refused("StatefulSet", &pod("priorityClassName"), json!("system-node-critical"), "come before all");
    refused("StatefulSet", &syncer("ports"), json!([{ "containerPort": 80, "hostPort": 80 }]), "one of the node");
    refused(
        "StatefulSet",
        &syncer("livenessProbe"),
        json!({ "httpGet": { "host": "169.254.169.254" } }),
        "another address",
    );
    fine(
        "StatefulSet",
        &syncer("livenessProbe"),
        json!({ "httpGet": { "httpHeaders": [{ "name": "host", "value": "a" }] } }),
    );
}

#[test]
fn pods_have_no_privilege() {
    for (field, value) in [
        ("privileged", json!(true)),
        ("allowPrivilegeEscalation", json!(true)),
        ("capabilities", json!({ "add": ["NET_ADMIN"] })),
        ("procMount", json!("Unmasked")),
        ("seccompProfile", json!({ "type": "Unconfined" })),
        ("appArmorProfile", json!({ "type": "Unconfined" })),
        ("seLinuxOptions", json!({ "type": "spc_t" })),
        ("windowsOptions", json!({ "hostProcess": true })),
    ] {
        refused("StatefulSet", &syncer(&format!("securityContext/{field}")), value, field);
    }
    refused("StatefulSet", &syncer("securityContext"), json!({}), "the chart sets it to false");
    refused("StatefulSet", &pod("securityContext"), json!({ "sysctls": [{ "name": "kernel.msgmax" }] }), "sysctls");
    refused("StatefulSet", &pod("securityContext"), json!({ "seccompProfile": { "type": "Unconfined" } }), "confined");
    refused("StatefulSet", &syncer("securityContext"), json!([{ "privileged": true }]), "it is malformed");
    let context =
        json!({ "runAsUser": 1000, "runAsNonRoot": true, "sysctls": [{ "name": "net.ipv4.tcp_syncookies" }] });
    fine("StatefulSet", &pod("securityContext"), context);
}

#[test]
fn pods_run_as_nobody_else_and_with_no_other_images() {
    refused("StatefulSet", &pod("serviceAccountName"), json!("admin"), "the chart's own service account");
    refused("StatefulSet", &pod("serviceAccount"), json!("admin"), "the chart's own service account");
    for image in [
        "evil.example.com/vcluster:1",
        "ghcr.io/loft-sh/../evil/x:1",
        "ghcr.io/evil/vcluster:1",
        "vcluster",
        "registry.example.com/mirrored/x",
        "registry.example.com/mirror",
    ] {
        refused("StatefulSet", &syncer("image"), json!(image), "is neither from where the chart's images are");
    }
    for image in ["ghcr.io/loft-sh/vcluster-oss:2", "registry.example.com/mirror/a/b:1"] {
        fine("StatefulSet", &syncer("image"), json!(image));
    }
    let sidecar = json!({ "name": "side", "image": "evil.example.com/x" });
    refused("StatefulSet", &pod("containers/9"), sidecar.clone(), "containers[\"side\"].image");
    refused("StatefulSet", &pod("initContainers/9"), sidecar, "initContainers[\"side\"].image");
    refused("StatefulSet", &pod("ephemeralContainers"), json!([{ "name": "x", "image": "y" }]), "ephemeralContainers");
}

#[test]
fn pods_stay_within_the_size() {
    refused(
        "StatefulSet",
        &syncer("resources"),
        json!({ "limits": { "cpu": "4" } }),
        "limits.cpu: it is more than the size",
    );
    refused("StatefulSet", &syncer("resources"), json!({ "requests": { "memory": "4Gi" } }), "requests.memory");
    refused("StatefulSet", &syncer("resources"), json!({ "limits": { "nvidia.com/gpu": 1 } }), "is not part of a size");
    refused("StatefulSet", &syncer("resources"), json!({ "claims": [{ "name": "gpu" }] }), "is not part of a size");
    refused("StatefulSet", "/spec/replicas", json!(7), "all its pods together ask for 3584Mi, and the size is 3Gi");
    let claim = json!({ "spec": { "resources": { "requests": { "storage": "5Gi" } } } });
    refused("StatefulSet", "/spec/volumeClaimTemplates/9", claim, "requests of storage");
}

#[test]
fn what_the_chart_does_on_its_own_is_no_users_fault() {
    let mut own = own();
    own[4]["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
    own.push(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "of-the-chart" } }));
    let size = Size::DEFAULT;
    let guard = Guard { name: "a", namespace: "ns", own: &own, switched: &own, registries: &[], size };
    assert!(guard.violations(&own).is_empty());
}
