//! Dynamic volumes for the rig's storage classes: every claim gets a volume, which grows with it and goes with it.
//!
//! The controller manager's own host path provisioner would do, but it writes to one fixed directory that all users of
//! a machine share. Nothing mounts these volumes; what a virtual cluster stores on one is kept in etcd under its name.

use std::{collections::BTreeMap, pin::pin, sync::Arc};

use futures::{StreamExt, join};
use k8s_openapi::{
    api::core::v1::{PersistentVolume, PersistentVolumeClaim},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::watcher,
};
use serde_json::json;

use crate::{
    follow::{Change, follow, uid},
    host::HostContext,
};

/// Provisioner of the storage classes.
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
        let Change::Present(claim) = change else { continue };
        let done = match wants(&claim) {
            Some(Wish::Volume) => provision(context, &claim).await,
            Some(Wish::More(volume)) => expand(context, &claim, &volume).await,
            None => Ok(()),
        };
        if let Err(error) = done {
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

/// What a claim of ours waits for.
enum Wish {
    Volume,
    /// Its volume, of this name, to be larger. The API server lets no claim shrink.
    More(String),
}

fn wants(claim: &PersistentVolumeClaim) -> Option<Wish> {
    claim.annotations().get(WANTED_PROVISIONER).filter(|provisioner| *provisioner == PROVISIONER)?;
    let Some(volume) = claim.spec.as_ref()?.volume_name.clone() else { return Some(Wish::Volume) };
    let has = claim.status.as_ref()?.capacity.as_ref()?;
    (requested(claim)?.get("storage")? != has.get("storage")?).then_some(Wish::More(volume))
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&BTreeMap<String, Quantity>> {
    claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()
}

/// What a driver does whose volumes grow while they are in use: the volume first, then what the claim says that it has.
async fn expand(context: &HostContext, claim: &PersistentVolumeClaim, volume: &str) -> Result<(), kube::Error> {
    let (capacity, parameters) = (requested(claim), PatchParams::default());
    let larger = Patch::Merge(json!({ "spec": { "capacity": capacity } }));
    Api::<PersistentVolume>::all(context.client.clone()).patch(volume, &parameters, &larger).await?;
    let claims =
        Api::<PersistentVolumeClaim>::namespaced(context.client.clone(), &claim.namespace().unwrap_or_default());
    let has = Patch::Merge(json!({ "status": { "capacity": capacity } }));
    claims.patch_status(&claim.name_any(), &parameters, &has).await.map(drop)
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
            "capacity": requested(claim),
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
