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

/// The record that decides: the newest one of the group with that id. Of equally new ones it is that of the home, as only
/// that one is ever written first.
pub fn authority<'a>(copies: &'a [Copy], id: &str) -> Option<&'a GroupRecord> {
    let records = copies.iter().filter_map(|copy| Some((copy, copy.of_group(id)?)));
    let newest = records.max_by_key(|(copy, record)| (record.age(), record.home == copy.uid));
    newest.map(|(_, record)| record)
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

    #[track_caller]
    fn check_authority(eu: Option<GroupRecord>, us: Option<GroupRecord>, expected: Option<GroupRecord>) {
        let copies = [copy("eu", eu), copy("us", us)];
        assert_eq!(authority(&copies, "ours"), expected.as_ref());
    }

    #[test]
    fn the_newest_record_decides_and_the_homes_among_equals() {
        check_authority(Some(record(0, 3)), Some(record(0, 2)), Some(record(0, 3)));
        check_authority(Some(record(0, 9)), Some(record(1, 1)), Some(record(1, 1)));
        check_authority(Some(record(0, 3)), Some(edited(record(0, 3))), Some(record(0, 3)));
        check_authority(Some(edited(record(0, 3))), Some(record(0, 3)), Some(edited(record(0, 3))));
        check_authority(None, Some(record(0, 3)), Some(record(0, 3)));
        check_authority(Some(GroupRecord { id: "other".into(), ..record(9, 9) }), None, None);
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
