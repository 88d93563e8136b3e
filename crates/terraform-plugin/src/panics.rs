//! Panics: kept out of Terraform's output, written to the log instead.
//!
//! The text of a panic may hold anything, secrets included. Only text that is fixed in the program is logged; of the
//! rest the location has to do.

use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::PanicHookInfo;

thread_local! {
    static LAST_LOCATION: RefCell<Cow<'static, str>> = const { RefCell::new(Cow::Borrowed("an unknown place")) };
}

/// Writes panics to the log, whatever its level, in place of the standard hook's lines.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        super::logs::write_panic(&location, fixed_text(panic));
        LAST_LOCATION.set(location.into());
    }));
}

/// Where this thread panicked last: `src/x.rs:1:2`.
pub fn last_location() -> Cow<'static, str> {
    LAST_LOCATION.with_borrow(Clone::clone)
}

fn fixed_text<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(text left out: it may hold values)")
}
