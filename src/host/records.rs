//! Stores the records of a host's virtual clusters, and says whose they are to work on.
//!
//! A record's Secret is named after the virtual cluster's namespace, so that two virtual clusters can never share one.
//! It decides nothing about virtual clusters; phases mean what the provider makes of them.

pub mod claim;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::lease::{self, Verdict};
use super::record::{Record, UNFINISHED_LABEL, secret_name};
use super::store::{Listing, Store, StoreError};
use super::{Error, Host, store};
use claim::{Claim, Moment};

/// Why a record could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// It could not be read or written at all, or somebody else wrote it first.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process took the record over: this one must touch nothing more.
    #[error(
        "another process has taken over the record {secret} on host cluster {host:?}, because this one had been \
         silent; nothing more was changed"
    )]
    Lost {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
    },
    /// The run was stopped.
    #[error("stopped while waiting for the record {secret} on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The Secret, `namespace/name`.
        secret: String,
    },
}

/// A record as it was read, with the version that a later write is compared with.
pub type Stored = store::Stored<Record>;

/// What came of reserving a name.
#[derive(Debug)]
pub enum Reservation {
    /// The record is made, and ours to work on.
    Made(Claim),
    /// The namespace already holds a virtual cluster, maybe one of another name.
    Taken(Box<Stored>),
}

/// What watching a record's heartbeat showed.
#[derive(Debug)]
pub enum Life {
    /// Somebody works on it, or has just finished; the record as last read.
    Alive(Box<Stored>),
    /// It stood still for the whole time.
    Stopped(Box<Stored>),
    /// The record is gone.
    Gone,
}

/// What came of taking hold of a record.
#[derive(Debug)]
pub enum Taken {
    /// It is ours to work on.
    Mine(Claim),
    /// Somebody works on it; the record as last read.
    Busy(Box<Stored>),
    /// It is gone.
    Gone,
}

/// The records of one host.
#[derive(Clone)]
pub struct Records {
    store: Store<Record>,
}

impl Records {
    /// The records that `host` holds. Asks nothing yet.
    pub fn of(host: &Host) -> Self {
        Self { store: Store::of(host) }
    }

    /// The record of the virtual cluster in `namespace`.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record. A missing record is `None`.
    pub async fn get(&self, namespace: &str) -> Result<Option<Stored>, RecordError> {
        Ok(self.store.get(&secret_name(namespace)).await?)
    }

    /// All records of the host.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn list(&self) -> Result<Listing<Record>, RecordError> {
        Ok(self.store.list().await?)
    }

    /// The records that can be read of virtual clusters that are in no state yet, without those that this process works on.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn abandoned(&self) -> Result<Vec<Stored>, RecordError> {
        let before: BTreeSet<String> = self.store.host.claims().keys().cloned().collect();
        let listed = self.store.list_labelled(UNFINISHED_LABEL).await?;
        let ours = self.store.host.claims();
        let is_ours = |owner: &String| before.contains(owner) || ours.contains_key(owner);
        let all = listed.readable.into_iter();
        Ok(all.filter(|stored| stored.record.is_unfinished() && !is_ours(&stored.record.owner)).collect())
    }

    /// What changes of each record whenever anybody writes it, by the virtual cluster's namespace.
    ///
    /// # Errors
    /// The host's refusal.
    pub(super) async fn versions(&self) -> Result<BTreeMap<String, (String, String)>, Error> {
        let versions = self.store.versions().await?;
        let prefix = secret_name("");
        let by_namespace = |(name, is): (String, _)| Some((name.strip_prefix(&prefix)?.to_owned(), is));
        Ok(versions.into_iter().filter_map(by_namespace).collect())
    }

    /// Reserves the record's namespace by creating the record. Makes [`store::NAMESPACE`] when it is missing.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record under that name.
    pub async fn reserve(&self, mut record: Record) -> Result<Reservation, RecordError> {
        record.owner = claim::new_owner();
        loop {
            let began = Moment::now();
            if let Some(stored) = self.store.create(&record).await? {
                return Ok(Reservation::Made(Claim::hold(self.clone(), stored, began)));
            }
            match self.get(&record.namespace).await? {
                // Our own write, whose answer was lost on the way.
                Some(stored) if stored.record.owner == record.owner => {
                    return Ok(Reservation::Made(Claim::hold(self.clone(), stored, began)));
                }
                Some(stored) => return Ok(Reservation::Taken(Box::new(stored))),
                // What stood in the way has just gone.
                None => {}
            }
        }
    }

    /// Takes over a record as it was read. Whoever held it before fails its next write.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if anybody wrote it since it was read: then it is not to be taken over.
    pub async fn claim(&self, stored: Stored) -> Result<Claim, RecordError> {
        self.claim_to(stored, |_| {}).await
    }

    /// The same with a change, in one write: whoever watches the record sees at once what it was taken over for.
    ///
    /// # Errors
    /// As [`Records::claim`].
    pub async fn claim_to(&self, stored: Stored, change: impl Fn(&mut Record)) -> Result<Claim, RecordError> {
        let mut record = stored.record.clone();
        change(&mut record);
        record.owner = claim::new_owner();
        record.heartbeat += 1;
        let began = Moment::now();
        let taken = self.store.replace(&stored, &record).await?;
        Ok(Claim::hold(self.clone(), taken, began))
    }

    /// Takes hold of a record once nobody works on it: at once if its last owner has let go of it, and after a silence if it
    /// was cut off.
    ///
    /// # Errors
    /// The host's refusal, or cancellation.
    pub async fn take(&self, stored: Stored, cancel: &CancellationToken) -> Result<Taken, RecordError> {
        self.take_to(stored, |_| {}, cancel).await
    }

    /// The same with a change, in one write.
    ///
    /// # Errors
    /// As [`Records::take`].
    pub async fn take_to(
        &self,
        stored: Stored,
        change: impl Fn(&mut Record),
        cancel: &CancellationToken,
    ) -> Result<Taken, RecordError> {
        let namespace = stored.record.namespace.clone();
        let mut stored = stored;
        loop {
            if stored.record.is_held() {
                tracing::info!(namespace, "somebody works on the record, or was cut off at that; watching it");
                stored = match self.watch_for_life(&stored, lease::silence(), cancel).await? {
                    Life::Gone => return Ok(Taken::Gone),
                    Life::Alive(now) if now.record.is_held() => return Ok(Taken::Busy(now)),
                    Life::Alive(now) | Life::Stopped(now) => *now,
                };
            }
            stored = match self.claim_to(stored, &change).await {
                Err(RecordError::Store(StoreError::Changed { .. })) => match self.get(&namespace).await? {
                    None => return Ok(Taken::Gone),
                    Some(now) => now,
                },
                claimed => return claimed.map(Taken::Mine),
            };
        }
    }

    /// Watches whether somebody works on a record, by this process's own clock: clocks are never compared. Returns as
    /// soon as the heartbeat moves, and after `silence` if it does not.
    ///
    /// # Errors
    /// The host's refusal, or cancellation.
    pub async fn watch_for_life(
        &self,
        seen: &Stored,
        silence: Duration,
        cancel: &CancellationToken,
    ) -> Result<Life, RecordError> {
        let since = Instant::now();
        let pause = (silence / 10).clamp(Duration::from_millis(100), Duration::from_secs(2));
        loop {
            tokio::select! {
                biased;
                () = sleep(pause) => {}
                () = cancel.cancelled() => {
                    let (host, secret) = self.store.named(&secret_name(&seen.record.namespace));
                    return Err(RecordError::Cancelled { host, secret });
                }
            }
            // Asked before it is judged, so that a reader that slept itself does not take its own silence for theirs.
            let asked = Instant::now();
            let Some(now) = self.get(&seen.record.namespace).await? else { return Ok(Life::Gone) };
            let sign = |stored: &Stored| (stored.uid.clone(), stored.record.owner.clone(), stored.record.heartbeat);
            match lease::judge(sign(&now) != sign(seen), asked.duration_since(since), silence) {
                Verdict::Alive => return Ok(Life::Alive(Box::new(now))),
                Verdict::Dead => return Ok(Life::Stopped(Box::new(now))),
                Verdict::Open => {}
            }
        }
    }
}
