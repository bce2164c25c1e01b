//! `cargo xtask bench-zig`: our allocators beside Zig's, in one program.

use crate::Result;
use crate::steps::{Outcome, run as run_command};
use crate::toolchain::cargo;
use crate::wheel;

pub(crate) const USAGE: &str = "\
bench-zig [FILTER] [SAMPLES]
      Builds the allocators of Zig 0.15.2, ReleaseFast, behind the C form of their interface, links them and
      ours into one program, and measures both in turn. Prints medians, and the ratio ours / Zig's of
      each pair with its quartiles. Fails if a row is above its limit.
      FILTER   a part of the names of the rows
      SAMPLES  how many pairs; 51 unless told";

const ZIG: &str = "0.15.2";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let root = crate::root();
    let zig = wheel::program("ziglang", ZIG, &["ziglang", "zig"])?;
    let directory = root.join("target").join("bench-zig");
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let library = directory.join("libzig_allocators.a");
    let source = root.join("xtask/bench-zig/allocators.zig");
    let (cache, emit) = (directory.join("cache"), format!("-femit-bin={}", library.display()));
    let cache = cache.to_string_lossy();
    // Position-independent as Rust's programs are; the C library is linked by Rust.
    let build: &[&str] = &[
        "build-lib",
        "-static",
        "-OReleaseFast",
        "-fPIC",
        "-lc",
        "-fno-compiler-rt",
        "--cache-dir",
        &cache,
        "--global-cache-dir",
        &cache,
        &emit,
        &source.to_string_lossy(),
    ];
    let compile = ["build", "--release", "-p", "bench-zig"];
    let library = library.to_string_lossy();
    let program = root.join("target/release/bench-zig");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = run_command(&zig, build, &[])
        .then(|| run_command(cargo(), &compile, &[("ZIGALLOC_ZIG_LIBRARY", &library)]))
        .then(|| run_command(&program, &args, &[]));
    match outcome {
        Outcome::Passed => Ok(()),
        _ => Err("xtask bench-zig: a row is above its limit, or a command failed; see above".to_owned()),
    }
}
