//! Which API path serves a kind, and whether its objects live in a namespace.
//!
//! The kinds that the vCluster chart uses are a table; others (custom resources) are asked for once per operation.

use std::collections::HashMap;

use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::discovery::Scope;
use serde_json::Value;
use tokio::sync::Mutex;

use super::object::{IncompleteObject, ObjectRef};
use super::{Error, Host};

/// Why an object's kind has no place on a host.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KindError {
    /// The document is not a Kubernetes object.
    #[error(transparent)]
    Incomplete(#[from] IncompleteObject),
    /// The host does not serve the kind.
    #[error(
        "host cluster {host:?} does not know the kind {kind} of {api_version}: install its CustomResourceDefinition"
    )]
    Unknown {
        /// The host cluster.
        host: String,
        /// The kind.
        kind: String,
        /// Its group and version.
        api_version: String,
    },
    /// The host failed to say.
    #[error(transparent)]
    Host(#[from] Error),
}

/// Finds the APIs of one host's kinds. Made per operation, so that a CRD installed meanwhile is seen.
pub(super) struct Kinds {
    host: Host,
    discovered: Mutex<HashMap<GroupVersionKind, Resolved>>,
}

type Resolved = (ApiResource, Scope);

impl Kinds {
    pub(super) fn of(host: &Host) -> Self {
        Self { host: host.clone(), discovered: Mutex::default() }
    }

    /// The name of a rendered object, placed: namespaced kinds without a namespace go to `namespace`, and
    /// cluster-scoped ones have none.
    pub(super) async fn place(&self, object: &Value, namespace: &str) -> Result<ObjectRef, KindError> {
        let mut named = ObjectRef::of(object)?;
        named.namespace = match self.resolve(&named).await?.1 {
            Scope::Cluster => None,
            Scope::Namespaced => Some(named.namespace.unwrap_or_else(|| namespace.to_owned())),
        };
        Ok(named)
    }

    /// The API that serves the object.
    pub(super) async fn api(&self, object: &ObjectRef) -> Result<Api<DynamicObject>, KindError> {
        let (resource, _) = self.resolve(object).await?;
        Ok(match &object.namespace {
            Some(namespace) => Api::namespaced_with(self.host.client(), namespace, &resource),
            None => Api::all_with(self.host.client(), &resource),
        })
    }

    /// The API to read from: cluster-scoped kinds have no namespace, whatever the name says.
    pub(super) async fn readable(&self, object: &ObjectRef) -> Result<Api<DynamicObject>, KindError> {
        let (resource, scope) = self.resolve(object).await?;
        Ok(match (scope, &object.namespace) {
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(self.host.client(), namespace, &resource),
            _ => Api::all_with(self.host.client(), &resource),
        })
    }

    /// [`Kinds::api`] for the kinds of the table, which need no question: a control plane's workloads.
    pub(super) fn workload_api(&self, object: &ObjectRef) -> Api<DynamicObject> {
        let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
        let plural = format!("{}s", object.kind.to_lowercase());
        let gvk = GroupVersionKind::gvk(group, version, &object.kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
        Api::namespaced_with(self.host.client(), object.namespace.as_deref().unwrap_or_default(), &resource)
    }

    /// The API of a kind, and whether its objects live in a namespace.
    pub(super) async fn resource(&self, api_version: &str, kind: &str) -> Result<(ApiResource, bool), KindError> {
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        let object = ObjectRef { api_version, kind, namespace: None, name: String::new() };
        let (resource, scope) = self.resolve(&object).await?;
        Ok((resource, matches!(scope, Scope::Namespaced)))
    }

    async fn resolve(&self, object: &ObjectRef) -> Result<Resolved, KindError> {
        let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
        let gvk = GroupVersionKind::gvk(group, version, &object.kind);
        if let Some((_, _, plural, scope)) = KINDS.iter().find(|(g, kind, ..)| (*g, *kind) == (group, &object.kind)) {
            return Ok((ApiResource::from_gvk_with_plural(&gvk, plural), scope.clone()));
        }
        let mut discovered = self.discovered.lock().await;
        if let Some(resolved) = discovered.get(&gvk) {
            return Ok(resolved.clone());
        }
        let found = kube::discovery::pinned_kind(&self.host.client(), &gvk).await;
        let (resource, capabilities) = found.map_err(|error| self.unknown(object, &error))?;
        let resolved = (resource, capabilities.scope);
        discovered.insert(gvk, resolved.clone());
        Ok(resolved)
    }

    /// An answer without the kind says that there is none; everything else is the host's failure.
    fn unknown(&self, object: &ObjectRef, error: &kube::Error) -> KindError {
        let failure = self.host.error("find the API of", object, error);
        if !failure.is_not_found() && !matches!(error, kube::Error::Discovery(_)) {
            return failure.into();
        }
        let ObjectRef { api_version, kind, .. } = object.clone();
        KindError::Unknown { host: self.host.name().to_owned(), kind, api_version }
    }
}

/// Group, kind, plural and scope, as every Kubernetes that this provider supports serves them.
const KINDS: &[(&str, &str, &str, Scope)] = &[
    ("", "Namespace", "namespaces", Scope::Cluster),
    ("", "ConfigMap", "configmaps", Scope::Namespaced),
    ("", "Endpoints", "endpoints", Scope::Namespaced),
    ("", "LimitRange", "limitranges", Scope::Namespaced),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", Scope::Namespaced),
    ("", "Pod", "pods", Scope::Namespaced),
    ("", "ResourceQuota", "resourcequotas", Scope::Namespaced),
    ("", "Secret", "secrets", Scope::Namespaced),
    ("", "Service", "services", Scope::Namespaced),
    ("", "ServiceAccount", "serviceaccounts", Scope::Namespaced),
    ("apps", "DaemonSet", "daemonsets", Scope::Namespaced),
    ("apps", "Deployment", "deployments", Scope::Namespaced),
    ("apps", "StatefulSet", "statefulsets", Scope::Namespaced),
    ("batch", "CronJob", "cronjobs", Scope::Namespaced),
    ("batch", "Job", "jobs", Scope::Namespaced),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", Scope::Namespaced),
    ("networking.k8s.io", "Ingress", "ingresses", Scope::Namespaced),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", Scope::Namespaced),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", Scope::Namespaced),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", Scope::Cluster),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", Scope::Cluster),
    ("rbac.authorization.k8s.io", "Role", "roles", Scope::Namespaced),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", Scope::Namespaced),
];
