//! Puts rendered objects on a host by server-side apply and removes what is no longer rendered.
//!
//! The inventory is written before the first object, so that a process killed after that leaves nothing that the record does not
//! name. What came of it goes with the record's next write. Objects of others are never touched, unless the user has seen them in the plan in
//! the place of ours, and agreed.

mod object;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::ObjectMeta;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::applied::{Applied, Confirmed, Packed};
use super::delete::{DeleteError, delete_object};
use super::kind::{KindError, Kinds};
use super::object::ObjectRef;
use super::ownership::{MADE_FOR, Owner, made_for, writers};
use super::record::{Item, Record, announced, no_longer_rendered};
use super::records::claim::Claim;
use super::records::{RecordError, Records};
use super::{Error, Host};

/// How many requests run at a time where order does not matter.
pub(super) const CONCURRENCY: usize = 8;

/// Why objects could not be applied. What was applied before is in the record's inventory.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The record is not ours any more, or could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The kind has no place on the host.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// An object that is no longer rendered could not be deleted.
    #[error(transparent)]
    Prune(#[from] DeleteError),
    /// Something of somebody else's stands under the name.
    #[error(
        "{object} exists on host cluster {host:?} and was not made for this virtual cluster ({writers}): it was not touched"
    )]
    NotOurs {
        /// The host cluster.
        host: String,
        /// The object.
        object: ObjectRef,
        /// Who wrote it, for a person.
        writers: String,
    },
    /// The object of another virtual cluster stands under the name. Charts make names of cluster-scoped objects of a virtual
    /// cluster's name and namespace, and two can come out alike.
    #[error(
        "virtual cluster {name:?} in namespace {namespace} needs {object} on host cluster {host:?}, and that is virtual \
         cluster {other:?}'s in namespace {other_namespace}; choose another name or namespace"
    )]
    Taken {
        /// The host cluster.
        host: String,
        /// The virtual cluster that needs it.
        name: String,
        /// Its namespace.
        namespace: String,
        /// The object.
        object: ObjectRef,
        /// The virtual cluster that it was made for.
        other: String,
        /// That one's namespace.
        other_namespace: String,
    },
    /// A field that cannot be changed would have to change; only making the object anew could.
    #[error("{object} on host cluster {host:?} cannot be changed in place: {message}")]
    Immutable {
        /// The host cluster.
        host: String,
        /// The object.
        object: ObjectRef,
        /// What the API server said.
        message: String,
    },
    /// An object of ours that has to be made anew was deleted, and does not go.
    #[error("{object} on host cluster {host:?} is being deleted, and a finalizer keeps it from going")]
    Kept {
        /// The host cluster.
        host: String,
        /// The object.
        object: ObjectRef,
    },
    /// The run was stopped between two steps.
    #[error("stopped before {object} was applied on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The first object that was not applied.
        object: ObjectRef,
    },
}

/// Objects of others that stand where ours stood and may be taken over, by name and UID: the user has seen them in a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent(BTreeSet<(String, String)>);

impl Consent {
    /// Consent to take over the object of this name, as [`ObjectRef`] prints it, and this UID.
    pub fn to(objects: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(objects.into_iter().collect())
    }

    fn covers(&self, object: &ObjectRef, uid: Option<&str>) -> bool {
        uid.is_some_and(|uid| self.0.contains(&(object.to_string(), uid.to_owned())))
    }
}

struct Planned {
    object: ObjectRef,
    body: Value,
    uid: Option<String>,
    /// What was applied for it the last time.
    before: Option<Packed>,
}

/// Applies rendered objects to the record's namespace, with `labels` on each, in [`ObjectRef::step`]'s order and up to
/// 8 at a time within a step. Returns the new inventory, which is noted for the record.
///
/// # Errors
/// See [`ApplyError`].
pub async fn apply(
    host: &Host,
    claim: &Claim,
    objects: &[Value],
    labels: &BTreeMap<String, String>,
    consent: &Consent,
    cancel: &CancellationToken,
) -> Result<Vec<Item>, ApplyError> {
    let record = claim.record();
    let (owner, kinds) = (claim.owner(), Kinds::of(host));
    // One that cannot be read only forgets that nothing was changed.
    let mut before = record.applied.as_ref().and_then(|applied| applied.unpack().ok()).unwrap_or_default();
    let rendered = placed(&kinds, &record, objects).await?;
    let all = announced(&record.inventory, &rendered);
    if record.is_applying && is_same(&record.inventory, &all) {
        claim.confirm().await?;
    } else {
        claim.update(|record| begin(record, &all)).await?;
    }

    let mut planned: Vec<Planned> = std::iter::zip(&rendered, objects)
        .zip(&all)
        .map(|((object, body), item)| Planned {
            object: object.clone(),
            body: prepared(body, object, labels, &owner),
            uid: item.uid.clone(),
            before: before.iter().position(|known| known.object.is_same(object)).map(|at| before.swap_remove(at)),
        })
        .collect();
    planned.sort_by_key(|planned| planned.object.step());

    let mut applied = Vec::new();
    let steps: Vec<_> = planned.chunk_by(|a, b| a.object.step() == b.object.step()).collect();
    for step in steps {
        if cancel.is_cancelled() {
            return Err(ApplyError::Cancelled { host: host.name().into(), object: step[0].object.clone() });
        }
        claim.confirm().await?;
        // Futures are collected before they are polled: a closure kept in the stream would not be `Send` for every lifetime.
        let items: Vec<_> = step.iter().map(|planned| object::apply(host, &kinds, &owner, planned, consent)).collect();
        applied.extend(stream::iter(items).buffer_unordered(CONCURRENCY).try_collect::<Vec<_>>().await?);
    }
    let mut pruned = false;
    for item in no_longer_rendered(&record.inventory, &rendered) {
        claim.confirm().await?;
        delete_object(host, &kinds, &owner, item).await?;
        pruned = true;
    }
    let (items, confirmed): (Vec<Item>, Vec<Confirmed>) = applied.into_iter().unzip();
    let confirmed = Applied::pack(&confirmed).map_err(|problem| claim.unwritable(problem))?;
    let inventory = items.clone();
    claim.note(move |record| {
        record.inventory.clone_from(&inventory);
        record.applied = Some(confirmed.clone());
        record.is_applying = false;
    });
    if pruned {
        // A refresh must not miss what has gone.
        claim.update(|_| {}).await?;
    }
    Ok(items)
}

/// Has the record name what is about to be applied, with a further change, in one write. For objects in a namespace that is about
/// to be made, or outside of it.
///
/// # Errors
/// The kind of an object is unknown, or the record cannot be written.
pub async fn announce(
    host: &Host,
    claim: &Claim,
    objects: &[Value],
    change: impl Fn(&mut Record) + Sync,
) -> Result<(), ApplyError> {
    let record = claim.record();
    let all = announced(&record.inventory, &placed(&Kinds::of(host), &record, objects).await?);
    let announce = |record: &mut Record| {
        begin(record, &all);
        change(record);
    };
    Ok(claim.update(announce).await?)
}

fn begin(record: &mut Record, all: &[Item]) {
    record.inventory = all.to_vec();
    record.is_applying = true;
}

fn is_same(recorded: &[Item], announced: &[Item]) -> bool {
    recorded.len() == announced.len() && announced.iter().all(|item| recorded.contains(item))
}

async fn placed(kinds: &Kinds, record: &Record, objects: &[Value]) -> Result<Vec<ObjectRef>, KindError> {
    let mut placed = Vec::new();
    for object in objects {
        placed.push(kinds.place(object, &record.namespace).await?);
    }
    Ok(placed)
}

/// Makes sure that no object of others stands where one of these would go outside of the own namespace. Nothing has to be
/// undone where that is found out before anything is made.
///
/// # Errors
/// [`ApplyError::Taken`], [`ApplyError::NotOurs`], or the host's refusal.
pub async fn check_free(host: &Host, claim: &Claim, objects: &[Value]) -> Result<(), ApplyError> {
    let (record, owner, kinds) = (claim.record(), claim.owner(), Kinds::of(host));
    for object in objects {
        let object = kinds.place(object, &record.namespace).await?;
        if owner.is_at_home(&object) {
            continue;
        }
        let api = kinds.api(&object).await?;
        let live = api.get_metadata_opt(&object.name).await.map_err(host.failed("read", &object))?;
        let recorded = record.inventory.iter().find(|item| item.object.is_same(&object));
        let recorded = recorded.and_then(|item| item.uid.as_deref());
        if let Some(live) = live.map(|live| live.metadata)
            && !owner.may_restore(&object, &live, recorded)
        {
            return Err(whose(host, &record, object, &live).await?);
        }
    }
    Ok(())
}

/// The error that names whose the object is, as well as can be found out.
async fn whose(host: &Host, record: &Record, object: ObjectRef, live: &ObjectMeta) -> Result<ApplyError, ApplyError> {
    let other = match made_for(live) {
        Some(uid) => Records::of(host).list().await?.readable.into_iter().find(|stored| stored.uid() == uid),
        None => None,
    };
    let (host, name) = (host.name().to_owned(), record.name.clone());
    Ok(match other.map(|other| other.record) {
        Some(other) => ApplyError::Taken {
            host,
            name,
            namespace: record.namespace.clone(),
            object,
            other: other.name,
            other_namespace: other.namespace,
        },
        None => ApplyError::NotOurs { host, object, writers: writers(live) },
    })
}

/// The object as it is sent: in its namespace, with our labels and the mark of its record, and a Secret's texts where API
/// servers keep them.
fn prepared(object: &Value, placed: &ObjectRef, labels: &BTreeMap<String, String>, owner: &Owner) -> Value {
    let mut object = object.clone();
    let metadata = &mut object["metadata"];
    if let Some(namespace) = &placed.namespace {
        metadata["namespace"] = json!(namespace);
    } else if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("namespace");
    }
    for map in ["labels", "annotations"] {
        if metadata[map].is_null() {
            metadata[map] = json!({});
        }
    }
    metadata["annotations"][MADE_FOR] = json!(owner.record);
    if let Some(present) = metadata["labels"].as_object_mut() {
        present.extend(labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    if placed.kind == "Secret"
        && let Some(Value::Object(texts)) = object.as_object_mut().and_then(|object| object.remove("stringData"))
    {
        if object["data"].is_null() {
            object["data"] = json!({});
        }
        for (key, text) in texts {
            object["data"][key] = json!(BASE64.encode(text.as_str().unwrap_or_default()));
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_sent_placed_and_labelled() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let place = |namespace: Option<&str>| ObjectRef {
            api_version: "v1".into(),
            kind: "X".into(),
            namespace: namespace.map(str::to_owned),
            name: "x".into(),
        };
        let owner = Owner { record: "uid".into(), former: None, namespace: "ns".into(), was_handed_over: true };
        for (object, namespace, mut expected) in [
            (
                json!({"metadata": {"name": "x"}}),
                Some("ns"),
                json!({"metadata": {"name": "x", "namespace": "ns", "labels": {"team": "a"}}}),
            ),
            (
                json!({"metadata": {"name": "x", "namespace": "ns", "labels": {"app": "vcluster", "team": "b"}}}),
                None,
                json!({"metadata": {"name": "x", "labels": {"app": "vcluster", "team": "a"}}}),
            ),
            (
                json!({"metadata": {"name": "x", "labels": null}}),
                None,
                json!({"metadata": {"name": "x", "labels": {"team": "a"}}}),
            ),
        ] {
            expected["metadata"]["annotations"] = json!({MADE_FOR: "uid"});
            assert_eq!(prepared(&object, &place(namespace), &labels, &owner), expected);
        }
    }

    #[test]
    fn texts_of_secrets_are_sent_as_data() {
        let name = ObjectRef { api_version: "v1".into(), kind: "Secret".into(), namespace: None, name: "x".into() };
        let secret = json!({"kind": "Secret", "metadata": {}, "data": {"a": "Yg=="}, "stringData": {"c": "d"}});
        let owner = Owner { record: "uid".into(), former: None, namespace: "ns".into(), was_handed_over: true };
        let sent = prepared(&secret, &name, &BTreeMap::new(), &owner);
        assert_eq!((&sent["data"], sent.get("stringData")), (&json!({"a": "Yg==", "c": "ZA=="}), None));
    }
}
