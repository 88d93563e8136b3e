//! The virtual clusters that this run has read from Terraform's state.
//!
//! Terraform plans the replacement of a tainted object as a creation, and says nothing of what is destroyed first. What the refresh
//! before that plan has read tells. One whose name Terraform generates anew cannot be recognised.

use std::sync::Mutex;

use crate::fleet::locked;
use crate::provider::virtual_cluster::model::{VirtualClusterModel, VirtualClusterPrivate};
use terraform_plugin::value::Value;

/// Those of one process.
#[derive(Default)]
pub struct InState(Mutex<Vec<(VirtualClusterModel, VirtualClusterPrivate)>>);

impl InState {
    /// One is in the state.
    pub fn note(&self, state: &VirtualClusterModel, private: &VirtualClusterPrivate) {
        let mut all = locked(&self.0);
        all.retain(|(other, _)| other.id != state.id);
        all.push((state.clone(), private.clone()));
    }

    /// The one that stands where `plan` creates one.
    pub fn in_place_of(&self, plan: &VirtualClusterModel) -> Option<VirtualClusterPrivate> {
        let all = locked(&self.0);
        all.iter().find(|(state, _)| stands_there(state, plan)).map(|(_, private)| private.clone())
    }
}

fn stands_there(state: &VirtualClusterModel, plan: &VirtualClusterModel) -> bool {
    let is_known = |value: &Value<String>| value.as_ref_option().is_some();
    let host = plan.host_cluster == state.host_cluster || plan.host_cluster == Value::Unknown;
    is_known(&plan.name)
        && (&plan.name, &plan.namespace, &plan.cluster_group) == (&state.name, &state.namespace, &state.cluster_group)
        && host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value<String> {
        Value::Value(text.to_owned())
    }

    fn model(host: &str, name: &str, group: Value<String>) -> VirtualClusterModel {
        VirtualClusterModel {
            id: text(&format!("{host}/vcluster-{name}/{name}")),
            host_cluster: text(host),
            name: text(name),
            namespace: text(&format!("vcluster-{name}")),
            cluster_group: group,
            ..VirtualClusterModel::default()
        }
    }

    #[test]
    fn a_creation_takes_the_place_of_what_was_read_there() {
        let in_state = InState::default();
        let private = |uid: &str| VirtualClusterPrivate { record_uid: uid.into(), ..VirtualClusterPrivate::default() };
        in_state.note(&model("eu", "a", Value::Null), &private("old"));
        in_state.note(&model("eu", "a", Value::Null), &private("a"));
        in_state.note(&model("us", "b", text("dev")), &private("b"));
        let found = |plan: &VirtualClusterModel| in_state.in_place_of(plan).map(|private| private.record_uid);
        assert_eq!(found(&model("eu", "a", Value::Null)).as_deref(), Some("a"), "as it was read last");
        assert_eq!(found(&model("us", "a", Value::Null)), None);
        assert_eq!(found(&model("eu", "a", text("dev"))), None);
        let placed = VirtualClusterModel { host_cluster: Value::Unknown, ..model("", "b", text("dev")) };
        assert_eq!(found(&placed).as_deref(), Some("b"), "its group finds it a host again");
        let generated = VirtualClusterModel { name: Value::Unknown, namespace: Value::Unknown, ..placed };
        assert_eq!(found(&generated), None);
    }
}
