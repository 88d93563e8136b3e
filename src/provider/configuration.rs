//! The provider block: its schema, its values, and the host clusters that come out of it.
//!
//! Nothing here contacts a host: a wrong value is a diagnostic on its attribute, and a value that Terraform does not know
//! yet makes its host cluster [unknown](crate::fleet::connections::HostCluster::Unknown), which no plan fails from by itself.

mod hosts;
mod model;
mod schema;

pub use hosts::{DEFAULT_HOST, resolve};
pub use model::{ExecModel, HostClusterModel, ProviderModel};
pub use schema::schema;
