//! The C library, as C and C++ programs see it: what `cargo xtask capi` builds is compiled against, linked with
//! and run, also under AddressSanitizer and Valgrind. What the machine does not have is printed as SKIPPED.

// It is not in the package that is published, so the manifest does not name it.
#![cfg(all(feature = "capi", unix, not(miri)))]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::mem::offset_of;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use rstest::rstest;
use zigalloc::capi::debug::options::{NO_FRAMES, Options};
use zigalloc::capi::debug::report::{RawReport, RawTrace};
use zigalloc::capi::failing_at::FailingAtCounts;
use zigalloc::capi::trace::Counts;
use zigalloc::{Allocator, VTable};

#[allow(dead_code, reason = "the command's own half is not used here")]
#[path = "../xtask/src/capi.rs"]
mod xtask;

/// As the module expects it of the crate that it is in.
type Result<T, E = String> = std::result::Result<T, E>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn temp() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi")
}

/// The library with debug assertions, built once.
fn library() -> &'static xtask::Built {
    static BUILT: OnceLock<xtask::Built> = OnceLock::new();
    BUILT.get_or_init(|| xtask::build(&temp().join("debug"), false).unwrap_or_else(|error| panic!("{error}")))
}

/// The library as programs get it, built once.
fn optimised_library() -> &'static xtask::Built {
    static BUILT: OnceLock<xtask::Built> = OnceLock::new();
    BUILT
        .get_or_init(|| xtask::build(&temp().join("release"), true).unwrap_or_else(|error| panic!("{error}")))
}

/// Tells it even where the test harness hides what is printed.
fn skipped(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "capi: SKIPPED {what}: {why}");
}

/// Runs a command, and says whether there is such a program at all.
fn try_run(command: &mut Command) -> Option<Output> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{command:?}: {error}"),
    }
}

fn text_of(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn run(command: &mut Command) -> Output {
    let output = try_run(command).unwrap_or_else(|| panic!("{command:?}: there is no such program"));
    assert!(output.status.success(), "{command:?}: {}", text_of(&output));
    output
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    C,
    Cpp,
}

impl Language {
    fn of(source: &str) -> Language {
        if source.ends_with(".cpp") { Language::Cpp } else { Language::C }
    }

    /// The compiler that the environment names, or the system's.
    fn compiler(self) -> OsString {
        let (variable, default) = match self {
            Language::C => ("CC", "cc"),
            Language::Cpp => ("CXX", "c++"),
        };
        std::env::var_os(variable).unwrap_or_else(|| default.into())
    }

    /// The command, or `None` if there is no such compiler, which is then told.
    fn command(self, what: &str) -> Option<Command> {
        let compiler = self.compiler();
        if try_run(Command::new(&compiler).arg("--version")).is_none() {
            skipped(what, &format!("there is no {}", compiler.to_string_lossy()));
            return None;
        }
        Some(Command::new(compiler))
    }
}

const WARNINGS: [&str; 6] =
    ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Werror"];

/// More of them, for the headers: each in every language that has it, by every compiler that knows it.
const HEADER_WARNINGS: [&str; 4] = ["-Wshadow", "-Wcast-qual", "-Wundef", "-Wcast-align"];
const C_WARNINGS: &[&str] = &["-Wstrict-prototypes", "-Wmissing-prototypes"];
const CPP_WARNINGS: &[&str] = &["-Wold-style-cast", "-Wuseless-cast", "-Wzero-as-null-pointer-constant"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Shared,
    Archive,
}

/// Compiles one of the programs of this repository, or `None` if there is no compiler for it.
fn compile(source: &str, name: &str, link: Link, flags: &[&str]) -> Option<PathBuf> {
    compile_with(library(), source, name, link, flags)
}

fn compile_with(
    library: &xtask::Built,
    source: &str,
    name: &str,
    link: Link,
    flags: &[&str],
) -> Option<PathBuf> {
    let language = Language::of(source);
    let mut command = language.command(source)?;
    let program = temp().join(name);
    let standard = if language == Language::C { "-std=c11" } else { "-std=c++17" };
    command.args((!flags.iter().any(|flag| flag.starts_with("-std="))).then_some(standard)).args(WARNINGS);
    // The name of the source as it is shown in reports is the one here.
    command.arg("-g").args(flags).arg("-I").arg(&library.dir).arg(root().join(source));
    command.arg("-o").arg(&program);
    match link {
        Link::Shared => {
            command.arg("-L").arg(&library.dir).arg("-lzigalloc");
            command.arg(format!("-Wl,-rpath,{}", library.dir.display())).arg("-pthread");
        }
        Link::Archive => {
            command.arg(library.dir.join(&library.archive)).args(library.system_libraries.split(' '));
        }
    }
    run(&mut command);
    Some(program)
}

const ASAN: [&str; 3] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1"];

/// Whether the compiler can link a program with the sanitizers.
fn sanitizers(what: &str, language: Language) -> bool {
    let Some(mut command) = language.command(what) else { return false };
    let source = temp().join(format!("{what}.empty.c").replace('/', "_"));
    std::fs::create_dir_all(temp()).unwrap();
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let output =
        command.args(ASAN).args(["-x", "c"]).arg(&source).arg("-o").arg(source.with_extension("out"));
    let works = try_run(output).is_some_and(|output| output.status.success());
    if !works {
        skipped(what, "the compiler has no -fsanitize=address,undefined");
    }
    works
}

fn valgrind(what: &str) -> Option<Command> {
    if try_run(Command::new("valgrind").arg("--version")).is_none() {
        skipped(what, "there is no valgrind");
        return None;
    }
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]);
    Some(command)
}

// ---- the header ----

#[rstest]
fn the_headers_compile_in_every_standard(
    #[values("zigalloc.h", "zigalloc.hpp")] header: &str,
    #[values("c99", "c11", "c17", "c23", "c++17", "c++20")] standard: &str,
    #[values("gcc", "clang", "the default")] vendor: &str,
) {
    let what = format!("{header} as {standard} with {vendor}");
    let cpp = standard.starts_with("c++");
    if header.ends_with("pp") && !cpp {
        return; // It is for C++ only.
    }
    let language = if cpp { Language::Cpp } else { Language::C };
    let compiler = match (vendor, cpp) {
        ("gcc", true) => "g++".into(),
        ("clang", true) => "clang++".into(),
        ("gcc" | "clang", false) => vendor.into(),
        _ => language.compiler(),
    };
    let input = if cpp { "c++" } else { "c" };
    std::fs::create_dir_all(temp()).unwrap();
    let source = temp().join(format!("{header}-{standard}-{vendor}"));
    // Nothing before it, and twice: it includes what it needs, and does nothing the second time.
    let text = format!(
        "#include \"{header}\"\n#include \"{header}\"\n\
         int main(void) {{ return zigalloc_version()[0] == '0' ? 0 : 1; }}\n"
    );
    std::fs::write(&source, &text).unwrap();

    // A standard is known by its own name, or by the one that it had when it was young.
    let young = if standard == "c23" { "c2x" } else { standard };
    let knows = |name: &str| {
        let mut command = Command::new(&compiler);
        command.arg(format!("-std={name}")).args(["-fsyntax-only", "-x", input, "/dev/null"]);
        try_run(&mut command).map(|output| output.status.success())
    };
    let name = match (knows(standard), knows(young)) {
        (Some(true), _) => standard,
        (_, Some(true)) => young,
        (None, _) => return skipped(&what, "there is no such compiler"),
        _ => return skipped(&what, "the compiler does not know the standard"),
    };
    let more = if cpp { CPP_WARNINGS } else { C_WARNINGS };
    let compile = |source: &Path, flags: &[&str]| {
        let mut command = Command::new(&compiler);
        command.arg(format!("-std={name}")).args(WARNINGS).args(HEADER_WARNINGS).args(more).args(flags);
        if language_is_clang(&compiler) {
            // The others are known to both.
            command.arg("-Wno-unknown-warning-option");
        }
        command.arg("-I").arg(root().join("include")).args(["-c", "-x", input]).arg(source);
        command.arg("-o").arg(temp().join(format!("{header}-{standard}-{vendor}.o")));
        command
    };
    let without_exceptions: &[&str] =
        if cpp { &["-fno-exceptions", "-fno-rtti"] } else { &["-fno-exceptions"] };
    for flags in [&["-O0"][..], &["-O2"], &["-DNDEBUG", "-O2"], without_exceptions] {
        run(&mut compile(&source, flags));
    }
    // The warnings are on: a header with a conversion that loses bits does not compile.
    let lossy = temp().join(format!("lossy-{header}-{standard}-{vendor}"));
    std::fs::write(&lossy, format!("{text}unsigned char lossy(int n) {{ return n; }}\n")).unwrap();
    let output = try_run(&mut compile(&lossy, &[])).unwrap();
    assert!(!output.status.success(), "{what}: -Wconversion -Werror is not on");
}

fn language_is_clang(compiler: &std::ffi::OsStr) -> bool {
    let output = try_run(Command::new(compiler).arg("--version"));
    output.is_some_and(|output| String::from_utf8_lossy(&output.stdout).contains("clang"))
}

/// The layout, from both sides. (The crate's constant assertions compare it with words as well.)
#[test]
fn c_and_rust_see_the_same_layout() {
    let mut rust = String::new();
    let mut line = |name: &str, number: usize| writeln!(rust, "{name} {number}").unwrap();
    line("size bool", size_of::<bool>());
    line("size int", size_of::<std::ffi::c_int>());
    line("size zigalloc_allocator", size_of::<Allocator<'_>>());
    let (ctx, vtable) = fields_of_a_handle();
    line("offset zigalloc_allocator.ctx", ctx);
    line("offset zigalloc_allocator.vtable", vtable);
    line("size zigalloc_vtable", size_of::<VTable>());
    line("offset zigalloc_vtable.alloc", offset_of!(VTable, alloc));
    line("offset zigalloc_vtable.resize", offset_of!(VTable, resize));
    line("offset zigalloc_vtable.remap", offset_of!(VTable, remap));
    line("offset zigalloc_vtable.free", offset_of!(VTable, free));
    line("value ZIGALLOC_FREE_ALL", 0);
    line("value ZIGALLOC_RETAIN_CAPACITY", 1);
    line("value ZIGALLOC_RETAIN_WITH_LIMIT", 2);
    line("size zigalloc_counts", size_of::<Counts>());
    line("offset zigalloc_counts.alloc_calls", offset_of!(Counts, alloc_calls));
    line("offset zigalloc_counts.alloc_refused", offset_of!(Counts, alloc_refused));
    line("offset zigalloc_counts.resize_calls", offset_of!(Counts, resize_calls));
    line("offset zigalloc_counts.resize_refused", offset_of!(Counts, resize_refused));
    line("offset zigalloc_counts.remap_calls", offset_of!(Counts, remap_calls));
    line("offset zigalloc_counts.remap_refused", offset_of!(Counts, remap_refused));
    line("offset zigalloc_counts.free_calls", offset_of!(Counts, free_calls));
    line("offset zigalloc_counts.total_bytes", offset_of!(Counts, total_bytes));
    line("offset zigalloc_counts.live_blocks", offset_of!(Counts, live_blocks));
    line("offset zigalloc_counts.live_bytes", offset_of!(Counts, live_bytes));
    line("offset zigalloc_counts.peak_live_bytes", offset_of!(Counts, peak_live_bytes));
    line("offset zigalloc_counts.alloc_sizes", offset_of!(Counts, alloc_sizes));
    line("size zigalloc_debug_options", size_of::<Options>());
    line("offset zigalloc_debug_options.size", offset_of!(Options, size));
    line("offset zigalloc_debug_options.report", offset_of!(Options, report));
    line("offset zigalloc_debug_options.user_data", offset_of!(Options, user_data));
    line("offset zigalloc_debug_options.stack_trace_frames", offset_of!(Options, stack_trace_frames));
    line("offset zigalloc_debug_options.requested_memory_limit", offset_of!(Options, requested_memory_limit));
    line("offset zigalloc_debug_options.quarantine", offset_of!(Options, quarantine));
    line("offset zigalloc_debug_options.page_size", offset_of!(Options, page_size));
    line("offset zigalloc_debug_options.canary", offset_of!(Options, canary));
    line("offset zigalloc_debug_options.enable_memory_limit", offset_of!(Options, enable_memory_limit));
    line("offset zigalloc_debug_options.no_safety", offset_of!(Options, no_safety));
    line("offset zigalloc_debug_options.single_threaded", offset_of!(Options, single_threaded));
    line("offset zigalloc_debug_options.never_unmap", offset_of!(Options, never_unmap));
    line("offset zigalloc_debug_options.retain_metadata", offset_of!(Options, retain_metadata));
    line("offset zigalloc_debug_options.resize_stack_traces", offset_of!(Options, resize_stack_traces));
    line("offset zigalloc_debug_options.verbose_log", offset_of!(Options, verbose_log));
    line("offset zigalloc_debug_options.reserved", offset_of!(Options, reserved));
    line("size zigalloc_trace", size_of::<RawTrace>());
    line("offset zigalloc_trace.addresses", offset_of!(RawTrace, addresses));
    line("offset zigalloc_trace.count", offset_of!(RawTrace, count));
    line("size zigalloc_debug_report", size_of::<RawReport>());
    line("offset zigalloc_debug_report.size", offset_of!(RawReport, size));
    line("offset zigalloc_debug_report.kind", offset_of!(RawReport, kind));
    line("offset zigalloc_debug_report.operation", offset_of!(RawReport, operation));
    line("offset zigalloc_debug_report.address", offset_of!(RawReport, address));
    line("offset zigalloc_debug_report.len", offset_of!(RawReport, len));
    line("offset zigalloc_debug_report.recorded_len", offset_of!(RawReport, recorded_len));
    line("offset zigalloc_debug_report.inside", offset_of!(RawReport, inside));
    line("offset zigalloc_debug_report.overrun", offset_of!(RawReport, overrun));
    line("offset zigalloc_debug_report.blocks", offset_of!(RawReport, blocks));
    line("offset zigalloc_debug_report.bytes", offset_of!(RawReport, bytes));
    line("offset zigalloc_debug_report.site", offset_of!(RawReport, site));
    line("offset zigalloc_debug_report.allocation", offset_of!(RawReport, allocation));
    line("offset zigalloc_debug_report.first_free", offset_of!(RawReport, first_free));
    line("offset zigalloc_debug_report.source", offset_of!(RawReport, source));
    line("offset zigalloc_debug_report.alignment_log2", offset_of!(RawReport, alignment_log2));
    line(
        "offset zigalloc_debug_report.recorded_alignment_log2",
        offset_of!(RawReport, recorded_alignment_log2),
    );
    line("size zigalloc_failing_at_counts", size_of::<FailingAtCounts>());
    line("offset zigalloc_failing_at_counts.alloc_index", offset_of!(FailingAtCounts, alloc_index));
    line("offset zigalloc_failing_at_counts.resize_index", offset_of!(FailingAtCounts, resize_index));
    line("offset zigalloc_failing_at_counts.allocated_bytes", offset_of!(FailingAtCounts, allocated_bytes));
    line("offset zigalloc_failing_at_counts.freed_bytes", offset_of!(FailingAtCounts, freed_bytes));
    line("offset zigalloc_failing_at_counts.allocations", offset_of!(FailingAtCounts, allocations));
    line("offset zigalloc_failing_at_counts.deallocations", offset_of!(FailingAtCounts, deallocations));
    line("offset zigalloc_failing_at_counts.stack_addresses", offset_of!(FailingAtCounts, stack_addresses));
    line("value ZIGALLOC_DOUBLE_FREE", 0);
    line("value ZIGALLOC_INVALID_FREE", 1);
    line("value ZIGALLOC_WRONG_LENGTH", 2);
    line("value ZIGALLOC_WRONG_ALIGNMENT", 3);
    line("value ZIGALLOC_OVERRUN", 4);
    line("value ZIGALLOC_CORRUPTION", 5);
    line("value ZIGALLOC_LEAK", 6);
    line("value ZIGALLOC_OPERATION_ALLOC", 0);
    line("value ZIGALLOC_OPERATION_RESIZE", 1);
    line("value ZIGALLOC_OPERATION_REMAP", 2);
    line("value ZIGALLOC_OPERATION_FREE", 3);
    line("value ZIGALLOC_OPERATION_DETECT_LEAKS", 4);
    line("value ZIGALLOC_NO_FRAMES", NO_FRAMES);
    // As C of two standards and as C++.
    for (name, flags) in LANGUAGES {
        let Some(program) = compile("tests/capi/layout.c", &format!("layout.{name}"), Link::Shared, flags)
        else {
            return;
        };
        let output = run(&mut Command::new(program));
        assert_eq!(String::from_utf8_lossy(&output.stdout), rust, "{name}");
    }
}

/// What a program of C is compiled as.
const LANGUAGES: [(&str, &[&str]); 3] =
    [("c11", &["-std=c11"]), ("c17", &["-std=c17"]), ("c++17", &["-x", "c++", "-std=c++17"])];

/// Where the two fields of a handle are, which are private: by their content.
fn fields_of_a_handle() -> (usize, usize) {
    let vtable = Allocator::FAILING.vtable();
    let mark = std::ptr::without_provenance_mut(0x5A5A_0000);
    // SAFETY: a pointer that the functions do not use.
    let handle: Allocator<'_> = unsafe { Allocator::from_raw_parts(mark, vtable) };
    // SAFETY: two pointers, without padding.
    let words: [*const (); 2] = unsafe { std::mem::transmute(handle) };
    let find =
        |wanted: *const ()| words.iter().position(|&word| word == wanted).unwrap() * size_of::<usize>();
    (find(mark), find(std::ptr::from_ref(vtable).cast()))
}

/// The functions that the header declares, each with its parameters. What it defines itself is left out.
fn declared() -> Vec<(String, String)> {
    let header = std::fs::read_to_string(root().join("include/zigalloc.h")).unwrap();
    let mut code = String::new();
    let mut rest = header.as_str();
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").expect("a comment ends").1;
    }
    code.push_str(rest);
    code = code.replace("extern \"C\" {", "");
    let mut functions = Vec::new();
    let (mut depth, mut statement) = (0_usize, String::new());
    for line in code.lines().filter(|line| !line.starts_with('#')) {
        for c in line.chars().chain([' ']) {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ if depth == 0 => statement.push(c),
                _ => {}
            }
            // A body ends what is in front of it, as a semicolon does.
            if depth == 0 && matches!(c, ';' | '}') {
                functions.extend(declaration(&std::mem::take(&mut statement)));
            }
        }
    }
    functions
}

/// The name and the parameters, if it is the declaration of a function.
fn declaration(statement: &str) -> Option<(String, String)> {
    let (head, parameters) = statement.trim().strip_suffix(");")?.split_once('(')?;
    let name = head.rsplit([' ', '*']).next()?;
    let is_function = name.starts_with("zigalloc_") && !head.starts_with("typedef");
    is_function.then(|| (name.to_owned(), parameters.to_owned()))
}

/// What the shared library exports is what the header declares, no more and no less; and the archive has it all.
#[test]
fn the_header_and_the_libraries_agree() {
    let declared: BTreeSet<String> = declared().into_iter().map(|(name, _)| name).collect();
    assert!(declared.len() > 20, "{declared:?}");
    let library = library();

    let dynamic = if cfg!(target_vendor = "apple") { "-gU" } else { "-D" };
    let mut nm = Command::new("nm");
    nm.args([dynamic]).arg(library.dir.join(&library.shared));
    if let Some(output) = try_run(&mut nm) {
        assert!(output.status.success(), "{nm:?}: {}", text_of(&output));
        let text = String::from_utf8_lossy(&output.stdout);
        // An address, a letter, a name; without the first if the symbol is of another library.
        let symbols = text.lines().filter_map(|line| {
            let [_, _, symbol] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
            let symbol = if cfg!(target_vendor = "apple") { symbol.trim_start_matches('_') } else { symbol };
            Some(symbol.to_owned())
        });
        assert_eq!(symbols.collect::<BTreeSet<_>>(), declared, "exported and declared");
    } else {
        skipped("the exported symbols", "there is no nm");
    }

    // A table of all of them does not link if one is missing.
    let mut source = "#include \"zigalloc.h\"\ntypedef void (*function)(void);\n".to_owned();
    let addresses: String = declared.iter().map(|name| format!("(function){name}, ")).collect();
    writeln!(source, "volatile function table[] = {{ {addresses} }};").unwrap();
    writeln!(source, "int main(void) {{ return table[0] == 0; }}").unwrap();
    let Some(mut cc) = Language::C.command("linking every function") else { return };
    let (file, program) = (temp().join("every.c"), temp().join("every"));
    std::fs::write(&file, source).unwrap();
    cc.arg("-I").arg(&library.dir).arg(file).arg(library.dir.join(&library.archive));
    run(cc.args(library.system_libraries.split(' ')).arg("-o").arg(&program));
    run(&mut Command::new(program));
}

// ---- programs ----

const PROGRAMS: [&str; 7] = [
    "examples/c/own_allocator.c",
    "examples/c/use_zigalloc.c",
    "examples/c/out_of_memory.c",
    "examples/c/pmr.cpp",
    "tests/capi/checks.c",
    "tests/capi/debug.c",
    "tests/capi/cpp.cpp",
];

fn stem(source: &str) -> &str {
    Path::new(source).file_stem().unwrap().to_str().unwrap()
}

fn for_each_program(test: impl Fn(&str, &str)) {
    for source in PROGRAMS {
        test(source, stem(source));
    }
}

#[test]
fn programs_run_with_the_shared_library() {
    for_each_program(|source, name| {
        if let Some(program) = compile(source, &format!("{name}.shared"), Link::Shared, &[]) {
            run(&mut Command::new(program));
        }
    });
}

#[test]
fn programs_run_with_the_archive() {
    for_each_program(|source, name| {
        let flags = ["-O2", "-DNDEBUG"];
        if let Some(program) = compile(source, &format!("{name}.archive"), Link::Archive, &flags) {
            run(&mut Command::new(program));
        }
    });
}

/// The tests in C mean the same in the next standard, and as C++.
#[rstest]
fn programs_of_c_run_in_each_language(#[values("tests/capi/checks.c", "tests/capi/debug.c")] source: &str) {
    for (name, flags) in LANGUAGES {
        if let Some(program) = compile(source, &format!("{}.{name}", stem(source)), Link::Shared, flags) {
            run(&mut Command::new(program));
        }
    }
}

/// Lua's own allocations, over the debug allocator and without it.
#[test]
fn lua_runs_in_the_debug_allocator() {
    let what = "examples/c/lua.c";
    let flags = try_run(Command::new("pkg-config").args(["--cflags", "--libs", "lua5.4"]));
    let Some(flags) = flags.filter(|output| output.status.success()) else {
        return skipped(what, "pkg-config knows no lua5.4");
    };
    let Some(mut cc) = Language::C.command(what) else { return };
    let (library, program) = (library(), temp().join("lua"));
    cc.args(["-std=c11", "-g", "-O2"]).args(WARNINGS).arg("-I").arg(&library.dir).arg(root().join(what));
    cc.arg("-L").arg(&library.dir).arg("-lzigalloc").arg(format!("-Wl,-rpath,{}", library.dir.display()));
    cc.args(String::from_utf8(flags.stdout).unwrap().split_whitespace()).arg("-o").arg(&program);
    run(&mut cc);
    for argument in ["smp", "0", "1"] {
        let output = run(Command::new(&program).arg(argument));
        assert!(output.stderr.is_empty(), "{argument}: {}", text_of(&output));
    }
}

/// Where there are no exceptions, a container without memory aborts.
#[test]
fn without_exceptions_out_of_memory_aborts() {
    let source = "tests/capi/cpp.cpp";
    for (name, flags) in
        [("plain", &["-fno-exceptions"][..]), ("no-rtti", &["-fno-exceptions", "-fno-rtti", "-O2"])]
    {
        let Some(program) = compile(source, &format!("cpp.{name}"), Link::Shared, flags) else { return };
        run(&mut Command::new(&program));
        let output = try_run(Command::new(program).arg("out of memory")).unwrap();
        assert_eq!(output.status.signal(), Some(SIGABRT), "{}", text_of(&output));
    }
}

#[test]
fn programs_are_clean_under_address_sanitizer() {
    for_each_program(|source, name| {
        if !sanitizers(source, Language::of(source)) {
            return;
        }
        if let Some(program) = compile(source, &format!("{name}.asan"), Link::Shared, &ASAN) {
            // More memory than there is, is null, as it is without the sanitizer.
            run(Command::new(program).env("ASAN_OPTIONS", "allocator_may_return_null=1"));
        }
    });
}

#[test]
fn programs_are_clean_under_valgrind() {
    for_each_program(|source, name| {
        let Some(mut valgrind) = valgrind(source) else { return };
        if let Some(program) = compile(source, &format!("{name}.valgrind"), Link::Shared, &[]) {
            run(valgrind.arg(program));
        }
    });
}

/// A write behind a block is reported, so the tests above say something.
#[test]
fn address_sanitizer_is_on() {
    let source = "tests/capi/overflow.c";
    if !sanitizers(source, Language::C) {
        return;
    }
    let Some(program) = compile(source, "overflow.asan", Link::Shared, &ASAN) else { return };
    let output = try_run(&mut Command::new(program)).unwrap();
    let text = text_of(&output);
    assert!(!output.status.success() && text.contains("heap-buffer-overflow"), "{text}");
}

#[test]
fn valgrind_is_on() {
    let source = "tests/capi/overflow.c";
    let Some(mut valgrind) = valgrind(source) else { return };
    let Some(program) = compile(source, "overflow.valgrind", Link::Shared, &[]) else { return };
    let output = try_run(valgrind.arg(program)).unwrap();
    let text = text_of(&output);
    assert!(output.status.code() == Some(99) && text.contains("Invalid write of size 1"), "{text}");
}

// ---- mistakes ----

/// Every mistake that the header says ends the program does, with a message that names the function; and there
/// is a mistake for every function that can be called with NULL.
#[test]
fn mistakes_end_the_program_and_name_the_function() {
    let Some(program) = compile("tests/capi/misuse.c", "misuse", Link::Shared, &[]) else { return };
    let output = run(&mut Command::new(&program));
    let calls = String::from_utf8(output.stdout).unwrap();
    let name_of = |call: &str| call.split_once('(').unwrap().0.to_owned();
    for call in calls.lines() {
        let output = try_run(Command::new(&program).arg(call)).unwrap();
        let text = text_of(&output);
        assert_eq!(output.status.signal(), Some(SIGABRT), "{call}: {text}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.starts_with(&format!("{}: ", name_of(call))), "{call}: {text}");
        assert_eq!(message.lines().count(), 1, "{call}: {text}");
    }
    let tried: BTreeSet<String> = calls.lines().map(name_of).collect();
    for (name, parameters) in declared() {
        let takes_null = parameters != "void" && !name.ends_with("_destroy");
        assert_eq!(takes_null, tried.contains(&name), "{name}({parameters})");
    }
}

/// The same number on all systems that this test runs on.
const SIGABRT: i32 = 6;

/// The helpers of the header assert what the table's functions answer with NULL. (With NDEBUG they answer NULL
/// as well, says checks.c.)
#[test]
fn an_alignment_that_does_not_exist_fails_an_assertion() {
    let calls = [
        "zigalloc_alloc(a, 1, 8 * sizeof(size_t))",
        "zigalloc_realloc(a, NULL, 0, 255, 1)",
        "zigalloc_resize(a, NULL, 0, 100, 0)",
        "zigalloc_log2(24)",
        "zigalloc_log2(0)",
    ];
    let library = library();
    for call in calls {
        let Some(mut cc) = Language::C.command("assertions") else { return };
        let (file, program) = (temp().join("assertion.c"), temp().join("assertion"));
        let source = format!(
            "#include \"zigalloc.h\"\nint main(void)\n{{\n\
             zigalloc_allocator a = zigalloc_c_allocator();\n(void)a;\n(void){call};\nreturn 0;\n}}\n"
        );
        std::fs::write(&file, source).unwrap();
        cc.args(["-std=c11", "-I"]).arg(&library.dir).arg(file).arg("-o").arg(&program);
        cc.arg("-L").arg(&library.dir).arg("-lzigalloc");
        run(cc.arg(format!("-Wl,-rpath,{}", library.dir.display())));
        let output = try_run(&mut Command::new(program)).unwrap();
        let text = text_of(&output);
        assert!(output.status.signal() == Some(SIGABRT) && text.contains("zigalloc"), "{call}: {text}");
    }
}

/// The debug allocator's reports name the lines of the C program, whichever library it has; both are built with
/// the feature `backtrace`.
#[rstest]
fn reports_name_the_lines_of_the_c_program(#[values(false, true)] optimised: bool) {
    let file = "tests/capi/reports.c";
    let (library, name) =
        if optimised { (optimised_library(), "reports.release") } else { (library(), "reports") };
    let Some(program) = compile_with(library, file, name, Link::Shared, &["-O0"]) else { return };
    let output = run(&mut Command::new(program));
    assert_eq!(output.stdout, b"1\n");
    let reports = String::from_utf8_lossy(&output.stderr);
    let path = root().join(file);
    let source = std::fs::read_to_string(&path).unwrap();
    // The place of the line that ends with this comment.
    let place = |function: &str, mark: &str| {
        let mark = format!("/* {mark} */");
        let index = source.lines().position(|line| line.ends_with(&mark)).expect("the mark is in the source");
        format!("{function} at {}:{}\n", path.display(), index + 1)
    };
    let main = |mark| place("main", mark);
    // In the order in which they are found: what, and the first line of each trace.
    let expected = [
        ("double free", vec![main("freed again"), main("freed"), main("allocated")]),
        ("wrong length", vec![main("too short")]),
        ("invalid free", vec![main("inside"), place("allocate_the_leak", "leak")]),
        ("leak", vec![place("allocate_the_leak", "leak")]),
    ];
    let found: Vec<&str> = reports.split("DebugAllocator: ").skip(1).collect();
    assert_eq!(found.len(), expected.len(), "{reports}");
    for (report, (kind, places)) in found.iter().zip(expected) {
        assert!(report.starts_with(kind), "{kind}: {report}");
        let mut rest = *report;
        for place in places {
            rest = rest.split_once(&place).unwrap_or_else(|| panic!("{place} is not in: {rest}")).1;
        }
    }
}

/// What is a mistake in a library with debug assertions is "no" in one without. All else is the same.
#[test]
fn without_debug_assertions_an_alignment_that_does_not_exist_is_null() {
    for source in ["tests/capi/release.c", "tests/capi/checks.c"] {
        let name = format!("{}.release", stem(source));
        if let Some(program) = compile_with(optimised_library(), source, &name, Link::Archive, &["-O2"]) {
            run(&mut Command::new(program));
        }
    }
}

// ---- installing ----

/// The version of the file's name, and the part of it that programs ask for.
const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMPATIBLE: &str = "0.1";

/// Installs the library below a directory whose name has a space.
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

/// A program asks for the version that it was compiled for, and does not start with another one.
#[test]
#[cfg(not(target_vendor = "apple"))]
fn shared_library_is_asked_for_by_its_version() {
    let soname = format!("libzigalloc.so.{COMPATIBLE}");
    let file = format!("libzigalloc.so.{VERSION}");
    let lib = installed("soname").join("lib");
    assert_eq!(std::fs::read_link(lib.join("libzigalloc.so")).unwrap(), Path::new(&soname));
    assert_eq!(std::fs::read_link(lib.join(&soname)).unwrap(), Path::new(&file));
    assert!(lib.join(&file).symlink_metadata().unwrap().is_file());

    let source = "examples/c/use_zigalloc.c";
    let Some(program) = compile(source, "soname", Link::Shared, &[]) else { return };
    // A directory that comes before that of its rpath: see ld.so(8) on DT_RUNPATH.
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

/// What pkg-config prints, or `None` if there is none.
fn pkg_config(path: &Path, args: &[&str]) -> Option<String> {
    let output = try_run(Command::new("pkg-config").args(args).arg("zigalloc").env("PKG_CONFIG_PATH", path))?;
    assert!(output.status.success(), "pkg-config {args:?}: {}", text_of(&output));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// Links a program with what pkg-config has printed, as a shell does, which takes the escapes away.
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

/// Where the `.pc` files are and where the libraries are: installed, and as built.
fn places(name: &str) -> [(PathBuf, PathBuf); 2] {
    let prefix = installed(name);
    let built = library().dir.clone();
    [(prefix.join("lib/pkgconfig"), prefix.join("lib")), (built.clone(), built)]
}

#[test]
fn installed_it_is_found_by_pkg_config() {
    for (pc, lib) in places("pkg-config") {
        let Some(version) = pkg_config(&pc, &["--modversion"]) else {
            return skipped("pkg-config", "there is none");
        };
        assert_eq!(version, VERSION);
        let flags = pkg_config(&pc, &["--cflags", "--libs"]).unwrap();
        let Some(program) = link_by_shell(&flags, Some(&lib), "pkg_config") else { return };
        run(&mut Command::new(&program));
        // It is the shared library that was linked.
        assert!(uses_shared_library(&program), "{flags}");
    }
}

/// `--static` links the archive, although the shared library is beside it, and with `cc -static` as well.
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

/// Whether a program has the name of the shared library in it.
fn uses_shared_library(program: &Path) -> bool {
    let name = if cfg!(target_vendor = "apple") { "libzigalloc.0.1.dylib" } else { "libzigalloc.so.0.1" };
    std::fs::read(program).unwrap().windows(name.len()).any(|window| window == name.as_bytes())
}

/// A project finds the package, and links either library from C and C++. A version that is not there is not found.
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
    // By the prefix alone, as a system's is.
    let build = temp().join("cmake/prefix");
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(root().join("tests/capi/cmake")).arg("-B").arg(&build).arg("-DWANTED=");
    let _ = std::fs::remove_dir_all(&build);
    run(cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));

    for (version, found) in [
        (VERSION, true),
        ("0.1.0", true),
        ("0", false), // 0.1 and 0.2 are not compatible, so this says too little.
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
