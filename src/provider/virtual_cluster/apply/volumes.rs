//! A change of size on the host, beside what is rendered: what is in use is looked at before, and the control plane's volumes
//! grow after the quota has.

use std::time::Duration;

use super::{Apply, Failed};
use crate::domain::values::limits;
use crate::host::record::Share;
use crate::host::records::claim::Claim;
use crate::host::{Host, volumes};
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use crate::provider::virtual_cluster::resize::Resize;
use crate::provider::virtual_cluster::spec::Spec;

/// How long a quota that was just changed may take to be counted with.
const QUOTA_LAG: Duration = Duration::from_secs(60);

impl Apply<'_> {
    /// Asks the host whether the size may become what it is to be. Stands before anything is changed.
    pub(super) async fn check_resize(
        &mut self,
        host: &Host,
        held: Option<&Share>,
        prior: &VirtualClusterModel,
        planned: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Result<(), Failed> {
        let resize = Resize::planned(planned, prior, private);
        let resize = resize.map(|resize| held.map_or(resize.clone(), |held| resize.held(held.size)));
        let Some(resize) = resize.filter(Resize::concerns_the_host) else { return Ok(()) };
        let findings = self.explain(resize.look(host).await)?;
        for warning in findings.warnings {
            // Only what was not said when this process planned it.
            if self.configured.planner().warn_once(&warning.detail) {
                self.diags.add_warning(warning);
            }
        }
        if findings.errors.is_empty() {
            return Ok(());
        }
        findings.errors.into_iter().for_each(|error| self.diags.add_error(error));
        Err(Failed)
    }

    /// Has the control plane's volumes grow to what they would be made with today. What their class does not let grow stays:
    /// a change that needs it was refused before.
    pub(super) async fn grow_volumes(&mut self, host: &Host, claim: &Claim, spec: &Spec) -> Result<(), Failed> {
        let made_with = spec.volume.as_ref().and_then(|volume| volume.parse().ok());
        let wanted = spec.size().and_then(|size| limits::control_plane_volume(size.storage));
        match (made_with, wanted) {
            (Some(made_with), Some(wanted)) if wanted > made_with => {
                let time = self.time_left().min(QUOTA_LAG);
                self.explain(volumes::grow(host, claim, wanted, time, &self.stop.clone()).await)
            }
            _ => Ok(()),
        }
    }
}
