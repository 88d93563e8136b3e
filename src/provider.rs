//! What users see: the provider block, resources, data sources, functions.
