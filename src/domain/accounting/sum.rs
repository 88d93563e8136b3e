//! An exact sum of sizes.
//!
//! Owns adding and taking away without loss. Never leaves the accounting: what others see is a [`Size`].

use crate::domain::size::{Resource, Size};

/// A sum that is too wide to overflow, so that what was added can be taken away again: millicores and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum([u128; 3]);

impl Sum {
    /// The sum of one size.
    pub fn of(size: Size) -> Self {
        Self(Resource::ALL.map(|resource| u128::from(size.get(resource))))
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self([0, 1, 2].map(|i| self.0[i].saturating_add(other.0[i])))
    }

    /// What is left without this size, at least zero.
    pub fn less(self, size: Size) -> Self {
        let size = Self::of(size);
        Self([0, 1, 2].map(|i| self.0[i].saturating_sub(size.0[i])))
    }

    /// As a size, each resource at most what can be counted.
    pub fn size(self) -> Size {
        let [cpu, memory, storage] = self.0.map(|amount| u64::try_from(amount).unwrap_or(u64::MAX));
        Size::from_amounts(|resource| match resource {
            Resource::Cpu => cpu,
            Resource::Memory => memory,
            Resource::Storage => storage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::{Bytes, Millicores};

    #[test]
    fn what_was_added_can_be_taken_away_even_beyond_what_a_size_holds() {
        let large = Size { cpu: Millicores(u64::MAX), memory: Bytes(7), storage: Bytes(0) };
        let sum = Sum::of(large).plus(Sum::of(large));
        assert_eq!(sum.size(), Size { memory: Bytes(14), ..large });
        assert_eq!(sum.less(large), Sum::of(large));
        assert_eq!(Sum::default().less(large), Sum::default());
    }
}
