//! The hosts of a group, known by their UID: from the configuration, from what a state remembers, and all that the provider
//! block has.
//!
//! A host that the provider block has and that does not answer is an error. One that it no longer has is only missing.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::Known;
use super::error::{Error, Errors, MemberError};
use crate::fleet::connections::{Connections, HostCluster};
use crate::host::Host;

/// A host of a group.
#[derive(Debug, Clone)]
pub struct Member {
    /// UID of its `kube-system` namespace.
    pub uid: String,
    /// Its key in the group.
    pub key: String,
    /// The host itself.
    pub host: Host,
}

impl Member {
    /// The error that this host has failed.
    pub fn failed(&self, error: impl Into<MemberError>) -> Error {
        Error::Member { key: self.key.clone(), error: error.into() }
    }
}

/// The hosts that a state remembers.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Those that answer.
    pub members: Vec<Member>,
    /// Those that the provider block no longer has: keys by UID.
    pub missing: BTreeMap<String, String>,
    /// Whether the connection to one of them is not known yet: then the others say nothing.
    pub unknown: bool,
}

/// The host cluster with the group's key `key`.
///
/// # Errors
/// The provider block does not have it.
pub fn connection(connections: &Connections, key: &str) -> Result<HostCluster, Error> {
    connections.get(key).map_err(|error| Error::Connection { key: key.to_owned(), error })
}

/// The hosts with these keys, in the order of the keys. All of them have to answer, and to be different ones.
///
/// # Errors
/// Whatever keeps any of them from being used.
pub async fn configured(connections: &Connections, keys: &[String]) -> Result<Vec<Member>, Errors> {
    let (mut hosts, mut errors) = (Vec::new(), Errors::default());
    for key in keys {
        match connection(connections, key) {
            Ok(HostCluster::Known(host)) => hosts.push((key.clone(), host)),
            Ok(HostCluster::Unknown) => errors.0.push(Error::HostUnknown { key: key.clone() }),
            Err(error) => errors.0.push(error),
        }
    }
    let members = match identified(hosts).await {
        Ok(members) => members,
        Err(more) => {
            errors.0.extend(more.0);
            return Err(errors);
        }
    };
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for Member { uid, key, .. } in &members {
        if let Some(first) = seen.insert(uid, key) {
            errors.0.push(Error::SameCluster { first: first.to_owned(), key: key.clone(), uid: uid.clone() });
        }
    }
    errors.or(members)
}

/// The hosts that a state remembers.
///
/// # Errors
/// One does not answer, or is another cluster than it was.
pub async fn remembered(connections: &Connections, known: &Known) -> Result<Remembered, Errors> {
    let mut found = Remembered::default();
    let mut asked = Vec::new();
    for key in known.hosts.values().filter(|key| connections.has(key)) {
        match connection(connections, key)? {
            HostCluster::Known(host) => asked.push((key.clone(), host)),
            HostCluster::Unknown => found.unknown = true,
        }
    }
    if found.unknown {
        return Ok(found);
    }
    let by_key = identified(asked).await?;
    let is_there = |uid: &String, key: &String| by_key.iter().any(|member| &member.uid == uid && &member.key == key);
    let lost: Vec<_> = known.hosts.iter().filter(|(uid, key)| !is_there(uid, key)).collect();
    // Renamed in the provider block: the same cluster under another key.
    let others = if lost.is_empty() { Vec::new() } else { answering(&connections.known()).await };
    for (uid, key) in lost {
        if let Some((_, host)) = others.iter().find(|(other, _)| other == uid) {
            found.members.push(Member { uid: uid.clone(), key: key.clone(), host: host.clone() });
        } else if let Some(other) = by_key.iter().find(|member| &member.key == key) {
            let (key, address) = (key.clone(), other.host.address().to_owned());
            let (expected, actual) = (uid.clone(), other.uid.clone());
            return Err(Error::AnotherCluster { key, address, expected, actual }.into());
        } else {
            found.missing.insert(uid.clone(), key.clone());
        }
    }
    found.members.extend(by_key.into_iter().filter(|member| known.hosts.get(&member.uid) == Some(&member.key)));
    found.members.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

/// Those of all known hosts that are none of `members`, as far as they answer.
pub async fn strangers(connections: &Connections, members: &[Member]) -> Vec<Member> {
    let names: BTreeSet<&str> = members.iter().map(|member| member.host.name()).collect();
    let others: Vec<Host> = connections.known().into_iter().filter(|host| !names.contains(host.name())).collect();
    let mut seen: BTreeSet<String> = members.iter().map(|member| member.uid.clone()).collect();
    let answering = answering(&others).await.into_iter().filter(|(uid, _)| seen.insert(uid.clone()));
    answering.map(|(uid, host)| Member { uid, key: host.name().to_owned(), host }).collect()
}

async fn answering(hosts: &[Host]) -> Vec<(String, Host)> {
    let ask = |host: Host| async move { Some((host.identity().await.ok()?.uid.clone(), host)) };
    join_all(hosts.iter().cloned().map(ask)).await.into_iter().flatten().collect()
}

async fn identified(hosts: Vec<(String, Host)>) -> Result<Vec<Member>, Errors> {
    let ask = |(key, host): (String, Host)| async move {
        match host.identity().await {
            Ok(identity) => Ok(Member { uid: identity.uid.clone(), key, host }),
            Err(error) => Err(Error::Member { key, error: error.into() }),
        }
    };
    let (mut members, mut errors) = (Vec::new(), Errors::default());
    for answer in join_all(hosts.into_iter().map(ask)).await {
        match answer {
            Ok(member) => members.push(member),
            Err(error) => errors.0.push(error),
        }
    }
    errors.or(members)
}
