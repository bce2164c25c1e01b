//! The project's own commands: `cargo xtask <command>`.
//!
//! A command is a module with a `run(&[String]) -> Result<(), String>`, and a line in `COMMANDS`.

use std::path::PathBuf;
use std::process::ExitCode;

mod bench_zig;
mod capi;
mod differential;
mod features;
mod ghostty;
mod interop;
mod inventory;
mod mutations;
mod platforms;
mod scan;
mod steps;
mod surface;
mod test;
mod toolchain;
mod wheel;
mod zig;

/// A command that fails says why in one text; it is printed as it is.
type Result<T, E = String> = std::result::Result<T, E>;

struct Command {
    name: &'static str,
    usage: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command { name: "test", usage: test::USAGE, run: test::run },
    Command { name: "features", usage: features::USAGE, run: features::command },
    Command { name: "platforms", usage: platforms::USAGE, run: platforms::command },
    Command { name: "capi", usage: capi::USAGE, run: capi::run },
    Command { name: "bench-zig", usage: bench_zig::USAGE, run: bench_zig::run },
    Command { name: "ghostty", usage: ghostty::USAGE, run: ghostty::run },
    Command { name: "surface", usage: surface::USAGE, run: surface::run },
    Command { name: "interop", usage: interop::USAGE, run: interop::run },
    Command { name: "differential", usage: differential::USAGE, run: differential::run },
    Command { name: "mutations", usage: mutations::USAGE, run: mutations::run },
    Command { name: "zig", usage: zig::USAGE, run: zig::run },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else { return Err(usage()) };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        println!("{}", usage());
        return Ok(());
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(format!("xtask: there is no command {name:?}\n\n{}", usage()));
    };
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{}", command.usage);
        return Ok(());
    }
    (command.run)(rest)
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask <command> [options]\n");
    for command in COMMANDS {
        text.push('\n');
        text.push_str(command.usage);
        text.push('\n');
    }
    text
}

/// The root of the repository: the directory that holds `xtask/`.
fn root() -> PathBuf {
    // Cargo sets the variable at run time too; the compiled-in value is for a moved-about binary.
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
    let mut root = PathBuf::from(manifest_dir);
    root.pop();
    root
}
