//! Pauses and resumes a virtual cluster with the marks of the `vcluster` CLI, so that each understands what the other
//! did.
//!
//! Unlike the CLI (0.34.7, `pkg/lifecycle`), a separately deployed etcd is paused with the rest, and what is half
//! paused is completed.

use std::time::Duration;

use jiff::Timestamp;
use kube::api::{ObjectMeta, Patch, PatchParams};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::crowd::{Awaited, Waiting};
use super::kind::Kinds;
use super::object::ObjectRef;
use super::ownership::FIELD_MANAGER;
use super::pods;
use super::poll::{self, Ended, Look};
use super::record::{Item, Record};
use super::records::RecordError;
use super::records::claim::Claim;
use super::wait::Workloads;
use super::workload::{PAUSED, PAUSED_DATE, PAUSED_REPLICAS, WorkloadState};
use super::{Error, Host};

/// Why a virtual cluster could not be paused or resumed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PauseError {
    /// The host refused or could not be reached.
    #[error(transparent)]
    Host(#[from] Error),
    /// The record is not ours any more.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is no control plane, or it is somebody else's.
    #[error("{object} on host cluster {host:?} is {problem}: it was not touched")]
    NotOurs {
        /// The host cluster.
        host: String,
        /// The workload, or the virtual cluster where the record names no workload.
        object: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Pods did not go in time.
    #[error("timed out pausing virtual cluster {name} on host cluster {host:?}: {remaining}")]
    TimedOut {
        /// The host cluster.
        host: String,
        /// The virtual cluster.
        name: String,
        /// What still runs.
        remaining: String,
    },
    /// The run was stopped.
    #[error("stopped while pausing virtual cluster {name} on host cluster {host:?}")]
    Cancelled {
        /// The host cluster.
        host: String,
        /// The virtual cluster.
        name: String,
    },
}

/// Turns a rendered workload into its paused form, so that it can be applied while the virtual cluster is paused. Other
/// objects stay as they are.
pub fn paused_form(object: &mut Value) {
    if !ObjectRef::of(object).is_ok_and(|object| object.is_workload()) {
        return;
    }
    let replicas = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas > 0).unwrap_or(1);
    object["spec"]["replicas"] = json!(0);
    if object["metadata"]["annotations"].is_null() {
        object["metadata"]["annotations"] = json!({});
    }
    if let (Some(annotations), Value::Object(marks)) =
        (object["metadata"]["annotations"].as_object_mut(), marks(replicas))
    {
        annotations.extend(marks);
    }
}

/// The opposite of [`paused_form`]: a workload as it is while it runs.
pub(super) fn running_form(object: &mut Value) {
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    if annotations.get(PAUSED).is_none_or(|mark| mark != "true") {
        return;
    }
    let replicas = annotations.get(PAUSED_REPLICAS).and_then(|text| text.as_str()?.parse::<i64>().ok());
    annotations.retain(|name, _| ![PAUSED, PAUSED_REPLICAS, PAUSED_DATE].contains(&name.as_str()));
    object["spec"]["replicas"] = json!(replicas.unwrap_or(1));
}

/// Gives paused forms of workloads that are paused already the date that is on them, whoever paused them, so that applying
/// them once more changes nothing.
///
/// # Errors
/// The host's refusal.
pub async fn keep_dates(host: &Host, record: &Record, objects: &mut [Value]) -> Result<(), Error> {
    let kinds = Kinds::of(host);
    for Item { object, .. } in record.workloads() {
        let live = kinds.workload_api(object).get_metadata_opt(&object.name).await;
        let live = live.map_err(host.failed("read", object))?;
        let date = live.and_then(|live| live.metadata.annotations?.remove(PAUSED_DATE));
        let is_this = |rendered: &&mut Value| {
            ObjectRef::of(rendered).is_ok_and(|rendered| rendered.is_workload() && rendered.name == object.name)
        };
        let rendered = objects.iter_mut().find(is_this);
        if let (Some(date), Some(rendered)) = (date, rendered) {
            keep_date(rendered, date);
        }
    }
    Ok(())
}

fn keep_date(paused: &mut Value, date: String) {
    if let Some(mark) = paused.pointer_mut("/metadata/annotations").and_then(|marks| marks.get_mut(PAUSED_DATE)) {
        *mark = json!(date);
    }
}

/// Scales every control-plane workload of the claimed record to zero, removes the synced pods and waits until all are
/// gone. What is paused already stays as it is.
///
/// # Errors
/// See [`PauseError`].
pub async fn pause(
    host: &Host,
    claim: &Claim,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<(), PauseError> {
    let record = claim.record();
    let kinds = Kinds::of(host);
    claim.confirm().await?;
    for state in live_workloads(host, &kinds, claim).await? {
        if !state.is_paused() {
            let before = if state.replicas > 0 { state.replicas } else { state.paused_replicas.unwrap_or(1) };
            let paused = json!({"metadata": {"annotations": marks(before)}, "spec": {"replicas": 0}});
            patch(host, &kinds, &state.object, paused).await?;
        }
    }
    let what = format!("pausing virtual cluster {}", record.name);
    let going = Going::of(host, &record);
    poll::until(&what, timeout, cancel, || async {
        let remaining = going.look().await?;
        Ok(if remaining.is_empty() { Look::Done(()) } else { Look::Waiting(remaining.join("; ")) })
    })
    .await
    .map_err(|ended| {
        let (host, name) = (host.name().to_owned(), record.name.clone());
        match ended {
            Ended::Failed(error) => error.into(),
            Ended::Cancelled => PauseError::Cancelled { host, name },
            Ended::TimedOut(remaining) => PauseError::TimedOut { host, name, remaining },
        }
    })
}

/// What a pause waits for, together with others.
struct Going<'a> {
    host: &'a Host,
    record: &'a Record,
    workloads: Workloads<'a>,
    pods: Waiting<'a>,
    synced: Waiting<'a>,
}

impl<'a> Going<'a> {
    fn of(host: &'a Host, record: &'a Record) -> Self {
        let workloads = Workloads::of(host, record);
        let (pods, synced) = (Awaited::ControlPlanePods, Awaited::SyncedPods);
        Self { host, record, workloads, pods: Waiting::on(host, pods), synced: Waiting::on(host, synced) }
    }

    /// What is still there.
    async fn look(&self) -> Result<Vec<String>, Error> {
        let workloads = self.workloads.look().await?;
        let runs = workloads.into_iter().filter(|state| state.current > 0 || !state.observed);
        let mut remaining: Vec<String> =
            runs.map(|state| format!("{} still has {} pods", state.object, state.current)).collect();
        if remaining.is_empty() {
            remaining = self.pods_left().await?;
        }
        // Only then: a control plane that runs would make its workloads' pods anew.
        if remaining.is_empty() {
            remaining = self.remove_synced().await?;
        }
        Ok(remaining)
    }

    /// The control plane's pods that are still there. A workload's own count leaves out those that are ending, or that its
    /// controller has made a moment ago.
    async fn pods_left(&self) -> Result<Vec<String>, Error> {
        let Record { namespace, name, .. } = self.record;
        let pods: Vec<ObjectMeta> = match self.pods.look_in(namespace).await? {
            Some(listed) => listed.into_iter().map(|pod| pod.metadata).collect(),
            None => {
                pods::control_plane(self.host, namespace, name).await?.into_iter().map(|pod| pod.metadata).collect()
            }
        };
        let workloads = self.record.workloads();
        let ours = pods.iter().filter(|pod| workloads.iter().any(|item| pods::is_of(pod, &item.object)));
        Ok(ours.map(|pod| format!("pod {} is going", pod.name.as_deref().unwrap_or_default())).collect())
    }

    async fn remove_synced(&self) -> Result<Vec<String>, Error> {
        let Record { namespace, name, .. } = self.record;
        match self.synced.look_in(namespace).await? {
            Some(listed) if !listed.iter().any(|pod| pods::is_synced_by(&pod.metadata, name)) => Ok(Vec::new()),
            _ => pods::remove_synced(self.host, namespace, name).await,
        }
    }
}

/// Scales every paused workload of the claimed record back to what it had, etcd first. Does not wait for it. What is not
/// there is left to be applied.
///
/// # Errors
/// See [`PauseError`].
pub async fn resume(host: &Host, claim: &Claim) -> Result<(), PauseError> {
    let kinds = Kinds::of(host);
    claim.confirm().await?;
    for (state, ours) in read_workloads(host, &kinds, claim).await?.into_iter().rev() {
        // What somebody else has put in its place is for the apply to refuse, or to take over.
        if ours && state.marked_paused {
            let replicas = if state.replicas > 0 { state.replicas } else { state.paused_replicas.unwrap_or(1) };
            let unmarked = json!({PAUSED: null, PAUSED_REPLICAS: null, PAUSED_DATE: null});
            let running = json!({"metadata": {"annotations": unmarked}, "spec": {"replicas": replicas}});
            patch(host, &kinds, &state.object, running).await?;
        }
    }
    Ok(())
}

fn marks(replicas: i64) -> Value {
    // The CLI's own form. It is for people; nothing reads it back.
    let date = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    json!({PAUSED: "true", PAUSED_REPLICAS: replicas.to_string(), PAUSED_DATE: date})
}

/// The control plane's workloads, all of them there and ours, vCluster's own first.
async fn live_workloads(host: &Host, kinds: &Kinds, claim: &Claim) -> Result<Vec<WorkloadState>, PauseError> {
    let record = claim.record();
    let refused = |object, problem| not_ours(host, object, problem);
    let workloads = record.workloads();
    let found = read_workloads(host, kinds, claim).await?;
    if workloads.is_empty() {
        return Err(refused(format!("virtual cluster {}", record.name), "without a control plane in its record"));
    }
    for Item { object, .. } in workloads {
        match found.iter().find(|(state, _)| state.object == *object) {
            None => return Err(refused(object.to_string(), "missing")),
            Some((_, false)) => return Err(refused(object.to_string(), "not this provider's")),
            Some((_, true)) => {}
        }
    }
    Ok(found.into_iter().map(|(state, _)| state).collect())
}

fn not_ours(host: &Host, object: String, problem: &'static str) -> PauseError {
    PauseError::NotOurs { host: host.name().to_owned(), object, problem }
}

/// The workloads that are there, each with whether it is ours.
async fn read_workloads(host: &Host, kinds: &Kinds, claim: &Claim) -> Result<Vec<(WorkloadState, bool)>, Error> {
    let (record, owner) = (claim.record(), claim.owner());
    let mut found = Vec::new();
    for Item { object, uid } in record.workloads() {
        let live = kinds.workload_api(object).get_opt(&object.name).await.map_err(host.failed("read", object))?;
        if let Some(live) = live {
            found.push((WorkloadState::of(object, &live), owner.owns(object, &live.metadata, uid.as_deref())));
        }
    }
    Ok(found)
}

async fn patch(host: &Host, kinds: &Kinds, object: &ObjectRef, patch: Value) -> Result<(), PauseError> {
    let by_us = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let patched = kinds.workload_api(object).patch_metadata(&object.name, &by_us, &Patch::Merge(patch)).await;
    Ok(patched.map(drop).map_err(host.failed("scale", object))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paused_form_scales_workloads_to_zero_and_remembers_their_replicas() {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "a", "annotations": {"kept": "yes"}}, "spec": {"replicas": 3},
        });
        paused_form(&mut object);
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(object["spec"]["replicas"], 0);
        assert_eq!(
            (&annotations["kept"], &annotations[PAUSED], &annotations[PAUSED_REPLICAS]),
            (&json!("yes"), &json!("true"), &json!("3"))
        );
        assert!(annotations[PAUSED_DATE].as_str().unwrap().ends_with(".000Z"));
    }

    #[test]
    fn a_workload_comes_back_from_its_paused_form() {
        let running = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "a", "annotations": {"kept": "yes"}}, "spec": {"replicas": 3},
        });
        let mut object = running.clone();
        paused_form(&mut object);
        running_form(&mut object);
        assert_eq!(object, running);
        running_form(&mut object);
        assert_eq!(object, running);
    }

    #[test]
    fn a_paused_form_keeps_the_date_of_a_pause_that_is_on() {
        let object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {}});
        let mut paused = object.clone();
        paused_form(&mut paused);
        keep_date(&mut paused, "2026-11-22T10:00:00.000Z".into());
        assert_eq!(paused["metadata"]["annotations"][PAUSED_DATE], "2026-11-22T10:00:00.000Z");
        let mut running = object.clone();
        keep_date(&mut running, "2026-11-22T10:00:00.000Z".into());
        assert_eq!(running, object);
    }

    #[test]
    fn paused_form_leaves_other_objects_alone() {
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"replicas": 3}});
        let mut same = object.clone();
        paused_form(&mut same);
        assert_eq!(same, object);
    }
}
