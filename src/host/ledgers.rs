//! The ledgers that a host keeps: who holds which share of its capacity, and of the quotas of the groups at home here.
//!
//! Owns the compare-and-swap. What fits is decided by [`crate::domain::ledger`]; whom to ask again is the caller's business.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep};

use super::Host;
use super::formats;
use super::formats::Promised;
use super::namespace;
use super::record::{Phase, Record};
use super::records::{RecordError, Records};
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
        Ok(self.stored().await?.filter(|stored| stored.record.group == self.group).map(|stored| stored.record.ledger))
    }

    async fn stored(&self) -> Result<Option<Stored<LedgerRecord>>, StoreError> {
        self.store.get(&secret_name(self.group.as_ref())).await
    }

    /// Changes the ledger. `change` runs on what is stored, again whenever somebody else wrote first; its error ends the
    /// attempts with nothing written. A change that changes nothing writes nothing, and a ledger without entries is removed, also
    /// one that somebody was killed before entering anything in.
    ///
    /// # Errors
    /// [`LedgerError::Missing`], the host's refusal, or [`StoreError::Changed`] after a minute of others being faster.
    pub async fn change<E>(
        &self,
        mut change: impl FnMut(&mut Ledger) -> Result<(), E>,
    ) -> Result<Result<(), E>, LedgerError> {
        let turn = self.store.host.turn(&secret_name(self.group.as_ref()));
        let _turn = turn.lock().await;
        let started = Instant::now();
        loop {
            let stored = self.stored().await?.filter(|stored| stored.record.group == self.group);
            let Some(stored) = stored else {
                let (host, secret) = self.store.named(&secret_name(self.group.as_ref()));
                return Err(LedgerError::Missing { host, secret });
            };
            let mut record = stored.record.clone();
            if let Err(refused) = change(&mut record.ledger) {
                return Ok(Err(refused));
            }
            if record == stored.record && !record.ledger.entries.is_empty() {
                return Ok(Ok(()));
            }
            let written = match record.ledger.entries.is_empty() {
                // What nobody is in need not be kept: it is rebuilt from the records when it is missed.
                true => self.store.remove(&stored).await,
                false => self.store.replace(&stored, &record).await.map(drop),
            };
            match written {
                Ok(()) => return Ok(Ok(())),
                Err(StoreError::Changed { .. }) if started.elapsed() < PATIENCE => {
                    let jitter = random::with(|rng| rng.random_range(5..100));
                    sleep(Duration::from_millis(jitter)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes the ledger where there is none. One that somebody else wrote meanwhile stays.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn create(&self, ledger: Ledger) -> Result<(), StoreError> {
        let record = LedgerRecord { group: self.group.clone(), ledger };
        if self.store.create(&record).await?.is_some() {
            return Ok(());
        }
        match self.stored().await? {
            // An earlier group of the same name left it.
            Some(stored) if stored.record.group != self.group => match self.store.replace(&stored, &record).await {
                Err(StoreError::Changed { .. }) => Ok(()),
                written => written.map(drop),
            },
            _ => Ok(()),
        }
    }

    /// Removes the ledger, if it is there and is this one.
    ///
    /// # Errors
    /// The host's refusal, or [`StoreError::Changed`] if somebody wrote it in this moment.
    pub async fn remove(&self) -> Result<(), StoreError> {
        match self.stored().await?.filter(|stored| stored.record.group == self.group) {
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
        let holding = |share: formats::Share| Holding {
            name: name.unwrap_or_else(|| namespace.clone()),
            group: share.group,
            size: share.size,
            paused: share.paused,
            record: other.uid.clone(),
        };
        let recorded = match share {
            Some(share) => Recorded::Known { holding: holding(share), counts: true },
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
    let share = record.share.as_ref()?;
    Some(Holding {
        name: record.name.clone(),
        group: share.group.clone(),
        size: share.size,
        paused: share.paused,
        record: uid.to_owned(),
    })
}
