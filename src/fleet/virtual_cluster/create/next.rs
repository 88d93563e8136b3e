//! What comes next in a creation. Pure.

use crate::fleet::virtual_cluster::room::Denied;

/// What a creation has seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// Its group is being made or removed.
    pub is_closed: bool,
    /// It is to be paused, and has no storage.
    pub would_lose_data: bool,
    pub host: HostSeen,
    pub is_prepared: bool,
    pub is_reserved: bool,
    /// The group as it was after the record was there: whoever changes it from then on sees the record.
    pub group: Option<GroupSeen>,
    pub room: Option<RoomSeen>,
    pub made: Option<MadeSeen>,
    pub is_looked_at: bool,
    pub has_reclaimed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum HostSeen {
    #[default]
    NotChosen,
    Chosen,
    /// All that come into question have said no.
    NoneLeft,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupSeen {
    Same,
    Changed,
    Unreadable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoomSeen {
    Entered,
    Denied(Denied),
    /// A ledger could not be asked, and may have entered it.
    Unsaid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MadeSeen {
    Whole,
    /// The record names a namespace.
    Partly,
    /// The record names nothing yet, though something may be there.
    Nothing,
    /// Another apply has taken the record over, and owns what is there.
    Lost,
}

/// What comes next in a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The group takes nobody in.
    RefuseClosed,
    /// A pause would lose its data.
    RefusePause,
    /// A host is chosen.
    Choose,
    /// There is no room: the name is given back if it was reserved, and what there is instead is said.
    SayFull,
    /// Its objects are made.
    Prepare,
    /// Its name is reserved on the host.
    Reserve,
    /// The group is looked at again.
    LookAtGroup,
    /// The group is another now: the name is given back, and all begins anew.
    StartOver,
    /// The group cannot be read any more: the name is given back.
    GiveUp,
    /// Quota and capacity are entered.
    Admit,
    /// The host has no room any more: the name is given back, and another host chosen.
    TryAnother,
    /// The objects are made.
    Make,
    /// What there is of it is looked at.
    Look,
    /// What others have left unfinished is removed.
    Reclaim,
    /// Terraform's state becomes the owner.
    HandOver,
    /// What was made is removed, as far as anybody can say what that is.
    Undo,
    /// What arrived late goes, unless another apply owns it.
    Withdraw,
}

impl Seen {
    /// What comes next.
    pub fn next(self) -> Step {
        match self.made {
            None if self.is_reserved => self.with_a_name(),
            None => self.without_a_name(),
            Some(MadeSeen::Lost) => Step::Withdraw,
            Some(MadeSeen::Nothing) => Step::Undo,
            Some(MadeSeen::Whole | MadeSeen::Partly) if !self.is_looked_at => Step::Look,
            Some(MadeSeen::Whole | MadeSeen::Partly) if !self.has_reclaimed => Step::Reclaim,
            // Nothing is asked any more: what is killed between this and the saving of the state is in none, and counts as
            // finished.
            Some(MadeSeen::Whole | MadeSeen::Partly) => Step::HandOver,
        }
    }

    fn without_a_name(self) -> Step {
        match self.host {
            _ if self.is_closed => Step::RefuseClosed,
            _ if self.would_lose_data => Step::RefusePause,
            HostSeen::NotChosen => Step::Choose,
            HostSeen::NoneLeft => Step::SayFull,
            HostSeen::Chosen if self.is_prepared => Step::Reserve,
            HostSeen::Chosen => Step::Prepare,
        }
    }

    fn with_a_name(self) -> Step {
        match (self.group, self.room) {
            (None, _) => Step::LookAtGroup,
            (Some(GroupSeen::Changed), _) => Step::StartOver,
            (Some(GroupSeen::Unreadable), _) => Step::GiveUp,
            (Some(GroupSeen::Same), None) => Step::Admit,
            (Some(GroupSeen::Same), Some(RoomSeen::Entered)) => Step::Make,
            (Some(GroupSeen::Same), Some(RoomSeen::Denied(Denied::Quota))) => Step::SayFull,
            (Some(GroupSeen::Same), Some(RoomSeen::Denied(Denied::Capacity))) => Step::TryAnother,
            (Some(GroupSeen::Same), Some(RoomSeen::Unsaid)) => Step::Undo,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seen: Seen, expected: Step) {
        assert_eq!(seen.next(), expected, "{seen:?}");
    }

    const CHOSEN: Seen = Seen {
        is_closed: false,
        would_lose_data: false,
        host: HostSeen::Chosen,
        is_prepared: false,
        is_reserved: false,
        group: None,
        room: None,
        made: None,
        is_looked_at: false,
        has_reclaimed: false,
    };
    const RESERVED: Seen = Seen { is_prepared: true, is_reserved: true, ..CHOSEN };

    #[test]
    fn nothing_is_reserved_before_there_is_a_host_and_something_to_make() {
        check(Seen::default(), Step::Choose);
        check(CHOSEN, Step::Prepare);
        check(Seen { is_prepared: true, ..CHOSEN }, Step::Reserve);
        check(Seen { host: HostSeen::NoneLeft, ..CHOSEN }, Step::SayFull);
        check(Seen { is_closed: true, ..Seen::default() }, Step::RefuseClosed);
        check(Seen { would_lose_data: true, ..Seen::default() }, Step::RefusePause);
    }

    #[test]
    fn room_is_asked_for_in_the_group_as_it_is_behind_the_record() {
        check(RESERVED, Step::LookAtGroup);
        check(Seen { group: Some(GroupSeen::Same), ..RESERVED }, Step::Admit);
        check(Seen { group: Some(GroupSeen::Changed), ..RESERVED }, Step::StartOver);
        check(Seen { group: Some(GroupSeen::Unreadable), ..RESERVED }, Step::GiveUp);
    }

    #[test]
    fn nothing_is_made_without_room() {
        let with = |room| Seen { group: Some(GroupSeen::Same), room: Some(room), ..RESERVED };
        check(with(RoomSeen::Entered), Step::Make);
        check(with(RoomSeen::Denied(Denied::Quota)), Step::SayFull);
        check(with(RoomSeen::Denied(Denied::Capacity)), Step::TryAnother);
        check(with(RoomSeen::Unsaid), Step::Undo);
    }

    #[test]
    fn the_hand_over_is_the_last_thing_that_is_asked() {
        for made in [MadeSeen::Whole, MadeSeen::Partly] {
            let seen = Seen { made: Some(made), ..RESERVED };
            check(seen, Step::Look);
            check(Seen { is_looked_at: true, ..seen }, Step::Reclaim);
            check(Seen { is_looked_at: true, has_reclaimed: true, ..seen }, Step::HandOver);
        }
    }

    #[test]
    fn what_another_has_taken_over_is_not_touched_and_what_has_no_namespace_is_undone() {
        check(Seen { made: Some(MadeSeen::Lost), ..RESERVED }, Step::Withdraw);
        check(Seen { made: Some(MadeSeen::Nothing), ..RESERVED }, Step::Undo);
    }
}
