//! `cargo xtask capi`: the C library, and its installation. `tests/capi.rs` builds by the same code.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, root};

pub(crate) const USAGE: &str = "\
capi [--release] [--prefix DIR]
      Builds the C library: libzigalloc.a, libzigalloc.so, zigalloc.h and zigalloc.pc in target/capi.
      --release  optimised; without it, with debug assertions
      --prefix   also installs them, into DIR/lib, DIR/include and DIR/lib/pkgconfig";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut release = false;
    let mut prefix = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--release" => release = true,
            "--prefix" => prefix = Some(args.next().ok_or("xtask capi: --prefix needs a directory")?),
            _ => return Err(format!("xtask capi: unknown option {arg:?}\n\n{USAGE}")),
        }
    }
    let built = build(&root().join("target/capi"), release)?;
    println!("{}", built.dir.display());
    if let Some(prefix) = prefix {
        built.install(Path::new(prefix))?;
        println!("{prefix}");
    }
    Ok(())
}

/// The library, as it is after `build`.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// Where the libraries, the header and the `.pc` file are.
    pub(crate) dir: PathBuf,
    /// The names of the two libraries.
    pub(crate) shared: String,
    pub(crate) archive: String,
    /// What a program that is linked with the archive needs besides, as options of the linker.
    pub(crate) system_libraries: String,
}

/// Builds both libraries in a target directory inside of `dir`, so that neither the features nor the crate
/// types disturb other builds, and puts everything into `dir`.
pub(crate) fn build(dir: &Path, release: bool) -> Result<Built> {
    let shared = format!("{DLL_PREFIX}zigalloc{DLL_SUFFIX}");
    let archive = if cfg!(target_env = "msvc") { "zigalloc.lib" } else { "libzigalloc.a" }.to_owned();
    let target = dir.join("build");

    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["rustc", "--package", "zigalloc", "--lib", "--crate-type", "cdylib,staticlib"]);
    // No adapters for Rust's containers; and reports that name functions and lines.
    command.args(["--no-default-features", "--features", "capi,backtrace"]);
    command.args(release.then_some("--release"));
    command.arg("--target-dir").arg(&target).args(["--", "--print", "native-static-libs"]);
    if let Some(option) = name_option(&shared) {
        command.arg(format!("-Clink-arg={option}"));
    }
    // The result is looked for where it is without it.
    command.env_remove("CARGO_BUILD_TARGET").current_dir(root());
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{command:?}:\n{messages}"));
    }
    let system_libraries = system_libraries(&messages)
        .ok_or_else(|| format!("the compiler does not tell what the library needs:\n{messages}"))?;

    let profile = target.join(if release { "release" } else { "debug" });
    for library in [&shared, &archive] {
        copy(&profile.join(library), &dir.join(library))?;
    }
    copy(&root().join("include/zigalloc.h"), &dir.join("zigalloc.h"))?;
    let built = Built { dir: dir.to_owned(), shared, archive, system_libraries };
    // Here, everything is beside the file, wherever that is.
    write(&dir.join("zigalloc.pc"), &built.pkg_config("${pcfiledir}", "${prefix}", "${prefix}")?)?;
    Ok(built)
}

impl Built {
    /// Copies everything to where a system looks for it below `prefix`.
    pub(crate) fn install(&self, prefix: &Path) -> Result<()> {
        let absolute =
            std::path::absolute(prefix).map_err(|error| format!("--prefix {}: {error}", prefix.display()))?;
        let (lib, include) = (absolute.join("lib"), absolute.join("include"));
        for library in [&self.shared, &self.archive] {
            copy(&self.dir.join(library), &lib.join(library))?;
        }
        copy(&self.dir.join("zigalloc.h"), &include.join("zigalloc.h"))?;
        let prefix =
            absolute.to_str().ok_or_else(|| format!("--prefix {}: not Unicode", absolute.display()))?;
        let text = self.pkg_config(&escape(prefix), "${prefix}/lib", "${prefix}/include")?;
        write(&lib.join("pkgconfig/zigalloc.pc"), &text)
    }

    /// The text of the `.pc` file.
    fn pkg_config(&self, prefix: &str, lib: &str, include: &str) -> Result<String> {
        let header = root().join("include/zigalloc.h");
        let text = fs::read_to_string(&header).map_err(|error| format!("{}: {error}", header.display()))?;
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("#define ZIGALLOC_VERSION "))
            .ok_or("include/zigalloc.h: no ZIGALLOC_VERSION")?;
        Ok(format!(
            "prefix={prefix}\nlibdir={lib}\nincludedir={include}\n\n\
             Name: zigalloc\nDescription: Zig's allocators for C\nVersion: {}\n\
             Libs: -L${{libdir}} -lzigalloc\nLibs.private: {}\nCflags: -I${{includedir}}\n",
            version.trim_matches('"'),
            self.system_libraries,
        ))
    }
}

/// How the linker is told the name by which programs ask for the library. Without one, they would ask for the
/// path that they were linked with.
fn name_option(library: &str) -> Option<String> {
    if cfg!(target_vendor = "apple") {
        Some(format!("-Wl,-install_name,@rpath/{library}"))
    } else if cfg!(unix) {
        Some(format!("-Wl,-soname,{library}"))
    } else {
        None
    }
}

fn system_libraries(messages: &str) -> Option<String> {
    messages
        .lines()
        .find_map(|line| line.strip_prefix("note: native-static-libs:"))
        .map(|s| s.trim().to_owned())
}

/// A path as a value in a `.pc` file, where a space separates and a backslash escapes.
fn escape(path: &str) -> String {
    path.replace('\\', "\\\\").replace(' ', "\\ ")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    make_parent(to)?;
    // A program that runs may have the old file open, so it is replaced and not overwritten.
    let _ = fs::remove_file(to);
    fs::copy(from, to).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    make_parent(path)?;
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn bad_options_are_told() {
        assert!(run(&["--debug".to_owned()]).unwrap_err().contains("unknown option \"--debug\""));
        assert!(run(&["--prefix".to_owned()]).unwrap_err().contains("--prefix needs"));
    }

    #[test]
    fn the_compilers_note_is_found() {
        let messages =
            "   Compiling x\nnote: link against the following\nnote: native-static-libs: -lgcc_s -lc\n";
        assert_eq!(system_libraries(messages).as_deref(), Some("-lgcc_s -lc"));
        assert_eq!(system_libraries("error: no"), None);
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escape("/opt/my lib"), "/opt/my\\ lib");
    }
}
