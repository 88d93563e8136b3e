//! Wires the provider into the plugin server; nothing else.

use std::process::ExitCode;

use terraform_provider_nested::plugin;
use terraform_provider_nested::terraform::{Diagnostics, Provider, async_trait, schema, value};

struct Nested;

#[async_trait]
impl Provider for Nested {
    type Config<'a> = value::StructEmpty;
    type MetaState<'a> = ();

    fn schema(&self, _: &mut Diagnostics) -> Option<schema::Schema> {
        Some(schema::Schema { version: 0, block: schema::Block::default() })
    }
}

fn main() -> ExitCode {
    plugin::main(|| plugin::Registry::new(Nested))
}
