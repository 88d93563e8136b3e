//! Compiles the protocol's client side.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../proto");
    let protos = ["../proto/tfplugin6.proto", "../proto/plugin.proto", "../proto/health.proto"];
    let client = tonic_prost_build::configure().build_transport(false).build_server(false).btree_map(".").bytes(".");
    Ok(client.compile_protos(&protos, &["../proto"])?)
}
