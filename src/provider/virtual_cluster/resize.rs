//! What a host has to say about a change of size: what is in use beyond a smaller one, what volumes take, and whether the
//! control plane's volume can grow along with the storage.
//!
//! Plan and apply ask the same. An answer warns or refuses, and never shows in a plan.

use crate::domain::quantity::Bytes;
use crate::domain::size::{Resource, Size};
use crate::domain::usage::{Excess, Usage};
use crate::domain::values::limits;
use crate::domain::volumes::{self, Obstacle, Volume};
use crate::host::{Error, Host, usage, volumes as claims};
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use terraform_plugin::{AttributePath, Diagnostic, diagnostic};

/// So many claims a message names at most.
const CLAIMS_NAMED: usize = 20;

/// A change of the size of one virtual cluster that exists.
#[derive(Debug, Clone)]
pub struct Resize {
    pub namespace: String,
    pub name: String,
    /// What it has, each resource at most: an apply that was cut off may have made some of it larger already.
    pub most_before: Size,
    /// What it has as far as Terraform knows.
    pub before: Size,
    pub after: Size,
    /// What its control plane's volumes were made with. None: it has none.
    pub volume: Option<Bytes>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

impl Findings {
    /// A warning and nothing else.
    pub fn of_warning(warning: Diagnostic) -> Self {
        Self { errors: Vec::new(), warnings: vec![warning] }
    }
}

impl Resize {
    /// What a plan does to the size. None while it is not known, or the virtual cluster is nowhere yet.
    pub fn planned(
        plan: &VirtualClusterModel,
        prior: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Option<Self> {
        let before = prior.resources.as_ref_option()?.size()?;
        // What is not known yet counts as it was.
        let after = plan.resources.as_ref_option()?.size_or(&before);
        Some(Self {
            namespace: prior.namespace.as_ref_option()?.clone(),
            name: prior.name.as_ref_option()?.clone(),
            most_before: before,
            before,
            after,
            volume: private.volume.as_ref().and_then(|volume| volume.parse().ok()),
        })
    }

    /// The same change where a host holds `held` for it already.
    pub fn held(self, held: Size) -> Self {
        let most_before = Size::from_amounts(|resource| self.before.get(resource).max(held.get(resource)));
        Self { most_before, ..self }
    }

    /// Asks `host` for a plan. The error says why it could not be asked.
    ///
    /// # Errors
    /// Whatever keeps it from being asked.
    pub async fn ask(&self, host: &Host, private: &VirtualClusterPrivate) -> Result<Findings, String> {
        let identity = host.identity().await.map_err(|error| error.to_string())?;
        if !private.is_host(&identity.uid) {
            return Err(format!("host cluster {:?} is not the cluster that it was", host.name()));
        }
        self.look(host).await.map_err(|error| error.to_string())
    }

    /// Whether there is something to ask.
    pub fn concerns_the_host(&self) -> bool {
        self.shrinks(Resource::Storage) || self.shrinks_computing() || self.growing_volume().is_some()
    }

    /// Asks `host`. What it does not say is an error here, before anything is changed.
    ///
    /// # Errors
    /// The host's refusal.
    pub async fn look(&self, host: &Host) -> Result<Findings, Error> {
        let mut findings = Findings::default();
        if self.shrinks(Resource::Storage) || self.shrinks_computing() {
            let used = usage::read(host, &self.namespace, &self.name).await?;
            if self.shrinks_computing() {
                findings.warnings.extend(self.warnings(host, used.as_ref()));
            }
            if self.shrinks(Resource::Storage) {
                findings.errors.extend(self.check_taken(host, used.as_ref().and_then(Usage::storage)).await?);
            }
        }
        if let Some(wanted) = self.growing_volume() {
            findings.errors.extend(self.check_growth(host, wanted).await?);
        }
        Ok(findings)
    }

    /// The warning for a plan that could not ask: `why` without a period at its end.
    pub fn unchecked(&self, why: &str) -> Diagnostic {
        diagnostic(
            AttributePath::new("resources"),
            format!("What virtual cluster {:?} uses could not be checked.", self.name),
            format!(
                "Its host cluster has to be asked before a size gets smaller, or the control plane's volume larger: \
                 {why}.\n\nThe apply asks again before it changes anything."
            ),
        )
    }

    fn shrinks(&self, resource: Resource) -> bool {
        self.after.get(resource) < self.most_before.get(resource)
    }

    fn shrinks_computing(&self) -> bool {
        self.shrinks(Resource::Cpu) || self.shrinks(Resource::Memory)
    }

    /// What the control plane's volumes are to have, if this change makes it more than what they were made with.
    fn growing_volume(&self) -> Option<Bytes> {
        let grows = self.after.storage > self.before.storage;
        let wanted = limits::control_plane_volume(self.after.storage).filter(|_| grows)?;
        self.volume.filter(|made_with| wanted > *made_with).map(|_| wanted)
    }

    fn warnings(&self, host: &Host, used: Option<&Usage>) -> Vec<Diagnostic> {
        let Some(used) = used else {
            let quota = format!("ResourceQuota {}/vc-{}", self.namespace, self.name);
            return vec![self.unchecked(&format!("{quota} on host cluster {:?} counts nothing now", host.name()))];
        };
        let excess = used.beyond(self.most_before, self.after);
        let of = |resource| excess.iter().filter(move |excess| excess.resource == resource).collect::<Vec<_>>();
        let both = [Resource::Cpu, Resource::Memory].map(|resource| (resource, of(resource)));
        let found = both.iter().filter(|(_, excess)| !excess.is_empty());
        found.map(|(resource, excess)| self.in_use(host, *resource, excess)).collect()
    }

    fn in_use(&self, host: &Host, resource: Resource, excess: &[&Excess]) -> Diagnostic {
        let (name, attribute) = (&self.name, resource.attribute());
        let line = |excess: &&Excess| {
            let [used, allowed] = [excess.used, excess.allowed].map(|amount| resource.say(amount));
            format!("  {}: {used} in use, {allowed} from now on\n", excess.counted_as)
        };
        let lines: String = excess.iter().map(line).collect();
        let most = excess.iter().map(|excess| excess.used).max().unwrap_or_default();
        diagnostic(
            AttributePath::new("resources").attribute(attribute),
            format!("Virtual cluster {name:?} uses more {attribute} than it is to have."),
            format!(
                "ResourceQuota {}/vc-{name} on host cluster {:?} counts:\n\n{lines}\nPods that run go on. New ones, and those \
                 that are made anew, {}are refused until less is in use.\n\nNext step: Remove workloads inside or lower their \
                 requests and limits, or have `resources.{attribute}` at {} or more.",
                self.namespace,
                host.name(),
                self.about_the_control_plane(),
                resource.say(most),
            ),
        )
    }

    /// The control plane's pod counts in the quota as any other.
    fn about_the_control_plane(&self) -> &'static str {
        if limits::control_plane(&self.before) == limits::control_plane(&self.after) {
            "the control plane's own among them, "
        } else {
            "the control plane's own among them, which this change replaces, "
        }
    }

    /// Storage is never less than what volumes take already.
    async fn check_taken(&self, host: &Host, counted: Option<Bytes>) -> Result<Option<Diagnostic>, Error> {
        if counted.is_some_and(|taken| taken <= self.after.storage) {
            return Ok(None);
        }
        let volumes = claims::list(host, &self.namespace).await?;
        let taken = counted.unwrap_or_else(|| volumes::total(&volumes));
        Ok((taken > self.after.storage).then(|| self.taken(host, taken, volumes)))
    }

    fn taken(&self, host: &Host, taken: Bytes, mut volumes: Vec<Volume>) -> Diagnostic {
        volumes.sort_by(|left, right| right.size.cmp(&left.size).then_with(|| left.claim.cmp(&right.claim)));
        let line = |volume: &Volume| format!("  {}: {}\n", volume.claim, volume.size);
        let mut lines: String = volumes.iter().take(CLAIMS_NAMED).map(line).collect();
        if let Some(more) = volumes.len().checked_sub(CLAIMS_NAMED).filter(|more| *more > 0) {
            lines.push_str(&format!("  and {more} more\n"));
        }
        diagnostic(
            AttributePath::new("resources").attribute("storage"),
            "Storage cannot be less than what volumes already take.",
            format!(
                "The claims of virtual cluster {:?} in namespace {} of host cluster {:?} take {taken}; {} was asked \
                 for.\n\n{lines}\nNext step: Have `resources.storage` at {taken} or more, or delete claims inside the virtual \
                 cluster first. Its control plane's own (data-{}-…) stay.",
                self.name,
                self.namespace,
                host.name(),
                self.after.storage,
                self.name,
            ),
        )
    }

    async fn check_growth(&self, host: &Host, wanted: Bytes) -> Result<Option<Diagnostic>, Error> {
        let found = claims::list(host, &self.namespace).await?;
        let expands = claims::expansion(host, &volumes::smaller(&self.name, wanted, &found)).await?;
        let expands = |class: &str| expands.get(class) == Some(&true);
        let checked = volumes::check_growth(&self.name, wanted, self.after.storage, &found, expands);
        Ok(checked.err().map(|obstacle| self.obstacle(host, wanted, &obstacle)))
    }

    fn obstacle(&self, host: &Host, wanted: Bytes, obstacle: &Obstacle) -> Diagnostic {
        let (host, storage) = (host.name(), self.after.storage);
        let at_storage = AttributePath::new("resources").attribute("storage");
        match obstacle {
            Obstacle::Fixed(volume) => diagnostic(
                at_storage,
                "The control plane's volume cannot grow with the storage.",
                format!(
                    "With {storage} of storage the control plane of virtual cluster {:?} needs a volume of {wanted}. Claim \
                     {}/{} on host cluster {host:?} has {}, and {}.\n\nNext step: {}have the host's administrator set \
                     `allowVolumeExpansion: true` on a class whose driver can do that; or create a new virtual cluster with \
                     {storage} and migrate.",
                    self.name,
                    self.namespace,
                    volume.claim,
                    volume.size,
                    about_class(volume),
                    self.enough_for(volume.size),
                ),
            ),
            Obstacle::Full { needed } => diagnostic(
                at_storage,
                "The control plane's volume has no room to grow with the storage.",
                format!(
                    "With {storage} of storage each volume of the control plane of virtual cluster {:?} in namespace {} of host \
                     cluster {host:?} grows to {wanted}, and all claims there take {needed} then.\n\nNext step: Ask for more \
                     storage, or delete claims inside the virtual cluster first.",
                    self.name, self.namespace,
                ),
            ),
        }
    }

    /// Up to which storage a volume of `size` is large enough.
    fn enough_for(&self, size: Bytes) -> String {
        match limits::storage_for_volume(size) {
            Some(storage) if storage <= self.before.storage => {
                format!("Leave `resources.storage` at {}; or ", self.before.storage)
            }
            Some(storage) => format!("Have `resources.storage` at {storage} at most, with which it need not grow; or "),
            None => String::new(),
        }
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
