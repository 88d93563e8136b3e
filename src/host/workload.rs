//! What a control-plane workload (StatefulSet, Deployment) says about itself. Pure.

use kube::api::DynamicObject;

use super::object::ObjectRef;
use crate::domain::drift::workload::Scale;

pub use crate::domain::drift::workload::{PAUSED, PAUSED_DATE, PAUSED_REPLICAS, RESTORING};

/// The state of one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadState {
    /// Its name.
    pub object: ObjectRef,
    /// How many pods it is to have.
    pub replicas: i64,
    /// How many it has, old ones included.
    pub current: i64,
    /// How many of its newest revision it has.
    pub updated: i64,
    /// How many are ready.
    pub ready: i64,
    /// Whether these counts are about the newest spec.
    pub observed: bool,
    /// Whether it carries the pause mark.
    pub marked_paused: bool,
    /// Whether the `vcluster` CLI has scaled it down for a while.
    pub restoring: bool,
    /// How many replicas the pause mark wants back.
    pub paused_replicas: Option<i64>,
}

impl WorkloadState {
    /// Reads a StatefulSet or a Deployment.
    pub fn of(object: &ObjectRef, live: &DynamicObject) -> Self {
        let number = |path: &str| live.data.pointer(path).and_then(serde_json::Value::as_i64);
        let status = |field: &str| number(&format!("/status/{field}")).unwrap_or(0);
        let mark = |key: &str| live.metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
        Self {
            object: object.clone(),
            replicas: number("/spec/replicas").unwrap_or(1),
            current: status("replicas"),
            updated: status("updatedReplicas"),
            ready: status("readyReplicas"),
            observed: status("observedGeneration") >= live.metadata.generation.unwrap_or(0),
            marked_paused: mark(PAUSED).is_some_and(|value| value == "true"),
            restoring: mark(RESTORING).is_some_and(|value| value == "true"),
            paused_replicas: mark(PAUSED_REPLICAS).and_then(|value| value.parse().ok()),
        }
    }

    /// What of it a pause changes.
    pub fn scale(&self) -> Scale {
        Scale { replicas: self.replicas, marked: self.marked_paused, restoring: self.restoring }
    }

    /// Paused: marked so, and really scaled down. A workload that somebody scaled up by hand runs, whatever its marks.
    pub fn is_paused(&self) -> bool {
        self.marked_paused && self.replicas == 0
    }

    /// Rolled out completely, every pod ready.
    pub fn is_ready(&self) -> bool {
        self.observed
            && self.replicas > 0
            && self.ready >= self.replicas
            && self.updated >= self.replicas
            && self.current == self.replicas
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(live: serde_json::Value) -> WorkloadState {
        let live: DynamicObject = serde_json::from_value(live).unwrap();
        let object = ObjectRef {
            api_version: "apps/v1".into(),
            kind: "StatefulSet".into(),
            namespace: Some("ns".into()),
            name: "a".into(),
        };
        WorkloadState::of(&object, &live)
    }

    #[test]
    fn ready_means_rolled_out_completely() {
        let cases = [
            (json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}), true),
            (json!({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}), false),
            (json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 0}), false),
            (json!({"observedGeneration": 2, "replicas": 2, "readyReplicas": 1, "updatedReplicas": 1}), false),
            (json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1}), false),
            (json!({}), false),
        ];
        for (status, expected) in cases {
            let live = json!({"metadata": {"name": "a", "generation": 2}, "spec": {"replicas": 1}, "status": status});
            assert_eq!(state(live).is_ready(), expected, "{status}");
        }
    }

    #[test]
    fn paused_means_marked_and_scaled_down() {
        for (mark, replicas, expected) in
            [("true", 0, true), ("true", 1, false), ("false", 0, false), ("", 0, false), ("", 1, false)]
        {
            let annotations = json!({PAUSED: mark, PAUSED_REPLICAS: "3"});
            let live = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": replicas}});
            assert_eq!(state(live.clone()).is_paused(), expected, "{mark:?} {replicas}");
            assert_eq!(state(live).paused_replicas, Some(3));
        }
    }
}
