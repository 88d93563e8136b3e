//! Wires the provider into the plugin server; nothing else.

fn main() {}
