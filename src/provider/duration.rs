//! Durations as users write them in `timeouts`: `90s`, `10m`, `1h30m`.

use std::time::Duration;

use jiff::SignedDuration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a duration above zero: write numbers with units, as in \"90s\", \"10m\" or \"1h30m\"")]
pub struct DurationError(String);

/// Reads a duration above zero.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.to_owned());
    let duration: SignedDuration = text.parse().map_err(|_| error())?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero()).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_go() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h", 3600)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "10", "-5m", "0s", "soon"] {
            assert_eq!(parse(text), Err(DurationError(text.to_owned())));
        }
    }
}
