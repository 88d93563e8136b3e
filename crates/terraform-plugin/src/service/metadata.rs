//! What the provider has: names, schemas and capabilities. Needs no configuration and no call of a resource.

use super::super::answer::Answer;
use super::super::diagnostics::{diagnostics, expect_result};
use super::super::registry::Registry;
use super::super::schemas::{function, is_empty, mark_write_only, schema};
use super::super::wire::tf6::{self, ServerCapabilities, get_functions, get_metadata, get_provider_schema};
use crate::vocabulary::Diagnostics;
use crate::vocabulary::schema::Schema;

const CAPABILITIES: ServerCapabilities = ServerCapabilities {
    plan_destroy: true,
    // Calls do not depend on the schema having been asked for, so Terraform may use the one it has in its cache.
    get_provider_schema_optional: true,
    move_resource_state: false,
    generate_resource_config: false,
};

pub fn metadata(registry: &Registry) -> get_metadata::Response {
    get_metadata::Response {
        server_capabilities: Some(CAPABILITIES),
        resources: names(&registry.resources, |type_name| get_metadata::ResourceMetadata { type_name }),
        data_sources: names(&registry.data_sources, |type_name| get_metadata::DataSourceMetadata { type_name }),
        functions: names(&registry.functions, |name| get_metadata::FunctionMetadata { name }),
        ..Default::default()
    }
}

pub fn schemas(registry: &Registry) -> get_provider_schema::Response {
    let mut diags = Diagnostics::default();
    let provider = required(&mut diags, |diags| registry.provider.schema(diags));
    let provider_meta = registry.provider.meta_schema(&mut diags).filter(|meta| !is_empty(meta));
    let resource_schemas = all(&registry.resources, |resource| {
        let mut schema = required(&mut diags, |diags| resource.schema(diags))?;
        resource.write_only().iter().for_each(|path| mark_write_only(&mut schema, path));
        Some(schema)
    });
    let data_source_schemas =
        all(&registry.data_sources, |data_source| required(&mut diags, |diags| data_source.schema(diags)));
    let functions = functions(registry);
    let mut response = get_provider_schema::Response {
        provider,
        provider_meta: provider_meta.as_ref().map(schema),
        resource_schemas,
        data_source_schemas,
        functions: functions.functions,
        server_capabilities: Some(CAPABILITIES),
        diagnostics: functions.diagnostics,
        ..Default::default()
    };
    response.add(diagnostics(diags));
    response
}

pub fn functions(registry: &Registry) -> get_functions::Response {
    let mut diags = Diagnostics::default();
    let functions = all(&registry.functions, |served| {
        let schema = served.schema(&mut diags);
        if schema.is_none() {
            expect_result(&mut diags);
        }
        schema.as_ref().map(function)
    });
    get_functions::Response { functions, diagnostics: diagnostics(diags) }
}

fn required(diags: &mut Diagnostics, ask: impl FnOnce(&mut Diagnostics) -> Option<Schema>) -> Option<tf6::Schema> {
    let answer = ask(diags);
    if answer.is_none() {
        expect_result(diags);
    }
    answer.as_ref().map(schema)
}

type ByName<T> = std::collections::BTreeMap<&'static str, T>;

fn names<T, N>(served: &ByName<T>, entry: impl Fn(String) -> N) -> Vec<N> {
    served.keys().map(|name| entry((*name).to_owned())).collect()
}

fn all<T, S>(served: &ByName<T>, mut convert: impl FnMut(&T) -> Option<S>) -> std::collections::BTreeMap<String, S> {
    served.iter().filter_map(|(name, one)| Some(((*name).to_owned(), convert(one)?))).collect()
}
