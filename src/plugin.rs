//! The Terraform plugin server: handshake, mutual TLS, protocol 6.
//!
//! Owns: everything between Terraform and a [`Registry`] of resources. Never does: anything about virtual clusters. Only
//! here is generated protobuf seen.

mod answer;
mod codec;
mod data_source;
mod function;
mod logs;
mod panics;
mod provider;
mod registry;
mod resource;
mod schema;
mod service;
mod wire;

pub use registry::Registry;

/// Where users report bugs.
const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");
