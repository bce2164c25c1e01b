//! The C library, as C and C++ programs see it: what `cargo xtask capi` builds is compiled against, linked with
//! and run, also under AddressSanitizer and Valgrind. What the machine does not have is printed as SKIPPED.

// It is not in the package that is published, so the manifest does not name it.
#![cfg(all(feature = "capi", unix, not(miri)))]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use rstest::rstest;
use zigalloc_support::has_aborted;

#[path = "capi/headers.rs"]
mod headers;
#[path = "capi/installing.rs"]
mod installing;

#[path = "capi/library.rs"]
mod xtask;

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

/// What a program of C is compiled as.
const LANGUAGES: [(&str, &[&str]); 3] =
    [("c11", &["-std=c11"]), ("c17", &["-std=c17"]), ("c++17", &["-x", "c++", "-std=c++17"])];

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

// ---- programs ----

const PROGRAMS: [&str; 9] = [
    "examples/c/own_allocator.c",
    "examples/c/use_zigalloc.c",
    "examples/c/out_of_memory.c",
    "examples/c/pmr.cpp",
    "tests/capi/checks.c",
    "tests/capi/debug.c",
    "tests/capi/leaks.c",
    "tests/capi/malloc.c",
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
fn programs_of_c_run_in_each_language(
    #[values("tests/capi/checks.c", "tests/capi/debug.c", "tests/capi/leaks.c", "tests/capi/malloc.c")]
    source: &str,
) {
    for (name, flags) in LANGUAGES {
        if let Some(program) = compile(source, &format!("{}.{name}", stem(source)), Link::Shared, flags) {
            run(&mut Command::new(program));
        }
    }
}

/// Lua's own allocations, over the debug allocator and without it.
#[test]
fn lua_runs_in_the_debug_allocator() {
    library_runs_on_ours("lua5.4", "examples/c/lua.c", &["smp", "0", "1"]);
}

/// OT-06: SQLite on the `malloc` family: over the debug allocator, without it, and out of memory at each call.
#[test]
fn sqlite_runs_on_the_malloc_family() {
    library_runs_on_ours("sqlite3", "examples/c/sqlite.c", &["smp", "debug", "oom"]);
}

/// Compiles an example with a library that pkg-config knows, and runs it with each argument.
fn library_runs_on_ours(package: &str, what: &str, arguments: &[&str]) {
    let flags = try_run(Command::new("pkg-config").args(["--cflags", "--libs", package]));
    let Some(flags) = flags.filter(|output| output.status.success()) else {
        return skipped(what, &format!("pkg-config knows no {package}"));
    };
    let Some(mut cc) = Language::C.command(what) else { return };
    let (library, program) = (library(), temp().join(package));
    cc.args(["-std=c11", "-g", "-O2"]).args(WARNINGS).arg("-I").arg(&library.dir).arg(root().join(what));
    cc.arg("-L").arg(&library.dir).arg("-lzigalloc").arg(format!("-Wl,-rpath,{}", library.dir.display()));
    cc.args(String::from_utf8(flags.stdout).unwrap().split_whitespace()).arg("-o").arg(&program);
    run(&mut cc);
    for argument in arguments {
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
        assert!(has_aborted(output.status), "{}", text_of(&output));
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
fn misuse_aborts_and_names_the_function() {
    let Some(program) = compile("tests/capi/misuse.c", "misuse", Link::Shared, &[]) else { return };
    let output = run(&mut Command::new(&program));
    let calls = String::from_utf8(output.stdout).unwrap();
    let name_of = |call: &str| call.split_once('(').unwrap().0.to_owned();
    for call in calls.lines() {
        let output = try_run(Command::new(&program).arg(call)).unwrap();
        let text = text_of(&output);
        assert!(has_aborted(output.status), "{call}: {text}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.starts_with(&format!("{}: ", name_of(call))), "{call}: {text}");
        assert_eq!(message.lines().count(), 1, "{call}: {text}");
    }
    let tried: BTreeSet<String> = calls.lines().map(name_of).collect();
    for (name, parameters) in headers::declared() {
        let has_pointer = parameters.contains('*') || parameters.contains("zigalloc_allocator");
        let takes_null = has_pointer && !name.ends_with("_destroy");
        assert_eq!(takes_null, tried.contains(&name), "{name}({parameters})");
    }
}

/// What is wrong with the options of a debug allocator is said with the value, and the limit where there is one.
#[rstest]
#[case("with_skipped(NULL, 2)", "options->skip_frames is NULL, and its count is 2")]
#[case(
    "with_skipped(no_name, 1025)",
    "options->skip_frames_count is 1025; at most 1024 names can be skipped"
)]
#[case("with_skipped(no_name, 2)", "options->skip_frames[1] is NULL")]
#[case("with_skipped(empty_name, 2)", "options->skip_frames[0] is empty")]
#[case("with_skipped(not_utf8, 1)", "options->skip_frames[0] is not UTF-8 from byte 1 on")]
#[case("with_frames(33)", "options->stack_trace_frames of 33")]
#[case("with_page_size(3)", "options->page_size of 3 bytes is not a power of two")]
fn a_mistake_in_the_options_is_named(#[case] options: &str, #[case] expected: &str) {
    let name = format!("misuse.{}", options.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let Some(program) = compile("tests/capi/misuse.c", &name, Link::Shared, &[]) else { return };
    let call = format!("zigalloc_debug_create_with(page, {options})");
    let output = try_run(Command::new(program).arg(call)).unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.starts_with(&format!("zigalloc_debug_create_with: {expected}")), "{message}");
}

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
        assert!(has_aborted(output.status) && text.contains("zigalloc"), "{call}: {text}");
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
