//! Builds Zig's allocators with the compiler that the variable `ZIG` names, and links them. Without it the program
//! compiles too, so that the checks of the workspace need no Zig, and says what to do.

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
    // Position-independent as Rust's programs are; the C library is linked by Rust.
    command.args(["build-lib", "-static", "-OReleaseFast", "-fPIC", "-lc", "-fno-compiler-rt"]);
    command.args(["--cache-dir", &out, "--global-cache-dir", &out, "allocators.zig"]);
    command.arg(format!("-femit-bin={}", library.display()));
    let status = command.status().unwrap_or_else(|error| panic!("ZIG={zig:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
    println!("cargo::rustc-link-arg-bins={}", library.display());
    println!("cargo::rustc-cfg=zig");
}
