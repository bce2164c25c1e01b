//! Links Zig's allocators, if `cargo xtask bench-zig` has built them. Without them the program compiles
//! too, so that the checks of the workspace need no Zig, and says what to do.

const LIBRARY: &str = "ZIGALLOC_ZIG_LIBRARY";

fn main() {
    println!("cargo::rerun-if-env-changed={LIBRARY}");
    println!("cargo::rustc-check-cfg=cfg(zig)");
    if let Ok(library) = std::env::var(LIBRARY) {
        println!("cargo::rerun-if-changed={library}");
        println!("cargo::rustc-link-arg-bins={library}");
        println!("cargo::rustc-cfg=zig");
    }
}
