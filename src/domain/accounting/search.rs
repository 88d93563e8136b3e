//! Looks for a placement of everything that is planned.
//!
//! Owns the search over open placements, on indexes alone. Never knows what a request or a host is called.

use std::collections::BTreeSet;

use crate::domain::accounting::sum::Sum;
use crate::domain::amounts::Amounts;
use crate::domain::limit::Limit;

/// How often a search tries to put something somewhere before it gives up.
pub const STEPS: usize = 100_000;

/// Something to place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What must fit.
    pub size: Amounts,
    /// Where it may go; hosts in ascending order.
    pub spots: Vec<Spot>,
}

/// A host on which an item may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The host's index.
    pub host: usize,
    /// What there is for this item.
    pub limit: Limit,
    /// What is used on the host and is this item's own to use.
    pub credit: Amounts,
}

impl Item {
    /// Where it goes if there is no choice.
    fn only_spot(&self) -> Option<&Spot> {
        if let [spot] = &*self.spots { Some(spot) } else { None }
    }
}

impl Spot {
    /// By how much a host is fuller for everybody else when an item of this size is here. What it does not use of its
    /// credit is nobody else's.
    pub fn growth(&self, size: &Amounts) -> Amounts {
        size.growth_from(&self.credit)
    }

    /// What is taken on the host before an item goes here.
    pub fn taken(&self, used: &Sum, placed: &Sum) -> Amounts {
        used.clone().plus(placed).less(&self.credit).amounts()
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

/// Places the items one after another, each beside those before it, in at most so many steps. `used` is what runs on
/// each host.
pub fn search(used: &[Sum], items: &[Item], limit: usize) -> Outcome {
    let most = most(used.len(), items);
    if overfull(used, items, &most) {
        return Outcome::Nowhere;
    }
    // Of equal neighbours, one is never left of the one before: exchanged they would be the same placement.
    let equal: Vec<bool> = (0..items.len()).map(|i| i > 0 && items[i] == items[i - 1]).collect();
    let mut placed = vec![Sum::default(); used.len()];
    // What is still to come and can go nowhere else. Nothing may take its room.
    let mut reserved = vec![Sum::default(); used.len()];
    for (item, spot) in items.iter().filter_map(|item| Some((item, item.only_spot()?))) {
        add(&mut reserved[spot.host], &spot.growth(&item.size));
    }
    let mut chosen: Vec<usize> = Vec::with_capacity(items.len());
    let (mut from, mut steps) = (0, 0);
    while let Some(item) = items.get(chosen.len()) {
        let fitting = (from..item.spots.len()).find(|&index| {
            steps += 1;
            let spot = &item.spots[index];
            let (used, placed, reserved) = (&used[spot.host], &placed[spot.host], &reserved[spot.host]);
            let growth = spot.growth(&item.size);
            let to_come = if item.only_spot().is_some() { reserved.clone().less(&growth) } else { reserved.clone() };
            let after = used.clone().plus(placed).plus(&Sum::of(&growth));
            spot.limit.fits(&spot.taken(used, placed), &item.size)
                && most[spot.host].fits(&after.amounts(), &to_come.amounts())
        });
        if let Some(index) = fitting {
            let spot = &item.spots[index];
            let growth = spot.growth(&item.size);
            add(&mut placed[spot.host], &growth);
            if item.only_spot().is_some() {
                take(&mut reserved[spot.host], &growth);
            }
            chosen.push(index);
            from = if equal.get(chosen.len()) == Some(&true) { index } else { 0 };
        } else {
            let Some(index) = chosen.pop() else { return Outcome::Nowhere };
            let item = &items[chosen.len()];
            let spot = &item.spots[index];
            let growth = spot.growth(&item.size);
            take(&mut placed[spot.host], &growth);
            if item.only_spot().is_some() {
                add(&mut reserved[spot.host], &growth);
            }
            from = index + 1;
        }
        if steps > limit {
            return Outcome::Unknown;
        }
    }
    Outcome::Found(chosen)
}

fn add(sum: &mut Sum, amounts: &Amounts) {
    *sum = std::mem::take(sum).plus(&Sum::of(amounts));
}

fn take(sum: &mut Sum, amounts: &Amounts) {
    *sum = std::mem::take(sum).less(amounts);
}

/// The most that any item may see on each host. What grows there ends below it, whatever the order.
fn most(hosts: usize, items: &[Item]) -> Vec<Limit> {
    let nothing = Limit::sum([]);
    let mut most = vec![nothing; hosts];
    for spot in items.iter().flat_map(|item| &item.spots) {
        most[spot.host] = most[spot.host].larger(&spot.limit);
    }
    most
}

/// Whether the items that can only go to some of the hosts are together more than is left there. No placement can
/// change that, and the search would need long to see it. Looked at are the sets of hosts that items have, and all hosts.
fn overfull(used: &[Sum], items: &[Item], most: &[Limit]) -> bool {
    let hosts = |item: &Item| -> BTreeSet<usize> { item.spots.iter().map(|spot| spot.host).collect() };
    let sets: Vec<BTreeSet<usize>> = items.iter().map(hosts).collect();
    let mut looked_at: BTreeSet<BTreeSet<usize>> = sets.iter().cloned().collect();
    looked_at.insert((0..used.len()).collect());
    looked_at.iter().any(|within| {
        let (mut room, mut needed) = (Limit::sum([]), Sum::default());
        for host in within {
            room = Limit::sum([room, most[*host].available(&used[*host].amounts())]);
        }
        for (item, _) in items.iter().zip(&sets).filter(|(_, set)| set.is_subset(within)) {
            let least = item.spots.iter().map(|spot| spot.growth(&item.size)).reduce(|one, other| one.smaller(&other));
            needed = needed.plus(&Sum::of(&least.unwrap_or_default()));
        }
        !room.fits(&Amounts::ZERO, &needed.amounts())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::size::Size;

    fn item(cpu: u64, hosts: &[usize], limit: u64) -> Item {
        let size = Size { cpu: Millicores(cpu), ..Size::ZERO };
        let limit = Limit { cpu: Some(Millicores(limit)), memory: Some(Bytes(0)), ..Limit::UNLIMITED };
        let spots = hosts.iter().map(|&host| Spot { host, limit: limit.clone(), credit: Amounts::ZERO }).collect();
        Item { size: size.into(), spots }
    }

    /// The same with so many GPUs; each of the hosts has four.
    fn with_gpus(amount: u64, item: Item) -> Item {
        let spot = |spot: Spot| {
            let limit = Limit { extended: gpus(4), unnamed: Some(0), ..spot.limit };
            Spot { limit, ..spot }
        };
        Item {
            size: Amounts { extended: gpus(amount), ..item.size },
            spots: item.spots.into_iter().map(spot).collect(),
        }
    }

    #[test]
    fn extended_resources_are_placed_as_everything_else() {
        let open = || with_gpus(3, item(1, &[0, 1], 9));
        check(2, &[open(), with_gpus(4, item(1, &[0], 9))], Outcome::Found(vec![1, 0]));
        check(2, &[open(), open(), with_gpus(1, item(1, &[0], 9))], Outcome::Found(vec![0, 1, 0]));
        check(2, &[open(), open(), with_gpus(2, item(1, &[0, 1], 9))], Outcome::Nowhere);
    }

    #[track_caller]
    fn check(hosts: usize, items: &[Item], expected: Outcome) {
        assert_eq!(search(&vec![Sum::default(); hosts], items, STEPS), expected);
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

    #[test]
    fn pinned_ones_keep_their_room_from_hundreds_of_others() {
        let mut items: Vec<Item> = (0..200).map(|i| item(4 + 2 * (i % 2), &[0, 1, 2], 400)).collect();
        items.extend(vec![item(4, &[0], 400); 45]);
        let Outcome::Found(chosen) = search(&vec![Sum::default(); 3], &items, 1000) else { panic!("not found") };
        let on_first = chosen.iter().zip(&items).filter(|(index, item)| item.spots[**index].host == 0);
        assert!(on_first.map(|(_, item)| item.size.size.cpu.0).sum::<u64>() <= 400);
        items.extend(vec![item(4, &[0], 400); 56]);
        check(3, &items, Outcome::Nowhere);
    }
}
