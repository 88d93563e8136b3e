//! The data sources: what host clusters, cluster groups and virtual clusters are, without owning any of it.
//!
//! Each file is one data source. They write nothing, and what is missing is said: a number that nobody could ask for is
//! null with a warning, and a list is complete or an error.

pub mod cluster_group;
pub mod host_cluster;
mod listing;
pub mod virtual_clusters;

use crate::domain::amounts::Amounts;
use crate::domain::limit::Limit;
use crate::domain::size::Resource;
use crate::provider::attribute::{Attributes, attributes, computed, string_map};
use crate::provider::number::Number;
use crate::provider::size::{HostAmountsModel, QuotaModel};
use crate::provider::value::map_or_null;
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

/// Amounts of a host as an attribute shows them. Null is unlimited.
fn limited(limit: &Limit) -> HostAmountsModel {
    let part = |resource: Resource| limit.get(&resource.into()).map(|amount| resource.show(amount)).into();
    let extended = limit.extended.iter().map(|(name, amount)| (name.to_string(), amount.to_string())).collect();
    HostAmountsModel {
        cpu: part(Resource::Cpu),
        memory: part(Resource::Memory),
        storage: part(Resource::Storage),
        extended: map_or_null(&extended),
    }
}

/// The same of what is used.
fn sized(used: &Amounts) -> HostAmountsModel {
    limited(&as_limit(used))
}

/// Amounts of a quota or a share as an attribute shows them. Null is unlimited.
fn shared(limit: &Limit) -> QuotaModel {
    let HostAmountsModel { cpu, memory, storage, .. } = limited(limit);
    let hard = limit.extended.iter().map(|(name, amount)| (format!("requests.{name}"), amount.to_string())).collect();
    // More than a number can say is as good as unlimited.
    let count = limit.virtual_clusters.and_then(|count| u32::try_from(count).ok());
    QuotaModel { cpu, memory, storage, hard: map_or_null(&hard), virtual_clusters: count.map(Number::from).into() }
}

/// The same of what is used.
fn shared_used(used: &Amounts) -> QuotaModel {
    shared(&as_limit(used))
}

fn as_limit(used: &Amounts) -> Limit {
    Limit {
        virtual_clusters: Some(used.virtual_clusters),
        extended: used.extended.clone(),
        ..Limit::from_amounts(|resource| Some(used.size.get(resource)))
    }
}

/// A computed `{cpu, memory, storage, extended}`.
fn amounts(description: &str) -> Attribute {
    let extended = "Extended resources by name, such as `nvidia.com/gpu`. Null where none is used.";
    host_amounts("", extended, description)
}

/// A computed `{cpu, memory, storage, extended}` whose parts may be unlimited.
fn limits(description: &str) -> Attribute {
    let extended = "Extended resources by name, such as `nvidia.com/gpu`. Null where there are none.";
    host_amounts(" Null is unlimited.", extended, description)
}

fn host_amounts(null: &str, extended: &str, description: &str) -> Attribute {
    let part = |what: &str| computed(AttributeType::String, &format!("{what} as a Kubernetes quantity.{null}"));
    let extended = computed(string_map(), extended);
    let parts =
        [("cpu", part("CPU")), ("memory", part("Memory")), ("storage", part("Storage")), ("extended", extended)];
    computed(AttributeType::AttributeSingle(attributes(parts)), description)
}

/// A computed `{cpu, memory, storage, hard, virtual_clusters}` of what is used together.
fn shared_amounts(description: &str) -> Attribute {
    let hard = "Extended resources by the names of a ResourceQuota, such as `requests.nvidia.com/gpu`. Null where none is used.";
    computed(AttributeType::AttributeSingle(of_quota("", hard, "")), description)
}

/// The same of what there may be.
fn shared_limits(description: &str) -> Attribute {
    computed(AttributeType::AttributeSingle(shared_parts()), description)
}

fn shared_parts() -> Attributes {
    let hard = "Extended resources by the names of a ResourceQuota, such as `requests.nvidia.com/gpu`. One that is not named is \
                unlimited, and all are where it is null.";
    of_quota(" Null is unlimited.", hard, " Null is unlimited.")
}

fn of_quota(null: &str, hard: &str, count: &str) -> Attributes {
    let part = |what: &str| computed(AttributeType::String, &format!("{what} as a Kubernetes quantity.{null}"));
    attributes([
        ("cpu", part("CPU")),
        ("memory", part("Memory")),
        ("storage", part("Storage")),
        ("hard", computed(string_map(), hard)),
        ("virtual_clusters", computed(AttributeType::Number, &format!("How many virtual clusters.{count}"))),
    ])
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

fn text(text: impl Into<String>) -> Value<String> {
    Value::Value(text.into())
}
