//! What makes an object on a host a virtual cluster's own: proof that its record had it made.
//!
//! Labels prove nothing: vCluster copies most labels of tenants' objects to the host. Nor does our field manager, which
//! every virtual cluster has. Everything that we make carries the UID of the record that it was made for, in an
//! annotation that is proof only while our field manager owns it: whoever else writes it takes it over. Within the
//! virtual cluster's own namespace the UID that the record holds of an object is proof as well, because a mark can be
//! wiped off. Outside of it that is not enough: records can be edited, and must not reach what is not theirs. Nor is it
//! while no state has ever had the virtual cluster: a record that somebody has made up would have anything removed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::ObjectMeta;

use super::object::ObjectRef;

/// The field manager under which this provider writes, by server-side apply and by patch.
pub const FIELD_MANAGER: &str = "terraform-provider-nested";

/// The label that says which tool manages an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// The label that every object of a virtual cluster carries, with its name.
pub const VIRTUAL_CLUSTER_LABEL: &str = "nested-clusters.io/virtual-cluster";

/// The annotation with the UID of the record that an object was made for.
pub const MADE_FOR: &str = "nested-clusters.io/record-uid";

/// The record whose objects are told from those of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// UID of the record's Secret.
    pub record: String,
    /// UID of a record that was lost and that this one stands for.
    pub former: Option<String>,
    /// The virtual cluster's namespace.
    pub namespace: String,
    /// Whether a state has had the virtual cluster, so that the UIDs in the record are proof.
    pub was_handed_over: bool,
}

impl Owner {
    /// Whether the object found under this name is this record's, which holds `recorded` as its UID.
    pub fn owns(&self, object: &ObjectRef, live: &ObjectMeta, recorded: Option<&str>) -> bool {
        let is_recorded = recorded.is_some() && recorded == live.uid.as_deref();
        self.made(live) || (is_recorded && self.was_handed_over && self.is_at_home(object))
    }

    /// Whether an object that the record holds by its UID may be written again: it is this record's, or has lost its mark.
    pub fn may_restore(&self, object: &ObjectRef, live: &ObjectMeta, recorded: Option<&str>) -> bool {
        let is_recorded = recorded.is_some() && recorded == live.uid.as_deref();
        self.owns(object, live, recorded) || (is_recorded && mark(live).is_none_or(|mark| self.is_own(mark)))
    }

    /// Whether what carries these metadata was made for this record.
    pub fn made(&self, live: &ObjectMeta) -> bool {
        made_for(live).is_some_and(|mark| self.is_own(mark))
    }

    fn is_own(&self, mark: &String) -> bool {
        *mark == self.record || self.former.as_ref() == Some(mark)
    }

    /// Whether the object is in the virtual cluster's own namespace.
    pub fn is_at_home(&self, object: &ObjectRef) -> bool {
        object.namespace.as_ref() == Some(&self.namespace)
    }
}

/// The UID of the record that an object was made for, where its mark is proof of it.
pub fn made_for(live: &ObjectMeta) -> Option<&String> {
    let owns_mark = |entry: &ManagedFieldsEntry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        let annotations = fields.and_then(|fields| fields.get("f:metadata")?.get("f:annotations"));
        annotations.is_some_and(|annotations| annotations.get(format!("f:{MADE_FOR}")).is_some())
    };
    let ours = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(FIELD_MANAGER) && owns_mark(entry);
    live.managed_fields.iter().flatten().find(ours).and_then(|_| mark(live))
}

fn mark(live: &ObjectMeta) -> Option<&String> {
    live.annotations.as_ref()?.get(MADE_FOR)
}

/// Who wrote the object, each manager once, without writers of subresources such as status.
pub fn managers(live: &ObjectMeta) -> Vec<String> {
    let entries = live.managed_fields.iter().flatten();
    let main = entries.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let mut managers: Vec<String> = main.filter_map(|entry| entry.manager.clone()).collect();
    managers.sort();
    managers.dedup();
    managers
}

/// Whose the object is, for a person.
pub(super) fn writers(live: &ObjectMeta) -> String {
    let managers = managers(live);
    match made_for(live) {
        Some(record) => format!("made for the virtual cluster whose record has the UID {record}"),
        None if managers.is_empty() => "written by nobody known".to_owned(),
        None => format!("written by {}", managers.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// An object with the UID `uid-1` and the mark of `mark`, which these managers own.
    fn live(mark: Option<&str>, owners: &[&str]) -> ObjectMeta {
        let mut fields = json!({"f:metadata": {"f:annotations": {}}});
        fields["f:metadata"]["f:annotations"][format!("f:{MADE_FOR}")] = json!({});
        let entry = |manager: &&str| json!({"manager": manager, "operation": "Apply", "fieldsV1": fields});
        let owners: Vec<Value> = owners.iter().map(entry).collect();
        let mut live = json!({
            "name": "a",
            "uid": "uid-1",
            "labels": {MANAGED_BY_LABEL: FIELD_MANAGER},
            "managedFields": owners,
        });
        if let Some(mark) = mark {
            live["annotations"] = json!({MADE_FOR: mark});
        }
        serde_json::from_value(live).unwrap()
    }

    fn owner() -> Owner {
        let (record, former) = ("record-1".to_owned(), Some("lost".to_owned()));
        Owner { record, former, namespace: "ns".into(), was_handed_over: true }
    }

    fn object(namespace: Option<&str>) -> ObjectRef {
        ObjectRef {
            api_version: "v1".into(),
            kind: "X".into(),
            namespace: namespace.map(str::to_owned),
            name: "a".into(),
        }
    }

    #[track_caller]
    fn check(live: &ObjectMeta, recorded: Option<&str>, at_home: bool, elsewhere: bool) {
        let owner = owner();
        assert_eq!(owner.owns(&object(Some("ns")), live, recorded), at_home, "at home: {live:?} {recorded:?}");
        for namespace in [None, Some("kube-system")] {
            assert_eq!(
                owner.owns(&object(namespace), live, recorded),
                elsewhere,
                "{namespace:?} {live:?} {recorded:?}"
            );
        }
    }

    #[test]
    fn a_mark_that_our_field_manager_owns_is_proof_everywhere() {
        check(&live(Some("record-1"), &[FIELD_MANAGER]), None, true, true);
        check(&live(Some("record-1"), &["vcluster", FIELD_MANAGER]), Some("uid-2"), true, true);
        check(&live(Some("lost"), &[FIELD_MANAGER]), None, true, true);
        check(&live(Some("record-2"), &[FIELD_MANAGER]), None, false, false);
        check(&live(None, &[FIELD_MANAGER]), None, false, false);
    }

    #[test]
    fn a_copied_mark_proves_nothing() {
        check(&live(Some("record-1"), &["vcluster"]), None, false, false);
        check(&live(Some("record-1"), &[]), None, false, false);
    }

    #[test]
    fn a_recorded_uid_is_proof_in_the_own_namespace_only() {
        check(&live(None, &[]), Some("uid-1"), true, false);
        check(&live(Some("record-2"), &[FIELD_MANAGER]), Some("uid-1"), true, false);
        check(&live(None, &[]), Some("uid-2"), false, false);
    }

    #[test]
    fn a_recorded_uid_proves_nothing_before_a_state_has_had_the_virtual_cluster() {
        let unfinished = Owner { was_handed_over: false, ..owner() };
        let at_home = object(Some("ns"));
        assert!(!unfinished.owns(&at_home, &live(None, &[]), Some("uid-1")));
        assert!(unfinished.owns(&at_home, &live(Some("record-1"), &[FIELD_MANAGER]), Some("uid-1")));
    }

    #[test]
    fn what_lost_its_mark_may_be_restored_and_what_has_anothers_not() {
        let owner = owner();
        for (live, recorded, expected) in [
            (live(None, &[]), Some("uid-1"), true),
            (live(Some("record-1"), &["kubectl"]), Some("uid-1"), true),
            (live(Some("record-2"), &[FIELD_MANAGER]), Some("uid-1"), false),
            (live(None, &[]), Some("uid-2"), false),
            (live(None, &[]), None, false),
        ] {
            assert_eq!(owner.may_restore(&object(None), &live, recorded), expected, "{live:?} {recorded:?}");
        }
    }

    #[test]
    fn whose_an_object_is_reads_well() {
        assert_eq!(writers(&live(None, &["kubectl", "helm"])), "written by helm, kubectl");
        assert_eq!(writers(&live(None, &[])), "written by nobody known");
        let other = live(Some("record-2"), &[FIELD_MANAGER]);
        assert_eq!(writers(&other), "made for the virtual cluster whose record has the UID record-2");
    }
}
