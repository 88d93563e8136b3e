//! Wires the provider into the plugin server, and names the commands; nothing else.

use std::process::ExitCode;

use terraform_provider_nested::command::render;
use terraform_provider_nested::plugin::{self, Command, Registry};
use terraform_provider_nested::provider::Nested;

fn main() -> ExitCode {
    let commands = [Command { name: render::NAME, summary: render::SUMMARY, run: render::run }];
    plugin::main(&commands, || {
        let provider = Nested::default();
        let (cluster_group, virtual_cluster) = (provider.cluster_group(), provider.virtual_cluster());
        Registry::new(provider)
            .resource("nested_cluster_group", cluster_group)
            .resource("nested_virtual_cluster", virtual_cluster)
    })
}
