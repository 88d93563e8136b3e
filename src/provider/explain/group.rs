//! What goes wrong with a cluster group, for its user.

use super::{Explain, RUN_AGAIN, STOPPED, connection};
use crate::fleet::group::carried::Carried;
use crate::fleet::group::error::{Doing, Error, MemberError, Prevented};
use crate::fleet::group::find::FindError;
use crate::host::groups::GroupPhase;
use crate::provider::diagnostics::host_failure;
use terraform_plugin::{AttributePath, Diagnostic, Diagnostics, diagnostic};

/// Where the group's configuration names the host with that key.
pub fn at(key: &str) -> AttributePath {
    AttributePath::new("host_clusters").key(key.to_owned())
}

/// A group that was not found, on the attribute that names it.
pub fn not_found(error: &FindError, attribute: AttributePath) -> Diagnostic {
    match error {
        FindError::Missing { name, asked, unreachable } => {
            let mut detail = match asked.as_slice() {
                [] => "No host cluster of the provider block answers.".to_owned(),
                asked => format!("These host clusters were asked: {}.", asked.join(", ")),
            };
            for error in unreachable {
                detail.push_str(&format!("\n\nNot asked: {error}."));
            }
            detail.push_str(
                "\n\nNext step: Check the name. If this configuration creates the group, refer to its resource \
                 (nested_cluster_group.<resource>.name) instead of writing the name, so that it comes first; with \
                 several provider configurations, create the group first.",
            );
            diagnostic(attribute, format!("There is no cluster group \"{name}\"."), detail)
        }
        FindError::Ambiguous { name, first, second } => diagnostic(
            attribute,
            format!("There are two cluster groups \"{name}\"."),
            format!(
                "Host clusters \"{first}\" and \"{second}\" belong to different groups of that name.\n\nNext step: Use a \
                 provider configuration that has the host clusters of one of them only, or rename one of the groups."
            ),
        ),
        FindError::Disputed { name, first, second } => diagnostic(
            attribute,
            format!("The host clusters of cluster group \"{name}\" do not agree on its home."),
            format!(
                "Host clusters \"{first}\" and \"{second}\" contradict each other on which of the group's host clusters \
                 decides. An apply of the group may have been cut off, or somebody has edited its records.\n\nNext step: Plan \
                 and apply the configuration that manages the group. Its plan shows what differs."
            ),
        ),
        FindError::Damaged { name, .. } => diagnostic(
            attribute,
            format!("The record of cluster group \"{name}\" cannot be read."),
            format!("{error}. Was it written by a newer version of this provider, or edited by hand?"),
        ),
        FindError::Store(error) => error.explain(),
    }
}

/// What went wrong with a group. What has no chart was said already.
pub fn report(diags: &mut Diagnostics, errors: &[Error]) {
    for error in errors.iter().filter(|error| !matches!(error, Error::NoChart)) {
        diags.add_error(error.explain());
    }
}

/// An error of one of the group's hosts, on that host.
fn on_host(error: &MemberError, key: &str) -> Diagnostic {
    let mut diagnostic = match error {
        MemberError::Host(error) => error.explain(),
        MemberError::Store(error) => error.explain(),
        MemberError::Record(error) => error.explain(),
        MemberError::Archive(error) => error.explain(),
    };
    let of_no_attribute = [AttributePath::new("host_cluster"), AttributePath::new("id")];
    if of_no_attribute.contains(&diagnostic.attribute) {
        diagnostic.attribute = at(key);
    }
    diagnostic
}

const APPLY_FIRST: &str =
    "Its configuration depends on values that this apply did not make known. Apply what they come from first.";

impl Explain for Error {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Member { key, error } => on_host(error, key),
            Self::Connection { key, error } => connection(error, at(key)),
            Self::HostUnknown { key } => diagnostic(
                at(key),
                format!("The connection to host cluster \"{key}\" is still not known."),
                APPLY_FIRST,
            ),
            Self::SomeHostUnknown { leaves: true } => diagnostic(
                AttributePath::new("host_clusters"),
                "The connection to a host cluster that the group is to lose is still not known.",
                APPLY_FIRST,
            ),
            Self::SomeHostUnknown { leaves: false } => diagnostic(
                AttributePath::new("host_clusters"),
                "The connection to a host cluster of the group is still not known.",
                APPLY_FIRST,
            ),
            Self::SameCluster { first, key, uid } => diagnostic(
                at(key),
                format!("Host clusters \"{first}\" and \"{key}\" are the same cluster."),
                format!(
                    "At both, the namespace kube-system has UID {uid}. A cluster counts once in a group: remove one of the two \
                     keys, or point it at another cluster in the provider block."
                ),
            ),
            Self::AnotherCluster { key, address, expected, actual } => diagnostic(
                at(key),
                format!("Host cluster \"{key}\" is not the cluster that it was."),
                format!(
                    "The namespace kube-system at {address} has UID {actual}; the group has the cluster where it is {expected}. \
                     Point `host_clusters[\"{key}\"]` of the provider block back to that cluster. If that cluster is gone \
                     for good, remove the key from the provider block and from the group, and apply that; then add the new \
                     cluster, best under a key of its own."
                ),
            ),
            Self::Find(error) => not_found(error, AttributePath::new("name")),
            Self::MayBeOn(error) => host_failure(error, AttributePath::new("host_clusters")),
            Self::OnNoKnownHost { name } => diagnostic(
                AttributePath::new("host_clusters"),
                format!("Cluster group \"{name}\" is on none of the host clusters whose connections are known."),
                "The others are configured from values that only an apply makes known. Apply what they come from first.",
            ),
            Self::Changed { name, key } => diagnostic(
                at(key),
                format!("Another apply is working on cluster group \"{name}\"."),
                format!(
                    "Its record on host cluster \"{key}\" was written by somebody else in this moment. Run `terraform apply` \
                     again: nothing is lost, and it converges."
                ),
            ),
            Self::BeingCreated { name, key } => diagnostic(
                AttributePath::new("name"),
                format!("Cluster group \"{name}\" is being created by another apply."),
                format!(
                    "Its record on host cluster \"{key}\" is being updated right now. Wait for that apply, then run this one \
                     again."
                ),
            ),
            Self::Exists { name, key, phase } => exists(name, key, *phase),
            Self::Gone { name } => diagnostic(
                AttributePath::new("name"),
                format!("Cluster group \"{name}\" is gone."),
                "No host cluster has a record of it any more. Run `terraform apply` again: it creates the group anew.",
            ),
            Self::Carries { name, carried, prevents } => carries(name, carried, prevents),
            Self::NoChart => diagnostic(AttributePath::new("chart"), "There is no chart.", "Please report this."),
            Self::Stopped => diagnostic(AttributePath::new("id"), STOPPED, RUN_AGAIN),
            Self::TimedOut { doing } => diagnostic(
                AttributePath::new("timeouts"),
                format!("{} took too long.", what(*doing)),
                "A host cluster answers slowly. Run `terraform apply` again, which goes on from here, or raise the timeout.",
            ),
            Self::NoHome => {
                diagnostic(AttributePath::new("host_clusters"), "The cluster group has no home.", "Please report this.")
            }
        }
    }
}

fn what(doing: Doing) -> &'static str {
    match doing {
        Doing::Create => "Creating the cluster group",
        Doing::Update => "Updating the cluster group",
        Doing::Delete => "Deleting the cluster group",
        Doing::LookForVirtualClusters => "Looking for virtual clusters",
        Doing::ReadArchive => "Reading the chart archive",
    }
}

fn exists(name: &str, key: &str, phase: GroupPhase) -> Diagnostic {
    let note = match phase {
        GroupPhase::Deleting => {
            " It is being destroyed, or a destroy was cut off: where its state is, run `terraform destroy` again."
        }
        GroupPhase::Creating | GroupPhase::Ready => "",
    };
    diagnostic(
        AttributePath::new("name"),
        format!("Cluster group \"{name}\" exists already."),
        format!(
            "Host cluster \"{key}\" has a group of that name, which was created for another state, or by an apply that was cut \
             off before it could save its state.{note} To manage it here, import it with this block (and the right resource \
             address); otherwise choose another `name`:\n\nimport {{\n  to = nested_cluster_group.{}\n  id = \"{name}\"\n}}",
            name.replace('-', "_")
        ),
    )
}

/// It cannot go on while virtual clusters of the group are on hosts that it is to lose.
fn carries(name: &str, carried: &[Carried], prevents: &Prevented) -> Diagnostic {
    let line = |carried: &Carried| {
        let Carried { name, namespace, host, .. } = carried;
        let on_its_way = ", which is being created or deleted, or was cut off at that";
        let note = if carried.is_on_its_way() { on_its_way } else { "" };
        format!("  - \"{name}\" on host cluster \"{host}\" in namespace \"{namespace}\"{note}")
    };
    let lines: Vec<String> = carried.iter().map(line).collect();
    let first = carried.first().map(|carried| carried.host.as_str()).unwrap_or_default();
    let (attribute, what) = match prevents {
        Prevented::Destroy => (AttributePath::root(), format!("Cluster group \"{name}\" cannot be destroyed")),
        Prevented::Leaving => (at(first), format!("Host cluster \"{first}\" cannot be removed from the cluster group")),
    };
    diagnostic(
        attribute,
        format!("{what} while there are virtual clusters of the group."),
        format!(
            "Cluster group \"{name}\" has:\n\n{}\n\nNext step: Destroy them first, or create them anew in another group. \
             They may belong to other states than this one.",
            lines.join("\n")
        ),
    )
}
