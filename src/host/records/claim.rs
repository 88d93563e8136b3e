//! The right to work on one record, held by one process at a time.
//!
//! Holding a claim keeps the record's heartbeat going. A process that was thought dead and wakes up again fails its
//! next compare-and-swap, because the record names another owner: [`Claim::confirm`] stands before every step that
//! changes a host. Nobody takes over a record that was written within a silence, so one that was written a moment ago
//! need not be written again for that.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
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
    /// Changes that go with the next write, in their order.
    noted: Mutex<Vec<Box<Change>>>,
    /// When the last write began that succeeded; none once the claim is lost.
    written: Mutex<Option<Moment>>,
    /// Held during a write, so that the heartbeat and the work do not race each other.
    writing: tokio::sync::Mutex<()>,
    lost: CancellationToken,
}

/// What others of the process may know of a claim.
#[derive(Clone)]
pub(in crate::host) struct Sign {
    /// When the last write began that succeeded.
    written: Moment,
    /// The chart archive that stays because of its record.
    keeps: Option<String>,
}

/// A change of a record. It may be made several times.
type Change = dyn Fn(&mut Record) + Send + Sync;

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
            noted: Mutex::default(),
            written: Mutex::new(Some(written)),
            writing: tokio::sync::Mutex::default(),
            lost: CancellationToken::new(),
        });
        held.records.store.host.claims().insert(held.owner.clone(), Sign { written, keeps: None });
        let (heart, stop) = (Arc::clone(&held), held.records.store.host.stop());
        let task = tokio::spawn(async move {
            // A beat that the host is slow to answer must not keep the last words waiting.
            tokio::select! {
                biased;
                () = heart.beat() => {}
                () = stop.cancelled() => {}
            }
        });
        Self { held, former: None, _heartbeat: Heartbeat(task.abort_handle()) }
    }

    /// The record as last read or written, with what was noted since.
    pub fn record(&self) -> Record {
        self.held.record()
    }

    /// UID of the record itself: what is marked with it was made for this record and no other.
    pub fn record_uid(&self) -> String {
        self.held.stored().uid.clone()
    }

    /// Whose objects this record's are.
    pub fn owner(&self) -> Owner {
        let Record { namespace, was_handed_over, .. } = self.record();
        Owner { record: self.record_uid(), former: self.former.clone(), namespace, was_handed_over }
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

    /// Takes note that no release can remove the chart archive with that digest any more: it was put for this record, or for
    /// another one that stood for it meanwhile.
    pub fn keeps(&self, digest: &str) {
        if let Some(sign) = self.held.records.store.host.claims().get_mut(&self.held.owner) {
            sign.keeps = Some(digest.to_owned());
        }
    }

    /// Whether another record that this process holds keeps that archive, since before this one was written until now: whoever has
    /// counted the records meanwhile has found that one.
    pub fn is_kept_by_another(&self, digest: &str) -> bool {
        let claims = self.held.records.store.host.claims();
        let keeps =
            |sign: &Sign| sign.keeps.as_deref() == Some(digest) && sign.written.is_within(lease::silence() / CERTAIN);
        claims.iter().any(|(owner, sign)| *owner != self.held.owner && keeps(sign))
    }

    /// From now on the record may go.
    fn keeps_nothing(&self) {
        if let Some(sign) = self.held.records.store.host.claims().get_mut(&self.held.owner) {
            sign.keeps = None;
        }
    }

    /// Has the record change with its next write, be it a heartbeat. For what nobody has to find there before something else
    /// happens: a process that is killed before may never have written it. `change` may run several times, each time on what is
    /// stored.
    pub fn note(&self, change: impl Fn(&mut Record) + Send + Sync + 'static) {
        locked(&self.held.noted).push(Box::new(change));
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
        self.keeps_nothing();
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
        self.keeps_nothing();
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

impl Drop for Held {
    fn drop(&mut self) {
        self.records.store.host.claims().remove(&self.owner);
    }
}

impl Held {
    fn stored(&self) -> MutexGuard<'_, Stored> {
        locked(&self.stored)
    }

    fn record(&self) -> Record {
        let noted = locked(&self.noted);
        let mut record = self.stored().record.clone();
        noted.iter().for_each(|change| change(&mut record));
        record
    }

    /// Writes the record whenever nothing else has for the time of a beat, until the claim is lost.
    async fn beat(&self) {
        let mut tried = Instant::now();
        while !self.lost.is_cancelled() {
            let written = locked(&self.written).map_or(tried, |written| written.steady);
            let next = written.max(tried) + lease::beat();
            sleep_until(next).await;
            if locked(&self.written).is_some_and(|written| written.steady.elapsed() < lease::beat()) {
                continue;
            }
            tried = Instant::now();
            // A host that does not answer may answer again: only a lost claim ends the beating.
            if let Err(error) = self.write(&|_| {}).await {
                tracing::debug!("heartbeat: {error}");
            }
        }
    }

    /// What was written, with the first `noted` changes that were noted for it.
    fn wrote(&self, stored: Stored, noted: usize, began: Moment) {
        let mut left = locked(&self.noted);
        *self.stored() = stored;
        left.drain(..noted);
        *locked(&self.written) = Some(began);
        if let Some(sign) = self.records.store.host.claims().get_mut(&self.owner) {
            sign.written = began;
        }
    }

    async fn write(&self, change: &(impl Fn(&mut Record) + Sync)) -> Result<(), RecordError> {
        let _one_at_a_time = self.writing.lock().await;
        let mut outcome = Ok(());
        for _ in 0..ATTEMPTS {
            let expected = self.stored().clone();
            let mut record = expected.record.clone();
            let noted = {
                let noted = locked(&self.noted);
                noted.iter().for_each(|change| change(&mut record));
                noted.len()
            };
            change(&mut record);
            // As it is read back, so that it is known again where the answer was lost.
            record.inventory.sort();
            record.heartbeat += 1;
            let began = Moment::now();
            match self.records.store.replace(&expected, &record).await {
                Ok(written) => {
                    self.wrote(written, noted, began);
                    return Ok(());
                }
                Err(StoreError::Changed { host, secret }) => {
                    match self.records.get(&expected.record.namespace).await? {
                        // Our own write, whose answer was lost on the way.
                        Some(now) if now.record == record && now.uid == expected.uid => {
                            self.wrote(now, noted, began);
                            return Ok(());
                        }
                        Some(now) if now.record.owner == self.owner && now.uid == expected.uid => {
                            *self.stored() = now;
                        }
                        _ => {
                            *locked(&self.written) = None;
                            self.records.store.host.claims().remove(&self.owner);
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
