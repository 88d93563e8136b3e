//! Which of a chart's versions is wanted, as Helm decides it, and which ones are near a version that is not there.

use std::cmp::Ordering;
use std::fmt;

use super::super::functions::semver::{Constraints, Version};
use super::SourceError;

/// The version of a chart that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This one, with or without a leading `v`.
    Exact(String),
    /// As `helm --version` reads it: the very text if there is such a version, else the newest that fits the constraint.
    Matching(String),
    /// The newest that is no pre-release.
    Newest,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact(text) | Self::Matching(text) => text,
            Self::Newest => "*",
        })
    }
}

impl Wanted {
    /// The one that is wanted among `versions`.
    ///
    /// # Errors
    ///
    /// [`SourceError::BadVersion`]
    pub(super) fn choose<'a, T>(
        &self,
        candidates: &'a [T],
        version: impl Fn(&T) -> &str,
    ) -> Result<Option<&'a T>, SourceError> {
        let text = self.to_string();
        let same_text = candidates.iter().find(|candidate| version(candidate) == text);
        let fits: Box<dyn Fn(&Version) -> bool> = match self {
            _ if same_text.is_some() => return Ok(same_text),
            Self::Exact(_) => match Version::parse(&text) {
                Ok(wanted) => Box::new(move |version| version.part("String") == wanted.part("String")),
                Err(_) => return Ok(None),
            },
            Self::Matching(_) | Self::Newest => {
                let constraints = Constraints::parse(&text);
                let constraints =
                    constraints.map_err(|fault| SourceError::BadVersion { wanted: text, reason: fault.0 })?;
                Box::new(move |version| constraints.check(version))
            }
        };
        let parsed =
            candidates.iter().filter_map(|candidate| Some((Version::parse(version(candidate)).ok()?, candidate)));
        // Of equal ones the first, as in the index.
        let newest = parsed
            .filter(|(version, _)| fits(version))
            .reduce(|best, next| if next.0.compare(&best.0) == Ordering::Greater { next } else { best });
        Ok(newest.map(|(_, candidate)| candidate))
    }

    /// The versions that the user may have meant: the newest of the same minor version, the neighbours, the newest of all.
    pub(super) fn nearest<'a>(&self, versions: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut all: Vec<(Version, &str)> =
            versions.filter_map(|text| Some((Version::parse(text).ok()?, text))).collect();
        all.sort_by(|left, right| left.0.compare(&right.0));
        let released = |version: &Version| version.part("Prerelease").is_empty();
        let mut near = vec![all.iter().rposition(|(version, _)| released(version)).or(all.len().checked_sub(1))];
        if let Self::Exact(text) | Self::Matching(text) = self
            && let Ok(wanted) = Version::parse(text)
        {
            let minor = |version: &Version| (version.number("Major"), version.number("Minor"));
            let above = all.partition_point(|(version, _)| version.compare(&wanted).is_lt());
            near.push(above.checked_sub(1));
            near.push(Some(above).filter(|above| *above < all.len()));
            near.push(all.iter().rposition(|(version, _)| minor(version) == minor(&wanted) && released(version)));
        }
        let mut near: Vec<usize> = near.into_iter().flatten().collect();
        near.sort_unstable();
        near.dedup();
        near.into_iter().map(|index| all[index].1.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSIONS: [&str; 8] =
        ["0.33.4", "0.34.0", "v0.34.6", "0.34.7", "0.35.0-rc.1", "0.36.1", "0.37.0-alpha.1", "nightly"];

    #[test]
    fn versions_are_chosen_as_helm_chooses() {
        let check = |wanted: Wanted, expected: Option<&str>| {
            let chosen = wanted.choose(&VERSIONS, |version| version).unwrap();
            assert_eq!(chosen.copied(), expected, "{wanted:?}");
        };
        let exact = |text: &str| Wanted::Exact(text.into());
        let matching = |text: &str| Wanted::Matching(text.into());
        check(exact("0.34.7"), Some("0.34.7"));
        check(exact("v0.34.7"), Some("0.34.7"));
        check(exact("0.34.6"), Some("v0.34.6"));
        check(exact("0.34"), Some("0.34.0"));
        check(exact("0.34.5"), None);
        check(exact("0.35.0"), None);
        check(exact("nightly"), Some("nightly"));
        check(exact("~0.34.0"), None);
        check(matching("0.34"), Some("0.34.7"));
        check(matching("~0.34.0"), Some("0.34.7"));
        check(matching("0.34.0"), Some("0.34.0"));
        check(matching(">=0.36.2-0"), Some("0.37.0-alpha.1"));
        check(matching("<0.33"), None);
        check(Wanted::Newest, Some("0.36.1"));
        let error = matching("new est").choose(&VERSIONS, |version| version).unwrap_err();
        assert!(error.to_string().contains("improper constraint"), "{error}");
    }

    #[test]
    fn what_is_near_a_missing_version_is_named() {
        let check = |wanted: &str, expected: &[&str]| {
            assert_eq!(Wanted::Exact(wanted.into()).nearest(VERSIONS.into_iter()), expected, "{wanted}");
        };
        check("0.34.1", &["0.34.0", "v0.34.6", "0.34.7", "0.36.1"]);
        check("0.34.9", &["0.34.7", "0.35.0-rc.1", "0.36.1"]);
        check("0.1.0", &["0.33.4", "0.36.1"]);
        check("1.0.0", &["0.36.1", "0.37.0-alpha.1"]);
        check("what", &["0.36.1"]);
        assert!(Wanted::Newest.nearest(std::iter::empty()).is_empty());
    }
}
