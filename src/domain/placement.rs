//! On which host a new virtual cluster goes: the one with the most room left, the scarcest resource decides.
//!
//! Owns the choice among hosts and its explanation. Never reserves anything.

use std::cmp::Ordering;

use crate::domain::amounts::{Amounts, Countable};
use crate::domain::limit::{Limit, Shortage};
use crate::domain::size::Resource;

/// A host on which a virtual cluster may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// What it is called; decides between equals.
    pub key: &'a str,
    /// What there is.
    pub limit: Limit,
    /// What is used.
    pub used: Amounts,
}

/// How full something would be: `taken` of `limit`, which is never zero. The fraction that is left is one less this.
struct Fill {
    of: Countable,
    taken: u64,
    limit: u64,
}

impl Fill {
    /// Exact: no product of two `u64` is larger than a `u128`.
    fn compare(&self, other: &Self) -> Ordering {
        let product = |taken: u64, limit: u64| u128::from(taken) * u128::from(limit);
        product(self.taken, other.limit).cmp(&product(other.taken, self.limit))
    }
}

impl Candidate<'_> {
    /// CPU, memory, storage, and whatever else is requested, the fullest first. What is unlimited, or of which there is none to fill,
    /// is empty.
    fn fills(&self, request: &Amounts) -> Vec<Fill> {
        let others = request.extended.keys().cloned().map(Countable::Extended);
        let fill = |of: Countable| match self.limit.get(&of) {
            Some(limit) if limit > 0 => Fill { taken: self.used.get(&of).saturating_add(request.get(&of)), of, limit },
            _ => Fill { of, taken: 0, limit: 1 },
        };
        let mut fills: Vec<Fill> = Resource::ALL.into_iter().map(Countable::from).chain(others).map(fill).collect();
        fills.sort_by(|a, b| b.compare(a));
        fills
    }
}

/// The index of the candidate with the most room left after placing the request: the smallest fraction that is left of
/// any resource is the largest, then the next smallest, then the key is the lower one. `None`: it fits nowhere.
pub fn choose(candidates: &[Candidate<'_>], request: &Amounts) -> Option<usize> {
    let fitting = candidates.iter().enumerate().filter(|(_, candidate)| candidate.limit.fits(&candidate.used, request));
    let ranked = fitting.map(|(index, candidate)| (index, candidate.key, candidate.fills(request)));
    let best = ranked.min_by(|(_, key, fills), (_, other_key, other)| {
        let fullest = fills.iter().zip(other).map(|(fill, other)| fill.compare(other));
        fullest.fold(Ordering::Equal, Ordering::then).then_with(|| key.cmp(other_key))
    });
    best.map(|(index, _, _)| index)
}

/// One line per candidate that explains the choice, for logs.
pub fn explain(candidates: &[Candidate<'_>], request: &Amounts, chosen: Option<usize>) -> Vec<String> {
    let line = |(index, candidate): (usize, &Candidate<'_>)| {
        let shortages = candidate.limit.shortage(&candidate.used, request);
        if !shortages.is_empty() {
            let shortages: Vec<String> = shortages.iter().map(Shortage::to_string).collect();
            return format!("{}: does not fit ({})", candidate.key, shortages.join("; "));
        }
        let scarcest = candidate
            .fills(request)
            .into_iter()
            .next()
            .filter(|fill| candidate.limit.get(&fill.of).is_some_and(|limit| limit > 0));
        let scarcest = scarcest.map_or_else(
            || "all of it would be left".to_owned(),
            |Fill { of, taken, limit }| {
                let left = u128::from(limit.saturating_sub(taken)) * 100 / u128::from(limit);
                format!("{left} % of {} would be left", of.name())
            },
        );
        let verdict = if chosen == Some(index) { "chosen" } else { "not chosen" };
        format!("{}: {verdict}, {scarcest}", candidate.key)
    };
    candidates.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::size::Size;

    fn size(cpu: u64, memory: u64) -> Amounts {
        Size { cpu: Millicores(cpu), memory: Bytes(memory), storage: Bytes(1) }.into()
    }

    /// Storage is unlimited.
    fn candidate(key: &str, cpu: (u64, u64), memory: (u64, u64)) -> Candidate<'_> {
        let limit = Limit { cpu: Some(Millicores(cpu.1)), memory: Some(Bytes(memory.1)), ..Limit::UNLIMITED };
        Candidate { key, limit, used: size(cpu.0, memory.0) }
    }

    #[track_caller]
    fn check(candidates: &[Candidate<'_>], request: Amounts, expected: Option<&str>) {
        for turn in 0..candidates.len().max(1) {
            let mut turned = candidates.to_vec();
            turned.rotate_left(turn);
            let chosen = choose(&turned, &request).map(|index| turned[index].key);
            assert_eq!(chosen, expected, "whatever the order: {:#?}", explain(&turned, &request, None));
        }
    }

    #[test]
    fn the_scarcest_resource_decides() {
        check(&[], size(1, 1), None);
        check(&[candidate("a", (0, 10), (9, 10)), candidate("b", (5, 10), (5, 10))], size(1, 1), Some("b"));
        check(&[candidate("a", (10, 100), (0, 10)), candidate("b", (0, 10), (0, 10))], size(5, 1), Some("a"));
        check(&[candidate("a", (0, 4), (0, 10)), candidate("b", (90, 100), (0, 10))], size(5, 1), Some("b"));
        check(&[candidate("a", (0, 4), (0, 10)), candidate("b", (96, 100), (0, 10))], size(5, 1), None);
    }

    #[test]
    fn ties_go_to_the_next_scarcest_resource_and_then_to_the_lower_key() {
        check(&[candidate("a", (4, 10), (4, 10)), candidate("b", (2, 10), (4, 10))], size(1, 1), Some("b"));
        check(&[candidate("b", (4, 10), (4, 10)), candidate("a", (9, 20), (9, 20))], size(1, 1), Some("a"));
        check(&[candidate("b", (4, 10), (3, 10)), candidate("a", (3, 10), (4, 10))], size(1, 1), Some("a"));
    }

    #[test]
    fn neighbouring_fractions_are_told_apart_exactly() {
        let (huge, limit) = (u64::MAX - 2, u64::MAX);
        check(
            &[candidate("a", (huge, limit), (0, 1)), candidate("b", (huge - 1, limit), (0, 1))],
            size(1, 0),
            Some("b"),
        );
    }

    #[test]
    fn an_unlimited_host_has_the_most_room() {
        let unlimited = Candidate { key: "z", limit: Limit::UNLIMITED, used: size(1000, 1000) };
        check(&[candidate("a", (0, 100), (0, 100)), unlimited.clone()], size(1, 1), Some("z"));
        check(&[candidate("a", (0, 100), (0, 100)), unlimited], size(0, 0), Some("a"));
    }

    #[test]
    fn what_is_not_asked_for_may_be_overfull() {
        check(&[candidate("a", (9, 5), (0, 10))], size(0, 1), Some("a"));
        check(&[candidate("a", (9, 5), (0, 10)), candidate("b", (5, 5), (9, 10))], size(0, 1), Some("b"));
        check(&[candidate("a", (0, 0), (0, 10))], size(0, 1), Some("a"));
    }

    #[test]
    fn what_is_asked_for_of_extended_resources_decides_as_well() {
        let with = |key, used, limit| Candidate {
            limit: Limit { extended: gpus(limit), unnamed: Some(0), ..Limit::UNLIMITED },
            used: Amounts { extended: gpus(used), ..Amounts::ZERO },
            ..candidate(key, (0, 10), (0, 10))
        };
        let asked = Amounts { extended: gpus(2), ..size(1, 1) };
        check(&[with("a", 2, 8), with("b", 1, 8)], asked.clone(), Some("b"));
        check(&[with("a", 7, 8), with("b", 7, 8), candidate("c", (9, 10), (0, 10))], asked.clone(), Some("c"));
        check(&[with("a", 7, 8)], asked, None);
        check(&[with("a", 7, 8), with("b", 0, 8)], size(1, 1), Some("a"));
    }

    #[test]
    fn the_explanation_names_every_candidate() {
        let unlimited = Candidate { key: "c", limit: Limit::UNLIMITED, used: Amounts::ZERO };
        let candidates = [candidate("a", (0, 3), (0, 9)), candidate("b", (2, 8), (0, 9)), unlimited];
        assert_eq!(
            explain(&candidates, &size(4, 1), Some(2)),
            [
                "a: does not fit (cpu: 4m requested, 3m available)",
                "b: not chosen, 25 % of cpu would be left",
                "c: chosen, all of it would be left",
            ]
        );
    }
}
