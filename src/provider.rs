//! What users see: the provider block, resources, data sources, functions.

pub mod configuration;
pub mod diagnostics;
