//! Removing a virtual cluster: its objects, its room, its record.
//!
//! Rule: only what a record proves to be its own is removed, and the record goes last.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::claim::Whose;
use super::error::Error;
use super::known::Known;
use super::spec::Place;
use super::{Operation, host_of, room};
use crate::fleet::notice::Notice;
use crate::fleet::{Fleet, Limits, Outcome};
use crate::host::delete::{self, Skipped};
use crate::host::record::{Phase, Record};
use crate::host::records::claim::Claim;
use crate::host::records::{Records, Stored, Taken};
use crate::host::{Host, namespace};

/// What a destroy has seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    whose: Whose,
    /// Whether the namespace is the one that the state knows. None: not looked at.
    namespace_is_known: Option<bool>,
    hold: Hold,
    /// Whether there is time to wait for somebody else to be done.
    has_time: bool,
}

/// Who holds the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// Nobody has asked.
    NotAsked,
    /// This destroy does.
    Ours,
    /// Another apply, which changes the virtual cluster.
    Changing,
    /// Another apply, which removes it.
    Removing,
    /// It is gone meanwhile.
    Gone,
}

/// What comes next in a destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is no record of it: its namespace is looked at.
    LookAtNamespace,
    /// The record is taken once nobody works on it.
    Take,
    /// The claimed record has to say again which virtual cluster it is of.
    Restore,
    /// All that the record names is removed, then the record.
    Remove,
    /// Nothing is left to be done.
    Done,
    /// It is there, and nothing proves which objects outside of the namespace are its own.
    RefuseWithoutRecord,
    /// Another apply works on it.
    RefuseBusy,
}

impl Seen {
    /// What comes next.
    fn next(self) -> Step {
        match (self.whose, self.hold) {
            (_, Hold::Gone) => Step::Done,
            (Whose::Nobodys | Whose::Anothers, _) => match self.namespace_is_known {
                None => Step::LookAtNamespace,
                Some(true) => Step::RefuseWithoutRecord,
                Some(false) => Step::Done,
            },
            (Whose::Edited, Hold::Ours) => Step::Restore,
            (Whose::Ours, Hold::Ours) => Step::Remove,
            (_, Hold::NotAsked) => Step::Take,
            // Somebody else removes it: soon gone.
            (_, Hold::Removing) if self.has_time => Step::Take,
            (_, Hold::Removing | Hold::Changing) => Step::RefuseBusy,
        }
    }
}

/// Removes everything that creating made, and waits until it is gone.
pub async fn destroy(fleet: &Fleet, limits: Limits, place: &Place, known: &Known) -> Outcome<(), Error> {
    let mut operation = Operation::new(fleet, limits);
    let done = operation.destroy(place, known).await;
    operation.outcome(done)
}

impl Operation<'_> {
    async fn destroy(&mut self, place: &Place, known: &Known) -> Result<(), Error> {
        let host = host_of(self.fleet, place, known).await?;
        let stored = Records::of(&host).get(&place.namespace).await?;
        let digest = stored.as_ref().and_then(|stored| stored.record.chart_digest.clone());
        let Some(digest) = digest else { return self.remove_recorded(&host, place, known, stored).await.map(drop) };
        let departure = self.fleet.departures.begins(host.name(), &digest);
        let removed = self.remove_recorded(&host, place, known, stored).await;
        if departure.ends(matches!(removed, Ok(true))) {
            self.note(self.fleet.archives(&host).release(&digest).await);
        }
        removed.map(drop)
    }

    /// Removes the virtual cluster whose record is `stored`, if it is the known one. Whether anything was removed.
    async fn remove_recorded(
        &mut self,
        host: &Host,
        place: &Place,
        known: &Known,
        mut stored: Option<Stored>,
    ) -> Result<bool, Error> {
        let records = Records::of(host);
        let begin = |record: &mut Record| {
            if known.is_of(record, place) {
                record.phase = Phase::Deleting;
            }
        };
        let mut claim: Option<Claim> = None;
        let mut seen = Seen {
            whose: Whose::of(stored.as_ref(), known, place),
            namespace_is_known: None,
            hold: Hold::NotAsked,
            has_time: true,
        };
        loop {
            seen.has_time = !self.limits.time_left().is_zero();
            match (seen.next(), stored.take(), claim.take()) {
                (Step::LookAtNamespace, ..) => {
                    let uid = namespace::uid(host, &place.namespace).await?;
                    seen.namespace_is_known = Some(uid.is_some() && uid.as_ref() == Some(&known.namespace_uid));
                }
                (Step::Take, Some(found), _) => match records.take_to(found, begin, &self.limits.stop.clone()).await? {
                    Taken::Mine(taken) => {
                        let is_ours = known.is_of(&taken.record(), place);
                        seen.whose = if is_ours { Whose::Ours } else { Whose::Edited };
                        (seen.hold, claim) = (Hold::Ours, Some(taken));
                    }
                    Taken::Gone => seen.hold = Hold::Gone,
                    Taken::Busy(now) => {
                        let is_removing = now.record.phase == Phase::Deleting;
                        seen.hold = if is_removing { Hold::Removing } else { Hold::Changing };
                        stored = Some(*now);
                    }
                },
                (Step::Restore, _, Some(held)) => {
                    held.update(|record| known.restore(record, place)).await?;
                    (seen.whose, claim) = (Whose::Ours, Some(held));
                }
                (Step::Remove, _, Some(held)) => {
                    self.remove(host, held).await?;
                    return Ok(true);
                }
                (Step::Done, ..) => return Ok(false),
                (Step::RefuseWithoutRecord, ..) => {
                    return Err(Error::NoRecord { place: place.clone(), host: host.name().to_owned() });
                }
                (Step::RefuseBusy, ..) => return Err(Error::Busy { place: place.clone() }),
                (Step::Take | Step::Restore | Step::Remove, ..) => return Err(Error::OutOfStep),
            }
        }
    }

    /// Deletes what the claimed record names, then the record itself.
    pub(super) async fn remove(&mut self, host: &Host, claim: Claim) -> Result<(), Error> {
        match take_down(self.fleet, host, &claim, self.limits.time_left(), &self.limits.stop).await {
            Ok(skipped) => {
                let host = host.name();
                let left = skipped.into_iter().map(|skipped| Notice::LeftBehind { host: host.to_owned(), skipped });
                self.notices.extend(left);
                Ok(claim.remove().await?)
            }
            Err(error) => {
                self.let_go(claim).await;
                Err(error)
            }
        }
    }
}

/// Deletes what the claimed record names, and gives back its room: what is left is the record. Returns what was left alone.
pub(super) async fn take_down(
    fleet: &Fleet,
    host: &Host,
    claim: &Claim,
    time: Duration,
    stop: &CancellationToken,
) -> Result<Vec<Skipped>, Error> {
    if claim.record().phase != Phase::Deleting {
        claim.update(|record| record.phase = Phase::Deleting).await?;
    }
    let skipped = delete::delete(host, claim, time, stop).await?;
    room::release(fleet, host, claim).await?;
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen = Seen { whose: Whose::Ours, namespace_is_known: None, hold: Hold::NotAsked, has_time: true };

    #[track_caller]
    fn check(seen: Seen, expected: Step) {
        assert_eq!(seen.next(), expected, "{seen:?}");
    }

    #[test]
    fn without_a_record_nothing_is_removed_that_is_there() {
        for whose in [Whose::Nobodys, Whose::Anothers] {
            check(Seen { whose, ..SEEN }, Step::LookAtNamespace);
            check(Seen { whose, namespace_is_known: Some(false), ..SEEN }, Step::Done);
            check(Seen { whose, namespace_is_known: Some(true), ..SEEN }, Step::RefuseWithoutRecord);
        }
    }

    #[test]
    fn what_is_removed_is_claimed_first_and_says_whose_it_is() {
        for whose in [Whose::Ours, Whose::Edited] {
            check(Seen { whose, ..SEEN }, Step::Take);
        }
        check(Seen { whose: Whose::Edited, hold: Hold::Ours, ..SEEN }, Step::Restore);
        check(Seen { hold: Hold::Ours, ..SEEN }, Step::Remove);
    }

    #[test]
    fn another_destroy_is_waited_for_and_another_change_is_not() {
        check(Seen { hold: Hold::Removing, ..SEEN }, Step::Take);
        check(Seen { hold: Hold::Removing, has_time: false, ..SEEN }, Step::RefuseBusy);
        check(Seen { hold: Hold::Changing, ..SEEN }, Step::RefuseBusy);
        check(Seen { hold: Hold::Gone, ..SEEN }, Step::Done);
    }
}
