//! What is to be known of an operation, for its user.

use super::Explain;
use super::group::at;
use crate::domain::isolation::ENFORCE;
use crate::fleet::notice::Notice;
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

impl Explain for Notice {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Reclaimed { host, name } => diagnostic(
                AttributePath::root(),
                format!("An abandoned virtual cluster was removed from host cluster \"{host}\"."),
                format!(
                    "The creation or destroy of \"{name}\" was cut off, and nobody has worked on it since. What it left is \
                     gone."
                ),
            ),
            Self::LeftBehind { host, skipped } => diagnostic(
                AttributePath::root(),
                "An object was left on the host cluster.",
                format!("{skipped} on host cluster \"{host}\". Delete it by hand if nobody needs it."),
            ),
            Self::NotEnforced { host, namespace, level } => diagnostic(
                AttributePath::new("pod_security"),
                format!("Pod Security is not enforced in namespace {namespace} on host cluster \"{host}\"."),
                format!(
                    "The namespace existed before, so this provider does not label it, and it does not have \
                     {ENFORCE}={level} or a stricter level.\n\nNext step: Have its owner set the label, or leave `namespace` out to \
                     get one that is made for the virtual cluster."
                ),
            ),
            Self::NotLookedAt(error) => diagnostic(
                AttributePath::new("status"),
                "The virtual cluster was applied, but could not be looked at afterwards.",
                format!("{error}. The next refresh fills in `status`, `endpoint` and `kubeconfig`."),
            ),
            Self::Size(remark) => remark.explain(),
            Self::LeavesUnseen { key } => diagnostic(
                at(key),
                format!("Host cluster \"{key}\" leaves the cluster group without being looked at."),
                "The provider block does not have it any more. If it comes back, it holds an outdated record of the group; and \
                 virtual clusters that it may carry do not count in the group's quota any more.",
            ),
            Self::KeepsRecord { key, group } => diagnostic(
                at(key),
                format!("Host cluster \"{key}\" keeps its record of cluster group \"{group}\"."),
                "The provider block does not have it any more, so it was not looked at.",
            ),
        }
    }
}
