//! What is kept of an object that was looked at: little, so that a thousand virtual clusters fit into memory. Pure.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::Service;
use kube::api::DynamicObject;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::drift::{Difference, Since, Snapshot};
use crate::host::applied::conceal;
use crate::host::formats::FormatError;
use crate::host::object::ObjectRef;
use crate::host::ownership::FIELD_MANAGER;
use crate::host::record::Record;
use crate::host::workload::WorkloadState;

/// A kind with its group and version: what one LIST covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::host) struct KindOf {
    /// Group and version.
    pub api_version: String,
    /// The kind.
    pub kind: String,
}

impl KindOf {
    /// The kind of an object.
    pub(in crate::host) fn of(object: &ObjectRef) -> Self {
        Self { api_version: object.api_version.clone(), kind: object.kind.clone() }
    }
}

/// Namespace, empty for cluster-scoped objects, and name.
pub(in crate::host) type Key = (String, String);

/// The key of an object among those of its kind.
pub(in crate::host) fn key(object: &ObjectRef) -> Key {
    (object.namespace.clone().unwrap_or_default(), object.name.clone())
}

/// An object that a record names.
#[derive(Debug)]
pub(in crate::host) struct Wanted {
    object: ObjectRef,
    uid: Option<String>,
    /// As it was applied, as JSON; none while that is not known.
    applied: Option<Box<RawValue>>,
    since: Since,
}

/// Objects that records name, by kind.
pub(in crate::host) type WantedByKind = BTreeMap<KindOf, HashMap<Key, Wanted>>;

/// Adds what `record` names.
///
/// # Errors
/// What was applied cannot be read.
pub(in crate::host) fn want(wanted: &mut WantedByKind, record: &Record) -> Result<(), FormatError> {
    let since = if record.is_applying { Since::OurApply } else { Since::Nothing };
    let mut applied: HashMap<ObjectRef, Box<RawValue>> = HashMap::new();
    if let Some(packed) = &record.applied {
        applied.extend(packed.unpack()?.into_iter().map(|known| (known.object, known.applied)));
    }
    for item in &record.inventory {
        let (object, uid) = (item.object.clone(), item.uid.clone());
        let applied = applied.remove(&object);
        let of_kind = wanted.entry(KindOf::of(&object)).or_default();
        of_kind.insert(key(&object), Wanted { object, uid, applied, since });
    }
    Ok(())
}

/// What is kept of an object.
#[derive(Debug, Clone)]
pub(in crate::host) struct Sighting {
    /// In which ways it is not as it was applied, its scale left out.
    pub differences: Vec<Difference>,
    /// The state of a workload, and how many replicas were applied.
    pub workload: Option<(WorkloadState, i64)>,
    /// A Service, for its address.
    pub service: Option<Service>,
}

impl Wanted {
    /// Looks at the object that is there.
    ///
    /// # Errors
    /// It is no such object.
    pub(in crate::host) fn sight(&self, mut live: Value) -> Result<Sighting, serde_json::Error> {
        let applied: Option<Snapshot> = match &self.applied {
            Some(applied) => Some(serde_json::from_str(applied.get())?),
            None => None,
        };
        conceal(&self.object.kind, &mut live);
        let now = live["metadata"]["uid"].as_str().unwrap_or_default();
        let mut differences = Vec::new();
        if let Some(recorded) = self.uid.as_ref().filter(|recorded| *recorded != now) {
            differences.push(Difference::Replaced { recorded: recorded.clone(), now: now.to_owned() });
        }
        if let Some(applied) = &applied {
            differences.extend(applied.differences(&live, FIELD_MANAGER, self.since));
        }
        if let Some(metadata) = live["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let replicas = applied.as_ref().and_then(|applied| applied.get("/spec/replicas")?.as_i64()).unwrap_or(1);
        let (mut workload, mut service) = (None, None);
        if self.object.is_workload() {
            let live: DynamicObject = serde_json::from_value(live)?;
            workload = Some((WorkloadState::of(&self.object, &live), replicas));
        } else if self.object.kind == "Service" && self.object.group().is_empty() {
            service = Some(serde_json::from_value(live)?);
        }
        Ok(Sighting { differences, workload, service })
    }
}

/// The key that an object's JSON text has.
///
/// # Errors
/// It is no Kubernetes object.
pub(in crate::host) fn key_of(object: &RawValue) -> Result<Key, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Named {
        metadata: Metadata,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        #[serde(default)]
        namespace: String,
        #[serde(default)]
        name: String,
    }
    let Named { metadata } = serde_json::from_str(object.get())?;
    Ok((metadata.namespace, metadata.name))
}
