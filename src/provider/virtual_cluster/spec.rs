//! The step between Terraform's model of a virtual cluster and what is applied for it. Pure.

use crate::domain::quantity::Bytes;
use crate::domain::values::{MappingVersion, enforced, limits};
use crate::fleet::terms::Terms;
use crate::fleet::virtual_cluster::known::Known;
use crate::fleet::virtual_cluster::resize::Resize;
use crate::fleet::virtual_cluster::spec::{Place, Spec};
use crate::host::records::Stored;
use crate::provider::chart::ChartModel;
use crate::provider::number::Number;
use crate::provider::size::{CapacityModel, ResourcesModel};
use crate::provider::value::{known, map_or_null, optional, set_or_null, string_map, string_set};
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use terraform_plugin::value::Value;

impl Spec {
    /// The spec of a plan, or none while something that it needs is unknown.
    pub fn of(plan: &VirtualClusterModel, private: &VirtualClusterPrivate) -> Option<Self> {
        let resources = plan.resources.as_ref_option()?;
        let chart = plan.chart.as_ref_option()?;
        let storage = known(&resources.storage)?;
        let new_volume = || limits::control_plane_volume(storage.parse().ok()?).map(|volume: Bytes| volume.to_string());
        Some(Self {
            mapping: mapping(plan, private)?,
            volume: private.volume.clone().or_else(new_volume),
            vcluster_version: known(&plan.vcluster_version)?,
            chart_source: known(&chart.source)?,
            chart_username: optional(&chart.username)?,
            chart_digest: known(&chart.digest)?,
            distro: known(&plan.distro)?,
            kubernetes_version: optional(&plan.kubernetes_version)?,
            endpoint_type: known(&plan.endpoint_type)?,
            host_dns: optional(&plan.host_dns)?,
            values: optional(&plan.values)?,
            cpu: known(&resources.cpu)?,
            memory: known(&resources.memory)?,
            storage,
            labels: string_map(&plan.labels)?,
            annotations: string_map(&plan.annotations)?,
            paused: known(&plan.paused)?,
            cluster_group: optional(&plan.cluster_group)?,
            followed: None,
            storage_class: private.storage_class.clone(),
            host_capacity: match optional(&plan.host_capacity)? {
                Some(promises) => Some(promises.compute()?),
                None => None,
            },
            terms: Terms {
                allow_unsafe_values: optional(&plan.allow_unsafe_values)?.filter(|allowed| *allowed),
                image_registries: string_set(&plan.image_registries)?,
                pod_security: optional(&plan.pod_security)?,
                network_isolation: optional(&plan.network_isolation)?.filter(|isolated| *isolated),
                count_limits: optional(&plan.count_limits)?.filter(|count| *count),
                priority_classes: string_set(&plan.priority_classes)?,
            },
            hard: string_map(&resources.hard)?,
            given_hard: private.given_hard.clone(),
            applied: None,
        })
    }

    /// The attributes of a state that an import fills in.
    pub fn to_model(&self) -> VirtualClusterModel {
        let text = |text: &str| Value::Value(text.to_owned());
        VirtualClusterModel {
            resources: Value::Value(ResourcesModel {
                cpu: text(&self.cpu),
                memory: text(&self.memory),
                storage: text(&self.storage),
                hard: map_or_null(&self.hard),
            }),
            paused: Value::Value(self.paused),
            cluster_group: self.cluster_group.clone().into(),
            vcluster_version: text(&self.vcluster_version),
            chart: Value::Value(ChartModel {
                source: text(&self.chart_source),
                digest: text(&self.chart_digest),
                username: self.chart_username.clone().into(),
                password: Value::Null,
            }),
            distro: text(&self.distro),
            kubernetes_version: self.kubernetes_version.clone().into(),
            endpoint_type: text(&self.endpoint_type),
            host_dns: self.host_dns.clone().into(),
            values: self.values.clone().into(),
            host_capacity: self.host_capacity.as_ref().map(CapacityModel::from).into(),
            allow_unsafe_values: self.terms.allow_unsafe_values.into(),
            image_registries: set_or_null(self.terms.image_registries.as_ref()),
            pod_security: self.terms.pod_security.clone().into(),
            network_isolation: self.terms.network_isolation.into(),
            count_limits: self.terms.count_limits.into(),
            priority_classes: set_or_null(self.terms.priority_classes.as_ref()),
            mapping_version: Value::Value(Number::from(self.mapping)),
            labels: map_or_null(&self.labels),
            annotations: map_or_null(&self.annotations),
            deletion_protection: Value::Value(false),
            wait: Value::Value(true),
            ..VirtualClusterModel::default()
        }
    }
}

impl Place {
    /// The place that a state names.
    pub fn of(state: &VirtualClusterModel) -> Option<Self> {
        Some(Self {
            host_cluster: known(&state.host_cluster)?,
            namespace: known(&state.namespace)?,
            name: known(&state.name)?,
        })
    }
}

impl VirtualClusterPrivate {
    /// What it knows of the virtual cluster on its host.
    pub fn known(&self) -> Known {
        Known {
            host_uid: self.host_uid.clone(),
            namespace: self.namespace.clone(),
            record_uid: self.record_uid.clone(),
            namespace_uid: self.namespace_uid.clone(),
            namespace_created: self.namespace_created,
            mapping: self.mapping,
            volume: self.volume.clone(),
            storage_class: self.storage_class.clone(),
            given_hard: self.given_hard.clone(),
        }
    }

    /// Has it say again what the record says.
    pub fn recall(&mut self, stored: &Stored, spec: &Spec) {
        let mut known = self.known();
        known.recall(stored, spec);
        self.keep(known);
    }

    /// Has it say this of the virtual cluster on its host.
    pub fn keep(&mut self, known: Known) {
        let Known { host_uid, namespace, record_uid, namespace_uid, namespace_created, .. } = known;
        let Known { mapping, volume, storage_class, given_hard, .. } = known;
        (self.host_uid, self.namespace, self.record_uid) = (host_uid, namespace, record_uid);
        (self.namespace_uid, self.namespace_created) = (namespace_uid, namespace_created);
        (self.mapping, self.volume, self.storage_class) = (mapping, volume, storage_class);
        self.given_hard = given_hard;
    }
}

/// The mapping version that a plan asks for: the one that there is where it does not say. None while it is not known.
fn mapping(plan: &VirtualClusterModel, private: &VirtualClusterPrivate) -> Option<u32> {
    match &plan.mapping_version {
        Value::Value(number) => number.whole(),
        Value::Null => Some(private.mapping),
        Value::Unknown => None,
    }
}

/// Whether limits will count. Where that is not known yet, they will.
fn counts_limits(plan: &VirtualClusterModel, private: &VirtualClusterPrivate) -> bool {
    let own = || plan.count_limits.as_ref_option().copied();
    let asked = private.followed.as_ref().map_or_else(own, |followed| followed.count_limits);
    let version = mapping(plan, private).and_then(MappingVersion::from_number);
    version.is_none_or(|version| enforced::counts_limits(version, asked == Some(true)))
}

/// What a plan does to the size of a virtual cluster. None while it is not known, or the virtual cluster is nowhere yet.
pub fn resize(
    plan: &VirtualClusterModel,
    prior: &VirtualClusterModel,
    private: &VirtualClusterPrivate,
) -> Option<Resize> {
    let before = prior.resources.as_ref_option()?.size()?;
    // What is not known yet counts as it was.
    let after = plan.resources.as_ref_option()?.size_or(&before);
    Some(Resize {
        namespace: prior.namespace.as_ref_option()?.clone(),
        name: prior.name.as_ref_option()?.clone(),
        most_before: before,
        before,
        after,
        counts_limits: counts_limits(plan, private),
        volume: private.volume.as_ref().and_then(|volume| volume.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::virtual_cluster::spec::tests::spec;
    use crate::provider::chart;

    #[test]
    fn a_spec_survives_the_way_through_a_state() {
        let private = VirtualClusterPrivate { mapping: 1, ..VirtualClusterPrivate::default() };
        assert_eq!(Spec::of(&spec().to_model(), &private), Some(spec()));
        let hard = [("pods".to_owned(), "7".to_owned())].into();
        let terms = Terms { count_limits: Some(true), ..spec().terms };
        let moved = Spec { mapping: 2, terms, hard, ..spec() };
        assert_eq!(Spec::of(&moved.to_model(), &private), Some(moved));
        assert_eq!(spec().chart_source, chart::DEFAULT_SOURCE);
    }

    #[test]
    fn a_private_state_says_what_it_was_told() {
        let known = Known {
            host_uid: "host-uid".into(),
            namespace: "vcluster-a".into(),
            record_uid: "record-uid".into(),
            namespace_uid: "namespace-uid".into(),
            namespace_created: true,
            mapping: 2,
            volume: Some("512Mi".into()),
            storage_class: Some("fast".into()),
            given_hard: [("pods".to_owned(), "50".to_owned())].into(),
        };
        let mut private = VirtualClusterPrivate::default();
        private.keep(known.clone());
        assert_eq!(private.known(), known);
    }
}
