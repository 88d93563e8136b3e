//! What a virtual cluster is charged with while it becomes another one. Plan and apply ask the same here.

use crate::domain::amounts::{Amounts, Extended, zip_extended};
use crate::domain::ledger::Account;
use crate::domain::size::{Resource, Size};

/// What a virtual cluster may have, and whether it is paused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Load {
    /// CPU, memory and storage.
    pub size: Size,
    /// Extended resources.
    pub extended: Extended,
    /// Whether it is paused.
    pub paused: bool,
}

impl Load {
    /// What it takes of an account.
    pub fn of(&self, account: Account) -> Amounts {
        let (size, extended) = (self.size, self.extended.clone());
        match account {
            Account::Capacity if self.paused => Size { storage: size.storage, ..Size::ZERO }.into(),
            Account::Capacity => Amounts { size, virtual_clusters: 0, extended },
            Account::Quota => Amounts { size, virtual_clusters: 1, extended },
        }
    }

    /// Whether it takes more of any account.
    pub fn takes_more_than(&self, before: &Self) -> bool {
        let accounts = [Account::Capacity, Account::Quota];
        accounts.into_iter().any(|account| !self.of(account).growth_from(&before.of(account)).is_zero())
    }

    /// What is held while this becomes `after`: the larger of each. Who resumes has nothing running until the quota on the
    /// host has the new size, so a smaller size to come back with is all that is needed.
    pub fn until(&self, after: &Self) -> Self {
        let resumes = self.paused && !after.paused;
        let larger = |resource: Resource| match resource {
            Resource::Cpu | Resource::Memory if resumes => after.size.get(resource),
            _ => self.size.get(resource).max(after.size.get(resource)),
        };
        let extended =
            if resumes { after.extended.clone() } else { zip_extended(&self.extended, &after.extended, u64::max) };
        Self { size: Size::from_amounts(larger), extended, paused: self.paused && after.paused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::quantity::{Bytes, Millicores};

    fn load(cpu: u64, memory: u64, storage: u64, paused: bool) -> Load {
        let size = Size { cpu: Millicores(cpu), memory: Bytes(memory), storage: Bytes(storage) };
        // As many GPUs as CPU, so that both can be seen to go together.
        Load { size, extended: gpus(cpu), paused }
    }

    #[test]
    fn the_larger_of_each_is_held_unless_nothing_runs_before() {
        let (small, large) = (|paused| load(3, 3, 1, paused), |paused| load(4, 4, 2, paused));
        for (before, after, expected) in [
            (small(false), large(false), large(false)),
            (large(false), small(false), large(false)),
            (large(false), load(3, 4, 1, false), large(false)),
            (large(true), small(true), large(true)),
            (large(true), small(false), load(3, 3, 2, false)),
            (small(true), large(false), large(false)),
            // It runs until the quota on the host has the new size.
            (small(false), large(true), large(false)),
        ] {
            assert_eq!(before.until(&after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_pause_leaves_storage_to_the_host_and_everything_to_the_quota() {
        let paused = load(4, 4, 2, true);
        assert_eq!(paused.of(Account::Capacity), Size { storage: Bytes(2), ..Size::ZERO }.into());
        assert_eq!(paused.of(Account::Quota), Amounts { size: paused.size, virtual_clusters: 1, extended: gpus(4) });
        assert_eq!(load(4, 4, 2, false).of(Account::Capacity).extended, gpus(4));
    }
}
