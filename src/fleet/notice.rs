//! What is to be known of an operation that has not failed because of it.

use crate::domain::isolation::PodSecurity;
use crate::fleet::virtual_cluster::resize::Remark;
use crate::host::delete::Skipped;
use crate::host::kind::KindError;

/// What a user is told, and goes on.
#[derive(Debug)]
pub enum Notice {
    /// What a creation or destroy of others has left, and nobody has worked on since, was removed.
    Reclaimed {
        /// The host cluster.
        host: String,
        /// The virtual cluster.
        name: String,
    },
    /// An object was not deleted.
    LeftBehind {
        /// The host cluster.
        host: String,
        /// The object, and why.
        skipped: Skipped,
    },
    /// The namespace was there before, and does not hold pods to the standard.
    NotEnforced {
        /// The host cluster.
        host: String,
        /// The namespace.
        namespace: String,
        /// The standard that is asked for.
        level: PodSecurity,
    },
    /// The virtual cluster was applied, and what there is of it could not be looked at.
    NotLookedAt(KindError),
    /// What a new size meets on the host.
    Size(Remark),
    /// A host cluster leaves a group, and the provider block does not have it.
    LeavesUnseen {
        /// Its key in the group.
        key: String,
    },
    /// A host cluster keeps its record of a group, as the provider block does not have it.
    KeepsRecord {
        /// Its key in the group.
        key: String,
        /// The group.
        group: String,
    },
}
