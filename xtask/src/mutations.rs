//! `cargo xtask mutations`: whether the random programs find what they are there to find.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::toolchain::cargo;
use crate::{Result, root};

pub(crate) const USAGE: &str = "\
mutations [--seconds N] [--seed N] [NAME…]
      Makes each mistake of tests/programs/mutations.txt in a copy of the sources, one at a time, and runs random
      programs until one fails. Without a mistake, none may. A mistake that cannot be made any more, or is
      not found, is a failure.
      --seconds  how long to look for each (60)
      --seed     of the first program (1)
      NAME       these only, such as F1 or S4; `none` is the one without a mistake";

const LIST: &str = "tests/programs/mutations.txt";

/// One replacement: whole lines without their indentation.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replacement {
    old: Vec<String>,
    new: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Mutation {
    title: String,
    /// The beginning of the path of the file: `src/heap/arena` is `arena.rs`, and what is in the folder.
    place: String,
    replacements: Vec<Replacement>,
}

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
    let text = read(&root().join(LIST))?;
    let list = parse(&text)?;
    let copy = root().join("target/mutations/source");
    copy_sources(&copy)?;
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
    for mutation in list.iter().filter(|mutation| is_wanted(&mutation.title)) {
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

/// Makes the mistake, and says how it was found.
fn look_for(mutation: &Mutation, copy: &Path, seconds: &str, seed: &str) -> Result<String> {
    let (path, original, mutated) = mutation.make(copy)?;
    write(&path, &mutated)?;
    let output = programs(copy, seconds, seed);
    write(&path, &original)?;
    let output = output?;
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
    let mut build = Command::new(cargo());
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

/// Copies what git knows, and what it would add. Files that are the same are left alone, so that cargo does not
/// compile them again.
fn copy_sources(copy: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let output = git.output().map_err(|error| format!("xtask mutations: git: {error}"))?;
    let names = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    // What is not there any more must not stay.
    let _ = fs::remove_dir_all(copy.join("src"));
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        let folder = to.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&to, bytes))
            .map_err(|error| format!("xtask mutations: {}: {error}", to.display()))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("xtask mutations: {}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| format!("xtask mutations: {}: {error}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Mutation>> {
    let mut list: Vec<Mutation> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad = || format!("{LIST}:{}: {line:?} is not expected here", number + 1);
        let Some((mark, rest)) = line.split_once(' ').filter(|(mark, _)| *mark != "#") else { continue };
        if mark == "==" {
            list.push(Mutation { title: rest.to_owned(), place: String::new(), replacements: Vec::new() });
            continue;
        }
        let mutation = list.last_mut().ok_or_else(bad)?;
        match (mark, mutation.replacements.last_mut()) {
            ("in", None) => mutation.place = rest.to_owned(),
            ("-", Some(last)) if last.new.is_empty() => last.old.push(rest.to_owned()),
            ("-", _) => {
                mutation.replacements.push(Replacement { old: vec![rest.to_owned()], new: Vec::new() });
            }
            ("+", Some(last)) => last.new.push(rest.to_owned()),
            _ => return Err(bad()),
        }
    }
    match list.iter().find(|mutation| mutation.place.is_empty() || mutation.replacements.is_empty()) {
        Some(mutation) => Err(format!("{LIST}: {:?} replaces nothing", mutation.title)),
        None => Ok(list),
    }
}

impl Mutation {
    /// The one file in which the mistake can be made: its path, and its text before and after.
    fn make(&self, root: &Path) -> Result<(PathBuf, String, String)> {
        let mut made = Vec::new();
        let mut reasons = Vec::new();
        let mut paths = vec![root.join("src")];
        while let Some(path) = paths.pop() {
            if let Ok(folder) = fs::read_dir(&path) {
                paths.extend(folder.flatten().map(|entry| entry.path()));
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if !name.starts_with(&self.place) {
                continue;
            }
            let text = read(&path)?;
            match self.apply(&text) {
                Ok(mutated) => made.push((path, text, mutated)),
                Err(why) => reasons.push(format!("{name}: {why}")),
            }
        }
        match made.len() {
            1 => Ok(made.remove(0)),
            0 => Err(format!("it cannot be made any more: {}", reasons.join("; "))),
            many => Err(format!("it can be made in {many} files")),
        }
    }

    fn apply(&self, text: &str) -> Result<String> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for Replacement { old, new } in &self.replacements {
            let is_here = |window: &[String]| window.iter().zip(old).all(|(line, old)| line.trim() == old);
            let places: Vec<usize> = lines
                .windows(old.len())
                .enumerate()
                .filter_map(|(place, window)| is_here(window).then_some(place))
                .collect();
            let &[place] = &places[..] else {
                return Err(format!("{:?} is there {} times", old.join("\n"), places.len()));
            };
            lines.splice(place..place + old.len(), new.iter().cloned());
        }
        Ok(lines.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every mistake of the list can be made.
    #[test]
    fn each_mutation_applies() {
        let list = parse(&read(&root().join(LIST)).unwrap()).unwrap();
        for mutation in &list {
            let made = mutation.make(&root());
            let (_, text, mutated) = made.unwrap_or_else(|why| panic!("{}: {why}", mutation.title));
            assert_ne!(mutated, text, "{}", mutation.title);
        }
    }

    /// The two that were there, and at least twenty of the classes.
    #[test]
    fn the_list_has_what_it_should() {
        let list = parse(&read(&root().join(LIST)).unwrap()).unwrap();
        let mut names: Vec<_> =
            list.iter().map(|mutation| mutation.title.split(' ').next().unwrap()).collect();
        names.dedup();
        assert!(names.contains(&"F1") && names.contains(&"F2"), "{names:?}");
        assert!(names.iter().filter(|name| name.starts_with('S')).count() >= 20, "{names:?}");
    }

    #[test]
    fn lines_are_replaced_once() {
        let list = parse("== X y\nin a\n- one\n- two\n+ three\n").unwrap();
        assert_eq!(list[0].apply("  one\n  two\nfour\n").unwrap(), "three\nfour\n");
        assert!(list[0].apply("one\n").unwrap_err().contains("0 times"));
        assert!(list[0].apply("one\ntwo\none\ntwo\n").unwrap_err().contains("2 times"));
        assert!(parse("- one\n").is_err());
    }
}
