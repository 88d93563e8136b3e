//! The layer below Terraform, on what is real: API servers from the rig, and Helm beside `render`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod command_render;
mod connection;
mod kubeconfig;
mod operations;
