//! Cluster groups and their virtual clusters: capacity and quota shared by separate states, and plans that know whether it
//! fits.

mod counting;
mod fights;
mod life;
mod owners;
pub mod support;
