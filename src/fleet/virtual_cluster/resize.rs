//! What a host has to say about a change of size: what is in use beyond a smaller one, what volumes take, and whether the
//! control plane's volume can grow along with the storage.
//!
//! Plan and apply ask the same. An answer warns or refuses, and never shows in a plan.

use crate::domain::quantity::Bytes;
use crate::domain::size::{Resource, Size};
use crate::domain::usage::{Excess, Usage};
use crate::domain::values::limits;
use crate::domain::volumes::{self, Obstacle, Volume};
use crate::fleet::virtual_cluster::known::Known;
use crate::host::{Error, Host, usage, volumes as claims};

/// A change of the size of one virtual cluster that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resize {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it has, each resource at most: an apply that was cut off may have made some of it larger already.
    pub most_before: Size,
    /// What it has as far as Terraform knows.
    pub before: Size,
    /// What it is to have.
    pub after: Size,
    /// Whether limits count from then on.
    pub counts_limits: bool,
    /// What its control plane's volumes were made with. None: it has none.
    pub volume: Option<Bytes>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is in the way.
    pub obstructed: Vec<Obstructed>,
    /// What is to be known.
    pub remarks: Vec<Remark>,
}

/// What a new size will meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// What is in use could not be asked.
    Unchecked {
        /// The virtual cluster.
        name: String,
        /// Why, without a period at its end.
        why: String,
    },
    /// More is in use than there is to be.
    InUse {
        /// The change.
        resize: Resize,
        /// The host cluster.
        host: String,
        /// Of what.
        resource: Resource,
        /// How much, as the quota counts it.
        excess: Vec<Excess>,
    },
}

/// What keeps a size from changing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstructed {
    /// The change.
    pub resize: Resize,
    /// The host cluster.
    pub host: String,
    /// What is in the way there.
    pub by: Obstruction,
}

/// What is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstruction {
    /// Volumes take more storage than there is to be.
    Taken {
        /// So much.
        taken: Bytes,
        /// The largest first.
        volumes: Vec<Volume>,
    },
    /// The control plane's volume is to have `wanted`, and cannot.
    Volume {
        /// So much.
        wanted: Bytes,
        /// Why not.
        obstacle: Obstacle,
    },
}

impl Findings {
    /// A remark and nothing else.
    pub fn of_remark(remark: Remark) -> Self {
        Self { obstructed: Vec::new(), remarks: vec![remark] }
    }
}

impl Resize {
    /// The same change where a host holds `held` for it already.
    pub fn held(self, held: Size) -> Self {
        let most_before = Size::from_amounts(|resource| self.before.get(resource).max(held.get(resource)));
        Self { most_before, ..self }
    }

    /// Asks `host` for a plan. The error says why it could not be asked.
    ///
    /// # Errors
    /// Whatever keeps it from being asked.
    pub async fn ask(&self, host: &Host, known: &Known) -> Result<Findings, String> {
        let identity = host.identity().await.map_err(|error| error.to_string())?;
        if !known.is_host(&identity.uid) {
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
                findings.remarks.extend(self.remarks(host, used.as_ref()));
            }
            if self.shrinks(Resource::Storage) {
                findings.obstructed.extend(self.check_taken(host, used.as_ref().and_then(Usage::storage)).await?);
            }
        }
        if let Some(wanted) = self.growing_volume() {
            findings.obstructed.extend(self.check_growth(host, wanted).await?);
        }
        Ok(findings)
    }

    /// What is said of a plan that could not ask: `why` without a period at its end.
    pub fn unchecked(&self, why: &str) -> Remark {
        Remark::Unchecked { name: self.name.clone(), why: why.to_owned() }
    }

    /// Whether the change replaces the control plane's pod.
    pub fn replaces_the_control_plane(&self) -> bool {
        limits::control_plane(&self.before) != limits::control_plane(&self.after)
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

    fn remarks(&self, host: &Host, used: Option<&Usage>) -> Vec<Remark> {
        let Some(used) = used else {
            let quota = format!("ResourceQuota {}/vc-{}", self.namespace, self.name);
            return vec![self.unchecked(&format!("{quota} on host cluster {:?} counts nothing now", host.name()))];
        };
        let all = used.beyond(self.most_before, self.after, self.counts_limits);
        let of = |resource| {
            let excess: Vec<Excess> = all.iter().filter(|excess| excess.resource == resource).cloned().collect();
            let (resize, host) = (self.clone(), host.name().to_owned());
            (!excess.is_empty()).then_some(Remark::InUse { resize, host, resource, excess })
        };
        [Resource::Cpu, Resource::Memory].into_iter().filter_map(of).collect()
    }

    /// Storage is never less than what volumes take already.
    async fn check_taken(&self, host: &Host, counted: Option<Bytes>) -> Result<Option<Obstructed>, Error> {
        if counted.is_some_and(|taken| taken <= self.after.storage) {
            return Ok(None);
        }
        let mut volumes = claims::list(host, &self.namespace).await?;
        let taken = counted.unwrap_or_else(|| volumes::total(&volumes));
        volumes.sort_by(|left, right| right.size.cmp(&left.size).then_with(|| left.claim.cmp(&right.claim)));
        Ok((taken > self.after.storage).then(|| self.obstructed(host, Obstruction::Taken { taken, volumes })))
    }

    async fn check_growth(&self, host: &Host, wanted: Bytes) -> Result<Option<Obstructed>, Error> {
        let found = claims::list(host, &self.namespace).await?;
        let expands = claims::expansion(host, &volumes::smaller(&self.name, wanted, &found)).await?;
        let expands = |class: &str| expands.get(class) == Some(&true);
        let checked = volumes::check_growth(&self.name, wanted, self.after.storage, &found, expands);
        Ok(checked.err().map(|obstacle| self.obstructed(host, Obstruction::Volume { wanted, obstacle })))
    }

    fn obstructed(&self, host: &Host, by: Obstruction) -> Obstructed {
        Obstructed { resize: self.clone(), host: host.name().to_owned(), by }
    }
}
