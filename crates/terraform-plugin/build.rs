//! Compiles `proto/`: the server's side. The client's side is `client/`, which plays Terraform in the tests.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

const PROTOS: [&str; 3] = ["proto/tfplugin6.proto", "proto/plugin.proto", "proto/health.proto"];

/// Without this, a change of any file, a document or a test, compiles everything anew. What is not there (a published package has
/// no protoc) would do that, too.
const SOURCES: [&str; 5] = ["build.rs", "proto", "protoc/src", "protoc/Cargo.lock", "protoc/protoc"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for source in SOURCES.iter().filter(|source| std::path::Path::new(source).exists()) {
        println!("cargo:rerun-if-changed={source}");
    }
    // Maps in order of their keys, so that the same schema is always the same bytes. `Bytes`, so that a state that is
    // answered as it came is not copied. Calls that are not implemented answer with the status Unimplemented.
    let server = tonic_prost_build::configure().build_transport(false).btree_map(".").bytes(".");
    Ok(server.build_client(false).generate_default_stubs(true).compile_protos(&PROTOS, &["proto"])?)
}
