//! What each owner may have of a group's quota: a default, and exceptions.
//!
//! Owns who an owner is, and what is theirs. Never adds anything up.

use std::collections::BTreeMap;

use crate::domain::limit::Limit;

/// Labels of a virtual cluster.
pub type Labels = BTreeMap<String, String>;

/// The shares of all owners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    label: String,
    default: Limit,
    exceptions: BTreeMap<String, Limit>,
}

impl Shares {
    /// What owners have, by the value of `label`. What an exception leaves open is as in the default.
    pub fn new(label: &str, default: Limit, exceptions: impl IntoIterator<Item = (String, Limit)>) -> Self {
        Self { label: label.to_owned(), default, exceptions: exceptions.into_iter().collect() }
    }

    /// The label that says whose a virtual cluster is.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whose a virtual cluster with these labels is. None: nobody's, as it has no such label, or an empty one.
    pub fn owner<'l>(&self, labels: &'l Labels) -> Option<&'l str> {
        labels.get(&self.label).map(String::as_str).filter(|owner| !owner.is_empty())
    }

    /// What all virtual clusters of the owner may have together.
    pub fn limit(&self, owner: &str) -> Limit {
        self.exceptions.get(owner).map_or_else(|| self.default.clone(), |own| own.or(&self.default))
    }

    /// The owners that are named.
    pub fn exceptions(&self) -> impl Iterator<Item = &str> {
        self.exceptions.keys().map(String::as_str)
    }
}

/// What may be handed out: in all, and to each owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    /// In all.
    pub total: Limit,
    /// To each owner. None: whoever comes first.
    pub shares: Option<Shares>,
}

impl From<Limit> for Bounds {
    fn from(total: Limit) -> Self {
        Self { total, shares: None }
    }
}

impl Bounds {
    /// No limit on anything.
    pub const UNLIMITED: Self = Self { total: Limit::UNLIMITED, shares: None };

    /// The owner of a virtual cluster with these labels, where owners have shares.
    pub fn share_of<'b>(&'b self, labels: &'b Labels) -> Option<(&'b Shares, &'b str)> {
        let shares = self.shares.as_ref()?;
        Some((shares, shares.owner(labels)?))
    }
}

/// Whether a change of a virtual cluster's labels, or of what it holds, has to say whose it is, and does not.
///
/// One that had no owner before there were shares keeps what it has; it gets no more, and one that has an owner keeps an owner.
pub fn lacks_owner(shares: &Shares, before: Option<&Labels>, after: &Labels, grows: bool) -> bool {
    let had_owner = before.is_some_and(|labels| shares.owner(labels).is_some());
    shares.owner(after).is_none() && (before.is_none() || had_owner || grows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::{Bytes, Millicores};

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn shares() -> Shares {
        let default = Limit { cpu: Some(Millicores(8000)), memory: Some(Bytes(16)), ..Limit::UNLIMITED };
        let platform = Limit { cpu: Some(Millicores(32_000)), virtual_clusters: Some(9), ..Limit::UNLIMITED };
        Shares::new("team", default, [("platform".to_owned(), platform)])
    }

    #[test]
    fn an_exception_says_what_differs_from_the_default() {
        let platform = shares().limit("platform");
        assert_eq!((platform.cpu, platform.memory), (Some(Millicores(32_000)), Some(Bytes(16))));
        assert_eq!((platform.virtual_clusters, platform.storage), (Some(9), None));
        assert_eq!(shares().limit("web").cpu, Some(Millicores(8000)));
        assert_eq!(shares().exceptions().collect::<Vec<_>>(), ["platform"]);
    }

    #[test]
    fn the_label_says_whose_it_is() {
        let owner = |pairs: &[(&str, &str)]| shares().owner(&labels(pairs)).map(str::to_owned);
        assert_eq!(owner(&[("team", "web"), ("env", "dev")]).as_deref(), Some("web"));
        assert_eq!((owner(&[("team", "")]), owner(&[("env", "dev")])), (None, None));
    }

    #[test]
    fn whose_it_is_has_to_be_said_of_what_is_new_grows_or_had_an_owner() {
        let (web, none) = (labels(&[("team", "web")]), Labels::new());
        for (before, after, grows, expected) in [
            (None, &web, true, false),
            (None, &none, true, true),
            (Some(&none), &none, false, false),
            (Some(&none), &none, true, true),
            (Some(&none), &web, true, false),
            (Some(&web), &none, false, true),
        ] {
            assert_eq!(lacks_owner(&shares(), before, after, grows), expected, "{before:?} {after:?} {grows}");
        }
    }
}
