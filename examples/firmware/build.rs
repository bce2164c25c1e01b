//! Tells the linker where a Cortex-M's memory is. Does nothing for other targets.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=memory.x");
    let cfg = |name: &str| env::var(name).unwrap_or_default();
    if (cfg("CARGO_CFG_TARGET_ARCH"), cfg("CARGO_CFG_TARGET_OS")) != ("arm".to_owned(), "none".to_owned()) {
        return Ok(());
    }
    // The linker script `link.x` of `cortex-m-rt` includes `memory.x`; the linker searches this directory for it.
    let directory = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let directory = Path::new(&directory);
    fs::copy("memory.x", directory.join("memory.x"))?;
    println!("cargo::rustc-link-search={}", directory.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // Do not align sections to pages: the chip has none.
    println!("cargo::rustc-link-arg-bins=--nmagic");
    Ok(())
}
