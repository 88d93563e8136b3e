//! The life cycle of cluster groups and virtual clusters on their host clusters: who may have what, and the order of steps in
//! which it is made, changed and removed, safe to stop at each of them.
//!
//! It observes, decides and acts: what comes next is a pure function of what was asked, what records and ledgers say and
//! what was seen. Each operation ends in what there is now, typed errors and notices. It knows neither Terraform nor charts:
//! what is to be applied comes from a [`virtual_cluster::Renderer`].

pub mod arrivals;
pub mod compute;
pub mod connections;
pub mod departures;
pub mod group;
pub mod notice;
pub mod planned;
pub mod readings;
pub mod terms;
pub mod virtual_cluster;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::host::Host;
use crate::host::chart_archives::{ChartArchives, DigestOf};
use arrivals::Arrivals;
use connections::Connections;
use departures::Departures;
use group::find::{FindError, Found};
use notice::Notice;
use planned::Planned;
use readings::Readings;

/// What one provider process has to do with its host clusters. Each part stands for itself.
pub struct Fleet {
    /// The host clusters that it has.
    pub connections: Connections,
    /// What it has read of them.
    pub readings: Readings,
    /// What its plans come to.
    pub planned: Planned,
    /// Its virtual clusters that are on their way to a host.
    pub arrivals: Arrivals,
    /// Those that are being removed.
    pub departures: Departures,
    begun: Mutex<HashSet<String>>,
    digest_of: DigestOf,
}

impl Fleet {
    /// A fleet without host clusters yet. `digest_of` says which chart an archive is.
    pub fn new(digest_of: DigestOf) -> Self {
        Self {
            connections: Connections::default(),
            readings: Readings::default(),
            planned: Planned::default(),
            arrivals: Arrivals::default(),
            departures: Departures::default(),
            begun: Mutex::default(),
            digest_of,
        }
    }

    /// The group as its hosts have it, as it was when this process first asked.
    ///
    /// # Errors
    /// There is none, or its record cannot be read.
    pub async fn group(&self, name: &str) -> Result<Arc<Found>, FindError> {
        self.readings.group(self.connections.known(), name).await
    }

    /// The same, as it is from now on.
    ///
    /// # Errors
    /// As [`Fleet::group`].
    pub async fn group_now(&self, name: &str) -> Result<Arc<Found>, FindError> {
        self.readings.group_now(self.connections.known(), name).await
    }

    /// The chart archives that `host` keeps.
    pub fn archives(&self, host: &Host) -> ChartArchives {
        ChartArchives::of(host, self.digest_of)
    }

    /// Whether nobody of this process has begun that yet. From now on somebody has.
    fn begins(&self, work: &str) -> bool {
        locked(&self.begun).insert(work.to_owned())
    }
}

/// How long an operation may go on.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Cancelled when it is to stop.
    pub stop: CancellationToken,
    /// When its time is over.
    pub deadline: Instant,
}

impl Limits {
    /// Until `stop` is cancelled, and for `time` from now on.
    pub fn new(stop: CancellationToken, time: Duration) -> Self {
        Self { stop, deadline: Instant::now() + time }
    }

    /// How much time is left.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What an operation has come to.
#[derive(Debug)]
pub struct Outcome<T, E> {
    /// What there is now. After errors, too, where something was left that is not to be forgotten.
    pub left: Option<T>,
    /// What went wrong, the cause first.
    pub errors: Vec<E>,
    /// What else is to be known.
    pub notices: Vec<Notice>,
}

/// What the mutex keeps, also where a thread has panicked with it: nothing in these is left half-done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
