//! What `host` does, against a real API server with its controller manager. One file per operation.
//!
//! The objects are the smallest that show the behaviour; the chart's own are applied by the tests of the resources.

mod apply;
mod chart_archives;
mod delete;
mod fixture;
mod groups;
mod ledgers;
mod lookup;
mod namespace;
mod observe;
mod ownership;
mod pause;
mod records;
mod sizes;
mod view;
mod wait;
