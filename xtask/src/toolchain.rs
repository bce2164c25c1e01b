//! Finds the tools that a step needs, and installs them where that is possible.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use toml::Table;

use crate::Result;

/// Those whose code Miri looks at, beside the default ones. The adapters for 0.4 and for nightly are that for 0.2 with
/// another trait, and Miri's programs have no symbols.
pub(crate) const MIRI_FEATURES: &str = "capi,lock_api,log";

/// The toolchain that Miri runs on.
pub(crate) const NIGHTLY: &str = "nightly";

/// The cargo that runs this program.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Makes a component of the current toolchain available, such as `clippy`; `probe` is the cargo
/// command that it brings.
pub(crate) fn component(component: &str, probe: &str) -> Result<()> {
    if succeeds(&cargo(), &[probe, "--version"]) {
        return Ok(());
    }
    install(&["component", "add", component])
}

/// Makes a whole toolchain available: only the compiler, the library and cargo.
pub(crate) fn toolchain(name: &str) -> Result<()> {
    if succeeds("rustup", &["run", name, "cargo", "--version"]) {
        return Ok(());
    }
    install(&["toolchain", "install", name, "--profile", "minimal", "--no-self-update"])
}

/// Makes the standard library for another target available; only looks for it unless it `may_install`.
pub(crate) fn target(name: &str, may_install: bool) -> Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let installed = installed.map_err(|_| "no rustup here")?;
    if String::from_utf8_lossy(&installed.stdout).lines().any(|line| line == name) {
        return Ok(());
    }
    if may_install {
        install(&["target", "add", name])
    } else {
        Err(format!("no standard library for {name}"))
    }
}

/// Makes the nightly compiler's standard library for another target available.
pub(crate) fn nightly_target(name: &str) -> Result<()> {
    install(&["target", "add", name, "--toolchain", NIGHTLY])
}

/// The targets that docs.rs makes the documentation for, from the manifest.
pub(crate) fn documented_targets() -> Result<Vec<String>> {
    let manifest = manifest()?;
    let docs_rs = manifest.get("package").and_then(|package| package.get("metadata")?.get("docs")?.get("rs"));
    let targets = docs_rs.and_then(|docs_rs| docs_rs.get("targets")?.as_array());
    let targets = targets.ok_or("Cargo.toml: no package.metadata.docs.rs.targets")?;
    Ok(targets.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
}

/// Makes Miri available, once for all steps of this process that need it.
pub(crate) fn miri() -> Result<()> {
    static MIRI: OnceLock<Result<()>> = OnceLock::new();
    MIRI.get_or_init(|| {
        toolchain(NIGHTLY)?;
        // It builds a library of its own from rust-src, the first time.
        let setup = ["run", NIGHTLY, "cargo", "miri", "setup"];
        if succeeds("rustup", &setup) {
            return Ok(());
        }
        install(&["component", "add", "miri", "rust-src", "--toolchain", NIGHTLY])?;
        if succeeds("rustup", &setup) { Ok(()) } else { Err(by_hand("rustup", &setup)) }
    })
    .clone()
}

/// Makes cargo-fuzz available, for the nightly compiler.
pub(crate) fn cargo_fuzz() -> Result<()> {
    toolchain(NIGHTLY)?;
    let version = ["run", NIGHTLY, "cargo", "fuzz", "--version"];
    if succeeds("rustup", &version) {
        return Ok(());
    }
    let install = ["install", "--locked", "cargo-fuzz"];
    if succeeds(&cargo(), &install) && succeeds("rustup", &version) {
        return Ok(());
    }
    Err(by_hand(&cargo(), &install))
}

/// Makes Valgrind available, where the system's packages are Debian's and this user may install them.
pub(crate) fn valgrind() -> Result<()> {
    if succeeds("valgrind", &["--version"]) {
        return Ok(());
    }
    let id = Command::new("id").arg("-u").output().map(|output| output.stdout);
    if !id.is_ok_and(|id| id.trim_ascii() == b"0") {
        return Err("it is not here, and only root can install it".to_owned());
    }
    let install = ["install", "--yes", "--no-install-recommends", "valgrind"];
    println!("$ apt-get {}", install.join(" "));
    // The lists of packages may be missing or old.
    if succeeds("apt-get", &install) || succeeds("apt-get", &["update"]) && succeeds("apt-get", &install) {
        return Ok(());
    }
    Err(by_hand("apt-get", &install))
}

/// The manifest of the library and its workspace.
pub(crate) fn manifest() -> Result<Table> {
    let text = std::fs::read_to_string(crate::root().join("Cargo.toml"))
        .map_err(|error| format!("Cargo.toml: {error}"))?;
    text.parse().map_err(|error| format!("Cargo.toml: {error}"))
}

/// The version of Rust that the crate promises to compile with, from its manifest.
pub(crate) fn minimum_rust() -> Result<String> {
    let manifest = manifest()?;
    let version = manifest.get("workspace").and_then(|table| table.get("package")?.get("rust-version"));
    let version =
        version.and_then(toml::Value::as_str).ok_or("Cargo.toml: no workspace.package.rust-version")?;
    Ok(version.to_owned())
}

/// The features that every toolchain can build: all but `nightly`.
pub(crate) fn features_of(manifest: &Table) -> impl Iterator<Item = &str> {
    let features = manifest.get("features").and_then(toml::Value::as_table);
    features.into_iter().flat_map(Table::keys).map(String::as_str).filter(|name| *name != "nightly")
}

/// The same in the form that `--features` takes. Since `nightly` needs that compiler, Cargo's own
/// `--all-features` is of no use.
pub(crate) fn stable_features() -> String {
    features_of(&manifest().unwrap_or_default()).collect::<Vec<_>>().join(",")
}

fn install(args: &[&str]) -> Result<()> {
    println!("$ rustup {}", args.join(" "));
    let status = Command::new("rustup").args(args).stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(by_hand("rustup", args)),
        Err(_) => Err(format!("no rustup here; {}", by_hand("rustup", args))),
    }
}

fn by_hand(program: &str, args: &[&str]) -> String {
    format!("`{program} {}` did not work; run it by hand to see why", args.join(" "))
}

pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program)
        .args(args)
        .current_dir(crate::root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_is_read_from_the_manifest() {
        let version = minimum_rust().unwrap();
        assert_eq!(version.split('.').next(), Some("1"));
        assert!(version.split('.').skip(1).all(|part| part.parse::<u32>().is_ok()), "{version}");
    }

    #[test]
    fn features_are_read_from_the_manifest() {
        let features = stable_features();
        let features: Vec<_> = features.split(',').collect();
        assert!(
            ["default", "std", "allocator-api2", "allocator-api2-04"]
                .iter()
                .all(|name| features.contains(name))
        );
        assert!(!features.contains(&"nightly"), "{features:?}");
    }

    #[test]
    fn what_is_missing_is_told_with_the_command() {
        assert!(succeeds(&cargo(), &["--version"]));
        assert!(!succeeds("/no/such/program", &[]));
        assert!(by_hand("rustup", &["component", "add", "miri"]).contains("`rustup component add miri`"));
    }
}
