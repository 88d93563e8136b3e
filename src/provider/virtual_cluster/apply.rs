//! Create, update and destroy of `nested_virtual_cluster`: the order of steps on the host, safe to stop at each of them.
//!
//! A virtual cluster passes through *reserved → creating → handed over* in its record. Whatever stops an apply, the record
//! says how far it came, and the next apply goes on from there.

mod place;
pub(crate) mod reclaim;
mod reserve;
mod room;
mod volumes;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::ledger::Holding;
use crate::domain::name;
use crate::domain::quantity::Bytes;
use crate::domain::size::Size;
use crate::domain::status::Status;
use crate::host::access::Access;
use crate::host::apply::Consent;
use crate::host::formats::renewed;
use crate::host::ledgers::holding;
use crate::host::record::{Phase, Record, Share};
use crate::host::records::claim::Claim;
use crate::host::records::{Records, Stored, Taken};
use crate::host::{Host, apply, delete, namespace, observe, pause, restart, wait};
use crate::provider::Configured;
use crate::provider::chart::{self, ChartAccess};
use crate::provider::cluster_group::spec::Followed;
use crate::provider::configuration::HostCluster;
use crate::provider::explain::Explain;
use crate::provider::size::ResourcesModel;
use crate::provider::timeouts::{self, TimeoutsModel};
use crate::provider::virtual_cluster::drift;
use crate::provider::virtual_cluster::membership::{Membership, limit};
use crate::provider::virtual_cluster::model::{
    FollowedPrivate, KubeconfigModel, VirtualClusterModel, VirtualClusterPrivate,
};
use crate::provider::virtual_cluster::plan::refuse_pause;
use crate::provider::virtual_cluster::read::{check_host, set_access};
use crate::provider::virtual_cluster::render::{self, Prepared, exposure, selector};
use crate::provider::virtual_cluster::spec::{Place, Spec, UNFINISHED};
use reclaim::Unfinished;
use reserve::is_edited;
use room::{Denied, Room};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Diagnostics, Report, stop_token};

/// A virtual cluster that was created, whole or in part, and what it holds.
struct Created {
    state: VirtualClusterModel,
    private: VirtualClusterPrivate,
    holding: Option<Holding>,
}

type Applied = (VirtualClusterModel, VirtualClusterPrivate);

/// A step failed, and its diagnostic is written.
struct Failed;

/// What changes on the host.
#[derive(Clone, Copy)]
enum Change<'c> {
    /// Objects, where others' may be taken over with this consent.
    Of(&'c Consent),
    /// Nothing but whether it is paused: then no object is written but those that are scaled.
    Pause,
}

/// What an apply has seen of the virtual cluster at its end, so that it need not be looked at again.
enum Seen {
    /// It runs, and this leads there.
    Running(Access),
    /// All of it is down.
    Paused,
    /// It was not waited for.
    Nothing,
}

/// One create, update or destroy.
pub struct Apply<'a> {
    configured: &'a Configured,
    diags: &'a mut Diagnostics,
    stop: CancellationToken,
    deadline: Instant,
}

impl<'a> Apply<'a> {
    pub fn new(configured: &'a Configured, diags: &'a mut Diagnostics) -> Self {
        Self { configured, diags, stop: stop_token(), deadline: Instant::now() }
    }

    /// Creates a virtual cluster. After an error a state comes back where objects were left on the host.
    pub async fn create(
        mut self,
        mut planned: VirtualClusterModel,
        config: &VirtualClusterModel,
        mut private: VirtualClusterPrivate,
    ) -> Option<Applied> {
        self.start_clock(&planned, |timeouts| &timeouts.create);
        let namespace = name_it(&mut planned)?;
        let token = private.planned_as.take().unwrap_or_default();
        let created = self.create_named(planned, config, private, &namespace).await;
        let configured = self.configured;
        let settled = created.as_ref().and_then(|created| Some((&created.private.host_uid, created.holding.as_ref()?)));
        let mut accounting = configured.planner().accounting();
        match settled {
            Some((uid, holding)) => accounting.settle(&token, uid, &namespace, holding),
            None => accounting.free(&token),
        }
        drop(accounting);
        created.map(|created| (created.state, created.private))
    }

    async fn create_named(
        &mut self,
        mut planned: VirtualClusterModel,
        config: &VirtualClusterModel,
        mut private: VirtualClusterPrivate,
        namespace: &str,
    ) -> Option<Created> {
        let mut group = self.membership(&planned).await.ok()?;
        if let Some(group) = &group {
            Self::take_from_group(&mut planned, group);
            self.home(group).ok()?;
        }
        private.namespace = namespace.to_owned();
        let unfinished = Unfinished::look(self.candidates(&planned, group.as_ref()).ok()?, namespace).await;
        let (open, mut denied) = (planned.clone(), BTreeSet::new());
        loop {
            planned = open.clone();
            if let Some(group) = &group {
                self.check_open(group).ok()?;
            }
            let share = self.share_of(&planned)?;
            if share.paused && share.size.storage == Bytes(0) {
                refuse_pause(self.diags);
                return None;
            }
            let target = self.choose(&planned, group.as_ref(), namespace, &share, &denied).await.ok()?;
            let Some(target) = target else {
                return self.say_full(&planned, group.as_ref(), &share).await;
            };
            let host = target.host.clone();
            planned.host_cluster = Value::Value(host.name().to_owned());
            let place = Place::of(&planned)?;
            planned.id = Value::Value(place.id());
            private.host_uid = target.uid.clone();
            let followed = match &group {
                Some(group) => Some(self.follow(group, &host, &mut planned, &mut private)?),
                None => None,
            };
            let prepared = self.prepare(&host, &place, &planned, &private, config, followed.as_ref()).await?;
            if let Value::Value(chart) = &mut planned.chart {
                chart.digest = Value::Value(prepared.spec.chart_digest.clone());
            }
            let claim = self.reserve(&host, &place, &private, &prepared.spec, config).await.ok()?;
            // The record is there: whoever changes the group from now on sees it. So the group is looked at again.
            match self.membership(&planned).await {
                Ok(now) if same_group(group.as_ref(), now.as_ref()) => {}
                Ok(now) => {
                    self.explain(claim.remove().await).ok()?;
                    group = now;
                    continue;
                }
                Err(Failed) => {
                    self.explain(claim.remove().await).ok();
                    return None;
                }
            }
            let room = Room {
                group: group.as_ref(),
                host,
                uid: target.uid.clone(),
                namespace: namespace.to_owned(),
                limit: target.limit,
            };
            match self.admit(&room, &claim, &share).await {
                Ok(Ok(())) => {}
                Ok(Err(Denied::Quota)) => {
                    self.explain(claim.remove().await).ok();
                    return self.say_full(&open, group.as_ref(), &share).await;
                }
                Ok(Err(Denied::Capacity)) => {
                    self.explain(claim.remove().await).ok()?;
                    tracing::info!(host = room.host.name(), "no room here any more");
                    denied.insert(room.uid.clone());
                    continue;
                }
                Err(Failed) => return self.undo(&room.host, claim, &prepared.spec, planned, private).await,
            }
            drop(target);
            return self.create_with_room(&room, claim, &prepared, &share, (planned, private), unfinished).await;
        }
    }

    /// From a virtual cluster that has room to one that is handed over, or to nothing.
    async fn create_with_room(
        &mut self,
        room: &Room<'_>,
        claim: Claim,
        prepared: &Prepared,
        share: &Share,
        (planned, mut private): Applied,
        unfinished: Unfinished,
    ) -> Option<Created> {
        let host = &room.host;
        let made = self.make(room, &claim, prepared, share, &planned).await;
        if claim.lost().is_cancelled() {
            // Another apply has taken over and owns what is there. If no step has met that yet, the error is still to be said.
            if made.is_ok() {
                self.explain(claim.confirm().await).ok();
            }
            return None;
        }
        let record = claim.record();
        if made.is_err() && record.namespace_uid.is_none() {
            return self.undo(host, claim, &prepared.spec, planned, private).await;
        }
        private.remember(&record, claim.record_uid(), &prepared.spec);
        let holding = holding(&record, &claim.record_uid());
        let is_made = made.is_ok();
        let state = self.observe(host, &record, planned, &prepared.spec, made.ok()).await;
        let patience = self.time_left();
        unfinished.reclaim(self.configured, self.diags, patience, &self.stop).await;
        // From here on Terraform's state is the owner, tainted or not. Nothing is asked any more: what is killed between this and
        // the saving of the state is in none, and counts as finished.
        let hand_over = |record: &mut Record| {
            record.hand_over();
            if is_made {
                mark_applied(record, &prepared.spec);
            }
        };
        let lost = claim.lost();
        self.explain(claim.finish(hand_over).await).ok();
        (!lost.is_cancelled()).then_some(Created { state, private, holding })
    }

    /// Removes what a creation has left that failed before its record had more than a name. The host is asked what that is: an
    /// answer may have been lost. What cannot be removed goes into the state, so that it is not forgotten.
    async fn undo(
        &mut self,
        host: &Host,
        claim: Claim,
        spec: &Spec,
        planned: VirtualClusterModel,
        mut private: VirtualClusterPrivate,
    ) -> Option<Created> {
        let (record, record_uid) = (claim.record(), claim.record_uid());
        let holding = holding(&record, &record_uid);
        if self.remove(host, claim).await.is_ok() {
            self.explain(chart::archives_on(host).release(&spec.chart_digest).await).ok();
            return None;
        }
        private.remember(&record, record_uid, spec);
        let state = self.observe(host, &record, planned, spec, None).await;
        Some(Created { state, private, holding })
    }

    /// Nothing of the hosts that come into question has room.
    async fn say_full(
        &mut self,
        planned: &VirtualClusterModel,
        group: Option<&Membership>,
        share: &Share,
    ) -> Option<Created> {
        let mut hosts = Vec::new();
        for host in self.candidates(planned, group).ok()? {
            if let Ok(identity) = host.identity().await {
                hosts.push((identity.uid.clone(), host.clone()));
            }
        }
        let label = planned.name.as_ref_option().cloned().unwrap_or_default();
        self.say_denied(group, &hosts, &label, (None, share), "resources").await;
        None
    }

    /// What the plan takes. The group's defaults are in it already.
    fn share_of(&mut self, planned: &VirtualClusterModel) -> Option<Share> {
        let size = planned.resources.as_ref_option().and_then(ResourcesModel::size)?;
        let group = planned.cluster_group.as_ref_option().cloned();
        Some(Share { group, size, paused: planned.paused.as_ref_option() == Some(&true) })
    }

    /// Takes from the group what follows it on this host, and what is fixed from now on.
    fn follow(
        &mut self,
        group: &Membership,
        host: &Host,
        planned: &mut VirtualClusterModel,
        private: &mut VirtualClusterPrivate,
    ) -> Option<Followed> {
        let Some((key, followed)) = group.key(host).zip(group.followed(host)) else {
            self.diags.fail(
                AttributePath::new("host_cluster"),
                format!("Host cluster \"{}\" is not in cluster group \"{}\".", host.name(), group.name),
                "Leave `host_cluster` out for the one with the most room, or add it to the group.",
            );
            return None;
        };
        private.storage_class = group.spec.host_clusters.get(key).and_then(|host| host.storage_class.clone());
        if planned.endpoint_type == Value::Unknown {
            planned.endpoint_type = Value::Value(followed.endpoint_type.clone());
        }
        if planned.host_dns == Value::Unknown {
            planned.host_dns = followed.host_dns.clone().into();
        }
        Some(followed)
    }

    /// A virtual cluster in a group gets the chart that the group keeps on the host; any other, its source's.
    async fn prepare(
        &mut self,
        host: &Host,
        place: &Place,
        planned: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
        config: &VirtualClusterModel,
        followed: Option<&Followed>,
    ) -> Option<Prepared> {
        let access = ChartAccess::of(self.configured.charts(), &config.chart);
        if followed.is_some() {
            return render::from_archive(self.diags, &access, host, place, planned, private, followed).await;
        }
        let left = self.time_left();
        let prepared = render::from_source(self.diags, &access, host, place, planned, private, None);
        match tokio::time::timeout(left, prepared).await {
            Ok(prepared) => prepared,
            Err(_) => {
                self.diags.fail(
                    AttributePath::new("timeouts"),
                    "The chart was not there in time.",
                    "Nothing was created. Its source did not give the whole of it within `timeouts.create`.\n\nNext step: Look at \
                     the source, or raise the timeout.",
                );
                None
            }
        }
    }

    /// Makes the virtual cluster on the host what the plan says. After an error the prior state comes back, marked as
    /// unfinished, so that the next apply finishes the work.
    pub async fn update(
        mut self,
        prior: VirtualClusterModel,
        planned: VirtualClusterModel,
        config: &VirtualClusterModel,
        mut private: VirtualClusterPrivate,
    ) -> Option<Applied> {
        self.start_clock(&planned, |timeouts| &timeouts.update);
        let place = Place::of(&planned)?;
        let nothing_to_do = planned.paused == prior.paused && planned.drift == prior.drift;
        if planned.revision.as_ref_option().is_some() && nothing_to_do {
            // Only what Terraform itself keeps has changed, such as `timeouts`, or where the chart came from.
            if planned.chart != prior.chart {
                self.record_source(&place, &planned, &private).await.ok()?;
            }
            return Some((planned, private));
        }
        let host = self.host(&place, &private).await?;
        self.recall(&host, &place, &mut private).await.ok()?;
        let group = self.group_of(&planned).await.ok()?;
        let followed = group.as_ref().and_then(|group| group.followed(&host));
        let mut planned = planned;
        if let Some(followed) = &followed {
            if planned.endpoint_type == Value::Unknown {
                planned.endpoint_type = Value::Value(followed.endpoint_type.clone());
            }
            if planned.host_dns == Value::Unknown {
                planned.host_dns = followed.host_dns.clone().into();
            }
        }
        let access = ChartAccess::of(self.configured.charts(), &config.chart);
        let followed = followed.as_ref();
        let prepared = render::from_archive(self.diags, &access, &host, &place, &planned, &private, followed).await?;
        let claim = self.claim(&host, &place, &private, &prepared.spec).await.ok()?;
        let limit = limit(group.as_ref(), &host, &self.explain(self.configured.planner().nodes(&host).await).ok()?);
        let uid = private.host_uid.clone();
        let room = Room { group: group.as_ref(), host: host.clone(), uid, namespace: place.namespace.clone(), limit };
        let done = self.resize(&room, &claim, &prepared, &prior, &planned, &private).await;
        let record = claim.record();
        private.record_uid = claim.record_uid();
        let done = match done {
            // Only now, when the ledgers have it as well, nothing is left to do.
            Ok(seen) => {
                let finished = claim.finish(|record| mark_applied(record, &prepared.spec)).await;
                self.explain(finished).map(|_| seen)
            }
            Err(Failed) => {
                self.let_go(claim).await;
                Err(Failed)
            }
        };
        private.followed = prepared.spec.followed.as_ref().map(FollowedPrivate::from).or(private.followed);
        private.namespace_uid = record.namespace_uid.clone().unwrap_or_default();
        let Ok(seen) = done else {
            let state = VirtualClusterModel { revision: Value::Value(UNFINISHED.to_owned()), ..prior };
            return Some((state, private));
        };
        let state = self.observe(&host, &record, planned, &prepared.spec, Some(seen)).await;
        Some((state, private))
    }

    /// A private state that was lost, and not found again by a refresh, is taken from the record: no object may come out
    /// differently because of it.
    async fn recall(&mut self, host: &Host, place: &Place, private: &mut VirtualClusterPrivate) -> Result<(), Failed> {
        if !private.host_uid.is_empty() {
            return Ok(());
        }
        let stored = self.explain(Records::of(host).get(&place.namespace).await)?;
        if let Some(stored) = stored.filter(|stored| stored.record.name == place.name)
            && let Ok(spec) = serde_json::from_value::<Spec>(stored.record.spec.clone())
        {
            private.recall(&stored, &spec);
        }
        Ok(())
    }

    /// The group of a virtual cluster that exists. One whose group nobody finds is left as it is.
    async fn group_of(&mut self, planned: &VirtualClusterModel) -> Result<Option<Membership>, Failed> {
        let Some(name) = planned.cluster_group.as_ref_option() else { return Ok(None) };
        let planner = self.configured.planner();
        let found = planner.group(self.configured.known_host_clusters(), name).await;
        match found.and_then(Membership::of) {
            Ok(group) => Ok(Some(group)),
            Err(error) => {
                self.diags.add_error(error.diagnostic(AttributePath::new("cluster_group")));
                Err(Failed)
            }
        }
    }

    /// Enters in the ledgers what grows, changes the virtual cluster, and then gives back what shrinks.
    async fn resize(
        &mut self,
        room: &Room<'_>,
        claim: &Claim,
        prepared: &Prepared,
        prior: &VirtualClusterModel,
        planned: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Result<Seen, Failed> {
        let after = room::share(&prepared.spec).ok_or(Failed)?;
        let before = claim.record().share;
        self.check_resize(&room.host, before.as_ref(), prior, planned, private).await?;
        let meanwhile = room::during(before.as_ref(), &after);
        let held = before.as_ref().map_or(Size::ZERO, room::charged);
        if let Some(group) = room.group.filter(|_| room::charged(&after).growth_from(held) != Size::ZERO) {
            // A resume takes nothing of the quota, and waits for the home all the same.
            self.home(group)?;
        }
        if self.admit(room, claim, &meanwhile).await?.is_err() {
            let label = claim.record().name;
            let hosts = [(room.uid.clone(), room.host.clone())];
            let attribute = if planned.resources == prior.resources { "paused" } else { "resources" };
            return Err(self.say_denied(room.group, &hosts, &label, (before.as_ref(), &meanwhile), attribute).await);
        }
        self.explain(claim.update(|record| record.share = Some(meanwhile.clone())).await)?;
        let consent = drift::consent(&prior.drift);
        // What is applied is the same, and a refresh has found it as it was applied.
        let is_pause = planned.revision.as_ref_option().is_some() && planned.drift == prior.drift;
        let change = if is_pause { Change::Pause } else { Change::Of(&consent) };
        let seen = self.converge(&room.host, claim, prepared, change, wants_to_wait(planned)).await?;
        self.settle(room, claim, &after).await?;
        Ok(seen)
    }

    /// Removes everything that creating made, and waits until it is gone.
    pub async fn destroy(mut self, prior: &VirtualClusterModel, private: &VirtualClusterPrivate) -> Option<()> {
        self.start_clock(prior, |timeouts| &timeouts.delete);
        let place = Place::of(prior)?;
        let host = self.host(&place, private).await?;
        let records = Records::of(&host);
        let stored = self.explain(records.get(&place.namespace).await).ok()?;
        let ours = |stored: &Stored| private.is_of(&stored.record, &place) || is_edited(stored, &place, private);
        let Some(stored) = stored.filter(ours) else {
            return self.destroy_without_record(&host, &place, private).await;
        };
        let digest = stored.record.chart_digest.clone();
        let mut stored = stored;
        let claim = loop {
            match self.explain(records.take(stored, &self.stop.clone()).await).ok()? {
                Taken::Mine(claim) => break claim,
                Taken::Gone => return Some(()),
                // Somebody else removes it: soon gone.
                Taken::Busy(now) if now.record.phase == Phase::Deleting && !self.time_left().is_zero() => stored = *now,
                Taken::Busy(_) => {
                    self.busy(&place);
                    return None;
                }
            }
        };
        self.restore_identity(&claim, &place, private).await.ok()?;
        self.remove(&host, claim).await.ok()?;
        if let Some(digest) = digest {
            self.explain(chart::archives_on(&host).release(&digest).await).ok();
        }
        Some(())
    }

    /// From a reserved record to a virtual cluster that can be used.
    async fn make(
        &mut self,
        room: &Room<'_>,
        claim: &Claim,
        prepared: &Prepared,
        share: &Share,
        planned: &VirtualClusterModel,
    ) -> Result<Seen, Failed> {
        let host = &room.host;
        self.explain(apply::check_free(host, claim, &prepared.objects).await)?;
        self.explain(chart::archives_on(host).put(&prepared.spec.chart_digest, &prepared.archive).await)?;
        self.explain(claim.update(|record| record.phase = Phase::Creating).await)?;
        self.confirm(room, claim, share).await?;
        self.explain(namespace::ensure(host, claim, &prepared.labels, self.time_left(), &self.stop).await)?;
        self.converge(host, claim, prepared, Change::Of(&Consent::default()), wants_to_wait(planned)).await
    }

    /// Has the record say where the chart comes from, for imports. Nothing else on the host changes.
    async fn record_source(
        &mut self,
        place: &Place,
        planned: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Result<(), Failed> {
        let host = self.host(place, private).await.ok_or(Failed)?;
        let spec = Spec::of(planned, private).ok_or(Failed)?;
        let claim = self.claim(&host, place, private, &spec).await?;
        let update = claim.update(|record| {
            if let Some(recorded) = record.spec.as_object_mut() {
                recorded.insert("chart_source".to_owned(), spec.chart_source.clone().into());
                recorded.insert("chart_username".to_owned(), spec.chart_username.clone().into());
            }
        });
        let updated = self.explain(update.await);
        self.let_go(claim).await;
        updated
    }

    /// Lets go of a record. The work is done: where that cannot be said, the next apply finds out by waiting.
    async fn let_go(&mut self, claim: Claim) {
        if let Err(error) = claim.finish(|_| {}).await {
            tracing::warn!(%error, "could not let go of a record");
        }
    }

    /// Applies the objects, then pauses or waits. The record says that this is under way until [`mark_applied`].
    async fn converge(
        &mut self,
        host: &Host,
        claim: &Claim,
        prepared: &Prepared,
        change: Change<'_>,
        wait: bool,
    ) -> Result<Seen, Failed> {
        self.explain(claim.update(|record| record.spec = renewed(&record.spec, &prepared.spec)).await)?;
        if let Change::Of(consent) = change {
            let mut objects = Cow::Borrowed(&prepared.objects);
            if prepared.spec.paused {
                self.explain(pause::keep_dates(host, &claim.record(), objects.to_mut()).await)?;
            }
            let applied = apply::apply(host, claim, &objects, &prepared.labels, consent, &self.stop).await;
            self.explain(applied)?;
            if claim.has_former() {
                self.explain(namespace::mark_again(host, claim).await)?;
            }
            // The quota counts the volumes, and has its new size now.
            self.grow_volumes(host, claim, &prepared.spec).await?;
        }
        if !prepared.spec.paused {
            // Applying does not take back the marks of a pause, whoever made it. It stands behind that, so that what comes back is
            // held by the quota that it comes back with.
            self.explain(pause::resume(host, claim).await)?;
        }
        let record = claim.record();
        if !prepared.spec.paused && prepared.spec.volume.is_some() {
            self.explain(restart::without_credentials(host, &record).await)?;
        }
        let seen = if prepared.spec.paused {
            self.explain(pause::pause(host, claim, self.time_left(), &self.stop).await)?;
            Seen::Paused
        } else if wait {
            let exposure = exposure(&prepared.spec, &record.name);
            let ready = wait::ready(host, &record, &exposure, self.time_left(), &self.stop).await;
            let access = self.explain(ready)?;
            // Claims that were only made now have the size of the template, which never changes.
            self.grow_volumes(host, claim, &prepared.spec).await?;
            Seen::Running(access)
        } else {
            Seen::Nothing
        };
        Ok(seen)
    }

    /// The planned state with everything that was unknown filled in, from what the apply has seen of the host or else from
    /// another look at it; `seen` is none if the apply failed. What was known stays as planned, even if the host has changed
    /// it meanwhile: the next refresh shows that.
    async fn observe(
        &mut self,
        host: &Host,
        record: &Record,
        planned: VirtualClusterModel,
        spec: &Spec,
        seen: Option<Seen>,
    ) -> VirtualClusterModel {
        let applied = seen.is_some();
        let mut state = planned.clone();
        state.status = Value::Value("Pending".to_owned());
        state.endpoint = Value::Null;
        state.kubeconfig = Value::Null;
        let access_is_known = planned.endpoint != Value::Unknown && planned.kubeconfig != Value::Unknown;
        let look =
            async || observe::observe(host, record, &exposure(spec, &record.name), &selector(&record.name)).await;
        let looked = match seen {
            Some(Seen::Running(access)) => {
                state.status = Value::Value(Status::Running.to_string());
                state.kubeconfig = Value::Value(KubeconfigModel::of(&access, &record.name));
                state.endpoint = Value::Value(access.endpoint);
                Ok(None)
            }
            Some(Seen::Paused) if access_is_known => {
                state.status = Value::Value(Status::Paused.to_string());
                Ok(None)
            }
            _ => look().await.map(Some),
        };
        match looked {
            Ok(None) => {}
            Ok(Some(observed)) => {
                state.status = Value::Value(observed.status().to_string());
                set_access(&mut state, &record.name, &observed);
            }
            Err(error) if applied => {
                self.diags.warn(
                    AttributePath::new("status"),
                    "The virtual cluster was applied, but could not be looked at afterwards.",
                    format!("{error}. The next refresh fills in `status`, `endpoint` and `kubeconfig`."),
                );
            }
            // The reason is in an error already.
            Err(_) => {}
        }
        let revision = if applied { spec.revision() } else { UNFINISHED.to_owned() };
        let keep = |planned: Value<String>, new: Value<String>| if planned == Value::Unknown { new } else { planned };
        state.status = keep(planned.status, state.status);
        state.endpoint = keep(planned.endpoint, state.endpoint);
        state.revision = keep(planned.revision, Value::Value(revision));
        if planned.kubeconfig != Value::Unknown {
            state.kubeconfig = planned.kubeconfig;
        }
        state
    }

    /// Deletes what the claimed record names, then the record itself.
    async fn remove(&mut self, host: &Host, claim: Claim) -> Result<(), Failed> {
        let removed = self.remove_objects(host, &claim).await;
        match removed {
            Ok(()) => self.explain(claim.remove().await),
            Err(Failed) => {
                self.let_go(claim).await;
                Err(Failed)
            }
        }
    }

    async fn remove_objects(&mut self, host: &Host, claim: &Claim) -> Result<(), Failed> {
        if claim.record().phase != Phase::Deleting {
            self.explain(claim.update(|record| record.phase = Phase::Deleting).await)?;
        }
        let skipped = self.explain(delete::delete(host, claim, self.time_left(), &self.stop).await)?;
        for skipped in skipped {
            self.diags.warn(
                AttributePath::root(),
                "An object was left on the host cluster.",
                format!("{skipped} on host cluster \"{}\". Delete it by hand if nobody needs it.", host.name()),
            );
        }
        let released = room::release(self.configured, host, claim).await;
        self.explain(released)
    }

    /// Without its record nothing proves which objects outside the namespace are the virtual cluster's.
    async fn destroy_without_record(
        &mut self,
        host: &Host,
        place: &Place,
        private: &VirtualClusterPrivate,
    ) -> Option<()> {
        let uid = self.explain(namespace::uid(host, &place.namespace).await).ok()?;
        if uid.is_none() || uid.as_ref() != Some(&private.namespace_uid) {
            return Some(());
        }
        self.diags.fail(
            AttributePath::root(),
            format!("The record of virtual cluster \"{}\" is missing, so it cannot be destroyed safely.", place.id()),
            format!(
                "Somebody deleted it from namespace \"{}\" of host cluster \"{}\". Run `terraform apply` without destroying \
                 once: it writes the record again. Then destroy.",
                name::SYSTEM_NAMESPACE,
                host.name()
            ),
        );
        None
    }

    /// The host cluster that the configuration names, if it is the one that this virtual cluster was created on.
    async fn host(&mut self, place: &Place, private: &VirtualClusterPrivate) -> Option<Host> {
        let host = match self.configured.host_cluster(self.diags, &place.host_cluster)? {
            HostCluster::Known(host) => host,
            HostCluster::Unknown => {
                self.host_unknown(&place.host_cluster);
                return None;
            }
        };
        check_host(self.diags, &host, private).await?;
        Some(host)
    }

    fn host_unknown(&mut self, key: &str) -> Failed {
        self.diags.fail(
            AttributePath::new("host_cluster"),
            format!("The connection to host cluster \"{key}\" is still not known."),
            "Its configuration depends on values that this apply did not make known. Apply what they come from first.",
        );
        Failed
    }

    fn start_clock(&mut self, model: &VirtualClusterModel, which: impl FnOnce(&TimeoutsModel) -> &Value<String>) {
        self.deadline = Instant::now() + timeouts::timeout(&model.timeouts, which);
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Turns a host's error into a diagnostic.
    fn explain<T>(&mut self, result: Result<T, impl Explain>) -> Result<T, Failed> {
        result.map_err(|error| {
            self.diags.add_error(error.explain());
            Failed
        })
    }
}

/// Has the record say that all of the spec is applied.
fn mark_applied(record: &mut Record, spec: &Spec) {
    let applied = Spec { applied: Some(spec.revision()), ..spec.clone() };
    record.spec = renewed(&record.spec, &applied);
}

/// Gives a virtual cluster that has no name a generated one, and its namespace, which is returned.
fn name_it(planned: &mut VirtualClusterModel) -> Option<String> {
    if planned.name == Value::Unknown {
        planned.name = Value::Value(name::generate());
    }
    let name = planned.name.as_ref_option()?;
    if planned.namespace == Value::Unknown {
        planned.namespace = Value::Value(name::default_namespace(name));
    }
    planned.namespace.as_ref_option().cloned()
}

/// Whether nothing of the group has changed between two looks.
fn same_group(before: Option<&Membership>, now: Option<&Membership>) -> bool {
    let record = |group: &Membership| group.found.as_ref().map(|found| found.newest.record.clone());
    before.map(record) == now.map(record)
}

fn wants_to_wait(planned: &VirtualClusterModel) -> bool {
    planned.wait.as_ref_option() != Some(&false)
}
