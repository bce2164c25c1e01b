//! The installed files, and how pkg-config, CMake and the loader find them.

use super::*;

/// The version in the file's name, and the part of it that programs require.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMPATIBLE: &str = "0.1";

/// Installs the library into a directory whose name contains a space.
fn installed(name: &str) -> PathBuf {
    let prefix = temp().join("a prefix").join(name);
    let _ = std::fs::remove_dir_all(&prefix);
    library().install(&prefix).unwrap();
    prefix
}

#[test]
fn everything_is_installed() {
    let prefix = installed("all");
    for file in [
        "include/zigalloc.h",
        "include/zigalloc.hpp",
        "lib/pkgconfig/zigalloc.pc",
        "lib/cmake/zigalloc/zigalloc-config.cmake",
        "lib/cmake/zigalloc/zigalloc-config-version.cmake",
        &format!("lib/{}", library().archive),
        &format!("lib/{}", library().shared),
    ] {
        assert!(prefix.join(file).is_file(), "{file}");
    }
}

/// A program requires the version that it was compiled for, and does not start with another.
#[test]
#[cfg(not(target_vendor = "apple"))]
fn programs_load_the_versioned_library() {
    let soname = format!("libzigalloc.so.{COMPATIBLE}");
    let file = format!("libzigalloc.so.{VERSION}");
    let lib = installed("soname").join("lib");
    assert_eq!(std::fs::read_link(lib.join("libzigalloc.so")).unwrap(), Path::new(&soname));
    assert_eq!(std::fs::read_link(lib.join(&soname)).unwrap(), Path::new(&file));
    assert!(lib.join(&file).symlink_metadata().unwrap().is_file());

    let source = "examples/c/use_zigalloc.c";
    let Some(program) = compile(source, "soname", Link::Shared, &[]) else { return };
    // A directory that is searched before that of its rpath: see DT_RUNPATH in ld.so(8).
    let start = |dir: &Path| try_run(Command::new(&program).env("LD_LIBRARY_PATH", dir)).unwrap();
    let other = temp().join("soname.other");
    let _ = std::fs::remove_dir_all(&other);
    std::fs::create_dir_all(&other).unwrap();
    let nonsense = |name: &str| std::fs::write(other.join(name), "not a library").unwrap();
    nonsense("libzigalloc.so");
    nonsense("libzigalloc.so.1");
    nonsense(&file);
    let output = start(&other);
    assert!(output.status.success(), "only {soname} is looked for: {}", text_of(&output));
    nonsense(&soname);
    let output = start(&other);
    assert!(!output.status.success(), "{soname} is looked for: {}", text_of(&output));
}

/// Returns the output of pkg-config, or `None` if there is none.
fn pkg_config(path: &Path, args: &[&str]) -> Option<String> {
    let output = try_run(Command::new("pkg-config").args(args).arg("zigalloc").env("PKG_CONFIG_PATH", path))?;
    assert!(output.status.success(), "pkg-config {args:?}: {}", text_of(&output));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Links a program with the output of pkg-config, through a shell, which removes the escapes.
fn link_by_shell(flags: &str, rpath: Option<&Path>, name: &str) -> Option<PathBuf> {
    Language::C.command("a program by pkg-config")?;
    let program = temp().join(name);
    let rpath = rpath.map(|path| format!("'-Wl,-rpath,{}'", path.display())).unwrap_or_default();
    let line = format!(
        "'{}' '{}' {flags} {rpath} -o '{}'",
        Language::C.compiler().to_string_lossy(),
        root().join("examples/c/use_zigalloc.c").display(),
        program.display()
    );
    run(Command::new("sh").arg("-c").arg(line));
    Some(program)
}

/// The directories of the `.pc` files and of the libraries: installed, and as built.
fn places(name: &str) -> [(PathBuf, PathBuf); 2] {
    let prefix = installed(name);
    let built = library().dir.clone();
    [(prefix.join("lib/pkgconfig"), prefix.join("lib")), (built.clone(), built)]
}

#[test]
fn pkg_config_finds_the_library() {
    for (pc, lib) in places("pkg-config") {
        let Some(version) = pkg_config(&pc, &["--modversion"]) else {
            return skipped("pkg-config", "there is none");
        };
        assert_eq!(version, VERSION);
        let flags = pkg_config(&pc, &["--cflags", "--libs"]).unwrap();
        let Some(program) = link_by_shell(&flags, Some(&lib), "pkg_config") else { return };
        run(&mut Command::new(&program));
        // The shared library was linked.
        assert!(uses_shared_library(&program), "{flags}");
    }
}

/// `--static` links the archive, although the shared library is beside it; also with `cc -static`.
#[test]
fn pkg_config_static_links_the_archive() {
    for (pc, _) in places("pkg-config-static") {
        let Some(flags) = pkg_config(&pc, &["--static", "--cflags", "--libs"]) else {
            return skipped("pkg-config --static", "there is no pkg-config");
        };
        let Some(program) = link_by_shell(&flags, None, "pkg_config_static") else { return };
        run(&mut Command::new(&program));
        assert!(!uses_shared_library(&program), "{flags}");
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            let program = link_by_shell(&format!("-static {flags}"), None, "pkg_config_all_static").unwrap();
            run(&mut Command::new(&program));
        }
    }
}

/// Returns whether a program names the shared library.
fn uses_shared_library(program: &Path) -> bool {
    let name = if cfg!(target_vendor = "apple") { "libzigalloc.0.1.dylib" } else { "libzigalloc.so.0.1" };
    std::fs::read(program).unwrap().windows(name.len()).any(|window| window == name.as_bytes())
}

/// A project finds the package, and links either library from C and C++. A missing version is not found.
#[test]
fn cmake_finds_the_package() {
    if try_run(Command::new("cmake").arg("--version")).is_none() {
        return skipped("CMake", "there is none");
    }
    if Language::C.command("CMake").is_none() || Language::Cpp.command("CMake").is_none() {
        return;
    }
    let prefix = installed("cmake");
    let configure = |build: &Path, directory: &Path, version: &str| {
        let _ = std::fs::remove_dir_all(build);
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(root().join("tests/capi/cmake")).arg("-B").arg(build);
        cmake.arg(format!("-Dzigalloc_DIR={}", directory.display())).arg(format!("-DWANTED={version}"));
        cmake
    };
    let installed = prefix.join("lib/cmake/zigalloc");
    for (name, directory) in [("installed", &installed), ("built", &library().dir)] {
        let build = temp().join("cmake").join(name);
        run(&mut configure(&build, directory, COMPATIBLE));
        run(Command::new("cmake").arg("--build").arg(&build));
        for (program, shared) in
            [("c_shared", true), ("c_static", false), ("cpp_shared", true), ("cpp_static", false)]
        {
            let program = build.join(program);
            run(&mut Command::new(&program));
            assert_eq!(uses_shared_library(&program), shared, "{}", program.display());
        }
    }
    // By the prefix alone, as for a system library.
    let build = temp().join("cmake/prefix");
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(root().join("tests/capi/cmake")).arg("-B").arg(&build).arg("-DWANTED=");
    let _ = std::fs::remove_dir_all(&build);
    run(cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));

    for (version, found) in [
        (VERSION, true),
        ("0.1.0", true),
        ("0", false), // 0.1 and 0.2 are incompatible, so this is too vague.
        ("0.0.9", false),
        ("0.1.1", false),
        ("0.10", false),
        ("0.2", false),
        ("1", false),
    ] {
        let output = try_run(&mut configure(&temp().join("cmake/version"), &installed, version)).unwrap();
        let text = text_of(&output);
        assert_eq!(output.status.success(), found, "{version}: {text}");
        assert!(found || text.contains("version"), "{version}: {text}");
    }
}
