//! What a stored ledger holds, and how it is changed.
//!
//! A ledger answers one question: is there room. Owns admission, release and the comparison with the records, which are
//! the truth. Never reads or stores anything.

use std::collections::BTreeMap;

use crate::domain::limit::{Limit, Shortage};
use crate::domain::size::Size;

/// What one virtual cluster holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Its name.
    pub name: String,
    /// Its group, if it has one.
    pub group: Option<String>,
    /// Its full size.
    pub size: Size,
    /// Whether it is paused.
    pub paused: bool,
    /// The UID of the Secret that is its record.
    pub record: String,
}

impl Holding {
    /// What it takes of a host's capacity: paused, its storage only.
    pub fn charged(&self) -> Size {
        self.size.charged(self.paused)
    }
}

/// What is accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// What a host carries: paused virtual clusters take storage only.
    Capacity,
    /// What a group may have: paused virtual clusters count in full.
    Quota,
}

impl Account {
    /// What a holding takes of this account.
    pub fn share(self, holding: &Holding) -> Size {
        match self {
            Self::Capacity => holding.charged(),
            Self::Quota => holding.size,
        }
    }
}

/// Who holds what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ledger {
    /// By namespace in the ledger of a host, by [`quota_key`] in that of a quota.
    pub entries: BTreeMap<String, Holding>,
}

/// The key of a virtual cluster in the ledger of a quota: its host's UID and its namespace.
pub fn quota_key(host_uid: &str, namespace: &str) -> String {
    format!("{host_uid}/{namespace}")
}

impl Ledger {
    /// What is held in all, each resource at most what can be counted.
    pub fn used(&self, account: Account) -> Size {
        self.entries.values().fold(Size::ZERO, |used, holding| used.saturating_add(account.share(holding)))
    }

    /// What everybody but `key` holds.
    pub fn used_without(&self, account: Account, key: &str) -> Size {
        let others = self.entries.iter().filter(|(other, _)| *other != key);
        others.fold(Size::ZERO, |used, (_, holding)| used.saturating_add(account.share(holding)))
    }

    /// Enters the holding under `key`, or replaces what is there, if there is room for what it grows by over what the
    /// same record holds under that key. What does not grow always fits.
    ///
    /// # Errors
    ///
    /// A resource grows beyond the limit; the ledger is as it was.
    pub fn admit(&mut self, account: Account, key: &str, holding: Holding, limit: &Limit) -> Result<(), Refusal> {
        let others = self.used_without(account, key);
        let held = self.entries.get(key).filter(|held| held.record == holding.record);
        let held = held.map_or(Size::ZERO, |held| account.share(held));
        let growth = account.share(&holding).growth_from(held);
        let shortages = limit.shortage(others.saturating_add(held), growth);
        if !shortages.is_empty() {
            return Err(Refusal { limit: *limit, used: others, growth, shortages });
        }
        self.put(key, holding);
        Ok(())
    }

    /// Enters the holding under `key` without asking for room: it shrinks, or has happened already.
    pub fn put(&mut self, key: &str, holding: Holding) {
        self.entries.insert(key.to_owned(), holding);
    }

    /// Removes what `record` holds under `key`. Returns whether it held anything.
    pub fn release(&mut self, key: &str, record: &str) -> bool {
        let held = self.entries.get(key).is_some_and(|holding| holding.record == record);
        if held {
            self.entries.remove(key);
        }
        held
    }

    /// Drops entries that no record stands behind, and adds those that are missing of records that count. An entry of
    /// another record than the one under its key is replaced where that one counts, and dropped otherwise. What the same
    /// record holds already is left as it is. Entries whose key is not `known`, because their host does not answer, are
    /// left alone. Returns whether anything changed.
    pub fn reconcile(&mut self, records: &BTreeMap<String, Recorded>, known: impl Fn(&str) -> bool) -> bool {
        let stands = |key: &str, held: &Holding| match records.get(key) {
            _ if !known(key) => true,
            Some(recorded) => recorded.record() == held.record,
            None => false,
        };
        let before = self.entries.len();
        self.entries.retain(|key, held| stands(key, held));
        let mut changed = self.entries.len() != before;
        for (key, recorded) in records {
            if let Recorded::Known { holding, counts: true } = recorded
                && !self.entries.contains_key(key)
            {
                self.put(key, holding.clone());
                changed = true;
            }
        }
        changed
    }
}

/// What a record says of its virtual cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It can be read.
    Known {
        /// What it holds by its record.
        holding: Holding,
        /// Whether its phase is `creating` or later. Before that it may still be refused.
        counts: bool,
    },
    /// It is there, and says nothing that this version understands. What it holds stays as it is.
    Unreadable {
        /// UID of the record.
        record: String,
    },
}

impl Recorded {
    /// UID of the record.
    pub fn record(&self) -> &str {
        match self {
            Self::Known { holding, .. } => &holding.record,
            Self::Unreadable { record } => record,
        }
    }

    /// Its group, as far as it says so.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Known { holding, .. } => holding.group.as_deref(),
            Self::Unreadable { .. } => None,
        }
    }
}

/// There is no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", shortages.iter().map(Shortage::to_string).collect::<Vec<_>>().join("; "))]
pub struct Refusal {
    /// What there is.
    pub limit: Limit,
    /// What everybody else holds.
    pub used: Size,
    /// What was asked for beyond what is held already.
    pub growth: Size,
    /// The resources that are short; never empty.
    pub shortages: Vec<Shortage>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::{Bytes, Millicores};

    fn size(amount: u64) -> Size {
        Size { cpu: Millicores(amount), memory: Bytes(amount), storage: Bytes(amount) }
    }

    fn holding(record: &str, amount: u64) -> Holding {
        let name = "team-a".to_owned();
        Holding { name, group: Some("dev".to_owned()), size: size(amount), paused: false, record: record.to_owned() }
    }

    fn paused(record: &str, amount: u64) -> Holding {
        Holding { paused: true, ..holding(record, amount) }
    }

    fn ledger(entries: &[(&str, Holding)]) -> Ledger {
        Ledger { entries: entries.iter().map(|(key, holding)| (key.to_string(), holding.clone())).collect() }
    }

    fn limit(amount: u64) -> Limit {
        Limit { cpu: Some(Millicores(amount)), memory: Some(Bytes(amount)), storage: Some(Bytes(amount)) }
    }

    /// Two entries: `a` holds 4, `b` is paused with 3. There are 8 of each resource.
    #[track_caller]
    fn check(account: Account, key: &str, asked: Holding, expected: Result<(), &str>) {
        let before = ledger(&[("a", holding("ra", 4)), ("b", paused("rb", 3))]);
        let mut after = before.clone();
        match (after.admit(account, key, asked.clone(), &limit(8)), expected) {
            (Ok(()), Ok(())) => assert_eq!(after.entries[key], asked),
            (Err(refusal), Err(part)) => {
                assert!(refusal.to_string().contains(part), "{refusal} does not say {part:?}");
                assert_eq!(after, before, "a refusal changes nothing");
            }
            (actual, _) => panic!("{actual:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn paused_ones_take_storage_only_of_the_capacity_and_all_of_the_quota() {
        let ledger = ledger(&[("a", holding("ra", 4)), ("b", paused("rb", 3))]);
        let capacity = Size { storage: Bytes(7), ..size(4) };
        assert_eq!(ledger.used(Account::Capacity), capacity);
        assert_eq!(ledger.used(Account::Quota), size(7));
        assert_eq!(ledger.used_without(Account::Quota, "a"), size(3));
        assert_eq!(ledger.used_without(Account::Quota, "other"), size(7));
    }

    #[test]
    fn a_new_one_needs_room_for_all_of_it() {
        check(Account::Quota, "c", holding("rc", 1), Ok(()));
        check(Account::Quota, "c", holding("rc", 2), Err("cpu: 2m requested, 1m available; memory: 2 requested, 1"));
        check(Account::Capacity, "c", holding("rc", 1), Ok(()));
        check(Account::Capacity, "c", holding("rc", 2), Err("storage: 2 requested, 1 available"));
    }

    #[test]
    fn one_that_is_there_needs_room_for_its_growth() {
        check(Account::Quota, "a", holding("ra", 5), Ok(()));
        check(Account::Quota, "a", holding("ra", 6), Err("memory: 2 requested, 1 available"));
        check(Account::Capacity, "b", holding("rb", 3), Ok(()));
        check(Account::Capacity, "b", holding("rb", 5), Err("cpu: 5m requested, 4m available"));
    }

    #[test]
    fn the_share_of_another_record_under_the_same_key_is_free_but_not_its_own() {
        check(Account::Quota, "a", holding("new", 5), Ok(()));
        check(Account::Quota, "a", holding("new", 6), Err("memory: 6 requested, 5 available"));
    }

    #[test]
    fn what_does_not_grow_fits_even_where_too_much_is_held() {
        let mut overfull = ledger(&[("a", holding("ra", 4)), ("b", paused("rb", 9))]);
        assert_eq!(overfull.admit(Account::Quota, "b", holding("rb", 9), &limit(1)), Ok(()));
        assert_eq!(overfull.admit(Account::Quota, "b", holding("rb", 2), &limit(1)), Ok(()));
        let refusal = overfull.admit(Account::Quota, "b", holding("rb", 3), &limit(1)).unwrap_err();
        assert_eq!((refusal.used, refusal.growth), (size(4), size(1)));
    }

    #[test]
    fn only_the_record_that_holds_an_entry_releases_it() {
        let mut ledger = ledger(&[("a", holding("ra", 4))]);
        assert!(!ledger.release("a", "other"));
        assert!(!ledger.release("b", "ra"));
        assert!(ledger.release("a", "ra"));
        assert_eq!(ledger, Ledger::default());
    }

    #[track_caller]
    fn check_reconcile(before: &[(&str, Holding)], records: &[(&str, Holding, bool)], after: &[(&str, Holding)]) {
        let records = records.iter().map(|(key, holding, counts)| {
            (key.to_string(), Recorded::Known { holding: holding.clone(), counts: *counts })
        });
        let records: BTreeMap<_, _> = records.collect();
        let mut reconciled = ledger(before);
        let changed = reconciled.reconcile(&records, |key| !key.starts_with("silent/"));
        assert_eq!(reconciled, ledger(after));
        assert_eq!(changed, ledger(before) != ledger(after), "says whether it changed");
        assert!(!reconciled.reconcile(&records, |key| !key.starts_with("silent/")), "once is enough");
    }

    #[test]
    fn the_ledger_follows_the_records() {
        let (a, b, new) = (holding("ra", 4), holding("rb", 3), holding("new", 9));
        check_reconcile(&[], &[], &[]);
        check_reconcile(&[("a", a.clone())], &[], &[]);
        check_reconcile(&[], &[("a", a.clone(), true), ("b", b.clone(), false)], &[("a", a.clone())]);
        check_reconcile(&[("a", a.clone())], &[("a", a.clone(), false)], &[("a", a.clone())]);
        check_reconcile(&[("a", a.clone())], &[("a", holding("ra", 9), true)], &[("a", a.clone())]);
        check_reconcile(&[("a", a.clone())], &[("a", new.clone(), true)], &[("a", new.clone())]);
        check_reconcile(&[("a", a.clone())], &[("a", new.clone(), false)], &[]);
    }

    #[test]
    fn the_entry_of_a_record_that_cannot_be_read_stays() {
        let records = |record: &str| BTreeMap::from([("a".to_owned(), Recorded::Unreadable { record: record.into() })]);
        let mut kept = ledger(&[("a", holding("ra", 4))]);
        assert!(!kept.reconcile(&records("ra"), |_| true));
        assert_eq!(kept, ledger(&[("a", holding("ra", 4))]));
        assert!(kept.reconcile(&records("other"), |_| true), "it is another's");
        assert_eq!(kept, Ledger::default());
    }

    #[test]
    fn entries_on_a_host_that_does_not_answer_are_left_alone() {
        let a = holding("ra", 4);
        check_reconcile(&[("silent/a", a.clone()), ("up/a", a.clone())], &[], &[("silent/a", a)]);
    }
}
