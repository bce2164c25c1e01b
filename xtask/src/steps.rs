//! Runs named steps one after the other, and sums up in a table.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// What went wrong has been printed.
    Failed,
    /// Could not be run, and why.
    Skipped(String),
}

impl Outcome {
    /// Both ran, one after the other: the worse of the two.
    pub(crate) fn and(self, other: impl FnOnce() -> Outcome) -> Outcome {
        match (self, other()) {
            (Outcome::Passed, other) => other,
            (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
            (skipped, _) => skipped,
        }
    }

    /// Goes on only if this passed.
    pub(crate) fn then(self, next: impl FnOnce() -> Outcome) -> Outcome {
        if self == Outcome::Passed { next() } else { self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads the sources only.
    Source,
    /// Is pointless if the library does not compile.
    Library,
    /// The same, and left out by `--quick`.
    Slow,
    /// The same, and mostly uses one processor only, so neighbours of this kind run side by side, each in a
    /// process of its own.
    SlowBeside,
}

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) kind: Kind,
    pub(crate) run: fn() -> Outcome,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) quick: bool,
    /// Names of steps, or their beginnings up to a hyphen; all if empty.
    pub(crate) only: Vec<String>,
}

impl Selection {
    fn selects(&self, step: &Step) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| is_called(step, name))
    }
}

fn is_called(step: &Step, name: &str) -> bool {
    step.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Runs the selected steps, all of them, and prints how each ended. The first step is the one that
/// tells whether the library compiles.
///
/// # Errors
/// If a step failed, or there is no step of a selected name.
pub(crate) fn run_all(steps: &[Step], selection: &Selection) -> Result<()> {
    run_each(steps, selection, apart)
}

/// `beside` runs a step that has neighbours.
fn run_each(steps: &[Step], selection: &Selection, beside: fn(&Step) -> Outcome) -> Result<()> {
    for name in &selection.only {
        if !steps.iter().any(|step| is_called(step, name)) {
            return Err(format!("xtask test: there is no step {name:?}; `--list` shows them"));
        }
    }
    let mut results: Vec<(&Step, Outcome, Duration)> = Vec::new();
    let selected: Vec<&Step> = steps.iter().filter(|step| selection.selects(step)).collect();
    for group in selected.chunk_by(|a, b| a.kind == Kind::SlowBeside && b.kind == Kind::SlowBeside) {
        let compiles = !results
            .iter()
            .any(|(step, outcome, _)| step.name == steps[0].name && *outcome == Outcome::Failed);
        for step in group {
            println!("\n──── {}: {}", step.name, step.what);
        }
        let timed = |step: &Step| {
            let start = Instant::now();
            let outcome = match step.kind {
                Kind::Library | Kind::Slow | Kind::SlowBeside if !compiles => {
                    Outcome::Skipped(format!("the library does not compile, see {}", steps[0].name))
                }
                Kind::Slow | Kind::SlowBeside if selection.quick => Outcome::Skipped("--quick".to_owned()),
                _ if group.len() > 1 => beside(step),
                _ => (step.run)(),
            };
            (outcome, start.elapsed())
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = group.iter().map(|step| (*step, scope.spawn(|| timed(step)))).collect();
            for (step, running) in running {
                let (outcome, duration) = running.join().expect("a step does not panic");
                results.push((step, outcome, duration));
            }
        });
    }
    println!("\n{}", table(&results));
    let failed = results.iter().any(|(_, outcome, _)| *outcome == Outcome::Failed);
    if failed { Err(String::new()) } else { Ok(()) }
}

/// The first line of the table.
const HEADER: &str = "step               result   seconds\n";

/// A line for each step, and the counts in the last line.
fn table(results: &[(&Step, Outcome, Duration)]) -> String {
    let mut text = HEADER.to_owned();
    let mut counts = [0; 3];
    for (step, outcome, duration) in results {
        let (kind, word, why) = match outcome {
            Outcome::Passed => (0, "passed", String::new()),
            Outcome::Failed => (1, "FAILED", String::new()),
            Outcome::Skipped(why) => (2, "SKIPPED", format!("  ({why})")),
        };
        counts[kind] += 1;
        text.push_str(&format!("{:<18} {word:<8} {:>7.1}{why}\n", step.name, duration.as_secs_f64()));
    }
    let [passed, failed, skipped] = counts;
    text.push_str(&format!("\n{passed} passed, {failed} failed, {skipped} skipped"));
    text
}

/// Runs a command, whose output is seen as it comes. Prints the command before, and how it ended if it
/// failed.
pub(crate) fn run(program: impl AsRef<OsStr>, args: &[&str], env: &[(&str, &str)]) -> Outcome {
    let (mut command, line, name) = prepare(program.as_ref(), args, env);
    println!("{line}");
    let (outcome, end) = judge(&name, command.status());
    print!("{end}");
    outcome
}

/// Runs a step by this program's own command, and prints all of it when it has ended, so that two of them do not
/// mix.
fn apart(step: &Step) -> Outcome {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            println!("{}: {error}", step.name);
            return Outcome::Failed;
        }
    };
    let (mut command, line, name) = prepare(program.as_os_str(), &["test", "--only", step.name], &[]);
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) =
        output.as_ref().map_or_else(|_| Default::default(), |o| (text(&o.stdout), text(&o.stderr)));
    let (outcome, end) = judge(&name, output.map(|output| output.status));
    // Its table is a part of this one's.
    let (said, table) = out.rsplit_once(HEADER).unwrap_or((&out, ""));
    print!("{line}\n{err}{said}{end}");
    match skipped(table, step.name) {
        Some(why) if outcome == Outcome::Passed => Outcome::Skipped(why),
        _ => outcome,
    }
}

/// Why a step was skipped, by the table that [`table`] has made.
fn skipped(table: &str, step: &str) -> Option<String> {
    let row = table.lines().find_map(|line| line.strip_prefix(step)?.trim_start().strip_prefix("SKIPPED"))?;
    let (_, why) = row.split_once('(')?;
    Some(why.strip_suffix(')').unwrap_or(why).to_owned())
}

/// The command, how it is shown, and its name.
fn prepare(program: &OsStr, args: &[&str], env: &[(&str, &str)]) -> (Command, String, String) {
    let variables: String = env.iter().map(|(key, value)| format!("{key}={value:?} ")).collect();
    // Cargo is known by its whole path, which nobody wants to read.
    let name = Path::new(program).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command.args(args).envs(env.iter().copied()).current_dir(crate::root()).stdin(Stdio::null());
    (command, format!("$ {variables}{name} {}", args.join(" ")), name)
}

/// The outcome, and the line that tells why it is not a good one.
fn judge(name: &str, status: std::io::Result<ExitStatus>) -> (Outcome, String) {
    match status {
        Ok(status) if status.success() => (Outcome::Passed, String::new()),
        Ok(status) => (Outcome::Failed, format!("{name}: {status}\n")),
        Err(error) => (Outcome::Failed, format!("{name}: {error}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(why: &str) -> Outcome {
        Outcome::Skipped(why.to_owned())
    }

    fn step(name: &'static str, kind: Kind, run: fn() -> Outcome) -> Step {
        Step { name, what: "", kind, run }
    }

    #[test]
    fn the_last_line_counts() {
        let a = step("a", Kind::Source, || Outcome::Passed);
        let seconds = Duration::from_millis(1250);
        let text = table(&[(&a, Outcome::Passed, seconds), (&a, skip("no Miri"), seconds)]);
        assert!(text.contains("a                  SKIPPED      1.2  (no Miri)\n"), "{text}");
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed, 1 skipped"));
    }

    #[test]
    fn a_failure_stops_nothing_and_fails_the_whole() {
        use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let later = step("later", Kind::Library, || {
            RUNS.fetch_add(1, Relaxed);
            Outcome::Passed
        });
        let steps = [
            step("build", Kind::Library, || Outcome::Passed),
            step("bad", Kind::Library, || Outcome::Failed),
            later,
        ];
        assert!(run_all(&steps, &Selection::default()).is_err());
        assert_eq!(RUNS.load(Relaxed), 1);
        assert!(run_all(&steps, &Selection { quick: false, only: vec!["later".into()] }).is_ok());
        assert_eq!(RUNS.load(Relaxed), 2);
    }

    #[test]
    fn nothing_is_built_on_a_library_that_does_not_compile() {
        let steps = [
            step("build", Kind::Library, || Outcome::Failed),
            step("pointless", Kind::Library, || panic!("ran")),
            step("format", Kind::Source, || Outcome::Passed),
        ];
        assert!(run_all(&steps, &Selection::default()).is_err());
    }

    #[test]
    fn quick_leaves_out_what_is_slow() {
        let steps =
            [step("build", Kind::Library, || Outcome::Passed), step("miri", Kind::Slow, || Outcome::Failed)];
        assert!(run_all(&steps, &Selection { quick: true, only: vec![] }).is_ok());
        assert!(run_all(&steps, &Selection { quick: false, only: vec!["miri".into()] }).is_err());
        assert!(run_all(&steps, &Selection { quick: false, only: vec!["mir".into()] }).is_err());
    }

    #[test]
    fn neighbours_run_side_by_side() {
        use std::sync::Barrier;
        static BOTH: Barrier = Barrier::new(2);
        let meet = || {
            BOTH.wait();
            Outcome::Passed
        };
        let steps = [step("first", Kind::SlowBeside, meet), step("second", Kind::SlowBeside, meet)];
        let here = |step: &Step| (step.run)();
        assert!(run_each(&steps, &Selection::default(), here).is_ok());
        assert!(run_each(&steps, &Selection { quick: true, only: vec![] }, here).is_ok());
        // Alone, a step runs here.
        let lonely = [step("lonely", Kind::SlowBeside, || Outcome::Passed)];
        assert!(run_each(&lonely, &Selection::default(), |_| panic!("it has no neighbour")).is_ok());
    }

    #[test]
    fn a_step_that_was_skipped_apart_is_skipped() {
        let a = step("miri-tree", Kind::SlowBeside, || Outcome::Passed);
        let text = table(&[(&a, Outcome::Skipped("no rustup (here)".to_owned()), Duration::ZERO)]);
        assert!(text.starts_with(HEADER));
        assert_eq!(skipped(&text, "miri-tree"), Some("no rustup (here)".to_owned()));
        assert_eq!(skipped(&table(&[(&a, Outcome::Passed, Duration::ZERO)]), "miri-tree"), None);
    }

    #[test]
    fn names_select_families() {
        let miri = step("miri-tree", Kind::Slow, || Outcome::Passed);
        assert!(is_called(&miri, "miri") && is_called(&miri, "miri-tree"));
        assert!(!is_called(&miri, "mir") && !is_called(&miri, "tree"));
    }

    #[test]
    fn the_worse_outcome_wins() {
        use Outcome::{Failed, Passed};
        assert_eq!(Passed.and(|| Passed), Passed);
        assert_eq!(Passed.and(|| skip("x")), skip("x"));
        assert_eq!(skip("x").and(|| Failed), Failed);
        assert_eq!(Failed.and(|| Passed), Failed);
    }
}
