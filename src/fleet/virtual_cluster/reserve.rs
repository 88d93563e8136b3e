//! Reserving a virtual cluster's name on a host, by creating its record.
//!
//! Rule: an unfinished creation of the same name is taken over only when its owner has stopped beating, and a finished
//! one never.

use super::Operation;
use super::error::Error;
use super::known::Known;
use super::spec::{Place, Spec};
use crate::host::lease;
use crate::host::record::{Phase, Record};
use crate::host::records::claim::Claim;
use crate::host::records::{Life, RecordError, Records, Reservation, Stored, Taken};
use crate::host::store::StoreError;
use crate::host::{Host, namespace};

/// What was seen of the record that is in the way of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InTheWay {
    /// Whether it is of a virtual cluster of the same name.
    is_ours: bool,
    phase: Phase,
    /// Whether the namespace of the UID that it names is there. None: not looked at.
    namespace_lives: Option<bool>,
    /// What its heartbeat showed, or the attempt to take it over. None: not looked at.
    life: Option<Sign>,
    /// Whether there is time to wait for somebody else to be done.
    has_time: bool,
}

/// What a heartbeat showed, or the attempt to take a record over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Nobody works on it.
    Stopped,
    /// Somebody does.
    Alive,
}

/// What comes next with a record in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its namespace is looked at.
    LookAtNamespace,
    /// It was handed over, and its namespace is gone with everything in it: taken as soon as nobody works on it.
    Take,
    /// Its heartbeat is watched.
    Watch,
    /// Its creator is dead: it is claimed, to be removed.
    Claim,
    /// It is on its way out: the name is asked for again.
    AskAgain,
    /// Another virtual cluster lives in the namespace.
    RefuseOccupied,
    /// The virtual cluster exists.
    RefuseExisting,
    /// Another apply makes or removes it.
    RefuseBeingMade,
    /// Another apply works on it.
    RefuseBusy,
}

impl InTheWay {
    /// What comes next.
    fn next(self) -> Step {
        match (self.phase, self.life) {
            (Phase::HandedOver, None) if !self.is_ours => Step::RefuseOccupied,
            (Phase::HandedOver, None) => match self.namespace_lives {
                None => Step::LookAtNamespace,
                Some(true) => Step::RefuseExisting,
                // It was deleted behind our back, and everything with it.
                Some(false) => Step::Take,
            },
            (_, None) => Step::Watch,
            (_, Some(Sign::Stopped)) => Step::Claim,
            // It was in the way as a finished one, and somebody works on it.
            (_, Some(Sign::Alive)) if self.namespace_lives.is_some() => Step::RefuseBusy,
            // An abandoned creation that somebody cleans up, or a destroy: soon gone, and then there is room, whatever its name is.
            (Phase::Deleting, Some(Sign::Alive)) if self.has_time => Step::AskAgain,
            (_, Some(Sign::Alive)) if !self.is_ours => Step::RefuseOccupied,
            (Phase::HandedOver, Some(Sign::Alive)) => Step::RefuseExisting,
            (_, Some(Sign::Alive)) => Step::RefuseBeingMade,
        }
    }
}

impl Operation<'_> {
    /// The right to create the virtual cluster at `place`.
    pub(super) async fn reserve(
        &mut self,
        host: &Host,
        place: &Place,
        known: &Known,
        spec: &Spec,
    ) -> Result<Claim, Error> {
        let records = Records::of(host);
        loop {
            let stored = match records.reserve(new_record(place, known, spec)).await? {
                Reservation::Made(claim) => return Ok(claim),
                Reservation::Taken(stored) => *stored,
            };
            if let Some(claim) = self.leftover(host, &records, place, stored).await? {
                // Not worth continuing: what was to be created may have been something else.
                tracing::info!(virtual_cluster = place.id(), "removing what an interrupted creation left behind");
                self.remove(host, claim).await?;
            }
        }
    }

    /// What to do with a record that is there already: a claim on a dead one, none when it has just gone away.
    async fn leftover(
        &mut self,
        host: &Host,
        records: &Records,
        place: &Place,
        mut stored: Stored,
    ) -> Result<Option<Claim>, Error> {
        let (mut namespace_lives, mut life) = (None, None);
        loop {
            let record = &stored.record;
            let is_ours = record.name == place.name;
            let has_time = !self.limits.time_left().is_zero();
            match (InTheWay { is_ours, phase: record.phase, namespace_lives, life, has_time }).next() {
                Step::LookAtNamespace => {
                    let uid = namespace::uid(host, &place.namespace).await?;
                    namespace_lives = Some(uid.is_some() && uid == record.namespace_uid);
                }
                Step::Take => match records.take(stored, &self.limits.stop.clone()).await? {
                    Taken::Mine(claim) => return Ok(Some(claim)),
                    Taken::Gone => return Ok(None),
                    Taken::Busy(now) => (stored, life) = (*now, Some(Sign::Alive)),
                },
                Step::Watch => {
                    tracing::info!(
                        virtual_cluster = place.id(),
                        "an unfinished creation stands in the way; watching whether it is alive"
                    );
                    match records.watch_for_life(&stored, lease::silence(), &self.limits.stop.clone()).await? {
                        Life::Gone => return Ok(None),
                        Life::Stopped(now) => (stored, life) = (*now, Some(Sign::Stopped)),
                        Life::Alive(now) => (stored, life) = (*now, Some(Sign::Alive)),
                    }
                }
                Step::Claim => match records.claim_to(stored, |record| record.phase = Phase::Deleting).await {
                    // Somebody else has just taken it to clean up: it has to be looked at again.
                    Err(RecordError::Store(StoreError::Changed { .. })) if has_time => return Ok(None),
                    claimed => return Ok(Some(claimed?)),
                },
                Step::AskAgain => return Ok(None),
                Step::RefuseOccupied => return Err(occupied(place, record)),
                Step::RefuseExisting => return Err(Error::Exists { place: place.clone() }),
                Step::RefuseBeingMade => return Err(Error::BeingMade { place: place.clone() }),
                Step::RefuseBusy => return Err(Error::Busy { place: place.clone() }),
            }
        }
    }
}

/// Another virtual cluster lives where this one is to be.
pub(super) fn occupied(place: &Place, record: &Record) -> Error {
    Error::Occupied { place: place.clone(), other: record.name.clone() }
}

/// The record of a virtual cluster for which nothing is made yet.
pub(super) fn new_record(place: &Place, known: &Known, spec: &Spec) -> Record {
    let value = serde_json::to_value(spec).unwrap_or_default();
    let mut record = Record::new(&place.name, &place.namespace, &known.host_uid, value);
    record.chart_digest = Some(spec.chart_digest.clone());
    record.share = spec.share();
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNFINISHED: InTheWay =
        InTheWay { is_ours: true, phase: Phase::Creating, namespace_lives: None, life: None, has_time: true };
    const FINISHED: InTheWay = InTheWay { phase: Phase::HandedOver, ..UNFINISHED };

    #[track_caller]
    fn check(seen: InTheWay, expected: Step) {
        assert_eq!(seen.next(), expected, "{seen:?}");
    }

    #[test]
    fn a_finished_one_is_refused_while_its_namespace_lives() {
        check(FINISHED, Step::LookAtNamespace);
        check(InTheWay { namespace_lives: Some(true), ..FINISHED }, Step::RefuseExisting);
        check(InTheWay { is_ours: false, ..FINISHED }, Step::RefuseOccupied);
    }

    #[test]
    fn a_finished_one_without_a_namespace_is_taken_unless_somebody_works_on_it() {
        let hollow = InTheWay { namespace_lives: Some(false), ..FINISHED };
        check(hollow, Step::Take);
        check(InTheWay { life: Some(Sign::Alive), ..hollow }, Step::RefuseBusy);
        check(InTheWay { life: Some(Sign::Alive), phase: Phase::Deleting, ..hollow }, Step::RefuseBusy);
    }

    #[test]
    fn an_unfinished_one_is_taken_over_only_from_the_dead() {
        for phase in [Phase::Reserved, Phase::Creating, Phase::Deleting] {
            for is_ours in [true, false] {
                let seen = InTheWay { phase, is_ours, ..UNFINISHED };
                check(seen, Step::Watch);
                check(InTheWay { life: Some(Sign::Stopped), ..seen }, Step::Claim);
            }
        }
    }

    #[test]
    fn a_living_one_is_waited_for_only_on_its_way_out() {
        let alive = InTheWay { life: Some(Sign::Alive), ..UNFINISHED };
        check(alive, Step::RefuseBeingMade);
        check(InTheWay { is_ours: false, ..alive }, Step::RefuseOccupied);
        check(InTheWay { phase: Phase::HandedOver, ..alive }, Step::RefuseExisting);
        let leaving = InTheWay { phase: Phase::Deleting, ..alive };
        check(leaving, Step::AskAgain);
        check(InTheWay { is_ours: false, ..leaving }, Step::AskAgain);
        check(InTheWay { has_time: false, ..leaving }, Step::RefuseBeingMade);
        check(InTheWay { is_ours: false, has_time: false, ..leaving }, Step::RefuseOccupied);
    }
}
