//! What can go wrong with a virtual cluster. Each error says what was refused and why; whoever shows it adds what to do next.

use crate::domain::accounting::Refused;
use crate::domain::capacity::Standing;
use crate::fleet::connections::ConnectionError;
use crate::fleet::group::find::FindError;
use crate::fleet::virtual_cluster::Unprepared;
use crate::fleet::virtual_cluster::resize::Obstructed;
use crate::fleet::virtual_cluster::spec::Place;
use crate::host;
use crate::host::apply::ApplyError;
use crate::host::chart_archives::ArchiveError;
use crate::host::delete::DeleteError;
use crate::host::groups::GroupPhase;
use crate::host::kind::KindError;
use crate::host::ledgers::LedgerError;
use crate::host::namespace::NamespaceError;
use crate::host::pause::PauseError;
use crate::host::records::RecordError;
use crate::host::store::StoreError;
use crate::host::volumes::VolumeError;
use crate::host::wait::WaitError;

/// Why a virtual cluster could not be created, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A host cluster refused or could not be reached.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// A record could not be read or written, or is not ours any more.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A ledger could not be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The chart archive could not be kept or released.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// There is no namespace to work in.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// Objects could not be applied.
    #[error(transparent)]
    Apply(Box<ApplyError>),
    /// Objects could not be paused or resumed.
    #[error(transparent)]
    Pause(#[from] PauseError),
    /// Volumes could not grow.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// It did not get ready.
    #[error(transparent)]
    Wait(Box<WaitError>),
    /// Objects could not be deleted.
    #[error(transparent)]
    Delete(#[from] DeleteError),
    /// An object's kind is not known.
    #[error(transparent)]
    Kind(#[from] KindError),
    /// The provider does not have the host cluster.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// Its connection depends on what is not known yet.
    #[error("the connection to host cluster {key:?} is not known")]
    HostUnknown {
        /// The host cluster.
        key: String,
    },
    /// The name leads to another Kubernetes cluster than before.
    #[error("host cluster {host:?} has UID {actual}, and the virtual cluster is on {expected}")]
    AnotherHost {
        /// The host cluster.
        host: String,
        /// Its address.
        address: String,
        /// The UID that the virtual cluster was created on.
        expected: String,
        /// The UID that is there.
        actual: String,
    },
    /// Its group was not found.
    #[error(transparent)]
    Group(#[from] FindError),
    /// Its group is being made or removed, and takes nobody in.
    #[error("cluster group {group:?} is {phase:?}")]
    GroupNotOpen {
        /// The group.
        group: String,
        /// Where it stands; none while it is only planned.
        phase: Option<GroupPhase>,
    },
    /// The host cluster is none of the group's.
    #[error("host cluster {host:?} is not in cluster group {group:?}")]
    NotInGroup {
        /// The host cluster.
        host: String,
        /// The group.
        group: String,
    },
    /// None of the group's host clusters can be used.
    #[error("no host cluster of cluster group {group:?} can be used")]
    NoHost {
        /// The group.
        group: String,
        /// Those that were asked, and what they said.
        refusals: Vec<(String, RecordError)>,
    },
    /// The home of the group cannot be asked.
    #[error("the home {key:?} of cluster group {group:?} cannot be asked")]
    NoHome {
        /// The group.
        group: String,
        /// The key that the group gives its home.
        key: String,
        /// The host clusters that do not answer.
        unreachable: Vec<host::Error>,
    },
    /// The group's home or hosts changed during a creation.
    #[error("cluster group {group:?} was changed")]
    GroupChanged {
        /// The group.
        group: String,
    },
    /// Owners have shares of the group's quota, and nothing says whose it is.
    #[error("cluster group {group:?} has shares by the label {label:?}")]
    NoOwner {
        /// The group.
        group: String,
        /// The label that is missing.
        label: String,
    },
    /// There is no room.
    #[error("there is no room for virtual cluster {label:?}")]
    NoRoom {
        /// The virtual cluster.
        label: String,
        /// What there is and what is missing; none where there is room again.
        refused: Option<Box<Refused>>,
        /// How the hosts stand that come into question.
        hosts: Vec<Standing>,
        /// Whether it is asked for by a resume and not by a size.
        is_resume: bool,
    },
    /// What was entered in a ledger was lost, and others have it now.
    #[error("the room for the virtual cluster was lost before it was made")]
    RoomLost,
    /// Without storage a pause would lose its data.
    #[error("a virtual cluster without storage cannot be paused")]
    PauseWithoutStorage,
    /// There is one already.
    #[error("virtual cluster {} exists already", place.id())]
    Exists {
        /// The virtual cluster.
        place: Place,
    },
    /// Another virtual cluster lives in the namespace.
    #[error("namespace {:?} holds virtual cluster {other:?}", place.namespace)]
    Occupied {
        /// Where it was to be.
        place: Place,
        /// The one that is there.
        other: String,
    },
    /// Another apply makes or removes it.
    #[error("virtual cluster {} is being created or deleted", place.id())]
    BeingMade {
        /// The virtual cluster.
        place: Place,
    },
    /// Another apply works on it.
    #[error("virtual cluster {} is being changed or deleted", place.id())]
    Busy {
        /// The virtual cluster.
        place: Place,
    },
    /// Without its record nothing proves what is its own.
    #[error("the record of virtual cluster {} is missing", place.id())]
    NoRecord {
        /// The virtual cluster.
        place: Place,
        /// The host cluster.
        host: String,
    },
    /// The host does not let the size become what it is to be.
    #[error("the size cannot become what it is to be")]
    Size(Box<Obstructed>),
    /// There is nothing to apply. The renderer knows why, and has said it.
    #[error("there is nothing to apply")]
    NotPrepared,
    /// A step was taken before what it needs: an error of this program.
    #[error("a step was taken before what it needs")]
    OutOfStep,
}

impl From<Unprepared> for Error {
    fn from(_: Unprepared) -> Self {
        Self::NotPrepared
    }
}

impl From<ApplyError> for Error {
    fn from(error: ApplyError) -> Self {
        Self::Apply(Box::new(error))
    }
}

impl From<WaitError> for Error {
    fn from(error: WaitError) -> Self {
        Self::Wait(Box::new(error))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Record(error.into())
    }
}
