//! The hosts of a group, known by their UID: from the configuration, from what the private state remembers, and all that
//! the provider block has.
//!
//! A host that the provider block has and that does not answer is an error. One that it no longer has is only missing.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use crate::host::Host;
use crate::provider::Configured;
use crate::provider::cluster_group::model::ClusterGroupPrivate;
use crate::provider::configuration::HostCluster;
use crate::provider::explain::Explain;
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, Report};

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

/// The hosts that a private state remembers.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Those that answer.
    pub members: Vec<Member>,
    /// Those that the provider block no longer has: keys by UID.
    pub missing: BTreeMap<String, String>,
    /// Whether the connection to one of them is not known yet: then the others say nothing.
    pub unknown: bool,
}

/// Where the group's configuration names the host with that key.
pub fn at(key: &str) -> AttributePath {
    AttributePath::new("host_clusters").key(key.to_owned())
}

/// An error of one of the group's hosts, on that host.
pub fn explain(error: &impl Explain, key: &str) -> Diagnostic {
    let mut diagnostic = error.explain();
    let of_no_attribute = [AttributePath::new("host_cluster"), AttributePath::new("id")];
    if of_no_attribute.contains(&diagnostic.attribute) {
        diagnostic.attribute = at(key);
    }
    diagnostic
}

/// Reports the keys that the provider block does not have.
pub fn check_configured(diags: &mut Diagnostics, configured: &Configured, keys: &[&String]) {
    for key in keys {
        configured.host_cluster_at(diags, key, at(key));
    }
}

/// The hosts with these keys, in the order of the keys. All of them have to answer, and to be different ones.
pub async fn configured(diags: &mut Diagnostics, configured: &Configured, keys: &[&String]) -> Option<Vec<Member>> {
    let mut hosts = Vec::new();
    for key in keys {
        match configured.host_cluster_at(diags, key, at(key)) {
            Some(HostCluster::Known(host)) => hosts.push(((*key).clone(), host)),
            Some(HostCluster::Unknown) => diags.fail(
                at(key),
                format!("The connection to host cluster \"{key}\" is still not known."),
                "Its configuration depends on values that this apply did not make known. Apply what they come from first.",
            ),
            None => {}
        }
    }
    let complete = hosts.len() == keys.len();
    let members: Vec<Member> = identified(diags, hosts).await?;
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut distinct = true;
    for member in &members {
        if let Some(first) = seen.insert(&member.uid, &member.key) {
            distinct = false;
            diags.fail(
                at(&member.key),
                format!("Host clusters \"{first}\" and \"{}\" are the same cluster.", member.key),
                format!(
                    "At both, the namespace kube-system has UID {}. A cluster counts once in a group: remove one of the two \
                     keys, or point it at another cluster in the provider block.",
                    member.uid
                ),
            );
        }
    }
    (complete && distinct).then_some(members)
}

/// The hosts that `private` remembers. None after errors: one does not answer, or is another cluster than it was.
pub async fn remembered(
    diags: &mut Diagnostics,
    configured: &Configured,
    private: &ClusterGroupPrivate,
) -> Option<Remembered> {
    let mut found = Remembered::default();
    let mut known = Vec::new();
    for key in private.hosts.values().filter(|key| configured.has_host_cluster(key)) {
        match configured.host_cluster_at(diags, key, at(key))? {
            HostCluster::Known(host) => known.push((key.clone(), host)),
            HostCluster::Unknown => found.unknown = true,
        }
    }
    if found.unknown {
        return Some(found);
    }
    let by_key = identified(diags, known).await?;
    let is_there = |uid: &String, key: &String| by_key.iter().any(|member| &member.uid == uid && &member.key == key);
    let lost: Vec<_> = private.hosts.iter().filter(|(uid, key)| !is_there(uid, key)).collect();
    // Renamed in the provider block: the same cluster under another key.
    let others = if lost.is_empty() { Vec::new() } else { answering(&configured.known_host_clusters()).await };
    for (uid, key) in lost {
        if let Some((_, host)) = others.iter().find(|(other, _)| other == uid) {
            found.members.push(Member { uid: uid.clone(), key: key.clone(), host: host.clone() });
        } else if let Some(other) = by_key.iter().find(|member| &member.key == key) {
            let (address, actual) = (other.host.address(), &other.uid);
            diags.fail(
                at(key),
                format!("Host cluster \"{key}\" is not the cluster that it was."),
                format!(
                    "The namespace kube-system at {address} has UID {actual}; the group has the cluster where it is {uid}. \
                     Point `host_clusters[\"{key}\"]` of the provider block back to that cluster. If that cluster is gone \
                     for good, remove the key from the provider block and from the group, and apply that; then add the new \
                     cluster, best under a key of its own."
                ),
            );
            return None;
        } else {
            found.missing.insert(uid.clone(), key.clone());
        }
    }
    found.members.extend(by_key.into_iter().filter(|member| private.hosts.get(&member.uid) == Some(&member.key)));
    found.members.sort_by(|a, b| a.key.cmp(&b.key));
    Some(found)
}

/// Those of all known hosts that are none of `members`, as far as they answer.
pub async fn strangers(configured: &Configured, members: &[Member]) -> Vec<Member> {
    let names: BTreeSet<&str> = members.iter().map(|member| member.host.name()).collect();
    let others: Vec<Host> =
        configured.known_host_clusters().into_iter().filter(|host| !names.contains(host.name())).collect();
    let mut seen: BTreeSet<String> = members.iter().map(|member| member.uid.clone()).collect();
    let answering = answering(&others).await.into_iter().filter(|(uid, _)| seen.insert(uid.clone()));
    answering.map(|(uid, host)| Member { uid, key: host.name().to_owned(), host }).collect()
}

async fn answering(hosts: &[Host]) -> Vec<(String, Host)> {
    let ask = |host: Host| async move { Some((host.identity().await.ok()?.uid.clone(), host)) };
    join_all(hosts.iter().cloned().map(ask)).await.into_iter().flatten().collect()
}

async fn identified(diags: &mut Diagnostics, hosts: Vec<(String, Host)>) -> Option<Vec<Member>> {
    let ask = |(key, host): (String, Host)| async move {
        match host.identity().await {
            Ok(identity) => Ok(Member { uid: identity.uid.clone(), key, host }),
            Err(error) => Err((key, error)),
        }
    };
    let asked = join_all(hosts.into_iter().map(ask)).await;
    let mut members = Vec::new();
    let mut complete = true;
    for answer in asked {
        match answer {
            Ok(member) => members.push(member),
            Err((key, error)) => {
                complete = false;
                diags.add_error(explain(&error, &key));
            }
        }
    }
    complete.then_some(members)
}
