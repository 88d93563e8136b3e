//! Taking hold of the record of a virtual cluster that exists, to change or remove it.
//!
//! Rule: it has to be the record that the state knows. One that was lost is written again, and one that somebody has edited is
//! put right.

use super::Operation;
use super::error::Error;
use super::known::Known;
use super::reserve::{new_record, occupied};
use super::spec::{Place, Spec};
use crate::host::record::{Phase, Record};
use crate::host::records::claim::Claim;
use crate::host::records::{Records, Reservation, Stored, Taken};
use crate::host::{Host, namespace};

/// Whose record it is that stands under the namespace's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// There is none.
    Nobodys,
    /// It is of the virtual cluster that the state knows.
    Ours,
    /// It is the very record that the state knows, and somebody has edited it to say otherwise.
    Edited,
    /// It is of another virtual cluster.
    Anothers,
}

impl Whose {
    /// Whose `stored` is, for a state that knows this of the virtual cluster at `place`.
    pub(super) fn of(stored: Option<&Stored>, known: &Known, place: &Place) -> Self {
        match stored {
            None => Self::Nobodys,
            Some(stored) if known.is_of(&stored.record, place) => Self::Ours,
            Some(stored) if known.is_edited(stored, place) => Self::Edited,
            Some(_) => Self::Anothers,
        }
    }
}

/// What comes next with the record of a virtual cluster that is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It was lost: it is written again, as that of a virtual cluster that was handed over.
    WriteAgain,
    /// Another virtual cluster lives there.
    Refuse,
    /// It is taken once nobody works on it.
    Take,
    /// The claimed one has to say again which virtual cluster it is of.
    Restore,
    /// The claimed one has to say that a state has it, whatever was cut off before: a destroy that nobody wants any more, a
    /// creation that was then imported. Otherwise it would count as unfinished, and be reclaimed.
    HandOver,
    /// It may have been written again in place of a lost one by an apply that was cut off, and the state has forgotten that
    /// one: the namespace is asked for which record it was made.
    FindFormer,
    /// It can be worked on.
    Work,
}

/// What comes next with a record that is not claimed yet.
fn unclaimed(whose: Whose) -> Step {
    match whose {
        Whose::Nobodys => Step::WriteAgain,
        Whose::Anothers => Step::Refuse,
        Whose::Ours | Whose::Edited => Step::Take,
    }
}

/// What comes next with a claimed record.
fn claimed(is_ours: bool, phase: Phase, has_applied: bool, asked_for_former: bool) -> Step {
    match (is_ours, phase) {
        (false, _) => Step::Restore,
        (true, Phase::Reserved | Phase::Creating | Phase::Deleting) => Step::HandOver,
        (true, Phase::HandedOver) if has_applied || asked_for_former => Step::Work,
        (true, Phase::HandedOver) => Step::FindFormer,
    }
}

impl Operation<'_> {
    /// The right to change the virtual cluster at `place`. A lost record is written again.
    pub(super) async fn claim(
        &mut self,
        host: &Host,
        place: &Place,
        known: &Known,
        spec: &Spec,
    ) -> Result<Claim, Error> {
        let records = Records::of(host);
        let mut stored = records.get(&place.namespace).await?;
        let mut claim = loop {
            match (unclaimed(Whose::of(stored.as_ref(), known, place)), stored) {
                (Step::Refuse, Some(stored)) => return Err(occupied(place, &stored.record)),
                (_, Some(stored)) => match records.take(stored, &self.limits.stop.clone()).await? {
                    Taken::Mine(claim) => break claim,
                    Taken::Busy(_) | Taken::Gone => return Err(Error::Busy { place: place.clone() }),
                },
                (_, None) => {
                    let mut record = new_record(place, known, spec);
                    record.namespace_uid = Some(known.namespace_uid.clone());
                    record.namespace_created = known.namespace_created;
                    // A state has it: not for a moment may it look like an unfinished creation.
                    record.hand_over();
                    match records.reserve(record).await? {
                        // What was made before carries the UID of the record that was lost.
                        Reservation::Made(claim) => return Ok(claim.formerly(known.record_uid.clone())),
                        Reservation::Taken(taken) => stored = Some(*taken),
                    }
                }
            }
        };
        let mut asked_for_former = false;
        loop {
            let record = claim.record();
            match claimed(known.is_of(&record, place), record.phase, record.applied.is_some(), asked_for_former) {
                Step::Restore => claim.update(|record| known.restore(record, place)).await?,
                Step::HandOver => claim.update(Record::hand_over).await?,
                Step::FindFormer => {
                    asked_for_former = true;
                    if let Some(former) = namespace::former_record(host, &claim).await? {
                        claim = claim.formerly(former);
                    }
                }
                _ => return Ok(claim),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_record_that_the_state_knows_is_taken() {
        assert_eq!(unclaimed(Whose::Nobodys), Step::WriteAgain);
        assert_eq!(unclaimed(Whose::Ours), Step::Take);
        assert_eq!(unclaimed(Whose::Edited), Step::Take);
        assert_eq!(unclaimed(Whose::Anothers), Step::Refuse);
    }

    #[track_caller]
    fn check_whose(change: impl FnOnce(&mut Record), record_uid: &str, expected: Whose) {
        let known = Known { record_uid: "ours".into(), namespace_uid: "ns".into(), ..Known::default() };
        let place = Place { host_cluster: "eu".into(), namespace: "vcluster-a".into(), name: "a".into() };
        let mut record = Record::new("a", "vcluster-a", "host", serde_json::Value::Null);
        record.namespace_uid = Some("ns".into());
        change(&mut record);
        let stored = Stored::for_tests(record, record_uid);
        assert_eq!(Whose::of(Some(&stored), &known, &place), expected);
    }

    #[test]
    fn a_record_is_known_by_its_namespace_and_an_edited_one_by_its_uid() {
        check_whose(|_| {}, "ours", Whose::Ours);
        check_whose(|_| {}, "written-again", Whose::Ours);
        check_whose(|record| record.name = "b".into(), "ours", Whose::Edited);
        check_whose(|record| record.namespace_uid = None, "ours", Whose::Edited);
        check_whose(|record| record.name = "b".into(), "other", Whose::Anothers);
        check_whose(|record| record.namespace_uid = Some("later".into()), "other", Whose::Anothers);
        let (known, place) = (Known::default(), Place::parse("a/b/c").unwrap());
        assert_eq!(Whose::of(None, &known, &place), Whose::Nobodys);
    }

    #[test]
    fn a_claimed_record_says_whose_it_is_before_it_is_worked_on() {
        for phase in [Phase::Reserved, Phase::Creating, Phase::HandedOver, Phase::Deleting] {
            assert_eq!(claimed(false, phase, true, true), Step::Restore);
        }
        for phase in [Phase::Reserved, Phase::Creating, Phase::Deleting] {
            assert_eq!(claimed(true, phase, true, true), Step::HandOver);
        }
        assert_eq!(claimed(true, Phase::HandedOver, false, false), Step::FindFormer);
        assert_eq!(claimed(true, Phase::HandedOver, false, true), Step::Work);
        assert_eq!(claimed(true, Phase::HandedOver, true, false), Step::Work);
    }
}
