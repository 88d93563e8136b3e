//! CPU and memory that somebody states of a host, as they are stored. Pure.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use serde::{Deserialize, Serialize};

use crate::domain::capacity::Stated;
use crate::fleet::group::spec::canonicalize;

/// CPU and memory that somebody states of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compute {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

impl Compute {
    /// In units.
    pub fn stated(&self) -> Stated {
        Stated {
            cpu: self.cpu.as_ref().and_then(|cpu| cpu.parse().ok()),
            memory: self.memory.as_ref().and_then(|memory| memory.parse().ok()),
        }
    }

    /// One spelling for all texts of the same quantities.
    pub fn canonicalize(&mut self) {
        [&mut self.cpu, &mut self.memory].into_iter().flatten().for_each(canonicalize);
    }
}
