//! What the plugin serves: the provider and, by name, its resources, data sources and functions.

use std::collections::BTreeMap;

use super::data_source::ServedDataSource;
use super::function::ServedFunction;
use super::provider::ServedProvider;
use super::resource::ServedResource;
use crate::vocabulary::{DataSource, Function, Provider, Replacement, StateUpgrade, WriteOnly};

/// A provider with everything that belongs to it. A name registered twice keeps the later.
pub struct Registry {
    pub(super) provider: Box<dyn ServedProvider>,
    pub(super) resources: BTreeMap<&'static str, Box<dyn ServedResource>>,
    pub(super) data_sources: BTreeMap<&'static str, Box<dyn ServedDataSource>>,
    pub(super) functions: BTreeMap<&'static str, Box<dyn ServedFunction>>,
}

impl Registry {
    /// A provider without any resources. Only its own block is served of it; resources are registered here instead.
    pub fn new(provider: impl Provider) -> Self {
        Self {
            provider: Box::new(provider),
            resources: BTreeMap::new(),
            data_sources: BTreeMap::new(),
            functions: BTreeMap::new(),
        }
    }

    /// Adds a managed resource. `name` is its full type name, with the provider's prefix.
    #[must_use]
    pub fn resource(
        mut self,
        name: &'static str,
        resource: impl Replacement + StateUpgrade + WriteOnly + 'static,
    ) -> Self {
        self.resources.insert(name, Box::new(resource));
        self
    }

    /// Adds a data source. `name` is its full type name, with the provider's prefix.
    #[must_use]
    pub fn data_source(mut self, name: &'static str, data_source: impl DataSource + 'static) -> Self {
        self.data_sources.insert(name, Box::new(data_source));
        self
    }

    /// Adds a function. `name` is what follows `provider::NAME::`.
    #[must_use]
    pub fn function(mut self, name: &'static str, function: impl Function + 'static) -> Self {
        self.functions.insert(name, Box::new(function));
        self
    }
}
