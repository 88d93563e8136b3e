//! The vocabulary that `plugin` and `provider` share: tf-provider's types, and traits of ours where it has no words.
//!
//! Owns: what a resource is written in. Never does: the wire. No generated protobuf, no MessagePack, no I/O.
//!
//! A resource is a type that implements [`Resource`], [`Replacement`], [`StateUpgrade`] and [`WriteOnly`]; `main` registers it by name with
//! the plugin server. While a call runs, [`stop_token`] says whether Terraform wants it to end, and [`defer`] puts off what cannot
//! be planned yet.

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
