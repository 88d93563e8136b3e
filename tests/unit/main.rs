//! What the sources and the documents say of each other. Starts no process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod dependencies;
mod docs;
mod layers;
