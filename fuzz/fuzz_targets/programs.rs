//! Runs arbitrary programs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zigalloc_programs::{Program, run};

#[path = "../options.rs"]
mod options;

fuzz_target!(|program: Program| {
    if let Err(why) = run(&program) {
        panic!("{why}");
    }
});
