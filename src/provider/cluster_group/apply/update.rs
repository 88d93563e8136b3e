//! Updating a group: the authority first, then the other hosts, then the hosts that it has lost.
//!
//! Rule: a host goes only while it carries no virtual cluster of the group. Those are looked for before and after the
//! authority is written, and a virtual cluster's creation writes its record before it reads the authority: one of the two
//! sees the other.

use futures::future::join_all;

use super::create::{exists, reserve};
use super::{
    Applied, Apply, Failed, Problem, by_uid, check_version, keep_archive, kept_archive, put, release_archives,
};
use crate::host::formats::renewed;
use crate::host::groups::{GroupPhase, GroupRecord, Groups, StoredGroup};
use crate::host::ledgers::{GroupRef, LedgerBook};
use crate::provider::chart::ChartAccess;
use crate::provider::cluster_group::copies::{self, Copy};
use crate::provider::cluster_group::members::{self, Member};
use crate::provider::cluster_group::model::{ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::cluster_group::plan::host_keys;
use crate::provider::cluster_group::read::{look, recall, with_archives};
use crate::provider::cluster_group::spec::{DRIFTED, GroupSpec};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Report};

/// The group's hosts before and after, as they were read.
struct Hosts {
    /// Those that the group is to have, and what they hold.
    kept: Vec<(Member, Copy, Option<StoredGroup>)>,
    /// Those that it loses, as far as they answer.
    lost: Vec<(Member, Option<StoredGroup>)>,
}

impl Apply<'_> {
    /// Makes the group on its hosts what the plan says. After an error the prior state comes back, marked as drifted, so that
    /// the next apply finishes the work.
    pub async fn update(
        mut self,
        prior: ClusterGroupModel,
        mut planned: ClusterGroupModel,
        config: &ClusterGroupModel,
        private: ClusterGroupPrivate,
    ) -> Option<Applied> {
        self.start_clock(&planned, |timeouts| &timeouts.update);
        if planned.revision.as_ref_option().is_some() && planned.chart == prior.chart {
            // Only what Terraform itself keeps has changed, such as `timeouts`.
            return Some((planned, private));
        }
        let name = planned.name.as_ref_option()?.clone();
        let spec = GroupSpec::of(&planned)?;
        let private = recall(self.diags, self.configured, &name, private).await?;
        let hosts = self.hosts(&planned, &private, &name, &spec.chart_digest).await?;
        let base = self.base(&hosts, &private, &name).ok()?;
        let foreign =
            |stored: &&StoredGroup| stored.record.id != base.id && stored.record.phase != GroupPhase::Creating;
        for (member, _, stored) in &hosts.kept {
            if let Some(other) = stored.as_ref().filter(foreign) {
                self.diags.add_error(*exists(&name, member, &other.record));
                return None;
            }
        }
        let kept: Vec<Member> = hosts.kept.iter().map(|(member, _, _)| member.clone()).collect();
        let stays = kept.iter().any(|member| member.uid == base.home);
        let home = kept.iter().find(|member| !stays || member.uid == base.home)?.clone();
        let desired = GroupRecord {
            name: name.clone(),
            id: base.id.clone(),
            epoch: base.epoch + u64::from(!stays),
            generation: base.generation + 1,
            home: home.uid.clone(),
            hosts: by_uid(&kept),
            phase: GroupPhase::Ready,
            chart_digest: spec.chart_digest.clone(),
            spec: renewed(&base.spec, &spec),
            more: base.more.clone(),
        };
        let archive = self.archive(&hosts, &planned, config, &spec).await.ok()?;
        let written = self.write(&hosts, &base, &desired, archive.as_deref()).await;
        let after = ClusterGroupPrivate {
            id: desired.id.clone(),
            hosts: desired.hosts.clone(),
            epoch: desired.epoch,
            more: private.more.clone(),
        };
        if written.is_err() {
            // Nothing of what may be left is forgotten.
            let mut hosts = private.hosts;
            hosts.extend(after.hosts);
            let state = ClusterGroupModel { revision: Value::Value(DRIFTED.to_owned()), ..prior };
            return Some((state, ClusterGroupPrivate { hosts, ..after }));
        }
        let fill = |planned: &mut Value<String>, value: String| {
            if *planned == Value::Unknown {
                *planned = Value::Value(value);
            }
        };
        fill(&mut planned.home_host_cluster, home.key.clone());
        fill(&mut planned.revision, spec.revision());
        Some((planned, after))
    }

    /// All hosts that the group has, is to have, or still is on.
    async fn hosts(
        &mut self,
        planned: &ClusterGroupModel,
        private: &ClusterGroupPrivate,
        name: &str,
        digest: &str,
    ) -> Option<Hosts> {
        let keys = host_keys(planned);
        let kept = members::configured(self.diags, self.configured, &keys).await?;
        let is_kept = |uid: &String| kept.iter().any(|member| &member.uid == uid);
        // Only the hosts that are to go: those that stay are asked by their new keys.
        let leaving = ClusterGroupPrivate {
            hosts: private.hosts.clone().into_iter().filter(|(uid, _)| !is_kept(uid)).collect(),
            ..private.clone()
        };
        let remembered = members::remembered(self.diags, self.configured, &leaving).await?;
        if remembered.unknown {
            self.diags.fail(
                AttributePath::new("host_clusters"),
                "The connection to a host cluster that the group is to lose is still not known.",
                "Its configuration depends on values that this apply did not make known. Apply what they come from first.",
            );
            return None;
        }
        for key in remembered.missing.values() {
            self.diags.warn(
                members::at(key),
                format!("Host cluster \"{key}\" leaves the cluster group without being looked at."),
                "The provider block does not have it any more. If it comes back, it holds an outdated record of the group; and \
                 virtual clusters that it may carry do not count in the group's quota any more.",
            );
        }
        // A former home may have come back, with a record that is out of date.
        let mut lost = remembered.members;
        let both: Vec<Member> = kept.iter().chain(&lost).cloned().collect();
        for stranger in members::strangers(self.configured, &both).await {
            let stored = Groups::of(&stranger.host).get(name).await.ok().flatten();
            if stored.is_some_and(|stored| stored.record.id == private.id) {
                lost.push(stranger);
            }
        }
        let (read_kept, read_lost) = (look(self.diags, &kept, name).await?, look(self.diags, &lost, name).await?);
        let (copies, stored): (Vec<Copy>, Vec<_>) = read_kept.into_iter().unzip();
        let copies = with_archives(self.diags, &kept, copies, digest).await?;
        let kept = kept.into_iter().zip(copies).zip(stored).map(|((member, copy), stored)| (member, copy, stored));
        let lost = lost.into_iter().zip(read_lost).map(|(member, (_, stored))| (member, stored));
        Some(Hosts { kept: kept.collect(), lost: lost.collect() })
    }

    /// The newest record there is.
    fn base(&mut self, hosts: &Hosts, private: &ClusterGroupPrivate, name: &str) -> Result<GroupRecord, Failed> {
        let lost = hosts.lost.iter().map(|(member, stored)| Copy {
            uid: member.uid.clone(),
            key: member.key.clone(),
            record: stored.as_ref().map(|stored| stored.record.clone()),
            archive: true,
        });
        let copies: Vec<Copy> = hosts.kept.iter().map(|(_, copy, _)| copy.clone()).chain(lost).collect();
        copies::authority(&copies, &private.id, Some(private.epoch)).cloned().ok_or_else(|| {
            self.diags.fail(
                AttributePath::new("name"),
                format!("Cluster group \"{name}\" is gone."),
                "No host cluster has a record of it any more. Run `terraform apply` again: it creates the group anew.",
            );
            Failed
        })
    }

    /// The chart archive, where a host lacks it: from another host, or else from the source with the very same digest.
    async fn archive(
        &mut self,
        hosts: &Hosts,
        planned: &ClusterGroupModel,
        config: &ClusterGroupModel,
        spec: &GroupSpec,
    ) -> Result<Option<Vec<u8>>, Failed> {
        if hosts.kept.iter().all(|(_, copy, _)| copy.archive) {
            return Ok(None);
        }
        let holders = hosts.kept.iter().filter(|(_, copy, _)| copy.archive).map(|(member, _, _)| member);
        let all: Vec<Member> = holders.chain(hosts.lost.iter().map(|(member, _)| member)).cloned().collect();
        let kept = self.in_time("Reading the chart archive", kept_archive(&all, &spec.chart_digest)).await?;
        if let Some(archive) = kept {
            return Ok(Some(archive));
        }
        let access = ChartAccess::of(self.configured.charts(), &config.chart);
        let archive = access.get(self.diags, &planned.chart, &planned.vcluster_version).await.ok_or(Failed)?;
        check_version(self.diags, &archive, &spec.vcluster_version, &spec.chart_source)?;
        Ok(Some(archive.to_tgz().to_vec()))
    }

    async fn write(
        &mut self,
        hosts: &Hosts,
        base: &GroupRecord,
        desired: &GroupRecord,
        archive: Option<&[u8]>,
    ) -> Result<(), Failed> {
        let lost: Vec<Member> = hosts.lost.iter().map(|(member, _)| member.clone()).collect();
        self.check_leaving(&lost, &desired.name).await?;
        let quota = GroupRef { name: desired.name.clone(), id: desired.id.clone() };
        let moved = base.home != desired.home;
        let authority = async {
            let home = hosts.kept.iter().find(|(member, _, _)| member.uid == desired.home);
            let (home, _, stored) = home.ok_or_else(|| {
                Box::new(terraform_plugin::diagnostic(
                    AttributePath::new("host_clusters"),
                    "The cluster group has no home.",
                    "Please report this.",
                ))
            })?;
            if moved {
                // One from an earlier time as the home. The first reservation makes it from the records.
                let removed = LedgerBook::quota(&home.host, quota.clone()).remove().await;
                removed.map_err(|error| super::problem(&error, home))?;
            }
            write_on(home, stored.as_ref(), desired, archive).await
        };
        let authority = self.in_time("Updating the cluster group", authority).await?;
        if let Err(failed) = self.check_leaving(&lost, &desired.name).await {
            self.restore(hosts, base, &authority).await;
            return Err(failed);
        }
        let followers = hosts.kept.iter().filter(|(member, _, _)| member.uid != desired.home);
        let follow = followers.map(|(member, _, stored)| write_on(member, stored.as_ref(), desired, archive));
        let written = async {
            let written: Result<Vec<_>, _> = join_all(follow).await.into_iter().collect();
            written.map(drop)
        };
        self.in_time("Updating the cluster group", written).await?;
        let clean = async {
            for (member, stored) in &hosts.lost {
                if member.uid == base.home {
                    let removed = LedgerBook::quota(&member.host, quota.clone()).remove().await;
                    removed.map_err(|error| super::problem(&error, member))?;
                }
                if let Some(stored) = stored.as_ref().filter(|stored| stored.record.id == desired.id) {
                    let removed = Groups::of(&member.host).remove(stored).await;
                    removed.map_err(|error| super::problem(&error, member))?;
                }
            }
            Ok(())
        };
        self.in_time("Updating the cluster group", clean).await?;
        release_archives(&lost, &desired.chart_digest).await;
        Ok(())
    }

    async fn check_leaving(&mut self, lost: &[Member], name: &str) -> Result<(), Failed> {
        let found = self.carried(lost, name).await?;
        match found.first() {
            None => Ok(()),
            Some(first) => {
                let attribute = members::at(&first.host);
                let what = format!("Host cluster \"{}\" cannot be removed from the cluster group", first.host);
                Err(self.refuse_carriers(name, &found, attribute, &what))
            }
        }
    }

    /// Takes back what was written on the home, because a virtual cluster came in between.
    async fn restore(&mut self, hosts: &Hosts, base: &GroupRecord, written: &StoredGroup) {
        let moved = base.home != written.record.home;
        let restored = GroupRecord {
            epoch: written.record.epoch + u64::from(moved),
            generation: written.record.generation + 1,
            ..base.clone()
        };
        let home = hosts.kept.iter().find(|(member, _, _)| member.uid == written.record.home);
        if let Some((home, _, _)) = home
            && let Err(problem) = put(home, Some(written), &restored).await
        {
            self.diags.add_error(*problem);
        }
        if let Some((member, stored)) = hosts.lost.iter().find(|(member, _)| moved && member.uid == base.home)
            && let Err(problem) = put(member, stored.as_ref(), &restored).await
        {
            self.diags.add_error(*problem);
        }
    }
}

/// Writes the record on one host of the group, and the archive beside it where it is missing.
async fn write_on(
    member: &Member,
    stored: Option<&StoredGroup>,
    desired: &GroupRecord,
    archive: Option<&[u8]>,
) -> Result<StoredGroup, Problem> {
    let foreign = stored.filter(|stored| stored.record.id != desired.id);
    let written = match foreign {
        None => put(member, stored, desired).await?,
        Some(foreign) if foreign.record.phase == GroupPhase::Creating => reserve(member, desired, None).await?.0,
        Some(foreign) => return Err(exists(&desired.name, member, &foreign.record)),
    };
    if let Some(archive) = archive {
        keep_archive(member, &desired.chart_digest, archive).await?;
    }
    Ok(written)
}
