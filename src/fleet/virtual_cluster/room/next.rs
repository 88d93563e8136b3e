//! What comes next when room is wanted in a ledger. Pure.

/// What a ledger said when it was asked to enter somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has.
    Entered,
    /// It has no room.
    Refused,
    /// There is no ledger.
    Missing,
}

/// What comes next when a ledger was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is entered.
    Done,
    /// The ledger is asked (again).
    Ask,
    /// The ledger is made from the records.
    Rebuild,
    /// The ledger is compared with the records.
    Compare,
    /// Those who hold room and have stopped are removed.
    CleanUp,
    /// There is no room.
    Deny,
}

/// What was tried so that a ledger has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tried {
    #[default]
    Nothing,
    /// It was compared with the records.
    Compared,
    /// Then the dead were removed, and that may have freed room.
    CleanedUp { freed: bool },
    /// Then it was compared once more.
    ComparedAgain,
}

/// What was seen of a ledger while room is wanted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// What it said last. None: it has changed since, or was never asked.
    pub answer: Option<Answer>,
    pub tried: Tried,
}

impl Seen {
    /// What comes next. A refusal is believed once the ledger was compared with the records, and those who hold room and have
    /// stopped are gone.
    pub fn next(self) -> Step {
        match (self.answer, self.tried) {
            (None, _) => Step::Ask,
            (Some(Answer::Entered), _) => Step::Done,
            (Some(Answer::Missing), _) => Step::Rebuild,
            (Some(Answer::Refused), Tried::Nothing | Tried::CleanedUp { freed: true }) => Step::Compare,
            (Some(Answer::Refused), Tried::Compared) => Step::CleanUp,
            (Some(Answer::Refused), Tried::CleanedUp { freed: false } | Tried::ComparedAgain) => Step::Deny,
        }
    }

    /// After the ledger said this.
    pub fn said(self, answer: Answer) -> Self {
        Self { answer: Some(answer), ..self }
    }

    /// After it was made from the records.
    pub fn rebuilt(self) -> Self {
        Self { answer: None, ..self }
    }

    /// After it was compared with the records, which may have changed it.
    pub fn compared(self, changed: bool) -> Self {
        match self.tried {
            Tried::Nothing => Self { answer: None, tried: Tried::Compared },
            _ => Self { answer: self.answer.filter(|_| !changed), tried: Tried::ComparedAgain },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: Option<Answer>, tried: Tried, expected: Step) {
        assert_eq!(Seen { answer, tried }.next(), expected, "{answer:?} after {tried:?}");
    }

    #[test]
    fn a_ledger_is_asked_until_it_has_answered() {
        check(None, Tried::Nothing, Step::Ask);
        for tried in [Tried::Nothing, Tried::Compared, Tried::CleanedUp { freed: true }, Tried::ComparedAgain] {
            check(Some(Answer::Entered), tried, Step::Done);
            check(Some(Answer::Missing), tried, Step::Rebuild);
        }
    }

    #[test]
    fn a_refusal_is_believed_after_the_dead_are_gone() {
        check(Some(Answer::Refused), Tried::Nothing, Step::Compare);
        check(Some(Answer::Refused), Tried::Compared, Step::CleanUp);
        check(Some(Answer::Refused), Tried::CleanedUp { freed: false }, Step::Deny);
        check(Some(Answer::Refused), Tried::CleanedUp { freed: true }, Step::Compare);
        check(Some(Answer::Refused), Tried::ComparedAgain, Step::Deny);
    }

    #[test]
    fn what_has_changed_is_asked_again_and_otherwise_only_once() {
        let refused = Seen::default().said(Answer::Refused);
        assert_eq!(refused.compared(false).next(), Step::Ask, "others may have given room back meanwhile");
        let cleaned = Seen { tried: Tried::CleanedUp { freed: true }, ..refused };
        assert_eq!(cleaned.compared(true).next(), Step::Ask);
        assert_eq!(cleaned.compared(false).next(), Step::Deny);
        assert_eq!(Seen { tried: Tried::Compared, ..refused }.rebuilt().next(), Step::Ask);
    }
}
