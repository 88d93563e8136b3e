//! A request that is held, so that a moment lasts as long as a test needs it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// When a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It has come, and the host knows nothing of it. If its client goes away, the host never does.
    BeforeEffect,
    /// The host has done what it asks for, and its client has no answer.
    AfterEffect,
}

/// Where a request waits.
#[derive(Debug)]
pub(super) struct Gate {
    pub moment: Moment,
    reached: CancellationToken,
    opened: CancellationToken,
}

impl Gate {
    /// Waits until the gate is opened.
    pub async fn pass(&self) {
        self.reached.cancel();
        self.opened.cancelled().await;
    }
}

/// A held request, or one that is still to come. Dropped, it goes on.
#[derive(Debug)]
pub struct Hold(Arc<Gate>);

impl Hold {
    pub(super) fn new(moment: Moment) -> (Self, Arc<Gate>) {
        let gate = Arc::new(Gate { moment, reached: CancellationToken::new(), opened: CancellationToken::new() });
        (Self(Arc::clone(&gate)), gate)
    }

    /// Whether the request has come, and waits now.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.0.reached.is_cancelled()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.opened.cancel();
    }
}
