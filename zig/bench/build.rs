//! Builds Zig's allocators with the compiler named by the variable `ZIG`, and links them. Without it, the program still
//! compiles, so that the workspace can be checked without Zig, and prints what to do.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(zig)");
    println!("cargo::rerun-if-env-changed=ZIG");
    println!("cargo::rerun-if-changed=allocators.zig");
    let Some(zig) = std::env::var_os("ZIG") else { return };
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    let library = Path::new(&out).join("libzig_allocators.a");
    let mut command = Command::new(&zig);
    // Position-independent, like Rust's programs. Rust links the C library.
    command.args(["build-lib", "-static", "-OReleaseFast", "-fPIC", "-lc", "-fno-compiler-rt"]);
    command.args(["--cache-dir", &out, "--global-cache-dir", &out, "allocators.zig"]);
    command.arg(format!("-femit-bin={}", library.display()));
    let status = command.status().unwrap_or_else(|error| panic!("ZIG={zig:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
    println!("cargo::rustc-link-arg-bins={}", library.display());
    println!("cargo::rustc-cfg=zig");
}
