//! What a Terraform state knows of a virtual cluster that exists: which one it is, and what was fixed when it was made.
//!
//! Owns which record is of that virtual cluster. Pure.

use crate::fleet::virtual_cluster::spec::{Place, Spec};
use crate::host::record::Record;
use crate::host::records::Stored;

/// What is known of one virtual cluster. What is empty is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// UID of the host's `kube-system` namespace.
    pub host_uid: String,
    /// The virtual cluster's namespace.
    pub namespace: String,
    /// UID of its record.
    pub record_uid: String,
    /// UID of its namespace.
    pub namespace_uid: String,
    /// Whether the namespace was made for it.
    pub namespace_created: bool,
    /// Version of the mapping from attributes to objects that it has.
    pub mapping: u32,
    /// Size of the control plane's volume, which never changes.
    pub volume: Option<String>,
    /// Storage class of that volume, likewise. None: the host's default.
    pub storage_class: Option<String>,
}

impl Known {
    /// Has it say again what the record says. An apply whose plugin is killed leaves Terraform without a private state, as
    /// the plugin could return none.
    pub fn recall(&mut self, stored: &Stored, spec: &Spec) {
        let record = &stored.record;
        self.record_uid = stored.uid().to_owned();
        if self.host_uid.is_empty() {
            self.host_uid.clone_from(&record.host_uid);
        }
        self.namespace.clone_from(&record.namespace);
        self.namespace_uid = record.namespace_uid.clone().unwrap_or_default();
        self.namespace_created = record.namespace_created;
        self.mapping = spec.mapping;
        self.volume.clone_from(&spec.volume);
        self.storage_class.clone_from(&spec.storage_class);
    }

    /// Has it say what a creation has come to, whose record has the UID `record_uid`.
    pub fn remember(&mut self, record: &Record, record_uid: String, spec: &Spec) {
        self.record_uid = record_uid;
        self.namespace_uid = record.namespace_uid.clone().unwrap_or_default();
        self.namespace_created = record.namespace_created;
        self.mapping = spec.mapping;
        self.volume.clone_from(&spec.volume);
    }

    /// Whether the record is of the virtual cluster at `place` that is known.
    pub fn is_of(&self, record: &Record, place: &Place) -> bool {
        let known = self.namespace_uid.is_empty() || record.namespace_uid.as_ref() == Some(&self.namespace_uid);
        known && record.name == place.name && record.namespace == place.namespace
    }

    /// Whether it is the very record that is known, and somebody has edited it to say otherwise.
    pub fn is_edited(&self, stored: &Stored, place: &Place) -> bool {
        !self.record_uid.is_empty() && stored.uid() == self.record_uid && !self.is_of(&stored.record, place)
    }

    /// Has a record say again which virtual cluster it is of.
    pub fn restore(&self, record: &mut Record, place: &Place) {
        record.name.clone_from(&place.name);
        record.host_uid.clone_from(&self.host_uid);
        record.namespace_uid = Some(self.namespace_uid.clone());
        record.namespace_created = self.namespace_created;
    }

    /// Whether `uid` may be the host that this virtual cluster was created on. True as long as none is known.
    pub fn is_host(&self, uid: &str) -> bool {
        self.host_uid.is_empty() || self.host_uid == uid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::virtual_cluster::spec::tests::spec;

    #[test]
    fn what_was_lost_is_as_the_record_has_it() {
        let mut record = Record::new("a", "vcluster-a", "host-uid", serde_json::Value::Null);
        record.namespace_uid = Some("namespace-uid".into());
        let mut lost = Known::default();
        lost.recall(&Stored::for_tests(record, "record-uid"), &spec());
        let expected = Known {
            host_uid: "host-uid".into(),
            record_uid: "record-uid".into(),
            namespace: "vcluster-a".into(),
            namespace_uid: "namespace-uid".into(),
            mapping: 1,
            volume: Some("512Mi".into()),
            ..Known::default()
        };
        assert_eq!(lost, expected);
    }
}
