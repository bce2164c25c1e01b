//! `cargo xtask differential --containers`: the same random programs on Zig's containers and on this crate's.
//!
//! For each step, each side prints what it returned, the container's contents and capacity, and the bytes allocated and
//! freed. All of it must be equal. A difference is reported with the seed of its program.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xtask_common::zig::{Compiler, PORTED};
use xtask_common::{Result, cargo_build, root};

/// The number of programs, from the first seed on.
const COUNT: u64 = 2200;

/// Runs the programs of the seeds from `seed` on.
pub(crate) fn compare(seed: u64) -> Result<()> {
    let programs = [build_zig()?, build_here()?];
    let [theirs, ours] = programs.map(|program| output(&program, seed));
    let (theirs, ours) = (theirs?, ours?);
    if let Some(difference) = first_difference(&theirs, &ours) {
        return Err(difference);
    }
    let started = theirs.lines().filter(|line| line.starts_with("program ")).count() as u64;
    if started != COUNT {
        return Err(format!("containers: {started} of {COUNT} programs ran"));
    }
    let lines = theirs.lines().count();
    println!(
        "containers: {COUNT} programs with {lines} lines: no difference (seeds {seed}..{})",
        seed + COUNT
    );
    Ok(())
}

fn build_zig() -> Result<PathBuf> {
    let name = format!("containers{}", std::env::consts::EXE_SUFFIX);
    let args = ["build-exe", "-OReleaseSafe", "-lc", "zig/differential/containers.zig"];
    Compiler::find(PORTED)?.build(&args, &name)
}

fn build_here() -> Result<PathBuf> {
    let checks = ["--release", "--config", "profile.release.debug-assertions=true"];
    let program =
        cargo_build(&root(), &root().join("target/differential"), "zigalloc-differential", &checks)?;
    Ok(program.with_file_name(format!("containers{}", std::env::consts::EXE_SUFFIX)))
}

fn output(program: &Path, seed: u64) -> Result<String> {
    let mut command = Command::new(program);
    command.args([seed.to_string(), COUNT.to_string()]).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{stderr}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{command:?}: {error}"))
}

/// The first line in which two outputs differ, with its program and the line before it.
fn first_difference(theirs: &str, ours: &str) -> Option<String> {
    let (mut theirs, mut ours) = (theirs.lines(), ours.lines());
    let (mut program, mut before) = ("", "");
    loop {
        let (their, our) = (theirs.next(), ours.next());
        if their != our {
            let [their, our] = [their, our].map(|line| line.unwrap_or("(nothing)"));
            return Some(format!("containers: {program}:\n after {before}\n Zig   {their}\n here  {our}"));
        }
        before = their?;
        if before.starts_with("program ") {
            program = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found() {
        assert_eq!(first_difference("program 1\na\n", "program 1\na\n"), None);
        let difference = first_difference("program 1\na\nb\n", "program 1\na\nc\n").unwrap();
        assert_eq!(difference, "containers: program 1:\n after a\n Zig   b\n here  c");
        assert!(first_difference("program 1\na\n", "program 1\n").unwrap().contains("here  (nothing)"));
    }
}
