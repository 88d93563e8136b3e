//! The Terraform plugin server: handshake, mutual TLS, protocol 6.
