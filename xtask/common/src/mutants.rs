//! Known mistakes, made one at a time in a copy of the sources, to see whether something finds them.
//!
//! A list is a text: `== TITLE`, then `in` with the beginning of the path (`src/heap/arena` is `arena.rs`, and what is
//! in the folder), then what to replace (`-`) and by what (`+`): whole lines without their indentation, which must be
//! in one of these files, once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, root};

/// One replacement: whole lines without their indentation.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replacement {
    old: Vec<String>,
    new: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Mutation {
    pub title: String,
    place: String,
    replacements: Vec<Replacement>,
}

/// The mistakes of a list, a file of the repository.
///
/// # Errors
/// If it cannot be read, or is not a list.
pub fn list(path: &str) -> Result<Vec<Mutation>> {
    parse(&read(&root().join(path))?).map_err(|error| format!("{path}:{error}"))
}

/// A copy of the sources: what git knows, and what it would add. Files that are the same are left alone, so that cargo
/// does not compile them again.
///
/// # Errors
/// If git or the system fails.
pub fn copy_sources() -> Result<PathBuf> {
    let copy = root().join("target/mutations/source");
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    let names = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    // What is not there any more must not stay.
    let _ = fs::remove_dir_all(copy.join("src"));
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(bytes) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(&to))
            .and_then(|()| fs::write(&to, bytes))
            .map_err(|error| format!("{}: {error}", to.display()))?;
    }
    Ok(copy)
}

impl Mutation {
    /// Makes the mistake in the copy for as long as `run` runs.
    ///
    /// # Errors
    /// If it cannot be made; and those of `run`.
    pub fn during<R>(&self, copy: &Path, run: impl FnOnce() -> Result<R>) -> Result<R> {
        let (path, original, mutated) = self.make(copy)?;
        let write = |text| fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()));
        write(&mutated)?;
        let result = run();
        write(&original)?;
        result
    }

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

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Mutation>> {
    let mut list: Vec<Mutation> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad = || format!("{}: {line:?} is not expected here", number + 1);
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
        Some(mutation) => Err(format!(" {:?} replaces nothing", mutation.title)),
        None => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every mistake of the lists can be made, so that a change of the crate that moves such a place is seen at once.
    #[test]
    fn each_mutation_applies() {
        for path in ["tests/programs/mutations.txt", "zig/differential/mutations.txt"] {
            for mutation in list(path).unwrap() {
                let made = mutation.make(&root());
                let (_, text, mutated) = made.unwrap_or_else(|why| panic!("{}: {why}", mutation.title));
                assert_ne!(mutated, text, "{}", mutation.title);
            }
        }
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
