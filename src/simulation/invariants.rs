//! What holds after each write, whatever goes wrong: nothing is oversold, nothing is orphaned, nobody who lives is pushed aside,
//! nothing of another virtual cluster is touched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::time::Instant;

use super::api_server::{GPU, Key, SECRETS, STATEFUL_SETS, Write};
use super::world::{Cluster, Held, Process};
use crate::domain::quantity::Quantity;
use crate::host::lease;
use crate::host::ownership::MADE_FOR;

const RECORDS: &str = "nested-system";
const RECORD: &str = "virtual-cluster.";

/// What a group may hand out of each thing: in all, and to each owner.
#[derive(Debug, Clone, Copy)]
pub struct Handout {
    pub total: Amount,
    pub owner: Amount,
}

/// Virtual clusters, millicores and GPUs.
pub type Amount = [u64; 3];

/// The label by which the group's virtual clusters have owners.
pub const OWNER: &str = "team";

#[derive(Default)]
pub struct Invariants {
    pub violations: Vec<String>,
    /// What each host may carry, in percent of what it has.
    pub percent: u32,
    /// What the group may hand out, where that is bounded.
    pub bounds: Option<Handout>,
    /// Which records each process has held.
    held: Held,
    /// When each record was last written by its owner.
    written: BTreeMap<String, Instant>,
}

impl Invariants {
    /// What a write has broken.
    pub fn after(&mut self, process: Process, number: usize, write: &Write, clusters: &[Cluster]) -> Vec<String> {
        let cluster = &clusters[number];
        let mut broken = Vec::new();
        let key = &write.key;
        if key.collection == SECRETS && key.namespace == RECORDS && key.name.starts_with(RECORD) {
            self.record(process, cluster, write, &mut broken);
        } else if key.collection == SECRETS && key.namespace == RECORDS {
            // Who wakes up late may still enter what has no record any more: `miscounted` has to find none of it in the end.
        } else {
            self.object(process, write, &mut broken);
            broken.extend(oversold(cluster, self.percent));
            broken.extend(self.bounds.into_iter().flat_map(|bounds| overdrawn(clusters, bounds)));
        }
        let said =
            |problem| format!("process {process} wrote {} {}/{}: {problem}", key.collection, key.namespace, key.name);
        broken.into_iter().map(said).collect()
    }

    fn record(&mut self, process: Process, cluster: &Cluster, write: &Write, broken: &mut Vec<String>) {
        let uid = |object: Option<&Value>| object.map(|object| text(&object["metadata"]["uid"]));
        let uid = uid(write.after.as_deref()).or_else(|| uid(write.before.as_deref())).unwrap_or_default();
        let (before, after) = (write.before.as_deref().map(content), write.after.as_deref().map(content));
        let owner = |record: &Option<Value>| record.as_ref().map(|record| text(&record["owner"])).unwrap_or_default();
        let (was, is) = (owner(&before), owner(&after));
        if was != is && !was.is_empty() && !is.is_empty() {
            let silent = self.written.get(&uid).map_or(Duration::MAX, Instant::elapsed);
            if silent < lease::silence() {
                broken.push(format!("a living claim was taken over {silent:?} after its last write"));
            }
        }
        if after.is_some() {
            self.held.entry(process).or_default().insert(uid.clone());
            self.written.insert(uid.clone(), Instant::now());
            return;
        }
        let still =
            cluster.server.objects.iter().filter(|(_, object)| made_for(object).is_some_and(|made| made == uid));
        let still: Vec<String> = still.map(|(key, _)| format!("{} {}", key.collection, key.name)).collect();
        if !still.is_empty() {
            broken.push(format!("a record went while there is {}", still.join(", ")));
        }
        let ledger = cluster.server.objects.get(&Key::new(SECRETS, RECORDS, "ledger")).map(|ledger| content(ledger));
        if ledger.is_some_and(|ledger| entries(&ledger).any(|entry| entry["record"] == uid)) {
            broken.push("a record went that is in the ledger".to_owned());
        }
    }

    fn object(&self, process: Process, write: &Write, broken: &mut Vec<String>) {
        for object in [&write.before, &write.after].into_iter().flatten() {
            let Some(record) = made_for(object) else { continue };
            if !self.held.get(&process).is_some_and(|held| held.contains(record)) {
                broken.push(format!("it was made for record {record}, which this process has never held"));
            }
        }
    }
}

/// Whether what runs on a host is more than it may carry.
fn oversold(cluster: &Cluster, percent: u32) -> Option<String> {
    let objects = &cluster.server.objects;
    let node = objects.get(&Key::new("v1/nodes", "", "node-1"))?;
    let allocatable = &node["status"]["allocatable"];
    let limit = [millicores(&allocatable["cpu"]) * u64::from(percent) / 100, pieces(&allocatable[GPU])];
    let mut sum = [0, 0];
    for (key, [_, cpu, gpus], _) in sizes(cluster) {
        let runs = |(found, set): (&Key, &Arc<Value>)| {
            found.collection == STATEFUL_SETS && found.namespace == key.namespace && set["spec"]["replicas"] != 0
        };
        if objects.iter().any(runs) {
            sum = [sum[0] + cpu, sum[1] + gpus];
        }
    }
    let is_too_much = sum[0] > limit[0] || sum[1] > limit[1];
    is_too_much.then(|| format!("host {} carries {sum:?} of {limit:?} millicores and GPUs", cluster.name))
}

/// Whether what there is of the group's virtual clusters, paused ones included, is more than it may hand out.
fn overdrawn(clusters: &[Cluster], bounds: Handout) -> Vec<String> {
    let mut held: BTreeMap<String, Amount> = BTreeMap::new();
    for (_, size, owner) in clusters.iter().flat_map(sizes) {
        let Some(owner) = owner else { continue };
        let sum = held.entry(owner).or_default();
        *sum = plus(*sum, size);
    }
    let total = held.values().copied().fold([0; 3], plus);
    let is_more = |held: Amount, limit: Amount| held.iter().zip(limit).any(|(held, limit)| *held > limit);
    let of_owners = held.iter().filter(|(_, held)| is_more(**held, bounds.owner));
    let mut said: Vec<String> =
        of_owners.map(|(owner, held)| format!("{owner} has {held:?} of {:?}", bounds.owner)).collect();
    if is_more(total, bounds.total) {
        said.push(format!("the group has {total:?} of {:?}", bounds.total));
    }
    said
}

fn plus(one: Amount, other: Amount) -> Amount {
    [0, 1, 2].map(|i| one[i] + other[i])
}

/// The size of each virtual cluster, as its quota has it, and whose it is.
fn sizes(cluster: &Cluster) -> impl Iterator<Item = (&Key, Amount, Option<String>)> {
    let quotas = cluster.server.objects.iter().filter(|(key, _)| key.collection == "v1/resourcequotas");
    quotas.filter(|(_, quota)| quota["spec"]["hard"]["requests.cpu"].is_string()).map(|(key, quota)| {
        let hard = &quota["spec"]["hard"];
        let size = [1, millicores(&hard["requests.cpu"]), pieces(&hard[format!("requests.{GPU}")])];
        (key, size, quota["metadata"]["labels"][OWNER].as_str().map(str::to_owned))
    })
}

fn quantity(value: &Value) -> Quantity {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn millicores(value: &Value) -> u64 {
    quantity(value).millicores()
}

fn pieces(value: &Value) -> u64 {
    quantity(value).bytes()
}

/// Which ledgers differ from the records.
pub fn miscounted(clusters: &[Cluster]) -> Vec<String> {
    let mut wrong = Vec::new();
    for cluster in clusters {
        let documents = || cluster.server.objects.iter().filter(|(key, _)| key.namespace == RECORDS);
        let records = documents().filter(|(key, _)| key.name.starts_with(RECORD));
        let record =
            |(_, secret): (&Key, &Arc<Value>)| (text(&secret["metadata"]["uid"]), text(&content(secret)["phase"]));
        let records: BTreeMap<String, String> = records.map(record).collect();
        let ledger = cluster.server.objects.get(&Key::new(SECRETS, RECORDS, "ledger")).map(|ledger| content(ledger));
        let ledger = ledger.unwrap_or_default();
        let counted: Vec<String> = entries(&ledger).map(|entry| text(&entry["record"])).collect();
        let finished = |phase: &str| phase == "handed_over";
        let is_wrong = counted.iter().any(|uid| !records.contains_key(uid))
            || records.iter().any(|(uid, phase)| finished(phase) && !counted.contains(uid));
        if is_wrong {
            wrong.push(format!("{}: records {records:?}, ledger {counted:?}", cluster.name));
        }
    }
    wrong
}

fn entries(ledger: &Value) -> impl Iterator<Item = &Value> {
    ledger["entries"].as_object().into_iter().flat_map(|entries| entries.values())
}

/// What a document says.
pub fn content(secret: &Value) -> Value {
    let bytes = secret["data"]["record.json"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn made_for(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][MADE_FOR].as_str()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a written document says that matters, in a line.
pub fn summary(write: &Write) -> String {
    let Some(after) = &write.after else { return "(gone)".to_owned() };
    let document = content(after);
    let share =
        |of: &Value| format!("{}{}", text(&of["size"]["cpu"]), if of["paused"] == true { " paused" } else { "" });
    match &document {
        Value::Null => text(&after["metadata"]["uid"]),
        record if record["phase"].is_string() => {
            let owner: String = text(&record["owner"]).chars().take(6).collect();
            let uid = text(&after["metadata"]["uid"]);
            format!(
                "{uid} {} beat {} owner {owner} share {}",
                record["phase"],
                record["heartbeat"],
                share(&record["share"])
            )
        }
        ledger => {
            let entries = ledger["entries"].as_object().into_iter().flatten();
            let entry = |(key, entry): (&String, &Value)| format!("{key} {} {}", text(&entry["record"]), share(entry));
            entries.map(entry).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The virtual clusters that have a record, as `(host, namespace, name, phase)`.
pub fn recorded(clusters: &[Cluster]) -> Vec<(String, String, String, String)> {
    let of = |cluster: &Cluster| {
        let records =
            cluster.server.objects.iter().filter(|(key, _)| {
                key.collection == SECRETS && key.namespace == RECORDS && key.name.starts_with(RECORD)
            });
        let record = |(_, secret): (&Key, &Arc<Value>)| {
            let record = content(secret);
            (cluster.name.clone(), text(&record["namespace"]), text(&record["name"]), text(&record["phase"]))
        };
        records.map(record).collect::<Vec<_>>()
    };
    clusters.iter().flat_map(of).collect()
}
