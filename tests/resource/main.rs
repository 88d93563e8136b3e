//! Acceptance tests of `nested_virtual_cluster`: the real `terraform` (and OpenTofu for a smaller set) runs the real
//! provider against the rig's real API servers. What is asserted is read back from Terraform's JSON and from the hosts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../chart_source/helm.rs"]
#[allow(dead_code, reason = "tests/chart_source uses the rest")]
mod helm;
#[path = "../chart_source/server.rs"]
#[allow(dead_code, reason = "tests/chart_source uses the rest")]
mod server;
mod support;

mod chart_sources;
mod charts;
mod cluster_groups;
mod data_sources;
mod drift;
mod examples;
mod hosts;
mod interruption;
mod lifecycle;
mod locks;
mod ownership;
mod pause;
mod permissions;
mod quiet_plans;
mod resize;
mod secrets;
mod shared_reads;
mod sharing;
