//! What a group says for all of its virtual clusters, and one without a group for itself, as it is stored. Pure.

#![allow(missing_docs, reason = "the schema describes every attribute, under the same name")]

use serde::{Deserialize, Serialize};

use crate::domain::isolation::PodSecurity;

/// What a virtual cluster may do and what counts in its size. A field is left out where nobody says anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Terms {
    /// Whether values may reach beyond what a virtual cluster may do. None: they may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unsafe_values: Option<bool>,
    /// Registries whose images control planes may have beside the chart's own. None: no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_registries: Option<Vec<String>>,
    /// The Pod Security Standard that pods are held to. None: baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<String>,
    /// Whether network policies keep pods from those of others. None: they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_isolation: Option<bool>,
    /// Whether limits count as well as requests. None: requests alone do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_limits: Option<bool>,
    /// Priority classes of the hosts that pods may have. None: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_classes: Option<Vec<String>>,
}

impl Terms {
    /// Whether nobody says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The Pod Security Standard, where one is said.
    pub fn pod_security(&self) -> Option<PodSecurity> {
        self.pod_security.as_ref()?.parse().ok()
    }
}
