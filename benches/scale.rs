//! What benchmarks of many virtual clusters share: hosts behind servers that count, and the directories and runs of Terraform
//! that the acceptance tests have.

pub mod front;
pub mod hosts;
pub mod measured;

pub use support;
