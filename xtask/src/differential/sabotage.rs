//! Shows that the comparison finds differences: it must find those that are put in here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Options, Sides, build_here, build_zig};
use crate::{Result, root};

/// A place in the crate, and what is written there instead.
struct Mutant {
    what: &'static str,
    file: &'static str,
    /// Is in the file exactly once.
    original: &'static str,
    changed: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        what: "an arena's nodes are 8 bytes longer",
        file: "src/heap/arena.rs",
        original: "checked_add(NODE_SIZE + 16)",
        changed: "checked_add(NODE_SIZE + 24)",
    },
    Mutant {
        what: "a fixed buffer's last byte is never used",
        file: "src/heap/fixed_buffer.rs",
        original: "(end <= self.len).then_some(end)",
        changed: "(end < self.len).then_some(end)",
    },
    Mutant {
        what: "a lock refuses all resizes",
        file: "src/thread_safe.rs",
        original: "resize: thread_safe_resize,",
        changed: "resize: crate::vtable::no_resize,",
    },
    Mutant {
        what: "a shared arena's nodes have odd sizes",
        file: "src/heap/shared_arena.rs",
        original: "checked_add(wanted / 2)?.checked_next_multiple_of(2)?",
        changed: "checked_add(wanted / 2)? | 1",
    },
];

/// How many steps are left of a program that shows it, at most.
const FEW: usize = 4;

/// Builds each mutant and searches for a difference.
///
/// # Errors
/// If one is not found within half a minute, or its program does not shrink to a few steps.
pub(super) fn run(options: &Options) -> Result<()> {
    let zig = build_zig()?;
    for mutant in MUTANTS {
        let mut sides = Sides::new(&zig, build_here(&mutant.make()?)?);
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

impl Mutant {
    /// Makes a copy of the workspace with the change in it.
    fn make(&self) -> Result<PathBuf> {
        let copy = root().join("target/differential/mutant");
        for part in ["src", "xtask", "zig", "tests", "benches", "examples", "Cargo.toml", "Cargo.lock"] {
            copy_all(&root().join(part), &copy.join(part))?;
        }
        let text = read(&root().join(self.file))?;
        if text.matches(self.original).count() != 1 {
            return Err(format!(
                "differential: {:?} is not once in {}: the list of mutants in {} needs an update",
                self.original,
                self.file,
                file!()
            ));
        }
        write(&copy.join(self.file), &text.replace(self.original, self.changed))?;
        Ok(copy)
    }
}

/// Copies a file or a directory. Files that are the same already stay, with their times, so that cargo builds what
/// has changed.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return write(to, &read(from)?);
    }
    let failed = |error| format!("{}: {error}", from.display());
    for entry in fs::read_dir(from).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        copy_all(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let failed = |error| format!("{}: {error}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that a change of the crate that moves such a place is seen at once.
    #[test]
    fn every_place_is_there_once() {
        for mutant in MUTANTS {
            let text = read(&root().join(mutant.file)).unwrap();
            assert_eq!(text.matches(mutant.original).count(), 1, "{:?} in {}", mutant.original, mutant.file);
            assert_ne!(mutant.original, mutant.changed);
        }
    }
}
