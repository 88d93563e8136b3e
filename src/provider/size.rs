//! Attributes that hold a size: `cpu`, `memory`, `storage` and what else a ResourceQuota counts, as the user wrote them, and those
//! without storage.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use serde::{Deserialize, Serialize};

use crate::domain::hard::Hard;
use crate::domain::size::Size;
use crate::fleet::compute::Compute;
use crate::provider::number::Number;
use crate::provider::value::{StringMap, map_or_null, optional, string_map};
use terraform_plugin::value::Value;

/// `{cpu, memory, storage}`: Kubernetes quantities, kept as the user wrote them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AmountsModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub storage: Value<String>,
}

/// `{cpu, memory, storage, extended}`: what a host has or what is used of it, with extended resources by their own names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostAmountsModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub storage: Value<String>,
    pub extended: StringMap,
}

/// `{cpu, memory, storage, hard}`: the same of one virtual cluster, with quantities by ResourceQuota's names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ResourcesModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub storage: Value<String>,
    pub hard: StringMap,
}

/// `{cpu, memory, storage, hard, virtual_clusters}`: what there may be of virtual clusters together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct QuotaModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub storage: Value<String>,
    pub hard: StringMap,
    pub virtual_clusters: Value<Number>,
}

/// `{cpu, memory}`: likewise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ComputeModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
}

/// `{cpu, memory, extended}`: what a host has, with extended resources by their own names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CapacityModel {
    pub cpu: Value<String>,
    pub memory: Value<String>,
    pub extended: StringMap,
}

impl CapacityModel {
    /// As it is stored; none while a part is unknown.
    pub fn compute(&self) -> Option<Compute> {
        let (cpu, memory) = (optional(&self.cpu)?, optional(&self.memory)?);
        Some(Compute { cpu, memory, extended: string_map(&self.extended)? })
    }
}

impl From<&Compute> for CapacityModel {
    fn from(compute: &Compute) -> Self {
        let (cpu, memory) = (compute.cpu.clone().into(), compute.memory.clone().into());
        Self { cpu, memory, extended: map_or_null(&compute.extended) }
    }
}

impl QuotaModel {
    /// The three resources alone.
    pub fn amounts(&self) -> AmountsModel {
        AmountsModel { cpu: self.cpu.clone(), memory: self.memory.clone(), storage: self.storage.clone() }
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

    /// The same, where what is not known yet counts as it was `before`.
    pub fn hard_or(&self, before: &Hard) -> Hard {
        match &self.hard {
            Value::Unknown => before.clone(),
            Value::Null => Hard::new(),
            Value::Value(given) => {
                let amount = |(name, amount): (&String, &Value<String>)| {
                    let amount = amount.as_ref_option().or_else(|| before.get(name))?;
                    Some((name.clone(), amount.clone()))
                };
                given.iter().filter_map(amount).collect()
            }
        }
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
