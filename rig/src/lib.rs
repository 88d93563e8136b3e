//! Real Kubernetes host clusters for tests and the quickstart, without Docker and without root.
//!
//! [`Rig::builder`] starts them: etcd, and per host `kube-apiserver`, `kube-controller-manager`, `kube-scheduler` and
//! kwok's fake nodes. A stand-in for vCluster runs a real nested API server for every control-plane pod. All of it
//! lives in one temporary directory and one process group, and is gone when the [`Rig`] is dropped, when the process
//! that holds it ends in whatever way, or at the latest when the next rig starts.
//!
//! The rig never touches a cluster, kubeconfig or directory that it did not make. It knows nothing of the provider.

mod apiserver;
mod balancer;
mod binaries;
mod certificates;
mod component;
mod error;
mod etcd;
pub mod faults;
mod follow;
mod guardian;
mod host;
mod kubeconfig;
mod kwok;
mod ports;
mod rig;
mod standin;
mod state;
pub mod tools;
mod volumes;

pub use binaries::BinaryError;
pub use component::ComponentError;
pub use error::RigError;
pub use rig::{Host, Rig, RigBuilder};
pub use state::{Running, running};
