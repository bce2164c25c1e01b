//! `cargo xtask features`: the library with every feature alone, with none and with all of them, with the
//! oldest dependencies that the manifest allows, without an operating system, and as it would be published.

use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

use crate::Result;
use crate::steps::{Outcome, run as run_command};
use crate::toolchain::{self, NIGHTLY, cargo, features_of, manifest, stable_features};

pub(crate) const USAGE: &str = "\
features [--list]
      Compiles the library and its tests, and calls any warning an error: without features, with each one
      alone, with all that need no nightly compiler, and (the library) with the oldest versions of what it
      depends on.
      --list  the sets of features";

pub(crate) fn command(args: &[String]) -> Result<()> {
    match args {
        [] => match every_set().and(oldest_dependencies) {
            Outcome::Failed => Err("xtask features: something failed, see above".to_owned()),
            Outcome::Passed | Outcome::Skipped(_) => Ok(()),
        },
        [list] if list == "--list" => {
            sets()?.iter().for_each(|set| println!("{}", if set.is_empty() { "(none)" } else { set }));
            Ok(())
        }
        _ => Err(format!("xtask features: unknown options {args:?}\n\n{USAGE}")),
    }
}

/// The sets of features: none, each alone, all. What needs the nightly compiler is tested with that.
fn sets() -> Result<Vec<String>> {
    let mut sets = vec![String::new()];
    sets.extend(features_of(&manifest()?).filter(|name| *name != "default").map(str::to_owned));
    sets.push(stable_features());
    Ok(sets)
}

/// Clippy is the check that can call a warning of this package alone an error, without building the others
/// anew.
pub(crate) fn every_set() -> Outcome {
    if let Err(why) = toolchain::component("clippy", "clippy") {
        return skip(why);
    }
    let sets = match sets() {
        Ok(sets) => sets,
        Err(message) => return fail(message),
    };
    sets.iter().fold(Outcome::Passed, |outcome, set| {
        let args = ["clippy", "--quiet", "-p", "zigalloc", "--lib", "--tests", "--no-default-features"];
        let args = [&args[..], &["--features", set, "--", "-D", "warnings"]].concat();
        // Tests bring dependencies with features of their own, so the library is compiled without them too.
        let alone =
            ["check", "--quiet", "-p", "zigalloc", "--lib", "--no-default-features", "--features", set];
        outcome.and(|| run_command(cargo(), &args, &[])).and(|| run_command(cargo(), &alone, &[]))
    })
}

/// The library with the oldest versions that its manifest allows, in a copy whose lock file is another one.
/// What is needed for tests only is left out: nobody who uses the library gets that.
pub(crate) fn oldest_dependencies() -> Outcome {
    if let Err(why) = toolchain::toolchain(NIGHTLY) {
        return skip(format!("the oldest dependencies: {why}"));
    }
    let directory = crate::root().join("target").join("oldest");
    if let Err(message) = manifest().and_then(|manifest| copy_library(&directory, manifest)) {
        return fail(message);
    }
    let manifest = directory.join("Cargo.toml");
    let manifest = manifest.to_str().unwrap_or_default();
    let update = ["run", NIGHTLY, "cargo", "update", "-Z", "direct-minimal-versions"];
    let check = ["check", "--features", &stable_features(), "--manifest-path", manifest];
    run_command("rustup", &[&update[..], &["--quiet", "--manifest-path", manifest]].concat(), &[])
        .then(|| run_command(cargo(), &check, &[]))
}

/// Makes a package of the library's sources.
fn copy_library(directory: &Path, manifest: Table) -> Result<()> {
    let told = |error: std::io::Error| format!("{}: {error}", directory.display());
    let sources = directory.join("src");
    if sources.exists() {
        fs::remove_dir_all(&sources).map_err(told)?;
    }
    copy(&crate::root().join("src"), &sources).map_err(told)?;
    fs::write(directory.join("Cargo.toml"), library_alone(manifest).to_string()).map_err(told)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_file() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// The manifest without tests, benchmarks and examples, and as the root of a workspace of its own.
fn library_alone(mut manifest: Table) -> Table {
    for kind in ["dev-dependencies", "test", "bench", "example", "profile"] {
        manifest.remove(kind);
    }
    if let Some(Value::Table(targets)) = manifest.get_mut("target") {
        for (_, target) in targets.iter_mut() {
            target.as_table_mut().and_then(|target| target.remove("dev-dependencies"));
        }
    }
    if let Some(Value::Table(workspace)) = manifest.get_mut("workspace") {
        workspace.insert("members".to_owned(), Value::Array(vec![".".into()]));
    }
    manifest
}

/// What `cargo publish` would send, built from there. What is not committed is only packed where there is
/// something of the kind, so that a clean tree is held to be one.
pub(crate) fn package() -> Outcome {
    let status = Command::new("git").args(["status", "--porcelain"]).current_dir(crate::root()).output();
    let clean = status.is_ok_and(|output| output.status.success() && output.stdout.is_empty());
    let features = stable_features();
    let mut args = vec!["package", "--quiet", "-p", "zigalloc", "--features", &features];
    if !clean {
        args.push("--allow-dirty");
    }
    run_command(cargo(), &args, &[])
}

/// Processors without an operating system.
const BARE: [&str; 2] = ["thumbv7em-none-eabi", "wasm32v1-none"];

/// Those that bring `std`, directly or through another.
fn needs_std(manifest: &Table, feature: &str) -> bool {
    let parts = manifest.get("features").and_then(|features| features.get(feature)?.as_array());
    let mut parts = parts.into_iter().flatten().filter_map(Value::as_str);
    feature == "std" || parts.any(|part| part != feature && needs_std(manifest, part))
}

/// The library without features and with those that need no operating system; the example, there and here.
pub(crate) fn no_std() -> Outcome {
    let manifest = match manifest() {
        Ok(manifest) => manifest,
        Err(message) => return fail(message),
    };
    let features: Vec<&str> = features_of(&manifest).filter(|name| !needs_std(&manifest, name)).collect();
    let features = features.join(",");
    let here = run_command(cargo(), &["test", "--quiet", "-p", "firmware"], &[])
        .and(|| run_command(cargo(), &["run", "--quiet", "-p", "firmware"], &[]));
    BARE.iter().fold(here, |outcome, target| {
        outcome.and(|| {
            if let Err(why) = toolchain::target(target, true) {
                return skip(format!("{target}: {why}"));
            }
            let build = |args: &[&str]| {
                run_command(cargo(), &[&["build", "--quiet", "--target", target], args].concat(), &[])
            };
            build(&["-p", "zigalloc", "--no-default-features"])
                .and(|| build(&["-p", "zigalloc", "--no-default-features", "--features", &features]))
                .and(|| build(&["-p", "firmware"]))
        })
    })
}

fn skip(why: String) -> Outcome {
    println!("SKIPPED: {why}");
    Outcome::Skipped(why)
}

fn fail(message: String) -> Outcome {
    println!("{message}");
    Outcome::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_in_a_set_of_its_own() {
        let sets = sets().unwrap();
        assert!(sets.iter().any(String::is_empty));
        for name in
            ["std", "alloc", "allocator-api2", "allocator-api2-04", "backtrace", "capi", "lock_api", "log"]
        {
            assert!(sets.iter().any(|set| set == name), "{name}: {sets:?}");
        }
        assert!(sets.last().unwrap().split(',').any(|name| name == "std"), "{sets:?}");
        assert!(!sets.iter().any(|set| set.contains("nightly")), "{sets:?}");
    }

    #[test]
    fn what_needs_std_is_found_through_others() {
        let manifest: Table = "[features]\ndefault = ['std']\nstd = ['alloc']\nalloc = []\ncapi = ['std']\nx = ['capi']\nlog = ['dep:log']"
            .parse()
            .unwrap();
        let needs: Vec<_> = features_of(&manifest).filter(|name| needs_std(&manifest, name)).collect();
        assert_eq!(needs, ["capi", "default", "std", "x"]);
    }

    #[test]
    fn a_library_alone_has_its_dependencies_and_no_others() {
        let alone = library_alone(manifest().unwrap()).to_string();
        assert!(alone.contains("thiserror") && alone.contains("libc"), "{alone}");
        assert!(
            !alone.contains("rstest") && !alone.contains("mimalloc") && !alone.contains("xtask"),
            "{alone}"
        );
        alone.parse::<Table>().unwrap();
    }

    #[test]
    fn bad_options_are_told() {
        assert!(command(&["--fast".to_owned()]).unwrap_err().contains("--fast"));
    }
}
