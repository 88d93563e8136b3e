//! Who of a host's requests may be under way, and who is next: the one line that all requests of a host stand in.
//!
//! First come, first served, and at most [`WIDEST`] at a time. What keeps a claim alive goes ahead of everything else, and
//! has room of its own. A host that refuses for lack of room (429) stops the whole line for as long as it asks, and is
//! sent fewer requests at a time from then on; whoever was refused has kept their number and is next. Knows nothing of
//! HTTP, and never gives up on a request: that is the session's business.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// Requests of one host that may be under way at a time, express ones aside. With these, it is less than the 24 seats that an
/// API server with default settings has for ordinary users at any time, before it makes them wait.
const WIDEST: usize = 16;

/// The line gets wider by one after that many answers without a refusal.
const ANSWERS_TO_WIDEN: usize = 100;

/// Which requests go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::host) enum Lane {
    /// Ahead of the others, with room that they never take. For what others wait for: at most one request for each virtual
    /// cluster that is being worked on, so that it cannot crowd out the rest.
    Express,
    /// In its turn.
    Ordinary,
}

/// The line of one host. Clones are the same line.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<State>>);

struct State {
    /// How many may be under way now.
    width: usize,
    under_way: usize,
    next_number: u64,
    waiting: BTreeMap<(Lane, u64), oneshot::Sender<()>>,
    stopped_until: Option<Instant>,
    /// Counts the refusals that made the line narrower: what was sent before the last one says nothing about the width
    /// since.
    refusals: u64,
    /// Answers since the width last changed.
    answers: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            width: WIDEST,
            under_way: 0,
            next_number: 0,
            waiting: BTreeMap::new(),
            stopped_until: None,
            refusals: 0,
            answers: 0,
        }
    }
}

/// A number drawn by one request. It is kept for as long as the request is asked again.
pub(super) struct Place {
    line: Line,
    key: (Lane, u64),
}

/// The right to have one request under way, until it is dropped.
pub(super) struct Slot {
    line: Line,
    refusals: u64,
}

impl Line {
    /// Draws a number.
    pub fn join(&self, lane: Lane) -> Place {
        let mut state = self.state();
        state.next_number += 1;
        Place { line: self.clone(), key: (lane, state.next_number) }
    }

    /// Lets nobody in before `pause` is over.
    pub fn stop(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.state();
        if state.stopped_until.is_some_and(|stopped| stopped >= until) {
            return;
        }
        state.stopped_until = Some(until);
        drop(state);
        // By a task of its own: whoever caused the stop may be gone when it ends.
        let line = self.clone();
        tokio::spawn(async move {
            sleep_until(until).await;
            line.state().admit();
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets in who is next, as long as there is room.
    fn admit(&mut self) {
        if self.stopped_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.stopped_until = None;
        while let Some(first) = self.waiting.first_entry() {
            let room = match first.key().0 {
                Lane::Express => self.width + self.width.div_ceil(4),
                Lane::Ordinary => self.width,
            };
            if self.under_way >= room {
                return;
            }
            self.under_way += 1;
            // Who waits takes its sender out of here before it goes away.
            let _ = first.remove().send(());
        }
    }
}

impl Place {
    /// Waits for its turn.
    pub async fn enter(&self) -> Slot {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = Waiting { place: self, receiver, entered: false };
        {
            let mut state = self.line.state();
            state.waiting.insert(self.key, sender);
            state.admit();
        }
        // The sender is never dropped without sending.
        let _ = (&mut waiting.receiver).await;
        waiting.entered = true;
        Slot { line: self.line.clone(), refusals: self.line.state().refusals }
    }
}

/// A request in the line. Dropped before it has entered, it leaves no gap.
struct Waiting<'a> {
    place: &'a Place,
    receiver: oneshot::Receiver<()>,
    entered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.entered {
            return;
        }
        let mut state = self.place.line.state();
        // It was let in, and did not notice.
        if state.waiting.remove(&self.place.key).is_none() {
            state.under_way -= 1;
            state.admit();
        }
    }
}

impl Slot {
    /// The host had no room for the request. The line is half as wide from here on, but for one refusal only of all that
    /// were under way together.
    pub fn refused(self) {
        let mut state = self.line.state();
        if self.refusals == state.refusals {
            state.refusals += 1;
            state.answers = 0;
            state.width = (state.width / 2).max(1);
            tracing::info!(at_a_time = state.width, "the host has no room for more requests and is sent fewer");
        }
    }

    /// The host has dealt with the request.
    pub fn answered(&self) {
        let mut state = self.line.state();
        if state.width == WIDEST || self.refusals != state.refusals {
            return;
        }
        state.answers += 1;
        if state.answers >= ANSWERS_TO_WIDEN {
            state.answers = 0;
            state.width += 1;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.line.state();
        state.under_way -= 1;
        state.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use tokio::task::JoinHandle;
    use tokio::time::{sleep, timeout};

    const SOON: Duration = Duration::from_millis(20);

    /// Lets all others do what they can do now: the tests' runtime has one thread, and they take turns.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Fills the line.
    async fn full(line: &Line) -> Vec<Slot> {
        join_all((0..WIDEST).map(|_| async { line.join(Lane::Ordinary).enter().await })).await
    }

    /// Requests that note when they are in, and keep their slot until the end of the test.
    struct Watched {
        line: Line,
        entered: Arc<Mutex<Vec<&'static str>>>,
        tasks: Vec<JoinHandle<()>>,
    }

    impl Watched {
        fn of(line: &Line) -> Self {
            Self { line: line.clone(), entered: Arc::default(), tasks: Vec::new() }
        }

        async fn send(&mut self, lane: Lane, name: &'static str) {
            self.send_again(self.line.join(lane), name).await;
        }

        async fn send_again(&mut self, place: Place, name: &'static str) {
            let entered = Arc::clone(&self.entered);
            self.tasks.push(tokio::spawn(async move {
                let _slot = place.enter().await;
                entered.lock().unwrap().push(name);
                std::future::pending::<()>().await;
            }));
            settle().await;
        }

        async fn entered(&self) -> Vec<&'static str> {
            settle().await;
            self.entered.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn requests_enter_in_the_order_in_which_they_came_and_only_so_many() {
        let line = Line::default();
        let mut slots = full(&line).await;
        let mut watched = Watched::of(&line);
        for name in ["a", "b", "c"] {
            watched.send(Lane::Ordinary, name).await;
        }
        assert_eq!(watched.entered().await, [""; 0]);
        slots.pop();
        assert_eq!(watched.entered().await, ["a"]);
        slots.pop();
        slots.pop();
        assert_eq!(watched.entered().await, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn express_requests_have_room_of_their_own_and_go_first() {
        let line = Line::default();
        let mut slots = full(&line).await;
        let mut watched = Watched::of(&line);
        watched.send(Lane::Ordinary, "ordinary").await;
        for _ in 0..WIDEST / 4 {
            watched.send(Lane::Express, "express").await;
        }
        assert_eq!(watched.entered().await, ["express"; WIDEST / 4]);
        watched.send(Lane::Express, "last").await;
        slots.pop();
        assert_eq!(watched.entered().await.last(), Some(&"last"));
    }

    #[tokio::test]
    async fn refused_request_keeps_its_place() {
        let line = Line::default();
        let mut slots = full(&line).await;
        slots.pop();
        let place = line.join(Lane::Ordinary);
        let slot = place.enter().await;
        let mut watched = Watched::of(&line);
        watched.send(Lane::Ordinary, "later").await;
        line.stop(SOON * 2);
        slot.refused();
        watched.send_again(place, "refused").await;
        // Half as wide: nobody is let in before that many are out.
        slots.truncate(WIDEST / 2);
        sleep(SOON * 2).await;
        assert_eq!(watched.entered().await, [""; 0]);
        slots.pop();
        assert_eq!(watched.entered().await, ["refused"]);
        slots.pop();
        assert_eq!(watched.entered().await, ["refused", "later"]);
    }

    #[tokio::test]
    async fn a_stop_holds_everybody_until_it_is_over() {
        let line = Line::default();
        line.stop(Duration::from_secs(60));
        line.stop(SOON);
        let mut watched = Watched::of(&line);
        watched.send(Lane::Ordinary, "ordinary").await;
        watched.send(Lane::Express, "express").await;
        sleep(SOON * 2).await;
        assert_eq!(watched.entered().await, [""; 0], "a shorter stop does not end a longer one");

        let line = Line::default();
        line.stop(SOON * 20);
        let mut watched = Watched::of(&line);
        watched.send(Lane::Ordinary, "ordinary").await;
        watched.send(Lane::Express, "express").await;
        sleep(SOON * 20).await;
        assert_eq!(watched.entered().await, ["express", "ordinary"]);
    }

    #[tokio::test]
    async fn refusals_of_requests_that_were_under_way_together_count_once_and_answers_make_up_for_them() {
        let line = Line::default();
        for slot in full(&line).await {
            slot.refused();
        }
        assert_eq!(line.state().width, WIDEST / 2);
        for _ in 0..ANSWERS_TO_WIDEN {
            line.join(Lane::Ordinary).enter().await.answered();
        }
        assert_eq!(line.state().width, WIDEST / 2 + 1);
        for _ in 0..10 {
            line.join(Lane::Ordinary).enter().await.refused();
        }
        assert_eq!(line.state().width, 1);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_no_gap() {
        let line = Line::default();
        let mut slots = full(&line).await;
        assert!(timeout(SOON, line.join(Lane::Ordinary).enter()).await.is_err());
        let place = line.join(Lane::Ordinary);
        let mut unnoticed = Box::pin(place.enter());
        assert!(futures::poll!(&mut unnoticed).is_pending());
        // It is let in, and goes away before it has seen that.
        slots.pop();
        drop(unnoticed);
        assert_eq!(line.state().under_way, WIDEST - 1);
        slots.clear();
        assert_eq!(line.state().under_way, 0);
        drop(full(&line).await);
    }

    #[tokio::test]
    async fn everybody_gets_through_a_host_with_room_for_three() {
        let line = Line::default();
        let room = Arc::new(tokio::sync::Semaphore::new(3));
        let request = |_| {
            let (place, room, line) = (line.join(Lane::Ordinary), Arc::clone(&room), line.clone());
            tokio::spawn(async move {
                for tries in 1.. {
                    let slot = place.enter().await;
                    let Ok(_permit) = room.try_acquire() else {
                        line.stop(Duration::from_millis(5));
                        slot.refused();
                        continue;
                    };
                    sleep(Duration::from_millis(2)).await;
                    slot.answered();
                    return tries;
                }
                unreachable!()
            })
        };
        let tries: Vec<u32> = join_all((0..400).map(request)).await.into_iter().map(Result::unwrap).collect();
        assert!(tries.iter().all(|tries| *tries <= 8), "{tries:?}");
    }
}
