//! terraform-provider-nested: virtual clusters from groups of Kubernetes clusters, as a Terraform and OpenTofu provider.
//!
//! `ARCHITECTURE.md` has the map. Data goes one way: Terraform → [`terraform_plugin`] → [`provider`] → [`fleet`]
//! ([`domain`] decides) → [`host`] acts; [`helm_charts`] renders what is applied. [`command`] is what a user can run by hand.

pub mod application;
pub mod command;
pub mod domain;
pub mod fleet;
pub mod host;
pub mod provider;

#[cfg(test)]
mod simulation;
