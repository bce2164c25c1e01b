//! `cargo xtask interop`: Zig's tests of allocators on this crate's, and this crate's on Zig's.
//!
//! Each case is a process of its own, so that one that crashes hides no other. Every case is in the table that is
//! printed, whatever came of it.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::zig::{self, Compiler};
use crate::{Result, capi, root};

pub(crate) const USAGE: &str = "\
interop [--verbose]
      Runs the conformance functions of four releases of Zig over the allocators of the C library, and those of this
      crate over the allocators of these releases, each pair in a process of its own.
      --verbose  what the processes said that fail as they are known to";

/// Zig's conformance functions.
const ZIG_FUNCTIONS: &[&str] =
    &["testAllocator", "testAllocatorAligned", "testAllocatorLargeAlignment", "testAllocatorAlignedShrink"];

/// Allocators of the C library, alone and one over another, the outermost first; `zig_…` are Zig's.
const OURS: &[&str] = &[
    "page",
    "c",
    "raw_c",
    "smp",
    "rust",
    "arena page",
    "shared_arena page",
    "fixed_buffer page",
    "shared_fixed_buffer page",
    "buffer_first smp",
    "debug page",
    "counting c",
    "thread_safe page",
    "thread_safe arena smp",
    "thread_safe debug rust",
    "debug thread_safe arena page",
    "arena arena fixed_buffer page",
    "arena zig_page",
    "arena zig_debug",
    "thread_safe arena debug zig_debug",
    "debug shared_arena zig_smp",
];

/// This crate's conformance functions, and the strict one without lengths that nothing has.
const OUR_FUNCTIONS: &[&str] = &[
    "test_allocator",
    "test_allocator_aligned",
    "test_allocator_large_alignment",
    "test_allocator_aligned_shrink",
    "test_allocator_strict",
    "strict, possible lengths",
];

/// Zig's allocators.
const ZIGS: &[&str] =
    &["page", "c", "smp", "arena", "thread_safe arena", "fixed_buffer", "shared_fixed_buffer", "debug"];

/// A failure that is right, and why.
struct Known {
    /// Releases of Zig, and whose functions they are.
    versions: &'static [&'static str],
    functions: &'static [&'static str],
    allocator: &'static str,
    why: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        versions: &zig::VERSIONS,
        functions: &["testAllocatorAligned", "testAllocatorLargeAlignment"],
        allocator: "raw_c",
        why: "it has malloc's alignment and no larger one; Zig does not run these over its own either",
    },
    Known {
        versions: &["0.16.0", "0.17.1"],
        functions: &["test_allocator_strict"],
        allocator: "arena",
        why: "an index of Zig's arena overflows after some requests that are too long",
    },
];

fn known(case: &Case) -> Option<&'static str> {
    let is_it = |known: &&Known| {
        known.allocator == case.allocator
            && known.versions.contains(&case.version)
            && known.functions.contains(&case.function)
    };
    KNOWN.iter().find(is_it).map(|known| known.why)
}

/// Whether this release of Zig has no such allocator.
fn is_gone(case: &Case) -> bool {
    case.allocator == GONE.0 && GONE.1.contains(&case.version)
}

const GONE: (&str, [&str; 2]) = ("thread_safe arena", ["0.16.0", "0.17.1"]);

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The exit code of a process whose allocator or function is not in its release of Zig.
const ABSENT: i32 = 77;

pub(crate) fn run(args: &[String]) -> Result<()> {
    let verbose = match args {
        [] => false,
        [arg] if arg == "--verbose" => true,
        _ => return Err(format!("xtask interop: unknown options {args:?}\n\n{USAGE}")),
    };
    let c_library = capi::build(&root().join("target/interop/capi"), false)?;
    let rust_program = build_rust()?;
    let mut tables = Vec::new();
    for version in zig::VERSIONS {
        let zig = zig::compiler(version)?;
        tables.push(Table {
            title: format!("Zig {version}'s functions, the C library's allocators"),
            rows: OURS,
            columns: ZIG_FUNCTIONS,
            cases: cases(
                version,
                OURS,
                ZIG_FUNCTIONS,
                &build_conformance(&zig, &c_library)?,
                |case, command| {
                    command.arg(case.function).args(case.allocator.split(' '));
                },
            ),
        });
        let library = build_library(&zig)?;
        tables.push(Table {
            title: format!("This crate's functions, Zig {version}'s allocators"),
            rows: ZIGS,
            columns: OUR_FUNCTIONS,
            cases: cases(version, ZIGS, OUR_FUNCTIONS, &rust_program, |case, command| {
                command.arg(&library).args([case.function, case.allocator]);
            }),
        });
    }
    run_all(tables.iter_mut().flat_map(|table| &mut table.cases));
    tables.iter().for_each(|table| println!("{table}\n"));
    sum_up(tables.iter().flat_map(|table| &table.cases), verbose)
}

struct Case {
    version: &'static str,
    allocator: &'static str,
    function: &'static str,
    command: Command,
    verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    NotRun,
    Passed,
    /// Not in this release of Zig.
    Absent,
    /// How the process ended, and what it said.
    Failed(String),
    /// The same, where that is right, and why it is.
    Known(&'static str, String),
    /// Where a failure would be right.
    NotAsKnown(&'static str),
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self {
            Verdict::NotRun => "not run",
            Verdict::Passed => "passed",
            Verdict::Absent => "absent",
            Verdict::Failed(_) => "FAILED",
            Verdict::Known(..) => "known",
            Verdict::NotAsKnown(_) => "PASSED",
        }
    }
}

struct Table {
    title: String,
    rows: &'static [&'static str],
    columns: &'static [&'static str],
    /// Row by row.
    cases: Vec<Case>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        // The columns have long names, so they are numbered.
        let numbers: String = (1..=self.columns.len()).map(|number| format!("  {number:<8}")).collect();
        write!(f, "{:<34}{}", "", numbers.trim_end())?;
        for (row, cases) in self.rows.iter().zip(self.cases.chunks(self.columns.len())) {
            let words: String = cases.iter().map(|case| format!("  {:<8}", case.verdict.word())).collect();
            write!(f, "\n{row:<34}{}", words.trim_end())?;
        }
        writeln!(f)?;
        let names = self.columns.iter().enumerate();
        names.into_iter().try_for_each(|(index, name)| write!(f, "\n{}: {name}", index + 1))
    }
}

/// All pairs, row by row; `arguments` adds to each command what it needs.
fn cases(
    version: &'static str,
    allocators: &[&'static str],
    functions: &[&'static str],
    program: &Path,
    arguments: impl Fn(&Case, &mut Command),
) -> Vec<Case> {
    let pairs =
        allocators.iter().flat_map(|&allocator| functions.iter().map(move |&function| (allocator, function)));
    pairs
        .map(|(allocator, function)| {
            let case = Case {
                version,
                allocator,
                function,
                command: Command::new(program),
                verdict: Verdict::NotRun,
            };
            let mut command = Command::new(program);
            arguments(&case, &mut command);
            Case { command, ..case }
        })
        .collect()
}

/// Runs the cases, as many at once as there are processors.
fn run_all<'c>(cases: impl Iterator<Item = &'c mut Case> + Send) {
    let cases = Mutex::new(cases);
    let next = || cases.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let verdict = run_case(&mut case.command, LIMIT);
                    case.verdict = judge(verdict, known(case));
                }
            });
        }
    });
}

/// What the end of a process means, if its failure is known or not.
fn judge(verdict: Verdict, known: Option<&'static str>) -> Verdict {
    match (verdict, known) {
        (Verdict::Failed(text), Some(why)) => Verdict::Known(why, text),
        (Verdict::Passed, Some(why)) => Verdict::NotAsKnown(why),
        (verdict, _) => verdict,
    }
}

/// Runs a process; one that takes longer than the limit is ended.
fn run_case(command: &mut Command, limit: Duration) -> Verdict {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = match command.spawn() {
        Ok(process) => process,
        Err(error) => return Verdict::Failed(error.to_string()),
    };
    // It is read all the time, so that the process does not wait for it.
    let mut stderr = process.stderr.take().expect("a pipe was asked for");
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let start = Instant::now();
    let end = loop {
        match process.try_wait() {
            Ok(Some(status)) if status.success() => return Verdict::Passed,
            Ok(Some(status)) if status.code() == Some(ABSENT) => return Verdict::Absent,
            Ok(Some(status)) => break status.to_string(),
            Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                let _ = process.kill();
                let _ = process.wait();
                break format!("not ended after {} seconds", limit.as_secs());
            }
            Err(error) => break error.to_string(),
        }
    };
    let text = reader.join().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(6).collect();
    Verdict::Failed(format!("{end}\n{}", lines.join("\n")))
}

/// Tells about the cases that did not simply pass, and the counts.
fn sum_up<'c>(cases: impl Iterator<Item = &'c Case>, verbose: bool) -> Result<()> {
    let (mut passed, mut absent, mut known, mut failures) =
        (0, 0, Vec::<(&str, &str, usize)>::new(), Vec::new());
    for case in cases {
        let name = format!("{} of {}, Zig {}", case.function, case.allocator, case.version);
        match &case.verdict {
            Verdict::Passed if is_gone(case) => failures.push(format!("{name}: there, and it should not be")),
            Verdict::Passed => passed += 1,
            Verdict::Absent if is_gone(case) => absent += 1,
            Verdict::Absent => failures.push(format!("{name}: not there, and it should be")),
            Verdict::Known(why, text) => {
                match known.iter_mut().find(|(_, other, _)| other == why) {
                    Some((.., count)) => *count += 1,
                    None => known.push((case.allocator, why, 1)),
                }
                if verbose {
                    println!("{name}: {text}\n");
                }
            }
            Verdict::NotAsKnown(why) => failures.push(format!("{name}: passed, although {why}")),
            Verdict::Failed(text) => failures.push(format!("{name}: {text}")),
            Verdict::NotRun => failures.push(format!("{name}: not run")),
        }
    }
    for (allocator, why, _) in &known {
        println!("known: {allocator}: {why}");
    }
    let known: usize = known.iter().map(|(.., count)| count).sum();
    println!(
        "interop: {passed} passed, {} failed, {known} failed as they are known to, {absent} absent (not in that release \
         of Zig)",
        failures.len()
    );
    if failures.is_empty() { Ok(()) } else { Err(format!("\n{}", failures.join("\n\n"))) }
}

/// The program that runs Zig's functions over the C library.
fn build_conformance(zig: &Compiler, library: &capi::Built) -> Result<PathBuf> {
    let directory = library.dir.to_string_lossy();
    let shared = library.dir.join(&library.shared);
    let args = [
        &["build-exe", "-OReleaseSafe", "-lc", "--dep", "zigalloc", "-Mroot=zig/interop/conformance.zig"][..],
        &["-Mzigalloc=zig/src/zigalloc.zig", &shared.to_string_lossy(), "-rpath", &directory],
    ];
    let sources = ["zig/interop/conformance.zig", "zig/src/zigalloc.zig", "include/zigalloc.h"];
    zig.build(&args.concat(), &format!("conformance{EXE_SUFFIX}"), &sources)
}

/// The library with Zig's allocators.
fn build_library(zig: &Compiler) -> Result<PathBuf> {
    let args = ["build-lib", "-dynamic", "-OReleaseSafe", "-lc", "--dep", "zigalloc"];
    let modules = ["-Mroot=zig/interop/allocators.zig", "-Mzigalloc=zig/src/zigalloc.zig"];
    let sources = ["zig/interop/allocators.zig", "zig/src/zigalloc.zig"];
    zig.build(&[&args[..], &modules].concat(), &format!("{DLL_PREFIX}allocators{DLL_SUFFIX}"), &sources)
}

/// The program that runs this crate's functions over such a library.
fn build_rust() -> Result<PathBuf> {
    let target = root().join("target/interop");
    let mut command = Command::new(crate::toolchain::cargo());
    command.args(["build", "--quiet", "--package", "zigalloc-interop", "--target-dir"]).arg(&target);
    // The result is looked for where it is without it.
    command.env_remove("CARGO_BUILD_TARGET").current_dir(root()).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(target.join(format!("debug/zigalloc-interop{EXE_SUFFIX}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_options_are_told() {
        assert!(run(&["--fast".to_owned()]).unwrap_err().contains("--fast"));
    }

    #[test]
    fn a_known_failure_has_to_fail() {
        let failed = || Verdict::Failed("x".to_owned());
        assert_eq!(judge(Verdict::Passed, None), Verdict::Passed);
        assert_eq!(judge(failed(), None), failed());
        assert_eq!(judge(failed(), Some("y")), Verdict::Known("y", "x".to_owned()));
        assert_eq!(judge(Verdict::Passed, Some("y")), Verdict::NotAsKnown("y"));
        assert_eq!(judge(Verdict::Absent, Some("y")), Verdict::Absent);
    }

    /// A known failure is that of a case that exists.
    #[test]
    fn what_is_known_is_run() {
        assert!(ZIGS.contains(&GONE.0) && GONE.1.iter().all(|version| zig::VERSIONS.contains(version)));
        for known in KNOWN {
            assert!(known.versions.iter().all(|version| zig::VERSIONS.contains(version)));
            for function in known.functions {
                let ours = OURS.contains(&known.allocator) && ZIG_FUNCTIONS.contains(function);
                let zigs = ZIGS.contains(&known.allocator) && OUR_FUNCTIONS.contains(function);
                assert!(ours || zigs, "{function} of {}", known.allocator);
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_process_is_judged_by_its_end() {
        let shell = |script: &str, limit| run_case(Command::new("/bin/sh").args(["-c", script]), limit);
        assert_eq!(shell("exit 0", LIMIT), Verdict::Passed);
        assert_eq!(shell("exit 77", LIMIT), Verdict::Absent);
        let Verdict::Failed(text) = shell("echo one >&2; exit 1", LIMIT) else { panic!("passed") };
        assert!(text.contains("status: 1") && text.ends_with("\none"), "{text}");
        let Verdict::Failed(text) = shell("kill -9 $$", LIMIT) else { panic!("passed") };
        assert!(text.contains("signal: 9"), "{text}");
        let Verdict::Failed(text) = shell("exec sleep 100", Duration::from_millis(50)) else {
            panic!("passed")
        };
        assert!(text.contains("not ended"), "{text}");
        assert!(matches!(run_case(&mut Command::new("/no/such/program"), LIMIT), Verdict::Failed(_)));
    }

    #[test]
    fn a_failure_is_in_the_table_and_in_the_end() {
        let mut cases = cases("0.15.2", &["page", "smp"], &["testAllocator"], Path::new("x"), |_, _| {});
        cases[0].verdict = Verdict::Passed;
        cases[1].verdict = Verdict::Failed("signal".to_owned());
        let table =
            Table { title: "T".to_owned(), rows: &["page", "smp"], columns: &["testAllocator"], cases };
        let text = table.to_string();
        assert!(text.contains("\npage                                passed\n"), "{text}");
        assert!(text.contains("\nsmp                                 FAILED\n"), "{text}");
        let error = sum_up(table.cases.iter(), false).unwrap_err();
        assert!(error.contains("testAllocator of smp, Zig 0.15.2: signal"), "{error}");
    }
}
