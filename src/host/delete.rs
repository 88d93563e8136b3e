//! Removes what a virtual cluster consists of, by its record's inventory, and waits until it is gone.
//!
//! Every object is looked at before it is deleted, and deleted by UID: what is not ours stays and is reported.

mod dependents;

use std::fmt;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, ObjectMeta, Preconditions, PropagationPolicy};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::dependents::Dependents;
use super::apply::CONCURRENCY;
use super::crowd::{Awaited, Waiting};
use super::kind::{KindError, Kinds};
use super::namespace::{self, what_keeps};
use super::object::ObjectRef;
use super::ownership::{Owner, writers};
use super::pods;
use super::poll::{self, Ended, Look};
use super::record::{Item, Record};
use super::records::RecordError;
use super::records::claim::Claim;
use super::{Error, Host};

/// Why a virtual cluster is not gone. The record keeps its inventory: deleting again goes on where this stopped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeleteError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The record is not ours any more, or could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An object's API could not be found.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// Something did not go in time.
    #[error("timed out deleting virtual cluster {name} on host cluster {host:?}: {remaining}")]
    TimedOut {
        /// The host cluster.
        host: String,
        /// The virtual cluster.
        name: String,
        /// What remains and why.
        remaining: String,
    },
    /// The run was stopped.
    #[error("stopped while deleting virtual cluster {name} on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The virtual cluster.
        name: String,
    },
}

/// No namespace is gone before that.
const SOONEST: Duration = Duration::from_millis(700);

/// Something that was left where it is, because it is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The object.
    pub object: ObjectRef,
    /// Why it is not ours, for a person.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.reason)
    }
}

/// Deletes everything that the record names: the namespace first if it is ours, with everything in it, as nothing can be made
/// anew in one that goes; then what is outside of it. In one that stays: workloads, the pods that vCluster synced to it, each
/// object, and the volumes of its StatefulSets; what belongs to those objects goes with them. Waits up to `timeout` for all
/// of it. Returns what was left alone.
///
/// # Errors
/// See [`DeleteError`].
pub async fn delete(
    host: &Host,
    claim: &Claim,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Vec<Skipped>, DeleteError> {
    let deletion =
        Deletion { host, claim, record: claim.record(), owner: claim.owner(), kinds: Kinds::of(host), cancel };
    let deadline = tokio::time::Instant::now() + timeout;
    let left = || deadline.saturating_duration_since(tokio::time::Instant::now());

    let namespace = deletion.namespace().await?;
    let stays = matches!(namespace, Standing::Used);
    if let Standing::Ours(uid) = &namespace {
        deletion.remove_namespace(uid, left()).await?;
    }
    let is_left = |item: &&Item| stays || item.object.namespace.as_ref() != Some(&deletion.record.namespace);
    let (workloads, mut others): (Vec<&Item>, Vec<&Item>) =
        deletion.record.inventory.iter().filter(is_left).partition(|item| item.object.is_workload());
    let mut skipped = deletion.remove(&workloads, left()).await?;
    if stays {
        deletion.remove_synced_pods(left()).await?;
    }
    others.sort_by_key(|item| std::cmp::Reverse(item.object.step()));
    let steps: Vec<_> = others.chunk_by(|a, b| a.object.step() == b.object.step()).collect();
    for step in steps {
        skipped.extend(deletion.remove(step, left()).await?);
    }
    if stays {
        deletion.remove_volumes(left()).await?;
        deletion.wait_for_dependents(&skipped, left()).await?;
    }
    Ok(skipped)
}

/// What became of an object that was to be deleted.
pub(super) enum Deleted {
    /// It is not there any more.
    Gone,
    /// It is on its way out.
    Going,
    /// It is not ours.
    Skipped(Skipped),
}

/// Deletes one object if it is there and ours. Does not wait.
pub(super) async fn delete_object(
    host: &Host,
    kinds: &Kinds,
    owner: &Owner,
    item: &Item,
) -> Result<Deleted, DeleteError> {
    let object = &item.object;
    let api = match kinds.api(object).await {
        // Its CustomResourceDefinition is gone, and it with it.
        Err(KindError::Unknown { .. }) => return Ok(Deleted::Gone),
        found => found?,
    };
    let found = api.get_metadata_opt(&object.name).await.map_err(host.failed("read", object))?;
    let Some(live) = found.map(|live| live.metadata) else { return Ok(Deleted::Gone) };
    if !owner.owns(object, &live, item.uid.as_deref()) {
        let reason = format!("nothing proves that it was made for this virtual cluster ({})", writers(&live));
        return Ok(Deleted::Skipped(Skipped { object: object.clone(), reason }));
    }
    if live.deletion_timestamp.is_some() {
        return Ok(Deleted::Going);
    }
    match api.delete(&object.name, &only(&live, object.is_workload())).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Deleted::Gone),
        // A host answers with the object as long as something keeps it.
        deleted => {
            let is_there = deleted.map_err(host.failed("delete", object))?.is_left();
            Ok(if is_there { Deleted::Going } else { Deleted::Gone })
        }
    }
}

/// What the namespace is to the virtual cluster.
enum Standing {
    /// It was made for it. Its UID.
    Ours(String),
    /// It was found, and is the one that the record names.
    Used,
    /// It is gone, and everything in it; another one of its name has nothing of this virtual cluster.
    Gone,
}

struct Deletion<'a> {
    host: &'a Host,
    claim: &'a Claim,
    record: Record,
    owner: Owner,
    kinds: Kinds,
    cancel: &'a CancellationToken,
}

impl Deletion<'_> {
    async fn namespace(&self) -> Result<Standing, DeleteError> {
        let name = &self.record.namespace;
        let api = Api::<Namespace>::all(self.host.client());
        let live = api.get_metadata_opt(name).await.map_err(self.host.failed("read", format!("Namespace {name}")))?;
        Ok(match live.map(|live| live.metadata) {
            None => Standing::Gone,
            Some(live) if namespace::is_ours(self.claim, &live) => Standing::Ours(live.uid.unwrap_or_default()),
            Some(live) if live.uid == self.record.namespace_uid => Standing::Used,
            Some(_) => Standing::Gone,
        })
    }

    /// Deletes objects of one step and waits until they are gone.
    async fn remove(&self, items: &[&Item], timeout: Duration) -> Result<Vec<Skipped>, DeleteError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        if self.cancel.is_cancelled() {
            return Err(self.ended(Ended::Cancelled));
        }
        self.claim.confirm().await?;
        // Futures are collected before they are polled: a closure kept in the stream would not be `Send` for every lifetime.
        let deletions: Vec<_> =
            items.iter().map(|item| delete_object(self.host, &self.kinds, &self.owner, item)).collect();
        let outcomes: Vec<Deleted> = stream::iter(deletions).buffered(CONCURRENCY).try_collect().await?;
        let (mut skipped, mut waited) = (Vec::new(), Vec::new());
        for (item, deleted) in std::iter::zip(items, outcomes) {
            match deleted {
                Deleted::Gone => {}
                Deleted::Going => waited.push((&item.object, self.kinds.api(&item.object).await?)),
                Deleted::Skipped(left) => skipped.push(left),
            }
        }
        self.until_gone(timeout, || async {
            let look = |(object, api): &(&ObjectRef, Api<DynamicObject>)| {
                let (host, object, api) = (self.host, (*object).clone(), api.clone());
                async move {
                    let live = api.get_metadata_opt(&object.name).await.map_err(host.failed("read", &object))?;
                    Ok::<_, Error>(live.map(|live| remains(&object.to_string(), &live.metadata)))
                }
            };
            let looks: Vec<_> = waited.iter().map(look).collect();
            stream::iter(looks)
                .buffered(CONCURRENCY)
                .try_filter_map(|remaining| async { Ok(remaining) })
                .try_collect()
                .await
        })
        .await?;
        Ok(skipped)
    }

    /// The pods that vCluster synced, as a pause removes them: without a control plane nobody ends them, and what they take of
    /// the host is about to be given back.
    async fn remove_synced_pods(&self, timeout: Duration) -> Result<(), DeleteError> {
        self.claim.confirm().await?;
        let Record { name, namespace, .. } = &self.record;
        self.until_gone(timeout, || pods::remove_synced(self.host, namespace, name)).await
    }

    /// Waits for what the host removes by itself, because it belongs to what is gone now.
    async fn wait_for_dependents(&self, skipped: &[Skipped], timeout: Duration) -> Result<(), DeleteError> {
        let stays = |item: &&Item| skipped.iter().any(|skipped| skipped.object == item.object);
        let gone = self.record.inventory.iter().filter(|item| !stays(item));
        let dependents = Dependents::of(self.host, &self.kinds, &self.record.namespace, gone).await?;
        self.until_gone(timeout, || dependents.remaining()).await
    }

    /// The volumes that the StatefulSet controller made. They carry no entry of ours, so they are known by the
    /// controller's naming (`<template>-<statefulset>-<ordinal>`) together with vCluster's labels.
    async fn remove_volumes(&self, timeout: Duration) -> Result<(), DeleteError> {
        let Record { name, namespace, .. } = &self.record;
        let sets: Vec<&str> = self.record.workloads().iter().map(|item| item.object.name.as_str()).collect();
        let api = Api::<PersistentVolumeClaim>::namespaced(self.host.client(), namespace);
        let labelled = ListParams::default().labels(&format!("release={name}"));
        let what = format!("PersistentVolumeClaims of {namespace}");
        let find = || async {
            let found = api.list_metadata(&labelled).await.map_err(self.host.failed("list", &what))?;
            let ours =
                |live: &ObjectMeta| sets.iter().any(|set| is_volume_of(set, live.name.as_deref().unwrap_or_default()));
            Ok::<_, Error>(found.items.into_iter().map(|live| live.metadata).filter(ours).collect::<Vec<_>>())
        };
        self.claim.confirm().await?;
        for volume in find().await? {
            let name = volume.name.as_deref().unwrap_or_default();
            let deleted = api.delete(name, &only(&volume, false)).await;
            let described = format!("PersistentVolumeClaim {namespace}/{name}");
            not_found_is_fine(deleted).map_err(self.host.failed("delete", described))?;
        }
        self.until_gone(timeout, || async {
            let described = |live: &ObjectMeta| {
                remains(
                    &format!("PersistentVolumeClaim {namespace}/{}", live.name.as_deref().unwrap_or_default()),
                    live,
                )
            };
            Ok(find().await?.iter().map(described).collect())
        })
        .await
    }

    async fn remove_namespace(&self, uid: &str, timeout: Duration) -> Result<(), DeleteError> {
        let name = &self.record.namespace;
        let api = Api::<Namespace>::all(self.host.client());
        self.claim.confirm().await?;
        let this = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let deleted = api.delete(name, &DeleteParams::default().preconditions(this)).await;
        not_found_is_fine(deleted).map_err(self.host.failed("delete", format!("Namespace {name}")))?;
        let waiting = Waiting::on(self.host, Awaited::Namespaces);
        sleep(SOONEST.min(timeout)).await;
        self.until_gone(timeout, || async {
            let is_this = |live: &ObjectMeta| live.uid.as_deref() == Some(uid);
            let listed = waiting.look().await?;
            let still = match listed {
                Some(listed) => {
                    let live = listed.values().flatten().find(|live| is_this(&live.metadata));
                    live.and_then(|live| live.clone().try_parse::<Namespace>().ok())
                }
                None => api.get_opt(name).await.map_err(self.host.failed("read", format!("Namespace {name}")))?,
            };
            let still = still.filter(|live| is_this(&live.metadata));
            Ok(still.iter().map(|live| format!("Namespace {name}: {}", what_keeps(live))).collect())
        })
        .await
    }

    async fn until_gone<F>(&self, timeout: Duration, mut look: impl FnMut() -> F) -> Result<(), DeleteError>
    where
        F: Future<Output = Result<Vec<String>, Error>>,
    {
        let what = format!("deleting virtual cluster {}", self.record.name);
        poll::until(&what, timeout, self.cancel, || {
            let look = look();
            async {
                let remaining = look.await?;
                Ok(if remaining.is_empty() { Look::Done(()) } else { Look::Waiting(remaining.join("; ")) })
            }
        })
        .await
        .map_err(|ended| self.ended(ended))
    }

    fn ended(&self, ended: Ended) -> DeleteError {
        let (host, name) = (self.host.name().to_owned(), self.record.name.clone());
        match ended {
            Ended::Failed(error) => error.into(),
            Ended::Cancelled => DeleteError::Cancelled { host, name },
            Ended::TimedOut(remaining) => DeleteError::TimedOut { host, name, remaining },
        }
    }
}

/// Deletes only the very object that was looked at. Workloads go in the foreground: they are gone when their pods are.
fn only(live: &ObjectMeta, workload: bool) -> DeleteParams {
    let policy = if workload { PropagationPolicy::Foreground } else { PropagationPolicy::Background };
    let this = Preconditions { uid: live.uid.clone(), resource_version: None };
    DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() }.preconditions(this)
}

fn not_found_is_fine<T>(deleted: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match deleted {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// What still stands, and what holds it there.
fn remains(object: &str, live: &ObjectMeta) -> String {
    match live.finalizers.as_deref().unwrap_or_default() {
        [] => format!("{object} is going"),
        [only] if only == "foregroundDeletion" => format!("{object} waits for what belongs to it"),
        finalizers => format!("{object} is held by finalizer {}", finalizers.join(", ")),
    }
}

fn is_volume_of(set: &str, claim: &str) -> bool {
    let Some((rest, ordinal)) = claim.rsplit_once('-') else { return false };
    let named = rest.strip_suffix(set).and_then(|template| template.strip_suffix('-'));
    named.is_some_and(|template| !template.is_empty())
        && !ordinal.is_empty()
        && ordinal.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_known_by_the_statefulset_controllers_naming() {
        for (claim, expected) in [
            ("data-team-a-0", true),
            ("data-team-a-12", true),
            ("team-a-0", false),
            ("-team-a-0", false),
            ("data-team-a", false),
            ("data-team-a-x", false),
            ("data-team-a-etcd-0", false),
            ("datateam-a-0", false),
        ] {
            assert_eq!(is_volume_of("team-a", claim), expected, "{claim}");
        }
    }

    #[test]
    fn what_remains_names_its_finalizers() {
        let live =
            ObjectMeta { finalizers: Some(vec!["a/b".into(), "foregroundDeletion".into()]), ..ObjectMeta::default() };
        assert_eq!(remains("Service ns/a", &live), "Service ns/a is held by finalizer a/b, foregroundDeletion");
        assert_eq!(remains("Service ns/a", &ObjectMeta::default()), "Service ns/a is going");
        let foreground = ObjectMeta { finalizers: Some(vec!["foregroundDeletion".into()]), ..ObjectMeta::default() };
        assert_eq!(remains("StatefulSet ns/a", &foreground), "StatefulSet ns/a waits for what belongs to it");
    }
}
