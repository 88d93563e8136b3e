//! The plugin as Terraform sees it: every call, and a whole process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod calls;
mod corpus;
mod process;
mod terraform;
