//! Tells the linker where a Cortex-M's memory is. Other targets have no need of it.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=memory.x");
    let cfg = |name: &str| env::var(name).unwrap_or_default();
    if (cfg("CARGO_CFG_TARGET_ARCH"), cfg("CARGO_CFG_TARGET_OS")) != ("arm".to_owned(), "none".to_owned()) {
        return Ok(());
    }
    // The script `link.x` of `cortex-m-rt` includes `memory.x`, which the linker looks for in this directory.
    let directory = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let directory = Path::new(&directory);
    fs::copy("memory.x", directory.join("memory.x"))?;
    println!("cargo::rustc-link-search={}", directory.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // Sections begin where the script says, not at the next page: there are no pages.
    println!("cargo::rustc-link-arg-bins=--nmagic");
    Ok(())
}
