//! Faults on real API servers: requests that fail, plugins and Terraforms that are killed, and people who get in the way.
//! What is destroyed at the end leaves nothing, and what is there is counted once.
//!
//! A test has a pair of hosts to itself. Between each Terraform and each host stands a proxy of the rig, which makes the
//! faults and knows the nth request of an operation. What is drawn comes from a seed.

mod amid;
mod applies;
mod kills;
mod plans;
mod races;
mod stops;
mod subject;
mod torment;

/// Gives what short runs draw. A failure names the seed that it came from.
const SEED: u64 = 14;
