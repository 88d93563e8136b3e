//! What several need of a host at the same time is asked once for all of them.
//!
//! An answer says nothing of what was there before it was asked for, so whoever needs to know what has become of their own write
//! says since when it has to be asked. Those who come while a question is under way wait for the next one, together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::Error;
use super::chart_archives::ArchiveError;
use super::cluster::locked;
use super::crowd::{Awaited, Listed};
use super::ledgers::KnownLedger;

/// An answer, and when it was asked for.
#[derive(Debug, Clone)]
pub struct Asked<T> {
    /// When the question began.
    pub at: Instant,
    /// What was said.
    pub answer: T,
}

/// The last answer to one question, held by one at a time, first come, first served.
type Slot<T> = Arc<tokio::sync::Mutex<Option<Asked<T>>>>;

/// The last answers to some questions, each by its name.
pub struct Shared<T>(Mutex<HashMap<String, Slot<T>>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Shared<T> {
    /// The last answer to the question `name`, for whoever is about to change what was asked for.
    pub async fn hold(&self, name: &str) -> OwnedMutexGuard<Option<Asked<T>>> {
        let slot = Arc::clone(locked(&self.0).entry(name.to_owned()).or_default());
        slot.lock_owned().await
    }

    /// An answer to the question `name` that was asked for at `since` or later, or whenever it was: one that is there, or else a
    /// new one.
    pub async fn since(&self, name: &str, since: Option<Instant>, ask: impl Future<Output = T>) -> Asked<T> {
        let mut last = self.hold(name).await;
        if let Some(known) = last.as_ref().filter(|known| since.is_none_or(|since| known.at >= since)) {
            return known.clone();
        }
        let at = Instant::now();
        let asked = Asked { at, answer: ask.await };
        *last = Some(asked.clone());
        asked
    }

    /// An answer that was asked for from now on.
    pub async fn now(&self, name: &str, ask: impl Future<Output = T>) -> T {
        self.since(name, Some(Instant::now()), ask).await.answer
    }

    /// An answer that is not older than that.
    pub async fn within(&self, name: &str, age: Duration, ask: impl Future<Output = T>) -> Asked<T> {
        self.since(name, Instant::now().checked_sub(age), ask).await
    }

    /// Has the question `name` be asked anew.
    pub fn forget(&self, name: &str) {
        locked(&self.0).remove(name);
    }

    /// Has all questions be asked anew.
    pub fn forget_all(&self) {
        locked(&self.0).clear();
    }
}

/// What one host has told this process.
#[derive(Default)]
pub(super) struct Answers {
    /// The ledgers. Held by who changes one, so that those of one process do not keep getting in each other's way. Other processes
    /// know nothing of it: the write compares all the same.
    pub(super) ledgers: Shared<KnownLedger>,
    /// Chart archives that this process has read, by digest.
    pub(super) charts: Shared<Arc<Vec<u8>>>,
    /// What came of keeping a chart archive.
    pub(super) kept: Shared<Result<(), ArchiveError>>,
    /// What came of releasing one.
    pub(super) released: Shared<Result<(), ArchiveError>>,
    /// What is there of what many wait for.
    pub(super) listed: Shared<Result<Arc<Listed>, Error>>,
    /// How many wait for it.
    pub(super) waiting: Mutex<HashMap<Awaited, usize>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn those_who_come_while_a_question_is_under_way_share_the_next() {
        let (shared, asked) = (Shared::<u32>::default(), AtomicU32::new(0));
        let ask = |after: u64| {
            let (shared, asked) = (&shared, &asked);
            async move {
                sleep(Duration::from_secs(after)).await;
                let question = async {
                    let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                    sleep(Duration::from_secs(10)).await;
                    number
                };
                shared.now("x", question).await
            }
        };
        assert_eq!(join_all([0, 1, 5, 9, 25].map(ask)).await, [1, 2, 2, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_serves_whoever_asks_for_none_newer() {
        let shared = Shared::<u32>::default();
        let began = Some(Instant::now());
        assert_eq!(shared.since("x", began, async { 1 }).await.answer, 1);
        sleep(Duration::from_secs(1)).await;
        for since in [began, None] {
            assert_eq!(shared.since("x", since, async { 2 }).await.answer, 1);
        }
        assert_eq!(shared.within("x", Duration::from_secs(1), async { 2 }).await.answer, 1);
        assert_eq!(shared.since("y", began, async { 3 }).await.answer, 3);
        assert_eq!(shared.now("x", async { 4 }).await, 4);
        shared.forget("y");
        assert_eq!(shared.since("y", None, async { 5 }).await.answer, 5);
        shared.forget_all();
        assert_eq!(shared.since("x", None, async { 6 }).await.answer, 6);
    }
}
