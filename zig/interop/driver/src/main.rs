//! `cargo xtask interop`: runs Zig's allocator tests on this crate's allocators, and this crate's tests on Zig's.
//!
//! Each case runs in a separate process, so that a crash does not hide other failures. The printed table contains every
//! case, whatever its result.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

use xtask_common::zig::{Compiler, VERSIONS};
use xtask_common::{Result, cargo_build, root, succeed};

const USAGE: &str = "\
usage: cargo xtask interop
Runs the conformance functions of four Zig releases over the allocators of the C library, and the conformance
functions of this crate over the allocators of these releases, each pair in a separate process.";

/// Zig's conformance functions.
const ZIG_FUNCTIONS: &[&str] =
    &["testAllocator", "testAllocatorAligned", "testAllocatorLargeAlignment", "testAllocatorAlignedShrink"];

/// Allocators of the C library, alone and layered, the outermost first; `zig_…` are Zig's.
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

/// This crate's conformance functions, and the strict one without impossible lengths.
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

/// Expected failures: Zig releases, functions, allocator, and the reason.
const KNOWN: &[(&[&str], &[&str], &str, &str)] = &[
    (
        &VERSIONS,
        &["testAllocatorAligned", "testAllocatorLargeAlignment"],
        "raw_c",
        "it has at most malloc's alignment; Zig does not run these over its own either",
    ),
    (
        &["0.16.0", "0.17.1"],
        &["test_allocator_strict"],
        "arena",
        "an index in Zig's arena overflows after several requests that are too long",
    ),
];

/// An allocator that newer Zig releases lack, and these releases.
const GONE: (&str, [&str; 2]) = ("thread_safe arena", ["0.16.0", "0.17.1"]);

/// The time limit of a case in seconds. When it expires, the exit code is 124.
const LIMIT: &str = "120";

/// The exit code of a process whose Zig release lacks the allocator or function.
const ABSENT: i32 = 77;

struct Case {
    version: &'static str,
    allocator: &'static str,
    function: &'static str,
    command: Command,
    end: End,
}

/// How the process of a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    NotRun,
    Passed,
    Absent,
    /// The exit status and the error output.
    Failed(String),
}

/// The evaluation of how a case ended.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    Absent,
    /// Failed as expected, for this reason.
    Known(&'static str),
    Wrong(String),
}

impl Case {
    fn judge(&self) -> Verdict {
        let is_known = |known: &&(&[&str], &[&str], &str, &str)| {
            known.0.contains(&self.version) && known.1.contains(&self.function) && known.2 == self.allocator
        };
        let known = KNOWN.iter().find(is_known).map(|known| known.3);
        let is_gone = self.allocator == GONE.0 && GONE.1.contains(&self.version);
        match (&self.end, known) {
            (End::Passed, None) if !is_gone => Verdict::Passed,
            (End::Absent, _) if is_gone => Verdict::Absent,
            (End::Failed(_), Some(why)) => Verdict::Known(why),
            (End::Failed(text), None) => Verdict::Wrong(text.clone()),
            (End::NotRun, _) => Verdict::Wrong("not run".to_owned()),
            (End::Absent, _) => Verdict::Wrong("absent, but should exist".to_owned()),
            (End::Passed, why) => {
                Verdict::Wrong(format!("passed, although {}", why.unwrap_or("this release lacks it")))
            }
        }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let done = args.next().map_or_else(run, |arg| Err(format!("interop: unknown option {arg:?}\n{USAGE}")));
    done.map_or_else(
        |message| {
            println!("{message}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run() -> Result<()> {
    let target = root().join("target/interop");
    let c_library = build_c_library(&target.join("capi"))?;
    let rust_program = cargo_build(&root(), &target, "zigalloc-interop", &[])?;
    let mut cases = Vec::new();
    for version in VERSIONS {
        let zig = Compiler::find(version)?;
        let zig_program = build_conformance(&zig, &c_library)?;
        for (&allocator, &function) in OURS.iter().flat_map(|a| ZIG_FUNCTIONS.iter().map(move |f| (a, f))) {
            let mut command = Command::new("timeout");
            command.arg(LIMIT).arg(&zig_program).arg(function).args(allocator.split(' '));
            cases.push(Case { version, allocator, function, command, end: End::NotRun });
        }
        let library = build_library(&zig)?;
        for (&allocator, &function) in ZIGS.iter().flat_map(|a| OUR_FUNCTIONS.iter().map(move |f| (a, f))) {
            let mut command = Command::new("timeout");
            command.arg(LIMIT).arg(&rust_program).arg(&library).args([function, allocator]);
            cases.push(Case { version, allocator, function, command, end: End::NotRun });
        }
    }
    run_all(&mut cases);
    sum_up(&cases)
}

/// Runs the cases in parallel on all processors.
fn run_all(cases: &mut [Case]) {
    let cases = Mutex::new(cases.iter_mut());
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = next() {
                    case.end = run_case(&mut case.command);
                }
            });
        }
    });
}

/// Runs the process of a case.
fn run_case(command: &mut Command) -> End {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => End::Passed,
        Ok(output) if output.status.code() == Some(ABSENT) => End::Absent,
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(6).collect();
            End::Failed(format!("{}\n{}", output.status, lines.join("\n")))
        }
        Err(error) => End::Failed(error.to_string()),
    }
}

/// Prints a line for each allocator and release with the results of its functions, and the totals.
fn sum_up(cases: &[Case]) -> Result<()> {
    let (mut passed, mut absent, mut known, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for row in cases.chunk_by(|a, b| (a.version, a.allocator) == (b.version, b.allocator)) {
        print!("Zig {} {:<34}", row[0].version, row[0].allocator);
        for case in row {
            let verdict = case.judge();
            let word = match &verdict {
                Verdict::Passed => "passed",
                Verdict::Absent => "absent",
                Verdict::Known(_) => "known",
                Verdict::Wrong(_) => "FAILED",
            };
            print!(" {}:{word}", case.function);
            let name = || format!("{} of {}, Zig {}", case.function, case.allocator, case.version);
            match verdict {
                Verdict::Passed => passed += 1,
                Verdict::Absent => absent += 1,
                Verdict::Known(why) => known.push(format!("{}: {why}", name())),
                Verdict::Wrong(text) => wrong.push(format!("{}: {text}", name())),
            }
        }
        println!();
    }
    known.iter().for_each(|known| println!("known: {known}"));
    println!(
        "interop: {passed} passed, {} failed, {} failed as expected, {absent} absent (not in that Zig release)",
        wrong.len(),
        known.len()
    );
    if wrong.is_empty() { Ok(()) } else { Err(format!("\n{}", wrong.join("\n\n"))) }
}

/// Builds the C library, and returns its directory.
fn build_c_library(prefix: &Path) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--package", "xtask", "--", "capi", "--prefix"]).arg(prefix);
    succeed(command.current_dir(root()))?;
    Ok(prefix.join("lib"))
}

/// Builds the program that runs Zig's functions over the C library.
fn build_conformance(zig: &Compiler, library: &Path) -> Result<PathBuf> {
    let (directory, shared) = (library, library.join(format!("{DLL_PREFIX}zigalloc{DLL_SUFFIX}")));
    let args = [
        &["build-exe", "-OReleaseSafe", "-lc", "--dep", "zigalloc", "-Mroot=zig/interop/conformance.zig"][..],
        &[
            "-Mzigalloc=zig/src/zigalloc.zig",
            &shared.to_string_lossy(),
            "-rpath",
            &directory.to_string_lossy(),
        ],
    ];
    zig.build(&args.concat(), &format!("conformance{EXE_SUFFIX}"))
}

/// Builds the library with Zig's allocators.
fn build_library(zig: &Compiler) -> Result<PathBuf> {
    let args = ["build-lib", "-dynamic", "-OReleaseSafe", "-lc", "--dep", "zigalloc"];
    let modules = ["-Mroot=zig/interop/allocators.zig", "-Mzigalloc=zig/src/zigalloc.zig"];
    zig.build(&[&args[..], &modules].concat(), &format!("{DLL_PREFIX}allocators{DLL_SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(version: &'static str, allocator: &'static str, function: &'static str, end: End) -> Case {
        Case { version, allocator, function, command: Command::new("x"), end }
    }

    #[test]
    fn known_failure_has_to_fail() {
        let raw_c = |end| case("0.15.2", "raw_c", "testAllocatorAligned", end).judge();
        let failed = || End::Failed("x".to_owned());
        assert!(matches!(raw_c(failed()), Verdict::Known(_)));
        assert!(
            matches!(raw_c(End::Passed), Verdict::Wrong(text) if text.contains("although it has at most malloc's"))
        );
        assert_eq!(case("0.15.2", "c", "testAllocator", failed()).judge(), Verdict::Wrong("x".to_owned()));
        assert!(matches!(case("0.15.2", "c", "testAllocator", End::NotRun).judge(), Verdict::Wrong(_)));
    }

    #[test]
    fn what_is_gone_has_to_be_absent() {
        let arena = |version, end| case(version, "thread_safe arena", "test_allocator", end).judge();
        assert_eq!(arena("0.16.0", End::Absent), Verdict::Absent);
        assert!(matches!(arena("0.16.0", End::Passed), Verdict::Wrong(_)));
        assert!(matches!(arena("0.15.2", End::Absent), Verdict::Wrong(_)));
    }

    #[test]
    fn what_is_known_is_run() {
        assert!(ZIGS.contains(&GONE.0) && GONE.1.iter().all(|version| VERSIONS.contains(version)));
        for (versions, functions, allocator, _) in KNOWN {
            assert!(versions.iter().all(|version| VERSIONS.contains(version)));
            for function in *functions {
                let ours = OURS.contains(allocator) && ZIG_FUNCTIONS.contains(function);
                assert!(ours || ZIGS.contains(allocator) && OUR_FUNCTIONS.contains(function), "{function}");
            }
        }
    }

    #[test]
    fn failure_fails_the_whole() {
        let cases = ["page", "smp"].map(|name| case("0.15.2", name, "testAllocator", End::Passed));
        assert_eq!(sum_up(&cases), Ok(()));
        let mut cases = cases;
        cases[1].end = End::Failed("signal".to_owned());
        let error = sum_up(&cases).unwrap_err();
        assert!(error.contains("testAllocator of smp, Zig 0.15.2: signal"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn process_is_judged_by_its_end() {
        let shell = |script: &str| run_case(Command::new("/bin/sh").args(["-c", script]));
        assert_eq!(shell("exit 0"), End::Passed);
        assert_eq!(shell("exit 77"), End::Absent);
        let End::Failed(text) = shell("echo one >&2; exit 1") else { panic!("passed") };
        assert!(text.contains("status: 1") && text.ends_with("\none"), "{text}");
        let End::Failed(text) = shell("kill -9 $$") else { panic!("passed") };
        assert!(text.contains("signal: 9"), "{text}");
        let End::Failed(text) = run_case(Command::new("timeout").args(["0.05", "sleep", "100"])) else {
            panic!("passed")
        };
        assert!(text.contains("124"), "{text}");
        assert!(matches!(run_case(&mut Command::new("/no/such/program")), End::Failed(_)));
    }
}
