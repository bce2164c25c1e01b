//! `cargo xtask capi`: the C library, and its installation. `tests/capi.rs` runs this command.
//!
//! The library is one `cargo rustc`. The rest is what C's own tools expect beside it: the names of a shared library,
//! pkg-config's files and CMake's. cargo-c (0.10.24 was tried) gives the shared library the same names, but with its
//! pkg-config file `--static` links the shared library and asks for `-lgcc_s`, it writes no files for CMake, and each
//! of its releases contains one version of cargo and needs the compiler of that version or a later one.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, root};

pub(crate) const USAGE: &str = "\
capi [--release] [--dir DIR] [--prefix DIR]
      Builds the C library: libzigalloc.a, libzigalloc.so, zigalloc.h, zigalloc.hpp and the files of pkg-config and
      CMake, in target/capi.
      --release  optimised; without it, with debug assertions
      --dir      builds them there instead
      --prefix   also installs them, into DIR/lib and DIR/include";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut release = false;
    let (mut dir, mut prefix) = (root().join("target/capi"), None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--release" => release = true,
            "--dir" => dir = args.next().ok_or("xtask capi: --dir needs a directory")?.into(),
            "--prefix" => prefix = Some(args.next().ok_or("xtask capi: --prefix needs a directory")?),
            _ => return Err(format!("xtask capi: unknown option {arg:?}\n\n{USAGE}")),
        }
    }
    let built = build(&dir, release)?;
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
    /// Where the libraries, the headers and the files of pkg-config and CMake are.
    pub(crate) dir: PathBuf,
    /// The names of the two libraries, as a program is linked with them.
    pub(crate) shared: String,
    pub(crate) archive: String,
    /// What a program that is linked with the archive needs besides, as options of the linker.
    pub(crate) system_libraries: String,
    names: Names,
}

/// The names of the shared library.
#[derive(Clone, Debug)]
struct Names {
    version: String,
    /// What programs ask for when they are started: it changes with every version that could break them.
    soname: String,
    /// The file. The other names are symbolic links to it.
    file: String,
}

const HEADERS: [&str; 2] = ["zigalloc.h", "zigalloc.hpp"];

/// Within the directory of the libraries: the archive alone, so that the linker finds no shared library there.
const ARCHIVE_ONLY: &str = "zigalloc-static";

/// Builds both libraries in a target directory inside of `dir`, so that neither the features nor the crate
/// types disturb other builds, and puts everything into `dir`.
pub(crate) fn build(dir: &Path, release: bool) -> Result<Built> {
    let shared = format!("{DLL_PREFIX}zigalloc{DLL_SUFFIX}");
    let archive = if cfg!(target_env = "msvc") { "zigalloc.lib" } else { "libzigalloc.a" }.to_owned();
    let names = Names::of(version()?);
    let target = dir.join("build");

    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["rustc", "--package", "zigalloc", "--lib", "--crate-type", "cdylib,staticlib"]);
    // No adapters for Rust's containers; and reports that name functions and lines.
    command.args(["--no-default-features", "--features", "capi,backtrace"]);
    command.args(release.then_some("--release"));
    command.arg("--target-dir").arg(&target).args(["--", "--print", "native-static-libs"]);
    if let Some(option) = names.option() {
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
    copy(&profile.join(&archive), &dir.join(&archive))?;
    copy(&profile.join(&shared), &dir.join(&names.file))?;
    for header in HEADERS {
        copy(&root().join("include").join(header), &dir.join(header))?;
    }
    let built = Built { dir: dir.to_owned(), shared, archive, system_libraries, names };
    built.link(dir)?;
    // Here, everything is in one directory, wherever that is.
    built.write_pkg_config(dir, "${pcfiledir}", "${prefix}", "${prefix}")?;
    built.write_cmake(dir, ".", ".")?;
    Ok(built)
}

impl Names {
    fn of(version: String) -> Names {
        if cfg!(windows) {
            let file = format!("{DLL_PREFIX}zigalloc{DLL_SUFFIX}");
            return Names { version, soname: file.clone(), file };
        }
        let name = |version: &str| {
            if cfg!(target_vendor = "apple") {
                format!("libzigalloc.{version}.dylib")
            } else {
                format!("libzigalloc.so.{version}")
            }
        };
        Names { soname: name(compatible(&version)), file: name(&version), version }
    }

    /// How the linker is told the name by which programs ask for the library. Without one, they would ask for the
    /// path that they were linked with.
    fn option(&self) -> Option<String> {
        if cfg!(target_vendor = "apple") {
            Some(format!("-Wl,-install_name,@rpath/{}", self.soname))
        } else if cfg!(unix) {
            Some(format!("-Wl,-soname,{}", self.soname))
        } else {
            None
        }
    }
}

impl Built {
    /// Copies everything to where a system looks for it below `prefix`.
    pub(crate) fn install(&self, prefix: &Path) -> Result<()> {
        let absolute =
            std::path::absolute(prefix).map_err(|error| format!("--prefix {}: {error}", prefix.display()))?;
        let (lib, include) = (absolute.join("lib"), absolute.join("include"));
        for library in [&self.names.file, &self.archive] {
            copy(&self.dir.join(library), &lib.join(library))?;
        }
        for header in HEADERS {
            copy(&self.dir.join(header), &include.join(header))?;
        }
        self.link(&lib)?;
        let prefix =
            absolute.to_str().ok_or_else(|| format!("--prefix {}: not Unicode", absolute.display()))?;
        let pkg_config = lib.join("pkgconfig");
        self.write_pkg_config(&pkg_config, &escape(prefix), "${prefix}/lib", "${prefix}/include")?;
        self.write_cmake(&lib.join("cmake/zigalloc"), "../..", "../../../include")
    }

    /// The other names of the libraries in `lib`.
    fn link(&self, lib: &Path) -> Result<()> {
        if cfg!(unix) {
            link(&self.names.file, &lib.join(&self.names.soname))?;
            link(&self.names.soname, &lib.join(&self.shared))?;
            link(&format!("../{}", self.archive), &lib.join(ARCHIVE_ONLY).join(&self.archive))?;
        }
        Ok(())
    }

    /// Two files, so that `pkg-config --static --libs` links the archive although the shared library is beside it.
    /// That command prints `Libs`, then `Libs.private`, then what is required. A linker looks into the directories in
    /// their order, whatever their place among the libraries. So the archive's has to be in `Libs.private`, and that
    /// of both libraries in a file of its own.
    fn write_pkg_config(&self, dir: &Path, prefix: &str, lib: &str, include: &str) -> Result<()> {
        let version = &self.names.version;
        let start = format!("prefix={prefix}\nlibdir={lib}\n");
        let archive_only = if cfg!(unix) { format!("-L${{libdir}}/{ARCHIVE_ONLY} ") } else { String::new() };
        let text = format!(
            "{start}includedir={include}\n\n\
             Name: zigalloc\nDescription: Zig's allocators for C\nVersion: {version}\n\
             Requires: zigalloc-libdir\nLibs: -lzigalloc\nLibs.private: {archive_only}{}\n\
             Cflags: -I${{includedir}}\n",
            self.system_libraries,
        );
        write(&dir.join("zigalloc.pc"), &text)?;
        let text = format!(
            "{start}\nName: zigalloc-libdir\nDescription: Where the libraries of zigalloc are\n\
             Version: {version}\nLibs: -L${{libdir}}\n"
        );
        write(&dir.join("zigalloc-libdir.pc"), &text)
    }

    /// `lib` and `include` are relative to `dir`.
    fn write_cmake(&self, dir: &Path, lib: &str, include: &str) -> Result<()> {
        if cfg!(windows) {
            println!("no files for CMake: on Windows they are not written");
            return Ok(());
        }
        let values = [
            ("VERSION", self.names.version.as_str()),
            ("COMPATIBLE", compatible(&self.names.version)),
            ("LIB", lib),
            ("INCLUDE", include),
            ("SHARED", &self.names.file),
            ("SONAME", &self.names.soname),
            ("ARCHIVE", &self.archive),
            ("SYSTEM_LIBRARIES", &self.system_libraries.replace(' ', ";")),
            ("WORD", if cfg!(target_pointer_width = "64") { "8" } else { "4" }),
        ];
        for (name, template) in [
            ("zigalloc-config.cmake", include_str!("capi/zigalloc-config.cmake")),
            ("zigalloc-config-version.cmake", include_str!("capi/zigalloc-config-version.cmake")),
        ] {
            let fill = |text: String, (name, value): &(&str, &str)| text.replace(&format!("@{name}@"), value);
            write(&dir.join(name), &values.iter().fold(template.to_owned(), fill))?;
        }
        Ok(())
    }
}

/// The version, as the header has it. (A test compares it with the library's.)
fn version() -> Result<String> {
    let header = root().join("include/zigalloc.h");
    let text = fs::read_to_string(&header).map_err(|error| format!("{}: {error}", header.display()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("#define ZIGALLOC_VERSION "));
    Ok(line.ok_or("include/zigalloc.h: no ZIGALLOC_VERSION")?.trim_matches('"').to_owned())
}

/// The part of a version that changes when programs have to be compiled again: of 1.2.3 it is 1, and of 0.1.2 it
/// is 0.1.
fn compatible(version: &str) -> &str {
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let end = version.match_indices('.').nth(parts - 1).map_or(version.len(), |(end, _)| end);
    &version[..end]
}

/// From the messages of the compiler, each once. `-lgcc_s` and `-lc` are left out: compilers of C add them, and the
/// former does not exist for `cc -static`, which takes `-lgcc_eh` in its place.
fn system_libraries(messages: &str) -> Option<String> {
    let list = messages.lines().find_map(|line| line.strip_prefix("note: native-static-libs:"))?;
    let mut libraries: Vec<&str> = Vec::new();
    for library in list.split_whitespace() {
        // The argument of `-framework` may come more than once, and the option does.
        let known = library.starts_with("-l") && libraries.contains(&library);
        if !known && !["-lgcc_s", "-lc"].contains(&library) {
            libraries.push(library);
        }
    }
    Some(libraries.join(" "))
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

/// Makes `path` another name for `target`, which is relative to its directory.
#[cfg(unix)]
fn link(target: &str, path: &Path) -> Result<()> {
    make_parent(path)?;
    let _ = fs::remove_file(path);
    std::os::unix::fs::symlink(target, path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(not(unix))]
fn link(_target: &str, path: &Path) -> Result<()> {
    Err(format!("{}: symbolic links are made on Unix only", path.display()))
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
        let messages = "   Compiling x\nnote: link against the following\n\
                        note: native-static-libs: -lm -lgcc_s -ldl -lm -framework A -framework B -lc\n";
        assert_eq!(system_libraries(messages).as_deref(), Some("-lm -ldl -framework A -framework B"));
        assert_eq!(system_libraries("error: no"), None);
    }

    #[test]
    fn soname_has_what_breaks_programs() {
        assert_eq!(["0.1.0", "0.12.3", "1.2.3", "10.0.0"].map(compatible), ["0.1", "0.12", "1", "10"]);
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escape("/opt/my lib"), "/opt/my\\ lib");
    }
}
