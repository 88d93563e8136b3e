//! A cluster group as one of its virtual clusters sees it: on the hosts, or planned in the same run.

use std::sync::Arc;

use crate::domain::amounts::Amounts;
use crate::domain::capacity::{Rules, Stated};
use crate::domain::size::Size;
use crate::fleet::Fleet;
use crate::fleet::group::copies::{Since, since};
use crate::fleet::group::find::{FindError, Found};
use crate::fleet::group::spec::{Followed, GroupSpec};
use crate::host::Host;
use crate::host::groups::GroupPhase;
use crate::host::ledgers::GroupRef;

/// A group, and which of its hosts this provider has.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The group's name.
    pub name: String,
    /// What it says.
    pub spec: GroupSpec,
    /// Its host clusters that this provider has: the group's key, and the host.
    pub hosts: Vec<(String, Host)>,
    /// The keys of those that this provider does not have, or that do not answer.
    pub absent: Vec<String>,
    /// The group as it is on the hosts; none while it is only planned.
    pub found: Option<Arc<Found>>,
}

impl Membership {
    /// The group `name` as this run plans it, or else as the hosts have it. None while not all of its plan is known.
    ///
    /// # Errors
    /// There is none, or its record cannot be read.
    pub async fn planned(fleet: &Fleet, name: &str) -> Result<Option<Self>, FindError> {
        let found = fleet.group(name).await;
        let spec = match fleet.planned.group(name) {
            Some(Some(spec)) => spec,
            Some(None) => return Ok(None),
            // It may be on one that only the apply makes known.
            None if found.is_err() && fleet.connections.has_unknown() => return Ok(None),
            None => return Self::of(found?).map(Some),
        };
        let known = fleet.connections.known();
        let by_key = |key: &String| known.iter().find(|host| host.name() == key).cloned();
        let keys = spec.host_clusters.keys();
        let (hosts, absent) = keys.fold((Vec::new(), Vec::new()), |(mut hosts, mut absent), key| {
            match by_key(key) {
                Some(host) => hosts.push((key.clone(), host)),
                None => absent.push(key.clone()),
            }
            (hosts, absent)
        });
        Ok(Some(Self { name: name.to_owned(), spec, hosts, absent, found: found.ok() }))
    }

    /// The group as it was found.
    ///
    /// # Errors
    /// Its record cannot be read, or its hosts contradict each other.
    pub fn of(found: Arc<Found>) -> Result<Self, FindError> {
        let record = &found.newest.record;
        if let Some((first, second)) = found.disputed.clone() {
            return Err(FindError::Disputed { name: record.name.clone(), first, second });
        }
        let spec = serde_json::from_value(record.spec.clone())
            .map_err(|error| FindError::Damaged { name: record.name.clone(), problem: error.to_string() })?;
        let hosts = found.members().map(|(_, key, host)| (key.to_owned(), host.clone())).collect();
        let absent = found.absent().into_iter().map(str::to_owned).collect();
        Ok(Self { name: record.name.clone(), spec, hosts, absent, found: Some(found) })
    }

    /// The group `name` as its authority has it now.
    ///
    /// # Errors
    /// There is none any more, or its record cannot be read.
    pub async fn now(fleet: &Fleet, name: &str) -> Result<Self, FindError> {
        let found = fleet.group(name).await?;
        let Some(home) = found.home().cloned() else {
            // Whoever needs the home says that it is missing.
            return Self::of(found);
        };
        let authority = fleet.readings.authority_now(&home, name).await?;
        let since = since(&found.newest.record, authority.as_ref().map(|stored| &stored.record));
        let found = match (since, authority) {
            (Since::Newer, Some(stored)) => Arc::new(Found { newest: stored, ..(*found).clone() }),
            (Since::AsRead, _) => found,
            (Since::Newer | Since::Gone, _) => {
                fleet.readings.forget_group(name);
                return Err(FindError::Missing {
                    name: name.to_owned(),
                    asked: vec![home.name().to_owned()],
                    unreachable: found.unreachable.clone(),
                });
            }
        };
        if found.newest.record.home != home.identity().await.map(|identity| identity.uid.clone()).unwrap_or_default() {
            // The home has moved since this process looked.
            fleet.readings.forget_group(name);
        }
        Self::of(found)
    }

    /// Where the group stands; none while it is only planned.
    pub fn phase(&self) -> Option<GroupPhase> {
        self.found.as_ref().map(|found| found.newest.record.phase)
    }

    /// Whether nothing of the group has changed between two looks.
    pub fn is_same(&self, other: &Self) -> bool {
        let record = |group: &Self| group.found.as_ref().map(|found| found.newest.record.clone());
        record(self) == record(other)
    }

    /// The group's key for a host of this provider.
    pub fn key(&self, host: &Host) -> Option<&str> {
        self.hosts.iter().find(|(_, member)| member.name() == host.name()).map(|(key, _)| key.as_str())
    }

    /// What virtual clusters on `host` follow. Where the home does not answer it is what that host itself says of the group: what
    /// another one says is believed for none but its own.
    pub fn followed(&self, host: &Host) -> Option<Followed> {
        let key = self.key(host)?;
        let found = self.found.as_ref().filter(|found| found.home().is_none());
        let own = found.and_then(|found| found.record_on(host)).map(|stored| stored.record.spec.clone());
        match own.and_then(|spec| serde_json::from_value::<GroupSpec>(spec).ok()) {
            Some(own) => own.followed(key),
            None => self.spec.followed(key),
        }
    }

    /// The group as its quota ledger knows it.
    pub fn reference(&self) -> Option<GroupRef> {
        let record = &self.found.as_ref()?.newest.record;
        Some(GroupRef { name: record.name.clone(), id: record.id.clone() })
    }

    /// The host that decides about the group, if this provider has it and it answers.
    pub fn home(&self) -> Option<&Host> {
        self.found.as_ref()?.home()
    }
}

/// By which rules `host` is counted: the group's or, without one, the default ones and what the virtual cluster says that its
/// host promises.
pub fn rules(group: Option<&Membership>, host: &Host, promises: &Stated) -> Rules {
    let of_group = group.and_then(|group| group.spec.rules(group.key(host)?));
    of_group.unwrap_or_else(|| Rules { promises: promises.clone(), ..Rules::default() })
}

/// What a virtual cluster must have at least: as the group says or, without one, as everybody must.
pub fn minimum(group: Option<&Membership>) -> Amounts {
    let anybody = || Amounts { virtual_clusters: 1, ..Size::MINIMUM.into() };
    group.map_or_else(anybody, |group| group.spec.minimum())
}
