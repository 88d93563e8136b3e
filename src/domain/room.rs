//! What a group's hosts can carry, what is used of it and what is left, per host and in sum; and whether more fits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::domain::accounting::{Accounting, Change, Choice, Kind, Refused, Request};
use crate::domain::amounts::Amounts;
use crate::domain::ledger::{Account, Ledger};
use crate::domain::limit::Limit;
use crate::domain::shares::{Bounds, Labels};
use crate::domain::table::{self, Paint, Row};
use crate::domain::transition::Load;

/// Of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNumbers {
    /// What it can carry by the rules of the group.
    pub capacity: Limit,
    /// Who holds what of it.
    pub ledger: Ledger,
}

impl HostNumbers {
    /// What all its virtual clusters take.
    pub fn used(&self) -> Amounts {
        self.ledger.used(Account::Capacity)
    }

    /// What is left.
    pub fn available(&self) -> Limit {
        self.capacity.available(&self.used())
    }
}

/// Of the group's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaNumbers {
    /// What the group's virtual clusters may have together, and those of each owner.
    pub bounds: Bounds,
    /// Who holds what of it, or why that is not known.
    pub ledger: Result<Ledger, String>,
}

impl QuotaNumbers {
    /// What the group's virtual clusters take; none where that is not known.
    pub fn used(&self) -> Option<Amounts> {
        Some(self.ledger.as_ref().ok()?.used(Account::Quota))
    }

    /// Without a quota nothing is ever used up, whatever is used.
    pub fn available(&self) -> Option<Limit> {
        match self.used() {
            Some(used) => Some(self.bounds.total.available(&used)),
            None => (self.bounds.total == Limit::UNLIMITED).then_some(Limit::UNLIMITED),
        }
    }

    /// What each owner may have and holds. None without shares, and where nobody knows who holds what.
    pub fn shares(&self) -> Option<BTreeMap<String, Share>> {
        let (shares, ledger) = (self.bounds.shares.as_ref()?, self.ledger.as_ref().ok()?);
        let share = |owner: &str| {
            let used = ledger.used_by(Account::Quota, shares, owner);
            (owner.to_owned(), Share { limit: shares.limit(owner), used })
        };
        Some(self.owners().into_iter().map(share).collect())
    }

    /// Everybody who has a share: those who hold something of it, and those who are named.
    pub fn owners(&self) -> BTreeSet<&str> {
        let Some(shares) = &self.bounds.shares else { return BTreeSet::new() };
        let holdings = self.ledger.iter().flat_map(|ledger| ledger.entries.values());
        holdings.filter_map(|holding| shares.owner(&holding.labels)).chain(shares.exceptions()).collect()
    }
}

/// Of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// By the group's key: the numbers, or why they are not known.
    pub hosts: BTreeMap<String, Result<HostNumbers, String>>,
    /// Of its quota.
    pub quota: QuotaNumbers,
    /// What each of its virtual clusters must have at least.
    pub minimum: Amounts,
}

/// What an owner may have, and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// What all its virtual clusters may have together.
    pub limit: Limit,
    /// What they have.
    pub used: Amounts,
}

/// A virtual cluster that is to be launched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launching {
    /// What it is to have.
    pub load: Load,
    /// Its labels.
    pub labels: Labels,
}

/// Of all hosts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// What they can carry.
    pub capacity: Limit,
    /// What is used of it.
    pub used: Amounts,
    /// What is left, each host for itself.
    pub available: Limit,
}

/// What becomes of the numbers when virtual clusters are launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Used, allocated and available: each host, then the quota if there is one, then the shares of owners.
    pub rows: Vec<Row>,
    /// Those that have no place beside the others.
    pub refused: Vec<Refused>,
    /// Whether all of them fit. None where numbers are missing that decide it.
    pub fits: Option<bool>,
}

impl Numbers {
    /// The sum over all hosts; none where one is not known.
    pub fn sum(&self) -> Option<Sum> {
        let known: Vec<&HostNumbers> = self.hosts.values().map(|host| host.as_ref().ok()).collect::<Option<_>>()?;
        Some(Sum {
            capacity: Limit::sum(known.iter().map(|host| host.capacity.clone())),
            used: known.iter().fold(Amounts::ZERO, |sum, host| sum.saturating_add(&host.used())),
            available: Limit::sum(known.iter().map(|host| host.available())),
        })
    }

    /// What is not known, and why: a line for each host, then the quota.
    pub fn missing(&self) -> Vec<String> {
        let hosts = self.hosts.iter().filter_map(|(key, told)| Some((key, told.as_ref().err()?)));
        let mut lines: Vec<String> = hosts.map(|(key, why)| missing_host(key, why)).collect();
        lines.extend(self.quota.ledger.as_ref().err().map(|why| format!("  - the quota: {why}")));
        lines
    }

    /// Launches virtual clusters, by name, in the group `name`: counted as a plan would count them.
    pub fn launch(&self, name: &str, launching: &BTreeMap<String, Launching>) -> Launch {
        let launch = self.launch_on(name, launching, |_| true);
        if launch.fits.is_some() || self.quota.used().is_none() {
            return launch;
        }
        // Nobody needs the hosts that are not known if the others carry all of it.
        let without = self.launch_on(name, launching, |key| self.hosts.get(key).is_some_and(Result::is_ok));
        Launch { fits: without.fits.filter(|fits| *fits), ..launch }
    }

    fn launch_on(&self, name: &str, launching: &BTreeMap<String, Launching>, is_used: impl Fn(&str) -> bool) -> Launch {
        let mut accounting = Accounting::default();
        for (key, told) in &self.hosts {
            accounting.set_host(key, key, told.as_ref().map(|told| told.ledger.clone()).map_err(Clone::clone));
        }
        if self.quota.bounds != Bounds::UNLIMITED {
            accounting.set_quota(name, self.quota.bounds.clone(), self.quota.ledger.clone());
        }
        let choice = |(key, told): (&String, &Result<HostNumbers, String>)| Choice {
            host: key.clone(),
            limit: told.as_ref().map_or(Limit::UNLIMITED, |told| told.capacity.clone()),
        };
        let hosts: Vec<Choice> = self.hosts.iter().filter(|(key, _)| is_used(key)).map(choice).collect();
        let shares = self.quota.bounds.shares.as_ref();
        let owner = |launching: &Launching| Some(shares?.owner(&launching.labels)?.to_owned());
        let request = |label: &str, launching: &Launching| Request {
            group: Some(name.to_owned()),
            label: label.to_owned(),
            size: launching.load.of(Account::Capacity),
            quota: launching.load.of(Account::Quota),
            owner: owner(launching),
            share: launching.load.of(Account::Quota),
            whole: launching.load.of(Account::Quota),
            minimum: self.minimum.clone(),
            hosts: hosts.clone(),
            replaces: None,
        };
        let planned =
            launching.iter().map(|(label, launching)| accounting.plan(label.clone(), request(label, launching)));
        let refused: Vec<Refused> = planned.filter_map(|planned| planned.err().map(|refused| *refused)).collect();
        let is_certain = launching.is_empty() || accounting.missing(&request("", &Launching::default())).is_empty();
        let launched: Vec<String> = launching.values().filter_map(owner).collect();
        let mut owners = self.quota.owners();
        owners.extend(launched.iter().map(String::as_str));
        let fits = if refused.is_empty() { is_certain.then_some(true) } else { Some(false) };
        Launch { rows: accounting.rows(Some(name), &hosts, owners), refused, fits }
    }
}

impl Launch {
    /// The table, and a line for each that has no place.
    pub fn summary(&self, paint: Paint) -> String {
        let mut text = table::render(&self.rows, paint);
        for refused in &self.refused {
            let shortages: Vec<String> = refused.changes.iter().map(Change::to_string).collect();
            let place = match (refused.kind, &refused.host) {
                (Kind::Quota, _) => " in the quota".to_owned(),
                (Kind::Share, _) => {
                    format!(" in the share of {}", refused.request.owner.as_deref().unwrap_or_default())
                }
                (Kind::Capacity, Some(host)) => format!(" on {host}"),
                (Kind::Capacity, None) => String::new(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} does not fit{place}: {}", refused.request.label, shortages.join("; "));
        }
        text
    }
}

/// The line about a host of which something is not known.
pub fn missing_host(key: &str, why: &str) -> String {
    format!("  - host cluster \"{key}\": {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::ledger::Holding;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::shares::Shares;
    use crate::domain::size::Size;

    fn size(cores: u64, gib: u64) -> Size {
        Size { cpu: Millicores(cores * 1000), memory: Bytes(gib << 30), storage: Bytes(gib << 30) }
    }

    fn limit(cores: u64, gib: u64, storage: Option<u64>) -> Limit {
        let Size { cpu, memory, .. } = size(cores, gib);
        Limit { cpu: Some(cpu), memory: Some(memory), storage: storage.map(|gib| Bytes(gib << 30)), ..Limit::UNLIMITED }
    }

    /// One virtual cluster holds all of it.
    fn held(size: Size) -> Ledger {
        let labels = [("team".to_owned(), "web".to_owned())].into();
        let load = Load { size, ..Load::default() };
        let holding = Holding { name: "a".to_owned(), load, labels, record: "record".to_owned(), ..Holding::default() };
        Ledger { entries: [("vcluster-a".to_owned(), holding)].into() }
    }

    fn host(cores: u64, storage: Option<u64>, used: u64) -> Result<HostNumbers, String> {
        Ok(HostNumbers { capacity: limit(cores, cores, storage), ledger: held(size(used, used)) })
    }

    fn numbers(us: Result<HostNumbers, String>) -> Numbers {
        Numbers {
            hosts: [("eu-1".to_owned(), host(40, Some(100), 10)), ("us-1".to_owned(), us)].into(),
            quota: QuotaNumbers {
                bounds: Limit { cpu: Some(Millicores(20_000)), ..Limit::UNLIMITED }.into(),
                ledger: Ok(held(size(15, 15))),
            },
            minimum: Size::MINIMUM.into(),
        }
    }

    /// What a launch shows, and whether it fits.
    fn launched(numbers: &Numbers, sizes: &[(&str, Size)]) -> (String, Option<bool>) {
        let labels: Labels = [("team".to_owned(), "web".to_owned())].into();
        let launching = |size: Size| Launching { load: Load { size, ..Load::default() }, labels: labels.clone() };
        let sizes = sizes.iter().map(|(name, size)| ((*name).to_owned(), launching(*size))).collect();
        let launch = numbers.launch("dev", &sizes);
        (launch.summary(Paint::Plain), launch.fits)
    }

    #[test]
    fn a_sum_counts_what_is_left_of_each_host_for_itself() {
        let sum = numbers(host(8, Some(100), 10)).sum().unwrap();
        assert_eq!(sum.capacity, limit(48, 48, Some(200)));
        assert_eq!(sum.used, size(20, 20).into());
        assert_eq!(sum.available, limit(30, 30, Some(180)), "what is too much on one host is not taken of another");
        assert_eq!(numbers(host(8, None, 10)).sum().unwrap().available.storage, None);
    }

    #[test]
    fn what_is_not_known_is_in_no_sum_and_is_said() {
        let numbers = numbers(Err("down".into()));
        assert_eq!(numbers.sum(), None);
        assert_eq!(numbers.missing(), ["  - host cluster \"us-1\": down"]);
        let (summary, fits) = launched(&numbers, &[]);
        assert_eq!(fits, Some(true), "nothing always fits");
        assert_eq!(
            summary,
            "\
host   resource  used  available         of
eu-1   cpu         10         30         40  [#####...............]
       memory    10Gi       30Gi       40Gi  [#####...............]
       storage   10Gi       90Gi      100Gi  [##..................]
us-1   numbers are missing: down
quota  cpu         15          5         20  [###############.....]
       memory    15Gi  unlimited  unlimited
       storage   15Gi  unlimited  unlimited
"
        );
    }

    #[test]
    fn a_group_without_a_quota_has_no_line_for_it_and_nothing_runs_out() {
        let unlimited = |ledger| QuotaNumbers { bounds: Bounds::UNLIMITED, ledger };
        let numbers = Numbers { quota: unlimited(Ok(held(size(1, 1)))), ..numbers(host(8, None, 0)) };
        assert!(!launched(&numbers, &[]).0.contains("quota"));
        assert_eq!(unlimited(Err("down".into())).available(), Some(Limit::UNLIMITED));
        assert_eq!(
            QuotaNumbers { ledger: Err("down".into()), ..self::numbers(host(8, None, 0)).quota }.available(),
            None
        );
    }

    #[test]
    fn what_fits_shows_the_same_table_as_what_does_not() {
        let numbers = numbers(host(8, Some(100), 4));
        let (summary, fits) = launched(&numbers, &[("one", size(4, 4))]);
        assert_eq!(fits, Some(true));
        assert_eq!(
            summary,
            "\
host   resource  used  allocated  available         of
eu-1   cpu         10          4         26         40  [#####==.............]
       memory    10Gi        4Gi       26Gi       40Gi  [#####==.............]
       storage   10Gi        4Gi       86Gi      100Gi  [#=..................]
us-1   cpu          4          0          4          8  [##########..........]
       memory     4Gi          0        4Gi        8Gi  [##########..........]
       storage    4Gi          0       96Gi      100Gi  [#...................]
quota  cpu         15          4          1         20  [###############====.]
       memory    15Gi        4Gi  unlimited  unlimited
       storage   15Gi        4Gi  unlimited  unlimited
"
        );
        let (summary, fits) = launched(&numbers, &[("one", size(4, 4)), ("two", size(3, 3))]);
        assert_eq!(fits, Some(false));
        assert!(summary.starts_with("host   resource  used  allocated"), "{summary}");
        assert!(
            summary.ends_with("two does not fit in the quota: cpu: 3 requested, 1 available, 2 missing\n"),
            "{summary}"
        );
    }

    #[test]
    fn what_no_host_can_carry_names_the_closest() {
        let unlimited = QuotaNumbers { bounds: Bounds::UNLIMITED, ledger: Ok(Ledger::default()) };
        let numbers = Numbers { quota: unlimited, ..numbers(host(8, None, 4)) };
        let (summary, fits) = launched(&numbers, &[("big", size(32, 8)), ("small", size(4, 4))]);
        assert_eq!(fits, Some(false));
        assert!(
            summary.ends_with("big does not fit on eu-1: cpu: 32 requested, 30 available, 2 missing\n"),
            "{summary}"
        );
        assert!(summary.contains("  allocated"), "the other one has a place: {summary}");
    }

    #[test]
    fn whether_it_fits_is_not_known_where_numbers_that_decide_it_are_missing() {
        let numbers = numbers(Err("down".into()));
        assert_eq!(launched(&numbers, &[("one", size(4, 31))]).1, None);
        assert_eq!(launched(&numbers, &[("one", size(6, 31))]).1, Some(false), "the quota is known");
        assert_eq!(launched(&numbers, &[("one", size(4, 30))]).1, Some(true), "the other host is not needed");
        let unknown = QuotaNumbers { ledger: Err("down".into()), ..numbers.quota.clone() };
        assert_eq!(launched(&Numbers { quota: unknown, ..numbers }, &[("one", size(4, 4))]).1, None);
    }

    #[test]
    fn what_is_launched_is_counted_in_the_share_of_its_owner() {
        let shares = Shares::new("team", limit(16, 99, None), [("platform".to_owned(), limit(18, 99, None))]);
        let mut numbers = numbers(host(8, Some(100), 4));
        numbers.quota.bounds.shares = Some(shares);
        let (summary, fits) = launched(&numbers, &[("one", size(1, 1)), ("two", size(3, 3))]);
        assert_eq!(fits, Some(false));
        let shares = summary.split_once("share of platform").unwrap().1;
        assert_eq!(
            shares,
            "  cpu          0          0         18         18  [....................]
                   memory       0          0       99Gi       99Gi  [....................]
                   storage      0          0  unlimited  unlimited
share of web       cpu         15          1          0         16  [##################==]
                   memory    15Gi        1Gi       83Gi       99Gi  [##=.................]
                   storage   15Gi        1Gi  unlimited  unlimited
two does not fit in the share of web: cpu: 3 requested, 0 available, 3 missing
"
        );
    }

    #[test]
    fn devices_are_launched_as_everything_else() {
        let mut numbers = numbers(host(8, Some(100), 4));
        for host in numbers.hosts.values_mut() {
            let capacity = &mut host.as_mut().unwrap().capacity;
            (capacity.extended, capacity.unnamed) = (gpus(4), Some(0));
        }
        let launching = |amount| {
            let load = Load { size: size(1, 1), extended: gpus(amount), paused: false };
            Launching { load, labels: Labels::new() }
        };
        let all = [("a".to_owned(), launching(3)), ("b".to_owned(), launching(4)), ("c".to_owned(), launching(2))];
        let launch = numbers.launch("dev", &all.into());
        assert!(
            launch
                .summary(Paint::Plain)
                .ends_with("c does not fit on eu-1: nvidia.com/gpu: 2 requested, 1 available, 1 missing\n"),
            "{}",
            launch.summary(Paint::Plain)
        );
    }
}
