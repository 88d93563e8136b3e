//! How large a virtual cluster may be: CPU, memory and storage, their defaults and minimums.
//!
//! Owns the rules on sizes; where a size comes from (the configuration, a group) is the caller's business.

use crate::domain::quantity::{Bytes, Millicores};

/// The size of one virtual cluster. The host enforces it with a ResourceQuota on requests and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
}
