//! The records of cluster groups: one on every host of a group, the one on its home being the authority.
//!
//! Owns how they are kept and which of several is the newest. What a group allows is opaque here.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Host;
use super::formats::ClusterGroup;
use super::store::{self, Document, Listing, Store, StoreError};

/// Where a group stands between its creation's first write and its deletion's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupPhase {
    /// Its records are being written. Nobody may use it yet.
    Creating,
    /// It can be used.
    Ready,
    /// It is being deleted. Nobody may use it any more.
    Deleting,
}

/// What a host remembers about one group.
#[derive(Clone, PartialEq)]
pub struct GroupRecord {
    /// The group's name.
    pub name: String,
    /// Random, given when the group is created: two groups of one name have different ones.
    pub id: String,
    /// Counts the moves of its home.
    pub epoch: u64,
    /// Counts the changes of its record.
    pub generation: u64,
    /// UID of the home host.
    pub home: String,
    /// Its hosts: their keys in the group, by UID.
    pub hosts: BTreeMap<String, String>,
    /// Where it stands.
    pub phase: GroupPhase,
    /// The chart archive that is kept beside the record (see [`super::chart_archives`]).
    pub chart_digest: String,
    /// What the group says: versions, defaults, quota. May hold a user's secrets.
    pub spec: Value,
    /// What a later version of this provider says of the group, opaque here.
    pub more: Map<String, Value>,
}

impl std::fmt::Debug for GroupRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, id, epoch, generation, home, phase, .. } = self;
        let mut record = f.debug_struct("GroupRecord");
        record.field("name", name).field("id", id).field("epoch", epoch).field("generation", generation);
        record.field("home", home).field("phase", phase).finish_non_exhaustive()
    }
}

impl GroupRecord {
    /// What says which of two records is the newer.
    pub fn age(&self) -> (u64, u64) {
        (self.epoch, self.generation)
    }
}

impl Document for GroupRecord {
    type Format = ClusterGroup;
    const SECRET_TYPE: &'static str = "nested-clusters.io/cluster-group";
    const KIND: &'static str = "cluster-group";

    fn secret_name(&self) -> String {
        secret_name(&self.name)
    }
}

/// A group's record as it was read.
pub type StoredGroup = store::Stored<GroupRecord>;

/// The records of groups on one host.
#[derive(Clone)]
pub struct Groups(Store<GroupRecord>);

impl Groups {
    /// The records that `host` holds. Asks nothing yet.
    pub fn of(host: &Host) -> Self {
        Self(Store::of(host))
    }

    /// The record of the group `name`.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record. A missing record is `None`.
    pub async fn get(&self, name: &str) -> Result<Option<StoredGroup>, StoreError> {
        self.0.get(&secret_name(name)).await
    }

    /// All groups that the host knows.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn list(&self) -> Result<Listing<GroupRecord>, StoreError> {
        self.0.list().await
    }

    /// Writes a new record; `None` if there is one of that name.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn create(&self, record: &GroupRecord) -> Result<Option<StoredGroup>, StoreError> {
        self.0.create(record).await
    }

    /// Compare-and-swap: writes `record` if the stored one is still `expected`.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it is not, or is gone.
    pub async fn replace(&self, expected: &StoredGroup, record: &GroupRecord) -> Result<StoredGroup, StoreError> {
        self.0.replace(expected, record).await
    }

    /// Removes the record if it is still `expected`. One that is gone is fine.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if somebody wrote it since.
    pub async fn remove(&self, expected: &StoredGroup) -> Result<(), StoreError> {
        self.0.remove(expected).await
    }
}

fn secret_name(group: &str) -> String {
    format!("group.{group}")
}
