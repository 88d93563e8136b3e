//! Taking hold of a virtual cluster's record: a new one for a creation, the existing one for an update.
//!
//! Rule: an unfinished creation of the same name is taken over only when its owner has stopped beating, and a finished
//! one never.

use super::room::share;
use super::{Apply, Failed};
use crate::host::lease;
use crate::host::record::{Phase, Record};
use crate::host::records::claim::Claim;
use crate::host::records::{Life, RecordError, Records, Reservation, Stored, Taken};
use crate::host::store::StoreError;
use crate::host::{Host, namespace};
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use crate::provider::virtual_cluster::spec::{Place, Spec};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, Report};

impl Apply<'_> {
    /// The right to create the virtual cluster at `place`.
    pub(super) async fn reserve(
        &mut self,
        host: &Host,
        place: &Place,
        private: &VirtualClusterPrivate,
        spec: &Spec,
        config: &VirtualClusterModel,
    ) -> Result<Claim, Failed> {
        let records = Records::of(host);
        loop {
            let record = new_record(place, private, spec);
            let stored = match self.explain(records.reserve(record).await)? {
                Reservation::Made(claim) => {
                    return match self.check_namespace(host, place, config).await {
                        Ok(()) => Ok(claim),
                        Err(failed) => {
                            self.explain(claim.remove().await)?;
                            Err(failed)
                        }
                    };
                }
                Reservation::Taken(stored) => *stored,
            };
            let leftover = self.leftover(host, &records, place, stored).await?;
            if let Some(claim) = leftover {
                // Not worth continuing: what was to be created may have been something else.
                tracing::info!(virtual_cluster = place.id(), "removing what an interrupted creation left behind");
                self.remove(host, claim).await?;
            }
        }
    }

    /// The right to change the virtual cluster at `place`. A lost record is written again.
    pub(super) async fn claim(
        &mut self,
        host: &Host,
        place: &Place,
        private: &VirtualClusterPrivate,
        spec: &Spec,
    ) -> Result<Claim, Failed> {
        let records = Records::of(host);
        let stored = match self.explain(records.get(&place.namespace).await)? {
            Some(stored) => stored,
            None => {
                let mut record = new_record(place, private, spec);
                record.namespace_uid = Some(private.namespace_uid.clone());
                record.namespace_created = private.namespace_created;
                // A state has it: not for a moment may it look like an unfinished creation.
                record.hand_over();
                match self.explain(records.reserve(record).await)? {
                    // What was made before carries the UID of the record that was lost.
                    Reservation::Made(claim) => return Ok(claim.formerly(private.record_uid.clone())),
                    Reservation::Taken(stored) => *stored,
                }
            }
        };
        if !private.is_of(&stored.record, place) && !is_edited(&stored, place, private) {
            return Err(self.occupied(place, &stored.record));
        }
        let claim = match self.explain(records.take(stored, &self.stop.clone()).await)? {
            Taken::Mine(claim) => claim,
            Taken::Busy(_) | Taken::Gone => return Err(self.busy(place)),
        };
        self.restore_identity(&claim, place, private).await?;
        let claim = self.hand_over(claim).await?;
        if claim.record().applied.is_some() {
            return Ok(claim);
        }
        // It may have been written again in place of a lost one by an apply that was cut off, and the state has forgotten that one.
        match self.explain(namespace::former_record(host, &claim).await)? {
            Some(former) => Ok(claim.formerly(former)),
            None => Ok(claim),
        }
    }

    /// Has the claimed record say again which virtual cluster it is of.
    pub(super) async fn restore_identity(
        &mut self,
        claim: &Claim,
        place: &Place,
        private: &VirtualClusterPrivate,
    ) -> Result<(), Failed> {
        let restore = |record: &mut Record| {
            record.name.clone_from(&place.name);
            record.host_uid.clone_from(&private.host_uid);
            record.namespace_uid = Some(private.namespace_uid.clone());
            record.namespace_created = private.namespace_created;
        };
        if private.is_of(&claim.record(), place) {
            return Ok(());
        }
        self.explain(claim.update(restore).await)
    }

    /// What is updated is in a state, whatever was cut off before: a destroy that nobody wants any more, a creation that
    /// was then imported. Otherwise it would count as unfinished, and be reclaimed.
    async fn hand_over(&mut self, claim: Claim) -> Result<Claim, Failed> {
        if claim.record().phase != Phase::HandedOver {
            self.explain(claim.update(Record::hand_over).await)?;
        }
        Ok(claim)
    }

    /// Another apply works on the virtual cluster.
    pub(super) fn busy(&mut self, place: &Place) -> Failed {
        self.diags.fail(
            AttributePath::new("name"),
            format!("Virtual cluster \"{}\" is being changed or deleted by another apply.", place.id()),
            "Its record on the host cluster is being updated right now. Wait for that apply, then run this one again.",
        );
        Failed
    }

    /// What to do with a record that is there already: a claim on a dead one, none when it has just gone away.
    async fn leftover(
        &mut self,
        host: &Host,
        records: &Records,
        place: &Place,
        stored: Stored,
    ) -> Result<Option<Claim>, Failed> {
        if stored.record.phase == Phase::HandedOver {
            if stored.record.name != place.name {
                return Err(self.occupied(place, &stored.record));
            }
            let uid = self.explain(namespace::uid(host, &place.namespace).await)?;
            if uid.is_some() && uid == stored.record.namespace_uid {
                return Err(self.exists(place));
            }
            // Its namespace was deleted behind our back, and everything with it.
            return match self.explain(records.take(stored, &self.stop.clone()).await)? {
                Taken::Mine(claim) => Ok(Some(claim)),
                Taken::Gone => Ok(None),
                Taken::Busy(_) => Err(self.busy(place)),
            };
        }
        tracing::info!(
            virtual_cluster = place.id(),
            "an unfinished creation stands in the way; watching whether it is alive"
        );
        match self.explain(records.watch_for_life(&stored, lease::silence(), &self.stop.clone()).await)? {
            Life::Gone => Ok(None),
            Life::Stopped(stored) => self.take_over(records, *stored).await,
            Life::Alive(stored) if stored.record.name != place.name => Err(self.occupied(place, &stored.record)),
            Life::Alive(stored) if stored.record.phase == Phase::HandedOver => Err(self.exists(place)),
            // An abandoned creation on its way out, or a destroy: soon gone, and then there is room.
            Life::Alive(stored) if stored.record.phase == Phase::Deleting && !self.time_left().is_zero() => Ok(None),
            Life::Alive(_) => {
                self.diags.fail(
                    AttributePath::new("name"),
                    format!("Virtual cluster \"{}\" is being created or deleted by another apply.", place.id()),
                    "Its record on the host cluster is being updated right now. Wait for that apply, then run this one again.",
                );
                Err(Failed)
            }
        }
    }

    /// The claim on a dead record; none when somebody else has just taken it to clean up: then it has to be looked at again.
    async fn take_over(&mut self, records: &Records, stored: Stored) -> Result<Option<Claim>, Failed> {
        match records.claim_to(stored, |record| record.phase = Phase::Deleting).await {
            Err(RecordError::Store(StoreError::Changed { .. })) if !self.time_left().is_zero() => Ok(None),
            claimed => self.explain(claimed).map(Some),
        }
    }

    /// A namespace that exists already is used only where the configuration names it.
    async fn check_namespace(
        &mut self,
        host: &Host,
        place: &Place,
        config: &VirtualClusterModel,
    ) -> Result<(), Failed> {
        let exists = self.explain(namespace::uid(host, &place.namespace).await)?.is_some();
        if !exists || config.namespace != Value::Null {
            return Ok(());
        }
        self.diags.fail(
            AttributePath::new("namespace"),
            format!("Namespace \"{}\" exists already on host cluster \"{}\".", place.namespace, host.name()),
            format!(
                "This provider did not create it and changes nothing in it. Set `namespace = \"{}\"` if the virtual cluster is \
                 to live in it, or choose another `name` or `namespace`.",
                place.namespace
            ),
        );
        Err(Failed)
    }

    fn exists(&mut self, place: &Place) -> Failed {
        self.diags.fail(
            AttributePath::new("name"),
            format!("Virtual cluster \"{}\" exists already.", place.id()),
            format!(
                "It was created by this provider, for another state or by an apply that was cut off before it could save its \
                 state. To manage it here, import it with this block (and the right resource address):\n\n\
                 import {{\n  to = nested_virtual_cluster.{}\n  id = \"{}\"\n}}",
                place.name.replace('-', "_"),
                place.id()
            ),
        );
        Failed
    }

    fn occupied(&mut self, place: &Place, record: &Record) -> Failed {
        self.diags.fail(
            AttributePath::new("namespace"),
            format!("Namespace \"{}\" already holds virtual cluster \"{}\".", place.namespace, record.name),
            "One namespace holds one virtual cluster. Choose another `namespace`, or leave it out to get \
             \"vcluster-<name>\".",
        );
        Failed
    }
}

/// Whether it is the very record that this state knows, and somebody has edited it to say otherwise.
pub(super) fn is_edited(stored: &Stored, place: &Place, private: &VirtualClusterPrivate) -> bool {
    !private.record_uid.is_empty() && stored.uid() == private.record_uid && !private.is_of(&stored.record, place)
}

fn new_record(place: &Place, private: &VirtualClusterPrivate, spec: &Spec) -> Record {
    let value = serde_json::to_value(spec).unwrap_or_default();
    let mut record = Record::new(&place.name, &place.namespace, &private.host_uid, value);
    record.chart_digest = Some(spec.chart_digest.clone());
    record.share = share(spec);
    record
}
