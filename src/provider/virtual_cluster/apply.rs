//! Create, update and destroy of `nested_virtual_cluster`: the order of steps on the host, safe to stop at each of them.
//!
//! A virtual cluster passes through *reserved → creating → handed over* in its record. Whatever stops an apply, the record
//! says how far it came, and the next apply goes on from there.

mod reclaim;
mod reserve;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::domain::name;
use crate::host::chart_archives::ChartArchives;
use crate::host::record::{Phase, Record};
use crate::host::records::Records;
use crate::host::records::claim::Claim;
use crate::host::{Host, apply, delete, namespace, observe, pause, wait};
use crate::provider::Configured;
use crate::provider::chart::ChartAccess;
use crate::provider::configuration::HostCluster;
use crate::provider::explain::Explain;
use crate::provider::timeouts::{self, TimeoutsModel};
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use crate::provider::virtual_cluster::read::{check_host, set_access};
use crate::provider::virtual_cluster::render::{self, Prepared, exposure, selector};
use crate::provider::virtual_cluster::spec::{DRIFTED, Place, Spec};
use crate::terraform::value::Value;
use crate::terraform::{AttributePath, Diagnostics, Report, stop_token};
use reclaim::Unfinished;

type Applied = (VirtualClusterModel, VirtualClusterPrivate);

/// A step failed, and its diagnostic is written.
struct Failed;

/// One create, update or destroy.
pub struct Apply<'a> {
    configured: &'a Configured,
    diags: &'a mut Diagnostics,
    stop: CancellationToken,
    deadline: Instant,
}

impl<'a> Apply<'a> {
    pub fn new(configured: &'a Configured, diags: &'a mut Diagnostics) -> Self {
        Self { configured, diags, stop: stop_token(), deadline: Instant::now() }
    }

    /// Creates a virtual cluster. After an error a state comes back where objects were left on the host.
    pub async fn create(
        mut self,
        mut planned: VirtualClusterModel,
        config: &VirtualClusterModel,
        mut private: VirtualClusterPrivate,
    ) -> Option<Applied> {
        self.start_clock(&planned, |timeouts| &timeouts.create);
        let place = name_it(&mut planned)?;
        let host = self.host(&place, &private).await?;
        private.host_uid = self.explain(host.identity().await).ok()?.uid.clone();
        let access = ChartAccess::of(self.configured.charts(), &config.chart);
        let prepared = render::from_source(self.diags, &access, &host, &place, &planned, &private).await?;
        if let Value::Value(chart) = &mut planned.chart {
            chart.digest = Value::Value(prepared.spec.chart_digest.clone());
        }
        let unfinished = Unfinished::look(&host, &place).await;
        let claim = self.reserve(&host, &place, &private, &prepared.spec, config).await.ok()?;
        let made = self.make(&host, &claim, &prepared, &planned).await;
        if claim.lost().is_cancelled() {
            // Another apply has taken over and owns what is there, as an error says.
            return None;
        }
        let record = claim.record();
        if made.is_err() && record.namespace_uid.is_none() {
            // Nothing but the record was made.
            let digest = prepared.spec.chart_digest.clone();
            self.explain(claim.remove().await).ok();
            self.explain(ChartArchives::of(&host).release(&digest).await).ok();
            return None;
        }
        private.namespace_uid = record.namespace_uid.clone().unwrap_or_default();
        private.namespace_created = record.namespace_created;
        private.volume = prepared.spec.volume.clone();
        // From here on Terraform's state is the owner, tainted or not.
        self.explain(claim.update(|record| record.phase = Phase::HandedOver).await).ok();
        drop(claim);
        let state = self.observe(&host, &record, planned, &prepared.spec, made.is_ok()).await;
        unfinished.reclaim(self.diags, &self.stop).await;
        Some((state, private))
    }

    /// Makes the virtual cluster on the host what the plan says. After an error the prior state comes back, marked as
    /// drifted, so that the next apply finishes the work.
    pub async fn update(
        mut self,
        prior: VirtualClusterModel,
        planned: VirtualClusterModel,
        config: &VirtualClusterModel,
        mut private: VirtualClusterPrivate,
    ) -> Option<Applied> {
        self.start_clock(&planned, |timeouts| &timeouts.update);
        let place = Place::of(&planned)?;
        if planned.revision.as_ref_option().is_some() && planned.paused == prior.paused {
            // Only what Terraform itself keeps has changed, such as `timeouts`, or where the chart came from.
            if planned.chart != prior.chart {
                self.record_source(&place, &planned, &private).await.ok()?;
            }
            return Some((planned, private));
        }
        let host = self.host(&place, &private).await?;
        let access = ChartAccess::of(self.configured.charts(), &config.chart);
        let prepared = render::from_archive(self.diags, &access, &host, &place, &planned, &private).await?;
        let claim = self.claim(&host, &place, &private, &prepared.spec).await.ok()?;
        let done = self.converge(&host, &claim, &prepared, wants_to_wait(&planned)).await;
        let record = claim.record();
        drop(claim);
        private.namespace_uid = record.namespace_uid.clone().unwrap_or_default();
        if done.is_err() {
            let state = VirtualClusterModel { revision: Value::Value(DRIFTED.to_owned()), ..prior };
            return Some((state, private));
        }
        let state = self.observe(&host, &record, planned, &prepared.spec, true).await;
        Some((state, private))
    }

    /// Removes everything that creating made, and waits until it is gone.
    pub async fn destroy(mut self, prior: &VirtualClusterModel, private: &VirtualClusterPrivate) -> Option<()> {
        self.start_clock(prior, |timeouts| &timeouts.delete);
        let place = Place::of(prior)?;
        let host = self.host(&place, private).await?;
        let records = Records::of(&host);
        let stored = self.explain(records.get(&place.namespace).await).ok()?;
        let Some(stored) = stored.filter(|stored| stored.record.name == place.name) else {
            return self.destroy_without_record(&host, &place, private).await;
        };
        if !private.namespace_uid.is_empty() && stored.record.namespace_uid.as_ref() != Some(&private.namespace_uid) {
            // Another incarnation, which belongs to another state. Ours is gone.
            return Some(());
        }
        let digest = stored.record.chart_digest.clone();
        let claim = self.explain(records.claim(stored).await).ok()?;
        self.remove(&host, claim).await.ok()?;
        if let Some(digest) = digest {
            self.explain(ChartArchives::of(&host).release(&digest).await).ok();
        }
        Some(())
    }

    /// From a reserved record to a virtual cluster that can be used.
    async fn make(
        &mut self,
        host: &Host,
        claim: &Claim,
        prepared: &Prepared,
        planned: &VirtualClusterModel,
    ) -> Result<(), Failed> {
        self.explain(ChartArchives::of(host).put(&prepared.spec.chart_digest, &prepared.archive).await)?;
        self.explain(claim.update(|record| record.phase = Phase::Creating).await)?;
        self.explain(namespace::ensure(host, claim, &prepared.labels, self.time_left(), &self.stop).await)?;
        self.converge(host, claim, prepared, wants_to_wait(planned)).await
    }

    /// Has the record say where the chart comes from, for imports. Nothing else on the host changes.
    async fn record_source(
        &mut self,
        place: &Place,
        planned: &VirtualClusterModel,
        private: &VirtualClusterPrivate,
    ) -> Result<(), Failed> {
        let host = self.host(place, private).await.ok_or(Failed)?;
        let spec = Spec::of(planned, private).ok_or(Failed)?;
        let claim = self.claim(&host, place, private, &spec).await?;
        let update = claim.update(|record| {
            if let Some(recorded) = record.spec.as_object_mut() {
                recorded.insert("chart_source".to_owned(), spec.chart_source.clone().into());
                recorded.insert("chart_username".to_owned(), spec.chart_username.clone().into());
            }
        });
        self.explain(update.await)
    }

    /// Applies the objects, then pauses or waits. The record says that this is under way until it has succeeded.
    async fn converge(&mut self, host: &Host, claim: &Claim, prepared: &Prepared, wait: bool) -> Result<(), Failed> {
        let spec = serde_json::to_value(&prepared.spec).unwrap_or_default();
        self.explain(claim.update(|record| record.spec = spec.clone()).await)?;
        if !prepared.spec.paused {
            // Applying does not take back the marks of a pause, whoever made it.
            self.explain(pause::resume(host, claim).await)?;
        }
        self.explain(apply::apply(host, claim, &prepared.objects, &prepared.labels, &self.stop).await)?;
        let record = claim.record();
        if prepared.spec.paused {
            self.explain(pause::pause(host, claim, self.time_left(), &self.stop).await)?;
        } else if wait {
            let exposure = exposure(&prepared.spec, &record.name);
            self.explain(wait::ready(host, &record, &exposure, self.time_left(), &self.stop).await)?;
        }
        let applied = Spec { applied: Some(prepared.spec.revision()), ..prepared.spec.clone() };
        let spec = serde_json::to_value(applied).unwrap_or_default();
        self.explain(claim.update(|record| record.spec = spec.clone()).await)
    }

    /// The planned state with everything that was unknown filled in from the host. What was known stays as planned, even
    /// if the host has changed it meanwhile: the next refresh shows that.
    async fn observe(
        &mut self,
        host: &Host,
        record: &Record,
        planned: VirtualClusterModel,
        spec: &Spec,
        applied: bool,
    ) -> VirtualClusterModel {
        let mut state = planned.clone();
        state.status = Value::Value("Pending".to_owned());
        state.endpoint = Value::Null;
        state.kubeconfig = Value::Null;
        match observe::observe(host, record, &exposure(spec, &record.name), &selector(&record.name)).await {
            Ok(observed) => {
                state.status = Value::Value(observed.status().to_string());
                set_access(&mut state, &record.name, &observed);
            }
            Err(error) if applied => {
                self.diags.warn(
                    AttributePath::new("status"),
                    "The virtual cluster was applied, but could not be looked at afterwards.",
                    format!("{error}. The next refresh fills in `status`, `endpoint` and `kubeconfig`."),
                );
            }
            // The reason is in an error already.
            Err(_) => {}
        }
        let revision = if applied { spec.revision() } else { DRIFTED.to_owned() };
        let keep = |planned: Value<String>, new: Value<String>| if planned == Value::Unknown { new } else { planned };
        state.status = keep(planned.status, state.status);
        state.endpoint = keep(planned.endpoint, state.endpoint);
        state.revision = keep(planned.revision, Value::Value(revision));
        if planned.kubeconfig != Value::Unknown {
            state.kubeconfig = planned.kubeconfig;
        }
        state
    }

    /// Deletes what the claimed record names, then the record itself.
    async fn remove(&mut self, host: &Host, claim: Claim) -> Result<(), Failed> {
        self.explain(claim.update(|record| record.phase = Phase::Deleting).await)?;
        let skipped = self.explain(delete::delete(host, &claim, self.time_left(), &self.stop).await)?;
        for skipped in skipped {
            self.diags.warn(
                AttributePath::root(),
                "An object was left on the host cluster.",
                format!("{skipped} on host cluster \"{}\". Delete it by hand if nobody needs it.", host.name()),
            );
        }
        self.explain(claim.remove().await)
    }

    /// Without its record nothing proves which objects outside the namespace are the virtual cluster's.
    async fn destroy_without_record(
        &mut self,
        host: &Host,
        place: &Place,
        private: &VirtualClusterPrivate,
    ) -> Option<()> {
        let uid = self.explain(namespace::uid(host, &place.namespace).await).ok()?;
        if uid.is_none() || uid.as_ref() != Some(&private.namespace_uid) {
            return Some(());
        }
        self.diags.fail(
            AttributePath::root(),
            format!("The record of virtual cluster \"{}\" is missing, so it cannot be destroyed safely.", place.id()),
            format!(
                "Somebody deleted it from namespace \"{}\" of host cluster \"{}\". Run `terraform apply` without destroying \
                 once: it writes the record again. Then destroy.",
                name::SYSTEM_NAMESPACE,
                host.name()
            ),
        );
        None
    }

    /// The host cluster that the configuration names, if it is the one that this virtual cluster was created on.
    async fn host(&mut self, place: &Place, private: &VirtualClusterPrivate) -> Option<Host> {
        let host = match self.configured.host_cluster(self.diags, &place.host_cluster)? {
            HostCluster::Known(host) => host,
            HostCluster::Unknown => {
                self.diags.fail(
                    AttributePath::new("host_cluster"),
                    format!("The connection to host cluster \"{}\" is still not known.", place.host_cluster),
                    "Its configuration depends on values that this apply did not make known. Apply what they come from first.",
                );
                return None;
            }
        };
        check_host(self.diags, &host, private).await?;
        Some(host)
    }

    fn start_clock(&mut self, model: &VirtualClusterModel, which: impl FnOnce(&TimeoutsModel) -> &Value<String>) {
        self.deadline = Instant::now() + timeouts::timeout(&model.timeouts, which);
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Turns a host's error into a diagnostic.
    fn explain<T>(&mut self, result: Result<T, impl Explain>) -> Result<T, Failed> {
        result.map_err(|error| {
            self.diags.add_error(error.explain());
            Failed
        })
    }
}

/// Gives a virtual cluster that has no name a generated one, and all that follows from it.
fn name_it(planned: &mut VirtualClusterModel) -> Option<Place> {
    if planned.name == Value::Unknown {
        planned.name = Value::Value(name::generate());
    }
    let name = planned.name.as_ref_option()?;
    if planned.namespace == Value::Unknown {
        planned.namespace = Value::Value(name::default_namespace(name));
    }
    let place = Place::of(planned)?;
    planned.id = Value::Value(place.id());
    Some(place)
}

fn wants_to_wait(planned: &VirtualClusterModel) -> bool {
    planned.wait.as_ref_option() != Some(&false)
}
