//! The copies of a group's record on its hosts: which one is the group, and what is wrong with the others. Pure.

use crate::host::groups::{GroupPhase, GroupRecord};

/// What one host holds of the group.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// UID of the host.
    pub uid: String,
    /// Its key in the group.
    pub key: String,
    /// The record under the group's name, whoever's it is.
    pub record: Option<GroupRecord>,
    /// Whether it keeps the group's chart archive.
    pub archive: bool,
}

impl Copy {
    /// The record, if it is of the group with that id. Every id is right while none is known.
    pub fn of_group(&self, id: &str) -> Option<&GroupRecord> {
        self.record.as_ref().filter(|record| id.is_empty() || record.id == id)
    }
}

/// The record that decides for the state of the group, of which the state knows the id and how often the home has moved:
/// that of the home. Of several hosts that say that they are it, the state's is; where the state knows none of them, the
/// last one. Where no home answers, the newest record there is.
pub fn authority<'a>(copies: &'a [Copy], id: &str, epoch: Option<u64>) -> Option<&'a GroupRecord> {
    let records = copies.iter().filter_map(|copy| Some((copy, copy.of_group(id)?)));
    let rank = |(copy, record): &(&Copy, &GroupRecord)| {
        let is_home = record.home == copy.uid;
        (is_home && Some(record.epoch) == epoch, is_home, record.age())
    };
    records.max_by_key(rank).map(|(_, record)| record)
}

/// The place of the record that decides for those who have no state of the group: that of the home, as far as no other host
/// contradicts. Whoever can write to one host could otherwise have it decide for all. An error has the places of two that contradict
/// each other. Where no home answers it is the newest; nothing is created then.
pub fn believed(seen: &[(&str, &GroupRecord)]) -> Result<Option<usize>, (usize, usize)> {
    let is_home = |(uid, record): &(&str, &GroupRecord)| record.home == *uid;
    let homes: Vec<usize> = (0..seen.len()).filter(|index| is_home(&seen[*index])).collect();
    let Some(&last) = homes.iter().max_by_key(|index| seen[**index].1.age()) else {
        return Ok((0..seen.len()).max_by_key(|index| seen[*index].1.age()));
    };
    let (_, home) = seen[last];
    // Others that say where the home is.
    let supporters = |of: usize| {
        let (uid, record) = seen[of];
        let supports =
            |(other, said): &&(&str, &GroupRecord)| *other != uid && said.home == uid && said.epoch == record.epoch;
        seen.iter().filter(supports).count()
    };
    for rival in homes.into_iter().filter(|index| *index != last) {
        // A former home may come back. It is none of the group's any more, and nobody follows it.
        let is_former = !home.hosts.contains_key(seen[rival].0) && supporters(rival) == 0 && supporters(last) > 0;
        if !is_former {
            return Err((last, rival));
        }
    }
    // Somebody knows of a later home, which does not answer.
    match seen.iter().position(|(_, said)| said.epoch > home.epoch) {
        Some(later) => Err((last, later)),
        None => Ok(Some(last)),
    }
}

/// What a group that was read before has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// What its home says now is the group.
    Newer,
    /// What was read is: the home has moved away, and its old record says less.
    AsRead,
    /// It is gone, or another group has its name.
    Gone,
}

/// What the group of the record `read` has become, where its home says `now` what it is.
pub fn since(read: &GroupRecord, now: Option<&GroupRecord>) -> Since {
    match now.filter(|now| now.id == read.id) {
        None => Since::Gone,
        Some(now) if now.age() >= read.age() => Since::Newer,
        Some(_) => Since::AsRead,
    }
}

/// What differs on the hosts from the `authority`, a line each.
pub fn drift(copies: &[Copy], authority: &GroupRecord) -> Vec<String> {
    let mut lines = Vec::new();
    if authority.phase != GroupPhase::Ready {
        lines.push("  - the last apply or destroy did not finish".to_owned());
    }
    for copy in copies {
        let host = format!("host cluster \"{}\"", copy.key);
        let record = copy.of_group(&authority.id);
        if !authority.hosts.contains_key(&copy.uid) {
            lines.extend(
                record.map(|_| format!("  - {host} still has a record, though it is none of the group's any more")),
            );
            continue;
        }
        match (&copy.record, record) {
            (None, _) => lines.push(format!("  - the record on {host} is missing")),
            (Some(_), None) => lines.push(format!("  - {host} has a record of another group with this name")),
            (_, Some(record)) if record.age() < authority.age() => {
                lines.push(format!("  - the record on {host} is out of date"));
            }
            (_, Some(record)) if record != authority => {
                lines.push(format!("  - the record on {host} was edited"));
            }
            _ => {}
        }
        if !copy.archive {
            lines.push(format!("  - the chart archive on {host} is missing"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(epoch: u64, generation: u64) -> GroupRecord {
        GroupRecord {
            name: "dev".into(),
            id: "ours".into(),
            epoch,
            generation,
            home: "eu".into(),
            hosts: [("eu".to_owned(), "eu-1".to_owned()), ("us".to_owned(), "us-1".to_owned())].into(),
            phase: GroupPhase::Ready,
            chart_digest: "sha256:0".into(),
            spec: json!({}),
            more: serde_json::Map::new(),
        }
    }

    fn copy(uid: &str, record: Option<GroupRecord>) -> Copy {
        Copy { uid: uid.into(), key: format!("{uid}-1"), record, archive: true }
    }

    fn edited(record: GroupRecord) -> GroupRecord {
        GroupRecord { spec: json!({"edited": true}), ..record }
    }

    /// A record that says that its host is the home, after so many moves.
    fn home(uid: &str, epoch: u64) -> GroupRecord {
        GroupRecord { home: uid.into(), ..record(epoch, 9) }
    }

    #[track_caller]
    fn check_authority(eu: Option<GroupRecord>, us: Option<GroupRecord>, epoch: u64, expected: Option<GroupRecord>) {
        let copies = [copy("eu", eu), copy("us", us)];
        assert_eq!(authority(&copies, "ours", Some(epoch)), expected.as_ref());
    }

    #[test]
    fn the_homes_record_decides_whatever_others_say() {
        check_authority(Some(record(0, 3)), Some(record(0, 2)), 0, Some(record(0, 3)));
        check_authority(Some(record(0, 3)), Some(edited(record(0, 3))), 0, Some(record(0, 3)));
        check_authority(Some(record(0, 3)), Some(edited(record(0, 99))), 0, Some(record(0, 3)));
        check_authority(Some(record(0, 3)), Some(edited(record(99, 1))), 0, Some(record(0, 3)));
        check_authority(Some(edited(record(0, 3))), Some(record(0, 3)), 0, Some(edited(record(0, 3))));
        check_authority(Some(GroupRecord { id: "other".into(), ..record(9, 9) }), None, 0, None);
    }

    #[test]
    fn of_two_homes_the_one_that_the_state_knows_decides() {
        check_authority(Some(record(0, 3)), Some(home("us", 1)), 0, Some(record(0, 3)));
        check_authority(Some(record(0, 3)), Some(home("us", 1)), 1, Some(home("us", 1)));
        check_authority(Some(record(0, 3)), Some(home("us", 1)), 7, Some(home("us", 1)));
    }

    #[test]
    fn without_a_home_the_newest_record_decides() {
        check_authority(None, Some(record(0, 3)), 0, Some(record(0, 3)));
        check_authority(None, Some(record(0, 3)), 7, Some(record(0, 3)));
    }

    /// What `eu`, `us` and `ap` say of the group, and whose record is believed.
    #[track_caller]
    fn check_believed(said: [Option<GroupRecord>; 3], expected: Result<Option<&str>, (&str, &str)>) {
        let seen: Vec<(&str, &GroupRecord)> = std::iter::zip(["eu", "us", "ap"], &said)
            .filter_map(|(uid, record)| Some((uid, record.as_ref()?)))
            .collect();
        let actual = match believed(&seen) {
            Ok(index) => Ok(index.map(|index| seen[index].0)),
            Err((one, other)) => Err((seen[one].0, seen[other].0)),
        };
        assert_eq!(actual, expected);
    }

    #[test]
    fn others_believe_the_home_as_far_as_no_host_contradicts() {
        let ours = || Some(record(0, 3));
        check_believed([None, None, None], Ok(None));
        check_believed([ours(), None, None], Ok(Some("eu")));
        check_believed([ours(), Some(record(0, 2)), None], Ok(Some("eu")));
        check_believed([ours(), Some(edited(record(0, 99))), ours()], Ok(Some("eu")));
        check_believed([None, Some(record(0, 2)), ours()], Ok(Some("ap")));
    }

    #[test]
    fn one_host_that_says_it_is_the_home_now_makes_nobody_follow_it() {
        let ours = || Some(record(0, 3));
        check_believed([ours(), Some(home("us", 1)), None], Err(("us", "eu")));
        check_believed([ours(), Some(home("us", 1)), ours()], Err(("us", "eu")));
        let alone = GroupRecord { hosts: [("us".to_owned(), "us-1".to_owned())].into(), ..home("us", 9) };
        check_believed([ours(), Some(alone.clone()), ours()], Err(("us", "eu")));
        check_believed([ours(), Some(GroupRecord { home: "gone".into(), ..alone }), ours()], Err(("eu", "us")));
    }

    #[test]
    fn a_former_home_that_comes_back_is_not_followed() {
        let hosts = || [("us".to_owned(), "us-1".to_owned()), ("ap".to_owned(), "ap-1".to_owned())].into();
        let moved = || Some(GroupRecord { hosts: hosts(), ..home("us", 1) });
        check_believed([Some(record(0, 3)), moved(), moved()], Ok(Some("us")));
        // With nobody to bear it out, the group's own apply has to clear it up.
        check_believed([Some(record(0, 3)), moved(), None], Err(("us", "eu")));
    }

    #[test]
    fn a_group_is_what_its_home_says_now_unless_that_is_older() {
        assert_eq!(since(&record(0, 3), Some(&record(0, 3))), Since::Newer);
        assert_eq!(since(&record(0, 3), Some(&record(1, 1))), Since::Newer);
        assert_eq!(since(&record(1, 1), Some(&record(0, 9))), Since::AsRead);
        assert_eq!(since(&record(0, 3), None), Since::Gone);
        let other = GroupRecord { id: "other".into(), ..record(9, 9) };
        assert_eq!(since(&record(0, 3), Some(&other)), Since::Gone);
    }

    #[track_caller]
    fn check_drift(us: Copy, expected: &[&str]) {
        let copies = [copy("eu", Some(record(0, 3))), us];
        let lines = drift(&copies, &record(0, 3));
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        assert!(std::iter::zip(&lines, expected).all(|(line, part)| line.contains(part)), "{lines:?}");
    }

    #[test]
    fn what_differs_is_named_with_its_host() {
        check_drift(copy("us", Some(record(0, 3))), &[]);
        check_drift(copy("us", None), &["the record on host cluster \"us-1\" is missing"]);
        check_drift(copy("us", Some(record(0, 2))), &["\"us-1\" is out of date"]);
        check_drift(copy("us", Some(edited(record(0, 3)))), &["\"us-1\" was edited"]);
        let other = GroupRecord { id: "other".into(), ..record(0, 3) };
        check_drift(copy("us", Some(other)), &["another group with this name"]);
        check_drift(
            Copy { archive: false, ..copy("us", Some(record(0, 3))) },
            &["chart archive on host cluster \"us-1\""],
        );
        check_drift(copy("ap", Some(record(0, 2))), &["\"ap-1\" still has a record"]);
        check_drift(copy("ap", None), &[]);
    }

    #[test]
    fn a_group_that_was_left_half_done_has_drifted() {
        let deleting = GroupRecord { phase: GroupPhase::Deleting, ..record(0, 3) };
        assert_eq!(drift(&[copy("eu", Some(deleting.clone()))], &deleting).len(), 1);
    }
}
