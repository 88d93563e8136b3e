//! Adds up in memory what one process plans, and says when it cannot fit.
//!
//! Owns the sums and the last placement that was found. Never asks a host and never reserves: the ledgers decide when
//! a plan is applied. A host or a quota whose numbers are missing has room for everything.

mod refused;
mod search;
mod sum;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use refused::{Change, Kind, Refused};

use crate::domain::accounting::search::{Item, Outcome, STEPS, Spot, search};
use crate::domain::accounting::sum::Sum;
use crate::domain::amounts::Amounts;
use crate::domain::ledger::{Account, Holding, Ledger, quota_key};
use crate::domain::limit::Limit;
use crate::domain::placement::{Candidate, choose};
use crate::domain::shares::{Bounds, Labels, Shares};
use crate::domain::table::Row;

/// What a planned virtual cluster asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its group, if it has one.
    pub group: Option<String>,
    /// What it is called in messages: `team-a`, or `(a generated name)`.
    pub label: String,
    /// By how much what it takes of a host's capacity grows; all of it for a new one, also for one that replaces another.
    pub size: Amounts,
    /// By how much what it takes of the group's quota grows; likewise.
    pub quota: Amounts,
    /// Whose it is. None: nobody's, or that is not known yet.
    pub owner: Option<String>,
    /// By how much what it takes of its owner's share grows: as of the quota, or all of it where it comes from another owner.
    pub share: Amounts,
    /// What it is to have in all.
    pub whole: Amounts,
    /// What it must have at least: no advice goes below it.
    pub minimum: Amounts,
    /// The hosts that come into question: one where it is pinned or exists.
    pub hosts: Vec<Choice>,
    /// What it replaces: that one's share is its own to use, and nobody else's.
    pub replaces: Option<Replaced>,
}

/// A host that comes into question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The host's UID.
    pub host: String,
    /// What the host can carry by the rules of the request's group.
    pub limit: Limit,
}

/// A virtual cluster that is replaced. What it holds is looked up in the ledgers; if they do not have it, it holds
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The UID of its host.
    pub host: String,
    /// Its namespace there.
    pub namespace: String,
}

/// Numbers that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The host's name, or `quota of <group>`.
    pub name: String,
    /// Why.
    pub why: String,
}

/// A ledger as it was read, with what was settled since, and what is planned beside it.
#[derive(Debug)]
struct Book {
    account: Account,
    numbers: Result<Ledger, String>,
    used: Sum,
    allocated: Sum,
}

impl Book {
    fn new(account: Account, numbers: Result<Ledger, String>) -> Self {
        let mut used = Sum::default();
        for holding in numbers.iter().flat_map(|ledger| ledger.entries.values()) {
            used = used.plus(&Sum::of(&account.share(holding)));
        }
        Self { account, numbers, used, allocated: Sum::default() }
    }

    /// What is held under `key`.
    fn share(&self, key: &str) -> Amounts {
        self.held(key).map(|holding| self.account.share(holding)).unwrap_or_default()
    }

    fn held(&self, key: &str) -> Option<&Holding> {
        self.numbers.as_ref().ok()?.entries.get(key)
    }

    /// Makes `key` hold this from now on.
    fn set(&mut self, key: &str, holding: Option<&Holding>) {
        let mut used = self.used.clone().less(&self.share(key));
        if let Ok(ledger) = &mut self.numbers {
            ledger.entries.remove(key);
            if let Some(holding) = holding {
                ledger.put(key, holding.clone());
                used = used.plus(&Sum::of(&self.account.share(holding)));
            }
        }
        self.used = used;
    }

    /// A ledger that was read later does not know of everything that was settled before.
    fn bring_up_to_date(&mut self, key: &str, settled: &Holding) {
        let knows = |ledger: &Ledger| ledger.entries.get(key).is_some_and(|held| held.record == settled.record);
        if self.numbers.as_ref().is_ok_and(|ledger| !knows(ledger)) {
            self.set(key, Some(settled));
        }
    }

    fn missing(&self, name: &str) -> Option<Missing> {
        Some(Missing { name: name.to_owned(), why: self.numbers.as_ref().err()?.clone() })
    }

    /// What is used and allocated, without what is the request's own to use.
    fn taken_without(&self, own: &Amounts) -> Amounts {
        self.used.clone().plus(&self.allocated).less(own).amounts()
    }

    /// The line of a table, without the share that is the request's own to use.
    fn row(&self, name: &str, limit: Limit, own: &Amounts) -> Row {
        let (used, allocated) = (self.used.clone().less(own).amounts(), self.allocated.amounts());
        Row { name: name.to_owned(), limit, used, allocated, missing: self.numbers.as_ref().err().cloned() }
    }
}

#[derive(Debug)]
struct Host {
    name: String,
    book: Book,
}

#[derive(Debug)]
struct Quota {
    bounds: Bounds,
    book: Book,
}

impl Quota {
    fn row(&self, own: &Amounts) -> Row {
        self.book.row("quota", self.bounds.total.clone(), own)
    }

    /// The request's own share of the quota.
    fn credit(&self, request: &Request) -> Amounts {
        self.replaced(request.replaces.as_ref()).map(|holding| self.book.account.share(holding)).unwrap_or_default()
    }

    /// The same of its owner's share.
    fn credit_of_owner(&self, request: &Request, shares: &Shares) -> Amounts {
        let own = self.replaced(request.replaces.as_ref());
        let own = own.filter(|holding| shares.owner(&holding.labels) == request.owner.as_deref());
        own.map(|holding| self.book.account.share(holding)).unwrap_or_default()
    }

    fn replaced(&self, old: Option<&Replaced>) -> Option<&Holding> {
        let old = old?;
        self.book.held(&quota_key(&old.host, &old.namespace))
    }

    /// What virtual clusters of the owner hold.
    fn used_by(&self, shares: &Shares, owner: &str) -> Sum {
        let holdings = self.book.numbers.iter().flat_map(|ledger| ledger.entries.values());
        let own = holdings.filter(|holding| shares.owner(&holding.labels) == Some(owner));
        own.fold(Sum::default(), |sum, holding| sum.plus(&Sum::of(&self.book.account.share(holding))))
    }
}

#[derive(Debug)]
struct Planned {
    request: Request,
    /// Which of its hosts it is on in the last placement that was found. `None` where it takes nothing of a host, and
    /// where the search gave up: then it counts nowhere.
    placed: Option<usize>,
    /// What is counted as allocated there.
    on_host: Amounts,
    /// What is counted as allocated of the quota.
    on_quota: Amounts,
    /// What is counted as allocated of the owner's share.
    on_share: Amounts,
}

/// A place for a request, and for others that make room for it.
enum Place {
    /// On this host of its own.
    At(usize),
    /// Likewise, when those go to these hosts of theirs.
    Rearranged(Vec<(u64, usize)>, usize),
    /// There is nothing to place.
    Needless,
    /// The search gave up.
    Unknown,
}

/// What one process plans, and what it has made of it.
#[derive(Debug, Default)]
pub struct Accounting {
    hosts: BTreeMap<String, Host>,
    quotas: BTreeMap<String, Quota>,
    /// In the order in which they were planned.
    planned: BTreeMap<u64, Planned>,
    keys: BTreeMap<String, u64>,
    next: u64,
    /// By the host's UID and the namespace.
    settled: BTreeMap<(String, String), Holding>,
    /// How many have no known place. Where one is hard to place the next ones are, and get fewer steps, so that all of
    /// them together take no long time either.
    given_up: usize,
}

impl Accounting {
    /// Whether the numbers of this host, or that they are missing, are known already.
    pub fn has_host(&self, uid: &str) -> bool {
        self.hosts.contains_key(uid)
    }

    /// Whether the quota of this group, or that its numbers are missing, is known already.
    pub fn has_quota(&self, group: &str) -> bool {
        self.quotas.contains_key(group)
    }

    /// Takes the ledger of a host as it was read, or why it could not be. What was settled and is not in it is added.
    pub fn set_host(&mut self, uid: &str, name: &str, numbers: Result<Ledger, String>) {
        let mut book = Book::new(Account::Capacity, numbers);
        for ((_, namespace), holding) in self.settled.iter().filter(|((host, _), _)| host == uid) {
            book.bring_up_to_date(namespace, holding);
        }
        self.hosts.insert(uid.to_owned(), Host { name: name.to_owned(), book });
        self.recount();
    }

    /// Takes the quota of a group and its ledger as it was read, or why it could not be, likewise. A group without one
    /// has no quota.
    pub fn set_quota(&mut self, group: &str, bounds: Bounds, numbers: Result<Ledger, String>) {
        let mut book = Book::new(Account::Quota, numbers);
        for ((host, namespace), holding) in &self.settled {
            if holding.group.as_deref() == Some(group) {
                book.bring_up_to_date(&quota_key(host, namespace), holding);
            }
        }
        self.quotas.insert(group.to_owned(), Quota { bounds, book });
        self.recount();
    }

    /// Counts a request, instead of any earlier one under the same key. What grows nowhere always fits.
    ///
    /// # Errors
    ///
    /// It exceeds the group's quota or its owner's share of it, or no placement of everything that is planned works. Then nothing is counted under
    /// the key.
    pub fn plan(&mut self, key: String, request: Request) -> Result<(), Box<Refused>> {
        self.free(&key);
        self.check_quota(&request)?;
        let Some(place) = self.place(&request) else { return Err(Box::new(self.refuse_capacity(request))) };
        self.next += 1;
        self.keys.insert(key, self.next);
        self.enter(self.next, request, place);
        Ok(())
    }

    /// What was planned under `key` stands on a host now, where it holds this. Whatever it replaced is gone.
    pub fn settle(&mut self, key: &str, host: &str, namespace: &str, holding: &Holding) {
        let before = self.taken(host);
        let replaced = self.take(key).and_then(|request| request.replaces);
        if let Some(old) = &replaced {
            self.set(&old.host, &old.namespace, None, None);
            self.settled.remove(&(old.host.clone(), old.namespace.clone()));
        }
        self.set(host, namespace, holding.group.as_deref(), Some(holding));
        self.settled.insert((host.to_owned(), namespace.to_owned()), holding.clone());
        // Where it is what was counted there before, everything else keeps its place.
        if replaced.is_some() || !self.taken(host).growth_from(&before).is_zero() {
            self.recount();
        }
    }

    /// What stood in this namespace of a host is gone: destroyed, by this process.
    pub fn gone(&mut self, host: &str, namespace: &str) {
        self.set(host, namespace, None, None);
        self.settled.remove(&(host.to_owned(), namespace.to_owned()));
    }

    /// Forgets what is planned under `key`: it has failed, or is not to be any more.
    pub fn free(&mut self, key: &str) {
        self.take(key);
    }

    /// The numbers that are missing for this request, so that nobody can say whether it fits.
    pub fn missing(&self, request: &Request) -> Vec<Missing> {
        let hosts = request.hosts.iter().filter_map(|choice| {
            let host = self.hosts.get(&choice.host)?;
            host.book.missing(&host.name)
        });
        let quota =
            request.group.iter().filter_map(|group| self.quotas.get(group)?.book.missing(&format!("quota of {group}")));
        hosts.chain(quota).collect()
    }

    /// Used, allocated and available: the hosts with these limits, the group's quota if it has one, and the shares of these
    /// owners that have one.
    pub fn rows<'o>(
        &self,
        group: Option<&str>,
        hosts: &[Choice],
        owners: impl IntoIterator<Item = &'o str>,
    ) -> Vec<Row> {
        let hosts = hosts.iter().filter_map(|choice| self.host_row(choice, None));
        let quota = group.and_then(|group| Some((group, self.quotas.get(group)?)));
        let shares = owners.into_iter().filter_map(|owner| {
            let (group, quota) = quota?;
            self.share_row(group, quota, owner, &Amounts::ZERO)
        });
        hosts.chain(quota.map(|(_, quota)| quota.row(&Amounts::ZERO))).chain(shares).collect()
    }

    /// The same for a request, without what is its own to use.
    fn rows_of(&self, request: &Request) -> Vec<Row> {
        let hosts = request.hosts.iter().filter_map(|choice| self.host_row(choice, request.replaces.as_ref()));
        let quota = request.group.as_deref().and_then(|group| Some((group, self.quotas.get(group)?)));
        let share = quota.zip(request.owner.as_deref()).and_then(|((group, quota), owner)| {
            let shares = quota.bounds.shares.as_ref()?;
            self.share_row(group, quota, owner, &quota.credit_of_owner(request, shares))
        });
        hosts.chain(quota.map(|(_, quota)| quota.row(&quota.credit(request)))).chain(share).collect()
    }

    fn host_row(&self, choice: &Choice, own: Option<&Replaced>) -> Option<Row> {
        let host = self.hosts.get(&choice.host)?;
        Some(host.book.row(&host.name, choice.limit.clone(), &self.credit(&choice.host, own)))
    }

    /// The line of an owner who has a share.
    fn share_row(&self, group: &str, quota: &Quota, owner: &str, own: &Amounts) -> Option<Row> {
        let shares = quota.bounds.shares.as_ref()?;
        let limit = Some(shares.limit(owner)).filter(|limit| *limit != Limit::UNLIMITED)?;
        Some(Row {
            name: share_name(owner),
            limit,
            used: quota.used_by(shares, owner).less(own).amounts(),
            allocated: self.allocated_to(group, owner).amounts(),
            missing: quota.book.numbers.as_ref().err().cloned(),
        })
    }

    /// What is planned for an owner.
    fn allocated_to(&self, group: &str, owner: &str) -> Sum {
        let is_own = |planned: &&Planned| {
            planned.request.group.as_deref() == Some(group) && planned.request.owner.as_deref() == Some(owner)
        };
        let own = self.planned.values().filter(is_own);
        own.fold(Sum::default(), |sum, planned| sum.plus(&Sum::of(&planned.on_share)))
    }

    /// What is used on a host and is the replacement's own to use.
    fn credit(&self, host: &str, replaces: Option<&Replaced>) -> Amounts {
        let old = replaces.filter(|old| old.host == host);
        old.zip(self.hosts.get(host)).map(|(old, host)| host.book.share(&old.namespace)).unwrap_or_default()
    }

    fn check_quota(&self, request: &Request) -> Result<(), Box<Refused>> {
        let quota = request.group.as_ref().and_then(|group| Some((group, self.quotas.get(group)?)));
        let Some((group, quota)) = quota.filter(|(_, quota)| quota.book.numbers.is_ok()) else { return Ok(()) };
        let taken = quota.book.taken_without(&quota.credit(request));
        self.check(Kind::Quota, request, &quota.bounds.total, &taken, &request.quota)?;
        let Some((shares, owner)) = quota.bounds.shares.as_ref().zip(request.owner.as_deref()) else { return Ok(()) };
        let taken = quota.used_by(shares, owner).plus(&self.allocated_to(group, owner));
        let taken = taken.less(&quota.credit_of_owner(request, shares)).amounts();
        self.check(Kind::Share, request, &shares.limit(owner), &taken, &request.share)
    }

    fn check(
        &self,
        kind: Kind,
        request: &Request,
        limit: &Limit,
        taken: &Amounts,
        asked: &Amounts,
    ) -> Result<(), Box<Refused>> {
        let changes = refused::changes(limit, taken, asked);
        if changes.is_empty() {
            return Ok(());
        }
        Err(Box::new(Refused { kind, request: request.clone(), rows: self.rows_of(request), host: None, changes }))
    }

    fn refuse_capacity(&self, request: Request) -> Refused {
        let item = self.item(&request, &self.indexes());
        let closest = item.spots.iter().zip(&request.hosts).filter_map(|(spot, choice)| {
            let host = self.hosts.get(&choice.host)?;
            let taken = spot.taken(&host.book.used, &host.book.allocated);
            Some((&host.name, refused::changes(&spot.limit, &taken, &request.size)))
        });
        let closest = closest.min_by(|(name, changes), (other_name, other)| {
            refused::compare(changes, other).then_with(|| name.cmp(other_name))
        });
        let (host, changes) = closest.map(|(name, changes)| (name.clone(), changes)).unzip();
        Refused {
            kind: Kind::Capacity,
            rows: self.rows_of(&request),
            request,
            host,
            changes: changes.unwrap_or_default(),
        }
    }

    /// A place for the request beside everything that is planned; `None` if there is none.
    fn place(&self, request: &Request) -> Option<Place> {
        if request.size.is_zero() {
            return Some(Place::Needless);
        }
        let indexes = self.indexes();
        let item = self.item(request, &indexes);
        let candidates: Vec<Candidate<'_>> = item
            .spots
            .iter()
            .zip(&request.hosts)
            .map(|(spot, choice)| {
                let host = self.hosts.get(&choice.host);
                let taken = host.map(|host| spot.taken(&host.book.used, &host.book.allocated));
                let key = host.map_or(&choice.host, |host| &host.name);
                Candidate { key, limit: spot.limit.clone(), used: taken.unwrap_or_default() }
            })
            .collect();
        if let Some(index) = choose(&candidates, &request.size) {
            return Some(Place::At(index));
        }
        let others = self.connected(request);
        let mut items: Vec<Item> = others.iter().map(|(_, planned)| self.item(&planned.request, &indexes)).collect();
        items.push(item);
        // The search wants hosts in order; where each spot comes from leads back.
        let orders: Vec<Vec<usize>> = items.iter_mut().map(sort).collect();
        let used: Vec<Sum> = self.hosts.values().map(|host| host.book.used.clone()).chain([Sum::default()]).collect();
        match search(&used, &items, STEPS / (1 + self.given_up)) {
            Outcome::Nowhere => None,
            Outcome::Unknown => Some(Place::Unknown),
            Outcome::Found(chosen) => {
                let mut places: Vec<usize> = chosen.iter().zip(&orders).map(|(&index, order)| order[index]).collect();
                let own = places.pop()?;
                Some(Place::Rearranged(others.iter().map(|(id, _)| *id).zip(places).collect(), own))
            }
        }
    }

    /// Everything whose placement has to do with the request's: what may be on its hosts, what may be where that may
    /// be, and so on.
    fn connected(&self, request: &Request) -> Vec<(u64, &Planned)> {
        let mut hosts: BTreeSet<&str> = request.hosts.iter().map(|choice| choice.host.as_str()).collect();
        loop {
            let before = hosts.len();
            let placed = self.planned.iter().filter(|(_, planned)| planned.placed.is_some());
            let touches = |planned: &Planned| planned.request.hosts.iter().any(|host| hosts.contains(&*host.host));
            let connected: Vec<(u64, &Planned)> =
                placed.filter(|(_, planned)| touches(planned)).map(|(id, planned)| (*id, planned)).collect();
            for (_, planned) in &connected {
                hosts.extend(planned.request.hosts.iter().map(|choice| choice.host.as_str()));
            }
            if hosts.len() == before {
                return connected;
            }
        }
    }

    fn indexes(&self) -> BTreeMap<&str, usize> {
        self.hosts.keys().enumerate().map(|(index, uid)| (uid.as_str(), index)).collect()
    }

    /// The request as the search sees it, spots in the request's order.
    fn item(&self, request: &Request, indexes: &BTreeMap<&str, usize>) -> Item {
        let spot = |choice: &Choice| {
            let host = self.hosts.get(&choice.host).filter(|host| host.book.numbers.is_ok());
            let limit = host.map_or(Limit::UNLIMITED, |_| choice.limit.clone());
            let credit = self.credit(&choice.host, request.replaces.as_ref());
            // Hosts that nobody has told of come last, as one: there is room for everything.
            Spot { host: indexes.get(choice.host.as_str()).copied().unwrap_or(indexes.len()), limit, credit }
        };
        Item { size: request.size.clone(), spots: request.hosts.iter().map(spot).collect() }
    }

    fn enter(&mut self, id: u64, request: Request, place: Place) {
        let placed = match place {
            Place::At(index) => Some(index),
            Place::Rearranged(others, index) => {
                for (other, index) in others {
                    if let Some(planned) = self.leave(other) {
                        self.allocate(other, planned.request, Some(index));
                    }
                }
                Some(index)
            }
            Place::Needless => None,
            Place::Unknown => {
                self.given_up += 1;
                None
            }
        };
        self.allocate(id, request, placed);
    }

    fn allocate(&mut self, id: u64, request: Request, placed: Option<usize>) {
        let choice = placed.and_then(|index| request.hosts.get(index));
        let on_host =
            choice.map(|choice| request.size.growth_from(&self.credit(&choice.host, request.replaces.as_ref())));
        let on_host = on_host.unwrap_or_default();
        if let Some(host) = choice.and_then(|choice| self.hosts.get_mut(&choice.host)) {
            host.book.allocated = std::mem::take(&mut host.book.allocated).plus(&Sum::of(&on_host));
        }
        let (mut on_quota, mut on_share) = (Amounts::ZERO, Amounts::ZERO);
        if let Some(quota) = request.group.as_ref().and_then(|group| self.quotas.get_mut(group)) {
            on_quota = request.quota.growth_from(&quota.credit(&request));
            quota.book.allocated = std::mem::take(&mut quota.book.allocated).plus(&Sum::of(&on_quota));
            if let Some(shares) = &quota.bounds.shares {
                on_share = request.share.growth_from(&quota.credit_of_owner(&request, shares));
            }
        }
        self.planned.insert(id, Planned { request, placed, on_host, on_quota, on_share });
    }

    fn leave(&mut self, id: u64) -> Option<Planned> {
        let planned = self.planned.remove(&id)?;
        let choice = planned.placed.and_then(|index| planned.request.hosts.get(index));
        if let Some(host) = choice.and_then(|choice| self.hosts.get_mut(&choice.host)) {
            host.book.allocated = std::mem::take(&mut host.book.allocated).less(&planned.on_host);
        }
        if let Some(quota) = planned.request.group.as_ref().and_then(|group| self.quotas.get_mut(group)) {
            quota.book.allocated = std::mem::take(&mut quota.book.allocated).less(&planned.on_quota);
        }
        Some(planned)
    }

    fn take(&mut self, key: &str) -> Option<Request> {
        let id = self.keys.remove(key)?;
        Some(self.leave(id)?.request)
    }

    /// What a host has used and allocated.
    fn taken(&self, host: &str) -> Amounts {
        self.hosts.get(host).map(|host| host.book.taken_without(&Amounts::ZERO)).unwrap_or_default()
    }

    /// Changes what a virtual cluster holds, on its host and of its group's quota; of every quota where the group is
    /// not known.
    fn set(&mut self, uid: &str, namespace: &str, group: Option<&str>, holding: Option<&Holding>) {
        if let Some(host) = self.hosts.get_mut(uid) {
            host.book.set(namespace, holding);
        }
        for (name, quota) in &mut self.quotas {
            if holding.is_none() || group == Some(name) {
                quota.book.set(&quota_key(uid, namespace), holding);
            }
        }
    }

    /// Counts everything again, because numbers have changed. What has lost its place is given another one if there is
    /// one; if there is none, it counts nowhere, and the ledgers will refuse it.
    fn recount(&mut self) {
        let books = self.hosts.values_mut().map(|host| &mut host.book);
        for book in books.chain(self.quotas.values_mut().map(|quota| &mut quota.book)) {
            book.allocated = Sum::default();
        }
        let mut homeless = Vec::new();
        for (id, Planned { request, placed, .. }) in std::mem::take(&mut self.planned) {
            let stays = placed.filter(|index| self.fits(&request, *index));
            if placed.is_some() && stays.is_none() {
                homeless.push(id);
            }
            self.allocate(id, request, stays);
        }
        for id in homeless {
            if let Some(planned) = self.leave(id) {
                let place = self.place(&planned.request).unwrap_or(Place::Unknown);
                self.enter(id, planned.request, place);
            }
        }
    }

    /// Whether the request fits on this host of its own beside what is counted there.
    fn fits(&self, request: &Request, index: usize) -> bool {
        let choice = request.hosts.get(index);
        let host = choice.and_then(|choice| self.hosts.get(&choice.host)).filter(|host| host.book.numbers.is_ok());
        choice.zip(host).is_none_or(|(choice, host)| {
            let credit = self.credit(&choice.host, request.replaces.as_ref());
            choice.limit.fits(&host.book.taken_without(&credit), &request.size)
        })
    }
}

/// Whose a virtual cluster is that is to hold `asked`, and by how much that grows in their share: by all of it where it was somebody
/// else's. `held`: what it holds already, and its labels so far.
pub fn owned(
    bounds: &Bounds,
    held: Option<(&Amounts, &Labels)>,
    asked: &Amounts,
    labels: &Labels,
) -> (Option<String>, Amounts) {
    let Some((shares, owner)) = bounds.share_of(labels) else { return (None, Amounts::ZERO) };
    let held = held.filter(|(_, labels)| shares.owner(labels) == Some(owner)).map(|(held, _)| held);
    (Some(owner.to_owned()), asked.growth_from(held.unwrap_or(&Amounts::ZERO)))
}

const SHARE_OF: &str = "share of ";

/// What the line of an owner's share is called.
fn share_name(owner: &str) -> String {
    format!("{SHARE_OF}{owner}")
}

/// The owner whose share a line is about.
pub fn owner_of(row: &Row) -> &str {
    row.name.strip_prefix(SHARE_OF).unwrap_or(&row.name)
}

/// Sorts an item's spots by host. Returns where each was.
fn sort(item: &mut Item) -> Vec<usize> {
    let mut spots: Vec<(usize, Spot)> = item.spots.drain(..).enumerate().collect();
    spots.sort_by_key(|(_, spot)| spot.host);
    let (order, spots) = spots.into_iter().unzip();
    item.spots = spots;
    order
}
