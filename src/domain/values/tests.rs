//! Tests of the file one level up.

use super::*;
use crate::domain::quantity::Millicores;

pub(crate) fn spec() -> VirtualClusterSpec {
    VirtualClusterSpec {
        name: "team-a".to_owned(),
        namespace: "vcluster-team-a".to_owned(),
        vcluster_version: Version::new(0, 34, 7),
        size: Size::DEFAULT,
        hard: Hard::new(),
        priority_classes: Vec::new(),
        count_limits: false,
        volume: limits::control_plane_volume(Size::DEFAULT.storage),
        storage_class: None,
        endpoint_type: EndpointType::LoadBalancer,
        host_name: None,
        distro: Distro::K8s,
        kubernetes_version: None,
        node_selector: BTreeMap::new(),
        pod_security: PodSecurity::Baseline,
        network_isolation: false,
        tolerations: Vec::new(),
    }
}

#[track_caller]
fn check_at(spec: &VirtualClusterSpec, path: &str, expected: Value) {
    let values = chart_values(MappingVersion::NEWEST, spec, &[]).expect("no layers, no contradiction");
    assert_eq!(values.pointer(path).cloned().unwrap_or_default(), expected, "{path}");
}

#[test]
fn the_default_virtual_cluster_maps_to_these_values() {
    let values = chart_values(MappingVersion::V1, &spec(), &[]).expect("values");
    let expected = json!({
        "policies": {
            "resourceQuota": { "enabled": false }, "limitRange": { "enabled": false },
            "podSecurityStandard": "baseline",
        },
        "controlPlane": {
            "distro": { "k8s": { "enabled": true, "resources": {
                "requests": { "cpu": "40m", "memory": "64Mi" }, "limits": { "cpu": "1", "memory": "256Mi" } } } },
            "service": { "enabled": true, "spec": { "type": "LoadBalancer" } },
            "proxy": { "extraSANs": ["team-a.vcluster-team-a.svc"] },
            "statefulSet": {
                "persistence": { "volumeClaim": { "enabled": true, "size": "512Mi" } },
                "resources": { "requests": { "cpu": "200m", "memory": "512Mi" },
                               "limits": { "cpu": "1", "memory": "1Gi" } },
            },
            "coredns": { "deployment": { "resources": {
                "requests": { "cpu": "20m", "memory": "64Mi" }, "limits": { "cpu": "200m", "memory": "170Mi" } } } },
        },
    });
    assert_eq!(values, expected);
}

#[test]
fn every_attribute_has_its_value() {
    let with = |change: fn(&mut VirtualClusterSpec)| {
        let mut spec = spec();
        change(&mut spec);
        spec
    };
    let ingress = with(|spec| {
        spec.endpoint_type = EndpointType::Ingress;
        spec.host_name = Some("team-a.dev.example.com".to_owned());
    });
    check_at(&ingress, "/controlPlane/service/spec/type", json!("ClusterIP"));
    check_at(&ingress, "/controlPlane/ingress", json!({ "enabled": true, "host": "team-a.dev.example.com" }));
    let names = json!(["team-a.vcluster-team-a.svc", "team-a.dev.example.com"]);
    check_at(&ingress, "/controlPlane/proxy/extraSANs", names);

    let node_port = with(|spec| spec.endpoint_type = EndpointType::NodePort);
    check_at(&node_port, "/controlPlane/service/spec/type", json!("NodePort"));
    check_at(&node_port, "/controlPlane/ingress", Value::Null);

    let without_storage = with(|spec| spec.volume = None);
    let claim = "/controlPlane/statefulSet/persistence/volumeClaim";
    check_at(&without_storage, claim, json!({ "enabled": false }));
    let fast = with(|spec| spec.storage_class = Some("fast".to_owned()));
    check_at(&fast, claim, json!({ "enabled": true, "size": "512Mi", "storageClass": "fast" }));

    let k3s = with(|spec| {
        spec.vcluster_version = Version::new(0, 32, 3);
        spec.distro = Distro::K3s;
        spec.kubernetes_version = Some("v1.32.7-k3s1".to_owned());
    });
    check_at(&k3s, "/controlPlane/distro/k3s/image/tag", json!("v1.32.7-k3s1"));
    check_at(&k3s, "/controlPlane/distro/k8s", json!({ "enabled": false }));
    let k8s = with(|spec| spec.kubernetes_version = Some("v1.34.0".to_owned()));
    check_at(&k8s, "/controlPlane/distro/k8s/version", json!("v1.34.0"));

    let selected = with(|spec| spec.node_selector = BTreeMap::from([("pool".to_owned(), "dev".to_owned())]));
    check_at(&selected, "/controlPlane/statefulSet/scheduling/nodeSelector", json!({ "pool": "dev" }));
    check_at(&selected, "/sync/fromHost/nodes", json!({ "selector": { "labels": { "pool": "dev" } } }));
}

#[test]
fn tolerations_join_what_the_user_says_and_leave_the_node_selector() {
    let spec = VirtualClusterSpec {
        node_selector: BTreeMap::from([("pool".to_owned(), "dev".to_owned())]),
        tolerations: vec!["dedicated=tenants:NoSchedule".parse().expect("a toleration")],
        ..spec()
    };
    let given = json!({
        "controlPlane": { "statefulSet": { "scheduling": { "tolerations": [{ "key": "mine", "operator": "Exists" }] } } },
        "sync": { "toHost": { "pods": { "enforceTolerations": ["mine:"] } } },
    });
    let layer = Layer { name: "the values", values: &given };
    let values = chart_values(MappingVersion::NEWEST, &spec, &[layer]).expect("no contradiction");
    let ours = json!({ "key": "dedicated", "operator": "Equal", "value": "tenants", "effect": "NoSchedule" });
    assert_eq!(
        values["controlPlane"]["statefulSet"]["scheduling"],
        json!({ "nodeSelector": { "pool": "dev" }, "tolerations": [{ "key": "mine", "operator": "Exists" }, ours] })
    );
    let enforced = json!({ "pods": { "enforceTolerations": ["mine:", "dedicated=tenants:NoSchedule"] } });
    assert_eq!(values["sync"]["toHost"], enforced);
    assert_eq!(values["sync"]["fromHost"]["nodes"]["selector"]["labels"], json!({ "pool": "dev" }));
}

#[test]
fn a_resize_within_reach_changes_no_chart_value() {
    let mut larger = spec();
    larger.size = Size { cpu: Millicores(8000), memory: Bytes(8 << 30), storage: Bytes(100 << 30) };
    let values = |spec| chart_values(MappingVersion::NEWEST, spec, &[]);
    assert_eq!(values(&spec()), values(&larger));
    let objects = |spec| enforced::objects(MappingVersion::NEWEST, spec, &enforced::Offered::default());
    assert_ne!(objects(&spec()), objects(&larger));
}

/// The values with one layer, or the error's text.
fn layered(given: Value) -> Result<Value, String> {
    let layer = Layer { name: "the values", values: &given };
    chart_values(MappingVersion::NEWEST, &spec(), &[layer]).map_err(|error| error.to_string())
}

#[track_caller]
fn check_refused(given: Value, message: &str) {
    let error = layered(given).expect_err(message);
    assert!(error.contains(message), "{error:?} does not say {message:?}");
}

#[test]
fn the_users_values_win_over_defaults_and_join_lists() {
    let values = layered(json!({
        "controlPlane": {
            "statefulSet": { "resources": { "limits": { "memory": "2Gi" } } },
            "proxy": { "extraSANs": ["mine.example.com"] },
        },
        "sync": { "toHost": { "ingresses": { "enabled": true } } },
        "integrations": null,
    }))
    .expect("no contradiction");
    let resources = &values["controlPlane"]["statefulSet"]["resources"];
    assert_eq!(resources["limits"], json!({ "cpu": "1", "memory": "2Gi" }));
    let names = json!(["mine.example.com", "team-a.vcluster-team-a.svc"]);
    assert_eq!(values["controlPlane"]["proxy"]["extraSANs"], names);
    assert_eq!(values["sync"]["toHost"]["ingresses"]["enabled"], true);
    assert_eq!(values.get("integrations"), Some(&Value::Null), "null deletes a default of the chart");
}

#[test]
fn later_layers_win() {
    let (group, own) =
        (json!({ "logging": { "encoding": "json" }, "a": 1 }), json!({ "logging": { "encoding": "console" } }));
    let layers = [Layer { name: "the group's values", values: &group }, Layer { name: "the values", values: &own }];
    let values = chart_values(MappingVersion::NEWEST, &spec(), &layers).expect("values");
    assert_eq!(values["logging"]["encoding"], "console");
    assert_eq!(values["a"], 1);
}

#[test]
fn repeating_a_managed_value_is_fine() {
    for same in [json!("512Mi"), json!("0.5Gi"), json!(512 << 20)] {
        let claim = json!({ "enabled": true, "size": same });
        assert!(
            layered(json!({ "controlPlane": { "statefulSet": { "persistence": { "volumeClaim": claim } } } })).is_ok()
        );
    }
    assert!(layered(json!({ "policies": { "resourceQuota": { "enabled": false } } })).is_ok());
    assert!(layered(Value::Null).is_ok());
}

#[test]
fn a_contradiction_names_the_path_and_not_what_the_user_gave() {
    check_refused(
        json!({ "controlPlane": { "service": { "spec": { "type": "NodePort" } } } }),
        "the values set controlPlane.service.spec.type otherwise than the provider, which sets it to \"LoadBalancer\"",
    );
    check_refused(
        json!({ "controlPlane": { "service": null } }),
        "set controlPlane.service otherwise than the provider",
    );
    check_refused(
        json!({ "controlPlane": { "distro": { "k8s": { "enabled": false } } } }),
        "controlPlane.distro.k8s.enabled",
    );
    check_refused(json!({ "policies": [] }), "set policies otherwise than the provider");
    check_refused(json!(["a"]), "are not a mapping");
}

#[test]
fn what_escapes_the_quota_is_refused_with_its_reason() {
    check_refused(
        json!({ "sync": { "toHost": { "namespaces": { "enabled": true } } } }),
        "set sync.toHost.namespaces.enabled, which is refused: its workloads would run outside the namespace",
    );
    check_refused(json!({ "privateNodes": { "enabled": "true" } }), "privateNodes.enabled");
    check_refused(json!({ "policies": { "limitRange": { "default": { "cpu": "1" } } } }), "policies.limitRange");
    check_refused(
        json!({ "experimental": { "deploy": { "host": { "manifests": "kind: Pod" } } } }),
        "experimental.deploy.host",
    );
    let off =
        json!({ "sync": { "toHost": { "namespaces": { "enabled": false, "mappings": { "byName": { "a": "b" } } } } } });
    assert!(layered(off).is_ok());
    assert!(layered(json!({ "exportKubeConfig": { "secret": { "name": "" }, "server": "" } })).is_ok());
    check_refused(json!({ "exportKubeConfig": { "server": "https://a" } }), "`endpoint_type` and `host_dns` decide");
    check_refused(json!({ "exportKubeConfig": { "context": "mine" } }), "names its context after the virtual cluster");
}
