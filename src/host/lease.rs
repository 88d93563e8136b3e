//! When whoever works on a record counts as dead: how often they show that they live, and how long they may be silent.
//!
//! Each process judges by its own clock and by these numbers, so all releases have the same ones. A build with debug
//! assertions takes the silence from `NESTED_TEST_SILENCE`, in milliseconds, so that tests need not wait half a minute.

use std::sync::LazyLock;
use std::time::Duration;

const SILENCE: Duration = Duration::from_secs(30);
/// Heartbeats within a silence: a slow API server, which is late for some, must not be mistaken for a dead process.
const BEATS: u32 = 6;

/// A heartbeat that has stood still for so long is a dead process's.
pub fn silence() -> Duration {
    static CHOSEN: LazyLock<Duration> = LazyLock::new(|| {
        let chosen = || std::env::var("NESTED_TEST_SILENCE").ok()?.parse().ok().map(Duration::from_millis);
        if cfg!(debug_assertions) { chosen().unwrap_or(SILENCE) } else { SILENCE }
    });
    *CHOSEN
}

/// How often a heartbeat moves.
pub fn beat() -> Duration {
    silence() / BEATS
}
