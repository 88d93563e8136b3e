//! Cleaning up creations that were killed and that nobody will come back for, such as those with generated names.
//!
//! A create looks at its hosts' unfinished records when it starts and again when it is done; so does whoever would be
//! refused because of one. Those that did not move meanwhile, for at least [`lease::silence`], are nobody's. A live one
//! moves, and a failure here never fails the apply.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::destroy::take_down;
use crate::fleet::Fleet;
use crate::fleet::notice::Notice;
use crate::host::lease;
use crate::host::record::Phase;
use crate::host::records::claim::Claim;
use crate::host::records::{Life, Records, Stored, Taken};
use crate::host::{Host, namespace};

/// How long removing one abandoned creation may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The unfinished creations that were there when a create began.
pub struct Unfinished {
    found: Vec<(Host, Vec<Stored>)>,
    /// When all answers were there. A host that was slow to answer has told of what was there when it did, and not when it was asked.
    seen: Instant,
    /// Not this one's.
    namespace: String,
}

impl Unfinished {
    /// Looks for the unfinished creations on `hosts`, other than that in `namespace`.
    pub async fn look(fleet: &Fleet, hosts: Vec<Host>, namespace: &str) -> Self {
        let ask = |host: Host| async move {
            let found = fleet.readings.unfinished(&host).await;
            (host, found)
        };
        let found = join_all(hosts.into_iter().map(ask)).await;
        Self { found, seen: Instant::now(), namespace: namespace.to_owned() }
    }

    /// Removes those that nobody works on. Where the create took less than a silence, the rest of it is waited for, as nobody
    /// else may ever come by; those that live show it at once.
    pub async fn reclaim(self, fleet: &Fleet, patience: Duration, stop: &CancellationToken) -> Vec<Notice> {
        let silence = lease::silence().saturating_sub(self.seen.elapsed());
        if silence > patience {
            return Vec::new();
        }
        let all = self.found.into_iter();
        let all = all.flat_map(|(host, found)| found.into_iter().map(move |stored| (host.clone(), stored)));
        let others = all.filter(|(_, stored)| stored.record.namespace != self.namespace);
        stopped(fleet, others.collect(), silence, stop).await
    }
}

/// Removes those of these unfinished creations that stay silent for so long. A notice for each that went.
pub async fn stopped(
    fleet: &Fleet,
    unfinished: Vec<(Host, Stored)>,
    silence: Duration,
    stop: &CancellationToken,
) -> Vec<Notice> {
    let reclaim = |(host, stored): (Host, Stored)| async move {
        let name = stored.record.name.clone();
        // Others of this process have seen it, too.
        if !fleet.begins(&format!("reclaim {}", stored.uid())) {
            return None;
        }
        let reclaimed = reclaim(fleet, &host, &stored, silence, stop).await;
        Some((host, name, reclaimed))
    };
    let mut removed = Vec::new();
    for (host, name, reclaimed) in join_all(unfinished.into_iter().map(reclaim)).await.into_iter().flatten() {
        match reclaimed {
            Ok(Watched::Removed) => {
                removed.push(Notice::Reclaimed { host: host.name().to_owned(), name });
            }
            Ok(Watched::Gone | Watched::Alive) => {}
            Err(error) => tracing::warn!(virtual_cluster = name, %error, "could not remove an abandoned creation"),
        }
    }
    removed
}

/// Removes what is left of a virtual cluster that was handed over and whose namespace is gone, with everything in it: somebody has
/// deleted it, and no state may know the virtual cluster any more. No namespace gets that UID again. False if it is there, or
/// nobody can say, or somebody works on it.
pub async fn hollow(fleet: &Fleet, host: &Host, stored: Stored, stop: &CancellationToken) -> bool {
    let record = &stored.record;
    let known = record.phase == Phase::HandedOver && record.namespace_uid.is_some();
    let is_hollow = known && namespace::uid(host, &record.namespace).await.is_ok_and(|uid| uid != record.namespace_uid);
    let name = record.name.clone();
    let remove = async {
        match Records::of(host).take_to(stored, |record| record.phase = Phase::Deleting, stop).await? {
            Taken::Mine(claim) => remove(fleet, host, claim, stop).await.map(|()| true),
            Taken::Busy(_) => Ok(false),
            Taken::Gone => Ok(true),
        }
    };
    let removed: Result<bool, Problem> = if is_hollow { remove.await } else { Ok(false) };
    removed.unwrap_or_else(|error| {
        tracing::warn!(virtual_cluster = name, %error, "could not remove what a deleted namespace has left");
        false
    })
}

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What came of watching an unfinished creation.
pub(super) enum Watched {
    /// It stayed silent, and is removed.
    Removed,
    /// Somebody else has removed it.
    Gone,
    /// It is alive.
    Alive,
}

/// Removes what a creation that stays silent for so long has left behind, its share of the ledgers included.
pub(super) async fn reclaim(
    fleet: &Fleet,
    host: &Host,
    stored: &Stored,
    silence: Duration,
    stop: &CancellationToken,
) -> Result<Watched, Problem> {
    let records = Records::of(host);
    match records.watch_for_life(stored, silence, stop).await? {
        Life::Gone => Ok(Watched::Gone),
        Life::Alive(_) => Ok(Watched::Alive),
        Life::Stopped(stored) => {
            let claim = records.claim_to(*stored, |record| record.phase = Phase::Deleting).await?;
            remove(fleet, host, claim, stop).await.map(|()| Watched::Removed)
        }
    }
}

async fn remove(fleet: &Fleet, host: &Host, claim: Claim, stop: &CancellationToken) -> Result<(), Problem> {
    let digest = claim.record().chart_digest;
    take_down(fleet, host, &claim, TIMEOUT, stop).await?;
    claim.remove().await?;
    if let Some(digest) = digest {
        fleet.archives(host).release(&digest).await?;
    }
    Ok(())
}
