//! What there is to hand out, and whether a request fits.
//!
//! Owns the comparison of what is used, what is asked for and what there is. Never knows whose limit it is: a host's
//! capacity, a group's quota and the share of an owner are compared alike.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::domain::amounts::{Amounts, Countable, Extended};
use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::{Resource, Size};

/// What there is of everything; `None` is unlimited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limit {
    /// CPU in millicores.
    pub cpu: Option<Millicores>,
    /// Memory in bytes.
    pub memory: Option<Bytes>,
    /// Storage in bytes.
    pub storage: Option<Bytes>,
    /// Virtual clusters.
    pub virtual_clusters: Option<u64>,
    /// Extended resources by name.
    pub extended: Extended,
    /// What there is of each extended resource that is not named.
    pub unnamed: Option<u64>,
}

impl Limit {
    /// No limit on anything.
    pub const UNLIMITED: Self = Self {
        cpu: None,
        memory: None,
        storage: None,
        virtual_clusters: None,
        extended: BTreeMap::new(),
        unnamed: None,
    };

    /// The limit of one thing, in millicores, bytes or pieces; `None` is unlimited.
    pub fn get(&self, of: &Countable) -> Option<u64> {
        match of {
            Countable::Resource(resource) => self.of_resource(*resource),
            Countable::VirtualClusters => self.virtual_clusters,
            Countable::Extended(name) => self.of_extended(name),
        }
    }

    fn of_resource(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Cpu => self.cpu.map(|cpu| cpu.0),
            Resource::Memory => self.memory.map(|memory| memory.0),
            Resource::Storage => self.storage.map(|storage| storage.0),
        }
    }

    fn of_extended(&self, name: &Arc<str>) -> Option<u64> {
        self.extended.get(name).copied().or(self.unnamed)
    }

    /// A limit from that of each resource of a size, in millicores or bytes. Everything else is unlimited.
    pub fn from_amounts(amount: impl Fn(Resource) -> Option<u64>) -> Self {
        Self {
            cpu: amount(Resource::Cpu).map(Millicores),
            memory: amount(Resource::Memory).map(Bytes),
            storage: amount(Resource::Storage).map(Bytes),
            ..Self::UNLIMITED
        }
    }

    /// What is left when `used` is taken: zero where more is used than there is.
    pub fn available(&self, used: &Amounts) -> Self {
        let of_resource = |resource| Some(self.of_resource(resource)?.saturating_sub(used.size.get(resource)));
        let names = self.extended.keys().chain(used.extended.keys());
        let left = |name: &Arc<str>| {
            let used = used.extended.get(name).copied().unwrap_or(0);
            Some((Arc::clone(name), self.of_extended(name)?.saturating_sub(used)))
        };
        Self {
            virtual_clusters: self.virtual_clusters.map(|limit| limit.saturating_sub(used.virtual_clusters)),
            extended: names.filter_map(left).collect(),
            unnamed: self.unnamed,
            ..Self::from_amounts(of_resource)
        }
    }

    /// What grows beyond the limit. Something that does not grow is never short, even where more is used already than
    /// there is.
    pub fn shortage(&self, used: &Amounts, growth: &Amounts) -> Vec<Shortage> {
        growth.countables().filter_map(|of| self.short(of, used, growth)).collect()
    }

    /// The resources of which `size` has more than this.
    pub fn exceeded(&self, size: Size) -> Vec<Exceeded> {
        let exceeds = |resource: Resource| {
            let (given, maximum) = (size.get(resource), self.of_resource(resource)?);
            (given > maximum).then_some(Exceeded { resource, given, maximum })
        };
        Resource::ALL.into_iter().filter_map(exceeds).collect()
    }

    /// Whether nothing is short.
    pub fn fits(&self, used: &Amounts, growth: &Amounts) -> bool {
        growth.countables().all(|of| self.short(of, used, growth).is_none())
    }

    fn short(&self, of: Countable, used: &Amounts, growth: &Amounts) -> Option<Shortage> {
        let requested = growth.get(&of);
        let available = self.get(&of)?.saturating_sub(used.get(&of));
        (requested > available).then_some(Shortage { of, available, requested })
    }

    /// What there is in all: unlimited where one of them is, nothing where there are none.
    pub fn sum(limits: impl IntoIterator<Item = Self>) -> Self {
        let none = Self {
            cpu: Some(Millicores(0)),
            memory: Some(Bytes(0)),
            storage: Some(Bytes(0)),
            virtual_clusters: Some(0),
            extended: BTreeMap::new(),
            unnamed: Some(0),
        };
        limits.into_iter().fold(none, |sum, limit| sum.zip(&limit, |one, other| Some(one?.saturating_add(other?))))
    }

    /// The larger of each.
    pub fn larger(&self, other: &Self) -> Self {
        self.zip(other, |one, other| Some(one?.max(other?)))
    }

    /// What this says, and where it is unlimited what the other one says.
    pub fn or(&self, other: &Self) -> Self {
        self.zip(other, Option::or)
    }

    fn zip(&self, other: &Self, of: fn(Option<u64>, Option<u64>) -> Option<u64>) -> Self {
        let names = self.extended.keys().chain(other.extended.keys());
        let both = |name: &Arc<str>| Some((Arc::clone(name), of(self.of_extended(name), other.of_extended(name))?));
        Self {
            virtual_clusters: of(self.virtual_clusters, other.virtual_clusters),
            extended: names.filter_map(both).collect(),
            unnamed: of(self.unnamed, other.unnamed),
            ..Self::from_amounts(|resource| of(self.of_resource(resource), other.of_resource(resource)))
        }
    }
}

/// Something of which more is asked for than is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// What is short.
    pub of: Countable,
    /// What is left, in millicores, bytes or pieces.
    pub available: u64,
    /// What is asked for beyond what is held already, in the same unit.
    pub requested: u64,
}

/// A resource of which a size has more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Which of the three.
    pub resource: Resource,
    /// What was asked for, in millicores or bytes.
    pub given: u64,
    /// What there may be, in the same unit.
    pub maximum: u64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [given, maximum] = [self.given, self.maximum].map(|amount| self.resource.show(amount));
        write!(f, "{} is {given}, and the maximum is {maximum}", self.resource.attribute())
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount| self.of.say(amount);
        write!(f, "{}: {} requested, {} available", self.of.name(), show(self.requested), show(self.available))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;

    fn size(cpu: u64, memory: u64, storage: u64) -> Amounts {
        Size { cpu: Millicores(cpu), memory: Bytes(memory), storage: Bytes(storage) }.into()
    }

    fn limit() -> Limit {
        Limit { cpu: Some(Millicores(10_000)), memory: Some(Bytes(100)), ..Limit::UNLIMITED }
    }

    #[track_caller]
    fn check(limit: &Limit, used: &Amounts, growth: &Amounts, expected: &[&str]) {
        let shortages: Vec<String> = limit.shortage(used, growth).iter().map(Shortage::to_string).collect();
        assert_eq!(shortages, expected);
        assert_eq!(limit.fits(used, growth), expected.is_empty());
    }

    #[test]
    fn what_is_asked_for_must_be_left() {
        let check = |used, growth, expected: &[&str]| check(&limit(), &used, &growth, expected);
        check(size(6000, 0, 0), size(4000, 100, u64::MAX), &[]);
        check(size(7000, 0, 0), size(4000, 100, 0), &["cpu: 4 requested, 3 available"]);
        check(
            size(7500, 90, u64::MAX),
            size(4000, 20, u64::MAX),
            &["cpu: 4 requested, 2.5 available", "memory: 20 requested, 10 available"],
        );
        check(size(u64::MAX, 0, 0), size(u64::MAX, 0, 0), &["cpu: 18446744073709551.615 requested, 0 available"]);
    }

    #[test]
    fn virtual_clusters_and_extended_resources_are_counted_as_everything_else() {
        let of = |virtual_clusters, gpu| Amounts { virtual_clusters, extended: gpus(gpu), ..Amounts::ZERO };
        let limit = Limit { virtual_clusters: Some(2), extended: gpus(4), ..Limit::UNLIMITED };
        check(&limit, &of(1, 1), &of(1, 3), &[]);
        let both = ["virtual_clusters: 1 requested, 0 available", "nvidia.com/gpu: 2 requested, 1 available"];
        check(&limit, &of(2, 3), &of(1, 2), &both);
        let card = Amounts { extended: [("example.com/card".into(), 1)].into(), ..Amounts::ZERO };
        check(&limit, &Amounts::ZERO, &card, &[]);
        let of_host = Limit { unnamed: Some(0), ..limit };
        check(&of_host, &Amounts::ZERO, &card, &["example.com/card: 1 requested, 0 available"]);
        assert_eq!(of_host.available(&card).get(&Countable::Extended("example.com/card".into())), Some(0));
        assert_eq!(of_host.available(&of(0, 3)).extended, gpus(1));
    }

    #[test]
    fn what_is_more_than_there_may_be_is_named_with_both_numbers() {
        let said = |of: Amounts| limit().exceeded(of.size).iter().map(Exceeded::to_string).collect::<Vec<_>>();
        assert_eq!(said(size(10_000, 100, u64::MAX)), [""; 0]);
        assert_eq!(
            said(size(10_500, 101, 0)),
            ["cpu is 10500m, and the maximum is 10", "memory is 101, and the maximum is 100"]
        );
    }

    #[test]
    fn what_does_not_grow_is_never_short() {
        check(&limit(), &size(20_000, 200, 0), &Amounts::ZERO, &[]);
        check(&limit(), &size(20_000, 50, 0), &size(0, 50, 0), &[]);
    }

    #[test]
    fn what_is_left_of_an_overfull_host_is_nothing() {
        assert_eq!(
            limit().available(&size(12_000, 40, 7)),
            Limit { cpu: Some(Millicores(0)), memory: Some(Bytes(60)), ..limit() }
        );
    }

    #[test]
    fn a_sum_is_unlimited_where_one_of_them_is() {
        let host = Limit { storage: Some(Bytes(5)), extended: gpus(2), unnamed: Some(0), ..limit() };
        let sum = Limit::sum([host.clone(), host.clone()]);
        assert_eq!((sum.cpu, sum.storage), (Some(Millicores(20_000)), Some(Bytes(10))));
        assert_eq!((&sum.extended, sum.unnamed, sum.virtual_clusters), (&gpus(4), Some(0), None));
        assert_eq!(Limit::sum([host, limit()]).storage, None);
        assert_eq!(Limit::sum([]).cpu, Some(Millicores(0)));
    }

    #[test]
    fn what_one_does_not_say_is_the_others() {
        let own = Limit { cpu: Some(Millicores(1)), extended: gpus(1), ..Limit::UNLIMITED };
        let merged = own.or(&Limit { extended: [("example.com/card".into(), 3)].into(), ..limit() });
        assert_eq!((merged.cpu, merged.memory), (Some(Millicores(1)), Some(Bytes(100))));
        assert_eq!(merged.extended, [("example.com/card".into(), 3), ("nvidia.com/gpu".into(), 1)].into());
    }
}
