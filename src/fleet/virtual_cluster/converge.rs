//! Making the virtual cluster on its host what its spec says: the order of writes.
//!
//! Which step follows which is decided without I/O; each is safe to stop at, as the next change goes through all of them again.

use std::borrow::Cow;
use std::time::Duration;

use super::error::Error;
use super::room::Room;
use super::{Operation, Prepared, Seen};
use crate::domain::isolation::{self, PodSecurity};
use crate::domain::values::limits;
use crate::fleet::notice::Notice;
use crate::host::apply::Consent;
use crate::host::formats::renewed;
use crate::host::namespace::Ensured;
use crate::host::record::{Phase, Record, Share};
use crate::host::records::claim::Claim;
use crate::host::{Host, apply, namespace, pause, restart, volumes, wait};

/// How long a quota that was just changed may take to be counted with.
const QUOTA_LAG: Duration = Duration::from_secs(60);

/// What is to happen on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    /// There is nothing yet: the record is in phase reserved.
    pub is_new: bool,
    /// Nothing but whether it is paused changes: then no object is written but those that are scaled.
    pub is_pause_only: bool,
    /// It is to be paused.
    pub paused: bool,
    /// It is waited for.
    pub wait: bool,
    /// The record stands for one that was lost.
    pub has_former: bool,
    /// It keeps its data on a volume.
    pub has_volume: bool,
    /// A namespace that exists already may be used.
    pub may_use_namespace: bool,
}

/// One step, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// No object of the host is in the way.
    CheckFree,
    /// The chart archive is kept.
    KeepArchive,
    /// The record says that objects are being made, and which.
    BeginCreating,
    /// What was entered in the ledgers is still there.
    ConfirmRoom,
    /// The namespace is made or used.
    EnsureNamespace,
    /// The record says what is being applied, until it says that all of it is.
    WriteSpec,
    /// The namespace says what its pods may do, before any is made of what is applied.
    LabelNamespace,
    /// The objects are applied.
    Apply,
    /// The namespace says again which record it was made for.
    MarkAgain,
    /// The control plane's volumes grow: the quota counts them, and has its new size now.
    GrowVolumes,
    /// The marks of a pause are taken back, whoever made it: applying does not. It stands behind that, so that what comes back is
    /// held by the quota that it comes back with.
    Resume,
    /// A control plane that has lost its credentials is started anew.
    Restart,
    /// All of it goes down.
    Pause,
    /// It can be used.
    Wait,
    /// Volumes that were only made now grow: they have the size of the template, which never changes.
    GrowNewVolumes,
}

impl Step {
    const ALL: [Self; 15] = [
        Self::CheckFree,
        Self::KeepArchive,
        Self::BeginCreating,
        Self::ConfirmRoom,
        Self::EnsureNamespace,
        Self::WriteSpec,
        Self::LabelNamespace,
        Self::Apply,
        Self::MarkAgain,
        Self::GrowVolumes,
        Self::Resume,
        Self::Restart,
        Self::Pause,
        Self::Wait,
        Self::GrowNewVolumes,
    ];

    /// Whether the step belongs to what is asked.
    fn is_for(self, asked: Asked) -> bool {
        match self {
            Self::CheckFree | Self::KeepArchive | Self::BeginCreating | Self::ConfirmRoom | Self::EnsureNamespace => {
                asked.is_new
            }
            Self::WriteSpec => true,
            Self::Resume => !asked.paused && !asked.is_new,
            Self::LabelNamespace => !asked.is_new && !asked.is_pause_only,
            Self::Apply | Self::GrowVolumes => !asked.is_pause_only,
            Self::MarkAgain => !asked.is_pause_only && asked.has_former,
            // Who waits sees it there.
            Self::Restart => !asked.paused && asked.has_volume && !asked.is_new && !asked.wait,
            Self::Pause => asked.paused,
            Self::Wait | Self::GrowNewVolumes => !asked.paused && asked.wait,
        }
    }
}

/// The step that follows `last`; the first one where that is none. None after the last one.
pub(super) fn next(asked: Asked, last: Option<Step>) -> Option<Step> {
    Step::ALL.into_iter().find(|step| last.is_none_or(|last| *step > last) && step.is_for(asked))
}

/// What is changed, and by which right.
pub(super) struct Work<'w> {
    pub room: &'w Room<'w>,
    pub claim: &'w Claim,
    pub prepared: &'w Prepared,
    /// What it takes.
    pub share: &'w Share,
    /// Which objects of others may be taken over.
    pub consent: &'w Consent,
}

impl Operation<'_> {
    /// Takes all steps that are asked for. The record says that this is under way until it says that all is applied.
    pub(super) async fn converge(&mut self, work: &Work<'_>, asked: Asked) -> Result<Seen, Error> {
        let (mut last, mut seen) = (None, Seen::Nothing);
        while let Some(step) = next(asked, last) {
            if let Some(now) = self.take_step(work, asked, step).await? {
                seen = now;
            }
            last = Some(step);
        }
        Ok(seen)
    }

    /// Takes one step. What was seen with it, if anything.
    async fn take_step(&mut self, work: &Work<'_>, asked: Asked, step: Step) -> Result<Option<Seen>, Error> {
        let Work { room, claim, prepared, share, consent } = work;
        let host = &room.host;
        let stop = self.limits.stop.clone();
        match step {
            Step::CheckFree => apply::check_free(host, claim, &prepared.objects).await?,
            Step::KeepArchive => {
                let digest = &prepared.spec.chart_digest;
                if !claim.is_kept_by_another(digest) {
                    self.fleet.archives(host).put(digest, &prepared.archive).await?;
                }
                claim.keeps(digest);
            }
            Step::BeginCreating => {
                apply::announce(host, claim, &prepared.objects, |record| record.phase = Phase::Creating).await?;
            }
            Step::ConfirmRoom => self.confirm(room, claim, share).await?,
            Step::EnsureNamespace => {
                let (labels, may_use) = (prepared.namespace_labels(), asked.may_use_namespace);
                let made = namespace::ensure(host, claim, &labels, may_use, self.limits.time_left(), &stop).await?;
                self.look_at_enforcement(host, claim, prepared, &made);
            }
            Step::WriteSpec => {
                let spec = prepared.spec.clone();
                let write = move |record: &mut Record| record.spec = renewed(&record.spec, &spec);
                match asked {
                    // Its reservation says it already.
                    Asked { is_new: true, .. } => claim.note(write),
                    Asked { is_pause_only: true, .. } => claim.update(write).await?,
                    _ => apply::announce(host, claim, &prepared.objects, write).await?,
                }
            }
            Step::LabelNamespace => namespace::label(host, claim, &prepared.namespace_labels()).await?,
            Step::Resume => pause::resume(host, claim).await?,
            Step::Apply => {
                let mut objects = Cow::Borrowed(&prepared.objects);
                if prepared.spec.paused {
                    pause::keep_dates(host, &claim.record(), objects.to_mut()).await?;
                }
                apply::apply(host, claim, &objects, &prepared.labels, consent, &stop).await?;
            }
            Step::MarkAgain => namespace::mark_again(host, claim).await?,
            Step::GrowVolumes | Step::GrowNewVolumes => self.grow_volumes(host, claim, prepared).await?,
            Step::Restart => drop(restart::without_credentials(host, &claim.record()).await?),
            Step::Pause => {
                pause::pause(host, claim, self.limits.time_left(), &stop).await?;
                return Ok(Some(Seen::Paused));
            }
            Step::Wait => {
                let record = claim.record();
                let exposure = prepared.spec.exposure(&record.name);
                let restarts = asked.has_volume && !asked.is_new;
                let access = wait::ready(host, &record, &exposure, restarts, self.limits.time_left(), &stop).await?;
                return Ok(Some(Seen::Running(access)));
            }
        }
        Ok(None)
    }

    /// Remarks that nobody holds the pods to the standard in a namespace that others have labelled, or have not.
    fn look_at_enforcement(&mut self, host: &Host, claim: &Claim, prepared: &Prepared, namespace: &Ensured) {
        let wanted = prepared.spec.pod_security().filter(|_| !namespace.is_ours);
        let enforced = namespace.labels.get(isolation::ENFORCE).and_then(|level| level.parse().ok());
        if let Some(level) = wanted.filter(|wanted| enforced.unwrap_or(PodSecurity::Privileged) < *wanted) {
            let (host, namespace) = (host.name().to_owned(), claim.record().namespace);
            self.notices.push(Notice::NotEnforced { host, namespace, level });
        }
    }

    /// Has the control plane's volumes grow to what they would be made with today. What their class does not let grow stays:
    /// a change that needs it was refused before.
    async fn grow_volumes(&self, host: &Host, claim: &Claim, prepared: &Prepared) -> Result<(), Error> {
        let spec = &prepared.spec;
        let made_with = spec.volume.as_ref().and_then(|volume| volume.parse().ok());
        let wanted = spec.size().and_then(|size| limits::control_plane_volume(size.storage));
        match (made_with, wanted) {
            (Some(made_with), Some(wanted)) if wanted > made_with => {
                let time = self.limits.time_left().min(QUOTA_LAG);
                Ok(volumes::grow(host, claim, wanted, time, &self.limits.stop.clone()).await?)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::*;

    const CHANGE: Asked = Asked {
        is_new: false,
        is_pause_only: false,
        paused: false,
        wait: true,
        has_former: false,
        has_volume: true,
        may_use_namespace: false,
    };

    #[track_caller]
    fn check(asked: Asked, expected: &[Step]) {
        let mut steps = Vec::new();
        while let Some(step) = next(asked, steps.last().copied()) {
            steps.push(step);
        }
        assert_eq!(steps, expected, "{asked:?}");
    }

    #[test]
    fn a_creation_writes_records_before_objects_and_confirms_its_room_between() {
        let new = Asked { is_new: true, ..CHANGE };
        check(
            new,
            &[
                CheckFree,
                KeepArchive,
                BeginCreating,
                ConfirmRoom,
                EnsureNamespace,
                WriteSpec,
                Apply,
                GrowVolumes,
                Wait,
                GrowNewVolumes,
            ],
        );
        check(
            Asked { paused: true, ..new },
            &[
                CheckFree,
                KeepArchive,
                BeginCreating,
                ConfirmRoom,
                EnsureNamespace,
                WriteSpec,
                Apply,
                GrowVolumes,
                Pause,
            ],
        );
    }

    #[test]
    fn a_change_says_first_what_is_being_applied() {
        check(CHANGE, &[WriteSpec, LabelNamespace, Apply, GrowVolumes, Resume, Wait, GrowNewVolumes]);
        check(Asked { wait: false, ..CHANGE }, &[WriteSpec, LabelNamespace, Apply, GrowVolumes, Resume, Restart]);
        check(
            Asked { has_volume: false, wait: false, ..CHANGE },
            &[WriteSpec, LabelNamespace, Apply, GrowVolumes, Resume],
        );
        check(Asked { paused: true, ..CHANGE }, &[WriteSpec, LabelNamespace, Apply, GrowVolumes, Pause]);
        check(
            Asked { has_former: true, paused: true, ..CHANGE },
            &[WriteSpec, LabelNamespace, Apply, MarkAgain, GrowVolumes, Pause],
        );
    }

    #[test]
    fn a_pause_and_a_resume_write_no_object() {
        let only = Asked { is_pause_only: true, ..CHANGE };
        check(Asked { paused: true, ..only }, &[WriteSpec, Pause]);
        check(only, &[WriteSpec, Resume, Wait, GrowNewVolumes]);
        check(Asked { has_former: true, wait: false, ..only }, &[WriteSpec, Resume, Restart]);
    }

    #[test]
    fn steps_are_listed_in_their_order() {
        assert!(Step::ALL.is_sorted());
    }
}
