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
    groups: Mutex<BTreeMap<String, Group>>,
    accounting: Mutex<Accounting>,
}

/// A group as one run plans it.
#[derive(Clone)]
struct Group {
    /// None: not all of it is known yet.
    spec: Option<GroupSpec>,
    /// The same, with nothing for values that are not known yet. None: more than these is not known.
    without_unknown_values: Option<GroupSpec>,
}

impl Planned {
    /// Takes note of a group as it is planned, so that virtual clusters of the same run are planned into it. Without a spec
    /// not all of it is known yet; then it is noted with nothing for values that are not known, if they are all.
    pub fn plan_group(&self, name: &str, spec: Option<GroupSpec>, without_unknown_values: Option<GroupSpec>) {
        locked(&self.groups).insert(name.to_owned(), Group { spec, without_unknown_values });
    }

    /// The group as this run has planned it, with nothing for values that are not known yet. None where more is not known.
    pub fn group_without_unknown_values(&self, name: &str) -> Option<GroupSpec> {
        locked(&self.groups).get(name)?.without_unknown_values.clone()
    }

    /// The group as this run has planned it, if it has.
    pub fn group(&self, name: &str) -> Option<Option<GroupSpec>> {
        locked(&self.groups).get(name).map(|group| group.spec.clone())
    }

    /// The sum of what is planned.
    pub fn accounting(&self) -> MutexGuard<'_, Accounting> {
        locked(&self.accounting)
    }
}
