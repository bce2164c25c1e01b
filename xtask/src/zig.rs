//! `cargo xtask zig`: the Zig compilers that the crate is compared with, and the tests of the Zig package.
//!
//! PyPI has them, under the name `ziglang`, so Python is all that it takes. What a compiler builds is in
//! `target/zig/<version>/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, root, wheel};

pub(crate) const USAGE: &str = "\
zig [--fetch] [--test]
      Lists the Zig compilers that the crate is compared with.
      --fetch  downloads those that are missing, as the wheels `ziglang` of PyPI; needs Python 3 with pip
      --test   runs the tests of the Zig package with each";

/// The releases whose vtable is the crate's, oldest first.
pub(crate) const VERSIONS: [&str; 4] = ["0.14.1", "0.15.2", "0.16.0", "0.17.1"];

/// The release that the crate ports.
pub(crate) const PORTED: &str = "0.15.2";

/// The release that the lock-free allocators are compared with.
pub(crate) const NEWEST: &str = "0.17.1";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut fetch, mut test) = (false, false);
    for arg in args {
        match arg.as_str() {
            "--fetch" => fetch = true,
            "--test" => test = true,
            _ => return Err(format!("xtask zig: unknown option {arg:?}\n\n{USAGE}")),
        }
    }
    for version in VERSIONS {
        match if fetch || test { compiler(version) } else { cached(version) } {
            Ok(compiler) => println!("{version}  {}", compiler.program.display()),
            Err(why) if fetch || test => return Err(why),
            Err(why) => println!("{version}  {why}"),
        }
    }
    if test { test_package() } else { Ok(()) }
}

/// The tests of the package in `zig/`, with every release.
pub(crate) fn test_package() -> Result<()> {
    for version in VERSIONS {
        let mut command = compiler(version)?.command();
        command.args(["build", "test", "--summary", "all"]).current_dir(root().join("zig"));
        println!("$ zig build test  ({version})");
        let status = command.status().map_err(|error| format!("zig {version}: {error}"))?;
        if !status.success() {
            return Err(format!("zig {version} build test: {status}"));
        }
    }
    Ok(())
}

/// A Zig compiler that works.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    pub(crate) version: &'static str,
    program: PathBuf,
    dir: PathBuf,
}

impl Compiler {
    /// The program, which keeps its caches beside itself.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("ZIG_GLOBAL_CACHE_DIR", self.dir.join("cache"));
        command.env("ZIG_LOCAL_CACHE_DIR", self.dir.join("cache"));
        command.current_dir(root()).stdin(Stdio::null());
        command
    }

    /// Builds a program or a library with the compiler's arguments `args`, unless it is there and newer than all of
    /// `sources`, paths in the repository. Returns where it is.
    pub(crate) fn build(&self, args: &[&str], name: &str, sources: &[&str]) -> Result<PathBuf> {
        let dir = self.dir.join("out");
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let result = dir.join(name);
        if is_newer(&result, sources) {
            return Ok(result);
        }
        let emit = format!("-femit-bin={}", result.display());
        let mut command = self.command();
        command.args(args).arg(emit);
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        if output.status.success() {
            return Ok(result);
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        Err(format!("zig {}: {command:?}: {}\n{messages}", self.version, output.status))
    }
}

/// Whether a file is newer than those that it is made from, paths in the repository.
fn is_newer(file: &Path, sources: &[&str]) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(built) = time(file) else { return false };
    sources.iter().all(|source| time(&root().join(source)).is_ok_and(|time| time < built))
}

/// The compiler of a release, if it has been fetched.
fn cached(version: &'static str) -> Result<Compiler> {
    if !wheel::directory("ziglang", version).is_dir() {
        return Err("not here; `cargo xtask zig --fetch` downloads it".to_owned());
    }
    compiler(version)
}

/// The compiler of a release; downloads it if need be.
///
/// # Errors
/// If it is not there and cannot be had, or does not run. The text says what to do.
pub(crate) fn compiler(version: &'static str) -> Result<Compiler> {
    let program = wheel::program("ziglang", version, &["ziglang", "zig"])?;
    answers(&program, version)?;
    let dir = root().join("target/zig").join(version);
    Ok(Compiler { version, program, dir })
}

/// Whether the program runs and is of this release.
fn answers(program: &Path, version: &str) -> Result<()> {
    let output = Command::new(program).arg("version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && answer.trim() == version {
        return Ok(());
    }
    Err(format!("{} version: {}, {:?}", program.display(), output.status, answer.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_options_are_told() {
        assert!(run(&["--get".to_owned()]).unwrap_err().contains("unknown option \"--get\""));
    }

    #[test]
    fn what_does_not_answer_as_a_compiler_is_none() {
        assert!(answers(Path::new("/no/such/program"), PORTED).is_err());
        // Some program that runs and says something else.
        let cargo = crate::toolchain::cargo();
        assert!(answers(Path::new(&cargo), PORTED).unwrap_err().contains("version"));
    }

    #[test]
    fn what_is_older_than_its_source_is_built_again() {
        let program = std::env::current_exe().unwrap();
        assert!(is_newer(&program, &["xtask/src/zig.rs"]));
        assert!(!is_newer(&root().join("Cargo.toml"), &[&program.to_string_lossy()]));
        assert!(!is_newer(Path::new("/no/such/file"), &[]) && !is_newer(&program, &["no/such/file"]));
    }

    #[test]
    fn the_named_releases_are_in_the_list() {
        assert!(VERSIONS.contains(&PORTED) && VERSIONS.last() == Some(&NEWEST));
    }
}
