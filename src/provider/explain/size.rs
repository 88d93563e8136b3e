//! What a change of size meets on a host, for its user.

use super::Explain;
use crate::domain::quantity::Bytes;
use crate::domain::size::Resource;
use crate::domain::usage::Excess;
use crate::domain::values::limits;
use crate::domain::volumes::{Obstacle, Volume};
use crate::fleet::virtual_cluster::resize::{Obstructed, Obstruction, Remark, Resize};
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

/// So many claims a message names at most.
const CLAIMS_NAMED: usize = 20;

impl Explain for Remark {
    fn explain(&self) -> Diagnostic {
        match self {
            Self::Unchecked { name, why } => diagnostic(
                AttributePath::new("resources"),
                format!("What virtual cluster {name:?} uses could not be checked."),
                format!(
                    "Its host cluster has to be asked before a size gets smaller, or the control plane's volume larger: \
                     {why}.\n\nThe apply asks again before it changes anything."
                ),
            ),
            Self::InUse { resize, host, resource, excess } => in_use(resize, host, *resource, excess),
        }
    }
}

impl Explain for Obstructed {
    fn explain(&self) -> Diagnostic {
        let Self { resize, host, by } = self;
        match by {
            Obstruction::Taken { taken, volumes } => self::taken(resize, host, *taken, volumes),
            Obstruction::Volume { wanted, obstacle } => volume(resize, host, *wanted, obstacle),
        }
    }
}

fn in_use(resize: &Resize, host: &str, resource: Resource, excess: &[Excess]) -> Diagnostic {
    let (name, attribute) = (&resize.name, resource.attribute());
    let line = |excess: &Excess| {
        let [used, allowed] = [excess.used, excess.allowed].map(|amount| resource.say(amount));
        format!("  {}: {used} in use, {allowed} from now on\n", excess.counted_as)
    };
    let lines: String = excess.iter().map(line).collect();
    let most = excess.iter().map(|excess| excess.used).max().unwrap_or_default();
    // The control plane's pod counts in the quota as any other.
    let control_plane = match resize.replaces_the_control_plane() {
        false => "the control plane's own among them, ",
        true => "the control plane's own among them, which this change replaces, ",
    };
    diagnostic(
        AttributePath::new("resources").attribute(attribute),
        format!("Virtual cluster {name:?} uses more {attribute} than it is to have."),
        format!(
            "ResourceQuota {}/vc-{name} on host cluster {host:?} counts:\n\n{lines}\nPods that run go on. New ones, and those \
             that are made anew, {control_plane}are refused until less is in use.\n\nNext step: Remove workloads inside or \
             lower their requests and limits, or have `resources.{attribute}` at {} or more.",
            resize.namespace,
            resource.say(most),
        ),
    )
}

fn taken(resize: &Resize, host: &str, taken: Bytes, volumes: &[Volume]) -> Diagnostic {
    let line = |volume: &Volume| format!("  {}: {}\n", volume.claim, volume.size);
    let mut lines: String = volumes.iter().take(CLAIMS_NAMED).map(line).collect();
    if let Some(more) = volumes.len().checked_sub(CLAIMS_NAMED).filter(|more| *more > 0) {
        lines.push_str(&format!("  and {more} more\n"));
    }
    let Resize { name, namespace, after, .. } = resize;
    diagnostic(
        at_storage(),
        "Storage cannot be less than what volumes already take.",
        format!(
            "The claims of virtual cluster {name:?} in namespace {namespace} of host cluster {host:?} take {taken}; {} was \
             asked for.\n\n{lines}\nNext step: Have `resources.storage` at {taken} or more, or delete claims inside the \
             virtual cluster first. Its control plane's own (data-{name}-…) stay.",
            after.storage,
        ),
    )
}

fn volume(resize: &Resize, host: &str, wanted: Bytes, obstacle: &Obstacle) -> Diagnostic {
    let Resize { name, namespace, after, .. } = resize;
    let storage = after.storage;
    match obstacle {
        Obstacle::Fixed(volume) => diagnostic(
            at_storage(),
            "The control plane's volume cannot grow with the storage.",
            format!(
                "With {storage} of storage the control plane of virtual cluster {name:?} needs a volume of {wanted}. Claim \
                 {namespace}/{} on host cluster {host:?} has {}, and {}.\n\nNext step: {}have the host's administrator set \
                 `allowVolumeExpansion: true` on a class whose driver can do that; or create a new virtual cluster with \
                 {storage} and migrate.",
                volume.claim,
                volume.size,
                about_class(volume),
                enough_for(resize, volume.size),
            ),
        ),
        Obstacle::Full { needed } => diagnostic(
            at_storage(),
            "The control plane's volume has no room to grow with the storage.",
            format!(
                "With {storage} of storage each volume of the control plane of virtual cluster {name:?} in namespace \
                 {namespace} of host cluster {host:?} grows to {wanted}, and all claims there take {needed} then.\n\nNext \
                 step: Ask for more storage, or delete claims inside the virtual cluster first.",
            ),
        ),
    }
}

/// Up to which storage a volume of `size` is large enough.
fn enough_for(resize: &Resize, size: Bytes) -> String {
    let before = resize.before.storage;
    match limits::storage_for_volume(size) {
        Some(storage) if storage <= before => format!("Leave `resources.storage` at {before}; or "),
        Some(storage) => format!("Have `resources.storage` at {storage} at most, with which it need not grow; or "),
        None => String::new(),
    }
}

fn about_class(volume: &Volume) -> String {
    match &volume.class {
        Some(class) => {
            format!("its storage class {class:?} does not let volumes grow (it has no `allowVolumeExpansion: true`)")
        }
        None => "it has no storage class that would let it grow".to_owned(),
    }
}

fn at_storage() -> AttributePath {
    AttributePath::new("resources").attribute("storage")
}
