//! `cargo xtask ghostty`: a terminal emulator written in Zig, on an allocator written in Rust.

use std::path::PathBuf;

use crate::Result;
use crate::steps::{Outcome, run as run_command};
use crate::toolchain::cargo;
use crate::wheel;

pub(crate) const USAGE: &str = "\
ghostty [--failures N] [--fetch]
      Fetches libghostty-vt (from the wheel of pyghostty) and runs the example `ghostty` with it: once,
      and once for each of the first N allocations with that one failing.
      --failures  how many; 1000 unless told
      --fetch     only prints the path of the library";

/// The version whose functions and structs the example knows.
const VERSION: &str = "0.1.3";

pub(crate) fn library() -> Result<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return Err("libghostty-vt is fetched for x86-64 Linux with glibc only".to_owned());
    }
    Ok(wheel::fetch("pyghostty", VERSION)?.join("pyghostty").join("_lib").join("libghostty-vt.so"))
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut failures = "1000".to_owned();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--fetch" => {
                println!("{}", library()?.display());
                return Ok(());
            }
            "--failures" => {
                let value = args.next().ok_or("xtask ghostty: --failures needs a number")?;
                value.parse::<usize>().map_err(|_| format!("xtask ghostty: {value:?} is not a number"))?;
                failures.clone_from(value);
            }
            _ => return Err(format!("xtask ghostty: unknown option {arg:?}\n\n{USAGE}")),
        }
    }
    match example(&library()?, &failures) {
        Outcome::Passed => Ok(()),
        _ => Err("xtask ghostty: the example failed, see above".to_owned()),
    }
}

/// A step of `xtask test`.
pub(crate) fn step() -> Outcome {
    match library() {
        Ok(library) => example(&library, "1000"),
        Err(message) => {
            println!("{message}");
            Outcome::Skipped("libghostty-vt cannot be had here, see above".to_owned())
        }
    }
}

fn example(library: &std::path::Path, failures: &str) -> Outcome {
    let library = library.to_string_lossy();
    let build = ["build", "--release", "-p", "zigalloc", "--example", "ghostty", "--features", "backtrace"];
    let program = crate::root().join("target/release/examples/ghostty");
    run_command(cargo(), &build, &[])
        .then(|| run_command(&program, &["--library", &library], &[]))
        .then(|| run_command(&program, &["--library", &library, "--failures", failures], &[]))
}
