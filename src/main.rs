//! Wires the provider into the plugin server; nothing else.

use std::process::ExitCode;

use terraform_provider_nested::plugin::{self, Registry};
use terraform_provider_nested::provider::Nested;

fn main() -> ExitCode {
    plugin::main(|| {
        let provider = Nested::default();
        let virtual_cluster = provider.virtual_cluster();
        Registry::new(provider).resource("nested_virtual_cluster", virtual_cluster)
    })
}
