//! The virtual clusters that a group has on its hosts: what keeps it, or one of them, from going.

use futures::future::join_all;

use super::Operation;
use super::error::{Doing, Error};
use super::members::Member;
use crate::fleet::virtual_cluster::reclaim;
use crate::host::formats::Promised;
use crate::host::record::Phase;
use crate::host::records::{Records, Stored};
use crate::host::{Host, lease};

/// A virtual cluster of a group on one of its hosts.
#[derive(Debug)]
pub struct Carried {
    /// Its name, as far as it is known.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The host's key in the group.
    pub host: String,
    /// Its record, if this version can read it.
    stored: Option<(Host, Stored)>,
}

impl Carried {
    /// Whether it is being created or deleted, or was cut off at that.
    pub fn is_on_its_way(&self) -> bool {
        self.stored.as_ref().is_some_and(|(_, stored)| stored.record.phase != Phase::HandedOver)
    }
}

impl Operation<'_> {
    /// The virtual clusters of the group `name` on these hosts. What creations have left that nobody works on any more is removed
    /// first, and what is left of those whose namespaces somebody has deleted.
    pub(super) async fn carried(&mut self, members: &[Member], name: &str) -> Result<Vec<Carried>, Error> {
        let found = self.in_time(Doing::LookForVirtualClusters, carried(members, name)).await?;
        let (stop, fleet) = (self.limits.stop.clone(), self.fleet);
        let all = found.iter().filter_map(|carried| carried.stored.clone());
        let (unfinished, others): (Vec<_>, Vec<_>) = all.partition(|(_, stored)| stored.record.is_unfinished());
        let hollow = others.into_iter().map(|(host, stored)| {
            let stop = stop.clone();
            async move { reclaim::hollow(fleet, &host, stored, &stop).await }
        });
        let hollow = join_all(hollow).await.contains(&true);
        let stopped = reclaim::stopped(fleet, unfinished, lease::silence(), &stop).await;
        let is_changed = hollow || !stopped.is_empty();
        self.notices.extend(stopped);
        match is_changed {
            false => Ok(found),
            true => self.in_time(Doing::LookForVirtualClusters, carried(members, name)).await,
        }
    }
}

/// The virtual clusters of the group `name` on these hosts.
async fn carried(members: &[Member], name: &str) -> Result<Vec<Carried>, Error> {
    let ask = |member: &Member| {
        let records = Records::of(&member.host);
        async move { records.list().await }
    };
    let mut found = Vec::new();
    for (member, records) in std::iter::zip(members, join_all(members.iter().map(ask)).await) {
        let records = records.map_err(|error| member.failed(error))?;
        for other in &records.others {
            let Promised { name: called, share, .. } = other.promised.clone();
            // One that does not say where it belongs may belong here.
            if share.is_none_or(|share| share.group.as_deref() == Some(name)) {
                let namespace = other.namespace().unwrap_or_default().to_owned();
                let name = called.unwrap_or_else(|| other.secret.clone());
                found.push(Carried { name, namespace, host: member.key.clone(), stored: None });
            }
        }
        for stored in records.readable {
            let record = &stored.record;
            // Before it has a share, a creation already says in its spec where it belongs.
            let share = record.share.as_ref().and_then(|share| share.group.as_deref());
            if share == Some(name) || record.spec["cluster_group"] == name {
                found.push(Carried {
                    name: record.name.clone(),
                    namespace: record.namespace.clone(),
                    host: member.key.clone(),
                    stored: Some((member.host.clone(), stored)),
                });
            }
        }
    }
    Ok(found)
}
