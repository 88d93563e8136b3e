#![no_main]

use libfuzzer_sys::fuzz_target;
use terraform_plugin_fuzz::targets;

fuzz_target!(|data: &[u8]| targets::call(data));
