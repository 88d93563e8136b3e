//! What the fuzzer does to the server. It ends at every panic, also at one that the server catches.

pub mod targets;
