//! What a user sees from plan to destroy: the real `terraform` (and OpenTofu for a smaller set) runs the real provider
//! against the rig's real API servers. What is asserted is read back from Terraform's JSON and from the hosts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod bounds;
mod capacity_command;
mod chart_sources;
mod charts;
mod cluster_groups;
mod data_sources;
mod docs_examples;
mod docs_terraform;
mod drift;
mod examples;
mod faults;
mod formats;
mod guard;
mod hosts;
mod interruption;
mod isolation;
mod lifecycle;
mod locks;
mod mapping;
mod nodes;
mod ownership;
mod pause;
mod permissions;
mod quiet_plans;
mod replacement;
mod resize;
mod secrets;
mod shared_reads;
mod sharing;
mod trust;
mod unknowns;
