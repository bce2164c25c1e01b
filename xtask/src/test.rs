//! `cargo xtask test`: everything that must hold before a change is merged.

use crate::steps::{Kind, Outcome, Selection, Step, run as run_command, run_all};
use crate::surface;
use crate::toolchain::{self, NIGHTLY, cargo, stable_features};
use crate::zig;
use crate::{Result, differential, features, interop, platforms};

pub(crate) const USAGE: &str = "\
test [--quick] [--only NAME[,NAME…]] [--list]
      Runs every check and test, all of them even if one fails, and sums up in a table.
      Installs what it needs with rustup; what it cannot have is reported as SKIPPED.
      --quick  without what takes minutes: Miri, loom's models, other compilers, Zig, other systems
      --only   these steps only; `miri` stands for all that begin with `miri-`
      --list   the names of the steps";

/// In the order in which they run. The first tells whether the library compiles.
const STEPS: &[Step] = &[
    Step { name: "build", what: "the library compiles", kind: Kind::Library, run: build },
    Step { name: "fmt", what: "formatting", kind: Kind::Source, run: fmt },
    Step {
        name: "clippy-default",
        what: "lints, default features",
        kind: Kind::Library,
        run: clippy_default,
    },
    Step { name: "clippy-minimal", what: "lints, no features", kind: Kind::Library, run: clippy_minimal },
    Step { name: "clippy-alloc", what: "lints, feature alloc alone", kind: Kind::Library, run: clippy_alloc },
    Step { name: "clippy-all", what: "lints, all features", kind: Kind::Library, run: clippy_all },
    Step {
        name: "doc-private",
        what: "documentation of private items",
        kind: Kind::Library,
        run: doc_private,
    },
    Step { name: "doc", what: "documentation", kind: Kind::Library, run: doc },
    Step { name: "test-default", what: "tests, default features", kind: Kind::Library, run: test_default },
    Step { name: "test-minimal", what: "tests, no features", kind: Kind::Library, run: test_minimal },
    Step { name: "test-all", what: "tests, all features", kind: Kind::Library, run: test_all },
    Step { name: "test-release", what: "tests, optimised", kind: Kind::Library, run: test_release },
    Step { name: "capi", what: "the C library, from C and C++", kind: Kind::Library, run: capi },
    Step { name: "test-xtask", what: "tests of these commands", kind: Kind::Source, run: test_xtask },
    Step { name: "programs", what: "random programs, for a minute", kind: Kind::Slow, run: programs },
    Step { name: "fuzz", what: "the fuzz targets, for a minute", kind: Kind::Slow, run: fuzz },
    Step { name: "surface", what: "behaviours that need a test have one", kind: Kind::Source, run: surface },
    Step { name: "examples", what: "the examples compile", kind: Kind::Library, run: examples },
    Step { name: "benches", what: "the benchmarks compile", kind: Kind::Library, run: benches },
    Step { name: "no-std", what: "without an operating system", kind: Kind::Library, run: features::no_std },
    Step {
        name: "ghostty",
        what: "a Zig library on a Rust allocator",
        kind: Kind::Slow,
        run: crate::ghostty::step,
    },
    Step { name: "features", what: "every feature alone", kind: Kind::Slow, run: features::every_set },
    Step {
        name: "oldest-versions",
        what: "the oldest dependencies allowed",
        kind: Kind::Slow,
        run: features::oldest_dependencies,
    },
    Step { name: "package", what: "what would be published", kind: Kind::Slow, run: features::package },
    Step { name: "msrv", what: "the oldest supported compiler", kind: Kind::Slow, run: msrv },
    Step {
        name: "differential",
        what: "random programs, compared with Zig",
        kind: Kind::Slow,
        run: differential,
    },
    Step {
        name: "test-nightly",
        what: "tests and documentation with the nightly compiler",
        kind: Kind::Slow,
        run: test_nightly,
    },
    Step {
        name: "platforms",
        what: "other systems: those that take minutes",
        kind: Kind::Slow,
        run: platforms,
    },
    Step { name: "loom", what: "models of the shared arena", kind: Kind::Slow, run: loom },
    Step {
        name: "asan",
        what: "exits in the middle of calls, AddressSanitizer",
        kind: Kind::Slow,
        run: asan,
    },
    Step {
        name: "miri-setup",
        what: "Miri and its standard library are here",
        kind: Kind::Slow,
        run: miri_setup,
    },
    Step {
        name: "zig-package",
        what: "the Zig package, with every release of Zig",
        kind: Kind::SlowBeside,
        run: zig_package,
    },
    Step {
        name: "interop",
        what: "Zig's tests of our allocators, and ours of Zig's",
        kind: Kind::SlowBeside,
        run: interop,
    },
    Step { name: "miri-stacked", what: "Miri, Stacked Borrows", kind: Kind::SlowBeside, run: miri_stacked },
    Step {
        name: "miri-tree",
        what: "Miri, Tree Borrows, without the long tables",
        kind: Kind::SlowBeside,
        run: miri_tree,
    },
    Step {
        name: "miri-programs",
        what: "Miri, a few random programs",
        kind: Kind::SlowBeside,
        run: miri_programs,
    },
    Step {
        name: "miri-seeds",
        what: "Miri, many schedules of the threads",
        kind: Kind::Slow,
        run: miri_seeds,
    },
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut selection = Selection::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => selection.quick = true,
            "--only" => {
                let names = args.next().ok_or("xtask test: --only needs the name of a step")?;
                selection.only.extend(names.split(',').map(|name| name.trim().to_owned()));
            }
            "--list" => {
                STEPS.iter().for_each(|step| println!("{:<18} {}", step.name, step.what));
                return Ok(());
            }
            _ => return Err(format!("xtask test: unknown option {arg:?}\n\n{USAGE}")),
        }
    }
    run_all(STEPS, &selection)
}

fn build() -> Outcome {
    run_command(cargo(), &["check", "-p", "zigalloc", "--features", &stable_features()], &[])
}

fn fmt() -> Outcome {
    with(toolchain::component("rustfmt", "fmt"), || run_command(cargo(), &["fmt", "--all", "--check"], &[]))
}

fn clippy(packages_and_features: &[&str]) -> Outcome {
    with(toolchain::component("clippy", "clippy"), || {
        let args = [&["clippy", "--all-targets"], packages_and_features, &["--", "-D", "warnings"]].concat();
        run_command(cargo(), &args, &[])
    })
}

fn clippy_default() -> Outcome {
    clippy(&["--workspace"])
}

/// The library alone: a package that uses it with its default features would bring them back.
fn clippy_minimal() -> Outcome {
    clippy(&["-p", "zigalloc", "--no-default-features"])
}

fn clippy_alloc() -> Outcome {
    clippy(&["-p", "zigalloc", "--no-default-features", "--features", "alloc"])
}

fn clippy_all() -> Outcome {
    clippy(&["--workspace", "--features", &stable_features()])
}

const DOC: &[&str] = &["doc", "-p", "zigalloc", "--no-deps", "--features"];

/// Links from private items may lead nowhere: they are read in the source.
fn doc_private() -> Outcome {
    let flags = "-D warnings -A rustdoc::broken_intra_doc_links -A rustdoc::private_intra_doc_links";
    run_command(
        cargo(),
        &[DOC, &[&stable_features(), "--document-private-items"]].concat(),
        &[("RUSTDOCFLAGS", flags)],
    )
}

/// Runs last of the two, so that `target/doc` is what users see.
fn doc() -> Outcome {
    run_command(cargo(), &[DOC, &[&stable_features()]].concat(), &[("RUSTDOCFLAGS", "-D warnings")])
}

/// `cargo test` of the library. Everything is run even if one test program fails.
fn test(args: &[&str]) -> Outcome {
    run_command(cargo(), &[&["test", "-p", "zigalloc", "--no-fail-fast"], args].concat(), &[])
}

/// The tests that start no compilers of their own. Those that do take long, and run in `test_all`.
const SHORT: &[&str] = &["--lib", "--test", "all"];

/// The messages for mistakes are recorded with the default features.
fn test_default() -> Outcome {
    test(&[SHORT, &["--test", "compile_fail"]].concat()).and(|| test(&["--doc"]))
}

/// The examples in the documentation use the allocators of feature `std`, so they are not run.
fn test_minimal() -> Outcome {
    test(&[SHORT, &["--no-default-features"]].concat())
}

/// All there is. A test program that needs a feature runs here, whatever the feature.
fn test_all() -> Outcome {
    test(&["--features", &stable_features()])
}

/// What differs without debug assertions: fills, overflow, return addresses of inlined functions.
fn test_release() -> Outcome {
    test(&[SHORT, &["--release", "--features", &stable_features()]].concat())
}

/// With what is skipped in sight, and Valgrind if it can be had.
fn capi() -> Outcome {
    if let Err(why) = toolchain::valgrind() {
        println!("SKIPPED: Valgrind: {why}");
    }
    let args = ["test", "-p", "zigalloc", "--features", "capi", "--test", "capi"];
    run_command(cargo(), &args, &[]).and(|| test(&["--features", "capi", "--lib", "capi::"]))
}

fn test_xtask() -> Outcome {
    run_command(cargo(), &["test", "-p", "xtask"], &[])
}

/// Those of the test itself, which takes as long as it is told to, and one that each kind of step is reached.
fn programs() -> Outcome {
    let seconds = std::env::var("ZIGALLOC_PROGRAMS_SECONDS").unwrap_or_else(|_| "60".to_owned());
    let args = ["test", "-p", "zigalloc-programs", "--test", "programs", "--", "--nocapture"];
    run_command(cargo(), &args, &[("ZIGALLOC_PROGRAMS_SECONDS", &seconds)])
}

/// Half a minute for each target; new inputs go to a folder of their own, so that the corpus stays small.
fn fuzz() -> Outcome {
    with(toolchain::cargo_fuzz(), || {
        ["programs", "debug"].into_iter().fold(Outcome::Passed, |outcome, target| {
            let found = crate::root().join("fuzz/target/found").join(target);
            if let Err(error) = std::fs::create_dir_all(&found) {
                println!("{}: {error}", found.display());
                return Outcome::Failed;
            }
            let (found, corpus) = (found.display().to_string(), format!("fuzz/corpus/{target}"));
            let command = ["run", NIGHTLY, "cargo", "fuzz", "run", target, &found, &corpus];
            let options = ["--", "-max_total_time=30", "-timeout=30", "-rss_limit_mb=4096"];
            outcome.and(|| run_command("rustup", &[&command[..], &options].concat(), &[]))
        })
    })
}

fn surface() -> Outcome {
    outcome(surface::require_done())
}

fn examples() -> Outcome {
    run_command(cargo(), &["build", "-p", "zigalloc", "--examples", "--features", &stable_features()], &[])
}

fn benches() -> Outcome {
    let args = ["bench", "-p", "zigalloc", "--benches", "--no-run", "--features", &stable_features()];
    run_command(cargo(), &args, &[])
}

fn msrv() -> Outcome {
    let version = match toolchain::minimum_rust() {
        Ok(version) => version,
        Err(message) => {
            println!("{message}");
            return Outcome::Failed;
        }
    };
    with(toolchain::toolchain(&version), || {
        let check = |features: &[&str]| {
            let command = ["run", &version, "cargo", "check", "-p", "zigalloc"];
            run_command("rustup", &[&command, features].concat(), &[])
        };
        check(&["--tests", "--features", &stable_features()]).and(|| check(&["--no-default-features"]))
    })
}

/// The nightly compiler's own allocator trait. Everything else of the library is tested without it.
fn test_nightly() -> Outcome {
    with(toolchain::toolchain(NIGHTLY), || {
        let features = format!("{},nightly", stable_features());
        let command = ["run", NIGHTLY, "cargo", "test", "-p", "zigalloc", "--features", &features];
        let test = |args: &[&str]| run_command("rustup", &[&command, args].concat(), &[]);
        test(&["--test", "all", "--", "adapters", "auto_traits"])
            .and(|| test(&["--doc", "adapters"]))
            .and(|| docs_rs(&features))
    })
}

/// The documentation as docs.rs makes it, but with warnings as errors, for each of its targets.
fn docs_rs(features: &str) -> Outcome {
    let targets = match toolchain::documented_targets() {
        Ok(targets) => targets,
        Err(message) => {
            println!("{message}");
            return Outcome::Failed;
        }
    };
    let flags = [("RUSTDOCFLAGS", "--cfg docsrs -D warnings")];
    targets.iter().fold(Outcome::Passed, |outcome, target| {
        let doc =
            ["run", NIGHTLY, "cargo", "doc", "-p", "zigalloc", "--no-deps", "--target", target, "--features"];
        let doc = [&doc[..], &[features]].concat();
        outcome.and(|| with(toolchain::nightly_target(target), || run_command("rustup", &doc, &flags)))
    })
}

fn zig_package() -> Outcome {
    with_zig(&zig::VERSIONS, zig::test_package)
}

fn interop() -> Outcome {
    with_zig(&zig::VERSIONS, || interop::run(&[]))
}

fn differential() -> Outcome {
    with_zig(&[zig::PORTED, zig::NEWEST], differential::step)
}

/// With a table of what is run, what is built, and what only `cargo xtask platforms` runs.
fn platforms() -> Outcome {
    platforms::step().unwrap_or_else(|message| {
        println!("{message}");
        Outcome::Failed
    })
}

/// Runs the step if there are these compilers.
fn with_zig(versions: &[&'static str], step: fn() -> Result<()>) -> Outcome {
    let here = versions.iter().try_for_each(|version| zig::compiler(version).map(drop));
    with(here, || outcome(step()))
}

/// The models of `tests/loom.rs`. They are built apart, since `RUSTFLAGS` of its own would make cargo build
/// everything anew for the next step.
fn loom() -> Outcome {
    let args =
        ["test", "-p", "zigalloc", "--profile", "loom", "--test", "loom", "--target-dir", "target/loom"];
    run_command(cargo(), &args, &[("RUSTFLAGS", "--cfg loom")])
}

/// Exits in the middle of calls, under AddressSanitizer.
fn asan() -> Outcome {
    if !cfg!(all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )) {
        return Outcome::Skipped("the table is for Linux with glibc, on x86-64 or AArch64".to_owned());
    }
    with(toolchain::toolchain(NIGHTLY), || run_command(".ci/asan", &[], &[]))
}

/// Miri over the library's tests. Its build is in `target/miri`, one for all three steps, since the
/// flags are read by the interpreter and not by the compiler.
fn miri(flags: &str, args: &[&str]) -> Outcome {
    let package = ["-p", "zigalloc", "--no-fail-fast", "--features", toolchain::MIRI_FEATURES];
    miri_test(flags, &[&package, args].concat())
}

/// A few programs of the fuzz targets' corpus, which is read from files.
fn miri_programs() -> Outcome {
    miri_test("-Zmiri-disable-isolation", &["-p", "zigalloc-programs", "--test", "programs"])
}

fn miri_test(flags: &str, args: &[&str]) -> Outcome {
    with(toolchain::miri(), || {
        let flags = format!("-Zmiri-strict-provenance {flags}");
        let command = ["run", NIGHTLY, "cargo", "miri", "test"];
        run_command("rustup", &[&command, args].concat(), &[("MIRIFLAGS", flags.trim_end())])
    })
}

/// Before two steps need it at once.
fn miri_setup() -> Outcome {
    with(toolchain::miri(), || Outcome::Passed)
}

fn miri_stacked() -> Outcome {
    miri("", SHORT)
}

/// Without the tables that put something over every allocator, which take as long as all the rest, and the tests of
/// numbers; Stacked Borrows has them, and `MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-tree-borrows" cargo +nightly miri test`.
fn miri_tree() -> Outcome {
    let skipped = ["conformance::", "allocator_api2::", "out_of_memory::", "alignment::", "mem::"];
    let skip: Vec<&str> = skipped.iter().flat_map(|name| ["--skip", name]).collect();
    miri("-Zmiri-tree-borrows", &[SHORT, &["--"], &skip].concat())
}

/// The tests whose name says so, each with 10 schedules.
fn miri_seeds() -> Outcome {
    const MARK: &str = "many_seeds";
    let tests = match surface::tests_of(&crate::root()) {
        Ok(tests) => tests,
        Err(message) => {
            println!("{message}");
            return Outcome::Failed;
        }
    };
    // A program without such a test would be started 10 times for nothing.
    let has = |place: &str| tests.iter().any(|test| test.name.contains(MARK) && test.file.starts_with(place));
    let mut args = Vec::new();
    if has("src/") {
        args.push("--lib");
    }
    if has("tests/all/") {
        args.extend(["--test", "all"]);
    }
    if args.is_empty() {
        return Outcome::Skipped(format!("no test has {MARK} in its name"));
    }
    args.push(MARK);
    miri("-Zmiri-many-seeds=0..10", &args)
}

/// How a step ended that is a function; what went wrong is printed.
fn outcome(result: Result<()>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(message) => {
            println!("{message}");
            Outcome::Failed
        }
    }
}

/// Runs the step if what it needs is there.
fn with(needed: Result<()>, step: impl FnOnce() -> Outcome) -> Outcome {
    match needed {
        Ok(()) => step(),
        Err(why) => {
            println!("SKIPPED: {why}");
            Outcome::Skipped(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_the_table() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(step.name.len() <= 18, "{}", step.name);
            assert!(STEPS[..index].iter().all(|other| other.name != step.name), "{}", step.name);
        }
    }

    /// With the feature `nightly`, the library needs another compiler than these commands run.
    #[test]
    fn no_command_asks_for_really_all_features() {
        let option = ["--all", "features"].join("-");
        let mut paths = vec![crate::root().join("xtask/src")];
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let told = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = told.filter(|line| line.contains(&option)).count();
            assert_eq!(found, 0, "{}: stable_features() has what is meant by {option}", path.display());
        }
    }

    #[test]
    fn bad_options_are_told() {
        let error =
            |args: &[&str]| run(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>()).unwrap_err();
        assert!(error(&["--fast"]).contains("unknown option \"--fast\""));
        assert!(error(&["--only"]).contains("--only needs"));
        assert!(error(&["--only", "mir"]).contains("there is no step \"mir\""));
    }
}
