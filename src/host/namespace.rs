//! The namespace of a virtual cluster: made, or used as it is found.
//!
//! A namespace that is found is never labelled and never deleted. One that we make carries, from its first moment, the
//! UID of the record that it was made for, so that a process killed before it could write the namespace's UID down
//! loses nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, ServiceAccount};
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ownership::{FIELD_MANAGER, MADE_FOR, Owner, made_for};
use super::poll::{self, Ended, Look};
use super::record::Record;
use super::records::RecordError;
use super::records::claim::Claim;
use super::store::written_by_us;
use super::{Error, Host, pages};

/// The label by which the owner of a namespace lets a virtual cluster live beside what is there.
pub const ALLOWED: &str = "nested-clusters.io/allow-virtual-cluster";

/// Why there is no namespace to work in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NamespaceError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The record is not ours any more, or could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// An earlier namespace of that name is still being deleted.
    #[error(
        "cannot use namespace {namespace} on host cluster {host:?}: {state}; choose another name or try again later"
    )]
    Terminating {
        /// The host cluster.
        host: String,
        /// The namespace.
        namespace: String,
        /// What keeps it.
        state: String,
    },
    /// Another virtual cluster lives there.
    #[error(
        "cannot use namespace {namespace} on host cluster {host:?}: virtual cluster {other:?} lives in it, and a \
         namespace holds one; choose another"
    )]
    Occupied {
        /// The host cluster.
        host: String,
        /// The namespace.
        namespace: String,
        /// The virtual cluster that lives there.
        other: String,
    },
    /// It exists, and nobody has named it.
    #[error("namespace {namespace} exists already on host cluster {host:?}")]
    Exists {
        /// The host cluster.
        host: String,
        /// The namespace.
        namespace: String,
    },
    /// Something of others is in it, and its owner has not said that a virtual cluster may be there, too.
    #[error(
        "cannot use namespace {namespace} on host cluster {host:?}: it is not empty ({found} is in it), and does not have the \
         label {ALLOWED}=true"
    )]
    InUse {
        /// The host cluster.
        host: String,
        /// The namespace.
        namespace: String,
        /// One of the objects that are there.
        found: String,
    },
    /// The run was stopped.
    #[error("stopped while preparing namespace {namespace} on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The namespace.
        namespace: String,
    },
}

/// UID of a namespace; none if it is not there, or on its way out.
///
/// # Errors
/// The host's refusal.
pub async fn uid(host: &Host, namespace: &str) -> Result<Option<String>, Error> {
    let api = Api::<Namespace>::all(host.client());
    let live = api.get_metadata_opt(namespace).await.map_err(host.failed("read", format!("Namespace {namespace}")))?;
    Ok(live.map(|live| live.metadata).filter(|live| live.deletion_timestamp.is_none()).and_then(|live| live.uid))
}

/// UIDs of all namespaces that are not on their way out, by name.
///
/// # Errors
/// The host's refusal.
pub(super) async fn uids(host: &Host) -> Result<HashMap<String, String>, Error> {
    let uid = |live: ObjectMeta| Some((live.name?, live.uid.filter(|_| live.deletion_timestamp.is_none())?));
    Ok(list(host).await?.filter_map(uid).collect())
}

/// The metadata of all namespaces.
///
/// # Errors
/// The host's refusal.
pub(super) async fn list(host: &Host) -> Result<impl Iterator<Item = ObjectMeta>, Error> {
    let api = &Api::<Namespace>::all(host.client());
    let fetch = |page| async move { api.list_metadata(&page).await.map_err(host.failed("list", "Namespaces")) };
    let listed = pages::all(ListParams::default(), fetch).await?;
    Ok(listed.into_iter().map(|item| item.metadata))
}

/// The namespace that a virtual cluster has.
#[derive(Debug)]
pub struct Ensured {
    /// Whether it was made for the virtual cluster, and carries its labels.
    pub is_ours: bool,
    /// The labels of one that was found.
    pub labels: BTreeMap<String, String>,
}

/// Makes the record's namespace, or uses the one that is there where it `may_use` it, and notes for the record which of both. Waits
/// for `timeout` while an earlier namespace of that name is being deleted.
///
/// # Errors
/// See [`NamespaceError`].
pub async fn ensure(
    host: &Host,
    claim: &Claim,
    labels: &BTreeMap<String, String>,
    may_use: bool,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Ensured, NamespaceError> {
    let name = claim.record().namespace;
    let live = obtain(host, claim, labels, timeout, cancel).await?;
    let ours = is_ours(claim, &live.metadata);
    if claim.record().namespace_uid != live.metadata.uid {
        if !ours && !may_use {
            return Err(NamespaceError::Exists { host: host.name().to_owned(), namespace: name });
        }
        if !ours {
            refuse_occupied(host, &name, &claim.record().name).await?;
            if live.metadata.labels.as_ref().and_then(|labels| labels.get(ALLOWED)).is_none_or(|said| said != "true") {
                refuse_in_use(host, claim, &name).await?;
            }
        }
        let uid = live.metadata.uid.clone();
        let write_down = move |record: &mut Record| {
            record.namespace_uid.clone_from(&uid);
            record.namespace_created = ours;
        };
        if ours {
            claim.note(write_down);
        } else {
            // What is in it is not found by the namespace's mark.
            claim.update(write_down).await?;
        }
    }
    if ours && !carries(&live, labels) {
        label(host, claim, labels).await?;
    }
    Ok(Ensured { is_ours: ours, labels: live.metadata.labels.unwrap_or_default() })
}

/// Has the claimed record's namespace carry `labels` if it was made for it. One that was found keeps its own.
///
/// # Errors
/// The host's refusal, also where the namespace is another one by now.
pub async fn label(host: &Host, claim: &Claim, labels: &BTreeMap<String, String>) -> Result<(), Error> {
    let record = claim.record();
    if !record.namespace_created {
        return Ok(());
    }
    let (name, by_us) = (&record.namespace, by_us());
    let patch = Patch::Merge(json!({"metadata": {"uid": record.namespace_uid, "labels": labels}}));
    let api = Api::<Namespace>::all(host.client());
    api.patch_metadata(name, &by_us, &patch).await.map(drop).map_err(host.failed("label", describe(name)))
}

/// UID of the record that the claimed one's namespace was made for, where that is another one: it was lost, and this one stands for
/// it.
///
/// # Errors
/// The host's refusal.
pub async fn former_record(host: &Host, claim: &Claim) -> Result<Option<String>, Error> {
    let record = claim.record();
    let api = Api::<Namespace>::all(host.client());
    let live =
        api.get_metadata_opt(&record.namespace).await.map_err(host.failed("read", describe(&record.namespace)))?;
    let live = live.map(|live| live.metadata).filter(|live| is_ours(claim, live));
    Ok(live.and_then(|live| made_for(&live).cloned()).filter(|made_for| *made_for != claim.record_uid()))
}

/// Has a namespace that was made for a record that was lost carry the UID of the claimed one, which stands for it. Everything in it
/// carries that by then.
///
/// # Errors
/// The host's refusal.
pub async fn mark_again(host: &Host, claim: &Claim) -> Result<(), Error> {
    let record = claim.record();
    if !record.namespace_created {
        return Ok(());
    }
    let marked = json!({"uid": record.namespace_uid, "annotations": {MADE_FOR: claim.record_uid()}});
    let (patch, by_us) = (Patch::Merge(json!({"metadata": marked})), by_us());
    let api = Api::<Namespace>::all(host.client());
    let patched = api.patch_metadata(&record.namespace, &by_us, &patch).await;
    patched.map(drop).map_err(host.failed("mark", describe(&record.namespace)))
}

fn by_us() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() }
}

/// Whether a namespace found under the record's name is the record's own: one that carries the record's UID since it was made, or,
/// once a state has had the virtual cluster, the one whose UID it holds as made for it.
pub(super) fn is_ours(claim: &Claim, live: &ObjectMeta) -> bool {
    let record = claim.record();
    let recorded = record.namespace_created && record.namespace_uid.is_some() && record.namespace_uid == live.uid;
    (recorded && record.was_handed_over) || claim.owner().made(live)
}

/// The namespace as it stands, made if it was missing.
async fn obtain(
    host: &Host,
    claim: &Claim,
    labels: &BTreeMap<String, String>,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Namespace, NamespaceError> {
    let (api, name) = (Api::<Namespace>::all(host.client()), &claim.record().namespace);
    claim.confirm().await?;
    let look = || async {
        let refused = match api.create(&written_by_us(), &to_be_made(claim, name, labels)).await {
            // Who may make none uses what is there.
            Err(kube::Error::Api(status)) if status.is_already_exists() || status.is_forbidden() => status,
            made => return made.map(Look::Done).map_err(host.failed("create", describe(name))),
        };
        match api.get_opt(name).await.map_err(host.failed("read", describe(name)))? {
            Some(live) if live.metadata.deletion_timestamp.is_some() => Ok(Look::Waiting(what_keeps(&live))),
            Some(live) => Ok(Look::Done(live)),
            None if refused.is_forbidden() => Err(host.error("create", describe(name), &kube::Error::Api(refused))),
            None => Ok(Look::Waiting("it has just gone".into())),
        }
    };
    poll::until(&format!("namespace {name}"), timeout, cancel, look).await.map_err(|ended| {
        let (host, namespace) = (host.name().to_owned(), name.clone());
        match ended {
            Ended::Failed(error) => error.into(),
            Ended::Cancelled => NamespaceError::Cancelled { host, namespace },
            Ended::TimedOut(state) => NamespaceError::Terminating { host, namespace, state },
        }
    })
}

/// Refuses a found namespace in which another virtual cluster lives, made by whatever tool: vCluster itself would not
/// start.
async fn refuse_occupied(host: &Host, namespace: &str, name: &str) -> Result<(), NamespaceError> {
    let control_planes = ListParams::default().labels("app=vcluster,release");
    let (sets, deployments) = (
        Api::<StatefulSet>::namespaced(host.client(), namespace),
        Api::<Deployment>::namespaced(host.client(), namespace),
    );
    let failed = |error| host.error("list", format!("control planes in namespace {namespace}"), &error);
    let sets = sets.list_metadata(&control_planes).await.map_err(failed)?;
    let deployments = deployments.list_metadata(&control_planes).await.map_err(failed)?;
    let sets = sets.items.into_iter().map(|found| found.metadata);
    let found = sets.chain(deployments.items.into_iter().map(|found| found.metadata));
    let mut releases = found.filter_map(|live| live.labels?.remove("release"));
    match releases.find(|release| release != name) {
        Some(other) => {
            let (host, namespace) = (host.name().to_owned(), namespace.to_owned());
            Err(NamespaceError::Occupied { host, namespace, other })
        }
        None => Ok(()),
    }
}

/// Refuses a found namespace that somebody else works in: its quota would be theirs as well, and its service accounts the
/// tenant's.
async fn refuse_in_use(host: &Host, claim: &Claim, namespace: &str) -> Result<(), NamespaceError> {
    let owner = claim.owner();
    let found = tokio::try_join!(
        others::<Pod>(host, &owner, namespace, "Pod"),
        others::<StatefulSet>(host, &owner, namespace, "StatefulSet"),
        others::<Deployment>(host, &owner, namespace, "Deployment"),
        others::<PersistentVolumeClaim>(host, &owner, namespace, "PersistentVolumeClaim"),
        others::<ServiceAccount>(host, &owner, namespace, "ServiceAccount"),
        others::<ResourceQuota>(host, &owner, namespace, "ResourceQuota"),
        others::<LimitRange>(host, &owner, namespace, "LimitRange"),
    )?;
    let (pod, set, deployment, claimed, account, quota, limits) = found;
    match pod.or(set).or(deployment).or(claimed).or(account).or(quota).or(limits) {
        Some(found) => {
            let (host, namespace) = (host.name().to_owned(), namespace.to_owned());
            Err(NamespaceError::InUse { host, namespace, found })
        }
        None => Ok(()),
    }
}

/// An object of that kind in the namespace that is not the record's own. The `default` service account is everywhere.
async fn others<K>(host: &Host, owner: &Owner, namespace: &str, kind: &str) -> Result<Option<String>, Error>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api = Api::<K>::namespaced(host.client(), namespace);
    let listed = api.list_metadata(&ListParams::default()).await;
    let listed = listed.map_err(host.failed("list", format!("objects of kind {kind} in namespace {namespace}")))?;
    let is_default = |name: &str| kind == "ServiceAccount" && name == "default";
    let mut found = listed.items.into_iter().map(|found| found.metadata).filter(|live| !owner.made(live));
    Ok(found.find_map(|live| live.name.filter(|name| !is_default(name))).map(|name| format!("{kind} {name}")))
}

/// What keeps a namespace that is being deleted, in the words of its conditions.
pub(super) fn what_keeps(namespace: &Namespace) -> String {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let reasons: Vec<&str> = conditions
        .filter(|condition| condition.status == "True")
        .filter_map(|condition| condition.message.as_deref())
        .collect();
    if reasons.is_empty() {
        "it is being deleted".into()
    } else {
        format!("it is being deleted: {}", reasons.join("; "))
    }
}

fn to_be_made(claim: &Claim, name: &str, labels: &BTreeMap<String, String>) -> Namespace {
    Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.clone()),
            annotations: Some(BTreeMap::from([(MADE_FOR.to_owned(), claim.record_uid())])),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

fn carries(live: &Namespace, labels: &BTreeMap<String, String>) -> bool {
    let present = live.metadata.labels.clone().unwrap_or_default();
    labels.iter().all(|(key, value)| present.get(key) == Some(value))
}

fn describe(name: &str) -> String {
    format!("Namespace {name}")
}
