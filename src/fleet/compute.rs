//! CPU, memory and extended resources that somebody states of a host, as they are stored. Pure.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::amounts::Extended;
use crate::domain::capacity::Stated;
use crate::domain::quantity::Bytes;
use crate::fleet::group::spec::canonicalize;

/// What somebody states of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compute {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// By the names that nodes have for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, String>,
}

impl Compute {
    /// In units.
    pub fn stated(&self) -> Stated {
        Stated {
            cpu: self.cpu.as_ref().and_then(|cpu| cpu.parse().ok()),
            memory: self.memory.as_ref().and_then(|memory| memory.parse().ok()),
            extended: pieces(&self.extended),
            unnamed: None,
        }
    }

    /// One spelling for all texts of the same quantities.
    pub fn canonicalize(&mut self) {
        [&mut self.cpu, &mut self.memory].into_iter().flatten().for_each(canonicalize);
        self.extended.values_mut().for_each(canonicalize);
    }
}

/// Amounts of extended resources in pieces. What is malformed, which validation has refused, is left out.
pub fn pieces(written: &BTreeMap<String, String>) -> Extended {
    let amount = |(name, text): (&String, &String)| Some((name.as_str().into(), text.parse::<Bytes>().ok()?.0));
    written.iter().filter_map(amount).collect()
}
