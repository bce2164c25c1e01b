//! Tests of how a process ends, each in a process of its own.

use std::process::{Command, ExitStatus, Output};

/// What the tests' programs are started with, if they are for another processor.
const RUNNER: &str = "ZIGALLOC_TEST_RUNNER";

/// What [`run_alone`] tells the process that it starts.
const CASE: &str = "ZIGALLOC_TEST_CASE";

/// Whether this program runs in an emulator whose name begins so.
#[must_use]
pub fn in_emulator(name: &str) -> bool {
    std::env::var(RUNNER).is_ok_and(|runner| runner.starts_with(name))
}

/// A command that runs this program. In an emulator for programs of another processor, it does so too.
///
/// # Panics
/// If the system does not know the program's path.
#[must_use]
pub fn this_program() -> Command {
    let program = std::env::current_exe().expect("the path of this program");
    let runner = std::env::var(RUNNER).unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else { return Command::new(program) };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Runs one test of this binary again in a process of its own, in which [`alone`] is `case`.
///
/// # Panics
/// If the process cannot be started.
#[track_caller]
#[must_use]
pub fn run_alone(test: &str, case: &str) -> Output {
    let mut command = this_program();
    command.args(["--exact", test, "--nocapture"]).env(CASE, case);
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The case that [`run_alone`] has started this process for.
#[must_use]
pub fn alone() -> Option<String> {
    std::env::var(CASE).ok()
}

/// Asserts that a process has aborted, not exited or been stopped, and said why.
///
/// # Panics
/// If it did not.
#[track_caller]
pub fn assert_aborted(output: &Output, message: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(message), "{message:?} is not in:\n{stderr}");
    assert!(has_aborted(output.status), "{}:\n{stderr}", output.status);
}

/// Whether a process has aborted. Where that is a status like others, whether it has not ended well.
#[must_use]
pub fn has_aborted(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        /// The same number on all systems that these tests run on.
        const SIGABRT: i32 = 6;
        status.signal() == Some(SIGABRT)
    }
    #[cfg(not(unix))]
    !status.success()
}
