//! The stored form of a cluster group's record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Format, Upgrade};
use crate::host::groups::{GroupPhase, GroupRecord};

/// See docs/design/formats.md, as for every field.
#[derive(Serialize, Deserialize)]
pub struct ClusterGroup {
    name: String,
    id: String,
    epoch: u64,
    generation: u64,
    home: String,
    hosts: BTreeMap<String, String>,
    phase: Phase,
    chart_digest: String,
    spec: Value,
    /// What a later version says of the group goes with its record to every host.
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Creating,
    Ready,
    Deleting,
}

impl Format for ClusterGroup {
    const UPGRADES: &'static [Upgrade] = &[];
}

impl From<&GroupRecord> for ClusterGroup {
    fn from(record: &GroupRecord) -> Self {
        let GroupRecord { name, id, epoch, generation, home, hosts, phase, chart_digest, spec, more } = record.clone();
        let phase = match phase {
            GroupPhase::Creating => Phase::Creating,
            GroupPhase::Ready => Phase::Ready,
            GroupPhase::Deleting => Phase::Deleting,
        };
        Self { name, id, epoch, generation, home, hosts, phase, chart_digest, spec, more }
    }
}

impl TryFrom<ClusterGroup> for GroupRecord {
    type Error = String;

    fn try_from(stored: ClusterGroup) -> Result<Self, String> {
        let ClusterGroup { name, id, epoch, generation, home, hosts, phase, chart_digest, spec, mut more } = stored;
        more.remove("format");
        let phase = match phase {
            Phase::Creating => GroupPhase::Creating,
            Phase::Ready => GroupPhase::Ready,
            Phase::Deleting => GroupPhase::Deleting,
        };
        Ok(Self { name, id, epoch, generation, home, hosts, phase, chart_digest, spec, more })
    }
}
