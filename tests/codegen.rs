//! The cost of the interface, in instructions: a call through a handle is one indirect call, and where the compiler
//! knows the allocator, a direct call or none.
//!
//! Both are properties of the machine code that a change can lose without failing another test: by a missing
//! `#[inline]`, or a vtable that is a `static` (whose contents other crates cannot see). So this test compiles
//! tests/codegen/probe.rs against the crate, optimised, and reads the assembly.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns whether the assembly can be read here, or the reason why not.
fn supported() -> Result<(), &'static str> {
    if cfg!(miri) {
        return Err("Miri makes no machine code");
    }
    if cfg!(not(feature = "std")) {
        return Err("the probe needs the feature std");
    }
    if cfg!(not(all(target_arch = "x86_64", target_os = "linux"))) {
        return Err("it reads the assembly of x86-64 Linux only");
    }
    Ok(())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Compiles the crate and the probe, and returns the probe's assembly.
fn assembly() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A separate directory, because cargo keeps the other one locked.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("codegen");
    run(Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--offline",
            "--release",
            "--lib",
            "--no-default-features",
            "--features",
            "std",
        ])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET"));
    let release = target.join("release");
    let assembly = target.join("probe.s");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = release.join("libzigalloc.rlib");
    run(Command::new(rustc)
        .args(["--edition=2024", "--crate-type=lib", "--emit=asm", "-Copt-level=3", "-Ccodegen-units=1"])
        .arg(format!("--extern=zigalloc={}", library.display()))
        .arg(format!("-Ldependency={}", release.join("deps").display()))
        .arg("-o")
        .arg(&assembly)
        .arg(root.join("tests/codegen/probe.rs")));
    std::fs::read_to_string(assembly).unwrap()
}

/// Returns the instructions of one function, without its labels and directives.
fn instructions<'s>(assembly: &'s str, function: &str) -> Vec<&'s str> {
    let label = format!("{function}:");
    let body = assembly.lines().skip_while(|line| *line != label).skip(1);
    let body = body.take_while(|line| !line.starts_with(".Lfunc_end"));
    let lines: Vec<_> =
        body.map(str::trim).filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    assert!(!lines.is_empty(), "there is no {function} in the assembly");
    lines
}

/// Returns whether the instruction leaves the function through a pointer that is unknown until run time. (The global
/// offset table is how a function of another crate is called directly.)
fn is_indirect(instruction: &str) -> bool {
    let leaves = instruction.starts_with("call") || instruction.starts_with("jmp");
    leaves && instruction.contains('*') && !instruction.contains("@GOTPCREL")
}

/// Returns whether the instruction calls or jumps to a known function.
fn is_direct(instruction: &str) -> bool {
    let mut words = instruction.split_whitespace();
    let (mnemonic, operand) = (words.next().unwrap(), words.next().unwrap_or(""));
    let inside = operand.starts_with(".L");
    (mnemonic.starts_with("call") || mnemonic.starts_with("jmp")) && !inside && !is_indirect(instruction)
}

/// The expected properties of a function's machine code.
struct Expected {
    function: &'static str,
    indirect: usize,
    /// `None`: any number.
    direct: Option<usize>,
    /// The maximum: about one and a half times the current number.
    instructions: usize,
}

const fn expect(
    function: &'static str,
    indirect: usize,
    direct: Option<usize>,
    instructions: usize,
) -> Expected {
    Expected { function, indirect, direct, instructions }
}

const EXPECTED: &[Expected] = &[
    // Moving the arguments into place for the table's function, and the call.
    expect("unknown_raw_alloc", 1, Some(0), 8),
    expect("unknown_raw_resize", 1, Some(0), 11),
    expect("unknown_raw_remap", 1, Some(0), 11),
    expect("unknown_raw_free", 1, Some(0), 9),
    // Also constants: the size, the alignment and the return address.
    expect("unknown_create", 1, Some(0), 8),
    expect("unknown_destroy", 1, Some(0), 11),
    // Also the case of zero bytes.
    expect("unknown_alloc", 1, Some(0), 14),
    expect("unknown_free", 1, Some(0), 15),
    expect("known_page_raw_alloc", 0, None, usize::MAX),
    expect("known_page_free", 0, None, usize::MAX),
    expect("known_failing_alloc", 0, Some(0), 8),
    expect("known_own_alloc", 0, Some(0), 24),
    expect("known_own_free", 0, Some(0), 8),
    expect("known_fixed_buffer_alloc", 0, Some(0), 23),
    expect("known_fixed_buffer_free", 0, Some(0), 20),
    // The result, and an address for each call, which is not optimised away.
    expect("known_fixed_buffer_all", 0, Some(0), 6),
    // The child's. The mutex is called by name.
    expect("known_thread_safe_alloc", 1, None, usize::MAX),
];

/// M-12: the raw and the typed functions are the indirect call and what it needs; a known allocator is called directly.
#[test]
fn calls_are_direct_where_the_allocator_is_known() {
    if let Err(why) = supported() {
        eprintln!("codegen: skipped, {why}");
        return;
    }
    let assembly = assembly();
    let mut wrong = Vec::new();
    for expected in EXPECTED {
        let body = instructions(&assembly, expected.function);
        let indirect = body.iter().filter(|line| is_indirect(line)).count();
        let direct = body.iter().filter(|line| is_direct(line)).count();
        println!(
            "{:28} {:4} instructions, {indirect} indirect, {direct} direct",
            expected.function,
            body.len()
        );
        let holds = indirect == expected.indirect
            && expected.direct.is_none_or(|expected| direct == expected)
            && body.len() <= expected.instructions;
        if !holds {
            wrong.push(format!("{}:\n\t{}", expected.function, body.join("\n\t")));
        }
    }
    // The page allocator's code is out of line, so there must be a call of it.
    let page = instructions(&assembly, "known_page_raw_alloc");
    assert!(page.iter().any(|line| is_direct(line)), "{page:#?}");
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn instruction_kinds_are_distinguished() {
    for indirect in ["jmpq\t*(%rax)", "callq\t*8(%rsi)", "callq\t*%rax", "jmpq *24(%rax)"] {
        assert!(is_indirect(indirect) && !is_direct(indirect), "{indirect}");
    }
    for direct in ["callq\t*memcpy@GOTPCREL(%rip)", "jmp\tpage_alloc", "callq\tf@PLT"] {
        assert!(is_direct(direct) && !is_indirect(direct), "{direct}");
    }
    for neither in ["jmp\t.LBB0_1", "movq\t(%rsi), %rax", "je\t.LBB0_2", "retq"] {
        assert!(!is_direct(neither) && !is_indirect(neither), "{neither}");
    }
    let assembly =
        "f:\n\t.cfi_startproc\n\tmovq\t(%rsi), %rax\n.LBB0_1:\n\tjmpq\t*%rax\n.Lfunc_end0:\n\tretq\n";
    assert_eq!(instructions(assembly, "f"), ["movq\t(%rsi), %rax", "jmpq\t*%rax"]);
}
