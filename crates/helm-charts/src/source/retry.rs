//! When to ask again: what can pass is tried a few more times, after pauses that grow and differ from caller to caller.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// A server that asks for more patience than this gets no further request.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether the server may answer differently in a moment.
pub(super) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// The pause before attempt `next` (the second is 2): what the server asks for, else `first` doubled each time, give or
/// take half. None when the server asks for too much.
pub(super) fn pause(first: Duration, next: u32, asked: Option<Duration>, random: f64) -> Option<Duration> {
    match asked {
        Some(asked) => (asked <= LONGEST_PAUSE).then_some(asked),
        None => {
            let doubled = first.saturating_mul(2_u32.saturating_pow(next.saturating_sub(2)));
            Some(doubled.min(LONGEST_PAUSE).mul_f64(0.5 + random))
        }
    }
}

/// `Retry-After` in seconds. A date would have to be compared with a clock of ours, and counts as nothing.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_unless_the_server_says_how_long() {
        let check = |next, asked: Option<u64>, expected: Option<u64>| {
            let pause = pause(Duration::from_millis(500), next, asked.map(Duration::from_secs), 0.5);
            assert_eq!(pause, expected.map(Duration::from_millis), "{next} {asked:?}");
        };
        check(2, None, Some(500));
        check(3, None, Some(1000));
        check(4, None, Some(2000));
        check(40, None, Some(30_000));
        check(2, Some(7), Some(7000));
        check(2, Some(0), Some(0));
        check(2, Some(31), None);
    }

    #[test]
    fn refusals_are_final_and_overload_is_not() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(may_pass(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [400, 401, 403, 404, 410, 501] {
            assert!(!may_pass(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
