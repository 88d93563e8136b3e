//! Tests of the file one level up.

use super::*;
use crate::domain::values::tests::spec;

/// Quota and limit range, on a host without anything dear; the devices that are always denied are left out.
fn made(version: MappingVersion, spec: &VirtualClusterSpec) -> [Value; 2] {
    let mut objects = objects(version, spec, &Offered::default()).into_iter();
    let (mut quota, range) = (objects.next().unwrap(), objects.next().unwrap());
    let hard = quota["spec"]["hard"].as_object_mut().unwrap();
    hard.retain(|name, amount| !(name.starts_with("requests.") && *amount == "0") || name == "requests.storage");
    [quota, range]
}

#[test]
fn the_first_mapping_counts_limits_as_well_and_nothing_else() {
    let [quota, range] = made(MappingVersion::V1, &spec());
    assert_eq!(quota["metadata"], json!({ "name": "vc-team-a", "namespace": "vcluster-team-a" }));
    assert_eq!(
        quota["spec"],
        json!({ "hard": { "requests.cpu": "4", "limits.cpu": "4", "requests.memory": "4Gi", "limits.memory": "4Gi",
                          "requests.storage": "2Gi" } })
    );
    assert_eq!(
        range["spec"]["limits"],
        json!([{ "type": "Container", "default": { "cpu": "233m", "memory": "241Mi" },
                 "defaultRequest": { "cpu": "59m", "memory": "121Mi" } }])
    );
    let strict = VirtualClusterSpec { count_limits: true, ..spec() };
    assert_eq!(made(MappingVersion::V1, &strict), [quota, range]);
}

#[test]
fn requests_count_and_one_container_may_use_the_whole_size() {
    let [quota, range] = made(MappingVersion::V2, &spec());
    let hard = json!({
        "requests.cpu": "4", "requests.memory": "4Gi", "requests.storage": "2Gi", "requests.ephemeral-storage": "20Gi",
        "pods": "100", "persistentvolumeclaims": "40", "services.loadbalancers": "4", "services.nodeports": "40",
    });
    assert_eq!(quota["spec"], json!({ "hard": hard }));
    let whole = json!({ "cpu": "4", "memory": "4Gi", "ephemeral-storage": "20Gi" });
    assert_eq!(
        range["spec"]["limits"],
        json!([
            { "type": "Container", "max": whole, "default": whole,
              "defaultRequest": { "cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi" },
              "min": { "cpu": "1m", "memory": "1Mi", "ephemeral-storage": "1Mi" } },
            { "type": "Pod", "max": { "cpu": "40", "memory": "40Gi" } },
        ])
    );
}

#[test]
fn what_is_named_wins_over_what_the_size_gives() {
    let own = [("pods", "7"), ("count/secrets", "9"), ("requests.ephemeral-storage", "1Gi")];
    let hard = own.map(|(name, amount)| (name.to_owned(), amount.to_owned())).into();
    let named = VirtualClusterSpec { hard, ..spec() };
    let [quota, range] = made(MappingVersion::V2, &named);
    for (name, amount) in own {
        assert_eq!(quota["spec"]["hard"][name], amount);
    }
    assert_eq!(quota["spec"]["hard"]["services.loadbalancers"], "4");
    assert_eq!(range["spec"]["limits"][0]["max"]["ephemeral-storage"], "10Gi", "a control plane's own limit");
    assert_eq!(made(MappingVersion::V1, &named), made(MappingVersion::V1, &spec()));
}

#[test]
fn where_limits_count_a_container_gets_a_part() {
    let strict = VirtualClusterSpec { count_limits: true, ..spec() };
    let ([quota, range], [lenient, _]) = (made(MappingVersion::V2, &strict), made(MappingVersion::V2, &spec()));
    let mut expected = lenient;
    (expected["spec"]["hard"]["limits.cpu"], expected["spec"]["hard"]["limits.memory"]) = (json!("4"), json!("4Gi"));
    assert_eq!(quota, expected);
    assert_eq!(
        range["spec"]["limits"],
        json!([{ "type": "Container", "default": { "cpu": "233m", "memory": "241Mi", "ephemeral-storage": "20Gi" },
                 "defaultRequest": { "cpu": "59m", "memory": "121Mi", "ephemeral-storage": "64Mi" },
                 "min": { "cpu": "1m", "memory": "1Mi", "ephemeral-storage": "1Mi" },
                 "max": { "ephemeral-storage": "20Gi" } }])
    );
}

#[test]
fn what_kubernetes_cannot_count_is_never_written() {
    let most = Size { cpu: Millicores(MOST), memory: Bytes(MOST), storage: Bytes(0) };
    let [_, range] = made(MappingVersion::V2, &VirtualClusterSpec { size: most, ..spec() });
    assert_eq!(range["spec"]["limits"][1]["max"]["memory"], MOST.to_string());
}

#[test]
fn devices_and_priority_are_denied_unless_granted() {
    let offered =
        Offered { devices: ["example.com/card".to_owned()].into(), default_class: Some("everybody".to_owned()) };
    let granted = VirtualClusterSpec {
        hard: [("requests.nvidia.com/gpu".to_owned(), "2".to_owned())].into(),
        priority_classes: vec!["batch".to_owned()],
        ..spec()
    };
    let objects = objects(MappingVersion::V2, &granted, &offered);
    let [quota, _, priority] = objects.as_slice() else { panic!("{objects:?}") };
    for (name, amount) in
        [("nvidia.com/gpu", "2"), ("example.com/card", "0"), ("amd.com/gpu", "0"), ("hugepages-2Mi", "0")]
    {
        assert_eq!(quota["spec"]["hard"][format!("requests.{name}")], amount, "{name}");
    }
    assert_eq!(priority["metadata"]["name"], "vc-team-a-priority");
    assert_eq!(
        priority["spec"],
        json!({ "hard": { "pods": "0" }, "scopeSelector": { "matchExpressions": [
            { "scopeName": "PriorityClass", "operator": "Exists" },
            { "scopeName": "PriorityClass", "operator": "NotIn", "values": ["batch", "everybody"] },
        ] } })
    );
    let plain = super::objects(MappingVersion::V2, &spec(), &Offered::default());
    assert_eq!(plain[2]["spec"]["scopeSelector"]["matchExpressions"].as_array().map(Vec::len), Some(1));
    assert_eq!(super::objects(MappingVersion::V1, &granted, &offered).len(), 2);
}
