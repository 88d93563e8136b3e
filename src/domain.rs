//! The pure rules of the product. No I/O; nothing of kube, tonic or tokio.

pub mod status;
