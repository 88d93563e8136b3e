//! What is accounted for of virtual clusters: their sizes, how many there are, and extended resources of nodes.
//!
//! Owns adding and comparing. Never knows what there is, nor whose it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::size::{Resource, Size};

/// Amounts of extended resources by their names, such as `nvidia.com/gpu`. One that is not named is none.
pub type Extended = BTreeMap<Arc<str>, u64>;

/// Something of which there are amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Countable {
    /// CPU, memory or storage.
    Resource(Resource),
    /// Virtual clusters themselves.
    VirtualClusters,
    /// A resource that only some nodes have, and that comes in whole pieces.
    Extended(Arc<str>),
}

impl From<Resource> for Countable {
    fn from(resource: Resource) -> Self {
        Self::Resource(resource)
    }
}

impl Countable {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Self::Resource(resource) => resource.attribute(),
            Self::VirtualClusters => "virtual_clusters",
            Self::Extended(name) => name,
        }
    }

    /// The attribute that holds it, of one that holds amounts: `quota.cpu`, `quota.hard["requests.nvidia.com/gpu"]`.
    pub fn attribute_of(&self, amounts: &str) -> String {
        match self {
            Self::Extended(name) => format!("{amounts}.hard[\"requests.{name}\"]"),
            _ => format!("{amounts}.{}", self.name()),
        }
    }

    /// An amount in canonical form.
    pub fn show(&self, amount: u64) -> String {
        self.resource().map_or_else(|| amount.to_string(), |resource| resource.show(amount))
    }

    /// An amount for a sentence, exact.
    pub fn say(&self, amount: u64) -> String {
        self.resource().map_or_else(|| amount.to_string(), |resource| resource.say(amount))
    }

    /// An amount for tables, rounded down to one decimal.
    pub fn show_short(&self, amount: u64) -> String {
        self.resource().map_or_else(|| amount.to_string(), |resource| resource.show_short(amount))
    }

    fn resource(&self) -> Option<Resource> {
        match self {
            Self::Resource(resource) => Some(*resource),
            Self::VirtualClusters | Self::Extended(_) => None,
        }
    }
}

/// How much of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts {
    /// CPU, memory and storage.
    pub size: Size,
    /// Virtual clusters.
    pub virtual_clusters: u64,
    /// Extended resources, none of which is zero.
    pub extended: Extended,
}

impl From<Size> for Amounts {
    fn from(size: Size) -> Self {
        Self { size, ..Self::ZERO }
    }
}

impl Amounts {
    /// Nothing.
    pub const ZERO: Self = Self { size: Size::ZERO, virtual_clusters: 0, extended: BTreeMap::new() };

    /// How much of one thing: millicores, bytes or pieces.
    pub fn get(&self, of: &Countable) -> u64 {
        match of {
            Countable::Resource(resource) => self.size.get(*resource),
            Countable::VirtualClusters => self.virtual_clusters,
            Countable::Extended(name) => self.extended.get(name).copied().unwrap_or(0),
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Everything of which there is some, in the order in which it is shown.
    pub fn countables(&self) -> impl Iterator<Item = Countable> {
        let of_size = Resource::ALL.into_iter().filter(|resource| self.size.get(*resource) > 0).map(Countable::from);
        let virtual_clusters = (self.virtual_clusters > 0).then_some(Countable::VirtualClusters);
        of_size.chain(virtual_clusters).chain(self.extended.keys().cloned().map(Countable::Extended))
    }

    /// Both together, each at most what can be counted.
    pub fn saturating_add(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// By how much there is more of each than in `old`; nothing where there is not.
    pub fn growth_from(&self, old: &Self) -> Self {
        self.zip(old, u64::saturating_sub)
    }

    /// The larger of each.
    pub fn larger(&self, other: &Self) -> Self {
        self.zip(other, u64::max)
    }

    /// The smaller of each.
    pub fn smaller(&self, other: &Self) -> Self {
        self.zip(other, u64::min)
    }

    fn zip(&self, other: &Self, of: fn(u64, u64) -> u64) -> Self {
        Self {
            size: Size::from_amounts(|resource| of(self.size.get(resource), other.size.get(resource))),
            virtual_clusters: of(self.virtual_clusters, other.virtual_clusters),
            extended: zip_extended(&self.extended, &other.extended, of),
        }
    }
}

/// Every name of either, with what becomes of both amounts; none that becomes nothing.
pub fn zip_extended(one: &Extended, other: &Extended, of: impl Fn(u64, u64) -> u64) -> Extended {
    let amount = |of: &Extended, name: &Arc<str>| of.get(name).copied().unwrap_or(0);
    let both =
        one.keys().chain(other.keys()).map(|name| (Arc::clone(name), of(amount(one, name), amount(other, name))));
    both.filter(|(_, amount)| *amount > 0).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::quantity::{Bytes, Millicores};

    /// So many GPUs.
    pub(crate) fn gpus(amount: u64) -> Extended {
        [("nvidia.com/gpu".into(), amount)].into()
    }

    fn amounts(cpu: u64, virtual_clusters: u64, extended: Extended) -> Amounts {
        Amounts { size: Size { cpu: Millicores(cpu), ..Size::ZERO }, virtual_clusters, extended }
    }

    #[test]
    fn everything_is_counted_for_itself() {
        let (small, large) = (amounts(3, 1, gpus(1)), amounts(5, 1, gpus(4)));
        assert_eq!(small.saturating_add(&large), amounts(8, 2, gpus(5)));
        assert_eq!(large.growth_from(&small), amounts(2, 0, gpus(3)));
        assert_eq!(small.growth_from(&large), Amounts::ZERO, "what shrinks does not grow, and leaves no name behind");
        assert_eq!(small.larger(&amounts(1, 4, Extended::new())), amounts(3, 4, gpus(1)));
        assert_eq!(small.smaller(&large), small);
        assert!(Amounts::default().is_zero() && !amounts(0, 0, gpus(1)).is_zero());
    }

    #[test]
    fn what_there_is_none_of_is_not_named() {
        let named = |amounts: &Amounts| amounts.countables().map(|of| of.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(named(&amounts(3, 1, gpus(1))), ["cpu", "virtual_clusters", "nvidia.com/gpu"]);
        assert_eq!(named(&Size { memory: Bytes(1), ..Size::ZERO }.into()), ["memory"]);
    }

    #[test]
    fn amounts_are_shown_in_the_unit_of_what_is_counted() {
        let gpu = Countable::Extended("nvidia.com/gpu".into());
        let cpu = Countable::from(Resource::Cpu);
        assert_eq!([&cpu, &gpu].map(|of| of.show(3500)), ["3500m", "3500"]);
        assert_eq!([&cpu, &gpu].map(|of| of.say(3500)), ["3.5", "3500"]);
        assert_eq!([&cpu, &gpu].map(|of| of.show_short(3500)), ["3.5", "3500"]);
        let attributes = [cpu, Countable::VirtualClusters, gpu].map(|of| of.attribute_of("quota"));
        assert_eq!(attributes, ["quota.cpu", "quota.virtual_clusters", "quota.hard[\"requests.nvidia.com/gpu\"]"]);
    }
}
