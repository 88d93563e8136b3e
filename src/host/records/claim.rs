//! The right to work on one record, held by one process at a time.
//!
//! Holding a claim keeps the record's heartbeat going. A process that was thought dead and wakes up again fails its
//! next compare-and-swap, because the record names another owner: [`Claim::confirm`] stands before every step that
//! changes a host. Nobody takes over a record that was written within a silence, so one that was written a moment ago
//! need not be written again for that.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{RecordError, Records, Stored};
use crate::domain::random;
use crate::host::cluster::locked;
use crate::host::formats::FormatError;
use crate::host::lease;
use crate::host::ownership::Owner;
use crate::host::record::{Record, secret_name};
use crate::host::store::StoreError;

/// This part of a silence after a write, the record is ours for certain: whoever watches it has begun at that write at the
/// earliest. The rest of the silence is for the step that follows.
const CERTAIN: u32 = 3;

/// Writes that lose against an unrelated one (someone labels the Secret) are tried again this often.
const ATTEMPTS: usize = 5;

/// The right to work on one record. Dropping it stops the heartbeat; the record stays.
#[derive(Debug)]
pub struct Claim {
    held: Arc<Held>,
    /// UID of the record that was lost, and that this one stands for.
    former: Option<String>,
    _heartbeat: Heartbeat,
}

struct Held {
    records: Records,
    owner: String,
    stored: Mutex<Stored>,
    /// When the last write began that succeeded; none once the claim is lost.
    written: Mutex<Option<Moment>>,
    /// Held during a write, so that the heartbeat and the work do not race each other.
    writing: tokio::sync::Mutex<()>,
    lost: CancellationToken,
}

/// A point in time by two clocks: one that is never set, and one that goes on while the machine is suspended.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// Whether less than `limit` has passed by both. A wall clock that was set back says nothing.
    fn is_within(&self, limit: Duration) -> bool {
        #[cfg(test)]
        if random::is_seeded() {
            // Simulated machines are not suspended, and that this one is slow is not for them to see.
            return self.steady.elapsed() < limit;
        }
        self.steady.elapsed() < limit && self.wall.elapsed().is_ok_and(|elapsed| elapsed < limit)
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("owner", &self.owner).field("stored", &*self.stored()).finish_non_exhaustive()
    }
}

/// Beats until it is dropped.
#[derive(Debug)]
struct Heartbeat(AbortHandle);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A new owner: 128 random bits.
pub(super) fn new_owner() -> String {
    random::id()
}

impl Claim {
    /// Holds a record that was just written with an owner of ours.
    pub(super) fn hold(records: Records, stored: Stored, written: Moment) -> Self {
        let held = Arc::new(Held {
            records,
            owner: stored.record.owner.clone(),
            stored: Mutex::new(stored),
            written: Mutex::new(Some(written)),
            writing: tokio::sync::Mutex::default(),
            lost: CancellationToken::new(),
        });
        let (heart, stop) = (Arc::clone(&held), held.records.store.host.stop());
        let task = tokio::spawn(async move {
            let beat = async {
                while !heart.lost.is_cancelled() {
                    tokio::time::sleep(lease::beat()).await;
                    // A host that does not answer may answer again: only a lost claim ends the beating.
                    if let Err(error) = heart.write(&|_| {}).await {
                        tracing::debug!("heartbeat: {error}");
                    }
                }
            };
            // A beat that the host is slow to answer must not keep the last words waiting.
            tokio::select! {
                biased;
                () = beat => {}
                () = stop.cancelled() => {}
            }
        });
        Self { held, former: None, _heartbeat: Heartbeat(task.abort_handle()) }
    }

    /// The record as last read or written.
    pub fn record(&self) -> Record {
        self.held.stored().record.clone()
    }

    /// UID of the record itself: what is marked with it was made for this record and no other.
    pub fn record_uid(&self) -> String {
        self.held.stored().uid.clone()
    }

    /// Whose objects this record's are.
    pub fn owner(&self) -> Owner {
        let stored = self.held.stored();
        let Record { namespace, was_handed_over, .. } = stored.record.clone();
        Owner { record: stored.uid.clone(), former: self.former.clone(), namespace, was_handed_over }
    }

    /// Whether the record stands for one that was lost.
    pub fn has_former(&self) -> bool {
        self.former.is_some()
    }

    /// The same, for a record that stands for a lost one with the UID `former`: what was made for that is its own. A state knows
    /// it, or the namespace that was made for that one; a record that said so could be forged.
    pub fn formerly(self, former: String) -> Self {
        Self { former: Some(former).filter(|former| !former.is_empty()), ..self }
    }

    /// Cancelled when the heartbeat finds that another process has taken over.
    pub fn lost(&self) -> CancellationToken {
        self.held.lost.clone()
    }

    /// Makes sure that the record is still ours: by a write, unless there was one so shortly ago that nobody can have taken it
    /// over.
    ///
    /// # Errors
    /// [`RecordError::Lost`] if it is not; then nothing may be changed any more.
    pub async fn confirm(&self) -> Result<(), RecordError> {
        let written = *locked(&self.held.written);
        if written.is_some_and(|written| written.is_within(lease::silence() / CERTAIN)) {
            return Ok(());
        }
        self.update(|_| {}).await
    }

    /// Changes the record. `change` may run several times, each time on what is stored.
    ///
    /// # Errors
    /// [`RecordError::Lost`] if another process has taken over.
    pub async fn update(&self, change: impl Fn(&mut Record) + Sync) -> Result<(), RecordError> {
        self.held.write(&change).await
    }

    /// Lets go of the record with a last change, so that whoever works on it next need not find out first whether this process
    /// lives. The record as it is then.
    ///
    /// # Errors
    /// [`RecordError::Lost`] if another process has taken over.
    pub async fn finish(self, change: impl Fn(&mut Record) + Sync) -> Result<Record, RecordError> {
        let let_go = |record: &mut Record| {
            change(record);
            record.owner.clear();
        };
        self.update(let_go).await?;
        Ok(self.record())
    }

    /// The error that the record cannot hold what is to be written.
    pub(in crate::host) fn unwritable(&self, problem: FormatError) -> RecordError {
        let namespace = &self.held.stored().record.namespace;
        self.held.records.store.unreadable(&secret_name(namespace), problem).into()
    }

    /// Removes the record: the last step of a delete.
    ///
    /// # Errors
    /// [`RecordError::Lost`] if another process has taken over; the record stays.
    pub async fn remove(self) -> Result<(), RecordError> {
        let mut attempts = ATTEMPTS;
        loop {
            let removed = {
                let _quiet = self.held.writing.lock().await;
                let stored = self.held.stored().clone();
                self.held.records.store.remove(&stored).await
            };
            match removed {
                // Somebody has labelled it, or taken it over: the write tells.
                Err(StoreError::Changed { .. }) if attempts > 1 => self.update(|_| {}).await?,
                removed => return Ok(removed?),
            }
            attempts -= 1;
        }
    }
}

impl Held {
    fn stored(&self) -> MutexGuard<'_, Stored> {
        locked(&self.stored)
    }

    async fn write(&self, change: &(impl Fn(&mut Record) + Sync)) -> Result<(), RecordError> {
        let _one_at_a_time = self.writing.lock().await;
        let mut outcome = Ok(());
        for _ in 0..ATTEMPTS {
            let expected = self.stored().clone();
            let mut record = expected.record.clone();
            change(&mut record);
            record.heartbeat += 1;
            let began = Moment::now();
            match self.records.store.replace(&expected, &record).await {
                Ok(written) => {
                    *self.stored() = written;
                    *locked(&self.written) = Some(began);
                    return Ok(());
                }
                Err(StoreError::Changed { host, secret }) => {
                    match self.records.get(&expected.record.namespace).await? {
                        // Our own write, whose answer was lost on the way.
                        Some(now) if now.record == record && now.uid == expected.uid => {
                            *self.stored() = now;
                            return Ok(());
                        }
                        Some(now) if now.record.owner == self.owner && now.uid == expected.uid => {
                            *self.stored() = now;
                        }
                        _ => {
                            *locked(&self.written) = None;
                            self.lost.cancel();
                            return Err(RecordError::Lost { host, secret });
                        }
                    }
                    outcome = Err(StoreError::Changed { host, secret }.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        outcome
    }
}
