//! Finds a cluster group by its name, on whichever of the provider's host clusters its records are.
//!
//! Host clusters are told apart by UID: a team may call the same one by another key than the group does.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::fleet::group::copies::believed;
use crate::host::groups::{Groups, StoredGroup};
use crate::host::store::StoreError;
use crate::host::{self, Host};

/// A group as its home has it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The record that decides: the home's, or the newest one where the home does not answer.
    pub newest: StoredGroup,
    /// Two host clusters that contradict each other on which record that is. Only the group's own apply can go on then.
    pub disputed: Option<(String, String)>,
    /// Every record that was found, with its host.
    pub records: Vec<(Host, StoredGroup)>,
    /// The host clusters of the provider that answer, by UID.
    pub hosts: BTreeMap<String, Host>,
    /// The host clusters that do not.
    pub unreachable: Vec<host::Error>,
}

/// Why a group was not found.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FindError {
    /// No host cluster knows it.
    #[error("cluster group {name:?} is on none of these host clusters: {}", asked.join(", "))]
    Missing {
        /// The group.
        name: String,
        /// The host clusters that answered.
        asked: Vec<String>,
        /// Those that did not.
        unreachable: Vec<host::Error>,
    },
    /// Different groups have the name.
    #[error("host clusters {first:?} and {second:?} have different cluster groups of the name {name:?}")]
    Ambiguous {
        /// The name.
        name: String,
        /// A host cluster that has one.
        first: String,
        /// A host cluster that has another.
        second: String,
    },
    /// Its hosts do not agree on which of them decides.
    #[error("host clusters {first:?} and {second:?} contradict each other on the home of cluster group {name:?}")]
    Disputed {
        /// The group.
        name: String,
        /// A host cluster.
        first: String,
        /// One that says otherwise.
        second: String,
    },
    /// What a record says of the group is not understood.
    #[error("the record of cluster group {name:?} cannot be read: {problem}")]
    Damaged {
        /// The group.
        name: String,
        /// What the parser said.
        problem: String,
    },
    /// A record could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Found {
    /// The host cluster that decides about the group, if the provider has it and it answers.
    pub fn home(&self) -> Option<&Host> {
        self.hosts.get(&self.newest.record.home)
    }

    /// The key that the group gives its home.
    pub fn home_key(&self) -> &str {
        self.newest.record.hosts.get(&self.newest.record.home).map_or("", String::as_str)
    }

    /// The record on that host cluster.
    pub fn record_on(&self, host: &Host) -> Option<&StoredGroup> {
        self.records.iter().find(|(other, _)| other.name() == host.name()).map(|(_, stored)| stored)
    }

    /// The group's host clusters that answer: UID, the group's key, the host.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str, &Host)> {
        self.newest
            .record
            .hosts
            .iter()
            .filter_map(|(uid, key)| Some((uid.as_str(), key.as_str(), self.hosts.get(uid)?)))
    }

    /// The keys of the group's host clusters that do not answer, or that the provider does not have.
    pub fn absent(&self) -> Vec<&str> {
        let hosts = self.newest.record.hosts.iter().filter(|(uid, _)| !self.hosts.contains_key(*uid));
        hosts.map(|(_, key)| key.as_str()).collect()
    }
}

/// The group `name`, from the records on `hosts`.
///
/// # Errors
/// There is none, there are several, or a host's answer cannot be used. Hosts that do not answer are no error by
/// themselves.
pub async fn find(hosts: Vec<Host>, name: &str) -> Result<Found, FindError> {
    let asked = join_all(hosts.into_iter().map(|host| ask(host, name.to_owned()))).await;
    let (mut by_uid, mut unreachable, mut records) = (BTreeMap::new(), Vec::new(), Vec::new());
    for answer in asked {
        match answer {
            Ok((uid, host, stored)) => {
                // The same cluster under another key says the same.
                if let Some(stored) = stored.filter(|_| !by_uid.contains_key(&uid)) {
                    records.push((uid.clone(), host.clone(), stored));
                }
                by_uid.insert(uid, host);
            }
            Err(StoreError::Host(error)) => unreachable.push(error),
            Err(error) => return Err(error.into()),
        }
    }
    let Some((_, first, any)) = records.first().cloned() else {
        let mut asked: Vec<String> = by_uid.values().map(|host: &Host| host.name().to_owned()).collect();
        asked.sort();
        return Err(FindError::Missing { name: name.to_owned(), asked, unreachable });
    };
    if let Some((_, second, _)) = records.iter().find(|(_, _, stored)| stored.record.id != any.record.id) {
        let (first, second) = (first.name().to_owned(), second.name().to_owned());
        return Err(FindError::Ambiguous { name: name.to_owned(), first, second });
    }
    let seen: Vec<_> = records.iter().map(|(uid, _, stored)| (uid.as_str(), &stored.record)).collect();
    let name_of = |index: usize| records[index].1.name().to_owned();
    let (newest, disputed) = match believed(&seen) {
        Ok(index) => (index.unwrap_or_default(), None),
        Err((one, other)) => (one, Some((name_of(one), name_of(other)))),
    };
    let newest = records[newest].2.clone();
    let records = records.into_iter().map(|(_, host, stored)| (host, stored)).collect();
    Ok(Found { newest, disputed, records, hosts: by_uid, unreachable })
}

async fn ask(host: Host, name: String) -> Result<(String, Host, Option<StoredGroup>), StoreError> {
    let uid = host.identity().await?.uid.clone();
    let stored = Groups::of(&host).get(&name).await?;
    Ok((uid, host, stored))
}
