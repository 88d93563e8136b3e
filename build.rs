//! Compiles `proto/`: the server's side for the plugin, the client's side for the tests, which play Terraform.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to Cargo")]

use std::error::Error;
use std::path::PathBuf;

const PROTOS: [&str; 3] = ["proto/tfplugin6.proto", "proto/plugin.proto", "proto/health.proto"];

/// Without this, a change of any file, a document or a test, compiles everything anew.
const SOURCES: [&str; 5] = ["build.rs", "proto", "build/protoc/src", "build/protoc/Cargo.lock", "build/protoc/protoc"];

fn main() -> Result<(), Box<dyn Error>> {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let client_directory = PathBuf::from(std::env::var("OUT_DIR")?).join("client");
    std::fs::create_dir_all(&client_directory)?;
    // Maps in order of their keys, so that the same schema is always the same bytes. `Bytes`, so that a state that is
    // answered as it came is not copied. Calls that are not implemented answer with the status Unimplemented.
    let both = || tonic_prost_build::configure().build_transport(false).btree_map(".").bytes(".");
    both().build_client(false).generate_default_stubs(true).compile_protos(&PROTOS, &["proto"])?;
    both().build_server(false).out_dir(client_directory).compile_protos(&PROTOS, &["proto"])?;
    Ok(())
}
