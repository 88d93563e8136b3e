//! The stored form of a virtual cluster's record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Format, Share, Upgrade};
use crate::host::applied::Applied;
use crate::host::object::ObjectRef;
use crate::host::record::{self, Item, Record};

/// See docs/design/formats.md, as for every field.
#[derive(Serialize, Deserialize)]
pub struct VirtualCluster {
    name: String,
    namespace: String,
    host_uid: String,
    phase: Phase,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    was_handed_over: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace_uid: Option<String>,
    namespace_created: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chart_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<Share>,
    spec: Value,
    /// By API version, kind and name, so that what a later version says of an object finds its place again.
    inventory: BTreeMap<String, Object>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    applied: Option<Applied>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_applying: bool,
    owner: String,
    heartbeat: u64,
}

#[derive(Serialize, Deserialize)]
struct Object {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Reserved,
    Creating,
    HandedOver,
    Deleting,
}

impl Format for VirtualCluster {
    const UPGRADES: &'static [Upgrade] = &[];
}

impl From<&Record> for VirtualCluster {
    fn from(record: &Record) -> Self {
        let object = |item: &Item| (key(&item.object), Object { uid: item.uid.clone() });
        Self {
            name: record.name.clone(),
            namespace: record.namespace.clone(),
            host_uid: record.host_uid.clone(),
            phase: record.phase.into(),
            was_handed_over: record.was_handed_over,
            namespace_uid: record.namespace_uid.clone(),
            namespace_created: record.namespace_created,
            chart_digest: record.chart_digest.clone(),
            share: record.share.as_ref().map(Share::from),
            spec: record.spec.clone(),
            inventory: record.inventory.iter().map(object).collect(),
            applied: record.applied.clone(),
            is_applying: record.is_applying,
            owner: record.owner.clone(),
            heartbeat: record.heartbeat,
        }
    }
}

impl TryFrom<VirtualCluster> for Record {
    type Error = String;

    fn try_from(stored: VirtualCluster) -> Result<Self, String> {
        let item = |(key, Object { uid }): (String, Object)| match object(&key) {
            Some(object) => Ok(Item { object, uid }),
            None => Err(format!("its inventory names {key:?}, which is no object")),
        };
        Ok(Self {
            name: stored.name,
            namespace: stored.namespace,
            host_uid: stored.host_uid,
            phase: stored.phase.into(),
            was_handed_over: stored.was_handed_over,
            namespace_uid: stored.namespace_uid,
            namespace_created: stored.namespace_created,
            chart_digest: stored.chart_digest,
            share: stored.share.map(record::Share::from),
            spec: stored.spec,
            inventory: stored.inventory.into_iter().map(item).collect::<Result<_, _>>()?,
            applied: stored.applied,
            is_applying: stored.is_applying,
            owner: stored.owner,
            heartbeat: stored.heartbeat,
        })
    }
}

/// `apps/v1 StatefulSet vcluster-a/a`, or without a namespace `v1 Namespace a`.
fn key(object: &ObjectRef) -> String {
    let ObjectRef { api_version, kind, namespace, name } = object;
    match namespace {
        Some(namespace) => format!("{api_version} {kind} {namespace}/{name}"),
        None => format!("{api_version} {kind} {name}"),
    }
}

fn object(key: &str) -> Option<ObjectRef> {
    let (api_version, rest) = key.split_once(' ')?;
    let (kind, name) = rest.split_once(' ')?;
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, name),
    };
    Some(ObjectRef { api_version: api_version.to_owned(), kind: kind.to_owned(), namespace, name: name.to_owned() })
}

impl From<record::Phase> for Phase {
    fn from(phase: record::Phase) -> Self {
        match phase {
            record::Phase::Reserved => Self::Reserved,
            record::Phase::Creating => Self::Creating,
            record::Phase::HandedOver => Self::HandedOver,
            record::Phase::Deleting => Self::Deleting,
        }
    }
}

impl From<Phase> for record::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Reserved => Self::Reserved,
            Phase::Creating => Self::Creating,
            Phase::HandedOver => Self::HandedOver,
            Phase::Deleting => Self::Deleting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_read_back() {
        for namespace in [None, Some("vcluster-a".to_owned())] {
            for (api_version, kind, name) in [
                ("v1", "Secret", "vc-a"),
                ("rbac.authorization.k8s.io/v1", "ClusterRole", "system:a b"),
                ("apps/v1", "StatefulSet", "a"),
            ] {
                let named = ObjectRef {
                    api_version: api_version.into(),
                    kind: kind.into(),
                    namespace: namespace.clone(),
                    name: name.into(),
                };
                assert_eq!(object(&key(&named)), Some(named));
            }
        }
        assert_eq!(object("v1 Secret"), None);
    }
}
