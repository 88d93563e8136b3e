//! The step between Terraform's model of a group and what the hosts keep of it. Pure.

use std::collections::BTreeMap;

use crate::fleet::group::spec::{GroupHost, GroupLimit, GroupShares, GroupSize, GroupSpec, MemberValues, Reserved};
use crate::fleet::terms::Terms;
use crate::provider::chart::ChartModel;
use crate::provider::cluster_group::model::{ClusterGroupModel, GroupHostModel, SharesModel};
use crate::provider::cluster_group::tolerations;
use crate::provider::number::Number;
use crate::provider::size::{AmountsModel, CapacityModel, ComputeModel, QuotaModel, ResourcesModel};
use crate::provider::value::{StringMap, known, map_or_null, optional, set_or_null, string_map, string_set};
use terraform_plugin::value::Value;

impl GroupSpec {
    /// The spec of a plan, or none while something that it needs is unknown.
    pub fn of(plan: &ClusterGroupModel) -> Option<Self> {
        let chart = plan.chart.as_ref_option()?;
        let hosts = plan.host_clusters.as_ref_option()?;
        let host =
            |(key, host): (&String, &Value<GroupHostModel>)| Some((key.clone(), GroupHost::of(host.as_ref_option()?)?));
        Some(Self {
            description: optional(&plan.description)?,
            labels: string_map(&plan.labels)?,
            vcluster_version: known(&plan.vcluster_version)?,
            chart_source: known(&chart.source)?,
            chart_username: optional(&chart.username)?,
            chart_digest: known(&chart.digest)?,
            distro: known(&plan.distro)?,
            kubernetes_version: optional(&plan.kubernetes_version)?,
            values: optional(&plan.values)?,
            member_values: string_set(&plan.member_values)?.map(|paths| MemberValues { paths }),
            terms: Terms {
                allow_unsafe_values: optional(&plan.allow_unsafe_values)?.filter(|allowed| *allowed),
                image_registries: string_set(&plan.image_registries)?,
                pod_security: optional(&plan.pod_security)?,
                network_isolation: optional(&plan.network_isolation)?.filter(|isolated| *isolated),
                count_limits: optional(&plan.count_limits)?.filter(|count| *count),
                priority_classes: string_set(&plan.priority_classes)?,
            },
            endpoint_type: known(&plan.endpoint_type)?,
            oversubscription_percent: plan.oversubscription_percent.as_ref_option()?.whole()?,
            quota: limit(&plan.quota)?,
            shares: match optional(&plan.shares)? {
                Some(given) => Some(GroupShares::of(&given)?),
                None => None,
            },
            defaults: GroupSize::of(&plan.virtual_cluster_defaults)?,
            minimums: GroupSize::of(&plan.virtual_cluster_minimums)?,
            maximums: match optional(&plan.virtual_cluster_maximums)? {
                Some(given) => Some(GroupLimit::of(&given.amounts(), &given.hard, &Value::Null)?),
                None => None,
            },
            host_clusters: hosts.iter().map(host).collect::<Option<_>>()?,
        })
    }

    /// The spec of a plan whose chart is not known yet, or none while anything else is unknown.
    pub fn of_plan(plan: &ClusterGroupModel) -> Option<Self> {
        let mut assumed = plan.clone();
        if let Value::Value(chart) = &mut assumed.chart
            && chart.digest == Value::Unknown
        {
            chart.digest = Value::Value(String::new());
        }
        Self::of(&assumed)
    }

    /// The same, with nothing for values that are not known yet.
    pub fn of_plan_without_unknown_values(plan: &ClusterGroupModel) -> Option<Self> {
        let known = |values: &Value<String>| if *values == Value::Unknown { Value::Null } else { values.clone() };
        let mut assumed = ClusterGroupModel { values: known(&plan.values), ..plan.clone() };
        if let Value::Value(hosts) = &mut assumed.host_clusters {
            for host in hosts.values_mut() {
                if let Value::Value(host) = host {
                    host.values = known(&host.values);
                }
            }
        }
        Self::of_plan(&assumed)
    }

    /// The attributes of a state that an import fills in.
    pub fn to_model(&self) -> ClusterGroupModel {
        let text = |text: &str| Value::Value(text.to_owned());
        let maximums = |limit: &GroupLimit| {
            let QuotaModel { cpu, memory, storage, hard, .. } = limit.to_model();
            ResourcesModel { cpu, memory, storage, hard }
        };
        let hosts = self.host_clusters.iter().map(|(key, host)| (key.clone(), Value::Value(host.to_model())));
        ClusterGroupModel {
            description: self.description.clone().into(),
            labels: map_or_null(&self.labels),
            vcluster_version: text(&self.vcluster_version),
            chart: Value::Value(ChartModel {
                source: text(&self.chart_source),
                digest: text(&self.chart_digest),
                username: self.chart_username.clone().into(),
                password: Value::Null,
            }),
            distro: text(&self.distro),
            kubernetes_version: self.kubernetes_version.clone().into(),
            values: self.values.clone().into(),
            member_values: set_or_null(self.member_values.as_ref().map(|allowed| &allowed.paths)),
            allow_unsafe_values: self.terms.allow_unsafe_values.into(),
            image_registries: set_or_null(self.terms.image_registries.as_ref()),
            pod_security: self.terms.pod_security.clone().into(),
            network_isolation: self.terms.network_isolation.into(),
            count_limits: self.terms.count_limits.into(),
            priority_classes: set_or_null(self.terms.priority_classes.as_ref()),
            host_clusters: Value::Value(hosts.collect()),
            endpoint_type: text(&self.endpoint_type),
            oversubscription_percent: Value::Value(Number::from(self.oversubscription_percent)),
            quota: self.quota.as_ref().map(GroupLimit::to_model).into(),
            shares: self.shares.as_ref().map(GroupShares::to_model).into(),
            virtual_cluster_defaults: Value::Value(self.defaults.to_model()),
            virtual_cluster_minimums: Value::Value(self.minimums.to_model()),
            virtual_cluster_maximums: self.maximums.as_ref().map(maximums).into(),
            ..ClusterGroupModel::default()
        }
    }
}

impl GroupHost {
    fn of(host: &GroupHostModel) -> Option<Self> {
        let reserved = |reserved: ComputeModel| {
            Some(Reserved { cpu: optional(&reserved.cpu)?, memory: optional(&reserved.memory)? })
        };
        Some(Self {
            host_dns: optional(&host.host_dns)?,
            storage: optional(&host.storage)?,
            reserved: match optional(&host.reserved)? {
                Some(given) => Some(reserved(given)?),
                None => None,
            },
            capacity: match optional(&host.capacity)? {
                Some(given) => Some(given.compute()?),
                None => None,
            },
            storage_class: optional(&host.storage_class)?,
            node_selector: string_map(&host.node_selector)?,
            tolerations: tolerations::of(&host.tolerations)?,
            values: optional(&host.values)?,
        })
    }

    fn to_model(&self) -> GroupHostModel {
        let reserved = |reserved: &Reserved| ComputeModel {
            cpu: reserved.cpu.clone().into(),
            memory: reserved.memory.clone().into(),
        };
        GroupHostModel {
            host_dns: self.host_dns.clone().into(),
            storage: self.storage.clone().into(),
            reserved: self.reserved.as_ref().map(reserved).into(),
            capacity: self.capacity.as_ref().map(CapacityModel::from).into(),
            storage_class: self.storage_class.clone().into(),
            node_selector: map_or_null(&self.node_selector),
            tolerations: tolerations::to_model(&self.tolerations),
            values: self.values.clone().into(),
        }
    }
}

/// What there may be at most; none while a part is unknown.
fn limit(model: &Value<QuotaModel>) -> Option<Option<GroupLimit>> {
    match optional(model)? {
        Some(given) => Some(Some(GroupLimit::of(&given.amounts(), &given.hard, &given.virtual_clusters)?)),
        None => Some(None),
    }
}

impl GroupLimit {
    fn of(model: &AmountsModel, hard: &StringMap, virtual_clusters: &Value<Number>) -> Option<Self> {
        let virtual_clusters = match optional(virtual_clusters)? {
            Some(number) => Some(number.whole()?),
            None => None,
        };
        let (cpu, memory) = (optional(&model.cpu)?, optional(&model.memory)?);
        Some(Self { cpu, memory, storage: optional(&model.storage)?, hard: string_map(hard)?, virtual_clusters })
    }

    fn to_model(&self) -> QuotaModel {
        QuotaModel {
            cpu: self.cpu.clone().into(),
            memory: self.memory.clone().into(),
            storage: self.storage.clone().into(),
            hard: map_or_null(&self.hard),
            virtual_clusters: self.virtual_clusters.map(Number::from).into(),
        }
    }
}

impl GroupShares {
    fn of(model: &SharesModel) -> Option<Self> {
        let exceptions = optional(&model.exceptions)?.unwrap_or_default();
        let exceptions =
            exceptions.iter().map(|(owner, given)| Some((owner.clone(), limit(given)?.unwrap_or_default())));
        let (label, default) = (known(&model.label)?, limit(&model.default)?);
        Some(Self { label, default, exceptions: exceptions.collect::<Option<_>>()? })
    }

    fn to_model(&self) -> SharesModel {
        let exception = |(owner, limit): (&String, &GroupLimit)| (owner.clone(), Value::Value(limit.to_model()));
        let exceptions: BTreeMap<_, _> = self.exceptions.iter().map(exception).collect();
        SharesModel {
            label: Value::Value(self.label.clone()),
            default: self.default.as_ref().map(GroupLimit::to_model).into(),
            exceptions: if exceptions.is_empty() { Value::Null } else { Value::Value(exceptions) },
        }
    }
}

impl GroupSize {
    fn of(model: &Value<ResourcesModel>) -> Option<Self> {
        let model = model.as_ref_option()?;
        let (cpu, memory) = (known(&model.cpu)?, known(&model.memory)?);
        Some(Self { cpu, memory, storage: known(&model.storage)?, hard: string_map(&model.hard)? })
    }

    fn to_model(&self) -> ResourcesModel {
        let text = |text: &str| Value::Value(text.to_owned());
        let (cpu, memory) = (text(&self.cpu), text(&self.memory));
        ResourcesModel { cpu, memory, storage: text(&self.storage), hard: map_or_null(&self.hard) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hard::Hard;
    use crate::fleet::compute::Compute;
    use crate::fleet::group::spec::tests::{spec, with_shares};

    #[test]
    fn a_spec_survives_the_way_through_a_state() {
        assert_eq!(GroupSpec::of(&spec().to_model()), Some(spec()));
        let mut bounded = spec();
        let hard: Hard = [("pods".to_owned(), "50".to_owned())].into();
        (bounded.defaults.hard, bounded.minimums.hard) = (hard.clone(), hard.clone());
        bounded.maximums = Some(GroupLimit { cpu: Some("8".into()), hard, ..GroupLimit::default() });
        assert_eq!(GroupSpec::of(&bounded.to_model()), Some(bounded));
        let mut shared = with_shares();
        let hard: Hard = [("requests.nvidia.com/gpu".to_owned(), "8".to_owned())].into();
        shared.quota = Some(GroupLimit { virtual_clusters: Some(20), hard, ..GroupLimit::default() });
        let extended = [("nvidia.com/gpu".to_owned(), "16".to_owned())].into();
        shared.host_clusters.get_mut("eu-1").unwrap().capacity = Some(Compute { extended, ..Compute::default() });
        assert_eq!(GroupSpec::of(&shared.to_model()), Some(shared));
    }
}
