//! What there is to hand out of each resource, and whether a request fits.
//!
//! Owns the comparison of what is used, what is asked for and what there is. Never knows whose limit it is: a host's
//! capacity and a group's quota are compared alike.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::quantity::{Bytes, Millicores};
use crate::domain::size::{Resource, Size};

/// What there is of each resource; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limit {
    /// CPU in millicores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Millicores>,
    /// Memory in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Storage in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Bytes>,
}

impl Limit {
    /// No limit on anything.
    pub const UNLIMITED: Self = Self { cpu: None, memory: None, storage: None };

    /// The limit of one resource, in millicores or bytes; `None` is unlimited.
    pub fn get(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Cpu => self.cpu.map(|cpu| cpu.0),
            Resource::Memory => self.memory.map(|memory| memory.0),
            Resource::Storage => self.storage.map(|storage| storage.0),
        }
    }

    /// A limit from that of each resource, in millicores or bytes.
    pub fn from_amounts(amount: impl Fn(Resource) -> Option<u64>) -> Self {
        Self {
            cpu: amount(Resource::Cpu).map(Millicores),
            memory: amount(Resource::Memory).map(Bytes),
            storage: amount(Resource::Storage).map(Bytes),
        }
    }

    /// What is left when `used` is taken: zero where more is used than there is.
    pub fn available(&self, used: Size) -> Self {
        Self::from_amounts(|resource| Some(self.get(resource)?.saturating_sub(used.get(resource))))
    }

    /// The resources that grow beyond the limit. One that does not grow is never short, even where more is used already
    /// than there is.
    pub fn shortage(&self, used: Size, growth: Size) -> Vec<Shortage> {
        Resource::ALL.into_iter().filter_map(|resource| self.short(resource, used, growth)).collect()
    }

    /// The resources of which `size` has more than this.
    pub fn exceeded(&self, size: Size) -> Vec<Exceeded> {
        let exceeds = |resource: Resource| {
            let (given, maximum) = (size.get(resource), self.get(resource)?);
            (given > maximum).then_some(Exceeded { resource, given, maximum })
        };
        Resource::ALL.into_iter().filter_map(exceeds).collect()
    }

    /// Whether no resource is short.
    pub fn fits(&self, used: Size, growth: Size) -> bool {
        Resource::ALL.into_iter().all(|resource| self.short(resource, used, growth).is_none())
    }

    fn short(&self, resource: Resource, used: Size, growth: Size) -> Option<Shortage> {
        let requested = growth.get(resource);
        let available = self.get(resource)?.saturating_sub(used.get(resource));
        (requested > available).then_some(Shortage { resource, available, requested })
    }

    /// What there is in all: unlimited where one of them is, nothing where there are none.
    pub fn sum(limits: impl IntoIterator<Item = Self>) -> Self {
        let none = Self { cpu: Some(Millicores(0)), memory: Some(Bytes(0)), storage: Some(Bytes(0)) };
        limits.into_iter().fold(none, |sum, limit| {
            Self::from_amounts(|resource| Some(sum.get(resource)?.saturating_add(limit.get(resource)?)))
        })
    }
}

/// A resource of which more is asked for than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// Which of the three.
    pub resource: Resource,
    /// What is left, in millicores or bytes.
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
        let (name, show) = (self.resource.attribute(), |amount| self.resource.say(amount));
        write!(f, "{name}: {} requested, {} available", show(self.requested), show(self.available))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(cpu: u64, memory: u64, storage: u64) -> Size {
        Size { cpu: Millicores(cpu), memory: Bytes(memory), storage: Bytes(storage) }
    }

    const LIMIT: Limit = Limit { cpu: Some(Millicores(10_000)), memory: Some(Bytes(100)), storage: None };

    #[track_caller]
    fn check(used: Size, growth: Size, expected: &[&str]) {
        let shortages: Vec<String> = LIMIT.shortage(used, growth).iter().map(Shortage::to_string).collect();
        assert_eq!(shortages, expected);
        assert_eq!(LIMIT.fits(used, growth), expected.is_empty());
    }

    #[test]
    fn what_is_asked_for_must_be_left() {
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
    fn what_is_more_than_there_may_be_is_named_with_both_numbers() {
        let said = |size| LIMIT.exceeded(size).iter().map(Exceeded::to_string).collect::<Vec<_>>();
        assert_eq!(said(size(10_000, 100, u64::MAX)), [""; 0]);
        assert_eq!(
            said(size(10_500, 101, 0)),
            ["cpu is 10500m, and the maximum is 10", "memory is 101, and the maximum is 100"]
        );
    }

    #[test]
    fn what_does_not_grow_is_never_short() {
        check(size(20_000, 200, 0), Size::ZERO, &[]);
        check(size(20_000, 50, 0), size(0, 50, 0), &[]);
    }

    #[test]
    fn what_is_left_of_an_overfull_host_is_nothing() {
        let left = Limit { cpu: Some(Millicores(0)), memory: Some(Bytes(40)), storage: None };
        assert_eq!(LIMIT.available(size(11_000, 60, 5)), left);
    }

    #[test]
    fn one_unlimited_host_makes_the_sum_unlimited() {
        let storage = Limit { storage: Some(Bytes(u64::MAX)), ..LIMIT };
        let sum = Limit { cpu: Some(Millicores(20_000)), memory: Some(Bytes(200)), storage: None };
        assert_eq!(Limit::sum([storage, LIMIT]), sum);
        assert_eq!(Limit::sum([storage, storage]).storage, Some(Bytes(u64::MAX)));
        assert_eq!(Limit::sum([]).cpu, Some(Millicores(0)));
    }

    #[test]
    fn unlimited_resources_are_not_stored() {
        let stored = serde_json::to_string(&LIMIT).unwrap();
        assert_eq!(stored, r#"{"cpu":"10","memory":"100"}"#);
        assert_eq!(serde_json::from_str::<Limit>(&stored).unwrap(), LIMIT);
    }
}
