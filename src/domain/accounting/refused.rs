//! Why a plan does not fit, and what would make it fit.
//!
//! Owns the numbers of a refusal. Never words the diagnostic.

use std::cmp::Ordering;
use std::fmt;

use crate::domain::accounting::Request;
use crate::domain::amounts::{Amounts, Countable};
use crate::domain::limit::Limit;
use crate::domain::table::Row;

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The group's quota.
    Quota,
    /// The owner's share of it.
    Share,
    /// The capacity of every host that comes into question.
    Capacity,
}

/// A request that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What there is too little of.
    pub kind: Kind,
    /// What was asked for.
    pub request: Request,
    /// The hosts that come into question in the request's order, then the group's quota if it has one (called `quota`), then the
    /// owner's share if there is one.
    /// Allocated is what is planned so far without this request; used is without the share that it replaces.
    pub rows: Vec<Row>,
    /// Where the least is missing: the host's name; `None` for quota and share, and where no host comes into question.
    pub host: Option<String>,
    /// The smallest changes that together make it fit there, as everything else is placed now: one for everything
    /// that is short.
    pub changes: Vec<Change>,
}

/// By how much something is short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is short.
    pub of: Countable,
    /// What is asked for beyond what is held already, in millicores, bytes or pieces.
    pub requested: u64,
    /// What is left, in the same unit; zero where more is used than there is.
    pub available: u64,
    /// By how much the request must be smaller to fit; at most `requested`.
    pub reduce_by: u64,
    /// By how much the limit must be larger for the request to fit. More than `reduce_by` where the limit is exceeded
    /// already.
    pub raise_by: u64,
    /// The limit with which it fits.
    pub raise_to: u64,
}

impl Refused {
    /// Whether the request can be made so much smaller, without falling short of what it must have.
    pub fn can_be_smaller(&self, change: &Change) -> bool {
        let (whole, minimum) = (self.request.whole.get(&change.of), self.request.minimum.get(&change.of));
        whole.saturating_sub(change.reduce_by) >= minimum
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, show) = (self.of.name(), |amount| self.of.say(amount));
        let (requested, available) = (show(self.requested), show(self.available));
        write!(f, "{name}: {requested} requested, {available} available, {} missing", show(self.reduce_by))
    }
}

/// What must change for a request to fit beside what is taken.
pub(super) fn changes(limit: &Limit, taken: &Amounts, request: &Amounts) -> Vec<Change> {
    let change = |of: Countable| {
        let (requested, taken, limit) = (request.get(&of), taken.get(&of), limit.get(&of)?);
        let available = limit.saturating_sub(taken);
        let raise_to = taken.saturating_add(requested);
        (requested > available).then(|| Change {
            of,
            requested,
            available,
            reduce_by: requested - available,
            raise_by: raise_to.saturating_sub(limit),
            raise_to,
        })
    };
    request.countables().filter_map(change).collect()
}

/// Of two hosts with shortages, the one where less is missing of the resource that is worst off, as a part of what is
/// asked for, comes first.
pub(super) fn compare(a: &[Change], b: &[Change]) -> Ordering {
    let compare = |a: &Change, b: &Change| {
        let product = |x: u64, y: u64| u128::from(x) * u128::from(y);
        product(a.reduce_by, b.requested).cmp(&product(b.reduce_by, a.requested))
    };
    let worst = |changes: &[Change]| changes.iter().max_by(|a, b| compare(a, b)).cloned();
    match (worst(a), worst(b)) {
        (Some(a), Some(b)) => compare(&a, &b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}
