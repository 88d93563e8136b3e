//! Destroying a group: refused while it has virtual clusters, the authority goes last.

use futures::future::join_all;

use super::{Apply, Failed, problem, put, release_archives};
use crate::host::groups::{GroupPhase, GroupRecord, Groups, StoredGroup};
use crate::host::ledgers::{GroupRef, LedgerBook};
use crate::provider::cluster_group::copies::{self, Copy};
use crate::provider::cluster_group::members::{self, Member};
use crate::provider::cluster_group::model::{ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::cluster_group::read::{look, recall};
use terraform_plugin::{AttributePath, Report};

impl Apply<'_> {
    /// Removes the group from all of its hosts.
    pub async fn destroy(mut self, prior: &ClusterGroupModel, private: &ClusterGroupPrivate) -> Option<()> {
        self.start_clock(prior, |timeouts| &timeouts.delete);
        let name = prior.name.as_ref_option()?.clone();
        let private = &recall(self.diags, self.configured, &name, private.clone()).await?;
        let remembered = members::remembered(self.diags, self.configured, private).await?;
        if remembered.unknown {
            self.diags.fail(
                AttributePath::new("host_clusters"),
                "The connection to a host cluster of the group is still not known.",
                "Its configuration depends on values that this apply did not make known. Apply what they come from first.",
            );
            return None;
        }
        for key in remembered.missing.values() {
            self.diags.warn(
                members::at(key),
                format!("Host cluster \"{key}\" keeps its record of cluster group \"{name}\"."),
                "The provider block does not have it any more, so it was not looked at.",
            );
        }
        let mut hosts = remembered.members;
        // Whoever was taken out of the group while it did not answer may still have its record.
        for stranger in members::strangers(self.configured, &hosts).await {
            let stored = Groups::of(&stranger.host).get(&name).await.ok().flatten();
            if stored.is_some_and(|stored| stored.record.id == private.id) {
                hosts.push(stranger);
            }
        }
        let found = look(self.diags, &hosts, &name).await?;
        let (copies, stored): (Vec<Copy>, Vec<Option<StoredGroup>>) = found.into_iter().unzip();
        let Some(base) = copies::authority(&copies, &private.id, Some(private.epoch)).cloned() else { return Some(()) };
        let ours = hosts.iter().zip(stored).filter_map(|(member, stored)| {
            let stored = stored.filter(|stored| stored.record.id == base.id)?;
            Some((member.clone(), stored))
        });
        let ours: Vec<(Member, StoredGroup)> = ours.collect();
        self.remove(&hosts, ours, &base).await.ok()
    }

    async fn remove(
        &mut self,
        hosts: &[Member],
        mut ours: Vec<(Member, StoredGroup)>,
        base: &GroupRecord,
    ) -> Result<(), Failed> {
        self.check_empty(hosts, &base.name).await?;
        // The newest record decides, and so it goes last. Usually it is the home's.
        ours.sort_by_key(|(member, stored)| (stored.record.age(), stored.record.home == member.uid));
        let Some((home, authority)) = ours.pop() else { return Ok(()) };
        let deleting =
            GroupRecord { phase: GroupPhase::Deleting, generation: base.generation + 1, ..authority.record.clone() };
        let authority = self.in_time("Deleting the cluster group", put(&home, Some(&authority), &deleting)).await?;
        if let Err(failed) = self.check_empty(hosts, &base.name).await {
            let back = GroupRecord { phase: GroupPhase::Ready, generation: deleting.generation + 1, ..deleting };
            if let Err(problem) = put(&home, Some(&authority), &back).await {
                self.diags.add_error(*problem);
            }
            return Err(failed);
        }
        let remove = async {
            let followers = ours.iter().map(|(member, stored)| async move {
                Groups::of(&member.host).remove(stored).await.map_err(|error| problem(&error, member))
            });
            join_all(followers).await.into_iter().collect::<Result<Vec<()>, _>>()?;
            let group = GroupRef { name: base.name.clone(), id: base.id.clone() };
            let ledgers = hosts.iter().map(|member| {
                let ledger = LedgerBook::quota(&member.host, group.clone());
                async move { ledger.remove().await.map_err(|error| problem(&error, member)) }
            });
            join_all(ledgers).await.into_iter().collect::<Result<Vec<()>, _>>()?;
            Groups::of(&home.host).remove(&authority).await.map_err(|error| problem(&error, &home))
        };
        self.in_time("Deleting the cluster group", remove).await?;
        release_archives(hosts, &base.chart_digest).await;
        Ok(())
    }

    async fn check_empty(&mut self, hosts: &[Member], name: &str) -> Result<(), Failed> {
        let found = self.carried(hosts, name).await?;
        if found.is_empty() {
            return Ok(());
        }
        let what = format!("Cluster group \"{name}\" cannot be destroyed");
        Err(self.refuse_carriers(name, &found, AttributePath::root(), &what))
    }
}
