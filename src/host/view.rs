//! What one run sees of a host's virtual clusters. A few are looked at one by one, in their own namespaces; where a run looks at
//! more, everything is listed once, cluster-wide, and shared by all that follow.
//!
//! What is shared may be some seconds old, so it only ever says that all is well. Before it says that something has drifted
//! or is gone, the record must be the same before and after the lists, or the virtual cluster is looked at by itself. There,
//! too, drift counts only if the record is still the same behind it.
//! `docs/design/shared-reads.md` has the reasons.

mod wide;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep_until};

use super::access::Exposure;
use super::cluster::locked;
use super::kind::KindError;
use super::observe::{Observed, observe};
use super::records::{RecordError, Records, Stored};
use super::store::StoreError;
use super::{Error, Host, Reason};
use wide::Wide;

/// So many virtual clusters are looked at one by one, on whatever hosts they are.
const FEW: usize = 3;

/// How long the first ones wait for others to come: Terraform asks for ten at a time.
const GATHERING: Duration = Duration::from_millis(40);

/// How often one is looked at that others write at the same time.
const LOOKS: usize = 3;

/// How long what was listed is taken for what is there.
const FRESH: Duration = Duration::from_secs(60);

/// Which virtual clusters a run looks at. Clones are the same run.
#[derive(Clone, Default)]
pub struct Run(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    /// Hosts and namespaces.
    virtual_clusters: BTreeSet<(String, String)>,
    first: Option<Instant>,
}

impl Run {
    /// Takes note of a virtual cluster that is looked at, and says whether it is one of many. The first ones wait for others.
    async fn looks_at_many(&self, host: &str, namespace: &str) -> bool {
        let gathered = {
            let mut asked = locked(&self.0);
            asked.virtual_clusters.insert((host.to_owned(), namespace.to_owned()));
            *asked.first.get_or_insert_with(Instant::now) + GATHERING
        };
        let are_many = || locked(&self.0).virtual_clusters.len() > FEW;
        if !are_many() {
            sleep_until(gathered).await;
        }
        are_many()
    }
}

/// One host as a run sees it. Cheap to clone; clones share what they know.
#[derive(Clone)]
pub struct View(Arc<Inner>);

struct Inner {
    host: Host,
    /// The label that all objects carry which this provider applies; its value is the virtual cluster's name.
    label: String,
    run: Run,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listed: Option<Listed>,
    /// The host does not let us list cluster-wide.
    refused: bool,
}

/// Lists that are being made, or were.
#[derive(Clone)]
struct Listed {
    since: Instant,
    wide: Arc<OnceCell<Result<Arc<Wide>, RecordError>>>,
}

/// A virtual cluster's record, and from where it was read.
pub struct Seen {
    /// The record; none if there is none.
    pub stored: Option<Stored>,
    wide: Option<Arc<Wide>>,
}

impl View {
    /// A view of `host`, on which everything that this provider applies carries `label`. Asks nothing yet.
    pub fn of(host: &Host, label: &str, run: &Run) -> Self {
        let (host, label, run) = (host.clone(), label.to_owned(), run.clone());
        Self(Arc::new(Inner { host, label, run, state: Mutex::default() }))
    }

    /// The record of the virtual cluster in `namespace`.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record.
    pub async fn record(&self, namespace: &str) -> Result<Seen, RecordError> {
        if let Some(wide) = self.shared(namespace).await? {
            // One that is not in the list may have been made since.
            if let Some(stored) = wide.record(namespace) {
                return Ok(Seen { stored: Some(stored.clone()), wide: Some(wide) });
            }
        }
        Ok(Seen { stored: Records::of(&self.0.host).get(namespace).await?, wide: None })
    }

    /// The record of the virtual cluster in `namespace` as it is now, if what was `seen` of it may be older than that.
    ///
    /// # Errors
    /// The host's refusal, or an unreadable record.
    pub async fn record_now(&self, namespace: &str, seen: Seen) -> Result<Seen, RecordError> {
        if seen.wide.is_none() {
            return Ok(seen);
        }
        Ok(Seen { stored: Records::of(&self.0.host).get(namespace).await?, wide: None })
    }

    /// What there is of a virtual cluster whose record was seen. The record may come back in a newer version.
    ///
    /// # Errors
    /// The host's refusal: then nothing is known, and least of all that something is gone.
    pub async fn observe(
        &self,
        seen: Seen,
        stored: Stored,
        exposure: &Exposure,
    ) -> Result<(Stored, Observed), ViewError> {
        let Some(wide) = seen.wide else { return self.look(stored, exposure).await };
        match wide.observe(&stored.record, exposure).await {
            Ok((observed, until)) => {
                let is_there = !observed.is_gone();
                if is_there && (!observed.has_drifted() || wide.is_unchanged(&stored, until).await?) {
                    return Ok((stored, observed));
                }
            }
            Err(error) if is_forbidden(&error) => {
                tracing::debug!(%error, "looking at virtual clusters one by one");
                self.state().refused = true;
            }
            Err(error) => return Err(error.into()),
        }
        let now = Records::of(&self.0.host).get(&stored.record.namespace).await?;
        self.look(now.unwrap_or(stored), exposure).await
    }

    /// Has everything be read anew: something was written.
    pub fn forget(&self) {
        self.state().listed = None;
    }

    /// Looks at a virtual cluster by itself; again where an apply has come between its record and its objects.
    async fn look(&self, mut stored: Stored, exposure: &Exposure) -> Result<(Stored, Observed), ViewError> {
        let host = &self.0.host;
        let label = format!("{}={}", self.0.label, stored.record.name);
        let mut looks = 1;
        loop {
            let observed = observe(host, &stored.record, exposure, &label).await?;
            if looks == LOOKS || (!observed.is_gone() && !observed.has_drifted()) {
                return Ok((stored, observed));
            }
            match Records::of(host).get(&stored.record.namespace).await? {
                Some(now) if now.is() != stored.is() => stored = now,
                _ => return Ok((stored, observed)),
            }
            looks += 1;
        }
    }

    /// The lists for many, if the virtual cluster in `namespace` is one of many.
    async fn shared(&self, namespace: &str) -> Result<Option<Arc<Wide>>, RecordError> {
        if self.state().refused || !self.0.run.looks_at_many(self.0.host.name(), namespace).await {
            return Ok(None);
        }
        let listed = {
            let mut state = self.state();
            let fresh = state.listed.take_if(|listed| listed.since.elapsed() < FRESH);
            let new = || Listed { since: Instant::now(), wide: Arc::default() };
            state.listed.insert(fresh.unwrap_or_else(new)).clone()
        };
        let made =
            listed.wide.get_or_init(|| async { Wide::of(&self.0.host, &self.0.label).await.map(Arc::new) }).await;
        match made {
            Ok(wide) => Ok(Some(Arc::clone(wide))),
            Err(RecordError::Store(StoreError::Host(error))) if matches!(error.reason(), Reason::Forbidden { .. }) => {
                self.state().refused = true;
                Ok(None)
            }
            Err(error) => Err(error.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0.state)
    }
}

/// Why a virtual cluster could not be looked at.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ViewError {
    /// Its objects could not be read.
    #[error(transparent)]
    Objects(#[from] KindError),
    /// Its record could not be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
}

fn is_forbidden(error: &KindError) -> bool {
    matches!(error, KindError::Host(error) if matches!(error.reason(), Reason::Forbidden { .. }))
}
