//! A Terraform plugin server: handshake, mutual TLS, protocol 6, and the vocabulary that resources are written in.
//!
//! A resource is a type that implements [`Resource`], [`Replacement`], [`StateUpgrade`] and [`WriteOnly`]. A [`Registry`] has them
//! by name, and [`main`] is the whole program: it serves the registry when Terraform or OpenTofu has started it. While a
//! call runs, [`stop_token`] says whether Terraform wants it to end, and [`defer`] puts off what cannot be planned yet.
//!
//! Owns: everything between Terraform and a registry. Never does: anything that a provider is about. Generated protobuf
//! is seen here only.
//!
//! A call comes in by `listener` and `server`, is found its resource in `service`, and is decoded, asked and encoded in
//! the file of its family: `provider`, `resource/*`, `data_source`, `function`. `vocabulary` knows none of them.

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

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
mod program;
mod provider;
mod registry;
mod resource;
mod schemas;
mod server;
mod service;
mod tls;
mod vocabulary;
mod wire;

pub use handshake::Settings;
pub use process::main;
pub use program::{Command, Program};
pub use registry::Registry;
pub use server::{Server, ServerError};
pub use tls::TlsError;
pub use vocabulary::{
    AttributePath, AttributePathStep, DataSource, DeferReason, Diagnostic, Diagnostics, Function, Provider,
    Replacement, Report, Resource, StateUpgrade, WriteOnly, async_trait, defer, deferral_allowed, diagnostic, schema,
    stop_token, value, write_only_allowed,
};
