//! What the project's tools share.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub mod mutants;
pub mod zig;

/// A text for people, printed as it is.
pub type Result<T, E = String> = std::result::Result<T, E>;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
}

/// Builds a program of this workspace, or of the copy of it in `workspace`, with `options` of `cargo build` and in a
/// target directory of its own: cargo does not tell the packages of a workspace from those of its copy.
///
/// # Errors
/// What the compiler says, if it fails.
pub fn cargo_build(workspace: &Path, target: &Path, package: &str, options: &[&str]) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--package", package]).args(options);
    command.arg("--target-dir").arg(target);
    // The result is looked for where it is without it.
    command.env_remove("CARGO_BUILD_TARGET").current_dir(workspace);
    succeed(&mut command)?;
    let profile = if options.contains(&"--release") { "release" } else { "debug" };
    Ok(target.join(profile).join(package).with_extension(std::env::consts::EXE_EXTENSION))
}

/// Runs a command to its end.
///
/// # Errors
/// The command and its messages, if it fails.
pub fn succeed(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
