#![no_main]

use libfuzzer_sys::fuzz_target;
use helm_charts_fuzz::{allow_panics_of_the_yaml_parser, targets};

fuzz_target!(init: allow_panics_of_the_yaml_parser(), |data: &[u8]| targets::values(data));
