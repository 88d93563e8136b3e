//! Charts as a program meets them: rendered beside real Helm, fetched from real servers, and meant to do harm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod corpus;
mod golden;
mod hostile;
mod property;
mod random;
mod source;
mod suites;
