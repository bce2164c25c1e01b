//! The declarations in the headers, in every language, and the layout as C and Rust see it.

use std::fmt::Write as _;
use std::mem::offset_of;

use zigalloc::capi::debug::options::{NO_FRAMES, NO_LEAK_REPORTS, Options};
use zigalloc::capi::debug::report::{RawReport, RawTrace};
use zigalloc::capi::failing_at::FailingAtCounts;
use zigalloc::capi::trace::Counts;
use zigalloc::{Allocator, VTable};

use super::*;

/// More warnings for the headers: each in every language that has it, by every compiler that knows it.
const HEADER_WARNINGS: [&str; 4] = ["-Wshadow", "-Wcast-qual", "-Wundef", "-Wcast-align"];
const C_WARNINGS: &[&str] = &["-Wstrict-prototypes", "-Wmissing-prototypes"];
const CPP_WARNINGS: &[&str] = &["-Wold-style-cast", "-Wuseless-cast", "-Wzero-as-null-pointer-constant"];

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
    // Nothing precedes it, and it is included twice: it includes what it needs, and has no effect the second time.
    let text = format!(
        "#include \"{header}\"\n#include \"{header}\"\n\
         int main(void) {{ return zigalloc_version()[0] == '0' ? 0 : 1; }}\n"
    );
    std::fs::write(&source, &text).unwrap();

    // A standard is known by its own name or by its draft name.
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
            // Both know the others.
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
    // Checks that the warnings are on: a header with a lossy conversion does not compile.
    let lossy = temp().join(format!("lossy-{header}-{standard}-{vendor}"));
    std::fs::write(&lossy, format!("{text}unsigned char lossy(int n) {{ return n; }}\n")).unwrap();
    let output = try_run(&mut compile(&lossy, &[])).unwrap();
    assert!(!output.status.success(), "{what}: -Wconversion -Werror is not on");
}

fn language_is_clang(compiler: &std::ffi::OsStr) -> bool {
    let output = try_run(Command::new(compiler).arg("--version"));
    output.is_some_and(|output| String::from_utf8_lossy(&output.stdout).contains("clang"))
}

/// The layout as C and Rust see it. (The crate's constant assertions also compare it with words.)
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
    line("offset zigalloc_debug_options.ungrouped_leaks", offset_of!(Options, ungrouped_leaks));
    line("offset zigalloc_debug_options.leak_limit", offset_of!(Options, leak_limit));
    line("offset zigalloc_debug_options.skip_frames", offset_of!(Options, skip_frames));
    line("offset zigalloc_debug_options.skip_frames_count", offset_of!(Options, skip_frames_count));
    line("offset zigalloc_debug_options.free_empty_pages", offset_of!(Options, free_empty_pages));
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
    line("offset zigalloc_debug_report.count", offset_of!(RawReport, count));
    line("offset zigalloc_debug_report.total_len", offset_of!(RawReport, total_len));
    line("offset zigalloc_debug_report.left_out", offset_of!(RawReport, left_out));
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
    line("value ZIGALLOC_MORE_LEAKS", 7);
    line("value ZIGALLOC_WRITE_AFTER_FREE", 8);
    line("value ZIGALLOC_OPERATION_ALLOC", 0);
    line("value ZIGALLOC_OPERATION_RESIZE", 1);
    line("value ZIGALLOC_OPERATION_REMAP", 2);
    line("value ZIGALLOC_OPERATION_FREE", 3);
    line("value ZIGALLOC_OPERATION_DETECT_LEAKS", 4);
    line("value ZIGALLOC_NO_FRAMES", NO_FRAMES);
    line("value ZIGALLOC_NO_LEAK_REPORTS", NO_LEAK_REPORTS);
    // As two C standards and as C++.
    for (name, flags) in LANGUAGES {
        let Some(program) = compile("tests/capi/layout.c", &format!("layout.{name}"), Link::Shared, flags)
        else {
            return;
        };
        let output = run(&mut Command::new(program));
        assert_eq!(String::from_utf8_lossy(&output.stdout), rust, "{name}");
    }
}

/// The offsets of a handle's two private fields, found by their contents.
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

/// The functions that the header declares, each with its parameters. Those that it defines are left out.
pub(super) fn declared() -> Vec<(String, String)> {
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
            // A body ends a declaration, as a semicolon does.
            if depth == 0 && matches!(c, ';' | '}') {
                functions.extend(declaration(&std::mem::take(&mut statement)));
            }
        }
    }
    functions
}

/// Returns the name and the parameters if it declares a function.
fn declaration(statement: &str) -> Option<(String, String)> {
    let (head, parameters) = statement.trim().strip_suffix(");")?.split_once('(')?;
    let name = head.rsplit([' ', '*']).next()?;
    let is_function = name.starts_with("zigalloc_") && !head.starts_with("typedef");
    is_function.then(|| (name.to_owned(), parameters.to_owned()))
}

/// The shared library exports exactly what the header declares; and the archive has all of it.
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
        // An address, a letter, a name; no address if the symbol is from another library.
        let symbols = text.lines().filter_map(|line| {
            let [_, _, symbol] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
            let symbol = if cfg!(target_vendor = "apple") { symbol.trim_start_matches('_') } else { symbol };
            Some(symbol.to_owned())
        });
        assert_eq!(symbols.collect::<BTreeSet<_>>(), declared, "exported and declared");
    } else {
        skipped("the exported symbols", "there is no nm");
    }

    // A table of all functions does not link if one is missing.
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
