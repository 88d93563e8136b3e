//! Says why a control plane is not ready, from what its workloads, pods, volumes and events show. Pure.

use k8s_openapi::api::core::v1::{ContainerStatus, Event, PersistentVolumeClaim, Pod};

use super::workload::WorkloadState;

/// How many events a report shows.
const EVENTS: usize = 8;

/// Why a pod is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodReason {
    /// The pod's name.
    pub pod: String,
    /// What keeps it, for a person.
    pub text: String,
    /// Whether it will hardly get better by waiting: it crashes, or its image does not come.
    pub failing: bool,
}

/// Everything that a report is made of, as the host showed it.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) workloads: Vec<WorkloadState>,
    pub(super) pods: Vec<Pod>,
    pub(super) volumes: Vec<PersistentVolumeClaim>,
    pub(super) events: Vec<Event>,
}

impl Evidence {
    /// A report for a person, one fact a line.
    pub(super) fn report(&self) -> String {
        let mut report = Vec::new();
        for state in &self.workloads {
            let rollout = if state.observed { "" } else { ", its newest change not yet acted on" };
            report.push(format!("{}: {} of {} pods ready{rollout}", state.object, state.ready, state.replicas));
        }
        for reason in self.pods.iter().filter_map(pod_reason) {
            report.push(format!("pod {}: {}", reason.pod, reason.text));
        }
        for volume in &self.volumes {
            if let Some(phase) = volume.status.as_ref().and_then(|status| status.phase.as_deref())
                && phase != "Bound"
            {
                let class = volume.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
                let class = class.map_or("no storage class".to_owned(), |class| format!("storage class {class}"));
                let name = volume.metadata.name.as_deref().unwrap_or_default();
                report.push(format!("volume {name}: {phase} ({class})"));
            }
        }
        for event in newest_events(&self.events) {
            report.push(format!("event: {event}"));
        }
        report.iter().map(|line| format!("  {line}\n")).collect()
    }
}

/// Why a pod is not ready; nothing for a ready one.
pub(super) fn pod_reason(pod: &Pod) -> Option<PodReason> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let reason = |text: String, failing| Some(PodReason { pod: name.clone(), text, failing });
    let status = pod.status.as_ref()?;
    if pod.metadata.deletion_timestamp.is_some() {
        return reason("it is being deleted".into(), false);
    }
    let condition = |kind: &str| status.conditions.iter().flatten().find(|condition| condition.type_ == kind);
    if condition("Ready").is_some_and(|ready| ready.status == "True") {
        return None;
    }
    if let Some(unscheduled) = condition("PodScheduled").filter(|scheduled| scheduled.status == "False") {
        let why = unscheduled.message.as_deref().unwrap_or("no node takes it");
        return reason(format!("cannot be scheduled: {why}"), false);
    }
    let init = status.init_container_statuses.iter().flatten().map(|container| ("init container", container));
    let main = status.container_statuses.iter().flatten().map(|container| ("container", container));
    let mut troubles: Vec<(String, bool)> =
        init.chain(main).filter_map(|(role, container)| container_trouble(role, container)).collect();
    troubles.sort_by_key(|(_, failing)| !failing);
    if let Some((text, failing)) = troubles.into_iter().next() {
        return reason(text, failing);
    }
    match (status.phase.as_deref(), status.message.as_deref()) {
        (Some("Failed"), message) => reason(format!("failed: {}", message.unwrap_or("without a message")), true),
        (Some("Running"), _) => reason("runs but is not ready yet".into(), false),
        (phase, _) => reason(phase.unwrap_or("Pending").to_owned(), false),
    }
}

/// What keeps one container, and whether it fails rather than starts.
fn container_trouble(role: &str, container: &ContainerStatus) -> Option<(String, bool)> {
    let state = container.state.as_ref()?;
    let (state, failing) = match (&state.waiting, &state.terminated) {
        (Some(waiting), _) => {
            let reason = waiting.reason.as_deref().unwrap_or("waiting");
            // Says only that an init container is not done; that one says why.
            if reason == "PodInitializing" {
                return None;
            }
            let text = waiting.message.as_ref().map_or(reason.to_owned(), |message| format!("{reason}: {message}"));
            (text, is_failing(reason))
        }
        (None, Some(ended)) if ended.exit_code == 0 => return None,
        (None, Some(ended)) => (format!("ended with exit code {}", ended.exit_code), true),
        (None, None) if container.ready => return None,
        (None, None) => ("runs but is not ready".to_owned(), false),
    };
    let mut text = format!("{role} {}: {state}", container.name);
    if let Some(exit) = container.last_state.as_ref().and_then(|last| last.terminated.as_ref()) {
        let why = exit.message.as_deref().or(exit.reason.as_deref()).unwrap_or("no message");
        text += &format!(
            " (last exit code {}: {}; restarted {} times)",
            exit.exit_code,
            why.trim(),
            container.restart_count
        );
    }
    Some((text, failing))
}

/// Whether the kubelet's reason for not running a container is one that seldom heals by itself.
fn is_failing(reason: &str) -> bool {
    ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName"].contains(&reason)
        || reason.ends_with("Error")
}

/// The newest events, equal ones once, oldest first.
fn newest_events(events: &[Event]) -> Vec<String> {
    let when = |event: &Event| {
        let series = event.series.as_ref().and_then(|series| Some(series.last_observed_time.as_ref()?.0));
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        series.or(last).or(event.event_time.as_ref().map(|time| time.0))
    };
    let mut sorted: Vec<&Event> = events.iter().collect();
    sorted.sort_by_key(|event| std::cmp::Reverse(when(event)));
    let mut lines: Vec<String> = Vec::new();
    for event in sorted {
        let object = &event.involved_object;
        let line = format!(
            "{} {}: {}: {}",
            object.kind.as_deref().unwrap_or_default(),
            object.name.as_deref().unwrap_or_default(),
            event.reason.as_deref().unwrap_or_default(),
            event.message.as_deref().unwrap_or_default().trim(),
        );
        if !lines.contains(&line) {
            lines.push(line);
        }
        if lines.len() == EVENTS {
            break;
        }
    }
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "team-a-0"}, "status": status})).unwrap()
    }

    fn container(name: &str, state: Value, last: Value) -> Value {
        json!({
            "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 4,
            "state": state, "lastState": last,
        })
    }

    #[test]
    fn pods_say_what_keeps_them() {
        let pending = |containers: Value| json!({"phase": "Pending", "containerStatuses": containers});
        let waiting = |reason: &str, message: Value| json!({"waiting": {"reason": reason, "message": message}});
        let none = json!({});
        let crash = json!({"terminated": {"exitCode": 1, "message": "no space left\n"}});
        let cases = [
            (json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), None),
            (
                json!({"phase": "Pending", "conditions": [{
                    "type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: 2 Insufficient cpu.",
                }]}),
                Some(("cannot be scheduled: 0/2 nodes are available: 2 Insufficient cpu.", false)),
            ),
            (
                pending(json!([container("syncer", waiting("ContainerCreating", Value::Null), none.clone())])),
                Some(("container syncer: ContainerCreating", false)),
            ),
            (
                pending(json!([container(
                    "syncer",
                    waiting("ImagePullBackOff", json!("no such image")),
                    none.clone()
                )])),
                Some(("container syncer: ImagePullBackOff: no such image", true)),
            ),
            (
                pending(json!([container(
                    "syncer",
                    waiting("CreateContainerConfigError", json!("no Secret")),
                    none.clone()
                )])),
                Some(("container syncer: CreateContainerConfigError: no Secret", true)),
            ),
            (
                json!({"phase": "Running", "containerStatuses": [
                    container("a", json!({"running": {}}), none.clone()),
                    container("syncer", waiting("CrashLoopBackOff", Value::Null), crash),
                ]}),
                Some(("container syncer: CrashLoopBackOff (last exit code 1: no space left; restarted 4 times)", true)),
            ),
            (
                json!({
                    "phase": "Pending",
                    "initContainerStatuses":
                        [container("copy", waiting("ErrImagePull", json!("denied")), none.clone())],
                    "containerStatuses": [container("syncer", waiting("PodInitializing", Value::Null), none.clone())],
                }),
                Some(("init container copy: ErrImagePull: denied", true)),
            ),
            (
                json!({"phase": "Running", "containerStatuses": [container("syncer", json!({"running": {}}), none)]}),
                Some(("container syncer: runs but is not ready", false)),
            ),
            (json!({"phase": "Failed", "message": "evicted"}), Some(("failed: evicted", true))),
            (json!({"phase": "Pending"}), Some(("Pending", false))),
        ];
        for (status, expected) in cases {
            let found = pod_reason(&pod(status.clone()));
            assert_eq!(found.as_ref().map(|reason| (reason.text.as_str(), reason.failing)), expected, "{status}");
        }
    }

    fn event(reason: &str, message: &str, minute: u32) -> Event {
        serde_json::from_value(json!({
            "metadata": {}, "reason": reason, "message": message,
            "involvedObject": {"kind": "StatefulSet", "name": "team-a"},
            "lastTimestamp": format!("2026-01-01T00:{minute:02}:00Z"),
        }))
        .unwrap()
    }

    #[test]
    fn events_are_the_newest_ones_without_repetition() {
        let mut events: Vec<Event> = (0..20).map(|minute| event("Failed", &format!("no {minute}"), minute)).collect();
        events.push(event("Failed", "no 19", 30));
        let lines = newest_events(&events);
        assert_eq!(lines.len(), EVENTS);
        assert_eq!(lines[0], "StatefulSet team-a: Failed: no 12");
        assert_eq!(lines[7], "StatefulSet team-a: Failed: no 19");
    }

    #[test]
    fn a_report_shows_workloads_pods_volumes_and_events() {
        let live = json!({"metadata": {"name": "team-a"}, "spec": {"replicas": 1}});
        let object = crate::host::object::ObjectRef {
            api_version: "apps/v1".into(),
            kind: "StatefulSet".into(),
            namespace: Some("ns".into()),
            name: "team-a".into(),
        };
        let evidence = Evidence {
            workloads: vec![WorkloadState::of(&object, &serde_json::from_value(live).unwrap())],
            pods: vec![pod(json!({"phase": "Pending"}))],
            volumes: vec![
                serde_json::from_value(json!({
                    "metadata": {"name": "data-team-a-0"},
                    "spec": {"storageClassName": "fast"},
                    "status": {"phase": "Pending"},
                }))
                .unwrap(),
            ],
            events: vec![event("FailedCreate", "exceeded quota: vc-team-a", 1)],
        };
        let expected = "  StatefulSet ns/team-a: 0 of 1 pods ready\n  pod team-a-0: Pending\n  \
             volume data-team-a-0: Pending (storage class fast)\n  \
             event: StatefulSet team-a: FailedCreate: exceeded quota: vc-team-a\n";
        assert_eq!(evidence.report(), expected);
    }
}
