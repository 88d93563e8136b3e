//! Creating a virtual cluster: a host, a name, room, objects, the hand-over.
//!
//! Rule: what has no room is not made, and what was made is never forgotten. A creation that fails removes what it has made, or
//! comes back as something that a state has to keep.

mod next;

use std::collections::BTreeSet;

use super::converge::{self, Work};
use super::error::Error;
use super::known::Known;
use super::membership::Membership;
use super::place::{Target, candidates};
use super::reclaim::Unfinished;
use super::room::{Room, home};
use super::spec::{Place, Spec};
use super::wanted::Wanted;
use super::{Look, Operation, Prepare, Prepared, Renderer};
use crate::domain::ledger::Holding;
use crate::domain::quantity::Bytes;
use crate::fleet::group::spec::Followed;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::Host;
use crate::host::apply::Consent;
use crate::host::groups::GroupPhase;
use crate::host::ledgers::holding;
use crate::host::record::{Phase, Record, Share};
use crate::host::records::claim::Claim;
use crate::host::records::{Records, Reservation};
use next::{GroupSeen, HostSeen, MadeSeen, RoomSeen, Seen, Step};

/// A virtual cluster that is to be created.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is to be.
    pub wanted: Wanted,
    /// What is fixed already: the version of the mapping.
    pub known: Known,
    /// Under which key its plan was counted.
    pub planned_as: String,
}

/// A virtual cluster that was created, whole or in part.
#[derive(Debug)]
pub struct Created {
    /// What was wanted, with what the group has said.
    pub wanted: Wanted,
    /// Where it is.
    pub place: Place,
    /// What a state has to know of it.
    pub known: Known,
    /// What was applied.
    pub spec: Spec,
    /// What there is of it.
    pub look: Look,
    /// Whether all of it was made.
    pub is_whole: bool,
    /// What it holds in the ledgers.
    pub holding: Option<Holding>,
}

/// Creates a virtual cluster. After an error what was left on the host comes back.
pub async fn create(
    fleet: &Fleet,
    limits: Limits,
    asked: Asked,
    renderer: &mut dyn Renderer,
) -> Outcome<Created, Error> {
    let mut operation = Operation::new(fleet, limits);
    let (planned_as, namespace) = (asked.planned_as.clone(), asked.wanted.namespace.clone());
    let done = operation.create(asked, renderer).await;
    let Outcome { left, errors, notices } = operation.outcome(done);
    let left = left.flatten();
    let settled = left.as_ref().and_then(|created| Some((&created.known.host_uid, created.holding.as_ref()?)));
    let mut accounting = fleet.planned.accounting();
    match settled {
        Some((uid, holding)) => accounting.settle(&planned_as, uid, &namespace, holding),
        None => accounting.free(&planned_as),
    }
    drop(accounting);
    Outcome { left, errors, notices }
}

/// What a creation works with, from one attempt to the next.
struct Creation<'a> {
    /// What is wanted, wherever it goes.
    open: Wanted,
    share: Share,
    group: Option<Membership>,
    /// UIDs of hosts that have said no.
    denied: BTreeSet<String>,
    attempt: Attempt<'a>,
}

/// What one attempt has come to, on the host that it has chosen.
struct Attempt<'a> {
    wanted: Wanted,
    known: Known,
    target: Option<Target<'a>>,
    place: Option<Place>,
    prepared: Option<Prepared>,
    claim: Option<Claim>,
    made: Option<super::Seen>,
    look: Option<Look>,
}

impl<'a> Creation<'a> {
    fn begin(&mut self) -> Seen {
        let known =
            Known { mapping: self.attempt.known.mapping, namespace: self.open.namespace.clone(), ..Known::default() };
        self.attempt = Attempt::new(self.open.clone(), known);
        let would_lose_data = self.share.load.paused && self.share.load.size.storage == Bytes(0);
        Seen { is_closed: self.closed().is_some(), would_lose_data, ..Seen::default() }
    }

    /// Where the group stands, if it takes nobody in.
    fn closed(&self) -> Option<Option<GroupPhase>> {
        self.group.as_ref().map(Membership::phase).filter(|phase| *phase != Some(GroupPhase::Ready))
    }
}

impl<'a> Attempt<'a> {
    fn new(wanted: Wanted, known: Known) -> Self {
        Self { wanted, known, target: None, place: None, prepared: None, claim: None, made: None, look: None }
    }

    fn target(&self) -> Result<&Target<'a>, Error> {
        self.target.as_ref().ok_or(Error::OutOfStep)
    }

    fn placed(&self) -> Result<(Host, &Place, &Prepared), Error> {
        let place = self.place.as_ref().ok_or(Error::OutOfStep)?;
        Ok((self.target()?.host.clone(), place, self.prepared.as_ref().ok_or(Error::OutOfStep)?))
    }

    fn claim(&self) -> Result<&Claim, Error> {
        self.claim.as_ref().ok_or(Error::OutOfStep)
    }

    /// What a state has to keep.
    fn created(self, record: &Record, record_uid: String, is_whole: bool) -> Result<Created, Error> {
        let Self { wanted, mut known, place: Some(place), prepared: Some(prepared), look: Some(look), .. } = self
        else {
            return Err(Error::OutOfStep);
        };
        let holding = holding(record, &record_uid);
        known.remember(record, record_uid, &prepared.spec);
        Ok(Created { wanted, place, known, spec: prepared.spec, look, is_whole, holding })
    }
}

impl<'a> Operation<'a> {
    /// The group that the virtual cluster is to be in, as this process has read it: it is looked at again behind the record. One
    /// that takes nobody in may do so now.
    async fn membership(&self, wanted: &Wanted) -> Result<Option<Membership>, Error> {
        let Some(name) = &wanted.group else { return Ok(None) };
        let known = Membership::of(self.fleet.group(name).await?)?;
        match known.phase() {
            Some(GroupPhase::Ready) => Ok(Some(known)),
            _ => self.membership_now(wanted).await,
        }
    }

    /// The same, as its authority has it now.
    async fn membership_now(&self, wanted: &Wanted) -> Result<Option<Membership>, Error> {
        match &wanted.group {
            Some(name) => Ok(Some(Membership::now(self.fleet, name).await?)),
            None => Ok(None),
        }
    }

    async fn create(&mut self, asked: Asked, renderer: &mut dyn Renderer) -> Result<Option<Created>, Error> {
        let Asked { mut wanted, known, .. } = asked;
        let group = self.membership(&wanted).await?;
        if let Some(group) = &group {
            wanted.inherit(&group.spec);
            home(group)?;
        }
        let hosts = candidates(self.fleet, &wanted, group.as_ref())?;
        let mut unfinished = Some(Unfinished::look(self.fleet, hosts, &wanted.namespace).await);
        let share = wanted.share().ok_or(Error::OutOfStep)?;
        let attempt = Attempt::new(wanted.clone(), known);
        let mut creation = Creation { open: wanted, share, group, denied: BTreeSet::new(), attempt };
        let mut seen = creation.begin();
        loop {
            match seen.next() {
                Step::RefuseClosed => {
                    let group = creation.open.group.clone().unwrap_or_default();
                    return Err(Error::GroupNotOpen { group, phase: creation.closed().flatten() });
                }
                Step::RefusePause => return Err(Error::PauseWithoutStorage),
                Step::Choose => {
                    let Creation { group, share, denied, .. } = &creation;
                    let target = self.choose(&creation.open, group.as_ref(), share, denied).await?;
                    seen.host = if target.is_some() { HostSeen::Chosen } else { HostSeen::NoneLeft };
                    creation.attempt.target = target;
                }
                Step::SayFull => {
                    if let Some(claim) = creation.attempt.claim.take() {
                        self.note(claim.remove().await);
                    }
                    return Err(self.full(&creation).await);
                }
                Step::Prepare => {
                    self.prepare(&mut creation, renderer).await?;
                    seen.is_prepared = true;
                }
                Step::Reserve => {
                    let Attempt { known, .. } = &creation.attempt;
                    let (host, place, prepared) = creation.attempt.placed()?;
                    let claim = self.reserve(&host, place, known, &prepared.spec).await?;
                    creation.attempt.claim = Some(claim);
                    seen.is_reserved = true;
                }
                Step::LookAtGroup => seen.group = Some(self.look_at_group(&mut creation).await),
                Step::StartOver => {
                    self.give_back_name(&mut creation).await?;
                    seen = creation.begin();
                }
                Step::GiveUp => {
                    self.give_back_name(&mut creation).await?;
                    return Ok(None);
                }
                Step::Admit => {
                    let room = room_of(&creation)?;
                    seen.room = Some(match self.admit(&room, creation.attempt.claim()?, &creation.share, None).await {
                        Ok(Ok(())) => RoomSeen::Entered,
                        Ok(Err(denied)) => RoomSeen::Denied(denied),
                        Err(error) => {
                            self.errors.push(error);
                            RoomSeen::Unsaid
                        }
                    });
                }
                Step::TryAnother => {
                    self.give_back_name(&mut creation).await?;
                    let uid = creation.attempt.target()?.uid.clone();
                    tracing::info!(host = creation.attempt.target()?.host.name(), "no room here any more");
                    creation.denied.insert(uid);
                    seen = creation.begin();
                }
                Step::Make => seen.made = Some(self.make(&mut creation).await?),
                Step::Look => {
                    let made = creation.attempt.made.take();
                    let (host, _, prepared) = creation.attempt.placed()?;
                    let record = creation.attempt.claim()?.record();
                    let look = self.look(&host, &record, &prepared.spec, made, false).await;
                    creation.attempt.look = Some(look);
                    seen.is_looked_at = true;
                }
                Step::Reclaim => {
                    if let Some(unfinished) = unfinished.take() {
                        let patience = self.limits.time_left();
                        let reclaimed = unfinished.reclaim(self.fleet, patience, &self.limits.stop).await;
                        self.notices.extend(reclaimed);
                    }
                    seen.has_reclaimed = true;
                }
                Step::HandOver => {
                    return self.hand_over(creation.attempt, seen.made == Some(MadeSeen::Whole)).await;
                }
                Step::Undo => return self.undo(creation.attempt).await,
                Step::Withdraw => return self.withdraw(creation.attempt).await,
            }
        }
    }

    /// Takes from the group what follows it on the chosen host, and has the objects made.
    async fn prepare(&mut self, creation: &mut Creation<'a>, renderer: &mut dyn Renderer) -> Result<(), Error> {
        let Creation { group, attempt, .. } = creation;
        let Attempt { wanted, known, target: Some(target), .. } = attempt else { return Err(Error::OutOfStep) };
        let host = &target.host;
        wanted.host = Some(host.name().to_owned());
        let (namespace, name) = (wanted.namespace.clone(), wanted.name.clone());
        let place = Place { host_cluster: host.name().to_owned(), namespace, name };
        known.host_uid.clone_from(&target.uid);
        let followed = match group {
            Some(group) => Some(follow(group, host, wanted, known)?),
            None => None,
        };
        let time = self.limits.time_left();
        let prepare = Prepare { host, place: &place, wanted, known, followed: followed.as_ref(), time };
        let prepared = renderer.prepare(&prepare).await?;
        if let Some(chart) = &mut wanted.chart {
            chart.digest = Some(prepared.spec.chart_digest.clone());
        }
        (attempt.place, attempt.prepared) = (Some(place), Some(prepared));
        Ok(())
    }

    /// Looks at the group again, now that the record is there: whoever changes the group from now on sees it.
    async fn look_at_group(&mut self, creation: &mut Creation<'a>) -> GroupSeen {
        match self.membership_now(&creation.open).await {
            Ok(now) if is_same(creation.group.as_ref(), now.as_ref()) => GroupSeen::Same,
            Ok(now) => {
                creation.group = now;
                GroupSeen::Changed
            }
            Err(error) => {
                self.errors.push(error);
                GroupSeen::Unreadable
            }
        }
    }

    async fn give_back_name(&mut self, creation: &mut Creation<'a>) -> Result<(), Error> {
        match creation.attempt.claim.take() {
            Some(claim) => Ok(claim.remove().await?),
            None => Ok(()),
        }
    }

    /// From a virtual cluster that has room to one that can be used.
    async fn make(&mut self, creation: &mut Creation<'a>) -> Result<MadeSeen, Error> {
        if let Some(target) = &mut creation.attempt.target {
            // The host's ledger has it.
            target.on_its_way = None;
        }
        let room = room_of(creation)?;
        let claim = creation.attempt.claim()?;
        let (_, _, prepared) = creation.attempt.placed()?;
        let asked = converge::Asked {
            is_new: true,
            is_pause_only: false,
            paused: prepared.spec.paused,
            wait: creation.open.wait,
            has_former: claim.has_former(),
            has_volume: prepared.spec.volume.is_some(),
            may_use_namespace: creation.open.may_use_namespace,
        };
        let consent = Consent::default();
        let work = Work { room: &room, claim, prepared, share: &creation.share, consent: &consent };
        let made = self.converge(&work, asked).await;
        if claim.lost().is_cancelled() {
            // Another apply has taken over and owns what is there. If no step has met that yet, the error is still to be said.
            match made {
                Ok(_) => drop(self.note(claim.confirm().await)),
                Err(error) => self.errors.push(error),
            }
            return Ok(MadeSeen::Lost);
        }
        let has_namespace = claim.record().namespace_uid.is_some();
        match made {
            Ok(made) => {
                creation.attempt.made = Some(made);
                Ok(MadeSeen::Whole)
            }
            Err(error) => {
                self.errors.push(error);
                Ok(if has_namespace { MadeSeen::Partly } else { MadeSeen::Nothing })
            }
        }
    }

    /// Gives what was made to Terraform, tainted or not.
    async fn hand_over(&mut self, mut attempt: Attempt<'a>, is_whole: bool) -> Result<Option<Created>, Error> {
        let claim = attempt.claim.take().ok_or(Error::OutOfStep)?;
        let (record, record_uid, lost) = (claim.record(), claim.record_uid(), claim.lost());
        let created = attempt.created(&record, record_uid, is_whole)?;
        let hand_over = |record: &mut Record| {
            record.hand_over();
            if is_whole {
                created.spec.mark_applied(record);
            }
        };
        self.note(claim.finish(hand_over).await);
        Ok((!lost.is_cancelled()).then_some(created))
    }

    /// Removes what a creation has left that failed before its record had more than a name. The host is asked what that is: an
    /// answer may have been lost. What cannot be removed goes into the state, so that it is not forgotten.
    async fn undo(&mut self, mut attempt: Attempt<'a>) -> Result<Option<Created>, Error> {
        let claim = attempt.claim.take().ok_or(Error::OutOfStep)?;
        let (host, _, prepared) = attempt.placed()?;
        let (spec, record, record_uid) = (prepared.spec.clone(), claim.record(), claim.record_uid());
        let lost = claim.lost();
        match self.remove(&host, claim).await {
            Ok(()) => {
                self.note(self.fleet.archives(&host).release(&spec.chart_digest).await);
                Ok(None)
            }
            Err(error) if lost.is_cancelled() => {
                self.errors.push(error);
                self.withdraw_from(&host, record, record_uid).await?;
                Ok(None)
            }
            Err(error) => {
                self.errors.push(error);
                attempt.look = Some(self.look(&host, &record, &spec, None, false).await);
                attempt.created(&record, record_uid, false).map(Some)
            }
        }
    }

    /// Another apply has taken the record over: this process was silent for too long.
    async fn withdraw(&mut self, mut attempt: Attempt<'a>) -> Result<Option<Created>, Error> {
        let claim = attempt.claim.take().ok_or(Error::OutOfStep)?;
        let (host, _, _) = attempt.placed()?;
        let (record, record_uid) = (claim.record(), claim.record_uid());
        drop(claim);
        self.withdraw_from(&host, record, record_uid).await?;
        Ok(None)
    }

    /// Removes what this creation has written since its record was removed by others: a request that was sent before can arrive
    /// after that, and nobody else would ever know of it. Where there is a record, its owner takes care of what is there.
    async fn withdraw_from(&mut self, host: &Host, mut record: Record, record_uid: String) -> Result<(), Error> {
        let records = Records::of(host);
        if records.get(&record.namespace).await?.is_some() {
            return Ok(());
        }
        record.phase = Phase::Deleting;
        match records.reserve(record).await? {
            Reservation::Made(claim) => self.remove(host, claim.formerly(record_uid)).await,
            Reservation::Taken(_) => Ok(()),
        }
    }

    /// Nothing of the hosts that come into question has room.
    async fn full(&self, creation: &Creation<'a>) -> Error {
        let group = creation.group.as_ref();
        let mut hosts = Vec::new();
        match candidates(self.fleet, &creation.open, group) {
            Ok(all) => {
                for host in all {
                    if let Ok(identity) = host.identity().await {
                        hosts.push((identity.uid.clone(), host.clone()));
                    }
                }
            }
            Err(error) => return error,
        }
        let Wanted { name, host_capacity, .. } = &creation.open;
        self.denied(group, host_capacity, &hosts, name, (None, &creation.share), false).await
    }
}

/// Where the virtual cluster gets its room.
fn room_of<'r>(creation: &'r Creation<'_>) -> Result<Room<'r>, Error> {
    let Target { host, uid, limit, .. } = creation.attempt.target()?;
    Ok(Room {
        group: creation.group.as_ref(),
        host: host.clone(),
        uid: uid.clone(),
        namespace: creation.open.namespace.clone(),
        limit: limit.clone(),
    })
}

/// What the virtual cluster follows of its group on this host. The storage class is fixed from now on.
fn follow(group: &Membership, host: &Host, wanted: &mut Wanted, known: &mut Known) -> Result<Followed, Error> {
    let Some((key, followed)) = group.key(host).zip(group.followed(host)) else {
        return Err(Error::NotInGroup { host: host.name().to_owned(), group: group.name.clone() });
    };
    known.storage_class = group.spec.host_clusters.get(key).and_then(|host| host.storage_class.clone());
    known.given_hard.clone_from(&wanted.given_hard);
    wanted.follow(&followed);
    Ok(followed)
}

/// Whether nothing of the group has changed between two looks.
fn is_same(before: Option<&Membership>, now: Option<&Membership>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.is_same(now),
        (None, None) => true,
        _ => false,
    }
}
