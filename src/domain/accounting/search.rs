//! Looks for a placement of everything that is planned.
//!
//! Owns the search over open placements, on indexes alone. Never knows what a request or a host is called.

use crate::domain::accounting::sum::Sum;
use crate::domain::limit::Limit;
use crate::domain::size::{Resource, Size};

/// How often the search tries to put something somewhere before it gives up.
pub const STEPS: usize = 100_000;

/// Something to place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What must fit.
    pub size: Size,
    /// Where it may go; hosts in ascending order.
    pub spots: Vec<Spot>,
}

/// A host on which an item may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The host's index.
    pub host: usize,
    /// What there is for this item.
    pub limit: Limit,
    /// What is used on the host and is this item's own to use.
    pub credit: Size,
}

impl Spot {
    /// By how much a host is fuller for everybody else when an item of this size is here. What it does not use of its
    /// credit is nobody else's.
    pub fn growth(&self, size: Size) -> Size {
        size.growth_from(self.credit)
    }

    /// What is taken on the host before an item goes here.
    pub fn taken(&self, used: Sum, placed: Sum) -> Size {
        used.plus(placed).less(self.credit).size()
    }
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The index of a spot for each item.
    Found(Vec<usize>),
    /// There is no placement.
    Nowhere,
    /// It gave up.
    Unknown,
}

/// Places the items one after another, each beside those before it. `used` is what runs on each host.
pub fn search(used: &[Sum], items: &[Item]) -> Outcome {
    if overfull(used, items) {
        return Outcome::Nowhere;
    }
    // Of equal neighbours, one is never left of the one before: exchanged they would be the same placement.
    let equal: Vec<bool> = (0..items.len()).map(|i| i > 0 && items[i] == items[i - 1]).collect();
    let mut placed = vec![Sum::default(); used.len()];
    let mut chosen: Vec<usize> = Vec::with_capacity(items.len());
    let (mut from, mut steps) = (0, 0);
    while let Some(item) = items.get(chosen.len()) {
        let fitting = (from..item.spots.len()).find(|&index| {
            steps += 1;
            let spot = &item.spots[index];
            spot.limit.fits(spot.taken(used[spot.host], placed[spot.host]), item.size)
        });
        if let Some(index) = fitting {
            let spot = &item.spots[index];
            placed[spot.host] = placed[spot.host].plus(Sum::of(spot.growth(item.size)));
            chosen.push(index);
            from = if equal.get(chosen.len()) == Some(&true) { index } else { 0 };
        } else {
            let Some(index) = chosen.pop() else { return Outcome::Nowhere };
            let item = &items[chosen.len()];
            let spot = &item.spots[index];
            placed[spot.host] = placed[spot.host].less(spot.growth(item.size));
            from = index + 1;
        }
        if steps > STEPS {
            return Outcome::Unknown;
        }
    }
    Outcome::Found(chosen)
}

/// Whether all items together are more than all hosts together have left, which no placement can change and which the
/// search would need long to see.
fn overfull(used: &[Sum], items: &[Item]) -> bool {
    Resource::ALL.into_iter().any(|resource| {
        // The most that any item may see on each host; none that nothing may go to.
        let mut most: Vec<Option<u64>> = vec![Some(0); used.len()];
        let mut needed = 0;
        for item in items {
            let growths = item.spots.iter().map(|spot| spot.growth(item.size).get(resource));
            needed += u128::from(growths.min().unwrap_or(0));
            for spot in &item.spots {
                let most = &mut most[spot.host];
                *most = most.zip(spot.limit.get(resource)).map(|(most, limit)| most.max(limit));
            }
        }
        let room = most.iter().zip(used).try_fold(0u128, |room, (most, used)| {
            Some(room + u128::from((*most)?.saturating_sub(used.size().get(resource))))
        });
        room.is_some_and(|room| needed > room)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::quantity::{Bytes, Millicores};

    fn item(cpu: u64, hosts: &[usize], limit: u64) -> Item {
        let size = Size { cpu: Millicores(cpu), ..Size::ZERO };
        let limit = Limit { cpu: Some(Millicores(limit)), memory: Some(Bytes(0)), storage: None };
        let spots = hosts.iter().map(|&host| Spot { host, limit, credit: Size::ZERO }).collect();
        Item { size, spots }
    }

    #[track_caller]
    fn check(hosts: usize, items: &[Item], expected: Outcome) {
        assert_eq!(search(&vec![Sum::default(); hosts], items), expected);
    }

    #[test]
    fn what_was_placed_first_makes_room() {
        check(2, &[item(3, &[0, 1], 5), item(4, &[0], 5)], Outcome::Found(vec![1, 0]));
        check(2, &[item(3, &[0, 1], 5), item(3, &[0, 1], 5), item(3, &[0], 5)], Outcome::Nowhere);
        check(0, &[], Outcome::Found(vec![]));
        check(1, &[item(1, &[], 5)], Outcome::Nowhere);
    }

    #[test]
    fn gaps_that_nothing_fills_are_seen() {
        let items = vec![item(3, &[0, 1, 2], 5); 4];
        check(3, &items, Outcome::Nowhere);
        check(3, &items[1..], Outcome::Found(vec![0, 1, 2]));
    }

    #[test]
    fn equal_ones_are_not_exchanged() {
        // Without that, twelve hosts with room for one each and thirteen items would be 12! placements.
        check(12, &vec![item(3, &(0..12).collect::<Vec<_>>(), 5); 13], Outcome::Nowhere);
    }

    #[test]
    fn a_search_that_takes_too_long_is_given_up() {
        let items: Vec<Item> = (0..40).map(|i| item(1000 + i % 7, &[0, 1, 2, 3, 4, 5, 6], 5900)).collect();
        check(7, &items, Outcome::Unknown);
    }
}
