//! How large a virtual cluster may be: CPU, memory and storage, their defaults and minimums.
//!
//! Owns the rules on sizes; where a size comes from (the configuration, a group) is the caller's business.

use serde::{Deserialize, Serialize};

use crate::domain::quantity::{Bytes, Millicores, Quantity};

/// The size of one virtual cluster. The host enforces it with a ResourceQuota on requests and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Size {
    /// CPU that all pods of the virtual cluster may request, and be limited to, together.
    pub cpu: Millicores,
    /// Memory, likewise.
    pub memory: Bytes,
    /// Storage that all its persistent volume claims may request together, the control plane's own included.
    pub storage: Bytes,
}

const GIB: u64 = 1 << 30;

impl Size {
    /// What a virtual cluster gets when nobody says otherwise.
    pub const DEFAULT: Self = Self { cpu: Millicores(4000), memory: Bytes(4 * GIB), storage: Bytes(2 * GIB) };
    /// What a virtual cluster must have at least when nobody says otherwise.
    pub const MINIMUM: Self = Self { cpu: Millicores(3000), memory: Bytes(3 * GIB), storage: Bytes(0) };

    /// Nothing.
    pub const ZERO: Self = Self { cpu: Millicores(0), memory: Bytes(0), storage: Bytes(0) };

    /// The amount of one resource: millicores or bytes.
    pub fn get(self, resource: Resource) -> u64 {
        match resource {
            Resource::Cpu => self.cpu.0,
            Resource::Memory => self.memory.0,
            Resource::Storage => self.storage.0,
        }
    }

    /// A size from the amount of each resource: millicores or bytes.
    pub fn from_amounts(amount: impl Fn(Resource) -> u64) -> Self {
        Self {
            cpu: Millicores(amount(Resource::Cpu)),
            memory: Bytes(amount(Resource::Memory)),
            storage: Bytes(amount(Resource::Storage)),
        }
    }

    /// Both together; `None` if a resource is more than can be counted.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            cpu: Millicores(self.cpu.0.checked_add(other.cpu.0)?),
            memory: Bytes(self.memory.0.checked_add(other.memory.0)?),
            storage: Bytes(self.storage.0.checked_add(other.storage.0)?),
        })
    }

    /// Both together, each resource at most what can be counted.
    pub fn saturating_add(self, other: Self) -> Self {
        Self::from_amounts(|resource| self.get(resource).saturating_add(other.get(resource)))
    }

    /// What is left per resource when `other` is taken away, at least zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self::from_amounts(|resource| self.get(resource).saturating_sub(other.get(resource)))
    }

    /// By how much each resource is larger than in `old`; zero where it is not.
    pub fn growth_from(self, old: Self) -> Self {
        self.saturating_sub(old)
    }

    /// Everything that falls short of `minimum`.
    pub fn shortfalls(&self, minimum: &Self) -> Vec<Shortfall> {
        let cases = [
            (Resource::Cpu, self.cpu < minimum.cpu, self.cpu.to_string(), minimum.cpu.to_string()),
            (Resource::Memory, self.memory < minimum.memory, self.memory.to_string(), minimum.memory.to_string()),
            (Resource::Storage, self.storage < minimum.storage, self.storage.to_string(), minimum.storage.to_string()),
        ];
        cases
            .into_iter()
            .filter(|(_, short, _, _)| *short)
            .map(|(resource, _, given, minimum)| Shortfall { resource, given, minimum })
            .collect()
    }
}

/// One of the three resources that a size has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `resources.cpu`
    Cpu,
    /// `resources.memory`
    Memory,
    /// `resources.storage`
    Storage,
}

impl Resource {
    /// All three, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Storage];

    /// An amount (millicores or bytes) in canonical form.
    pub fn show(self, amount: u64) -> String {
        match self {
            Self::Cpu => Millicores(amount).to_string(),
            Self::Memory | Self::Storage => Bytes(amount).to_string(),
        }
    }

    /// An amount (millicores or bytes) for a sentence, exact: more than one CPU is not counted in millicores.
    pub fn say(self, amount: u64) -> String {
        match self {
            Self::Cpu if amount > 1000 && !amount.is_multiple_of(1000) => {
                format!("{}.{:03}", amount / 1000, amount % 1000).trim_end_matches('0').to_owned()
            }
            _ => self.show(amount),
        }
    }

    /// An amount (millicores or bytes) for tables, rounded down to one decimal.
    pub fn show_short(self, amount: u64) -> String {
        match self {
            Self::Cpu => Millicores(amount).human(),
            Self::Memory | Self::Storage => Bytes(amount).human(),
        }
    }

    /// An amount as a host wrote it, rounded up to a whole millicore or byte; none where it is no quantity.
    pub fn read(self, text: &str) -> Option<u64> {
        let quantity: Quantity = text.parse().ok()?;
        Some(match self {
            Self::Cpu => quantity.millicores(),
            Self::Memory | Self::Storage => quantity.bytes(),
        })
    }

    /// The attribute's name.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Storage => "storage",
        }
    }
}

/// A resource below its minimum; both numbers in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is {given}, and the minimum is {minimum}", .resource.attribute())]
pub struct Shortfall {
    /// Which of the three.
    pub resource: Resource,
    /// What was asked for.
    pub given: String,
    /// What is needed.
    pub minimum: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_and_default_are_large_enough() {
        assert_eq!(Size::MINIMUM.shortfalls(&Size::MINIMUM), []);
        assert_eq!(Size::DEFAULT.shortfalls(&Size::MINIMUM), []);
    }

    #[test]
    fn a_shortfall_names_both_numbers() {
        let size = Size { cpu: Millicores(2500), memory: Bytes(2 * GIB), ..Size::DEFAULT };
        let messages: Vec<String> = size.shortfalls(&Size::MINIMUM).iter().map(Shortfall::to_string).collect();
        assert_eq!(messages, ["cpu is 2500m, and the minimum is 3", "memory is 2Gi, and the minimum is 3Gi"]);
    }

    #[test]
    fn sizes_are_counted_per_resource() {
        let (small, large) = (
            Size { cpu: Millicores(1), memory: Bytes(9), storage: Bytes(u64::MAX) },
            Size { cpu: Millicores(3), memory: Bytes(4), storage: Bytes(u64::MAX) },
        );
        assert_eq!(
            large.growth_from(small),
            Size { cpu: Millicores(2), memory: Bytes(0), storage: Bytes(0) },
            "what shrinks does not grow"
        );
        assert_eq!(small.checked_add(large), None);
        assert_eq!(
            small.saturating_add(large),
            Size { cpu: Millicores(4), memory: Bytes(13), storage: Bytes(u64::MAX) }
        );
        assert_eq!(small.checked_add(Size::ZERO), Some(small));
        assert_eq!(Size::default(), Size::ZERO);
    }

    #[test]
    fn a_size_is_stored_as_quantities() {
        let stored = serde_json::to_string(&Size::DEFAULT).unwrap();
        assert_eq!(stored, r#"{"cpu":"4","memory":"4Gi","storage":"2Gi"}"#);
        assert_eq!(serde_json::from_str::<Size>(&stored).unwrap(), Size::DEFAULT);
    }

    #[test]
    fn amounts_are_shown_in_the_unit_of_their_resource() {
        assert_eq!(Resource::ALL.map(|resource| resource.show(3500)), ["3500m", "3500", "3500"]);
        assert_eq!([500, 1000, 3500, 34_405].map(|cpu| Resource::Cpu.say(cpu)), ["500m", "1", "3.5", "34.405"]);
        assert_eq!(Resource::ALL.map(|resource| resource.show_short(3584)), ["3.5", "3.5Ki", "3.5Ki"]);
    }
}
