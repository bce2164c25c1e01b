//! The Zig compilers that the crate is compared with, in `target/ziglang/<version>/`. What they build is in
//! `target/zig/<version>/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, root, succeed};

/// The releases whose vtable is the crate's, oldest first.
pub const VERSIONS: [&str; 4] = ["0.14.1", "0.15.2", "0.16.0", "0.17.1"];

/// The release that the crate ports.
pub const PORTED: &str = "0.15.2";

/// The release that the lock-free allocators are compared with.
pub const NEWEST: &str = "0.17.1";

/// A Zig compiler that works.
#[derive(Clone, Debug)]
pub struct Compiler {
    pub version: &'static str,
    pub program: PathBuf,
    /// Its caches, and what it builds.
    dir: PathBuf,
}

impl Compiler {
    /// The compiler of a release, if it has been fetched and runs.
    ///
    /// # Errors
    /// If not. The text says what to do.
    pub fn find(version: &'static str) -> Result<Compiler> {
        let wheel = root().join("target/ziglang").join(version);
        let program = wheel.join("ziglang/zig").with_extension(std::env::consts::EXE_EXTENSION);
        let output = Command::new(&program).arg("version").stdin(Stdio::null()).output();
        match output {
            Ok(output) if output.stdout.trim_ascii() == version.as_bytes() => {
                Ok(Compiler { version, program, dir: root().join("target/zig").join(version) })
            }
            Ok(output) => Err(format!("`{} version`: {output:?}", program.display())),
            Err(_) => Err(format!(
                "no {}; to download it: python3 -m pip install --no-deps --target {} ziglang=={version}",
                program.display(),
                wheel.display()
            )),
        }
    }

    /// The program, which keeps its caches in the target directory.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("ZIG_GLOBAL_CACHE_DIR", self.dir.join("cache"));
        command.env("ZIG_LOCAL_CACHE_DIR", self.dir.join("cache"));
        command.current_dir(root()).stdin(Stdio::null());
        command
    }

    /// Builds a program or a library, called `name`, with the compiler's arguments `args`. The arguments that end in
    /// `.zig` name its sources; it is not built again if it is newer than these and the header. (The compiler
    /// itself keeps no such results.) Returns where it is.
    ///
    /// # Errors
    /// What the compiler says, if it fails.
    pub fn build(&self, args: &[&str], name: &str) -> Result<PathBuf> {
        let out = self.dir.join("out");
        let failed = |error| format!("{}: {error}", out.display());
        let (result, new) = (out.join(name), out.join("new").join(name));
        fs::create_dir_all(out.join("new")).map_err(failed)?;
        let sources =
            args.iter().filter(|arg| arg.ends_with(".zig")).filter_map(|arg| arg.rsplit('=').next());
        let mut sources = sources.chain(["include/zigalloc.h"]);
        let time = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let built = time(&result);
        if built.is_none() || !sources.all(|source| time(&root().join(source)) < built) {
            succeed(self.command().args(args).arg(format!("-femit-bin={}", new.display())))?;
            // Only a whole one gets its place.
            fs::rename(new, &result).map_err(failed)?;
        }
        Ok(result)
    }
}
