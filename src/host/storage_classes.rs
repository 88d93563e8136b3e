//! The storage classes of a host.

use k8s_openapi::api::storage::v1::StorageClass as HostStorageClass;
use kube::api::{Api, ListParams};

use super::{Error, Host};

const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// A way to get volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageClass {
    /// Its name.
    pub name: String,
    /// What makes the volumes.
    pub provisioner: String,
    /// Whether claims that name no class get this one.
    pub is_default: bool,
    /// Whether its volumes can grow.
    pub allows_expansion: bool,
}

/// The storage classes of `host`, by name.
///
/// # Errors
/// The host's refusal.
pub async fn list(host: &Host) -> Result<Vec<StorageClass>, Error> {
    let found = Api::<HostStorageClass>::all(host.client()).list(&ListParams::default()).await;
    let mut classes: Vec<StorageClass> =
        found.map_err(host.failed("list", "its storage classes"))?.items.into_iter().map(of).collect();
    classes.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(classes)
}

/// The storage class `name`, if it is there.
///
/// # Errors
/// The host's refusal.
pub async fn get(host: &Host, name: &str) -> Result<Option<StorageClass>, Error> {
    let found = Api::<HostStorageClass>::all(host.client()).get_opt(name).await;
    Ok(found.map_err(host.failed("read", format!("StorageClass {name}")))?.map(of))
}

fn of(class: HostStorageClass) -> StorageClass {
    let annotations = class.metadata.annotations.unwrap_or_default();
    StorageClass {
        name: class.metadata.name.unwrap_or_default(),
        provisioner: class.provisioner,
        is_default: annotations.get(DEFAULT).is_some_and(|value| value == "true"),
        allows_expansion: class.allow_volume_expansion.unwrap_or_default(),
    }
}
