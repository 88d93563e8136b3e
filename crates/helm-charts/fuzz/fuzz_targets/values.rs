#![no_main]

use helm_charts_fuzz::{allow_panics_of_the_yaml_parser, targets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: allow_panics_of_the_yaml_parser(), |data: &[u8]| targets::values(data));
