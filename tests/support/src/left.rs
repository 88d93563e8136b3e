//! What is left on hosts after everything was destroyed, and whether what is there is counted once. For hosts that a test
//! has to itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::{eventually, is};

/// The field manager of the provider.
const MANAGER: &str = "terraform-provider-nested";

/// What the provider remembers.
const RECORDS: &str = "/api/v1/namespaces/nested-system/secrets";

/// Namespaces that are there from the beginning, and that of the provider's records, which stays.
const OF_THE_HOST: [&str; 5] = ["default", "kube-node-lease", "kube-public", "kube-system", "nested-system"];

/// Fails unless nothing of the provider is left on the host: no namespace, no object of any kind that it wrote, no record,
/// no ledger, no chart archive. Volumes go a moment after their claims.
#[track_caller]
pub fn assert_nothing_left(host: &Cluster) {
    let left = leftovers(host);
    assert_eq!(left, [""; 0], "left on {}", host.name);
    eventually("the end of the volumes", || is(host.names("/api/v1/persistentvolumes"), &[""; 0]));
}

/// The paths of what of the provider is on the host.
pub fn leftovers(host: &Cluster) -> Vec<String> {
    let namespaces = host.names("/api/v1/namespaces");
    let more = namespaces.iter().filter(|name| !OF_THE_HOST.contains(&name.as_str()));
    let mut left: Vec<String> = more.map(|name| format!("/api/v1/namespaces/{name}")).collect();
    left.extend(host.names(RECORDS).iter().map(|name| format!("{RECORDS}/{name}")));
    for (version, plural) in listed(host) {
        let ours = host.list(&format!("{version}/{plural}")).into_iter().filter(is_written_by_us);
        left.extend(ours.map(|object| path(&version, &plural, &object["metadata"])));
    }
    left.retain(|path| path != "/api/v1/namespaces/nested-system");
    left.sort();
    left.dedup();
    left
}

/// Removes what is left, for who goes on after a failure.
pub fn clear(host: &Cluster) {
    eventually("the end of all that was left", || {
        let left = leftovers(host);
        left.iter().for_each(|path| host.remove(path));
        is(left, &[""; 0])
    });
}

fn path(version: &str, plural: &str, metadata: &Value) -> String {
    let name = metadata["name"].as_str().unwrap_or_default();
    match metadata["namespace"].as_str() {
        Some(namespace) => format!("{version}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{version}/{plural}/{name}"),
    }
}

fn is_written_by_us(object: &Value) -> bool {
    let managers = object["metadata"]["managedFields"].as_array();
    managers.into_iter().flatten().any(|entry| entry["manager"] == MANAGER)
}

/// Everything that can be listed: versions' paths and the kinds' plural names.
fn listed(host: &Cluster) -> Vec<(String, String)> {
    let mut versions = vec!["/api/v1".to_owned()];
    for group in host.get("/apis").unwrap()["groups"].as_array().unwrap() {
        versions.push(format!("/apis/{}", group["preferredVersion"]["groupVersion"].as_str().unwrap()));
    }
    let of = |version: String| {
        let resources = host.get(&version).unwrap_or_default()["resources"].as_array().cloned().unwrap_or_default();
        let listable = |resource: &Value| resource["verbs"].as_array().unwrap().contains(&json!("list"));
        let plurals = resources.into_iter().filter(listable);
        let plurals: Vec<String> = plurals.map(|resource| resource["name"].as_str().unwrap().to_owned()).collect();
        plurals.into_iter().map(move |plural| (version.clone(), plural))
    };
    versions.into_iter().flat_map(of).collect()
}

/// Fails unless the ledgers of these hosts have exactly what their records say, each once.
#[track_caller]
pub fn assert_counted_once(hosts: &[&Cluster]) {
    assert_eq!(miscounted(hosts), [""; 0]);
}

/// What the ledgers have too much, too little or otherwise than the records.
pub fn miscounted(hosts: &[&Cluster]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut quotas: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    let mut counted: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for host in hosts {
        let secrets = host.list(RECORDS);
        let names = secrets.iter().map(|secret| secret["metadata"]["name"].as_str().unwrap());
        let mut held = BTreeMap::new();
        let mut ledger = BTreeMap::new();
        for name in names {
            // One that has just gone is not there.
            let Some(document) = host.document(name) else { continue };
            if let Some(namespace) = name.strip_prefix("virtual-cluster.") {
                let share = share(&document["share"]);
                if let Some(group) = document["share"]["group"].as_str() {
                    let key = format!("{}/{namespace}", document["host_uid"].as_str().unwrap_or_default());
                    quotas.entry(group.to_owned()).or_default().insert(key, share["size"].clone());
                }
                held.insert(namespace.to_owned(), share);
            } else if name == "ledger" {
                ledger = entries(&document, share);
            } else if let Some(group) = name.strip_prefix("quota.") {
                let entries = entries(&document, |entry| entry["size"].clone());
                if !entries.is_empty() {
                    counted.insert(group.to_owned(), entries);
                }
            }
        }
        if held != ledger {
            wrong.push(format!("{}: records {}, ledger {}", host.name, json!(held), json!(ledger)));
        }
    }
    if quotas != counted {
        wrong.push(format!("quotas: records {}, ledgers {}", json!(quotas), json!(counted)));
    }
    wrong
}

fn entries(document: &Value, of: impl Fn(&Value) -> Value) -> BTreeMap<String, Value> {
    let entries = document["entries"].as_object().cloned().unwrap_or_default();
    entries.iter().map(|(key, entry)| (key.clone(), of(entry))).collect()
}

/// What counts of a share, in a record or in a ledger.
fn share(of: &Value) -> Value {
    json!({ "size": of["size"], "paused": of["paused"].as_bool().unwrap_or_default() })
}
