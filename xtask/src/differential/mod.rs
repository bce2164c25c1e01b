//! `cargo xtask differential`: the same programs on Zig's allocators and on this crate's.
//!
//! Each side is a process that reads programs and prints, for each step, the offset, the flag or null that came of
//! it, the arena's capacity or the buffer's end, and every call that an arena made to its child. All of it must be
//! equal. A program that shows a difference is shrunk, and printed with its seed.
//!
//! That this can fail is shown by `--sabotage`: copies of the crate in which one number or one comparison is another
//! must be found out.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::zig::{self, Compiler};
use crate::{Result, root};

mod program;
mod sabotage;
mod shrink;
mod side;

use program::{Program, SUBJECTS};
use side::Side;

pub(crate) const USAGE: &str = "\
differential [--seconds N] [--seed S] [--steps K] [--sabotage]
      Runs random programs on Zig's allocators and on this crate's, and compares every result: fixed buffers, arenas
      and locks with Zig 0.15.2's, the lock-free ones with Zig 0.17.1's. A difference is shrunk and printed.
      --seconds   for how long; 60 if not given
      --seed      of the first program; the next has the next seed. Not given: from the clock
      --steps     the most steps of a program; 60 if not given
      --sabotage  instead, shows that a change of the crate is found: in copies of it that are wrong in one place";

/// How many programs are run at once.
const BATCH: u64 = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    seconds: u64,
    seed: Option<u64>,
    steps: usize,
    sabotage: bool,
}

impl Options {
    const DEFAULT: Options = Options { seconds: 60, seed: None, steps: 60, sabotage: false };

    fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options::DEFAULT;
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut number = || {
                let value = args.next().ok_or_else(|| format!("xtask differential: {arg} needs a number"))?;
                value.parse::<u64>().map_err(|_| format!("xtask differential: {arg} {value:?}: not a number"))
            };
            match arg.as_str() {
                "--seconds" => options.seconds = number()?,
                "--seed" => options.seed = Some(number()?),
                "--steps" => options.steps = number()? as usize,
                "--sabotage" => options.sabotage = true,
                _ => return Err(format!("xtask differential: unknown option {arg:?}\n\n{USAGE}")),
            }
        }
        Ok(options)
    }

    fn first_seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_secs() * 1_000_000 // so that programs of different runs are different
        })
    }
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    if options.sabotage { sabotage::run(&options) } else { compare_for(&options) }
}

/// What `cargo xtask test` runs.
pub(crate) fn step() -> Result<()> {
    compare_for(&Options { seconds: 10, ..Options::DEFAULT })?;
    // Always the same programs: how far one can be shrunk depends on which of them shows the difference.
    sabotage::run(&Options { seed: Some(1), ..Options::DEFAULT })
}

fn compare_for(options: &Options) -> Result<()> {
    let zig = build_zig()?;
    let here = build_here(&root(), &root().join("target/differential"))?;
    let mut sides = Sides::new(&zig, here);
    let report = sides.search(options, Duration::from_secs(options.seconds))?;
    match report.difference {
        Some(difference) => Err(difference.explain(options.steps)),
        None => {
            println!(
                "differential: {} programs with {} steps on {} subjects: no difference (seeds {}..{})",
                report.programs,
                report.steps,
                SUBJECTS.len(),
                report.seeds.start,
                report.seeds.end,
            );
            Ok(())
        }
    }
}

/// Zig's program, of each release that has subjects.
fn build_zig() -> Result<Vec<(&'static str, PathBuf)>> {
    [zig::PORTED, zig::NEWEST]
        .into_iter()
        .map(|version| Ok((version, build_with(&zig::compiler(version)?)?)))
        .collect()
}

/// With Zig's own checks, so that a program that Zig finds illegal ends the process.
fn build_with(zig: &Compiler) -> Result<PathBuf> {
    let name = format!("differential{}", std::env::consts::EXE_SUFFIX);
    let source = "zig/differential/differential.zig";
    zig.build(&["build-exe", "-OReleaseSafe", "-lc", source], &name, &[source])
}

/// Builds this crate's side, of the workspace in `workspace`, with its checks too. `target` is for this workspace
/// alone: cargo does not tell the packages of one from those of its copy.
fn build_here(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let mut command = Command::new(crate::toolchain::cargo());
    command
        .args(["build", "--quiet", "--release", "--package", "zigalloc-differential", "--target-dir"])
        .arg(target);
    command.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    // The result is looked for where it is without it.
    command.env_remove("CARGO_BUILD_TARGET").current_dir(workspace).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(target.join(format!("release/zigalloc-differential{}", std::env::consts::EXE_SUFFIX)))
}

struct Sides {
    here: Side,
    zig: Vec<(&'static str, Side)>,
}

/// What a search came to.
struct Report {
    programs: u64,
    steps: u64,
    seeds: Range<u64>,
    difference: Option<Difference>,
}

struct Difference {
    seed: u64,
    /// How many steps the program had before it was shrunk.
    steps: usize,
    program: Program,
    /// What the last step did; none where the process ended.
    zig: Option<String>,
    here: Option<String>,
}

impl Difference {
    /// For humans. `steps` is the option that the seed needs to make this program.
    fn explain(&self, steps: usize) -> String {
        let line = |line: &Option<String>| match line {
            Some(line) => line.clone(),
            None => " the process ended".to_owned(),
        };
        let indented: String = self.program.to_string().lines().map(|line| format!("    {line}\n")).collect();
        format!(
            "differential: {} is not what it is in Zig {}: the last step differs (shrunk from {} steps)\n\n\
             {indented}\nZig: {}\nhere:{}\n\n\
             To repeat it: cargo xtask differential --seed {} --steps {steps}",
            self.program.subject.name,
            self.program.subject.release,
            self.steps,
            line(&self.zig),
            line(&self.here),
            self.seed,
        )
    }
}

impl Sides {
    fn new(zig: &[(&'static str, PathBuf)], here: PathBuf) -> Sides {
        let zig = zig.iter().map(|(version, program)| (*version, Side::new(program.clone()))).collect();
        Sides { here: Side::new(here), zig }
    }

    /// Runs programs until the time is over, at least a batch, or until one shows a difference.
    fn search(&mut self, options: &Options, time: Duration) -> Result<Report> {
        let start = Instant::now();
        let first = options.first_seed();
        let mut report = Report { programs: 0, steps: 0, seeds: first..first, difference: None };
        while report.programs == 0 || start.elapsed() < time {
            let seeds = report.seeds.end..report.seeds.end.wrapping_add(BATCH);
            let programs: Vec<(u64, Program)> =
                seeds.clone().map(|seed| (seed, Program::random(seed, options.steps))).collect();
            report.difference = self.first_difference(&programs)?;
            if report.difference.is_some() {
                break;
            }
            report.programs += BATCH;
            report.steps += programs.iter().map(|(_, program)| program.steps.len() as u64).sum::<u64>();
            report.seeds.end = seeds.end;
        }
        Ok(report)
    }

    fn first_difference(&mut self, programs: &[(u64, Program)]) -> Result<Option<Difference>> {
        for release in [zig::PORTED, zig::NEWEST] {
            let those: Vec<_> =
                programs.iter().filter(|(_, program)| program.subject.release == release).collect();
            let answers = self.ask(release, those.iter().map(|(_, program)| program))?;
            // A process that has ended leaves the rest without answers; the first program without is the one.
            let mut answers = answers.into_iter();
            for (seed, program) in those {
                if answers.next().unwrap_or_default().difference(program).is_some() {
                    return self.shrunk(*seed, program).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Runs programs of one release on both sides.
    fn ask<'p>(
        &mut self,
        release: &str,
        programs: impl Iterator<Item = &'p Program>,
    ) -> Result<Vec<Answers>> {
        let text: String = programs.map(Program::to_string).collect();
        let (_, zig) =
            self.zig.iter_mut().find(|(version, _)| *version == release).expect("each release has a side");
        let here = &mut self.here;
        let (zig, here) = std::thread::scope(|scope| {
            let here = scope.spawn(|| here.ask(&text));
            (zig.ask(&text), here.join().expect("a side does not panic"))
        });
        let (mut zig, mut here) = (zig?.into_iter(), here?.into_iter());
        let mut answers = Vec::new();
        loop {
            match (zig.next(), here.next()) {
                (None, None) => return Ok(answers),
                (zig, here) => {
                    answers.push(Answers { zig: zig.unwrap_or_default(), here: here.unwrap_or_default() });
                }
            }
        }
    }

    fn shrunk(&mut self, seed: u64, program: &Program) -> Result<Difference> {
        let mut error = None;
        let mut ask = |program: &Program| match self.ask(program.subject.release, std::iter::once(program)) {
            Ok(mut answers) => answers.pop().unwrap_or_default(),
            Err(message) => {
                error = Some(message);
                Answers::default()
            }
        };
        let mut small = shrink::shrink(program.clone(), |program| ask(program).difference(program).is_some());
        let answers = ask(&small);
        let at = answers.difference(&small);
        if let Some(message) = error {
            return Err(message);
        }
        let Some(at) = at else {
            return Err(format!("differential: a program differs one time and not the next:\n{program}"));
        };
        small.steps.truncate(at + 1);
        let line = |lines: &[String]| lines.get(at).cloned();
        let (zig, here) = (line(&answers.zig), line(&answers.here));
        Ok(Difference { seed, steps: program.steps.len(), program: small, zig, here })
    }
}

/// What both sides said about a program: a line for each step, and one for the end.
#[derive(Debug, Default)]
struct Answers {
    zig: Vec<String>,
    here: Vec<String>,
}

impl Answers {
    /// The first step that did not do the same; a step without an answer is one.
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

    fn options(args: &[&str]) -> Result<Options> {
        Options::parse(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read() {
        assert_eq!(options(&[]), Ok(Options::DEFAULT));
        let expected = Options { seconds: 5, seed: Some(9), steps: 3, sabotage: true };
        assert_eq!(options(&["--seconds", "5", "--seed", "9", "--steps", "3", "--sabotage"]), Ok(expected));
        assert!(options(&["--seed"]).unwrap_err().contains("--seed needs a number"));
        assert!(options(&["--seed", "x"]).unwrap_err().contains("--seed \"x\": not a number"));
        assert!(options(&["--fast"]).unwrap_err().contains("unknown option \"--fast\""));
    }

    #[test]
    fn a_difference_is_the_first_line_that_differs_or_is_not_there() {
        let program = Program::random(1, 1);
        let answers = |zig: &[&str], here: &[&str]| {
            let owned = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
            Answers { zig: owned(zig), here: owned(here) }.difference(&program)
        };
        assert_eq!(answers(&["a", "b"], &["a", "b"]), None);
        assert_eq!(answers(&["a", "b"], &["a", "c"]), Some(1));
        assert_eq!(answers(&["a"], &["a"]), Some(1));
        assert_eq!(answers(&[], &["a", "b"]), Some(0));
    }

    #[test]
    fn a_difference_is_explained() {
        let program = Program::random(1, 1);
        let zig = Some(" @0 end 1".to_owned());
        let difference = Difference { seed: 1, steps: 7, program, zig, here: None };
        let text = difference.explain(60);
        assert!(text.contains("shrunk from 7 steps") && text.contains("\nZig:  @0 end 1\n"), "{text}");
        assert!(text.ends_with("--seed 1 --steps 60") && text.contains("here: the process ended"), "{text}");
    }
}
