//! The project's own commands: `cargo xtask <command>`.
//!
//! These are commands that only this project needs. The list of checks is in `.ci/check`.

use std::process::{Command, ExitCode};

mod capi;
mod mutations;
mod porting;
mod surface;

use xtask_common::{Result, root};

/// Commands that are separate packages, next to their subject.
const PACKAGES: &[(&str, &str)] = &[
    ("interop", "Zig's tests on our allocators, and ours on Zig's"),
    ("differential", "[--help]: random programs on Zig's allocators and on ours"),
    ("bench-zig", "[FILTER] [SAMPLES]: our allocators beside Zig's, in one program"),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        eprintln!("{}", usage());
        return ExitCode::FAILURE;
    };
    let done = match name.as_str() {
        "help" | "--help" | "-h" => {
            println!("{}", usage());
            Ok(())
        }
        "capi" if rest.iter().any(|arg| arg == "--help") => {
            println!("{}", capi::USAGE);
            Ok(())
        }
        "capi" => capi::run(rest),
        "surface" => surface::run(rest),
        "porting" => porting::run(rest),
        "mutations" => mutations::run(rest),
        _ => package(name, rest),
    };
    done.map_or_else(
        |message| {
            eprintln!("{message}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn package(name: &str, args: &[String]) -> Result<()> {
    if !PACKAGES.iter().any(|package| package.0 == name) {
        return Err(format!("xtask: there is no command {name:?}\n\n{}", usage()));
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--release", "--package", name, "--"]).args(args).current_dir(root());
    if name == "bench-zig" && std::env::var_os("ZIG").is_none() {
        // The release that the crate ports. Without it, the program says what to do.
        let zig =
            root().join("target/ziglang/0.15.2/ziglang/zig").with_extension(std::env::consts::EXE_EXTENSION);
        command.envs(zig.exists().then_some(("ZIG", zig)));
    }
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}")) }
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask <command> [options]\n\n");
    [capi::USAGE, surface::USAGE, porting::USAGE, mutations::USAGE]
        .iter()
        .for_each(|usage| text.push_str(&format!("{usage}\n")));
    PACKAGES.iter().for_each(|(name, what)| text.push_str(&format!("{name} {what}\n")));
    text
}
