//! Puts rendered objects on a host by server-side apply and removes what is no longer rendered.
//!
//! The inventory is written before the first object and after the last, so that a process killed in between leaves
//! nothing that the record does not name. Objects of others are never touched.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::delete::{DeleteError, delete_object};
use super::error::Reason;
use super::kind::{KindError, Kinds};
use super::object::ObjectRef;
use super::ownership::{FIELD_MANAGER, is_ours, writers};
use super::record::{Item, announced, no_longer_rendered};
use super::records::RecordError;
use super::records::claim::Claim;
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
    #[error("{object} exists on host cluster {host:?} and is not this provider's ({writers}): it was not touched")]
    NotOurs {
        /// The host cluster.
        host: String,
        /// The object.
        object: ObjectRef,
        /// Who wrote it, for a person.
        writers: String,
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
    /// The run was stopped between two steps.
    #[error("stopped before {object} was applied on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The first object that was not applied.
        object: ObjectRef,
    },
}

struct Planned {
    object: ObjectRef,
    body: Value,
    uid: Option<String>,
}

/// Applies rendered objects to the record's namespace, with `labels` on each, in [`ObjectRef::step`]'s order and up to
/// 8 at a time within a step. Returns the new inventory, which is also in the record.
///
/// # Errors
/// See [`ApplyError`].
pub async fn apply(
    host: &Host,
    claim: &Claim,
    objects: &[Value],
    labels: &BTreeMap<String, String>,
    cancel: &CancellationToken,
) -> Result<Vec<Item>, ApplyError> {
    let record = claim.record();
    let kinds = Kinds::of(host);
    let mut rendered = Vec::new();
    for object in objects {
        rendered.push(kinds.place(object, &record.namespace).await?);
    }
    let all = announced(&record.inventory, &rendered);
    claim.update(|record| record.inventory.clone_from(&all)).await?;

    let mut planned: Vec<Planned> = std::iter::zip(&rendered, objects)
        .zip(&all)
        .map(|((object, body), item)| Planned {
            object: object.clone(),
            body: prepared(body, object, labels),
            uid: item.uid.clone(),
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
        let items: Vec<_> = step.iter().map(|planned| apply_one(host, &kinds, planned)).collect();
        applied.extend(stream::iter(items).buffer_unordered(CONCURRENCY).try_collect::<Vec<_>>().await?);
    }
    for item in no_longer_rendered(&record.inventory, &rendered) {
        claim.confirm().await?;
        delete_object(host, &kinds, item).await?;
    }
    claim.update(|record| record.inventory.clone_from(&applied)).await?;
    Ok(applied)
}

async fn apply_one(host: &Host, kinds: &Kinds, planned: &Planned) -> Result<Item, ApplyError> {
    let Planned { object, body, uid } = planned;
    let api = kinds.api(object).await?;
    let put = async |uid: Option<&str>| {
        // Forced only onto an object known by UID: the API server refuses if it is another one by now.
        let params = PatchParams { force: uid.is_some(), ..PatchParams::apply(FIELD_MANAGER) };
        let mut body = body.clone();
        if let Some(uid) = uid {
            body["metadata"]["uid"] = json!(uid);
        }
        let applied = api.patch_metadata(&object.name, &params, &Patch::Apply(&body)).await;
        applied.map_err(host.failed("apply", object))
    };
    let done = |uid: Option<String>| Item { object: object.clone(), uid };

    let first = match uid {
        Some(uid) => match put(Some(uid)).await {
            Ok(applied) => return Ok(done(applied.metadata.uid)),
            Err(error) if matches!(error.reason(), Reason::Conflict { .. } | Reason::Invalid { .. }) => Some(error),
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let live = api.get_metadata_opt(&object.name).await.map_err(host.failed("read", object))?.map(|live| live.metadata);
    let applied = match live {
        None => put(None).await,
        Some(live) if !is_ours(&live, uid.as_deref()) => {
            return Err(ApplyError::NotOurs {
                host: host.name().into(),
                object: object.clone(),
                writers: writers(&live),
            });
        }
        // The very object that was recorded, and it refused: what it said stands.
        Some(live) if uid.is_some() && live.uid == *uid => match first {
            Some(error) => Err(error),
            None => put(uid.as_deref()).await,
        },
        Some(live) => put(live.uid.as_deref()).await,
    };
    match applied {
        Ok(applied) => Ok(done(applied.metadata.uid)),
        Err(error) => Err(match error.reason() {
            Reason::Invalid { message } if is_immutable(message) => {
                ApplyError::Immutable { host: host.name().into(), object: object.clone(), message: message.clone() }
            }
            _ => error.into(),
        }),
    }
}

/// The object as it is sent: in its namespace, with our labels.
fn prepared(object: &Value, placed: &ObjectRef, labels: &BTreeMap<String, String>) -> Value {
    let mut object = object.clone();
    let metadata = &mut object["metadata"];
    if let Some(namespace) = &placed.namespace {
        metadata["namespace"] = json!(namespace);
    } else if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("namespace");
    }
    if metadata["labels"].is_null() {
        metadata["labels"] = json!({});
    }
    if let Some(present) = metadata["labels"].as_object_mut() {
        present.extend(labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    object
}

/// Whether a refusal says that a field can never change, in the API server's words.
fn is_immutable(message: &str) -> bool {
    [
        "field is immutable",
        "updates to statefulset spec for fields other than",
        "may not change once set",
        "cannot change roleRef",
    ]
    .iter()
    .any(|words| message.contains(words))
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
        for (object, namespace, expected) in [
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
            assert_eq!(prepared(&object, &place(namespace), &labels), expected);
        }
    }

    #[test]
    fn refusals_of_immutable_fields_are_recognised() {
        for (message, expected) in [
            (
                "StatefulSet.apps \"a\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than \
                 'replicas', 'ordinals', 'template' are forbidden",
                true,
            ),
            ("Deployment.apps \"a\" is invalid: spec.selector: Invalid value: {}: field is immutable", true),
            ("RoleBinding \"a\" is invalid: roleRef: Invalid value: {}: cannot change roleRef", true),
            ("Service \"a\" is invalid: spec.ports: Required value", false),
        ] {
            assert_eq!(is_immutable(message), expected, "{message}");
        }
    }
}
