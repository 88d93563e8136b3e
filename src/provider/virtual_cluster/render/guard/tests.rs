//! Every value of a chart set to hostile texts and objects: either somebody refuses them, or no object, right, namespace or node is
//! reached beyond what the chart makes by itself.
//!
//! The rig's chart is always tried. `HELM_CHARTS` names a directory of others, such as vCluster's by version; they are not part of
//! this repository. What reaches out is judged here by other means than the guard's.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use helm_charts::{Archive, KubeVersion};
use semver::Version;
use serde_json::{Map, json};

use super::*;
use crate::domain::distro::Distro;
use crate::domain::values;
use crate::fleet::group::spec::{Followed, MemberValues};
use crate::fleet::terms::Terms;

fn rig() -> Chart {
    load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rig/chart"))
}

fn load(directory: &Path) -> Chart {
    Chart::parse(&Archive::from_directory(directory).unwrap()).unwrap()
}

fn served() -> Served {
    Served { kube_version: KubeVersion::parse("v1.35.4").unwrap(), api_versions: Vec::new() }
}

fn typed(chart: &Chart) -> VirtualClusterSpec {
    let version = Version::parse(chart.metadata().version.trim_start_matches('v')).unwrap();
    let distro = Distro::default_of(&version);
    VirtualClusterSpec { vcluster_version: version, distro, ..values::tests::spec() }
}

fn unsafe_values() -> Terms {
    Terms { allow_unsafe_values: Some(true), ..Terms::default() }
}

fn spec() -> Spec {
    let stored = include_str!("../../../../../tests/fixtures/formats/0.1/virtual-cluster.ungrouped.json");
    let document: Json = serde_json::from_str(stored).unwrap();
    serde_json::from_value(document["spec"].clone()).unwrap()
}

fn given(values: Json) -> Given {
    Given { whose: Whose::Own, name: "values", values }
}

/// What is refused, as users read it.
fn said(spec: &Spec, given: &[Given]) -> Vec<String> {
    let (chart, served) = (rig(), served());
    let typed = typed(&chart);
    let subject =
        Subject { chart: &chart, served: &served, mapping: MappingVersion::NEWEST, typed: &typed, spec, given };
    let mut diags = Diagnostics::default();
    let objects = subject.render(given).unwrap();
    say(&mut diags, spec, &subject.refusals(&objects).unwrap());
    diags.errors.iter().map(|error| format!("{}: {}", error.attribute, error.detail)).collect()
}

#[track_caller]
fn check(spec: &Spec, given: &[Given], parts: &[&str]) {
    let said = said(spec, given);
    assert_eq!(said.is_empty(), parts.is_empty(), "{said:?}");
    for part in parts {
        assert!(said.concat().contains(part), "{said:?} does not say {part:?}");
    }
}

#[test]
fn a_refusal_names_object_field_and_the_value_behind_it() {
    let text = "high\n---\napiVersion: v1\nkind: Secret\nmetadata:\n      name: evil\n      namespace: kube-system";
    let values = json!({ "controlPlane": { "statefulSet": {
        "labels": { "team": "a" }, "scheduling": { "priorityClassName": text } } } });
    let cause = "because values set controlPlane.statefulSet.scheduling.priorityClassName";
    check(&spec(), &[given(values)], &["values: ", "Secret kube-system/evil: the chart makes no such object", cause]);
    let sidecar = json!({ "controlPlane": { "advanced": { "defaultImageRegistry": "evil.example.com" } } });
    let field = "spec.template.spec.containers[\"syncer\"].image: image \"evil.example.com/";
    check(&spec(), &[given(sidecar)], &[field, "values set controlPlane.advanced.defaultImageRegistry"]);
}

#[test]
fn documented_features_are_fine() {
    for values in [
        json!({}),
        json!({ "sync": { "fromHost": { "nodes": { "enabled": true } } } }),
        json!({ "controlPlane": { "statefulSet": { "highAvailability": { "replicas": 3 }, "env": [{ "name": "A", "value": "b" }] } } }),
        json!({ "controlPlane": { "statefulSet": { "labels": { "team": "a" }, "scheduling": { "tolerations": [{ "key": "a" }] } } } }),
    ] {
        check(&spec(), &[given(values)], &[]);
    }
}

#[test]
fn who_is_trusted_says_the_group_or_the_virtual_cluster_itself() {
    let rule = json!([{ "apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"] }]);
    let own = || given(json!({ "rbac": { "role": { "extraRules": rule } } }));
    let group = || Given { whose: Whose::Group, name: "the group's values", ..own() };
    check(
        &spec(),
        &[own()],
        &[
            "Role vcluster-team-a/vc-team-a, rules[",
            "because values set rbac.role.extraRules",
            "`allow_unsafe_values = true`",
        ],
    );
    check(&Spec { terms: unsafe_values(), ..spec() }, &[own()], &[]);

    let in_group = |followed| Spec { cluster_group: Some("dev".into()), followed: Some(followed), ..spec() };
    let trusting = Followed { terms: unsafe_values(), ..Followed::default() };
    let cause = "because the group's values set rbac.role.extraRules";
    check(&in_group(Followed::default()), &[group()], &["cluster_group: ", cause]);
    check(&in_group(trusting.clone()), &[group()], &[]);
    check(&in_group(trusting.clone()), &[own()], &["because values set", "Cluster group \"dev\" can allow it"]);
    let named = MemberValues { paths: vec!["rbac".into()] };
    check(&in_group(Followed { member_values: Some(named), ..trusting }), &[own()], &[]);
    // A member cannot say it for itself: validation refuses the attribute, and it does not count.
    let insisting = Spec { terms: unsafe_values(), ..in_group(Followed::default()) };
    check(&insisting, &[own()], &["because values set"]);
}

#[test]
fn a_group_says_which_values_its_members_set() {
    let check = |paths: &[&str], values: Json, expected: Option<&str>| {
        let allowed = MemberValues { paths: paths.iter().map(ToString::to_string).collect() };
        let followed = Some(Followed { member_values: Some(allowed), ..Followed::default() });
        let spec = Spec { cluster_group: Some("dev".into()), followed, ..spec() };
        let mut diags = Diagnostics::default();
        check_member_values(&mut diags, &spec, Some(&values));
        let said = diags.errors.first().map(|error| error.detail.clone());
        assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
        assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()));
    };
    check(&[], json!({}), None);
    check(
        &[],
        json!({ "logging": { "encoding": "json" } }),
        Some("set logging.encoding, and of all values its virtual clusters may set: none"),
    );
    check(&["logging", "sync.toHost"], json!({ "logging": { "encoding": "json" } }), None);
    check(
        &["sync.toHost"],
        json!({ "sync": { "fromHost": {} } }),
        Some("set sync.fromHost, and of all values its virtual clusters may set: sync.toHost"),
    );
    check(&["*"], json!({ "sync": null }), None);
}

#[test]
fn no_value_of_a_chart_reaches_out() {
    let mut charts = vec![(rig(), Json::Null)];
    if let Some(directory) = std::env::var_os("HELM_CHARTS") {
        let mut found: Vec<_> = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path()).collect();
        found.sort();
        found.reverse();
        charts.clear();
        for path in found.iter().filter(|path| path.join("Chart.yaml").exists()) {
            let schema = std::fs::read_to_string(path.join("values.schema.json")).unwrap_or_default();
            charts.push((load(path), serde_json::from_str(&schema).unwrap_or_default()));
        }
    }
    for (chart, schema) in charts {
        try_all(&chart, &schema);
    }
}

/// Sets every value of the chart to every hostile one.
fn try_all(chart: &Chart, schema: &Json) {
    let mut places = BTreeSet::new();
    collect_defaults(&Json::Object(chart.default_values().clone()), &mut Vec::new(), &mut places);
    collect_schema(schema, schema, &mut Vec::new(), &mut places);
    let (known, places) = (&places, places.iter().cloned().collect::<Vec<_>>());
    let (tried, refused_early, refused, fine) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let (served, typed, spec) = (served(), typed(chart), spec());
    let (next, through) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // What the guard measures by is the same for all that are no switches.
                    let mut known_measure = None;
                    for hostile in hostile() {
                        let is_switch = !matches!(&hostile, Json::String(_) | Json::Array(_) | Json::Object(_))
                            || hostile.as_str() == Some("auto");
                        tried.fetch_add(1, Ordering::Relaxed);
                        let given = [given(nested(place, known, hostile))];
                        let subject = Subject {
                            chart,
                            served: &served,
                            mapping: MappingVersion::NEWEST,
                            typed: &typed,
                            spec: &spec,
                            given: &given,
                        };
                        let Ok(objects) = subject.render(&given) else {
                            refused_early.fetch_add(1, Ordering::Relaxed);
                            continue;
                        };
                        let found = if is_switch {
                            &subject.measured().unwrap()
                        } else {
                            known_measure.get_or_insert_with(|| subject.measured().unwrap())
                        };
                        if found.guard(&subject).violations(&objects).is_empty() {
                            fine.fetch_add(1, Ordering::Relaxed);
                            let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                                judge(&objects, &found.own, &given[0].values)
                            }));
                            through.fetch_add(usize::from(judged.is_err()), Ordering::Relaxed);
                        } else {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    println!(
        "{} {}: {} places, {} tries: {} refused before or by the chart, {} by the guard, {} harmless",
        chart.metadata().name,
        chart.metadata().version,
        places.len(),
        count(&tried),
        count(&refused_early),
        count(&refused),
        count(&fine),
    );
    assert_eq!(count(&through), 0, "reached out");
    assert!(count(&refused) > 0 && places.len() > 50);
}

fn collect_defaults(value: &Json, path: &mut Vec<String>, places: &mut BTreeSet<Vec<String>>) {
    if !path.is_empty() {
        places.insert(path.clone());
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        path.push(key.clone());
        collect_defaults(value, path, places);
        path.pop();
    }
}

fn collect_schema(schema: &Json, root: &Json, path: &mut Vec<String>, places: &mut BTreeSet<Vec<String>>) {
    let reference = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.trim_start_matches('#')));
    if path.len() > 9 {
        return;
    }
    if !path.is_empty() {
        places.insert(path.clone());
    }
    for schema in [Some(schema), reference].into_iter().flatten() {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            path.push(key.clone());
            collect_schema(property, root, path, places);
            path.pop();
        }
        if schema["additionalProperties"].is_object() {
            path.push("evil.example.com/v1".into());
            collect_schema(&schema["additionalProperties"], root, path, places);
            path.pop();
        }
    }
}

/// The value at its place, with everything on that it is a part of.
fn nested(path: &[String], places: &BTreeSet<Vec<String>>, value: Json) -> Json {
    (0..path.len()).rev().fold(value, |value, depth| {
        let mut object = Map::from_iter([(path[depth].clone(), value)]);
        let switch = path[..depth].iter().cloned().chain(["enabled".to_owned()]).collect::<Vec<_>>();
        if depth > 0 && places.contains(&switch) {
            object.entry("enabled").or_insert(json!(true));
        }
        Json::Object(object)
    })
}

fn hostile() -> Vec<Json> {
    let document = "x\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: evil}\n\
                    subjects: [{kind: User, name: evil}]\nroleRef: {kind: ClusterRole, name: cluster-admin}\n";
    let quota = "x\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: evil, namespace: vcluster-team-a}\n";
    let container = json!({ "name": "evil", "image": "evil.example.com/x", "securityContext": { "privileged": true },
        "ports": [{ "containerPort": 1, "hostPort": 1 }] });
    let rule = json!({ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] });
    let pod = json!({ "hostNetwork": true, "hostPID": true, "privileged": true, "allowPrivilegeEscalation": true,
        "capabilities": { "add": ["SYS_ADMIN"] }, "externalIPs": ["1.2.3.4"], "seccompProfile": { "type": "Unconfined" } });
    let mut all = vec![
        json!(document),
        json!(quota),
        json!(true),
        json!(false),
        json!(1_000_000),
        json!("evil.example.com/evil"),
        json!("kube-system"),
        json!("*"),
        json!([]),
        json!({}),
        Json::Null,
        json!([container]),
        json!([rule]),
        json!([{ "name": "evil", "hostPath": { "path": "/" } }]),
        json!([{ "metadata": { "name": "evil" }, "spec": { "volumeName": "evil" } }]),
        json!(["evil"]),
        pod,
        json!({ "evil": { "image": "evil.example.com/x", "version": "v1", "securityContext": { "privileged": true },
            "rbac": { "role": { "extraRules": [rule] }, "clusterRole": { "extraRules": [rule] } } } }),
        json!({ "secrets.evil.example.com": { "enabled": true } }),
        json!({ "kube-system/*": "evil/*", "kube-system/evil": "evil/x" }),
        json!({ "rbac.authorization.k8s.io/aggregate-to-view": "true", "pod-security.kubernetes.io/enforce": "privileged",
            "nginx.ingress.kubernetes.io/server-snippet": "evil" }),
        json!({ "registry": "evil.example.com", "repository": "evil", "tag": "1" }),
        json!({ "cpu": "1000", "memory": "1Ti", "nvidia.com/gpu": 8 }),
        json!({ "limits": { "cpu": "1000", "nvidia.com/gpu": 8 }, "requests": { "memory": "1Ti" } }),
    ];
    // All of them take minutes.
    let indents: &[usize] = if std::env::var_os("HELM_CHARTS").is_some() { &[0, 2, 4, 6, 8, 10, 12] } else { &[6] };
    for &indent in indents {
        let indent = " ".repeat(indent);
        for field in [
            "hostNetwork: true",
            "privileged: true",
            "serviceAccountName: evil",
            "image: evil.example.com/x",
            "- {apiGroups: ['*'], resources: ['*'], verbs: ['*']}",
            "- {name: evil, hostPath: {path: /}}",
            "namespace: kube-system",
        ] {
            all.push(json!(format!("1\n{indent}{field}")));
        }
        all.push(json!(format!(
            "1\n---\napiVersion: v1\nkind: Secret\nmetadata:\n{indent}name: evil\n{indent}namespace: kube-system"
        )));
    }
    all
}

/// Whether what got through is as harmless as what the chart makes by itself. Panics where it is not.
fn judge(objects: &[Json], own: &[Json], values: &Json) {
    let text =
        |object: &Json, pointer: &str| object.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
    let mut names = BTreeSet::new();
    for object in objects.iter().filter(|object| !object.is_null()) {
        let (kind, name, namespace) =
            (text(object, "/kind"), text(object, "/metadata/name"), text(object, "/metadata/namespace"));
        let shown = format!("{kind} {namespace}/{name} of {values}");
        assert!(names.insert((kind.clone(), name.clone())), "twice: {shown}");
        assert!(name.contains("team-a") && !name.contains("evil"), "name: {shown}");
        match kind.as_str() {
            "ClusterRole" | "ClusterRoleBinding" => assert_eq!(name, "vc-team-a-v-vcluster-team-a", "{shown}"),
            "PodDisruptionBudget" => assert!(["", "vcluster-team-a"].contains(&namespace.as_str()), "{shown}"),
            _ => assert_eq!(namespace, "vcluster-team-a", "{shown}"),
        }
        for forbidden in ["Namespace", "ResourceQuota", "LimitRange", "PersistentVolume", "Pod"] {
            assert_ne!(kind, forbidden, "{shown}");
        }
        if kind.ends_with("Binding") {
            let expected = json!({ "kind": kind.trim_end_matches("Binding"), "name": name, "apiGroup": "rbac.authorization.k8s.io" });
            assert_eq!(object["roleRef"], expected, "{shown}");
            let subjects = json!([{ "kind": "ServiceAccount", "name": "vc-team-a", "namespace": "vcluster-team-a" }]);
            assert_eq!(object["subjects"], subjects, "{shown}");
        }
        if kind.ends_with("Role") {
            let rules = object["rules"].as_array().cloned().unwrap_or_default();
            let own = own.iter().find(|own| own["kind"] == kind).and_then(|own| own["rules"].as_array());
            for rule in rules.iter().filter(|rule| !own.is_some_and(|own| own.contains(rule))) {
                let rule_text = rule.to_string();
                assert!(!rule_text.contains('*') && !rule_text.contains("evil"), "{rule_text}: {shown}");
                if kind == "ClusterRole" {
                    let harm =
                        ["secrets", "configmaps", "namespaces\"", "create", "update", "delete", "patch", "proxy"];
                    assert!(!harm.iter().any(|harm| rule_text.contains(harm)), "{rule_text}: {shown}");
                }
            }
        }
        let labels = object["metadata"]["labels"].to_string();
        assert!(!labels.contains("aggregate-to-view") && !labels.contains("pod-security.kubernetes.io"), "{shown}");
        if let Some(pod) = object.pointer("/spec/template/spec") {
            judge_pod(pod, &shown);
        }
        if kind == "Service" {
            assert!(
                object["spec"].get("externalIPs").is_none() && object["spec"].get("externalName").is_none(),
                "{shown}"
            );
        }
    }
}

/// The fields by which a pod reaches its node, where Kubernetes reads them.
fn judge_pod(pod: &Json, shown: &str) {
    let list = |value: &Json, key: &str| value[key].as_array().cloned().unwrap_or_default();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_ne!(pod[field], true, "{field} of {shown}");
    }
    assert_eq!(pod["serviceAccountName"], "vc-team-a", "{shown}");
    assert!(
        ["nodeName", "serviceAccount", "ephemeralContainers"].iter().all(|field| pod.get(field).is_none()),
        "{shown}"
    );
    assert_eq!(pod.pointer("/securityContext/seccompProfile/type"), None, "{shown}");
    let namespaced =
        ["configMap", "downwardAPI", "emptyDir", "ephemeral", "name", "persistentVolumeClaim", "projected", "secret"];
    for volume in list(pod, "volumes") {
        let fields = volume.as_object().unwrap_or_else(|| panic!("a volume of {shown}"));
        assert!(fields.keys().all(|field| namespaced.contains(&field.as_str())), "{volume} of {shown}");
    }
    for container in list(pod, "containers").iter().chain(&list(pod, "initContainers")) {
        let image = container["image"].as_str().unwrap_or_default();
        assert!(!image.starts_with("evil") && image.contains('/'), "{image} of {shown}");
        let context = &container["securityContext"];
        assert_ne!(context["privileged"], true, "{shown}");
        assert_ne!(context["allowPrivilegeEscalation"], true, "{shown}");
        assert!(context.pointer("/capabilities/add").is_none_or(|add| add == &json!([])), "{context} of {shown}");
        assert_eq!(context.pointer("/seccompProfile/type"), None, "{shown}");
        assert!(list(container, "ports").iter().all(|port| port.get("hostPort").is_none()), "{shown}");
        let resources = container["resources"].to_string();
        assert!(!["nvidia", "1Ti", "\"1000\""].iter().any(|much| resources.contains(much)), "{resources} of {shown}");
    }
}
