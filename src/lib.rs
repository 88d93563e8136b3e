//! terraform-provider-nested: virtual clusters from groups of Kubernetes clusters, as a Terraform and OpenTofu provider.
//!
//! `ARCHITECTURE.md` has the map. Data goes one way: Terraform → [`plugin`] → [`provider`] → ([`domain`] decides) →
//! [`host`] acts; [`chart`] renders what is applied; [`terraform`] is the vocabulary that plugin and provider share.
//! [`command`] is what a user can run by hand.

pub mod chart;
pub mod command;
pub mod domain;
pub mod host;
pub mod plugin;
pub mod provider;
pub mod terraform;
