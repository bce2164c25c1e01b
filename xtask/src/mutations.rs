//! `cargo xtask mutations`: checks that the random programs find known mistakes.

use std::path::Path;
use std::process::{Command, Output};

use xtask_common::mutants::{Mutation, copy_sources, list};
use xtask_common::{Result, root};

pub(crate) const USAGE: &str = "\
mutations [--seconds N] [--seed N] [NAME…]
      Makes each mistake of tests/programs/mutations.txt in a copy of the sources, one at a time, and runs random
      programs until one fails. Without a mistake, none may. A mistake that cannot be made any more, or is
      not found, is a failure.
      --seconds  how long to look for each (60)
      --seed     of the first program (1)
      NAME       these only, such as F1 or S4; `none` is the one without a mistake";

const LIST: &str = "tests/programs/mutations.txt";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut seconds, mut seed, mut names) = ("60".to_owned(), "1".to_owned(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().cloned().ok_or(format!("xtask mutations: {arg} needs a number"));
        match arg.as_str() {
            "--seconds" => seconds = value()?,
            "--seed" => seed = value()?,
            name => names.push(name.to_owned()),
        }
    }
    let copy = copy_sources()?;
    let is_wanted = |title: &str| {
        names.is_empty() || names.iter().any(|name| title.split(' ').next() == Some(name.as_str()))
    };
    let mut failures = Vec::new();
    if is_wanted("none") {
        let output = programs(&copy, &seconds, &seed)?;
        let said = last_line(&output);
        println!("{:<4} {said}", "none");
        if !output.status.success() {
            failures.push("none: programs fail without a mistake".to_owned());
        }
    }
    for mutation in list(LIST)?.iter().filter(|mutation| is_wanted(&mutation.title)) {
        match look_for(mutation, &copy, &seconds, &seed) {
            Ok(found) => println!("{}\n     {found}", mutation.title),
            Err(why) => {
                println!("{}\n     FAILED: {why}", mutation.title);
                failures.push(format!("{}: {why}", mutation.title));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("xtask mutations:\n{}", failures.join("\n"))) }
}

/// Makes the mistake, and returns how it was found.
fn look_for(mutation: &Mutation, copy: &Path, seconds: &str, seed: &str) -> Result<String> {
    let output = mutation.during(copy, || programs(copy, seconds, seed))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Err(format!("not found: {}", last_line(&output)));
    }
    let mut found = said.lines().skip_while(|line| !line.starts_with("programs: found after"));
    let first = found.next().ok_or(format!("it could not be run:\n{said}"))?;
    let why = found.find(|line| !line.trim().is_empty()).unwrap_or("nothing is said");
    let why: String = why.chars().take(200).collect();
    Ok(format!("{first}\n     {why}"))
}

/// Compiles the copy and runs programs until one fails.
fn programs(copy: &Path, seconds: &str, seed: &str) -> Result<Output> {
    let target = root().join("target/mutations/target");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // A mistake often leaves something unused.
    build.args(["rustc", "--quiet", "-p", "zigalloc-programs", "--bin", "programs", "--target-dir"]);
    build.arg(&target).current_dir(copy).env("CARGO_PROFILE_DEV_DEBUG", "false");
    let output = build.env("RUSTFLAGS", "--cap-lints=allow").output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("it does not compile:\n{said}"));
    }
    let mut run = Command::new(target.join("debug/programs"));
    run.args(["--seconds", seconds, "--seed", seed]);
    run.output().map_err(|error| error.to_string())
}

fn last_line(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().lines().last().map(str::to_owned);
    text(&output.stdout).or(text(&output.stderr)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two that were there, and at least twenty of the classes.
    #[test]
    fn the_list_has_what_it_should() {
        let list = list(LIST).unwrap();
        let mut names: Vec<_> =
            list.iter().map(|mutation| mutation.title.split(' ').next().unwrap()).collect();
        names.dedup();
        assert!(names.contains(&"F1") && names.contains(&"F2"), "{names:?}");
        assert!(names.iter().filter(|name| name.starts_with('S')).count() >= 20, "{names:?}");
    }
}
