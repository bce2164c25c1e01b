//! `cargo xtask differential`: runs the same programs on Zig's allocators and on this crate's.
//!
//! Each side is a process that reads programs and prints, for each step, the resulting offset, flag or null, the
//! arena's capacity or the buffer's end, and every call that an arena made to its child. The output of both sides must
//! be equal. A program that shows a difference is shrunk, and printed with its seed.
//!
//! `--sabotage` tests this program itself: it must detect copies of the crate with one planted bug each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use xtask_common::zig::{Compiler, NEWEST, PORTED};
use xtask_common::{Result, cargo_build, root};

mod containers;
mod program;
mod sabotage;
mod side;

use program::{Program, SUBJECTS, programs};
use side::Side;

const USAGE: &str = "\
usage: cargo xtask differential [--seconds N] [--seed S] [--steps K] [--sabotage | --containers]
Runs random programs on Zig's allocators and on this crate's, and compares every result: fixed buffers, arenas
and locks with Zig 0.15.2's, the lock-free ones with Zig 0.17.1's. A difference is shrunk and printed.
  --seconds   how long to run (default: 60)
  --seed      the seed of the first program; each further program uses the next (default: from the clock)
  --steps     the maximum number of steps in a program (default: 60)
  --sabotage  instead, checks that planted bugs are found, in copies of the crate with one bug each
  --containers  instead, compares lists, maps, priority queues and MultiArrayList (takes --seed; default: 0)";

/// The number of programs that are run at once.
const BATCH: u64 = 500;

/// The number of differing programs to shrink; the shortest is reported.
const CANDIDATES: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    seconds: u64,
    seed: Option<u64>,
    steps: usize,
    sabotage: bool,
    containers: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options> {
        let mut options = Options { seconds: 60, seed: None, steps: 60, sabotage: false, containers: false };
        while let Some(arg) = args.next() {
            let mut number = || {
                let value = args.next().ok_or_else(|| format!("differential: {arg} needs a number"))?;
                value.parse::<u64>().map_err(|_| format!("differential: {arg} {value:?}: not a number"))
            };
            match arg.as_str() {
                "--seconds" => options.seconds = number()?,
                "--seed" => options.seed = Some(number()?),
                "--steps" => options.steps = number()? as usize,
                "--sabotage" => options.sabotage = true,
                "--containers" => options.containers = true,
                _ => return Err(format!("differential: unknown option {arg:?}\n{USAGE}")),
            }
        }
        Ok(options)
    }

    fn first_seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_secs() * 1_000_000 // so that different runs have different programs
        })
    }
}

fn main() -> std::process::ExitCode {
    let done = Options::parse(std::env::args().skip(1)).and_then(|options| match options {
        Options { sabotage: true, .. } => sabotage::run(&options),
        Options { containers: true, seed, .. } => containers::compare(seed.unwrap_or(0)),
        _ => compare(&options),
    });
    done.map_or_else(
        |message| {
            println!("{message}");
            std::process::ExitCode::FAILURE
        },
        |()| std::process::ExitCode::SUCCESS,
    )
}

fn compare(options: &Options) -> Result<()> {
    let here = build_here(&root(), &root().join("target/differential"))?;
    let found = Sides::new(here, &build_zig()?).search(options, Duration::from_secs(options.seconds))?;
    if let Some(difference) = found.difference {
        return Err(difference.explain(options.steps));
    }
    let (programs, subjects) = (found.programs, SUBJECTS.len());
    println!(
        "differential: {programs} programs with {} steps on {subjects} subjects: no difference",
        found.steps
    );
    Ok(())
}

/// Builds Zig's side with each release that has subjects. Zig's safety checks are on, so that a program with illegal
/// behavior aborts the process.
fn build_zig() -> Result<Vec<(&'static str, PathBuf)>> {
    let name = format!("differential{}", std::env::consts::EXE_SUFFIX);
    let args = ["build-exe", "-OReleaseSafe", "-lc", "zig/differential/differential.zig"];
    let build = |version| Ok((version, Compiler::find(version)?.build(&args, &name)?));
    [PORTED, NEWEST].into_iter().map(build).collect()
}

/// Builds this crate's side from the workspace in `workspace`, with debug assertions.
fn build_here(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let checks = ["--release", "--config", "profile.release.debug-assertions=true"];
    cargo_build(workspace, target, "zigalloc-differential", &checks)
}

/// The program of a seed, and the shorter programs that it can be shrunk to.
fn tree(seed: u64, steps: usize) -> impl ValueTree<Value = Program> {
    // XorShift is the fastest generator, but needs a well-mixed seed.
    let mixed = u128::from(seed | 1 << 63).wrapping_mul(0xDA94_2042_E4DD_58B5_9E37_79B9_7F4A_7C15);
    let random = TestRng::from_seed(RngAlgorithm::XorShift, &mixed.to_le_bytes());
    programs(steps)
        .new_tree(&mut TestRunner::new_with_rng(Config::default(), random))
        .expect("nothing is rejected")
}

struct Sides {
    here: Side,
    zig: Vec<(&'static str, Side)>,
}

/// The result of a search.
struct Found {
    programs: u64,
    steps: usize,
    difference: Option<Difference>,
}

struct Difference {
    seed: u64,
    program: Program,
    /// The step that differs, and its result on both sides; `None` if the process ended.
    step: usize,
    zig: Option<String>,
    here: Option<String>,
}

impl Difference {
    /// Describes the difference. `steps` is the option that is needed to generate this program from the seed.
    fn explain(&self, steps: usize) -> String {
        let line = |line: &Option<String>| line.clone().unwrap_or_else(|| " the process ended".to_owned());
        let (text, (name, release)) = (self.program.to_string(), self.program.subject);
        format!(
            "differential: {name} differs from Zig {release} in line {} of this program\n\n{text}\n\
             Zig: {}\nhere:{}\n\nTo reproduce: cargo xtask differential --seed {} --steps {steps}",
            self.step + 2,
            line(&self.zig),
            line(&self.here),
            self.seed
        )
    }
}

impl Sides {
    fn new(here: PathBuf, zig: &[(&'static str, PathBuf)]) -> Sides {
        let zig = zig.iter().map(|(version, program)| (*version, Side::new(program.clone()))).collect();
        Sides { here: Side::new(here), zig }
    }

    /// Runs at least one batch of programs, until the time is over or a difference is found.
    fn search(&mut self, options: &Options, time: Duration) -> Result<Found> {
        let start = Instant::now();
        let mut seed = options.first_seed();
        let mut found = Found { programs: 0, steps: 0, difference: None };
        while found.programs == 0 || start.elapsed() < time {
            let batch: Vec<(u64, Program)> =
                (seed..seed + BATCH).map(|seed| (seed, tree(seed, options.steps).current())).collect();
            found.programs += BATCH;
            found.steps += batch.iter().map(|(_, program)| program.steps.len()).sum::<usize>();
            found.difference = self.shortest_difference(&batch, options.steps)?;
            if found.difference.is_some() {
                break;
            }
            seed += BATCH;
        }
        Ok(found)
    }

    fn shortest_difference(&mut self, batch: &[(u64, Program)], steps: usize) -> Result<Option<Difference>> {
        let mut differ = Vec::new();
        for release in [PORTED, NEWEST] {
            let of_release = || batch.iter().filter(|(_, program)| program.subject.1 == release);
            let text: String = of_release().map(|(_, program)| program.to_string()).collect();
            // If a process ends early, the remaining programs have no answers; the first of these ended it.
            let mut answers = self.ask(release, &text)?.into_iter();
            for (seed, program) in of_release() {
                let answers = answers.next();
                let ended = answers.is_none();
                if answers.unwrap_or_default().difference(program).is_some() {
                    differ.push(*seed);
                }
                if ended {
                    break;
                }
            }
        }
        // A difference may depend on earlier programs; such a program shows nothing when it runs alone.
        let mut shrunk = Vec::new();
        for &seed in differ.iter().take(CANDIDATES) {
            shrunk.extend(self.shrink(seed, steps)?);
        }
        match shrunk.into_iter().min_by_key(|difference| difference.program.steps.len()) {
            None if !differ.is_empty() => {
                Err(format!("differential: the programs of seeds {differ:?} differ, but none differs alone"))
            }
            shortest => Ok(shortest),
        }
    }

    /// Runs programs of one release on both sides.
    fn ask(&mut self, release: &str, programs: &str) -> Result<Vec<Answers>> {
        let (_, zig) = self.zig.iter_mut().find(|(version, _)| *version == release).expect("a side for each");
        let here = &mut self.here;
        let (zig, here) = std::thread::scope(|scope| {
            let here = scope.spawn(|| here.ask(programs));
            (zig.ask(programs), here.join().expect("a side does not panic"))
        });
        let (mut zig, mut here) = (zig?.into_iter(), here?.into_iter());
        let pair = || match (zig.next(), here.next()) {
            (None, None) => None,
            (zig, here) => Some(Answers { zig: zig.unwrap_or_default(), here: here.unwrap_or_default() }),
        };
        Ok(std::iter::from_fn(pair).collect())
    }

    /// Runs a program alone, and returns the difference if there is one.
    fn difference(&mut self, seed: u64, program: Program) -> Result<Option<Difference>> {
        let answers = self.ask(program.subject.1, &program.to_string())?.pop().unwrap_or_default();
        Ok(answers.difference(&program).map(|step| {
            let (zig, here) = (answers.zig.get(step).cloned(), answers.here.get(step).cloned());
            Difference { seed, program, step, zig, here }
        }))
    }

    /// Shrinks the program of this seed, if it differs.
    fn shrink(&mut self, seed: u64, steps: usize) -> Result<Option<Difference>> {
        let mut tree = tree(seed, steps);
        let mut shortest = self.difference(seed, tree.current())?;
        if shortest.is_none() {
            return Ok(None);
        }
        let mut goes_on = tree.simplify();
        while goes_on {
            goes_on = match self.difference(seed, tree.current())? {
                difference @ Some(_) => {
                    shortest = difference;
                    tree.simplify()
                }
                None => tree.complicate(),
            };
        }
        Ok(shortest)
    }
}

/// The output of both sides for a program: a line for each step, and one for the end.
#[derive(Debug, Default)]
struct Answers {
    zig: Vec<String>,
    here: Vec<String>,
}

impl Answers {
    /// The first step whose answers differ or are missing.
    fn difference(&self, program: &Program) -> Option<usize> {
        (0..=program.steps.len()).find(|&index| match (self.zig.get(index), self.here.get(index)) {
            (Some(zig), Some(here)) => zig != here,
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let parse = |line: &str| Options::parse(line.split_whitespace().map(str::to_owned));
        let expected = Options { seconds: 5, seed: Some(9), steps: 3, sabotage: true, containers: false };
        assert_eq!(parse("--seconds 5 --seed 9 --steps 3 --sabotage"), Ok(expected));
        assert!(parse("--seed").unwrap_err().contains("--seed needs a number"));
        assert!(parse("--seed x").unwrap_err().contains("--seed \"x\": not a number"));
        assert!(parse("--fast").unwrap_err().contains("unknown option \"--fast\""));
    }

    #[test]
    fn difference_is_the_first_line_that_differs_or_is_missing() {
        let program = tree(1, 1).current();
        let answers = |zig: &[&str], here: &[&str]| {
            let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
            Answers { zig: owned(zig), here: owned(here) }.difference(&program)
        };
        assert_eq!(answers(&["a", "b"], &["a", "b"]), None);
        assert_eq!(answers(&["a", "b"], &["a", "c"]), Some(1));
        assert_eq!(answers(&["a"], &["a"]), Some(1));
        assert_eq!(answers(&[], &["a", "b"]), Some(0));
    }
}
