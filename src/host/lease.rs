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

/// What watching somebody's signs of life has shown so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They have moved.
    Alive,
    /// They stood still for as long as it takes.
    Dead,
    /// Nobody can say yet.
    Open,
}

/// Judges whoever works on a record by its signs of life: whether they have `moved`, and for how long they were `watched`, by the
/// clock of the reader. `silence` is how long they may stand still.
pub fn judge(moved: bool, watched: Duration, silence: Duration) -> Verdict {
    match (moved, watched >= silence) {
        (true, _) => Verdict::Alive,
        (false, true) => Verdict::Dead,
        (false, false) => Verdict::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_stood_still_for_a_silence_is_dead() {
        let silence = Duration::from_secs(30);
        assert_eq!(judge(false, silence, silence), Verdict::Dead);
        assert_eq!(judge(false, silence - Duration::from_millis(1), silence), Verdict::Open);
        assert_eq!(judge(true, silence * 2, silence), Verdict::Alive);
    }
}
