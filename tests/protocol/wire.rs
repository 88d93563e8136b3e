//! The client's side of the protocol, generated for the tests by `build.rs`.

#![allow(missing_docs, dead_code, clippy::all, reason = "generated code")]

/// Terraform's provider protocol.
pub mod tf6 {
    include!(concat!(env!("OUT_DIR"), "/client/tfplugin6.rs"));
}

/// go-plugin's own services.
pub mod go_plugin {
    include!(concat!(env!("OUT_DIR"), "/client/plugin.rs"));
}

/// gRPC's health service.
pub mod health {
    include!(concat!(env!("OUT_DIR"), "/client/grpc.health.v1.rs"));
}
