//! What goes wrong with a virtual cluster, for its user.

use super::group::not_found;
use super::room::{When, refusal};
use super::{Explain, connection};
use crate::domain::name;
use crate::fleet::virtual_cluster::error::Error;
use crate::fleet::virtual_cluster::spec::Place;
use crate::host;
use crate::host::groups::GroupPhase;
use crate::host::ledgers::LedgerError;
use crate::host::records::RecordError;
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, diagnostic};

/// What went wrong with a virtual cluster. What could not be rendered was said already.
pub fn report(diags: &mut Diagnostics, errors: &[Error]) {
    for error in errors.iter().filter(|error| !matches!(error, Error::NotPrepared)) {
        diags.add_error(error.explain());
    }
}

/// A virtual cluster without storage is to be paused.
pub fn no_pause() -> Diagnostic {
    diagnostic(
        AttributePath::new("paused"),
        "A virtual cluster without storage cannot be paused.",
        "With `resources.storage` of 0 its data lives only as long as its control plane's pod, and pausing removes that pod. \
         Give it storage when it is created, or keep it running.",
    )
}

/// Owners have shares of the group's quota by a label that the virtual cluster does not have.
pub fn no_owner(group: &str, label: &str) -> Diagnostic {
    diagnostic(
        AttributePath::new("labels"),
        format!("Nothing says whose this virtual cluster is: the label \"{label}\" is missing."),
        format!(
            "Cluster group \"{group}\" gives each owner a share of its quota, by the label \"{label}\" of their virtual clusters. One \
             that is new or grows needs it, with a value, and one that has it keeps it.\n\nNext step: Add it, as in `labels = {{ \
             {label} = \"platform\" }}`."
        ),
    )
}

/// An error of the store as a diagnostic is the same wherever it comes from.
impl Explain for LedgerError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Store(error) => error.explain(),
            Self::Missing { host, secret } => diagnostic(
                AttributePath::new("id"),
                "A ledger is missing.",
                format!(
                    "{secret} on host cluster \"{host}\" was deleted in this moment.\n\nNext step: Apply again: it is rebuilt."
                ),
            ),
        }
    }
}

impl Explain for Error {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::Ledger(error) => error.explain(),
            Self::Archive(error) => error.explain(),
            Self::Namespace(error) => error.explain(),
            Self::Apply(error) => error.explain(),
            Self::Pause(error) => error.explain(),
            Self::Volume(error) => error.explain(),
            Self::Wait(error) => error.explain(),
            Self::Delete(error) => error.explain(),
            Self::Kind(error) => error.explain(),
            Self::Connection(error) => connection(error, AttributePath::new("host_cluster")),
            Self::Group(error) => not_found(error, AttributePath::new("cluster_group")),
            Self::Size(obstructed) => obstructed.explain(),
            Self::PauseWithoutStorage => no_pause(),
            Self::HostUnknown { .. } | Self::AnotherHost { .. } => about_host(self),
            Self::GroupNotOpen { .. }
            | Self::NotInGroup { .. }
            | Self::NoHost { .. }
            | Self::NoHome { .. }
            | Self::GroupChanged { .. } => about_group(self),
            Self::NoOwner { group, label } => no_owner(group, label),
            Self::NoRoom { label, refused, hosts, is_resume } => {
                let attribute = AttributePath::new(if *is_resume { "paused" } else { "resources" });
                match refused {
                    Some(refused) => refusal(refused, hosts, attribute, When::Applied),
                    None => diagnostic(
                        attribute,
                        format!("There was no room for virtual cluster \"{label}\"."),
                        "Others took it, and have given it back since. Nothing was created or changed. Apply again.",
                    ),
                }
            }
            Self::RoomLost => diagnostic(
                AttributePath::new("resources"),
                "The room for this virtual cluster was lost before it was made.",
                "A ledger on the host cluster was deleted while this apply ran, and others have taken the room since. \
                 Nothing is left of this virtual cluster. Apply again when there is room.",
            ),
            Self::Exists { .. }
            | Self::Occupied { .. }
            | Self::BeingMade { .. }
            | Self::Busy { .. }
            | Self::NoRecord { .. } => about_place(self),
            Self::NotPrepared | Self::OutOfStep => {
                diagnostic(AttributePath::root(), format!("The apply cannot go on: {self}."), "Please report this.")
            }
        }
    }
}

fn about_host(error: &Error) -> Diagnostic {
    let at = AttributePath::new("host_cluster");
    match error {
        Error::HostUnknown { key } => diagnostic(
            at,
            format!("The connection to host cluster \"{key}\" is still not known."),
            "Its configuration depends on values that this apply did not make known. Apply what they come from first.",
        ),
        Error::AnotherHost { host, address, expected, actual } => diagnostic(
            at,
            format!("Host cluster \"{host}\" is not the cluster that it was."),
            format!(
                "The namespace kube-system at {address} has UID {actual}; this virtual cluster was created on the cluster where \
                 it is {expected}. Point `host_clusters[\"{host}\"]` back to that cluster. If that cluster is gone for good, \
                 remove the virtual cluster from the state with `terraform state rm`."
            ),
        ),
        other => unforeseen(other),
    }
}

fn about_group(error: &Error) -> Diagnostic {
    let at = AttributePath::new("cluster_group");
    match error {
        Error::GroupNotOpen { group, phase } => {
            let what = match phase {
                Some(GroupPhase::Deleting) => "is being deleted",
                _ => "is still being created",
            };
            diagnostic(
                at,
                format!("Cluster group \"{group}\" {what}."),
                "Nothing was created. Wait for that apply, or run it again if it was cut off.",
            )
        }
        Error::NotInGroup { host, group } => diagnostic(
            AttributePath::new("host_cluster"),
            format!("Host cluster \"{host}\" is not in cluster group \"{group}\"."),
            "Leave `host_cluster` out for the one with the most room, or add it to the group.",
        ),
        Error::NoHost { group, refusals } => {
            diagnostic(at, format!("No host cluster of cluster group \"{group}\" can be used."), no_host(refusals))
        }
        Error::NoHome { group, key, unreachable } => {
            diagnostic(at, format!("The home of cluster group \"{group}\" cannot be asked."), no_home(key, unreachable))
        }
        Error::GroupChanged { group } => diagnostic(
            at,
            format!("Cluster group \"{group}\" was changed while this virtual cluster was about to be created."),
            "Its home or its host clusters are others now. Nothing was created.\n\nNext step: Apply again.",
        ),
        other => unforeseen(other),
    }
}

fn no_host(refusals: &[(String, RecordError)]) -> String {
    if refusals.is_empty() {
        return "This provider has none of them, or none that answers.\n\nNext step: Make one reachable, or add one of the \
                group's host clusters to the provider's `host_clusters`."
            .to_owned();
    }
    let lines: Vec<String> = refusals.iter().map(|(host, error)| format!("  - {host}: {error}")).collect();
    format!(
        "Those that this provider has refuse:\n\n{}\n\nNext step: Remove the cause on one of them, or add another of the \
         group's host clusters to the provider's `host_clusters`.",
        lines.join("\n")
    )
}

fn no_home(key: &str, unreachable: &[host::Error]) -> String {
    let mut detail = format!(
        "Host cluster \"{key}\" keeps who has which share of the quota. Without it nothing is created, resumed or grown in \
         this group; everything else goes on."
    );
    for error in unreachable {
        detail.push_str(&format!("\n\n{error}."));
    }
    detail.push_str(
        "\n\nNext step: Make it reachable, and have it in this provider's `host_clusters`. If it is gone for good, remove it \
         from the group and from the provider block that manages the group; the home then moves.",
    );
    detail
}

fn about_place(error: &Error) -> Diagnostic {
    let at = AttributePath::new;
    match error {
        Error::Exists { place } => exists(place),
        Error::Occupied { place, other } => diagnostic(
            at("namespace"),
            format!("Namespace \"{}\" already holds virtual cluster \"{other}\".", place.namespace),
            "One namespace holds one virtual cluster. Choose another `namespace`, or leave it out to get \
             \"vcluster-<name>\".",
        ),
        Error::BeingMade { place } => diagnostic(
            at("name"),
            format!("Virtual cluster \"{}\" is being created or deleted by another apply.", place.id()),
            WAIT_FOR_IT,
        ),
        Error::Busy { place } => diagnostic(
            at("name"),
            format!("Virtual cluster \"{}\" is being changed or deleted by another apply.", place.id()),
            WAIT_FOR_IT,
        ),
        Error::NoRecord { place, host } => diagnostic(
            AttributePath::root(),
            format!("The record of virtual cluster \"{}\" is missing, so it cannot be destroyed safely.", place.id()),
            format!(
                "Somebody deleted it from namespace \"{}\" of host cluster \"{host}\". Run `terraform apply` without \
                 destroying once: it writes the record again. Then destroy.",
                name::SYSTEM_NAMESPACE
            ),
        ),
        other => unforeseen(other),
    }
}

const WAIT_FOR_IT: &str =
    "Its record on the host cluster is being updated right now. Wait for that apply, then run this one again.";

fn exists(place: &Place) -> Diagnostic {
    diagnostic(
        AttributePath::new("name"),
        format!("Virtual cluster \"{}\" exists already.", place.id()),
        format!(
            "It was created by this provider, for another state or by an apply that was cut off before it could save its \
             state. To manage it here, import it with this block (and the right resource address):\n\n\
             import {{\n  to = nested_virtual_cluster.{}\n  id = \"{}\"\n}}",
            place.name.replace('-', "_"),
            place.id()
        ),
    )
}

fn unforeseen(error: &Error) -> Diagnostic {
    diagnostic(AttributePath::root(), format!("The apply cannot go on: {error}."), "Please report this.")
}
