//! What of a virtual cluster's size is in use, as the ResourceQuota on its host counts it, and what of that a smaller size
//! would leave out.

use std::collections::BTreeMap;

use crate::domain::quantity::Bytes;
use crate::domain::size::{Resource, Size};

/// What the quota of a virtual cluster counts (see [`crate::domain::values::enforced`]).
const COUNTED: [(&str, Resource); 5] = [
    ("limits.cpu", Resource::Cpu),
    ("requests.cpu", Resource::Cpu),
    ("limits.memory", Resource::Memory),
    ("requests.memory", Resource::Memory),
    ("requests.storage", Resource::Storage),
];

/// What is in use of what the quota counts: millicores or bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage(BTreeMap<&'static str, u64>);

impl Usage {
    /// From `status.used` of the quota. What the quota does not say, or nobody can read, is left out.
    pub fn of(used: &BTreeMap<String, String>) -> Self {
        let amount = |(key, resource): &(&'static str, Resource)| Some((*key, resource.read(used.get(*key)?)?));
        Self(COUNTED.iter().filter_map(amount).collect())
    }

    /// What volumes take together.
    pub fn storage(&self) -> Option<Bytes> {
        self.0.get("requests.storage").copied().map(Bytes)
    }

    /// What CPU and memory are in use beyond `after`, of those that `after` has less of than `before`: as requests, and as limits
    /// where those count.
    pub fn beyond(&self, before: Size, after: Size, counts_limits: bool) -> Vec<Excess> {
        let shrinks = |resource: Resource| resource != Resource::Storage && after.get(resource) < before.get(resource);
        let excess = |(key, resource): (&'static str, Resource)| {
            let used = *self.0.get(key).filter(|_| counts_limits || !key.starts_with("limits."))?;
            (shrinks(resource) && used > after.get(resource)).then(|| Excess {
                resource,
                counted_as: key,
                used,
                allowed: after.get(resource),
            })
        };
        COUNTED.into_iter().filter_map(excess).collect()
    }
}

/// Something that is in use beyond a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// Which of the three.
    pub resource: Resource,
    /// The quota's word for it: `limits.cpu`.
    pub counted_as: &'static str,
    /// What is in use: millicores or bytes.
    pub used: u64,
    /// What the size has of it.
    pub allowed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::Millicores;

    fn usage(entries: &[(&str, &str)]) -> Usage {
        Usage::of(&entries.iter().map(|(key, amount)| ((*key).to_owned(), (*amount).to_owned())).collect())
    }

    fn size(cpu: u64, memory: u64) -> Size {
        Size { cpu: Millicores(cpu), memory: Bytes(memory), storage: Bytes(0) }
    }

    #[test]
    fn what_is_in_use_beyond_a_smaller_size_is_named_as_the_quota_counts_it() {
        let used = usage(&[
            ("limits.cpu", "5500m"),
            ("requests.cpu", "1"),
            ("limits.memory", "6Gi"),
            ("requests.memory", "5Gi"),
            ("requests.storage", "9Gi"),
            ("pods", "12"),
        ]);
        let gib = 1 << 30;
        let beyond = |before, after| -> Vec<(&str, u64, u64)> {
            let found: Vec<Excess> = used.beyond(before, after, true);
            found.iter().map(|excess| (excess.counted_as, excess.used, excess.allowed)).collect()
        };
        assert_eq!(beyond(size(8000, 8 * gib), size(5000, 8 * gib)), [("limits.cpu", 5500, 5000)]);
        assert_eq!(beyond(size(8000, 8 * gib), size(5500, 8 * gib)), []);
        let both = [("limits.memory", 6 * gib, 4 * gib), ("requests.memory", 5 * gib, 4 * gib)];
        assert_eq!(beyond(size(8000, 8 * gib), size(6000, 4 * gib)), both);
        let of_requests = used.beyond(size(8000, 8 * gib), size(500, 5 * gib), false);
        assert_eq!(of_requests.iter().map(|excess| excess.counted_as).collect::<Vec<_>>(), ["requests.cpu"]);
        // Not made smaller, whatever is used: a quota that somebody raised.
        assert_eq!(beyond(size(3000, 4 * gib), size(3000, 4 * gib)), []);
        assert_eq!(used.storage(), Some(Bytes(9 * gib)));
    }

    #[test]
    fn what_the_quota_does_not_say_is_not_taken_for_nothing() {
        let used = usage(&[("limits.cpu", "much")]);
        assert_eq!(used, Usage::default());
        assert_eq!(used.storage(), None);
        assert_eq!(used.beyond(size(8000, 0), size(1000, 0), true), []);
    }

    #[test]
    fn parts_of_a_unit_are_rounded_up() {
        assert_eq!(usage(&[("requests.storage", "1500m")]).storage(), Some(Bytes(2)));
    }
}
