//! Tests of how a process ends, each in a separate process.

use std::process::{Command, ExitStatus, Output};

/// The variable with the emulator to start the tests' programs with, if they are for another processor.
const RUNNER: &str = "ZIGALLOC_TEST_RUNNER";

/// The variable with which [`run_alone`] passes the case to the process that it starts.
const CASE: &str = "ZIGALLOC_TEST_CASE";

/// Whether this program runs in an emulator whose name starts with `name`.
#[must_use]
pub fn in_emulator(name: &str) -> bool {
    std::env::var(RUNNER).is_ok_and(|runner| runner.starts_with(name))
}

/// A command that runs this program, in the emulator if this program runs in one.
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

/// Runs one test of this binary again in a separate process, in which [`alone`] returns `case`.
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

/// Runs a function in a copy of this process, in which only this thread exists, and returns how that has ended: with the
/// function's result as its code, without exit handlers or destructors, unless the function itself exits. It is killed
/// after the given time.
///
/// # Safety
/// The function takes no lock that another thread of this process may hold.
///
/// # Panics
/// If the process cannot be started, or if this system has no `fork`.
#[track_caller]
#[cfg_attr(not(unix), expect(unused_variables, reason = "it panics"))]
pub unsafe fn in_child(seconds: u32, run: impl FnOnce() -> i32) -> ExitStatus {
    #[cfg(not(unix))]
    panic!("in_child: this system has no fork");
    #[cfg(unix)]
    {
        use std::ffi::c_int;
        use std::os::unix::process::ExitStatusExt;

        unsafe extern "C" {
            fn fork() -> c_int;
            fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
            safe fn alarm(seconds: u32) -> u32;
        }

        // SAFETY: the child takes no lock of a missing thread, by our caller.
        let pid = unsafe { fork() };
        assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
        if pid == 0 {
            alarm(seconds);
            end_process(run());
        }
        let mut status = -1;
        // SAFETY: the child is this process's, and the status is written to.
        assert_eq!(unsafe { waitpid(pid, &raw mut status, 0) }, pid, "waitpid");
        ExitStatus::from_raw(status)
    }
}

/// Ends the process at once, without exit handlers or destructors; where that is unknown, with them.
pub fn end_process(code: i32) -> ! {
    #[cfg(not(unix))]
    std::process::exit(code);
    #[cfg(unix)]
    {
        unsafe extern "C" {
            safe fn _exit(status: std::ffi::c_int) -> !;
        }
        _exit(code)
    }
}

/// Asserts that a process has aborted with a message, and has not exited or been killed.
///
/// # Panics
/// If it did not.
#[track_caller]
pub fn assert_aborted(output: &Output, message: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(message), "{message:?} is not in:\n{stderr}");
    assert!(has_aborted(output.status), "{}:\n{stderr}", output.status);
}

/// Whether a process has aborted. Where the status of that is not distinct, whether it has failed.
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
