//! The record of one virtual cluster: what it holds and how it is written. Pure; [`super::records`] stores it.
//!
//! Its stored form is [`super::formats`]'.

use std::fmt;

use serde_json::Value;

use super::applied::Applied;
use super::formats::VirtualCluster;
use super::object::ObjectRef;
use super::store::Document;
use crate::domain::amounts::Amounts;
use crate::domain::ledger::Account;
use crate::domain::shares::Labels;
use crate::domain::transition::Load;

/// Where a virtual cluster stands between a create's first write and a delete's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Room and name are reserved; nothing is made.
    Reserved,
    /// Objects are being made.
    Creating,
    /// Made, and given to Terraform, which is about to save it or has.
    HandedOver,
    /// Being removed.
    Deleting,
}

/// An object that a virtual cluster consists of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// Its name.
    pub object: ObjectRef,
    /// Its UID once it is made; before that nothing may stand there, or somebody else's.
    pub uid: Option<String>,
}

/// What a virtual cluster takes of its host's capacity and its group's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its group, if it is in one.
    pub group: Option<String>,
    /// Its labels in a group, which may let one of them say whose it is.
    pub labels: Labels,
    /// What it may have, and whether it is paused.
    pub load: Load,
}

impl Share {
    /// What a virtual cluster with these labels takes. Without a group nobody ever asks whose it is.
    pub fn new(group: Option<String>, labels: &Labels, load: Load) -> Self {
        let labels = if group.is_some() { labels.clone() } else { Labels::new() };
        Self { group, labels, load }
    }

    /// What it takes of the host's capacity.
    pub fn charged(&self) -> Amounts {
        self.load.of(Account::Capacity)
    }
}

/// What a host remembers about one virtual cluster. Debug leaves out the spec, which may hold a user's secrets.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// The virtual cluster's name.
    pub name: String,
    /// Its namespace; there is one virtual cluster in a namespace.
    pub namespace: String,
    /// UID of the host's `kube-system` namespace.
    pub host_uid: String,
    /// Where it stands.
    pub phase: Phase,
    /// Whether it has ever been given to Terraform: then a state is its owner, also while it is being removed.
    pub was_handed_over: bool,
    /// UID of the namespace, once known.
    pub namespace_uid: Option<String>,
    /// Whether the namespace goes when the virtual cluster goes: it was made for it, or imported whole.
    pub namespace_created: bool,
    /// The chart archive that it was made from (see [`super::chart_archives`]).
    pub chart_digest: Option<String>,
    /// What it takes. The ledgers are rebuilt from here.
    pub share: Option<Share>,
    /// What the provider wants to know again: sizes, versions. Opaque here.
    pub spec: Value,
    /// What was made, or is about to be.
    pub inventory: Vec<Item>,
    /// What was applied to it last, for finding drift.
    pub applied: Option<Applied>,
    /// Whether objects are being applied, or were when that was cut off.
    pub is_applying: bool,
    /// Who may work on it: random per claim. Empty once they have let go of it.
    pub(super) owner: String,
    /// Counts up while the owner works.
    pub(super) heartbeat: u64,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, namespace, phase, owner, heartbeat, .. } = self;
        let mut record = f.debug_struct("Record");
        record.field("name", name).field("namespace", namespace).field("phase", phase);
        record.field("owner", owner).field("heartbeat", heartbeat).finish_non_exhaustive()
    }
}

impl Record {
    /// A record in phase [`Phase::Reserved`] of a virtual cluster for which nothing is made yet.
    pub fn new(name: &str, namespace: &str, host_uid: &str, spec: Value) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            host_uid: host_uid.to_owned(),
            phase: Phase::Reserved,
            was_handed_over: false,
            namespace_uid: None,
            namespace_created: false,
            chart_digest: None,
            share: None,
            spec,
            inventory: Vec::new(),
            applied: None,
            is_applying: false,
            owner: String::new(),
            heartbeat: 0,
        }
    }

    /// Gives it to Terraform.
    pub fn hand_over(&mut self) {
        self.phase = Phase::HandedOver;
        self.was_handed_over = true;
    }

    /// Whether no state can be its owner, so that it is nobody's once nobody works on it.
    pub fn is_unfinished(&self) -> bool {
        self.phase != Phase::HandedOver && !self.was_handed_over
    }

    /// Whether somebody works on it, or did until they were cut off.
    pub fn is_held(&self) -> bool {
        !self.owner.is_empty()
    }

    /// The control plane's StatefulSets and Deployments, the one named after the virtual cluster first: vCluster's own
    /// first, then a separately deployed etcd.
    pub fn workloads(&self) -> Vec<&Item> {
        let here = |item: &&Item| item.object.is_workload() && item.object.namespace.as_ref() == Some(&self.namespace);
        let mut workloads: Vec<&Item> = self.inventory.iter().filter(here).collect();
        workloads.sort_by_key(|item| (item.object.name != self.name, &item.object.name));
        workloads
    }
}

impl Document for Record {
    type Format = VirtualCluster;
    const SECRET_TYPE: &'static str = "nested-clusters.io/virtual-cluster";
    const KIND: &'static str = "virtual-cluster";

    fn secret_name(&self) -> String {
        secret_name(&self.namespace)
    }

    /// A namespace that was written into a record must not lead to another one than its own.
    fn kept_as(&mut self, secret: &str) {
        if let Some(namespace) = secret.strip_prefix(SECRET_PREFIX) {
            namespace.clone_into(&mut self.namespace);
        }
    }

    fn labels(&self) -> &'static [(&'static str, &'static str)] {
        if self.is_unfinished() { &[(UNFINISHED_LABEL, "true")] } else { &[] }
    }
}

/// On records that are in no state yet: so that those can be listed without all others.
pub(super) const UNFINISHED_LABEL: &str = "nested-clusters.io/unfinished";

/// The Secret of the virtual cluster in `namespace`. At most 79 characters: a namespace has at most 63, and no dots.
pub(super) fn secret_name(namespace: &str) -> String {
    format!("{SECRET_PREFIX}{namespace}")
}

/// Before the namespace in the name of a record's Secret.
pub(super) const SECRET_PREFIX: &str = "virtual-cluster.";

/// What an inventory becomes before an apply: what was there, with its UIDs, and what is about to be made. Written
/// first, so that an apply that is killed leaves nothing that the record does not name.
pub(super) fn announced(old: &[Item], rendered: &[ObjectRef]) -> Vec<Item> {
    let mut items: Vec<Item> = rendered
        .iter()
        .map(|object| Item {
            object: object.clone(),
            uid: old.iter().find(|item| item.object.is_same(object)).and_then(|item| item.uid.clone()),
        })
        .collect();
    items.extend(no_longer_rendered(old, rendered).cloned());
    items
}

/// The items that an apply leaves without a purpose.
pub(super) fn no_longer_rendered<'a>(old: &'a [Item], rendered: &[ObjectRef]) -> impl Iterator<Item = &'a Item> {
    old.iter().filter(|item| !rendered.iter().any(|object| object.is_same(&item.object)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::formats::{self, Unknown};
    use crate::host::store::read;
    use serde_json::json;

    fn object(kind: &str, name: &str) -> ObjectRef {
        let api_version = if kind == "Secret" { "v1" } else { "apps/v1" };
        ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: Some("ns".into()),
            name: name.into(),
        }
    }

    fn item(kind: &str, name: &str, uid: Option<&str>) -> Item {
        Item { object: object(kind, name), uid: uid.map(str::to_owned) }
    }

    #[test]
    fn a_record_survives_writing_and_reading() {
        let mut record = Record::new("team-a", "ns", "host-uid", json!({"cpu": "4"}));
        record.phase = Phase::HandedOver;
        record.namespace_uid = Some("ns-uid".into());
        record.inventory = vec![item("StatefulSet", "team-a", Some("uid")), item("Secret", "vc-config-team-a", None)];
        record.inventory.sort();
        let bytes = formats::write(&VirtualCluster::from(&record), &Unknown::default()).unwrap();
        assert_eq!(read::<Record>(&bytes).unwrap().0, record);
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap()["phase"], "handed_over");
    }

    #[test]
    fn the_announced_inventory_holds_what_was_and_what_will_be() {
        let old = [item("Secret", "kept", Some("1")), item("Secret", "dropped", Some("2"))];
        let rendered = [object("Secret", "kept"), object("StatefulSet", "new")];
        assert_eq!(
            announced(&old, &rendered),
            [item("Secret", "kept", Some("1")), item("StatefulSet", "new", None), item("Secret", "dropped", Some("2"))]
        );
        assert_eq!(no_longer_rendered(&old, &rendered).collect::<Vec<_>>(), [&old[1]]);
    }

    #[test]
    fn the_workload_named_after_the_virtual_cluster_comes_first() {
        let mut record = Record::new("team-a", "ns", "host-uid", Value::Null);
        record.inventory = vec![
            item("StatefulSet", "team-a-etcd", None),
            item("Secret", "s", None),
            item("StatefulSet", "team-a", None),
        ];
        let names: Vec<_> = record.workloads().iter().map(|item| item.object.name.as_str()).collect();
        assert_eq!(names, ["team-a", "team-a-etcd"]);
    }
}
