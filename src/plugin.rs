//! The Terraform plugin server: handshake, mutual TLS, protocol 6.
//!
//! Owns: everything between Terraform and a [`Registry`] of resources. Never does: anything about virtual clusters. Only
//! here is generated protobuf seen.
//!
//! A call comes in by `listener` and `server`, is found its resource in `service`, and is decoded, asked and encoded in
//! the file of its family: `provider`, `resource/*`, `data_source`, `function`. [`main`] is the whole program.

mod answer;
mod codec;
mod data_source;
mod diagnostics;
mod function;
mod go_plugin;
mod handshake;
mod listener;
mod logs;
mod panics;
mod process;
mod provider;
mod registry;
mod resource;
mod schema;
mod server;
mod service;
mod tls;
mod wire;

pub use handshake::Settings;
pub use process::{Command, main};
pub use registry::Registry;
pub use server::{Server, ServerError};
pub use tls::TlsError;

/// Where users report bugs.
const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");
