//! The resource `nested_cluster_group`: host clusters whose capacity is shared out as virtual clusters.
//!
//! This file joins Terraform's calls to the parts: `schema` and `model` say what users see, `validate` and `plan` decide
//! without I/O, `spec` is what the hosts keep.

pub(super) mod find;
mod model;
mod plan;
mod schema;
pub(super) mod spec;
mod validate;

pub use model::{ClusterGroupModel, ClusterGroupPrivate};
pub use spec::{Followed, GroupSpec};
