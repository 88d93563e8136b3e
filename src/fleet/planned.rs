//! What the plans of one run come to: groups as they are planned, and the sum of what virtual clusters ask for.
//!
//! Owns nothing that was read. Whether something fits is decided by [`crate::domain::accounting`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::domain::accounting::Accounting;
use crate::fleet::group::spec::GroupSpec;
use crate::fleet::locked;

/// The plans of one run.
#[derive(Default)]
pub struct Planned {
    groups: Mutex<BTreeMap<String, Option<GroupSpec>>>,
    accounting: Mutex<Accounting>,
}

impl Planned {
    /// Takes note of a group as it is planned, so that virtual clusters of the same run are planned into it. Without a spec
    /// not all of it is known yet.
    pub fn plan_group(&self, name: &str, spec: Option<GroupSpec>) {
        locked(&self.groups).insert(name.to_owned(), spec);
    }

    /// The group as this run has planned it, if it has.
    pub fn group(&self, name: &str) -> Option<Option<GroupSpec>> {
        locked(&self.groups).get(name).cloned()
    }

    /// The sum of what is planned.
    pub fn accounting(&self) -> MutexGuard<'_, Accounting> {
        locked(&self.accounting)
    }
}
