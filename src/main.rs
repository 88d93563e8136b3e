//! Wires the provider into the plugin server, and names the commands; nothing else.

use std::process::ExitCode;

use terraform_plugin::{Command, Registry};
use terraform_provider_nested::application;
use terraform_provider_nested::command::{capacity, render};
use terraform_provider_nested::provider::Nested;

const COMMANDS: &[Command] = &[
    Command { name: capacity::NAME, summary: capacity::SUMMARY, run: capacity::run },
    Command { name: render::NAME, summary: render::SUMMARY, run: render::run },
];

fn main() -> ExitCode {
    terraform_plugin::main(application::program(COMMANDS), || {
        let provider = Nested::default();
        let (cluster_group, virtual_cluster) = (provider.cluster_group(), provider.virtual_cluster());
        let (group_data, host_data) = (provider.cluster_group_data(), provider.host_cluster_data());
        let virtual_clusters_data = provider.virtual_clusters_data();
        Registry::new(provider)
            .resource("nested_cluster_group", cluster_group)
            .resource("nested_virtual_cluster", virtual_cluster)
            .data_source("nested_cluster_group", group_data)
            .data_source("nested_host_cluster", host_data)
            .data_source("nested_virtual_clusters", virtual_clusters_data)
    })
}
