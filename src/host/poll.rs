//! Looking at a host again and again until something is so, telling what is still missing whenever that changes.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What one look found.
pub(super) enum Look<T> {
    /// It is so.
    Done(T),
    /// Not yet; what is missing, for a person.
    Waiting(String),
}

/// Why looking ended without success.
#[derive(Debug)]
pub(super) enum Ended {
    /// Time ran out; what was missing at the last look.
    TimedOut(String),
    /// The run was stopped.
    Cancelled,
    /// The host refused to be looked at.
    Failed(Error),
}

/// Looks until `look` is done. Passing troubles (a host that restarts) count as "not yet".
pub(super) async fn until<T, F>(
    what: &str,
    timeout: Duration,
    cancel: &CancellationToken,
    mut look: impl FnMut() -> F,
) -> Result<T, Ended>
where
    F: Future<Output = Result<Look<T>, Error>>,
{
    let deadline = Instant::now() + timeout;
    let mut pause = FIRST_PAUSE;
    let mut last = String::new();
    loop {
        let looked = tokio::select! {
            biased;
            looked = look() => looked,
            () = cancel.cancelled() => return Err(Ended::Cancelled),
        };
        let missing = match looked {
            Ok(Look::Done(found)) => return Ok(found),
            Ok(Look::Waiting(missing)) => missing,
            Err(error) if error.is_transient() => error.to_string(),
            Err(error) => return Err(Ended::Failed(error)),
        };
        if missing != last {
            tracing::info!("{what}: {missing}");
            last = missing;
        }
        if Instant::now() + pause > deadline {
            return Err(Ended::TimedOut(last));
        }
        tokio::select! {
            biased;
            () = sleep(pause) => {}
            () = cancel.cancelled() => return Err(Ended::Cancelled),
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}
