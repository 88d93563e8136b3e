//! Tests of the file one level up.

use super::*;
use crate::domain::values::tests::spec;

#[test]
fn the_first_mapping_counts_limits_as_well_and_nothing_else() {
    let [quota, range] = objects(MappingVersion::V1, &spec());
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
    assert_eq!(objects(MappingVersion::V1, &strict), [quota, range]);
}

#[test]
fn requests_count_and_one_container_may_use_the_whole_size() {
    let [quota, range] = objects(MappingVersion::V2, &spec());
    let hard = json!({ "requests.cpu": "4", "requests.memory": "4Gi", "requests.storage": "2Gi" });
    assert_eq!(quota["spec"], json!({ "hard": hard }));
    let whole = json!({ "cpu": "4", "memory": "4Gi" });
    assert_eq!(
        range["spec"]["limits"],
        json!([
            { "type": "Container", "max": whole, "default": whole,
              "defaultRequest": { "cpu": "50m", "memory": "64Mi" }, "min": { "cpu": "1m", "memory": "1Mi" } },
            { "type": "Pod", "max": { "cpu": "40", "memory": "40Gi" } },
        ])
    );
}

#[test]
fn where_limits_count_the_second_mapping_differs_by_a_minimum() {
    let strict = VirtualClusterSpec { count_limits: true, ..spec() };
    let ([quota, range], [first, mut first_range]) =
        (objects(MappingVersion::V2, &strict), objects(MappingVersion::V1, &spec()));
    assert_eq!(quota, first);
    first_range["spec"]["limits"][0]["min"] = json!({ "cpu": "1m", "memory": "1Mi" });
    assert_eq!(range, first_range);
}

#[test]
fn what_kubernetes_cannot_count_is_never_written() {
    let most = Size { cpu: Millicores(MOST), memory: Bytes(MOST), storage: Bytes(0) };
    let [_, range] = objects(MappingVersion::V2, &VirtualClusterSpec { size: most, ..spec() });
    assert_eq!(range["spec"]["limits"][1]["max"]["memory"], MOST.to_string());
}
