//! Cleaning up creations that were killed and that nobody will come back for, such as those with generated names.
//!
//! A create looks at the host's unfinished records when it starts and again when it is done. Those that did not move
//! meanwhile, for at least [`lease::silence`], are nobody's. A live one moves, and a failure here never fails the apply.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::room;
use crate::host::chart_archives::ChartArchives;
use crate::host::lease;
use crate::host::record::Phase;
use crate::host::records::{Life, Records, Stored};
use crate::host::{Host, delete};
use crate::provider::Configured;
use crate::provider::virtual_cluster::spec::Place;
use terraform_plugin::{AttributePath, Diagnostics, Report};

/// How long removing one abandoned creation may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The unfinished creations that were there when a create began.
pub struct Unfinished<'a> {
    configured: &'a Configured,
    host: Host,
    seen: Instant,
    stored: Vec<Stored>,
}

impl<'a> Unfinished<'a> {
    /// Looks for the unfinished creations on `host`, other than that at `place`.
    pub async fn look(configured: &'a Configured, host: &Host, place: &Place) -> Self {
        // Whoever may not list, or meets an unreadable record, has nothing to clean up.
        let all = Records::of(host).list().await.unwrap_or_default();
        let unfinished =
            |stored: &Stored| stored.record.namespace != place.namespace && stored.record.phase != Phase::HandedOver;
        let stored = all.into_iter().filter(unfinished).collect();
        Self { configured, host: host.clone(), seen: Instant::now(), stored }
    }

    /// Removes those that have not moved since, if enough time has passed to tell.
    pub async fn reclaim(self, diags: &mut Diagnostics, stop: &CancellationToken) {
        let silent_for = self.seen.elapsed();
        if silent_for < lease::silence() {
            return;
        }
        for stored in self.stored {
            let name = stored.record.name.clone();
            match reclaim(self.configured, &self.host, stored, stop).await {
                Ok(true) => diags.warn(
                    AttributePath::root(),
                    format!("An abandoned virtual cluster was removed from host cluster \"{}\".", self.host.name()),
                    format!(
                        "The creation of \"{name}\" was cut off before Terraform could save it, and nobody has worked on it \
                         since. It was in no state."
                    ),
                ),
                Ok(false) => {}
                Err(error) => tracing::warn!(virtual_cluster = name, %error, "could not remove an abandoned creation"),
            }
        }
    }
}

/// Removes what a creation that has stopped left behind, its share of the ledgers included. False if it is alive.
pub(super) async fn reclaim(
    configured: &Configured,
    host: &Host,
    stored: Stored,
    stop: &CancellationToken,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let records = Records::of(host);
    // No silence is waited for: that the record did not move since it was first seen is what the claim checks.
    let Life::Stopped(stored) = records.watch_for_life(&stored, Duration::ZERO, stop).await? else { return Ok(false) };
    let digest = stored.record.chart_digest.clone();
    let claim = records.claim(*stored).await?;
    claim.update(|record| record.phase = Phase::Deleting).await?;
    delete::delete(host, &claim, TIMEOUT, stop).await?;
    room::release(configured, host, &claim.record(), &claim.record_uid()).await?;
    claim.remove().await?;
    if let Some(digest) = digest {
        ChartArchives::of(host).release(&digest).await?;
    }
    Ok(true)
}
