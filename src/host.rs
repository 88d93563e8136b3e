//! Kubernetes host clusters: connections, apply, records, waiting, access.

pub mod access;
pub mod applied;
pub mod apply;
pub mod chart_archives;
pub mod cluster;
pub mod connection;
pub mod delete;
mod diagnosis;
pub mod error;
pub mod formats;
pub mod groups;
pub mod kind;
pub mod lease;
pub mod ledgers;
pub mod lookup;
pub mod namespace;
pub mod nodes;
pub mod object;
pub mod observe;
pub mod ownership;
mod pages;
pub mod pause;
mod pods;
mod poll;
pub mod record;
pub mod records;
pub mod restart;
pub mod storage_classes;
pub mod store;
pub mod usage;
pub mod view;
pub mod volumes;
pub mod wait;
pub mod workload;

pub use cluster::Host;
pub use error::{Error, Reason};
