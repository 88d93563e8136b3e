//! Waiting for what somebody else does, and saying what was there instead when it does not come.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Waits until `look` finds something. As long as it does not, it says what it sees instead.
#[track_caller]
pub fn eventually<T, S: Debug>(what: &str, look: impl Fn() -> Result<T, S>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            // Long enough for a machine that is busy with everything else.
            Err(seen) => {
                assert!(start.elapsed() < Duration::from_secs(180), "gave up waiting for {what}; last seen: {seen:?}")
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// For [`eventually`]: what is there, at last.
pub fn there<T>(seen: Option<T>) -> Result<T, &'static str> {
    seen.ok_or("nothing")
}

/// For [`eventually`]: nothing, or what is still there.
pub fn gone<S>(seen: Option<S>) -> Result<(), S> {
    seen.map_or(Ok(()), Err)
}

/// For [`eventually`]: as it is expected, or as it is instead.
pub fn is<S: PartialEq<E>, E: ?Sized>(seen: S, expected: &E) -> Result<(), S> {
    if seen == *expected { Ok(()) } else { Err(seen) }
}
