//! The ledgers that a host keeps: who holds which share of its capacity, and of the quotas of the groups at home here.
//!
//! Owns the compare-and-swap. What fits is decided by [`crate::domain::ledger`]; whom to ask again is the caller's business.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep};

use super::Host;
use super::formats;
use super::formats::Promised;
use super::namespace;
use super::record::{Phase, Record, Share};
use super::records::{RecordError, Records};
use super::shared::Asked;
use super::store::{Document, Listing, Store, StoreError, Stored};
use crate::domain::ledger::{Holding, Ledger, Recorded};
use crate::domain::random;

/// How long to go on trying while others keep writing first.
const PATIENCE: Duration = Duration::from_secs(60);

/// A ledger as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerRecord {
    /// The group whose quota it counts; none for a host's capacity.
    pub(super) group: Option<GroupRef>,
    pub(super) ledger: Ledger,
}

/// A group as its quota ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRef {
    /// Its name.
    pub name: String,
    /// Its random id.
    pub id: String,
}

impl Document for LedgerRecord {
    type Format = formats::Ledger;
    const SECRET_TYPE: &'static str = "nested-clusters.io/ledger";
    const KIND: &'static str = "ledger";

    fn secret_name(&self) -> String {
        secret_name(self.group.as_ref())
    }
}

fn secret_name(group: Option<&GroupRef>) -> String {
    group.map_or_else(|| "ledger".to_owned(), |group| format!("quota.{}", group.name))
}

/// Why a ledger could not be changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// It could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none: it has to be rebuilt from the records first.
    #[error("the ledger {secret} is missing on host cluster {host:?}")]
    Missing {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
    },
}

/// A ledger as it was read or written last; none where there was none.
pub(super) type KnownLedger = Option<Stored<LedgerRecord>>;

/// One ledger on one host.
#[derive(Clone)]
pub struct LedgerBook {
    store: Store<LedgerRecord>,
    group: Option<GroupRef>,
}

impl LedgerBook {
    /// The ledger of the host's capacity.
    pub fn capacity(host: &Host) -> Self {
        Self { store: Store::of(host), group: None }
    }

    /// The ledger of a group's quota, on its home host.
    pub fn quota(home: &Host, group: GroupRef) -> Self {
        Self { store: Store::of(home), group: Some(group) }
    }

    /// What the ledger says; none where there is none, or where it is that of an earlier group of the same name.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable ledger.
    pub async fn read(&self) -> Result<Option<Ledger>, StoreError> {
        self.read_since(Instant::now()).await
    }

    /// What the ledger said at `since` or later, as [`LedgerBook::read`]. Those of one process who want to know it at the same time
    /// share an answer, and so does who has written it since.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable ledger.
    pub async fn read_since(&self, since: Instant) -> Result<Option<Ledger>, StoreError> {
        let mut last = self.hold().await;
        if last.as_ref().is_none_or(|known| known.at < since) {
            *last = None;
            *last = Some(self.ask().await?);
        }
        let known = last.as_ref().and_then(|known| self.of_this_group(known.answer.clone()));
        Ok(known.map(|stored| stored.record.ledger))
    }

    /// The same, as it was at most so long ago. For comparisons that decide nothing.
    ///
    /// # Errors
    /// As [`LedgerBook::read_since`].
    pub async fn read_within(&self, age: Duration) -> Result<Option<Ledger>, StoreError> {
        let now = Instant::now();
        self.read_since(now.checked_sub(age).unwrap_or(now)).await
    }

    async fn hold(&self) -> OwnedMutexGuard<Option<Asked<KnownLedger>>> {
        self.store.host.answers().ledgers.hold(&secret_name(self.group.as_ref())).await
    }

    async fn ask(&self) -> Result<Asked<KnownLedger>, StoreError> {
        let at = Instant::now();
        Ok(Asked { at, answer: self.store.get(&secret_name(self.group.as_ref())).await? })
    }

    /// One of an earlier group of the same name is none.
    fn of_this_group(&self, known: KnownLedger) -> KnownLedger {
        known.filter(|stored| stored.record.group == self.group)
    }

    /// Changes the ledger. `change` runs on what is stored, again whenever somebody else wrote first; its error ends the
    /// attempts with nothing written. A change that changes nothing writes nothing, and a ledger without entries is removed, also
    /// one that somebody was killed before entering anything in.
    ///
    /// It is tried on the ledger as this process knows it: a write compares, and finds out if others have written since. Whatever
    /// ends in no write is believed only of a ledger that was read after the change began.
    ///
    /// # Errors
    /// [`LedgerError::Missing`], the host's refusal, or [`StoreError::Changed`] after a minute of others being faster.
    pub async fn change<E>(
        &self,
        mut change: impl FnMut(&mut Ledger) -> Result<(), E>,
    ) -> Result<Result<(), E>, LedgerError> {
        let started = Instant::now();
        let mut last = self.hold().await;
        loop {
            let known = match last.take() {
                Some(known) => known,
                None => self.ask().await?,
            };
            let is_old = known.at < started;
            let Some(stored) = self.of_this_group(known.answer.clone()) else {
                if is_old {
                    continue;
                }
                let (host, secret) = self.store.named(&secret_name(self.group.as_ref()));
                return Err(LedgerError::Missing { host, secret });
            };
            let mut record = stored.record.clone();
            let changed = change(&mut record.ledger);
            let is_done = changed.is_err() || record == stored.record && !record.ledger.entries.is_empty();
            if is_done && is_old {
                continue;
            }
            if is_done {
                *last = Some(known);
                return Ok(changed);
            }
            let at = Instant::now();
            match self.write(&stored, &record).await {
                Ok(answer) => {
                    *last = Some(Asked { at, answer });
                    return Ok(Ok(()));
                }
                Err(StoreError::Changed { .. }) if is_old => {}
                Err(StoreError::Changed { .. }) if started.elapsed() < PATIENCE => {
                    let jitter = random::with(|rng| rng.random_range(5..100));
                    sleep(Duration::from_millis(jitter)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What nobody is in need not be kept: it is rebuilt from the records when it is missed.
    async fn write(&self, stored: &Stored<LedgerRecord>, record: &LedgerRecord) -> Result<KnownLedger, StoreError> {
        match record.ledger.entries.is_empty() {
            true => self.store.remove(stored).await.map(|()| None),
            false => self.store.replace(stored, record).await.map(Some),
        }
    }

    /// Writes the ledger where there is none, as `rebuild` makes it. One that somebody else wrote meanwhile stays. Those of one
    /// process who miss it at the same time do so once.
    ///
    /// # Errors
    /// The host's refusal, or what `rebuild` returns.
    pub async fn create<E: From<StoreError>>(&self, rebuild: impl Future<Output = Result<Ledger, E>>) -> Result<(), E> {
        let began = Instant::now();
        let mut last = self.hold().await;
        let known = last.take().filter(|known| known.at >= began && self.of_this_group(known.answer.clone()).is_some());
        if known.is_some() {
            *last = known;
            return Ok(());
        }
        let record = LedgerRecord { group: self.group.clone(), ledger: rebuild.await? };
        let at = Instant::now();
        if let Some(made) = self.store.create(&record).await? {
            *last = Some(Asked { at, answer: Some(made) });
            return Ok(());
        }
        match self.ask().await?.answer {
            // An earlier group of the same name left it.
            Some(stored) if stored.record.group != self.group => match self.store.replace(&stored, &record).await {
                Err(StoreError::Changed { .. }) => Ok(()),
                written => Ok(written.map(drop)?),
            },
            _ => Ok(()),
        }
    }

    /// Removes the ledger, if it is there and is this one.
    ///
    /// # Errors
    /// The host's refusal, or [`StoreError::Changed`] if somebody wrote it in this moment.
    pub async fn remove(&self) -> Result<(), StoreError> {
        let mut last = self.hold().await;
        *last = None;
        match self.of_this_group(self.ask().await?.answer) {
            Some(stored) => self.store.remove(&stored).await,
            None => Ok(()),
        }
    }
}

/// What the records of `host` say about who holds what, by namespace: the truth behind its ledgers.
///
/// # Errors
/// The host's refusal.
pub async fn recorded(host: &Host) -> Result<BTreeMap<String, Recorded>, RecordError> {
    Ok(said_by(&Records::of(host).list().await?))
}

/// What these records of one host say about who holds what, by namespace. A record that this version does not understand
/// counts as finished: with what every version can read of it, or else with whatever the ledger has.
pub fn said_by(records: &Listing<Record>) -> BTreeMap<String, Recorded> {
    let readable = records.readable.iter().filter_map(|stored| {
        let counts = stored.record.phase != Phase::Reserved;
        let holding = holding(&stored.record, stored.uid())?;
        Some((stored.record.namespace.clone(), Recorded::Known { holding, counts }))
    });
    let others = records.others.iter().filter_map(|other| {
        let namespace = other.namespace()?.to_owned();
        let Promised { name, share, .. } = other.promised.clone();
        let name = name.unwrap_or_else(|| namespace.clone());
        let recorded = match share {
            Some(share) => Recorded::Known { holding: held(name, share.into(), &other.uid), counts: true },
            None => Recorded::Unreadable { record: other.uid.clone() },
        };
        Some((namespace, recorded))
    });
    others.chain(readable).collect()
}

/// The virtual clusters of `host` that are no unfinished creations, and whose namespaces are there: the UIDs of their records, by
/// namespace.
///
/// # Errors
/// The host's refusal.
pub async fn finished(host: &Host) -> Result<BTreeMap<String, String>, RecordError> {
    let all = Records::of(host).list().await?;
    // Who may not list namespaces takes them to be there.
    let uids = namespace::uids(host).await.ok();
    let is_there = |record: &Record| match (&uids, &record.namespace_uid) {
        (Some(uids), Some(uid)) if record.phase == Phase::HandedOver => uids.get(&record.namespace) == Some(uid),
        _ => matches!(record.phase, Phase::HandedOver | Phase::Deleting),
    };
    let finished = all.readable.iter().filter(|stored| is_there(&stored.record));
    let finished = finished.map(|stored| (stored.record.namespace.clone(), stored.uid().to_owned()));
    let others = all.others.iter().filter_map(|other| Some((other.namespace()?.to_owned(), other.uid.clone())));
    Ok(finished.chain(others).collect())
}

/// The entry of a ledger for the virtual cluster of `record`, whose Secret has the UID `uid`.
pub fn holding(record: &Record, uid: &str) -> Option<Holding> {
    Some(held(record.name.clone(), record.share.clone()?, uid))
}

fn held(name: String, Share { group, labels, load }: Share, record: &str) -> Holding {
    Holding { name, group, labels, load, record: record.to_owned() }
}
