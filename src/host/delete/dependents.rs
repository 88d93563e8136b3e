//! What goes after its owner in a namespace that stays: the host's garbage collector removes it, and a delete waits for that.
//!
//! vCluster makes its Service the owner of everything that it syncs to its namespace and of the Secrets that it writes there
//! (0.34.7, `pkg/util/translate` and `pkg/certs`; `experimental.syncSettings.setOwner`), and controllers of the host do the
//! same for endpoint slices and pods. Nothing is deleted here, and no label counts: an object that names one of ours as its
//! owner is removed by the host whatever anybody thinks of it.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta};

use super::remains;
use crate::host::apply::CONCURRENCY;
use crate::host::kind::{KindError, Kinds};
use crate::host::record::Item;
use crate::host::{Error, Host, Reason};

/// What vCluster syncs of its own accord, and what more it is most often told to. Other kinds go the same way, and are not
/// waited for.
const KINDS: &[(&str, &str)] = &[
    ("v1", "ConfigMap"),
    ("v1", "Endpoints"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("snapshot.storage.k8s.io/v1", "VolumeSnapshot"),
];

/// What belongs to some objects in one namespace.
pub(super) struct Dependents<'a> {
    host: &'a Host,
    namespace: &'a str,
    owners: Vec<&'a Item>,
    apis: Vec<(&'static str, Api<DynamicObject>)>,
}

impl<'a> Dependents<'a> {
    /// What belongs to those of `owners` that are in `namespace`. Kinds that the host does not have are left out.
    pub(super) async fn of(
        host: &'a Host,
        kinds: &Kinds,
        namespace: &'a str,
        owners: impl IntoIterator<Item = &'a Item>,
    ) -> Result<Self, KindError> {
        let mut apis = Vec::new();
        for (api_version, kind) in KINDS {
            match kinds.resource(api_version, kind).await {
                Ok((resource, _)) => apis.push((*kind, Api::namespaced_with(host.client(), namespace, &resource))),
                Err(KindError::Unknown { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let owners = owners.into_iter().filter(|item| item.object.namespace.as_deref() == Some(namespace)).collect();
        Ok(Self { host, namespace, owners, apis })
    }

    /// What is still there, and what holds it.
    pub(super) async fn remaining(&self) -> Result<Vec<String>, Error> {
        // Futures are collected before they are polled: a closure kept in the stream would not be `Send` for every lifetime.
        let looks: Vec<_> = self.apis.iter().map(|(kind, api)| self.of_kind(kind, api)).collect();
        let found: Vec<Vec<String>> = stream::iter(looks).buffered(CONCURRENCY).try_collect().await?;
        Ok(found.concat())
    }

    async fn of_kind(&self, kind: &str, api: &Api<DynamicObject>) -> Result<Vec<String>, Error> {
        let namespace = self.namespace;
        let listed = api.list_metadata(&ListParams::default()).await;
        let listed = match listed.map_err(self.host.failed("list", format!("{kind} objects of {namespace}"))) {
            Ok(listed) => listed,
            // Who creates a Role must hold what it grants: vCluster has not been given this kind.
            Err(error) if matches!(error.reason(), Reason::Forbidden(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let ours = listed.items.into_iter().map(|live| live.metadata).filter(|live| self.is_dependent(live));
        Ok(ours.map(|live| self.describe(kind, &live)).collect())
    }

    fn is_dependent(&self, live: &ObjectMeta) -> bool {
        let owners = live.owner_references.iter().flatten();
        owners.into_iter().any(|owner| self.owners.iter().any(|item| is_owner(item, owner)))
    }

    fn describe(&self, kind: &str, live: &ObjectMeta) -> String {
        let object = format!("{kind} {}/{}", self.namespace, live.name.as_deref().unwrap_or_default());
        match live.deletion_timestamp {
            Some(_) => remains(&object, live),
            None => format!("{object} is left to the host's garbage collector"),
        }
    }
}

/// Whether an object's owner is this one: the very object that was recorded, or any of its name where no UID was.
fn is_owner(item: &Item, owner: &OwnerReference) -> bool {
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    (item.object.group(), &item.object.kind, &item.object.name) == (group, &owner.kind, &owner.name)
        && item.uid.as_ref().is_none_or(|uid| *uid == owner.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::object::ObjectRef;

    #[test]
    fn an_owner_is_known_by_its_uid_where_there_is_one_and_else_by_its_name() {
        let item = |uid: Option<&str>| Item {
            object: ObjectRef {
                api_version: "v1".into(),
                kind: "Service".into(),
                namespace: Some("ns".into()),
                name: "a".into(),
            },
            uid: uid.map(str::to_owned),
        };
        let owner = |api_version: &str, kind: &str, name: &str| OwnerReference {
            api_version: api_version.into(),
            kind: kind.into(),
            name: name.into(),
            uid: "1".into(),
            ..OwnerReference::default()
        };
        let service = owner("v1", "Service", "a");
        for (uid, owner, expected) in [
            (Some("1"), service.clone(), true),
            (None, service.clone(), true),
            (Some("2"), service, false),
            (None, owner("v1", "Service", "b"), false),
            (None, owner("v1", "Secret", "a"), false),
            (None, owner("serving.example.com/v1", "Service", "a"), false),
        ] {
            assert_eq!(is_owner(&item(uid), &owner), expected, "{uid:?} {owner:?}");
        }
    }
}
