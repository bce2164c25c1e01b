//! A clean Miri run of the other tests proves little unless Miri reports a race where a lock is missing. So this runs
//! the program of this package in Miri, with and without the errors.

#![cfg(not(miri))]

use std::io::Write;
use std::process::{Command, Output};

/// Runs a command of the nightly toolchain (named by `ZIGALLOC_NIGHTLY`), whatever toolchain runs this test.
fn nightly(args: &[&str]) -> std::io::Result<Output> {
    let toolchain = std::env::var("ZIGALLOC_NIGHTLY").unwrap_or("nightly".into());
    let mut command = Command::new("rustup");
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"] {
        command.env_remove(variable);
    }
    // Two toolchains with the same compiler do not share Miri's build of the standard library, but Cargo would reuse
    // what was built with the other. So each has its own directory.
    let target = format!("{}/../../target/miri-race/{toolchain}", env!("CARGO_MANIFEST_DIR"));
    command
        .args(["run", &toolchain, "cargo", "miri"])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", target)
        .env("MIRIFLAGS", "-Zmiri-strict-provenance")
        .output()
}

/// TS-01, FB-09: there is a data race without the lock, with two locks around one child, and with both flavours of a
/// fixed buffer at once; with one lock there is none.
#[test]
fn missing_lock_is_reported() {
    if !nightly(&["--version"]).is_ok_and(|output| output.status.success()) {
        // Bypasses output capture, so that the log shows it.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED missing_lock_is_reported: there is no Miri \
             (rustup component add miri rust-src --toolchain nightly)"
        );
        return;
    }
    for (what, race) in [("one-lock", false), ("no-lock", true), ("two-locks", true), ("mixed-handles", true)]
    {
        let output = nightly(&["run", "--quiet", "--", what]).unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(stderr.contains("Data race detected"), race, "{what}:\n{stderr}");
        assert_eq!(stdout.contains("no race was seen"), !race, "{what}:\n{stdout}{stderr}");
        assert_eq!(output.status.success(), !race, "{what}:\n{stderr}");
    }
}
