//! What a stored ledger holds, and how it is changed.
//!
//! A ledger answers one question: is there room. Owns admission, release and the comparison with the records, which are
//! the truth. Never reads or stores anything.

use std::collections::BTreeMap;

use crate::domain::amounts::Amounts;
use crate::domain::limit::{Limit, Shortage};
use crate::domain::shares::{Bounds, Labels, Shares};
use crate::domain::transition::Load;

/// What one virtual cluster holds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Holding {
    /// Its name.
    pub name: String,
    /// Its group, if it has one.
    pub group: Option<String>,
    /// Its labels, of which one may say whose it is.
    pub labels: Labels,
    /// What it may have, and whether it is paused.
    pub load: Load,
    /// The UID of the Secret that is its record.
    pub record: String,
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
    pub fn share(self, holding: &Holding) -> Amounts {
        holding.load.of(self)
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
    pub fn used(&self, account: Account) -> Amounts {
        sum(account, self.entries.values())
    }

    /// What everybody but `key` holds.
    pub fn used_without(&self, account: Account, key: &str) -> Amounts {
        sum(account, self.entries.iter().filter(|(other, _)| *other != key).map(|(_, holding)| holding))
    }

    /// What the virtual clusters of one owner hold.
    pub fn used_by(&self, account: Account, shares: &Shares, owner: &str) -> Amounts {
        sum(account, self.owned(shares, owner).map(|(_, holding)| holding))
    }

    fn owned<'l>(&'l self, shares: &Shares, owner: &str) -> impl Iterator<Item = (&'l String, &'l Holding)> {
        self.entries.iter().filter(move |(_, holding)| shares.owner(&holding.labels) == Some(owner))
    }

    /// Enters the holding under `key`, or replaces what is there, if there is room for what it grows by over what the
    /// same record holds under that key: in all, and in the share of its owner if there is one. What comes to another owner grows
    /// there by all of it. What does not grow always fits.
    ///
    /// # Errors
    /// Something grows beyond the bounds; the ledger is as it was.
    pub fn admit(&mut self, account: Account, key: &str, holding: Holding, bounds: &Bounds) -> Result<(), Refusal> {
        let held = self.entries.get(key).filter(|held| held.record == holding.record);
        let asked = account.share(&holding);
        let check = |limit: &Limit, others: Amounts, held: Option<&Holding>| {
            let held = held.map(|held| account.share(held)).unwrap_or_default();
            let growth = asked.growth_from(&held);
            let shortages = limit.shortage(&others.saturating_add(&held), &growth);
            if shortages.is_empty() { Ok(()) } else { Err(Refusal { shortages }) }
        };
        check(&bounds.total, self.used_without(account, key), held)?;
        if let Some((shares, owner)) = bounds.share_of(&holding.labels) {
            let held = held.filter(|held| shares.owner(&held.labels) == Some(owner));
            let others = self.owned(shares, owner).filter(|(other, _)| *other != key).map(|(_, holding)| holding);
            check(&shares.limit(owner), sum(account, others), held)?;
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

fn sum<'h>(account: Account, holdings: impl Iterator<Item = &'h Holding>) -> Amounts {
    holdings.fold(Amounts::ZERO, |used, holding| used.saturating_add(&account.share(holding)))
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
    /// What is short; never empty.
    pub shortages: Vec<Shortage>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::size::Size;

    fn size(amount: u64) -> Size {
        Size { cpu: Millicores(amount), memory: Bytes(amount), storage: Bytes(amount) }
    }

    fn holding(record: &str, amount: u64) -> Holding {
        let (name, group) = ("team-a".to_owned(), Some("dev".to_owned()));
        let load = Load { size: size(amount), ..Load::default() };
        Holding { name, group, load, record: record.to_owned(), ..Holding::default() }
    }

    fn paused(record: &str, amount: u64) -> Holding {
        let holding = holding(record, amount);
        Holding { load: Load { paused: true, ..holding.load }, ..holding }
    }

    fn ledger(entries: &[(&str, Holding)]) -> Ledger {
        Ledger { entries: entries.iter().map(|(key, holding)| (key.to_string(), holding.clone())).collect() }
    }

    fn limit(amount: u64) -> Bounds {
        Limit::from_amounts(|_| Some(amount)).into()
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
        let quota = |amount, virtual_clusters| Amounts { size: size(amount), virtual_clusters, ..Amounts::ZERO };
        assert_eq!(ledger.used(Account::Capacity), capacity.into());
        assert_eq!(ledger.used(Account::Quota), quota(7, 2));
        assert_eq!(ledger.used_without(Account::Quota, "a"), quota(3, 1));
        assert_eq!(ledger.used_without(Account::Quota, "other"), quota(7, 2));
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
        assert!(refusal.to_string().starts_with("cpu: 1m requested, 0 available"), "{refusal}");
    }

    #[test]
    fn virtual_clusters_are_counted_paused_ones_included() {
        let bounds: Bounds = Limit { virtual_clusters: Some(2), ..Limit::UNLIMITED }.into();
        let mut full = ledger(&[("a", holding("ra", 4)), ("b", paused("rb", 3))]);
        let refusal = full.admit(Account::Quota, "c", holding("rc", 1), &bounds).unwrap_err();
        assert_eq!(refusal.to_string(), "virtual_clusters: 1 requested, 0 available");
        assert_eq!(full.admit(Account::Quota, "b", holding("rb", 9), &bounds), Ok(()), "it is there already");
        assert_eq!(full.admit(Account::Quota, "b", holding("another", 9), &bounds), Ok(()), "it takes the place");
    }

    #[test]
    fn a_pause_gives_extended_resources_back_to_the_host_and_not_to_the_quota() {
        let with = |record: &str, amount, paused| Holding {
            load: Load { extended: gpus(amount), paused, ..Load::default() },
            ..holding(record, 0)
        };
        let bounds: Bounds = Limit { extended: gpus(4), unnamed: Some(0), ..Limit::UNLIMITED }.into();
        let mut shared = ledger(&[("a", with("ra", 3, false)), ("b", with("rb", 4, true))]);
        let refusal = shared.admit(Account::Capacity, "c", with("rc", 2, false), &bounds).unwrap_err();
        assert_eq!(refusal.to_string(), "nvidia.com/gpu: 2 requested, 1 available");
        assert_eq!(shared.admit(Account::Capacity, "a", with("ra", 3, true), &bounds), Ok(()));
        assert_eq!(shared.admit(Account::Capacity, "c", with("rc", 2, false), &bounds), Ok(()));
        let refusal = shared.admit(Account::Capacity, "b", with("rb", 4, false), &bounds).unwrap_err();
        assert_eq!(refusal.to_string(), "nvidia.com/gpu: 4 requested, 2 available", "it resumes");
        assert_eq!(shared.used(Account::Quota).extended, gpus(9));
    }

    fn of(owner: &str, record: &str, amount: u64) -> Holding {
        Holding { labels: [("team".to_owned(), owner.to_owned())].into(), ..holding(record, amount) }
    }

    #[test]
    fn each_owner_has_a_share_inside_the_quota() {
        let shares = Shares::new(
            "team",
            Limit::from_amounts(|_| Some(5)),
            [("big".to_owned(), Limit::from_amounts(|_| Some(8)))],
        );
        let bounds = Bounds { total: Limit::from_amounts(|_| Some(12)), shares: Some(shares) };
        let mut ledger = ledger(&[("a", of("small", "ra", 3)), ("b", of("big", "rb", 5)), ("n", holding("rn", 1))]);
        let mut check = |key: &str, asked: Holding, expected: Result<(), &str>| {
            let admitted = ledger.admit(Account::Quota, key, asked, &bounds).map_err(|refusal| refusal.to_string());
            match (admitted, expected) {
                (Ok(()), Ok(())) => {}
                (Err(refusal), Err(part)) => assert!(refusal.contains(part), "{refusal} does not say {part:?}"),
                (actual, _) => panic!("{actual:?} instead of {expected:?}"),
            }
        };
        check("c", of("small", "rc", 3), Err("cpu: 3m requested, 2m available"));
        check("a", of("small", "ra", 6), Err("cpu: 3m requested, 2m available"));
        check("b", of("small", "rb", 5), Err("cpu: 5m requested, 2m available"));
        check("c", of("big", "rc", 4), Err("cpu: 4m requested, 3m available"));
        check("c", of("big", "rc", 3), Ok(()));
        check("d", of("other", "rd", 1), Err("cpu: 1m requested, 0 available"));
        check("b", of("big", "rb", 2), Ok(()));
        check("a", of("big", "ra", 3), Ok(()));
        check("d", of("small", "rd", 3), Ok(()));
    }

    #[test]
    fn an_owner_who_has_too_much_keeps_it_and_gets_no_more() {
        let shares = Shares::new("team", Limit::from_amounts(|_| Some(2)), []);
        let bounds = Bounds { total: Limit::UNLIMITED, shares: Some(shares) };
        let mut ledger = ledger(&[("a", of("small", "ra", 3)), ("b", of("small", "rb", 3))]);
        assert_eq!(ledger.admit(Account::Quota, "a", of("small", "ra", 2), &bounds), Ok(()));
        let refusal = ledger.admit(Account::Quota, "a", of("small", "ra", 3), &bounds).unwrap_err();
        assert!(refusal.to_string().starts_with("cpu: 1m requested, 0 available"), "{refusal}");
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
