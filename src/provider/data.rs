//! The data sources: what host clusters, cluster groups and virtual clusters are, without owning any of it.
//!
//! Each file is one data source. They write nothing, and what is missing is said: a number that nobody could ask for is
//! null with a warning, and a list is complete or an error.

pub mod cluster_group;
pub mod host_cluster;
mod listing;
pub mod virtual_clusters;

use crate::domain::limit::Limit;
use crate::domain::size::{Resource, Size};
use crate::provider::attribute::{attributes, computed, string_map};
use crate::provider::size::AmountsModel;
use terraform_plugin::schema::{Attribute, AttributeType};
use terraform_plugin::value::Value;
use terraform_plugin::{AttributePath, DeferReason, Diagnostics, Report, defer, deferral_allowed};

/// The version of the state's layout of all data sources. They are read anew by every plan.
const STATE_VERSION: i64 = 0;

/// The connection to a host cluster is not known yet: to be read later where Terraform allows that, an error where not.
fn wait_for_connection(diags: &mut Diagnostics, attribute: AttributePath, whose: &str) {
    if deferral_allowed() {
        defer(DeferReason::ProviderConfigUnknown);
        return;
    }
    diags.fail(
        attribute,
        format!("The connection to {whose} is not known yet."),
        "The provider block is configured from values that only an apply makes known.\n\nNext step: Apply what they come \
         from first (`-target`), or name it in `depends_on` of this data source, so that it is read during the apply.",
    );
}

/// Amounts as an attribute shows them. Null is unlimited.
fn limited(limit: &Limit) -> AmountsModel {
    let part = |resource: Resource| limit.get(resource).map(|amount| resource.show(amount)).into();
    AmountsModel { cpu: part(Resource::Cpu), memory: part(Resource::Memory), storage: part(Resource::Storage) }
}

/// Amounts as an attribute shows them.
fn sized(size: Size) -> AmountsModel {
    limited(&Limit::from_amounts(|resource| Some(size.get(resource))))
}

/// A computed `{cpu, memory, storage}`.
fn amounts(description: &str) -> Attribute {
    let part = |what: &str| computed(AttributeType::String, &format!("{what} as a Kubernetes quantity."));
    let parts = [("cpu", part("CPU")), ("memory", part("Memory")), ("storage", part("Storage"))];
    computed(AttributeType::AttributeSingle(attributes(parts)), description)
}

/// A computed `{cpu, memory, storage, hard}` of one virtual cluster.
fn resources(description: &str) -> Attribute {
    let part = |what: &str| {
        computed(AttributeType::String, &format!("{what} as a Kubernetes quantity. Null where nothing is said."))
    };
    let hard =
        computed(string_map(), "Kubernetes quantities by the names of a ResourceQuota. Null where none is named.");
    let parts = [("cpu", part("CPU")), ("memory", part("Memory")), ("storage", part("Storage")), ("hard", hard)];
    computed(AttributeType::AttributeSingle(attributes(parts)), description)
}

/// A computed `{cpu, memory, storage}` whose parts may be unlimited.
fn limits(description: &str) -> Attribute {
    let part =
        |what: &str| computed(AttributeType::String, &format!("{what} as a Kubernetes quantity. Null is unlimited."));
    let parts = [("cpu", part("CPU")), ("memory", part("Memory")), ("storage", part("Storage"))];
    computed(AttributeType::AttributeSingle(attributes(parts)), description)
}

fn text(text: impl Into<String>) -> Value<String> {
    Value::Value(text.into())
}
