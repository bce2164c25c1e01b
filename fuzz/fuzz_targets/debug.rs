//! Runs programs whose topmost allocator is a debug allocator, and that misuse it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zigalloc_programs::program::{DebugOptions, Layer, MAX_LAYERS};
use zigalloc_programs::{Program, run};

#[path = "../options.rs"]
mod options;

fuzz_target!(|input: (DebugOptions, Program)| {
    let (options, mut program) = input;
    program.layers.truncate(MAX_LAYERS - 1);
    program.layers.push(Layer::Debug(options));
    if let Err(why) = run(&program) {
        panic!("{why}");
    }
});
