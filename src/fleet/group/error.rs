//! What can go wrong with a cluster group. Each error says what was refused and why; whoever shows it adds what to do next.

use crate::fleet::connections::ConnectionError;
use crate::fleet::group::NoChart;
use crate::fleet::group::carried::Carried;
use crate::fleet::group::find::FindError;
use crate::host;
use crate::host::chart_archives::ArchiveError;
use crate::host::groups::GroupPhase;
use crate::host::records::RecordError;
use crate::host::store::StoreError;

/// Why a group could not be created, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of its hosts has failed.
    #[error("host cluster {key:?} of the group: {error}")]
    Member {
        /// Its key in the group.
        key: String,
        /// What it said.
        #[source]
        error: MemberError,
    },
    /// The provider does not have one of its hosts.
    #[error("host cluster {key:?} of the group: {error}")]
    Connection {
        /// Its key in the group.
        key: String,
        /// Why it cannot be used.
        #[source]
        error: ConnectionError,
    },
    /// The connection to one of its hosts depends on what is not known yet.
    #[error("the connection to host cluster {key:?} is not known")]
    HostUnknown {
        /// Its key in the group.
        key: String,
    },
    /// Likewise, of one that it has already.
    #[error("the connection to a host cluster of the group is not known")]
    SomeHostUnknown {
        /// Whether the group is to lose it, and goes on.
        leaves: bool,
    },
    /// Two keys lead to the same cluster.
    #[error("host clusters {first:?} and {key:?} are the same cluster")]
    SameCluster {
        /// A key.
        first: String,
        /// Another one.
        key: String,
        /// The UID at both.
        uid: String,
    },
    /// A key leads to another cluster than before.
    #[error("host cluster {key:?} has UID {actual}, and the group has one with {expected}")]
    AnotherCluster {
        /// The key.
        key: String,
        /// Its address.
        address: String,
        /// The UID that the group knows.
        expected: String,
        /// The UID that is there.
        actual: String,
    },
    /// The group was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A host that may know the group does not answer.
    #[error(transparent)]
    MayBeOn(host::Error),
    /// None of the hosts whose connections are known has the group.
    #[error("cluster group {name:?} is on none of the host clusters whose connections are known")]
    OnNoKnownHost {
        /// The group.
        name: String,
    },
    /// Somebody else has written a record in this moment.
    #[error("another apply is working on cluster group {name:?}")]
    Changed {
        /// The group.
        name: String,
        /// The host's key in the group.
        key: String,
    },
    /// Another apply is creating the group.
    #[error("cluster group {name:?} is being created by another apply")]
    BeingCreated {
        /// The group.
        name: String,
        /// The host's key in the group.
        key: String,
    },
    /// There is a group of the name.
    #[error("cluster group {name:?} exists already on host cluster {key:?}")]
    Exists {
        /// The group.
        name: String,
        /// The host's key.
        key: String,
        /// Where that group stands.
        phase: GroupPhase,
    },
    /// No host has a record of it any more.
    #[error("cluster group {name:?} is gone")]
    Gone {
        /// The group.
        name: String,
    },
    /// It still has virtual clusters.
    #[error("cluster group {name:?} has virtual clusters")]
    Carries {
        /// The group.
        name: String,
        /// Which; never empty.
        carried: Vec<Carried>,
        /// What they are in the way of.
        prevents: Prevented,
    },
    /// There is no chart. Its source knows why, and has said it.
    #[error("there is no chart")]
    NoChart,
    /// It was told to stop.
    #[error("the apply was stopped")]
    Stopped,
    /// Its time was over.
    #[error("out of time")]
    TimedOut {
        /// What was being done.
        doing: Doing,
    },
    /// None of its hosts is its home: an error of this program.
    #[error("the cluster group has no home")]
    NoHome,
}

impl From<NoChart> for Error {
    fn from(_: NoChart) -> Self {
        Self::NoChart
    }
}

impl From<NoChart> for Errors {
    fn from(error: NoChart) -> Self {
        Error::from(error).into()
    }
}

/// What one host of a group has said.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// It refused or could not be reached.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// A record of a group, or a ledger, could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The records of virtual clusters could not be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The chart archive could not be kept or read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// What virtual clusters are in the way of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prevented {
    /// The group is to go.
    Destroy,
    /// A host is to leave the group.
    Leaving,
}

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Creating the group.
    Create,
    /// Updating it.
    Update,
    /// Deleting it.
    Delete,
    /// Looking for its virtual clusters.
    LookForVirtualClusters,
    /// Reading its chart archive.
    ReadArchive,
}

/// Several errors, in the order in which they came: hosts fail each for itself.
#[derive(Debug, Default)]
pub struct Errors(pub Vec<Error>);

impl Errors {
    /// These, and one more.
    pub fn and(mut self, error: Error) -> Self {
        self.0.push(error);
        self
    }

    /// The value, if there is no error.
    ///
    /// # Errors
    /// There is.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self(vec![error])
    }
}

impl From<FindError> for Errors {
    fn from(error: FindError) -> Self {
        Error::from(error).into()
    }
}
