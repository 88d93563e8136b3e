//! Refresh and import of `nested_virtual_cluster`: what is true on the host, said in Terraform's words.
//!
//! A host that cannot be reached is an error, never "the virtual cluster is gone". What differs on the host from what was
//! applied goes into `drift`, which the next plan sets back and the next apply repairs.

use crate::fleet::connections::HostCluster;
use crate::fleet::virtual_cluster::check_host;
use crate::fleet::virtual_cluster::membership::Membership;
use crate::fleet::virtual_cluster::room::charge_resumed;
use crate::fleet::virtual_cluster::spec::{Place, Spec, UNFINISHED};
use crate::host::Host;
use crate::host::access::Access;
use crate::host::observe::Observed;
use crate::host::record::{Phase, Record};
use crate::host::records::{Records, Stored};
use crate::host::view::Seen;
use crate::provider::Configured;
use crate::provider::explain::Explain;
use crate::provider::explain::group::not_found;
use crate::provider::number::Number;
use crate::provider::virtual_cluster::drift;
use crate::provider::virtual_cluster::model::{
    FollowedPrivate, KubeconfigModel, VirtualClusterModel, VirtualClusterPrivate,
};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, DeferReason, Diagnostics, Report, defer};

/// One refresh or import.
pub struct Read<'a> {
    configured: &'a Configured,
    diags: &'a mut Diagnostics,
}

type Found = (VirtualClusterModel, VirtualClusterPrivate);

impl<'a> Read<'a> {
    pub fn new(configured: &'a Configured, diags: &'a mut Diagnostics) -> Self {
        Self { configured, diags }
    }

    /// The state as it is on the host. None without an error: the virtual cluster is gone.
    pub async fn read(mut self, state: VirtualClusterModel, private: VirtualClusterPrivate) -> Option<Found> {
        let Some(place) = Place::of(&state) else {
            self.diags.fail(
                AttributePath::root(),
                "This state is incomplete.",
                "It names no host cluster, namespace and name.",
            );
            return None;
        };
        let host = match self.host(&place, &private).await? {
            HostCluster::Known(host) => host,
            HostCluster::Unknown => {
                defer(DeferReason::ProviderConfigUnknown);
                return Some((state, private));
            }
        };
        let checked = check_host(&host, &private.known()).await;
        self.explain(checked)?;
        let view = self.configured.fleet().readings.view(&host);
        let mut seen = self.explain(view.record(&place.namespace).await)?;
        if seen.stored.as_ref().is_some_and(|stored| !private.known().is_of(&stored.record, &place)) {
            // That it is gone is not said by what is shared.
            seen = self.explain(view.record_now(&place.namespace, seen).await)?;
        }
        let Some(stored) = seen.stored.take() else {
            return self.without_record(&host, &place, "missing", state, private).await;
        };
        if !private.known().is_of(&stored.record, &place) {
            return self.without_record(&host, &place, "edited", state, private).await;
        }
        self.observe(&host, stored, seen, state, private).await
    }

    /// The state of a virtual cluster that this provider made, from its record.
    pub async fn import(mut self, place: Place) -> Option<Found> {
        let private = VirtualClusterPrivate::default();
        let host = match self.host(&place, &private).await? {
            HostCluster::Known(host) => host,
            HostCluster::Unknown => {
                self.diags.fail(
                    AttributePath::root(),
                    "The connection to the host cluster is not known yet.",
                    format!(
                        "Host cluster \"{}\" is configured from values that only an apply makes known.",
                        place.host_cluster
                    ),
                );
                return None;
            }
        };
        let identity = self.explain(host.identity().await)?.clone();
        let mut seen = self.explain(self.configured.fleet().readings.view(&host).record(&place.namespace).await)?;
        let Some(stored) = seen.stored.take().filter(|stored| stored.record.name == place.name) else {
            self.diags.fail(
                AttributePath::root(),
                "There is no such virtual cluster to import.",
                format!(
                    "Host cluster \"{}\" has no record of virtual cluster \"{}\" in namespace \"{}\". Only virtual clusters \
                     that this provider created can be imported.",
                    place.host_cluster, place.name, place.namespace
                ),
            );
            return None;
        };
        let record = &stored.record;
        let spec = self.spec(record, &place)?;
        let mut private = VirtualClusterPrivate { host_uid: identity.uid, ..VirtualClusterPrivate::default() };
        private.recall(&stored, &spec);
        let state = VirtualClusterModel {
            id: Value::Value(place.id()),
            name: Value::Value(place.name.clone()),
            host_cluster: Value::Value(place.host_cluster.clone()),
            namespace: Value::Value(place.namespace.clone()),
            ..spec.to_model()
        };
        self.observe(&host, stored, seen, state, private).await
    }

    /// The place of the virtual cluster `name` of a group, wherever it is.
    pub async fn place_in_group(&mut self, group: &str, name: &str) -> Option<Place> {
        let hosts = self.configured.fleet().connections.known();
        let found = self.configured.fleet().readings.group(hosts, group).await;
        let found = found.map_err(|error| self.diags.add_error(not_found(&error, AttributePath::root()))).ok()?;
        let mut places = Vec::new();
        for (_, _, host) in found.members() {
            let records = Records::of(host).list().await;
            let records = self.explain(records)?;
            let in_group = |record: &&Record| {
                record.name == name && record.share.as_ref().is_some_and(|share| share.group.as_deref() == Some(group))
            };
            places.extend(records.readable.iter().map(|stored| &stored.record).filter(in_group).map(|record| Place {
                host_cluster: host.name().to_owned(),
                namespace: record.namespace.clone(),
                name: record.name.clone(),
            }));
        }
        let problem = match places.as_slice() {
            [_] => return places.pop(),
            [] => {
                let asked: Vec<&str> = found.members().map(|(_, _, host)| host.name()).collect();
                format!("None of its host clusters {} has a record of \"{name}\" in it.", asked.join(", "))
            }
            several => {
                let ids: Vec<String> = several.iter().map(Place::id).collect();
                format!("There are several of that name. Import by the whole id, one of: {}.", ids.join(", "))
            }
        };
        let summary = format!("Cluster group \"{group}\" has no single virtual cluster \"{name}\".");
        self.diags.fail(AttributePath::root(), summary, problem);
        None
    }

    async fn observe(
        &mut self,
        host: &Host,
        stored: Stored,
        seen: Seen,
        mut state: VirtualClusterModel,
        mut private: VirtualClusterPrivate,
    ) -> Option<Found> {
        let place = Place::of(&state)?;
        let exposure = self.spec(&stored.record, &place)?.exposure(&place.name);
        let observed = self.configured.fleet().readings.view(host).observe(seen, stored, &exposure).await;
        let (stored, observed) = self.explain(observed)?;
        let record = &stored.record;
        let spec = self.spec(record, &place)?;
        // One whose creation came to nothing but a name has no namespace, and is in a state to be removed.
        if observed.is_gone() && record.namespace_uid.is_some() {
            // What a destroy that was cut off has left goes with the next one.
            return (record.phase == Phase::Deleting).then(|| {
                state.drift = drift::of_namespace(&place);
                private.recall(&stored, &spec);
                (state, private)
            });
        }
        let unfinished = drift::is_unfinished(record, &spec);
        state.drift = drift::of(&observed, &place, &spec);
        state.paused = Value::Value(observed.is_paused());
        state.status = Value::Value(observed.status().to_string());
        state.revision = match &spec.applied {
            Some(revision) if !unfinished => Value::Value(revision.clone()),
            _ => Value::Value(UNFINISHED.to_owned()),
        };
        state.mapping_version = Value::Value(Number::from(spec.mapping));
        set_access(&mut state, &place.name, &observed);
        private.recall(&stored, &spec);
        if let Some(group) = &spec.cluster_group {
            state.endpoint_type = Value::Value(spec.endpoint_type.clone());
            state.host_dns = spec.host_dns.clone().into();
            private.followed = self.followed(group, host).await.or(private.followed);
        }
        if !observed.is_paused() {
            charge_resumed(host, &stored).await;
        }
        Some((state, private))
    }

    /// What a virtual cluster on `host` is to follow, as the group has it now. None where nobody can say.
    async fn followed(&self, group: &str, host: &Host) -> Option<FollowedPrivate> {
        let found = self.configured.fleet().group(group).await;
        let group = found.and_then(Membership::of);
        let group = group.map_err(|error| tracing::debug!(%error, "what follows the group stays as it was")).ok()?;
        group.followed(host).as_ref().map(FollowedPrivate::from)
    }

    /// The record was lost, or does not name this virtual cluster any more. As long as the namespace is the one that this state knows, the virtual cluster is there.
    async fn without_record(
        &mut self,
        host: &Host,
        place: &Place,
        actual: &str,
        mut state: VirtualClusterModel,
        private: VirtualClusterPrivate,
    ) -> Option<Found> {
        let uid = crate::host::namespace::uid(host, &place.namespace).await;
        let uid = self.explain(uid)?;
        if uid.is_none() || uid.as_ref() != Some(&private.namespace_uid) {
            return None;
        }
        state.drift = drift::of_record(place, actual);
        Some((state, private))
    }

    /// The host cluster of a state. Where its key is gone from the configuration, the same Kubernetes cluster under
    /// another key will do: that is a rename.
    async fn host(&mut self, place: &Place, private: &VirtualClusterPrivate) -> Option<HostCluster> {
        if !private.host_uid.is_empty() && !self.configured.fleet().connections.has(&place.host_cluster) {
            for host in self.configured.fleet().connections.known() {
                if host.identity().await.is_ok_and(|identity| identity.uid == private.host_uid) {
                    return Some(HostCluster::Known(host));
                }
            }
        }
        self.configured.host_cluster(self.diags, &place.host_cluster)
    }

    fn spec(&mut self, record: &Record, place: &Place) -> Option<Spec> {
        serde_json::from_value(record.spec.clone())
            .map_err(|error| {
                self.diags.fail(
                    AttributePath::root(),
                    format!("The record of virtual cluster \"{}\" cannot be read.", place.id()),
                    format!("{error}. Was it written by a newer version of this provider, or edited by hand?"),
                );
            })
            .ok()
    }

    fn explain<T>(&mut self, result: Result<T, impl Explain>) -> Option<T> {
        result.map_err(|error| self.diags.add_error(error.explain())).ok()
    }
}

/// Fills in `endpoint` and `kubeconfig`, as far as the host has them.
pub fn set_access(state: &mut VirtualClusterModel, name: &str, observed: &Observed) {
    // While it is paused a node port leads to no node; the one that it had is the best guess for the next.
    let before = state.endpoint.as_ref_option().filter(|_| observed.is_paused());
    let endpoint = observed.endpoint.as_ref().or(before).cloned();
    let access = |endpoint: &String| {
        let credentials = observed.credentials.clone()?;
        Some(KubeconfigModel::of(&Access { endpoint: endpoint.clone(), credentials }, name))
    };
    state.kubeconfig = endpoint.as_ref().and_then(access).into();
    state.endpoint = endpoint.into();
}
