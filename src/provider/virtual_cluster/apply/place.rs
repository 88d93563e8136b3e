//! Where a new virtual cluster goes, and what it takes from its group there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::room::charged;
use super::{Apply, Failed};
use crate::domain::ledger::{Account, Ledger};
use crate::domain::limit::Limit;
use crate::domain::placement::{Candidate, choose, explain};
use crate::host::Host;
use crate::host::groups::{GroupPhase, Groups};
use crate::host::ledgers::LedgerBook;
use crate::host::record::Share;
use crate::host::records::{RecordError, Records};
use crate::host::store::StoreError;
use crate::provider::chart::ChartModel;
use crate::provider::cluster_group::find::FindError;
use crate::provider::configuration::HostCluster;
use crate::provider::planner::{Choosing, OnItsWay};
use crate::provider::size::ResourcesModel;
use crate::provider::virtual_cluster::membership::{Membership, limit};
use crate::provider::virtual_cluster::model::VirtualClusterModel;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Report};

/// The host that was chosen.
pub(super) struct Target<'p> {
    pub host: Host,
    /// UID of the host.
    pub uid: String,
    /// What it can carry.
    pub limit: Limit,
    /// As long as this lives, others of this process count it as taken.
    pub _on_its_way: OnItsWay<'p>,
}

/// A host that comes into question.
struct Spot {
    host: Host,
    uid: String,
    limit: Limit,
    ledger: Ledger,
    /// A virtual cluster, or what is left of one, is in the namespace already.
    taken: bool,
}

impl<'a> Apply<'a> {
    /// The group that the plan names, as its authority has it now.
    pub(super) async fn membership(&mut self, planned: &VirtualClusterModel) -> Result<Option<Membership>, Failed> {
        let Some(name) = planned.cluster_group.as_ref_option() else { return Ok(None) };
        let planner = self.configured.planner();
        let found = planner.group(self.configured.known_host_clusters(), name).await;
        let found = match found {
            Ok(found) => found,
            Err(error) => return Err(self.no_group(&error)),
        };
        let Some(home) = found.home().cloned() else {
            // Whoever needs the home says that it is missing.
            return Membership::of(found).map(Some).map_err(|error| self.no_group(&error));
        };
        let authority = self.explain(Groups::of(&home).get(name).await)?;
        let newest = &found.newest.record;
        let found = match authority {
            Some(stored) if stored.record.id == newest.id && stored.record.age() >= newest.age() => {
                Arc::new(crate::provider::cluster_group::find::Found { newest: stored, ..(*found).clone() })
            }
            Some(stored) if stored.record.id == newest.id => found,
            _ => {
                planner.forget_group(name);
                let missing = FindError::Missing {
                    name: name.clone(),
                    asked: vec![home.name().to_owned()],
                    unreachable: found.unreachable.clone(),
                };
                return Err(self.no_group(&missing));
            }
        };
        if found.newest.record.home != home.identity().await.map(|identity| identity.uid.clone()).unwrap_or_default() {
            // The home has moved since this process looked.
            planner.forget_group(name);
        }
        Membership::of(found).map(Some).map_err(|error| self.no_group(&error))
    }

    fn no_group(&mut self, error: &FindError) -> Failed {
        self.diags.add_error(error.diagnostic(AttributePath::new("cluster_group")));
        Failed
    }

    /// A group that is being made or removed takes nobody in.
    pub(super) fn check_open(&mut self, group: &Membership) -> Result<(), Failed> {
        let phase = group.found.as_ref().map(|found| found.newest.record.phase);
        let what = match phase {
            Some(GroupPhase::Ready) => return Ok(()),
            Some(GroupPhase::Deleting) => "is being deleted",
            _ => "is still being created",
        };
        self.diags.fail(
            AttributePath::new("cluster_group"),
            format!("Cluster group \"{}\" {what}.", group.name),
            "Nothing was created. Wait for that apply, or run it again if it was cut off.",
        );
        Err(Failed)
    }

    /// Fills in what the group says and the configuration does not, as far as it does not depend on the host.
    pub(in crate::provider::virtual_cluster) fn take_from_group(planned: &mut VirtualClusterModel, group: &Membership) {
        fn fill<T: Clone>(value: &mut Value<T>, group: T) {
            if matches!(value, Value::Unknown | Value::Null) {
                *value = Value::Value(group);
            }
        }
        let spec = &group.spec;
        fill(&mut planned.vcluster_version, spec.vcluster_version.clone());
        fill(&mut planned.distro, spec.distro.clone());
        fill(
            &mut planned.chart,
            ChartModel {
                source: Value::Value(spec.chart_source.clone()),
                digest: Value::Value(spec.chart_digest.clone()),
                username: spec.chart_username.clone().into(),
                password: Value::Null,
            },
        );
        let defaults = &spec.defaults;
        fill(&mut planned.resources, ResourcesModel::default());
        if let Value::Value(resources) = &mut planned.resources {
            fill(&mut resources.cpu, defaults.cpu.clone());
            fill(&mut resources.memory, defaults.memory.clone());
            fill(&mut resources.storage, defaults.storage.clone());
        }
    }

    /// The host for a new virtual cluster in `namespace`: the pinned one, or that with the most room. Those whose UIDs are in
    /// `denied` have said no; none is left when all have.
    pub(super) async fn choose(
        &mut self,
        planned: &VirtualClusterModel,
        group: Option<&Membership>,
        namespace: &str,
        share: &Share,
        denied: &BTreeSet<String>,
    ) -> Result<Option<Target<'a>>, Failed> {
        let configured = self.configured;
        let hosts = self.candidates(planned, group)?;
        let pinned = planned.host_cluster.as_ref_option().is_some();
        let choosing = configured.planner().choosing().await;
        let (mut options, mut unusable) = (Vec::new(), Vec::new());
        for host in hosts {
            match self.look_at(&host, group, namespace).await {
                Ok(option) if denied.contains(&option.uid) => {}
                Ok(option) => options.push(option),
                Err(error) if pinned => return self.explain(Err(error)),
                Err(error) => {
                    tracing::info!(host = host.name(), %error, "not a candidate");
                    unusable.push(format!("  - {}: {error}", host.name()));
                }
            }
        }
        let chosen = match options.iter().position(|option| option.taken) {
            // What stands there says what is to be done, and a second one of the name must not be made elsewhere.
            Some(taken) if !pinned => Some(taken),
            _ if pinned => Some(0),
            _ => most_room(&choosing, &options, namespace, share),
        };
        // Where it fits nowhere, the ledger of the fullest may still have dead entries: it is asked, and says no.
        let chosen = chosen.or_else(|| least_short(&options, share));
        let Some(option) = chosen.filter(|index| *index < options.len()).map(|index| options.swap_remove(index)) else {
            if !denied.is_empty() {
                return Ok(None);
            }
            let group = group.map(|group| group.name.as_str()).unwrap_or_default();
            self.diags.fail(
                AttributePath::new("cluster_group"),
                format!("No host cluster of cluster group \"{group}\" can be used."),
                match unusable.as_slice() {
                    [] => "This provider has none of them, or none that answers.\n\nNext step: Make one reachable, or add one of \
                           the group's host clusters to the provider's `host_clusters`."
                        .to_owned(),
                    unusable => format!(
                        "Those that this provider has refuse:\n\n{}\n\nNext step: Remove the cause on one of them, or add \
                         another of the group's host clusters to the provider's `host_clusters`.",
                        unusable.join("\n")
                    ),
                },
            );
            return Err(Failed);
        };
        let on_its_way = configured.planner().sets_out(&option.uid, namespace, charged(share));
        Ok(Some(Target { host: option.host, uid: option.uid, limit: option.limit, _on_its_way: on_its_way }))
    }

    pub(super) fn candidates(
        &mut self,
        planned: &VirtualClusterModel,
        group: Option<&Membership>,
    ) -> Result<Vec<Host>, Failed> {
        let Some(key) = planned.host_cluster.as_ref_option() else {
            return Ok(group.into_iter().flat_map(|group| group.hosts.iter().map(|(_, host)| host.clone())).collect());
        };
        match self.configured.host_cluster(self.diags, key) {
            Some(HostCluster::Known(host)) => Ok(vec![host]),
            Some(HostCluster::Unknown) => Err(self.host_unknown(key)),
            None => Err(Failed),
        }
    }

    async fn look_at(&self, host: &Host, group: Option<&Membership>, namespace: &str) -> Result<Spot, RecordError> {
        let uid = host.identity().await.map_err(StoreError::from)?.uid.clone();
        let nodes = self.configured.planner().nodes(host).await.map_err(StoreError::from)?;
        let ledger = LedgerBook::capacity(host).read().await?.unwrap_or_default();
        let taken = Records::of(host).get(namespace).await?.is_some();
        Ok(Spot { limit: limit(group, host, &nodes), host: host.clone(), uid, ledger, taken })
    }
}

/// The host with the most room, those on their way included.
fn most_room(choosing: &Choosing<'_>, options: &[Spot], namespace: &str, share: &Share) -> Option<usize> {
    let candidates = options.iter().map(|Spot { host, uid, limit, ledger, .. }| {
        let used = ledger.used(Account::Capacity).saturating_add(choosing.taken_soon(uid, ledger));
        Candidate { key: host.name(), limit: *limit, used }
    });
    let candidates: Vec<Candidate<'_>> = candidates.collect();
    let chosen = choose(&candidates, charged(share));
    for line in explain(&candidates, charged(share), chosen) {
        tracing::info!(namespace, "placement: {line}");
    }
    chosen
}

/// The host where the fewest resources are short.
fn least_short(options: &[Spot], share: &Share) -> Option<usize> {
    let short = |option: &Spot| option.limit.shortage(option.ledger.used(Account::Capacity), charged(share)).len();
    options.iter().enumerate().min_by_key(|(_, option)| short(option)).map(|(index, _)| index)
}
