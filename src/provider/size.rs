//! Attributes that hold a size: `cpu`, `memory`, `storage` and what else a ResourceQuota counts, as the user wrote them, and those
//! without storage.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use serde::{Deserialize, Serialize};

use crate::domain::hard::Hard;
use crate::domain::size::Size;
use crate::fleet::compute::Compute;
use crate::provider::value::{StringMap, optional};
use terraform_plugin::value::Value;

/// `{cpu, memory, storage}`: Kubernetes quantities, kept as the user wrote them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AmountsModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub storage: Value<String>,
}

/// `{cpu, memory, storage, hard}`: the same of one virtual cluster, with quantities by ResourceQuota's names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ResourcesModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub storage: Value<String>,
    pub hard: StringMap,
}

/// `{cpu, memory}`: likewise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ComputeModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
}

impl ComputeModel {
    /// As it is stored; none while a part is unknown.
    pub fn compute(&self) -> Option<Compute> {
        Some(Compute { cpu: optional(&self.cpu)?, memory: optional(&self.memory)? })
    }
}

impl From<&Compute> for ComputeModel {
    fn from(compute: &Compute) -> Self {
        Self { cpu: compute.cpu.clone().into(), memory: compute.memory.clone().into() }
    }
}

impl ResourcesModel {
    /// The three resources alone.
    pub fn amounts(&self) -> AmountsModel {
        AmountsModel { cpu: self.cpu.clone(), memory: self.memory.clone(), storage: self.storage.clone() }
    }

    /// What else there is to be, as far as it is known.
    pub fn hard(&self) -> Hard {
        let known = |(name, amount): (&String, &Value<String>)| Some((name.clone(), amount.as_ref_option()?.clone()));
        self.hard.as_ref_option().into_iter().flatten().filter_map(known).collect()
    }

    /// The size in units; none while a part is unknown, null or malformed.
    pub fn size(&self) -> Option<Size> {
        Some(Size {
            cpu: self.cpu.as_ref_option()?.parse().ok()?,
            memory: self.memory.as_ref_option()?.parse().ok()?,
            storage: self.storage.as_ref_option()?.parse().ok()?,
        })
    }

    /// The size in units, where a part that is not set, not known yet or malformed counts as that of `default`.
    pub fn size_or(&self, default: &Size) -> Size {
        let part = |value: &Value<String>| value.as_ref_option().cloned().unwrap_or_default();
        Size {
            cpu: part(&self.cpu).parse().unwrap_or(default.cpu),
            memory: part(&self.memory).parse().unwrap_or(default.memory),
            storage: part(&self.storage).parse().unwrap_or(default.storage),
        }
    }
}
