//! An exact sum of amounts.
//!
//! Owns adding and taking away without loss. Never leaves the accounting: what others see are [`Amounts`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::amounts::Amounts;
use crate::domain::size::{Resource, Size};

/// A sum that is too wide to overflow, so that what was added can be taken away again: millicores, bytes and pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sum {
    size: [u128; 3],
    virtual_clusters: u128,
    extended: BTreeMap<Arc<str>, u128>,
}

impl Sum {
    /// The sum of these amounts alone.
    pub fn of(amounts: &Amounts) -> Self {
        Self {
            size: Resource::ALL.map(|resource| u128::from(amounts.size.get(resource))),
            virtual_clusters: amounts.virtual_clusters.into(),
            extended: amounts.extended.iter().map(|(name, amount)| (Arc::clone(name), u128::from(*amount))).collect(),
        }
    }

    /// Both together.
    pub fn plus(mut self, other: &Self) -> Self {
        self.size = [0, 1, 2].map(|i| self.size[i].saturating_add(other.size[i]));
        self.virtual_clusters = self.virtual_clusters.saturating_add(other.virtual_clusters);
        for (name, amount) in &other.extended {
            let sum = self.extended.entry(Arc::clone(name)).or_default();
            *sum = sum.saturating_add(*amount);
        }
        self
    }

    /// What is left without these amounts, at least nothing.
    pub fn less(mut self, amounts: &Amounts) -> Self {
        let other = Self::of(amounts);
        self.size = [0, 1, 2].map(|i| self.size[i].saturating_sub(other.size[i]));
        self.virtual_clusters = self.virtual_clusters.saturating_sub(other.virtual_clusters);
        for (name, amount) in other.extended {
            if let Some(sum) = self.extended.get_mut(&name) {
                *sum = sum.saturating_sub(amount);
            }
        }
        self.extended.retain(|_, amount| *amount > 0);
        self
    }

    /// What that is, each at most what can be counted.
    pub fn amounts(&self) -> Amounts {
        let narrow = |amount: u128| u64::try_from(amount).unwrap_or(u64::MAX);
        let [cpu, memory, storage] = self.size.map(narrow);
        let size = Size::from_amounts(|resource| match resource {
            Resource::Cpu => cpu,
            Resource::Memory => memory,
            Resource::Storage => storage,
        });
        let extended = self.extended.iter().map(|(name, amount)| (Arc::clone(name), narrow(*amount))).collect();
        Amounts { size, virtual_clusters: narrow(self.virtual_clusters), extended }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::quantity::{Bytes, Millicores};

    #[test]
    fn what_was_added_can_be_taken_away_even_beyond_what_can_be_counted() {
        let size = Size { cpu: Millicores(u64::MAX), memory: Bytes(7), storage: Bytes(0) };
        let large = Amounts { size, virtual_clusters: 1, extended: gpus(u64::MAX) };
        let sum = Sum::of(&large).plus(&Sum::of(&large));
        let doubled =
            Amounts { size: Size { memory: Bytes(14), ..size }, virtual_clusters: 2, extended: gpus(u64::MAX) };
        assert_eq!(sum.amounts(), doubled);
        assert_eq!(sum.clone().less(&large), Sum::of(&large));
        assert_eq!(sum.less(&large).less(&large), Sum::default(), "no name is left behind");
        assert_eq!(Sum::default().less(&large), Sum::default());
    }
}
