//! The vocabulary that providers are written in: tf-provider's types, and traits of ours where it has no words.
//!
//! Owns: what a resource is written in. Never does: the wire. No generated protobuf, no MessagePack, no I/O. Here alone is
//! tf-provider named.

mod diagnostics;
mod replacement;
mod request;
mod upgrade;
mod write_only;

pub use async_trait::async_trait;
pub use tf_provider::{
    AttributePath, AttributePathStep, DataSource, Diagnostic, Diagnostics, Function, Provider, Resource, schema, value,
};

pub use diagnostics::{Report, diagnostic};
pub use replacement::Replacement;
pub(crate) use request::{Client, Request, deferred};
pub use request::{DeferReason, defer, deferral_allowed, stop_token, write_only_allowed};
pub use upgrade::StateUpgrade;
pub use write_only::WriteOnly;
