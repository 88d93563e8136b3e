//! The pure rules of the product. No I/O; nothing of kube, tonic or tokio.

pub mod accounting;
pub mod capacity;
pub mod distro;
pub mod drift;
pub mod endpoint;
pub mod guard;
pub mod isolation;
pub mod ledger;
pub mod limit;
pub mod metadata;
pub mod name;
pub mod node;
pub mod placement;
pub mod quantity;
pub mod random;
pub mod revision;
pub mod room;
pub mod single_node;
pub mod size;
pub mod status;
pub mod table;
pub mod toleration;
pub mod transition;
pub mod usage;
pub mod values;
pub mod volumes;
