//! Refresh and import of `nested_cluster_group`: what is true on the hosts, said in Terraform's words. Writes nothing.

use futures::future::join_all;

use crate::host::Host;
use crate::host::groups::{GroupPhase, GroupRecord, Groups, StoredGroup};
use crate::provider::Configured;
use crate::provider::chart;
use crate::provider::cluster_group::copies::{self, Copy};
use crate::provider::cluster_group::find::{FindError, find};
use crate::provider::cluster_group::members::{self, Member};
use crate::provider::cluster_group::model::{ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::cluster_group::spec::{DRIFTED, GroupSpec};
use crate::provider::diagnostics::host_failure;
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, DeferReason, Diagnostics, Report, defer};

type Found = (ClusterGroupModel, ClusterGroupPrivate);

/// The state as it is on the hosts. None without an error: the group is gone.
pub async fn read(
    diags: &mut Diagnostics,
    configured: &Configured,
    state: ClusterGroupModel,
    private: ClusterGroupPrivate,
) -> Option<Found> {
    let name = state.name.as_ref_option()?.clone();
    if private.hosts.is_empty() && configured.has_unknown_host_clusters() {
        defer(DeferReason::ProviderConfigUnknown);
        return Some((state, private));
    }
    let private = recall(diags, configured, &name, private).await?;
    if private.hosts.is_empty() {
        return None;
    }
    let remembered = members::remembered(diags, configured, &private).await?;
    if remembered.unknown {
        defer(DeferReason::ProviderConfigUnknown);
        return Some((state, private));
    }
    for key in remembered.missing.values() {
        diags.warn(
            members::at(key),
            format!("Host cluster \"{key}\" of cluster group \"{name}\" is not in the provider block any more."),
            "What it holds of the group is not looked at. If it is gone for good, remove it from the group's `host_clusters`.",
        );
    }
    if remembered.members.is_empty() {
        let keys: Vec<&str> = private.hosts.values().map(String::as_str).collect();
        diags.fail(
            AttributePath::new("host_clusters"),
            format!("No host cluster of cluster group \"{name}\" is in the provider block any more."),
            format!(
                "The group is kept on {}. Add one of them to the provider block again. If all of them are gone for good, \
                 remove the group from the state with `terraform state rm`.",
                keys.join(", ")
            ),
        );
        return None;
    }
    let copies = look(diags, &remembered.members, &name).await?;
    let copies: Vec<Copy> = copies.into_iter().map(|(copy, _)| copy).collect();
    let authority = copies::authority(&copies, &private.id, Some(private.epoch)).cloned()?;
    let copies = with_archives(diags, &remembered.members, copies, &authority.chart_digest).await?;
    let spec = read_spec(diags, &authority, &AttributePath::root())?;
    let drift = copies::drift(&copies, &authority);
    if !drift.is_empty() {
        diags.warn(
            AttributePath::new("revision"),
            format!("Cluster group \"{name}\" has drifted."),
            format!("{}\n\nThe next apply puts this right.", drift.join("\n")),
        );
    }
    Some(state_of(&name, &authority, &spec, !drift.is_empty(), &state, Some(&private)))
}

/// A private state that was lost is taken from the group's records, wherever they are: Terraform drops it when the plugin is
/// killed in an apply. None after errors. One that stays empty is that of a group that is gone.
pub async fn recall(
    diags: &mut Diagnostics,
    configured: &Configured,
    name: &str,
    private: ClusterGroupPrivate,
) -> Option<ClusterGroupPrivate> {
    if !private.hosts.is_empty() {
        return Some(private);
    }
    match find(configured.known_host_clusters(), name).await {
        Ok(found) => {
            let record = &found.newest.record;
            let (id, hosts, epoch) = (record.id.clone(), record.hosts.clone(), record.epoch);
            Some(ClusterGroupPrivate { id, hosts, epoch, ..private })
        }
        Err(FindError::Missing { .. }) if configured.has_unknown_host_clusters() => {
            diags.fail(
                AttributePath::new("host_clusters"),
                format!("Cluster group \"{name}\" is on none of the host clusters whose connections are known."),
                "The others are configured from values that only an apply makes known. Apply what they come from first.",
            );
            None
        }
        Err(FindError::Missing { unreachable, .. }) if unreachable.is_empty() => Some(private),
        Err(FindError::Missing { unreachable, .. }) => {
            // One that does not answer may have it.
            unreachable
                .iter()
                .for_each(|error| diags.add_error(host_failure(error, AttributePath::new("host_clusters"))));
            None
        }
        Err(error) => {
            diags.add_error(error.diagnostic(AttributePath::new("name")));
            None
        }
    }
}

/// The state of the group `name`, from the record on its home.
pub async fn import(diags: &mut Diagnostics, configured: &Configured, name: &str) -> Option<Found> {
    if configured.has_unknown_host_clusters() {
        diags.fail(
            AttributePath::root(),
            "The connections to the host clusters are not all known yet.",
            "The provider block is configured from values that only an apply makes known. Apply what they come from first.",
        );
        return None;
    }
    let found = match find(configured.known_host_clusters(), name).await {
        Ok(found) => found,
        Err(FindError::Missing { unreachable, asked, .. }) => {
            // One that does not answer may have it.
            unreachable.iter().for_each(|error| diags.add_error(host_failure(error, AttributePath::root())));
            if unreachable.is_empty() {
                diags.fail(
                    AttributePath::root(),
                    "There is no such cluster group to import.",
                    format!("None of the host clusters {} knows a cluster group \"{name}\".", asked.join(", ")),
                );
            }
            return None;
        }
        Err(error) => {
            diags.add_error(error.diagnostic(AttributePath::root()));
            return None;
        }
    };
    let copy = |(host, stored): &(Host, StoredGroup)| {
        let uid = found.hosts.iter().find(|(_, known)| known.name() == host.name()).map(|(uid, _)| uid.clone());
        let key = host.name().to_owned();
        Copy { uid: uid.unwrap_or_default(), key, record: Some(stored.record.clone()), archive: true }
    };
    let copies: Vec<Copy> = found.records.iter().map(copy).collect();
    let authority = copies::authority(&copies, "", None)?;
    // A newer record could only be on one of its hosts, or on one that came after them.
    let complete = authority.hosts.keys().all(|uid| found.hosts.contains_key(uid));
    if !complete && !found.unreachable.is_empty() {
        found.unreachable.iter().for_each(|error| diags.add_error(host_failure(error, AttributePath::root())));
        return None;
    }
    let spec = read_spec(diags, authority, &AttributePath::root())?;
    if authority.phase == GroupPhase::Creating {
        diags.fail(
            AttributePath::root(),
            format!("Cluster group \"{name}\" is not complete."),
            "Another apply is creating it, or was cut off. Wait for that apply, or run it again.",
        );
        return None;
    }
    let state = ClusterGroupModel { name: Value::Value(name.to_owned()), ..ClusterGroupModel::default() };
    // What differs between the hosts is found by the refresh that follows.
    Some(state_of(name, authority, &spec, false, &state, None))
}

/// The state that an authority stands for. What no host keeps is as it was.
fn state_of(
    name: &str,
    authority: &GroupRecord,
    spec: &GroupSpec,
    drifted: bool,
    before: &ClusterGroupModel,
    private: Option<&ClusterGroupPrivate>,
) -> Found {
    let mut state = spec.to_model();
    // An empty map is another value than none, and the record does not tell them apart.
    let is_empty = |map: &Value<std::collections::BTreeMap<String, Value<String>>>| {
        map.as_ref_option().is_some_and(std::collections::BTreeMap::is_empty)
    };
    if state.labels == Value::Null && is_empty(&before.labels) {
        state.labels = before.labels.clone();
    }
    if let (Value::Value(hosts), Value::Value(before)) = (&mut state.host_clusters, &before.host_clusters) {
        for (key, host) in hosts {
            if let (Value::Value(host), Some(Value::Value(before))) = (host, before.get(key))
                && host.node_selector == Value::Null
                && is_empty(&before.node_selector)
            {
                host.node_selector = before.node_selector.clone();
            }
        }
    }
    state.id = Value::Value(name.to_owned());
    state.name = Value::Value(name.to_owned());
    state.timeouts = before.timeouts.clone();
    state.home_host_cluster = authority.hosts.get(&authority.home).cloned().into();
    state.revision = Value::Value(if drifted { DRIFTED.to_owned() } else { spec.revision() });
    let mut hosts = private.map(|private| private.hosts.clone()).unwrap_or_default();
    hosts.extend(authority.hosts.clone());
    // A host that was dropped from the group is forgotten once nothing of the group is left to be done.
    if !drifted {
        hosts.retain(|uid, _| authority.hosts.contains_key(uid));
    }
    let more = private.map(|private| private.more.clone()).unwrap_or_default();
    (state, ClusterGroupPrivate { id: authority.id.clone(), hosts, epoch: authority.epoch, more })
}

/// What a record says.
fn read_spec(diags: &mut Diagnostics, record: &GroupRecord, attribute: &AttributePath) -> Option<GroupSpec> {
    serde_json::from_value(record.spec.clone())
        .map_err(|error| {
            diags.fail(
                attribute.clone(),
                format!("The record of cluster group \"{}\" cannot be read.", record.name),
                format!("{error}. Was it written by a newer version of this provider, or edited by hand?"),
            );
        })
        .ok()
}

/// What each host holds under the group's name. Errors are those of single hosts.
pub async fn look(diags: &mut Diagnostics, members: &[Member], name: &str) -> Option<Vec<(Copy, Option<StoredGroup>)>> {
    let ask = |member: &Member| {
        let groups = Groups::of(&member.host);
        async move { groups.get(name).await }
    };
    let asked = join_all(members.iter().map(ask)).await;
    let mut found = Vec::new();
    for (member, stored) in std::iter::zip(members, asked) {
        match stored {
            Ok(stored) => {
                let record = stored.as_ref().map(|stored| stored.record.clone());
                let copy = Copy { uid: member.uid.clone(), key: member.key.clone(), record, archive: true };
                found.push((copy, stored));
            }
            Err(error) => diags.add_error(members::explain(&error, &member.key)),
        }
    }
    (found.len() == members.len()).then_some(found)
}

/// The copies, with whether each host keeps the archive.
pub async fn with_archives(
    diags: &mut Diagnostics,
    members: &[Member],
    copies: Vec<Copy>,
    digest: &str,
) -> Option<Vec<Copy>> {
    let ask = |member: &Member| {
        let archives = chart::archives_on(&member.host);
        async move { archives.holds(digest).await }
    };
    let asked = join_all(members.iter().map(ask)).await;
    let mut found = Vec::new();
    for ((member, copy), holds) in std::iter::zip(std::iter::zip(members, copies), asked) {
        match holds {
            Ok(archive) => found.push(Copy { archive, ..copy }),
            Err(error) => diags.add_error(members::explain(&error, &member.key)),
        }
    }
    (found.len() == members.len()).then_some(found)
}
