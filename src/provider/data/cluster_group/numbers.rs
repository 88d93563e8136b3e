//! What a group's hosts can carry, what is used of it and what is left, per host and in sum. Pure.

use std::collections::BTreeMap;

use crate::domain::limit::Limit;
use crate::domain::size::Size;
use crate::domain::table::{self, Row};

/// Of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostNumbers {
    /// What it can carry by the rules of the group.
    pub capacity: Limit,
    /// What all its virtual clusters take.
    pub used: Size,
}

impl HostNumbers {
    pub fn available(&self) -> Limit {
        self.capacity.available(self.used)
    }
}

/// Of the group's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaNumbers {
    pub limit: Limit,
    /// What the group's virtual clusters take, or why that is not known.
    pub used: Result<Size, String>,
}

impl QuotaNumbers {
    /// Without a quota nothing is ever used up, whatever is used.
    pub fn available(&self) -> Option<Limit> {
        match &self.used {
            Ok(used) => Some(self.limit.available(*used)),
            Err(_) => (self.limit == Limit::UNLIMITED).then_some(Limit::UNLIMITED),
        }
    }
}

/// Of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// By the group's key: the numbers, or why they are not known.
    pub hosts: BTreeMap<String, Result<HostNumbers, String>>,
    /// Hosts whose virtual clusters are not known, and why.
    pub unlisted: BTreeMap<String, String>,
    pub quota: QuotaNumbers,
}

/// Of all hosts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    pub capacity: Limit,
    pub used: Size,
    pub available: Limit,
}

impl Numbers {
    /// The sum over all hosts; none where one is not known.
    pub fn sum(&self) -> Option<Sum> {
        let known: Vec<&HostNumbers> = self.hosts.values().map(|host| host.as_ref().ok()).collect::<Option<_>>()?;
        Some(Sum {
            capacity: Limit::sum(known.iter().map(|host| host.capacity)),
            used: known.iter().fold(Size::ZERO, |sum, host| sum.saturating_add(host.used)),
            available: Limit::sum(known.iter().map(|host| host.available())),
        })
    }

    /// What is not known, and why, a line each.
    pub fn missing(&self) -> Vec<String> {
        let hosts = self.hosts.iter().filter_map(|(key, told)| Some((key, told.as_ref().err()?)));
        let line = |(key, why): (&String, &String)| format!("  - host cluster \"{key}\": {why}");
        let mut lines: Vec<String> = hosts.map(line).collect();
        let unlisted = self.unlisted.iter().filter(|(key, _)| self.hosts.get(*key).is_some_and(Result::is_ok));
        lines.extend(unlisted.map(line));
        lines.extend(self.quota.used.as_ref().err().map(|why| format!("  - the quota: {why}")));
        lines
    }

    /// The same as a table.
    pub fn summary(&self) -> String {
        let hosts = self.hosts.iter().map(|(key, told)| {
            let numbers = told.as_ref().map(|told| (told.capacity, told.used));
            row(key, numbers.map_err(String::as_str))
        });
        let quota = (self.quota.limit != Limit::UNLIMITED).then(|| {
            let used = self.quota.used.as_ref().map(|used| (self.quota.limit, *used));
            row("quota", used.map_err(String::as_str))
        });
        table::render(&hosts.chain(quota).collect::<Vec<_>>())
    }
}

fn row(name: &str, numbers: Result<(Limit, Size), &str>) -> Row {
    let (limit, used) = numbers.unwrap_or_default();
    let missing = numbers.err().map(str::to_owned);
    Row { name: name.to_owned(), limit, used, allocated: Size::ZERO, missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::{Bytes, Millicores};

    fn size(cores: u64, gib: u64) -> Size {
        Size { cpu: Millicores(cores * 1000), memory: Bytes(gib << 30), storage: Bytes(gib << 30) }
    }

    fn limit(cores: u64, gib: u64, storage: Option<u64>) -> Limit {
        let Size { cpu, memory, .. } = size(cores, gib);
        Limit { cpu: Some(cpu), memory: Some(memory), storage: storage.map(|gib| Bytes(gib << 30)) }
    }

    fn host(cores: u64, storage: Option<u64>, used: u64) -> Result<HostNumbers, String> {
        Ok(HostNumbers { capacity: limit(cores, cores, storage), used: size(used, used) })
    }

    fn numbers(us: Result<HostNumbers, String>) -> Numbers {
        Numbers {
            hosts: [("eu-1".to_owned(), host(40, Some(100), 10)), ("us-1".to_owned(), us)].into(),
            unlisted: BTreeMap::new(),
            quota: QuotaNumbers {
                limit: Limit { cpu: Some(Millicores(20_000)), ..Limit::UNLIMITED },
                used: Ok(size(15, 15)),
            },
        }
    }

    #[test]
    fn a_sum_counts_what_is_left_of_each_host_for_itself() {
        let sum = numbers(host(8, Some(100), 10)).sum().unwrap();
        assert_eq!(sum.capacity, limit(48, 48, Some(200)));
        assert_eq!(sum.used, size(20, 20));
        assert_eq!(sum.available, limit(30, 30, Some(180)), "what is too much on one host is not taken of another");
        assert_eq!(numbers(host(8, None, 10)).sum().unwrap().available.storage, None);
    }

    #[test]
    fn what_is_not_known_is_in_no_sum_and_is_said() {
        let numbers = Numbers {
            unlisted: [("eu-1".to_owned(), "forbidden".to_owned()), ("us-1".to_owned(), "down".to_owned())].into(),
            ..numbers(Err("down".into()))
        };
        assert_eq!(numbers.sum(), None);
        assert_eq!(numbers.missing(), ["  - host cluster \"us-1\": down", "  - host cluster \"eu-1\": forbidden"]);
        assert_eq!(
            numbers.summary(),
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
        let unlimited = |used| QuotaNumbers { limit: Limit::UNLIMITED, used };
        let numbers = Numbers { quota: unlimited(Ok(size(1, 1))), ..numbers(host(8, None, 0)) };
        assert!(!numbers.summary().contains("quota"));
        assert_eq!(unlimited(Err("down".into())).available(), Some(Limit::UNLIMITED));
        assert_eq!(
            QuotaNumbers { used: Err("down".into()), ..self::numbers(host(8, None, 0)).quota }.available(),
            None
        );
    }
}
