//! The protocol's generated messages and service traits. See `build.rs`.

#![allow(missing_docs, dead_code, reason = "generated code: the whole protocol, of which we serve a part")]

/// Terraform's provider protocol.
pub mod tf6 {
    tonic::include_proto!("tfplugin6");
}

/// go-plugin's own services.
pub mod go_plugin {
    tonic::include_proto!("plugin");
}

/// gRPC's health service.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}
