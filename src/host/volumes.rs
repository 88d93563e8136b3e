//! The persistent volume claims in a virtual cluster's namespace: listed, and those of its control plane made larger.
//!
//! Never makes one smaller, and never one of anybody else's larger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::error::Reason;
use super::ownership::FIELD_MANAGER;
use super::poll::{self, Ended, Look};
use super::record::Record;
use super::records::RecordError;
use super::records::claim::Claim;
use super::{Error, Host, storage_classes};
use crate::domain::quantity::Bytes;
use crate::domain::size::Resource;
use crate::domain::volumes::{Volume, smaller};

/// Why the control plane's volumes have not grown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum VolumeError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The record is not ours any more.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The host went on refusing it.
    #[error("the volumes of virtual cluster {name} on host cluster {host:?} did not grow: {refusal}")]
    TimedOut {
        /// The host cluster.
        host: String,
        /// The virtual cluster.
        name: String,
        /// What it said last.
        refusal: String,
    },
    /// The run was stopped.
    #[error("stopped while the volumes of virtual cluster {name} on host cluster {host:?} were growing")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The virtual cluster.
        name: String,
    },
}

/// All claims of a namespace, by name.
///
/// # Errors
/// The host's refusal.
pub async fn list(host: &Host, namespace: &str) -> Result<Vec<Volume>, Error> {
    let mut volumes: Vec<Volume> = claims(host, namespace).await?.iter().map(volume_of).collect();
    volumes.sort_by(|left, right| left.claim.cmp(&right.claim));
    Ok(volumes)
}

/// Whether the storage classes of these volumes let them grow, by name. A class that is not there lets none.
///
/// # Errors
/// The host's refusal.
pub async fn expansion(host: &Host, volumes: &[&Volume]) -> Result<BTreeMap<String, bool>, Error> {
    let classes: BTreeSet<String> = volumes.iter().filter_map(|volume| volume.class.clone()).collect();
    let mut expands = BTreeMap::new();
    for class in classes {
        let found = storage_classes::get(host, &class).await?;
        expands.insert(class, found.is_some_and(|class| class.allows_expansion));
    }
    Ok(expands)
}

/// Has the claims of the claimed record's control plane ask for `wanted`, where they ask for less, have a volume, and their
/// class lets them grow. The quota must allow it already. Does not wait until the volumes have grown: some do so when
/// their pod starts next.
///
/// # Errors
/// See [`VolumeError`].
pub async fn grow(
    host: &Host,
    claim: &Claim,
    wanted: Bytes,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<(), VolumeError> {
    let record = claim.record();
    let what = format!("growing the volumes of virtual cluster {}", record.name);
    claim.confirm().await?;
    poll::until(&what, timeout, cancel, || grow_once(host, &record, wanted)).await.map_err(|ended| {
        let (host, name) = (host.name().to_owned(), record.name.clone());
        match ended {
            Ended::Failed(error) => error.into(),
            Ended::Cancelled => VolumeError::Cancelled { host, name },
            Ended::TimedOut(refusal) => VolumeError::TimedOut { host, name, refusal },
        }
    })
}

async fn grow_once(host: &Host, record: &Record, wanted: Bytes) -> Result<Look<()>, Error> {
    let claims = claims(host, &record.namespace).await?;
    let volumes: Vec<Volume> = claims.iter().map(volume_of).collect();
    let growing: Vec<&Volume> =
        smaller(&record.name, wanted, &volumes).into_iter().filter(|volume| volume.bound).collect();
    let expands = expansion(host, &growing).await?;
    let mut refusals = Vec::new();
    for volume in growing {
        if volume.class.as_ref().and_then(|class| expands.get(class)) != Some(&true) {
            tracing::info!(claim = volume.claim, "the storage class does not let this volume grow");
            continue;
        }
        let live = claims.iter().find(|claim| claim.metadata.name.as_ref() == Some(&volume.claim));
        match patch(host, &record.namespace, live, wanted).await {
            // The quota controller has not seen the new quota yet, or somebody has just changed the claim.
            Err(error) if is_passing(error.reason()) => refusals.push(error.to_string()),
            patched => patched?,
        }
    }
    Ok(if refusals.is_empty() { Look::Done(()) } else { Look::Waiting(refusals.join("; ")) })
}

/// Changes the very claim that was looked at, or none: it may have grown meanwhile.
async fn patch(host: &Host, namespace: &str, live: Option<&PersistentVolumeClaim>, wanted: Bytes) -> Result<(), Error> {
    let Some(live) = live else { return Ok(()) };
    let name = live.metadata.name.as_deref().unwrap_or_default();
    let api = Api::<PersistentVolumeClaim>::namespaced(host.client(), namespace);
    let by_us = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let larger = json!({
        "metadata": { "uid": live.metadata.uid, "resourceVersion": live.metadata.resource_version },
        "spec": { "resources": { "requests": { "storage": wanted.to_string() } } },
    });
    let patched = api.patch_metadata(name, &by_us, &Patch::Merge(larger)).await;
    patched.map(drop).map_err(host.failed("enlarge", format!("PersistentVolumeClaim {namespace}/{name}")))
}

fn is_passing(reason: &Reason) -> bool {
    match reason {
        Reason::Conflict { .. } => true,
        Reason::Refused { message } => {
            message.contains("exceeded quota") || message.contains("status unknown for quota")
        }
        _ => false,
    }
}

async fn claims(host: &Host, namespace: &str) -> Result<Vec<PersistentVolumeClaim>, Error> {
    let api = Api::<PersistentVolumeClaim>::namespaced(host.client(), namespace);
    let found = api.list(&ListParams::default()).await;
    Ok(found.map_err(host.failed("list", format!("PersistentVolumeClaims of {namespace}")))?.items)
}

fn volume_of(claim: &PersistentVolumeClaim) -> Volume {
    let spec = claim.spec.as_ref();
    let requests = spec.and_then(|spec| spec.resources.as_ref()).and_then(|resources| resources.requests.as_ref());
    let size = requests.and_then(|requests| Resource::Storage.read(&requests.get("storage")?.0));
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    Volume {
        claim: claim.metadata.name.clone().unwrap_or_default(),
        size: Bytes(size.unwrap_or_default()),
        class: spec.and_then(|spec| spec.storage_class_name.clone()).filter(|class| !class.is_empty()),
        bound: phase == Some("Bound"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_as_what_it_asks_for() {
        let read = |claim: serde_json::Value| volume_of(&serde_json::from_value(claim).unwrap());
        let spec = json!({ "resources": { "requests": { "storage": "512Mi" } }, "storageClassName": "fast" });
        let claim = json!({ "metadata": { "name": "data-a-0" }, "spec": spec, "status": { "phase": "Bound" } });
        let (claim_name, size) = ("data-a-0".to_owned(), Bytes(512 << 20));
        let expected = Volume { claim: claim_name, size, class: Some("fast".into()), bound: true };
        assert_eq!(read(claim), expected);
        let bare = json!({ "metadata": { "name": "b" }, "spec": { "storageClassName": "" } });
        assert_eq!(read(bare), Volume { claim: "b".into(), size: Bytes(0), class: None, bound: false });
    }

    #[test]
    fn a_quota_that_lags_is_waited_for_and_a_policy_is_not() {
        let refused = |message: &str| Reason::Refused { message: message.to_owned() };
        for (reason, expected) in [
            (refused("exceeded quota: vc-a, requested: requests.storage=512Mi"), true),
            (refused("only dynamically provisioned pvc can be resized"), false),
            (Reason::Conflict { message: String::new() }, true),
            (Reason::NotFound { message: String::new() }, false),
        ] {
            assert_eq!(is_passing(&reason), expected, "{reason:?}");
        }
    }
}
