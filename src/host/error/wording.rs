//! Errors of the operating system in its own words.

use std::io;

/// What the operating system says, without the number that std adds; `None` where the error is not the system's.
pub(in crate::host) fn of_system(error: &io::Error) -> Option<String> {
    let code = error.raw_os_error()?;
    let text = error.to_string();
    Some(text.strip_suffix(&format!(" (os error {code})")).unwrap_or(&text).to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(of_system(&io::Error::from_raw_os_error(24)).as_deref(), Some("too many open files"));
        assert_eq!(of_system(&io::Error::other("ours")), None);
    }
}
