//! The C library, built and installed as users do: by `cargo xtask capi`.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

type Result<T, E = String> = std::result::Result<T, E>;

/// The library after `build`.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// The directory of the libraries, the header and the `.pc` file.
    pub(crate) dir: PathBuf,
    /// The names of the two libraries.
    pub(crate) shared: String,
    pub(crate) archive: String,
    /// Linker options that a program needs besides the archive.
    pub(crate) system_libraries: String,
    release: bool,
}

pub(crate) fn build(dir: &Path, release: bool) -> Result<Built> {
    capi(dir, release, &[])?;
    let pc = dir.join("zigalloc.pc");
    let text = std::fs::read_to_string(&pc).map_err(|error| format!("{}: {error}", pc.display()))?;
    let libraries = text.lines().find_map(|line| line.strip_prefix("Libs.private: "));
    Ok(Built {
        dir: dir.to_owned(),
        shared: format!("{DLL_PREFIX}zigalloc{DLL_SUFFIX}"),
        archive: "libzigalloc.a".to_owned(),
        // Without the directory that makes a linker find only the archive.
        system_libraries: libraries
            .map(|all| all.split(' ').filter(|word| !word.starts_with("-L")).collect::<Vec<_>>().join(" "))
            .ok_or_else(|| format!("no Libs.private in:\n{text}"))?,
        release,
    })
}

impl Built {
    pub(crate) fn install(&self, prefix: &Path) -> Result<()> {
        capi(&self.dir, self.release, &[Path::new("--prefix"), prefix])
    }
}

fn capi(dir: &Path, release: bool, options: &[&Path]) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "xtask", "--", "capi"]).args(release.then_some("--release"));
    command.arg("--dir").arg(dir).args(options);
    // The tool runs on the host, whatever the tests are built for.
    command.env_remove("CARGO_BUILD_TARGET").current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
