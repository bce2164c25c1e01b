//! Runs Ghostty's libghostty-vt, a terminal emulator written in Zig, on an allocator of this crate.
//!
//! ```text
//! python3 -m pip install --no-deps --target target/tools/pyghostty pyghostty==0.1.3
//! cargo run --release --example ghostty --features backtrace -- --library \
//!           target/tools/pyghostty/pyghostty/_lib/libghostty-vt.so [--recording FILE] [--fail N | --failures N]
//! ```
//!
//! Wherever the library allocates, it takes a `const GhosttyAllocator *`. That struct has the same fields as
//! [`zigalloc::Allocator`], so a pointer to a handle is all that it needs. Here the handle is:
//!
//! ```text
//! SyncAllocator            the library keeps its address
//!  └─ ThreadSafeAllocator  a lock: any thread may call
//!      └─ CallSites        counts the calls by return address (call_sites.rs)
//!          └─ FailingAllocator
//!              └─ DebugAllocator       finds leaks and misuse
//!                  └─ PAGE_ALLOCATOR
//! ```
//!
//! The program feeds a terminal the recording of a real session (a shell, vim, less, top) and generated streams,
//! resizes it, and reads its screen. It does so twice, with the library's own allocator and with ours. The texts must
//! be the same, and nothing may be live at the end.
//!
//! With `--fail N`, allocation number N fails, once with all later ones and once alone. `--failures N` does this for
//! each number below N, each in a separate process, so that a crash does not hide other failures.

mod call_sites;
mod library;
mod screens;
mod streams;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::{env, fs};

use zigalloc::heap::{Check, DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
use zigalloc::testing::{FailingAllocator, FailingConfig};
use zigalloc::{AsAllocator, SyncAllocator, ThreadSafeAllocator};

use call_sites::CallSites;
use library::{Library, OutOfMemory};

const USAGE: &str = "usage: ghostty --library FILE [--recording FILE] [--fail N | --failures N]";

/// The exit code of a process that ran with failures and leaked memory or misused the allocator.
const LEAKED: u8 = 3;

struct Options {
    library: PathBuf,
    recording: Vec<u8>,
    /// Whether the user chose the recording.
    is_users: bool,
    fail: Option<usize>,
    failures: Option<usize>,
}

fn main() -> ExitCode {
    let result = options().and_then(|options| {
        // SAFETY: the file is libghostty-vt, according to the user.
        let library = unsafe { Library::open(&options.library) }?;
        match (options.fail, options.failures) {
            (Some(n), _) => Ok(fail(&library, &options.recording, n)),
            (None, Some(n)) => failures(n),
            (None, None) => compare(&library, &options.recording, options.is_users),
        }
    });
    result.unwrap_or_else(|message| {
        eprintln!("ghostty: {message}");
        ExitCode::FAILURE
    })
}

fn options() -> Result<Options, String> {
    let (mut library, mut fail, mut failures) = (None, None, None);
    let (mut recording, mut is_users) = (streams::RECORDING.to_vec(), false);
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value\n{USAGE}"));
        let number = |text: String| text.parse().map_err(|_| format!("{text:?} is not a number\n{USAGE}"));
        match arg.as_str() {
            "--library" => library = Some(PathBuf::from(value()?)),
            "--recording" => {
                let path = value()?;
                recording = fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
                is_users = true;
            }
            "--fail" => fail = Some(number(value()?)?),
            "--failures" => failures = Some(number(value()?)?),
            _ => return Err(format!("unknown option {arg:?}\n{USAGE}")),
        }
    }
    let library = library
        .ok_or(format!("no library; see the top of examples/ghostty/main.rs for how to fetch it\n{USAGE}"))?;
    Ok(Options { library, recording, is_users, fail, failures })
}

/// Runs a session in a terminal, and returns the screen after each part.
fn session(
    library: &Library,
    allocator: Option<&SyncAllocator<'_>>,
    recording: &[u8],
) -> Result<[Vec<u8>; 3], OutOfMemory> {
    let terminal = library.terminal(allocator, 100, 30)?;
    terminal.write(recording);
    let first = terminal.text()?;
    terminal.resize(60, 20)?;
    terminal.write(&streams::generated(1, 50_000));
    let second = terminal.text()?;
    terminal.resize(132, 43)?;
    terminal.write(&streams::generated(2, 50_000));
    Ok([first, second, terminal.text()?])
}

/// Runs the session with the library's own allocator and with ours, and compares the screens.
fn compare(library: &Library, recording: &[u8], is_users: bool) -> Result<ExitCode, String> {
    let own = session(library, None, recording).map_err(|_| "out of memory with the library's allocator")?;

    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, DebugConfig { safety: true, ..traces(4) });
    let mut call_sites = CallSites::new(FailingAllocator::init(debug.allocator(), FailingConfig::default()));
    let ours =
        in_lock(library, &mut call_sites, recording).map_err(|_| "out of memory with our allocator")?;

    let mut good = true;
    const WHEN: [&str; 3] = ["the recording", "a generated stream", "another one"];
    for (i, (when, (own, ours))) in WHEN.iter().zip(own.iter().zip(&ours)).enumerate() {
        let (line, is_good) = screens::compare(when, own, ours, is_users && i == 0);
        good &= is_good;
        println!("{line}");
    }
    println!("\n{call_sites}");
    drop(call_sites);
    let misuse = debug.first_report().is_some();
    let leaks = debug.detect_leaks();
    println!("{leaks} leaks, {} misuse", if misuse { "some" } else { "no" });
    let check = debug.deinit();
    good &= check == Check::Ok && !misuse;
    if !good {
        eprintln!("ghostty: the comparison failed, see above");
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the session with allocation number `n` failing: first with all later ones, then alone. Nothing may be
/// live afterwards.
fn fail(library: &Library, recording: &[u8], n: usize) -> ExitCode {
    let failing = |debug: &DebugAllocator<SyncAllocator<'_>>| {
        let config = FailingConfig { fail_index: n, ..FailingConfig::default() };
        let mut failing = FailingAllocator::init(debug.allocator(), config);
        let result = in_lock(library, &mut failing, recording);
        if failing.has_induced_failure() { Some(result) } else { None }
    };
    let refusing = |debug: &DebugAllocator<SyncAllocator<'_>>| {
        let failing = FailingAllocator::init(debug.allocator(), FailingConfig::default());
        Some(in_lock(library, &mut CallSites::refusing(failing, n), recording))
    };
    let mut clean = true;
    for run in [&failing as &dyn Fn(&_) -> _, &refusing] {
        let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, DebugConfig { safety: true, ..traces(1) });
        match run(&debug) {
            None => println!("there is no allocation {n}"),
            Some(Err(OutOfMemory)) => println!("returned an error"),
            Some(Ok(_)) => println!("continued"),
        }
        let misuse = debug.first_report().is_some();
        clean &= debug.deinit() == Check::Ok && !misuse;
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::from(LEAKED) }
}

/// Runs a [`session`] with a lock around an allocator.
fn in_lock<A: AsAllocator + Send>(
    library: &Library,
    allocator: &mut A,
    recording: &[u8],
) -> Result<[Vec<u8>; 3], OutOfMemory> {
    let thread_safe = ThreadSafeAllocator::new(allocator);
    session(library, Some(&thread_safe.allocator()), recording)
}

/// The message with which the library aborted the process on purpose because it was out of memory. It does so
/// in a few places instead of returning an error, for example when it inserts a line while every allocation fails.
fn own_decision(errors: &str) -> Option<&str> {
    errors.lines().find_map(|line| line.strip_prefix("panic: ")).filter(|message| message.ends_with("OOM"))
}

fn traces(stack_trace_frames: usize) -> DebugConfig {
    DebugConfig { stack_trace_frames, ..DebugConfig::DEFAULT }
}

/// Runs [`fail`] for each number below `end`, each in a separate process.
fn failures(end: usize) -> Result<ExitCode, String> {
    let program = env::current_exe().map_err(|error| format!("the path of this program: {error}"))?;
    let arguments: Vec<String> = env::args().skip(1).take_while(|arg| arg != "--failures").collect();
    let (mut said_so, mut went_on, mut gave_up, mut bad) = (0, 0, 0, 0);
    for n in 0..end {
        let output = Command::new(&program).args(&arguments).args(["--fail", &n.to_string()]).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("there is no allocation") {
            println!("there are {n} allocations");
            break;
        }
        said_so += text.matches("returned an error").count();
        went_on += text.matches("continued").count();
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            continue;
        }
        if let Some(message) = own_decision(&errors) {
            println!("allocation {n} failed: the library aborted on purpose, {message:?}");
            gave_up += 1;
            continue;
        }
        let leaked = output.status.code() == Some(i32::from(LEAKED));
        let how = if leaked { "leaks or misuse".to_owned() } else { output.status.to_string() };
        println!("allocation {n} failed: {how}\n{errors}");
        bad += 1;
    }
    println!(
        "{} runs with a failed allocation: {said_so} returned an error, {went_on} continued without the memory, \
         {gave_up} aborted on purpose, {bad} crashed, leaked or misused the allocator",
        said_so + went_on + gave_up + bad
    );
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
