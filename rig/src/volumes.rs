//! Dynamic volumes for the default storage class: every claim gets a volume, and a volume goes with its claim.
//!
//! The controller manager's own host path provisioner would do, but it writes to one fixed directory that all users of
//! a machine share. Nothing mounts these volumes; what a virtual cluster stores on one is kept in etcd under its name.

use std::{pin::pin, sync::Arc};

use futures::{StreamExt, join};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
    runtime::watcher,
};
use serde_json::json;

use crate::{
    follow::{Change, follow, uid},
    host::HostContext,
};

/// Provisioner of the storage class `standard`.
pub(crate) const PROVISIONER: &str = "rig.local/host-path";

const WANTED_PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Gives claims their volumes and removes released ones, for ever.
pub(crate) async fn run(context: Arc<HostContext>) {
    join!(provision_all(&context), remove_all(&context));
}

async fn provision_all(context: &HostContext) {
    let api = Api::<PersistentVolumeClaim>::all(context.client.clone());
    let mut claims = pin!(follow(api, watcher::Config::default()));
    while let Some(change) = claims.next().await {
        if let Change::Present(claim) = change
            && waits_for_us(&claim)
            && let Err(error) = provision(context, &claim).await
        {
            context.log(format_args!("cannot provision a volume for claim {}: {error}", claim.name_any()));
        }
    }
}

async fn remove_all(context: &HostContext) {
    let api = Api::<PersistentVolume>::all(context.client.clone());
    let mut volumes = pin!(follow(api, watcher::Config::default()));
    while let Some(change) = volumes.next().await {
        if let Change::Present(volume) = change
            && is_released(&volume)
            && let Err(error) = remove(context, &volume).await
        {
            context.log(format_args!("cannot remove volume {}: {error}", volume.name_any()));
        }
    }
}

/// The key prefix in etcd of what is stored on a volume, with a slash at the end.
pub(crate) fn data_prefix(context: &HostContext, volume: &str) -> String {
    format!("{}/volumes/{volume}/", context.data_prefix)
}

fn waits_for_us(claim: &PersistentVolumeClaim) -> bool {
    let unbound = claim.spec.as_ref().is_some_and(|spec| spec.volume_name.is_none());
    unbound && claim.annotations().get(WANTED_PROVISIONER).is_some_and(|provisioner| provisioner == PROVISIONER)
}

fn is_released(volume: &PersistentVolume) -> bool {
    let ours = volume.annotations().get(PROVISIONED_BY).is_some_and(|provisioner| provisioner == PROVISIONER);
    let released = volume.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Released"));
    let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
    ours && released && policy == Some("Delete") && volume.metadata.deletion_timestamp.is_none()
}

async fn provision(context: &HostContext, claim: &PersistentVolumeClaim) -> Result<(), kube::Error> {
    let name = format!("pvc-{}", uid(claim));
    let spec = claim.spec.as_ref();
    let volume = serde_json::from_value(json!({
        "metadata": { "name": name, "annotations": { PROVISIONED_BY: PROVISIONER } },
        "spec": {
            "capacity": spec.and_then(|spec| spec.resources.as_ref()).and_then(|resources| resources.requests.as_ref()),
            "accessModes": spec.and_then(|spec| spec.access_modes.as_ref()),
            "storageClassName": spec.and_then(|spec| spec.storage_class_name.as_ref()),
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(),
                "name": claim.name_any(),
                "uid": uid(claim),
            },
            "hostPath": { "path": context.directory.join("volumes").join(&name) },
        },
    }))
    .map_err(kube::Error::SerdeError)?;
    match Api::<PersistentVolume>::all(context.client.clone()).create(&PostParams::default(), &volume).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        result => result.map(drop),
    }
}

async fn remove(context: &HostContext, volume: &PersistentVolume) -> Result<(), kube::Error> {
    let name = volume.name_any();
    if let Err(error) = context.etcd.remove(&data_prefix(context, &name)).await {
        context.log(format_args!("cannot wipe volume {name}: {error}"));
    }
    Api::<PersistentVolume>::all(context.client.clone()).delete(&name, &DeleteParams::default()).await.map(drop)
}
