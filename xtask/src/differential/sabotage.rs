//! Shows that the comparison finds differences: it must find those that are put in here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Options, Sides, build_here, build_zig};
use crate::{Result, root};

/// A place in the crate, and what is written there instead.
struct Mutant {
    what: &'static str,
    /// How the paths of the files begin in which it may be, in src/.
    place: &'static str,
    /// Is there exactly once.
    original: &'static str,
    changed: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        what: "an arena's nodes are 8 bytes longer",
        place: "heap/arena",
        original: "checked_add(NODE_SIZE + 16)",
        changed: "checked_add(NODE_SIZE + 24)",
    },
    Mutant {
        what: "an arena that is reset does not look how much it had",
        place: "heap/arena",
        original: "limit.min(self.query_capacity())",
        changed: "limit",
    },
    Mutant {
        what: "a fixed buffer's last byte is never used",
        place: "heap/fixed_buffer",
        original: "(end <= self.len).then_some(end)",
        changed: "(end < self.len).then_some(end)",
    },
    Mutant {
        what: "a lock refuses all resizes",
        place: "thread_safe",
        original: "unsafe { this.child_allocator.raw_resize(memory, alignment, new_len, ret_addr) }",
        changed: "{ let _ = (this, memory, alignment, new_len, ret_addr); false }",
    },
    Mutant {
        what: "a pool that may not grow grows",
        place: "heap/memory_pool",
        original: "None if GROWABLE =>",
        changed: "None if GROWABLE || true =>",
    },
    Mutant {
        what: "a shared arena's nodes have odd sizes",
        place: "heap/shared_arena",
        original: "checked_add(wanted / 2)?.checked_next_multiple_of(2)?",
        changed: "checked_add(wanted / 2)? | 1",
    },
];

/// How many steps are left of a program that shows it, at most.
const FEW: usize = 6;

/// Builds each mutant and searches for a difference.
///
/// # Errors
/// If one is not found within half a minute, or its program does not shrink to a few steps.
pub(super) fn run(options: &Options) -> Result<()> {
    let zig = build_zig()?;
    for mutant in MUTANTS {
        let mut sides = Sides::new(&zig, build_here(&mutant.make()?, &directory().join("target"))?);
        let report = sides.search(options, Duration::from_secs(30))?;
        let Some(difference) = report.difference else {
            return Err(format!(
                "differential: {} programs do not show that {}, in a copy of the crate",
                report.programs, mutant.what
            ));
        };
        let steps = difference.program.steps.len();
        if steps > FEW {
            return Err(format!(
                "differential: more than {FEW} steps to show that {}:\n{}",
                mutant.what, difference.program
            ));
        }
        println!(
            "differential: that {}, in a copy of the crate, is seen by program {}, of {} steps; shrunk to {steps}",
            mutant.what,
            difference.seed - report.seeds.start + 1,
            difference.steps
        );
    }
    Ok(())
}

/// Where the copy of the workspace is.
fn directory() -> PathBuf {
    root().join("target/mutant")
}

impl Mutant {
    /// Makes a copy of the workspace with the change in it.
    fn make(&self) -> Result<PathBuf> {
        let copy = directory();
        // What is there from an older state of the crate could be in the way.
        let _ = fs::remove_dir_all(copy.join("src"));
        for part in ["src", "xtask", "zig", "tests", "benches", "examples", "Cargo.toml", "Cargo.lock"] {
            copy_all(&root().join(part), &copy.join(part))?;
        }
        let (file, text) = self.find()?;
        let mutated = copy.join("src").join(file);
        fs::write(&mutated, text.replace(self.original, self.changed))
            .map_err(|error| format!("{}: {error}", mutated.display()))?;
        Ok(copy)
    }

    /// The file that has the original, relative to src/, and its text.
    fn find(&self) -> Result<(PathBuf, String)> {
        let src = root().join("src");
        let mut found = Vec::new();
        for path in files(&src)? {
            let name = path.strip_prefix(&src).unwrap_or(&path).to_owned();
            if name.to_string_lossy().replace('\\', "/").starts_with(self.place) {
                let text = read(&path)?;
                let count = text.matches(self.original).count();
                found.extend(std::iter::repeat_n((name, text), count));
            }
        }
        match found.pop() {
            Some(only) if found.is_empty() => Ok(only),
            _ => Err(format!(
                "differential: {:?} is not once in src/{}*: the mutants in {} need an update",
                self.original,
                self.place,
                file!()
            )),
        }
    }
}

/// All files below a directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| format!("{}: {error}", dir.display());
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
    }
    Ok(all)
}

/// Copies a file or all files of a directory.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        return copy(from, to);
    }
    for path in files(from)? {
        copy(&path, &to.join(path.strip_prefix(from).unwrap_or(&path)))?;
    }
    Ok(())
}

/// Copies a file, unless it is the same already: then it keeps its time, and cargo has nothing to do.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let failed = |error| format!("{}: {error}", to.display());
    fs::create_dir_all(to.parent().unwrap_or(to)).map_err(failed)?;
    fs::write(to, content).map_err(failed)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that a change of the crate that moves such a place is seen at once.
    #[test]
    fn every_place_is_there_once() {
        for mutant in MUTANTS {
            assert!(mutant.find().is_ok(), "{}", mutant.find().unwrap_err());
            assert_ne!(mutant.original, mutant.changed);
        }
    }
}
