//! Kubernetes host clusters: connections, apply, records, waiting, access.

pub mod cluster;
pub mod connection;
pub mod error;

pub use cluster::Host;
pub use error::{Error, Reason};
