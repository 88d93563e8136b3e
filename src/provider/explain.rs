//! What errors mean to the user of a resource: a diagnostic on the attribute that it belongs to, with the next step.
//!
//! This file has those of single operations on a host; the files below it what `fleet` says of groups and virtual clusters.

mod advice;
pub mod group;
mod notice;
pub mod room;
mod size;
pub mod virtual_cluster;

use crate::fleet::connections::{ConnectionError, NotConfigured};
use crate::host;
use crate::host::apply::ApplyError;
use crate::host::chart_archives::ArchiveError;
use crate::host::delete::DeleteError;
use crate::host::kind::KindError;
use crate::host::namespace::NamespaceError;
use crate::host::pause::PauseError;
use crate::host::records::RecordError;
use crate::host::store::StoreError;
use crate::host::view::ViewError;
use crate::host::volumes::VolumeError;
use crate::host::wait::WaitError;
use crate::provider::diagnostics::host_failure;
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

/// An error that a user gets to see.
pub trait Explain {
    /// The error as a diagnostic.
    fn explain(&self) -> Diagnostic;
}

const STOPPED: &str = "The apply was stopped.";
const RUN_AGAIN: &str = "Run `terraform apply` again: nothing is lost, and it converges.";

fn at(attribute: &'static str, summary: &str, error: &dyn std::error::Error, next_step: &str) -> Diagnostic {
    diagnostic(AttributePath::new(attribute), summary, format!("{}.\n\nNext step: {next_step}", sentence(error)))
}

/// Why a host cluster cannot be used by its name, on the attribute that holds the name.
pub fn connection(error: &ConnectionError, attribute: AttributePath) -> Diagnostic {
    match error {
        ConnectionError::NotConfigured(NotConfigured { name, configured }) => diagnostic(
            attribute,
            format!("Host cluster {name:?} is not configured"),
            format!(
                "The provider block has these host clusters: {}.\n\nNext step: Use one of them, or add {name:?} to \
                 host_clusters in the provider block.",
                configured.join(", ")
            ),
        ),
        ConnectionError::NoProvider => diagnostic(
            attribute,
            "The provider is not configured.",
            "Terraform asked for a host cluster before it configured the provider. Please report this.",
        ),
    }
}

/// An error's text with its first letter raised.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl Explain for host::Error {
    fn explain(&self) -> Diagnostic {
        host_failure(self, AttributePath::new("host_cluster"))
    }
}

impl Explain for KindError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Incomplete(_) => at(
                "values",
                "The chart rendered something that is no Kubernetes object.",
                self,
                "Look at what your `values` put into the chart.",
            ),
            Self::Unknown { .. } => at(
                "values",
                "The host cluster does not have this kind of object.",
                self,
                "Install what defines it on the host cluster, or switch the object off in `values`.",
            ),
        }
    }
}

impl Explain for WaitError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::TimedOut { .. } => at(
                "timeouts",
                "The virtual cluster was not ready in time.",
                self,
                "Remove the cause named above and apply again, or raise the timeout if it only needs longer.",
            ),
            Self::Cancelled { .. } => at("id", STOPPED, self, RUN_AGAIN),
        }
    }
}

impl Explain for StoreError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Unreadable { .. } => at(
                "id",
                "A record on the host cluster cannot be read.",
                self,
                "If a newer version of this provider wrote it, use that version. If it was edited by hand, undo the edit.",
            ),
            Self::Changed { .. } => at("id", "Another apply changed a record at the same time.", self, RUN_AGAIN),
        }
    }
}

impl Explain for RecordError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Store(error) => error.explain(),
            Self::Lost { .. } => at("id", "Another apply has taken over this virtual cluster.", self, RUN_AGAIN),
            Self::Cancelled { .. } => at("id", STOPPED, self, RUN_AGAIN),
        }
    }
}

impl Explain for ArchiveError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::Store(error) => error.explain(),
            Self::TooLarge { .. } => at("chart", "The chart is too large.", self, "Use a smaller chart."),
            Self::Foreign { .. } => at(
                "chart",
                "Something else stands where the chart is to be kept.",
                self,
                "Remove the Secret, which this provider did not write, and apply again.",
            ),
        }
    }
}

impl Explain for NamespaceError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::Terminating { .. } => at(
                "namespace",
                "The namespace is still being deleted.",
                self,
                "Wait until it is gone, remove what keeps it, or choose another `namespace`.",
            ),
            Self::Occupied { .. } => at(
                "namespace",
                "Another virtual cluster lives in this namespace.",
                self,
                "One namespace holds one virtual cluster: choose another `namespace`.",
            ),
            Self::Exists { host, namespace } => diagnostic(
                AttributePath::new("namespace"),
                format!("Namespace \"{namespace}\" exists already on host cluster \"{host}\"."),
                format!(
                    "This provider did not create it and changes nothing in it. Set `namespace = \"{namespace}\"` if the \
                     virtual cluster is to live in it, or choose another `name` or `namespace`."
                ),
            ),
            Self::InUse { .. } => at(
                "namespace",
                "Somebody else works in this namespace.",
                self,
                "Choose a namespace that is empty or does not exist, or have its owner put that label on it.",
            ),
            Self::Cancelled { .. } => at("namespace", STOPPED, self, RUN_AGAIN),
        }
    }
}

impl Explain for ApplyError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::Prune(error) => error.explain(),
            Self::Kind(error) => error.explain(),
            Self::NotOurs { .. } => at(
                "namespace",
                "An object with the same name belongs to somebody else.",
                self,
                "Choose another `name` or `namespace`, or delete the object if nobody needs it. If it stands where one of this \
                 virtual cluster's own stood, plan again: `drift` shows it then, and the apply takes it over.",
            ),
            Self::Taken { .. } => at(
                "name",
                "Another virtual cluster has an object of the same name.",
                self,
                "Choose another `name` or `namespace`. The chart makes names of cluster-scoped objects of both, and cuts them \
                 where they get too long.",
            ),
            Self::Immutable { .. } => at(
                "id",
                "Kubernetes does not allow this change on an existing object.",
                self,
                "Undo the change, or replace the virtual cluster with `-replace` (its data will be lost).",
            ),
            Self::Kept { .. } => at(
                "id",
                "An object on the host cluster is on its way out and does not go.",
                self,
                "Find out who has set the finalizer in its metadata and have it removed, then apply again: the object is made anew.",
            ),
            Self::Cancelled { .. } => at("id", STOPPED, self, RUN_AGAIN),
        }
    }
}

impl Explain for ViewError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Objects(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::Host(error) => error.explain(),
        }
    }
}

impl Explain for DeleteError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::Kind(error) => error.explain(),
            Self::TimedOut { .. } => at(
                "timeouts",
                "Deleting took too long.",
                self,
                "Find out what keeps the objects named above (often a finalizer), then destroy again; or raise \
                 `timeouts.delete`.",
            ),
            Self::Cancelled { .. } => {
                at("id", STOPPED, self, "Run `terraform destroy` again: it removes what is left.")
            }
        }
    }
}

impl Explain for PauseError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::NotOurs { .. } => at(
                "paused",
                "A control plane object belongs to somebody else now.",
                self,
                "Delete the foreign object; the next apply makes ours again.",
            ),
            Self::TimedOut { .. } => at(
                "paused",
                "Pausing took too long.",
                self,
                "Look at the pods named above; then apply again, or raise `timeouts.update`.",
            ),
            Self::Cancelled { .. } => at("paused", STOPPED, self, RUN_AGAIN),
        }
    }
}

impl Explain for VolumeError {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Host(error) => error.explain(),
            Self::Record(error) => error.explain(),
            Self::TimedOut { .. } => diagnostic(
                AttributePath::new("resources").attribute("storage"),
                "The control plane's volume did not grow with the storage.",
                format!(
                    "{}.\n\nNext step: Delete claims inside the virtual cluster if the quota has no room for it; then apply again.",
                    sentence(self)
                ),
            ),
            Self::Cancelled { .. } => at("id", STOPPED, self, RUN_AGAIN),
        }
    }
}
