//! Refresh and import of `nested_cluster_group`: what is true on the hosts, said in Terraform's words. Writes nothing.

use crate::fleet::group::copies::{self, Copy};
use crate::fleet::group::error::Errors;
use crate::fleet::group::find::{FindError, find};
use crate::fleet::group::look::{look, recall, with_archives};
use crate::fleet::group::members::remembered;
use crate::fleet::group::spec::{DRIFTED, GroupSpec};
use crate::host::Host;
use crate::host::groups::{GroupPhase, GroupRecord, StoredGroup};
use crate::provider::Configured;
use crate::provider::cluster_group::model::{ClusterGroupModel, ClusterGroupPrivate};
use crate::provider::cluster_group::tolerations;
use crate::provider::diagnostics::host_failure;
use crate::provider::explain::group::{at, not_found, report};
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
    if private.hosts.is_empty() && configured.fleet().connections.has_unknown() {
        defer(DeferReason::ProviderConfigUnknown);
        return Some((state, private));
    }
    let fleet = configured.fleet();
    let known = told(diags, recall(fleet, &name, private.known()).await)?;
    let private = ClusterGroupPrivate::of(known.clone(), private.more);
    if known.hosts.is_empty() {
        return None;
    }
    let remembered = told(diags, remembered(&fleet.connections, &known).await)?;
    if remembered.unknown {
        defer(DeferReason::ProviderConfigUnknown);
        return Some((state, private));
    }
    for key in remembered.missing.values() {
        diags.warn(
            at(key),
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
    let copies = told(diags, look(&remembered.members, &name).await)?;
    let copies: Vec<Copy> = copies.into_iter().map(|(copy, _)| copy).collect();
    let authority = copies::authority(&copies, &private.id, Some(private.epoch)).cloned()?;
    let copies = with_archives(fleet, &remembered.members, copies, &authority.chart_digest).await;
    let copies = told(diags, copies)?;
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

/// The state of the group `name`, from the record on its home.
pub async fn import(diags: &mut Diagnostics, configured: &Configured, name: &str) -> Option<Found> {
    if configured.fleet().connections.has_unknown() {
        diags.fail(
            AttributePath::root(),
            "The connections to the host clusters are not all known yet.",
            "The provider block is configured from values that only an apply makes known. Apply what they come from first.",
        );
        return None;
    }
    let found = match find(configured.fleet().connections.known(), name).await {
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
            diags.add_error(not_found(&error, AttributePath::root()));
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

/// What a look has found; its errors are said.
fn told<T>(diags: &mut Diagnostics, found: Result<T, Errors>) -> Option<T> {
    found.map_err(|Errors(errors)| report(diags, &errors)).ok()
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
            let (Value::Value(host), Some(Value::Value(before))) = (host, before.get(key)) else { continue };
            if host.node_selector == Value::Null && is_empty(&before.node_selector) {
                host.node_selector = before.node_selector.clone();
            }
            // The same tolerations may be written in several ways.
            if tolerations::of(&host.tolerations) == tolerations::of(&before.tolerations) {
                host.tolerations = before.tolerations.clone();
            }
        }
    }
    for (state, before) in [
        (&mut state.virtual_cluster_defaults, &before.virtual_cluster_defaults),
        (&mut state.virtual_cluster_minimums, &before.virtual_cluster_minimums),
        (&mut state.virtual_cluster_maximums, &before.virtual_cluster_maximums),
    ] {
        if let (Value::Value(state), Value::Value(before)) = (state, before)
            && state.hard == Value::Null
            && is_empty(&before.hard)
        {
            state.hard = before.hard.clone();
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
