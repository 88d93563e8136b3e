//! What benchmarks of many virtual clusters share: hosts behind servers that count, and the directories and runs of Terraform
//! that the acceptance tests have.

pub mod front;
pub mod hosts;
pub mod measured;

#[path = "../tests/resource/support"]
pub mod support {
    pub mod cluster;
    pub mod running;
    pub mod waiting;
    pub mod workspace;
}
