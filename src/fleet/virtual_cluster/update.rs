//! Changing a virtual cluster that exists: another spec, another size, a pause, a resume, a repair.
//!
//! Rule: what grows is entered in the ledgers before anything is changed, and what shrinks is given back after.

use super::converge::{self, Work};
use super::error::Error;
use super::known::Known;
use super::membership::{Membership, rules};
use super::resize::Resize;
use super::room::{Room, during, home};
use super::spec::{Place, Spec};
use super::wanted::Wanted;
use super::{Look, Operation, Prepare, Prepared, Renderer, Seen, host_of};
use crate::domain::values::MappingVersion;
use crate::fleet::group::spec::Followed;
use crate::fleet::notice::Notice;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::Host;
use crate::host::apply::Consent;
use crate::host::record::Share;
use crate::host::records::Records;
use crate::host::records::claim::Claim;

/// A virtual cluster that is to be changed.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Where it is.
    pub place: Place,
    /// What it is to be.
    pub wanted: Wanted,
    /// What the state knows of it.
    pub known: Known,
    /// What happens to its size. None while that is not known.
    pub resize: Option<Resize>,
    /// Whether its size stays: what grows then is a resume.
    pub keeps_size: bool,
    /// Whether nothing changes but whether it is paused.
    pub is_pause_only: bool,
    /// Which objects of others may be taken over.
    pub consent: Consent,
    /// Whether what leads to it is known and stays.
    pub access_is_known: bool,
}

/// A virtual cluster that was changed, or not all of it.
#[derive(Debug)]
pub struct Updated {
    /// What was wanted, with what the group has said.
    pub wanted: Wanted,
    /// What the state knows of it now.
    pub known: Known,
    /// What it follows of its group. None without a group.
    pub followed: Option<Followed>,
    /// What was applied.
    pub spec: Spec,
    /// What there is of it. None after an error: then the change is unfinished.
    pub look: Option<Look>,
}

/// What is asked of a change of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    /// It is in a group.
    has_group: bool,
    /// It will take more of its host than it does.
    takes_more: bool,
}

/// One step of a change, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The host is asked whether the size may become what it is to be.
    CheckSize,
    /// The home of the group is there. A resume takes nothing of the quota, and waits for the home all the same.
    RequireHome,
    /// What is held meanwhile, the larger of each, is entered in the ledgers.
    Admit,
    /// The record says what is held meanwhile.
    HoldBoth,
    /// The virtual cluster becomes what it is to be.
    Converge,
    /// What shrinks is given back.
    Settle,
}

/// The step that follows `last`; the first one where that is none. None after the last one.
fn next(change: Change, last: Option<Step>) -> Option<Step> {
    use Step::{Admit, CheckSize, Converge, HoldBoth, RequireHome, Settle};
    let is_for = |step: &Step| *step != RequireHome || change.has_group && change.takes_more;
    let after = |step: &Step| last.is_none_or(|last| *step > last);
    [CheckSize, RequireHome, Admit, HoldBoth, Converge, Settle].into_iter().filter(is_for).find(after)
}

/// Makes the virtual cluster on its host what is asked. After an error that came once its record was claimed, it is unfinished, and
/// the next change goes on.
pub async fn update(
    fleet: &Fleet,
    limits: Limits,
    asked: Asked,
    renderer: &mut dyn Renderer,
) -> Outcome<Updated, Error> {
    let mut operation = Operation::new(fleet, limits);
    let done = operation.update(asked, renderer).await;
    operation.outcome(done)
}

/// Has the record say what an import finds there and no object depends on: where the chart comes from, what the host promises.
/// Nothing else on the host changes.
pub async fn record_aside(
    fleet: &Fleet,
    limits: Limits,
    place: &Place,
    known: &Known,
    spec: &Spec,
) -> Outcome<(), Error> {
    let mut operation = Operation::new(fleet, limits);
    let done = operation.record_aside(place, known, spec).await;
    operation.outcome(done)
}

impl Operation<'_> {
    async fn update(&mut self, mut asked: Asked, renderer: &mut dyn Renderer) -> Result<Updated, Error> {
        let host = host_of(self.fleet, &asked.place, &asked.known).await?;
        recall(&host, &asked.place, &mut asked.known).await?;
        let group = self.group_of(&asked.wanted).await?;
        let followed = group.as_ref().and_then(|group| group.followed(&host));
        if let Some(followed) = &followed {
            asked.wanted.follow(followed);
        }
        // Until it moves over, a group has given it nothing beside the three resources.
        if asked.known.mapping == MappingVersion::V1.number()
            && let Some((group, size)) = group.as_ref().zip(asked.wanted.size())
        {
            asked.known.given_hard = group.spec.given_hard(&size);
        }
        let Asked { place, wanted, known, .. } = &asked;
        let time = self.limits.time_left();
        let prepare = Prepare { host: &host, place, wanted, known, followed: followed.as_ref(), time };
        let prepared = renderer.prepare(&prepare).await?;
        let claim = self.claim(&host, place, known, &prepared.spec).await?;
        let rules = rules(group.as_ref(), &host, &wanted.host_capacity);
        let limit = rules.capacity(&self.fleet.readings.nodes(&host).await?);
        let (uid, namespace) = (known.host_uid.clone(), place.namespace.clone());
        let room = Room { group: group.as_ref(), host: host.clone(), uid, namespace, limit };
        let done = self.change(&room, &claim, &prepared, &asked).await;
        let Asked { wanted, mut known, access_is_known, .. } = asked;
        let record = claim.record();
        known.record_uid = claim.record_uid();
        known.namespace_uid = record.namespace_uid.clone().unwrap_or_default();
        known.mapping = prepared.spec.mapping;
        let seen = match done {
            // Only now, when the ledgers have it as well, nothing is left to do.
            Ok(seen) => self.note(claim.finish(|record| prepared.spec.mark_applied(record)).await).map(|_| seen),
            Err(error) => {
                self.errors.push(error);
                self.let_go(claim).await;
                None
            }
        };
        let spec = prepared.spec;
        let look = match seen {
            Some(seen) => Some(self.look(&host, &record, &spec, Some(seen), access_is_known).await),
            None => None,
        };
        Ok(Updated { wanted, known, followed: spec.followed.clone(), spec, look })
    }

    /// The group of a virtual cluster that exists, as this process has read it.
    async fn group_of(&self, wanted: &Wanted) -> Result<Option<Membership>, Error> {
        match &wanted.group {
            Some(name) => Ok(Some(Membership::of(self.fleet.group(name).await?)?)),
            None => Ok(None),
        }
    }

    /// Enters in the ledgers what grows, changes the virtual cluster, and then gives back what shrinks.
    async fn change(
        &mut self,
        room: &Room<'_>,
        claim: &Claim,
        prepared: &Prepared,
        asked: &Asked,
    ) -> Result<Seen, Error> {
        let after = prepared.spec.share().ok_or(Error::OutOfStep)?;
        let before = claim.record().share;
        let meanwhile = during(before.as_ref(), &after);
        let held = before.as_ref().map(Share::charged).unwrap_or_default();
        let takes_more = !after.charged().growth_from(&held).is_zero();
        let change = Change { has_group: room.group.is_some(), takes_more };
        let (mut last, mut seen) = (None, Seen::Nothing);
        while let Some(step) = next(change, last) {
            match step {
                Step::CheckSize => self.check_size(&room.host, before.as_ref(), asked).await?,
                Step::RequireHome => {
                    if let Some(group) = room.group {
                        home(group)?;
                    }
                }
                Step::Admit => {
                    if self.admit(room, claim, &meanwhile, before.as_ref()).await?.is_err() {
                        let label = claim.record().name;
                        let hosts = [(room.uid.clone(), room.host.clone())];
                        let shares = (before.as_ref(), &meanwhile);
                        let promises = &asked.wanted.host_capacity;
                        return Err(self.denied(room.group, promises, &hosts, &label, shares, asked.keeps_size).await);
                    }
                }
                Step::HoldBoth => {
                    // What follows begins with a write.
                    let held = meanwhile.clone();
                    claim.note(move |record| record.share = Some(held.clone()));
                }
                Step::Converge => {
                    let asked_for = converge::Asked {
                        is_new: false,
                        is_pause_only: asked.is_pause_only,
                        paused: prepared.spec.paused,
                        wait: asked.wanted.wait,
                        has_former: claim.has_former(),
                        has_volume: prepared.spec.volume.is_some(),
                        may_use_namespace: true,
                    };
                    let work = Work { room, claim, prepared, share: &after, consent: &asked.consent };
                    seen = self.converge(&work, asked_for).await?;
                }
                Step::Settle => self.settle(room, claim, &after).await?,
            }
            last = Some(step);
        }
        Ok(seen)
    }

    /// Asks the host whether the size may become what it is to be. Stands before anything is changed.
    async fn check_size(&mut self, host: &Host, held: Option<&Share>, asked: &Asked) -> Result<(), Error> {
        let volume = asked.known.volume.as_ref().and_then(|volume| volume.parse().ok());
        let resize = asked.resize.clone().map(|resize| Resize { volume, ..resize });
        let resize = resize.map(|resize| held.map_or(resize.clone(), |held| resize.held(held.load.size)));
        let Some(resize) = resize.filter(Resize::concerns_the_host) else { return Ok(()) };
        let findings = resize.look(host).await?;
        self.notices.extend(findings.remarks.into_iter().map(Notice::Size));
        let mut obstructed = findings.obstructed.into_iter().map(Box::new).map(Error::Size).collect::<Vec<_>>();
        match obstructed.pop() {
            None => Ok(()),
            Some(last) => {
                self.errors.extend(obstructed);
                Err(last)
            }
        }
    }

    async fn record_aside(&mut self, place: &Place, known: &Known, spec: &Spec) -> Result<(), Error> {
        let host = host_of(self.fleet, place, known).await?;
        let claim = self.claim(&host, place, known, spec).await?;
        let update = claim.update(|record| {
            if let Some(recorded) = record.spec.as_object_mut() {
                recorded.insert("chart_source".to_owned(), spec.chart_source.clone().into());
                recorded.insert("chart_username".to_owned(), spec.chart_username.clone().into());
                match serde_json::to_value(&spec.host_capacity) {
                    Ok(promises) if !promises.is_null() => recorded.insert("host_capacity".to_owned(), promises),
                    _ => recorded.remove("host_capacity"),
                };
            }
        });
        let updated = update.await;
        self.let_go(claim).await;
        Ok(updated?)
    }
}

/// What was lost of a state, and not found again by a refresh, is taken from the record: no object may come out differently
/// because of it.
async fn recall(host: &Host, place: &Place, known: &mut Known) -> Result<(), Error> {
    if !known.host_uid.is_empty() {
        return Ok(());
    }
    let stored = Records::of(host).get(&place.namespace).await?;
    if let Some(stored) = stored.filter(|stored| stored.record.name == place.name)
        && let Ok(spec) = serde_json::from_value::<Spec>(stored.record.spec.clone())
    {
        known.recall(&stored, &spec);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::*;

    #[track_caller]
    fn check(has_group: bool, takes_more: bool, expected: &[Step]) {
        let mut steps = Vec::new();
        while let Some(step) = next(Change { has_group, takes_more }, steps.last().copied()) {
            steps.push(step);
        }
        assert_eq!(steps, expected);
    }

    #[test]
    fn room_is_entered_before_a_change_and_given_back_after() {
        check(false, true, &[CheckSize, Admit, HoldBoth, Converge, Settle]);
        check(true, false, &[CheckSize, Admit, HoldBoth, Converge, Settle]);
    }

    #[test]
    fn what_takes_more_in_a_group_waits_for_its_home() {
        check(true, true, &[CheckSize, RequireHome, Admit, HoldBoth, Converge, Settle]);
    }
}
