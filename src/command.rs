//! What a user can run by hand, beside Terraform: one file per command.
//!
//! Owns: their flags, what they print, and how they end. Knows charts and the terminal; never a plugin, a provider or a
//! cluster.

pub mod render;
