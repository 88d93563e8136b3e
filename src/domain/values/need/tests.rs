//! Tests of the file one level up.

use serde_json::json;

use super::*;
use crate::domain::quantity::Millicores;
use crate::domain::values::tests::spec;

const GIB: u64 = 1 << 30;

fn set(replicas: u64, requests: [&str; 2], limits: [&str; 2]) -> Value {
    let amounts = |[cpu, memory]: [&str; 2]| json!({ "cpu": cpu, "memory": memory });
    let syncer = json!({ "name": "syncer", "resources": { "requests": amounts(requests), "limits": amounts(limits) } });
    let binaries = json!({ "name": "kubernetes", "resources": {
        "requests": amounts(["40m", "64Mi"]), "limits": amounts(["1", "256Mi"]) } });
    json!({
        "kind": "StatefulSet", "metadata": { "name": "a" },
        "spec": {
            "replicas": replicas,
            "template": { "spec": { "initContainers": [binaries], "containers": [syncer] } },
            "volumeClaimTemplates": [{ "spec": { "resources": { "requests": { "storage": "512Mi" } } } }],
        },
    })
}

fn usual(replicas: u64) -> Value {
    set(replicas, ["200m", "512Mi"], ["1", "1Gi"])
}

fn dns() -> Value {
    let resources =
        json!({ "requests": { "cpu": "20m", "memory": "64Mi" }, "limits": { "cpu": "200m", "memory": "170Mi" } });
    json!({ "controlPlane": { "coredns": { "deployment": { "resources": resources } } } })
}

fn sized(cpu: u64, memory: u64) -> VirtualClusterSpec {
    let size = Size { cpu: Millicores(cpu * 1000), memory: Bytes(memory * GIB), storage: Bytes(2 * GIB) };
    VirtualClusterSpec { size, ..spec() }
}

#[track_caller]
fn check(verdict: &Verdict, lacking: &[(&str, &str, &str)], scarce: &[&str]) {
    let said = |taken: &Taken| (taken.counted_as, taken.resource.say(taken.needed), taken.resource.say(taken.size));
    let found: Vec<_> = verdict.lacking.iter().map(said).collect();
    let expected: Vec<_> =
        lacking.iter().map(|(name, needed, size)| (*name, (*needed).to_owned(), (*size).to_owned())).collect();
    assert_eq!(found, expected);
    assert_eq!(verdict.scarce.iter().map(|taken| taken.counted_as).collect::<Vec<_>>(), scarce);
}

#[test]
fn what_the_provider_makes_by_itself_leaves_most_to_the_tenant() {
    for (cpu, memory) in [(3, 3), (4, 4), (8, 8)] {
        for version in [MappingVersion::V1, MappingVersion::V2] {
            check(&judge(version, &sized(cpu, memory), &[usual(1)], &dns()), &[], &[]);
        }
    }
}

#[test]
fn replicas_count_as_the_size_does() {
    let three = |version, objects: &[Value]| judge(version, &sized(3, 3), objects, &dns());
    let verdict = three(MappingVersion::V1, &[usual(3)]);
    check(&verdict, &[("limits.cpu", "3.2", "3"), ("limits.memory", "3242Mi", "3Gi")], &[]);
    assert_eq!(verdict.lacking[0].by, ["3 pods of StatefulSet a: 3", "1 pod of CoreDNS: 200m"]);
    assert!(!verdict.runs());
    // Requests of 620m and 1600Mi.
    check(&three(MappingVersion::V2, &[usual(3)]), &[], &[]);
    let larger = set(3, ["800m", "900Mi"], ["1", "1Gi"]);
    let verdict = three(MappingVersion::V2, &[larger]);
    check(&verdict, &[], &["requests.cpu", "requests.memory"]);
    assert!(verdict.runs());
}

#[test]
fn a_rollout_counts_what_it_runs_beside() {
    let deployment = |strategy: Value| {
        let mut deployment = set(1, ["2", "1Gi"], ["2", "1Gi"]);
        (deployment["kind"], deployment["spec"]["strategy"]) = (json!("Deployment"), strategy);
        deployment["spec"].as_object_mut().unwrap().remove("volumeClaimTemplates");
        judge(MappingVersion::V2, &sized(3, 4), &[deployment], &json!({}))
    };
    check(&deployment(json!({ "rollingUpdate": { "maxSurge": 1 } })), &[("requests.cpu", "4", "3")], &[]);
    check(&deployment(json!({ "rollingUpdate": { "maxSurge": "25%" } })), &[("requests.cpu", "4", "3")], &[]);
    check(&deployment(Value::Null), &[("requests.cpu", "4", "3")], &[]);
    check(&deployment(json!({ "type": "Recreate" })), &[], &[]);
}

#[test]
fn etcd_beside_the_control_plane_counts_with_its_claim() {
    let mut etcd = set(1, ["20m", "150Mi"], ["1", "1Gi"]);
    etcd["metadata"]["name"] = json!("a-etcd");
    etcd["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = json!("5Gi");
    let verdict = judge(MappingVersion::V2, &sized(4, 4), &[usual(1), etcd], &dns());
    check(&verdict, &[("requests.storage", "5632Mi", "2Gi")], &[]);
    assert_eq!(verdict.lacking[0].by, ["1 pod of StatefulSet a-etcd: 5Gi", "1 pod of StatefulSet a: 512Mi"]);
}

#[test]
fn a_container_beyond_the_size_is_named() {
    let verdict = judge(MappingVersion::V2, &sized(3, 3), &[set(1, ["200m", "512Mi"], ["4", "8Gi"])], &dns());
    let found: Vec<_> = verdict.beyond.iter().map(|beyond| (beyond.container.as_str(), beyond.resource)).collect();
    assert_eq!(found, [("syncer", Resource::Cpu), ("syncer", Resource::Memory)]);
    assert!(!verdict.runs());
}

#[test]
fn containers_without_a_word_count_as_the_host_gives_them() {
    let mut silent = usual(1);
    silent["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
    silent["spec"]["template"]["spec"]["initContainers"] = json!([{ "name": "side", "restartPolicy": "Always" }]);
    silent["spec"]["replicas"] = json!(20);
    let verdict = judge(MappingVersion::V2, &sized(3, 3), std::slice::from_ref(&silent), &json!({}));
    // Twenty pods of two containers.
    check(&verdict, &[("requests.storage", "10Gi", "2Gi")], &["requests.memory"]);
    assert_eq!(verdict.scarce[0].needed, (40 * 64) << 20);
}
