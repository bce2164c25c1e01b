//! Compares each port with its original: the lines, the functions and the output. That nothing leaks, whichever
//! allocation fails, is a test in each program itself, in both languages.
//!
//! Most of these tests need the Zig compiler in `target/ziglang`, and fail without it; the message has the command that
//! downloads it.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rstest::rstest;
use xtask_common::root;
use xtask_common::zig::{Compiler, PORTED};

/// The programs, with their Rust side as built by cargo.
const PORTS: [(&str, &str); 5] = [
    ("environment", env!("CARGO_BIN_EXE_environment")),
    ("huffman", env!("CARGO_BIN_EXE_huffman")),
    ("lru_cache", env!("CARGO_BIN_EXE_lru_cache")),
    ("thread_pool", env!("CARGO_BIN_EXE_thread_pool")),
    ("toml", env!("CARGO_BIN_EXE_toml")),
];

fn path(file: &str) -> PathBuf {
    root().join("examples/ports").join(file)
}

/// The lines of a source file that are neither blank nor comments, without indentation.
fn code(file: &str) -> Vec<String> {
    let text = fs::read_to_string(path(file)).unwrap();
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).map(str::to_owned).collect()
}

fn zig() -> Compiler {
    Compiler::find(PORTED).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a command that must succeed without a message, and returns what it prints.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_program_is_in_the_list() {
    let names =
        fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut sources: Vec<_> = names.filter(|name| name.ends_with(".rs") || name.ends_with(".zig")).collect();
    sources.sort();
    assert_eq!(sources, PORTS.map(|(name, _)| [format!("{name}.rs"), format!("{name}.zig")]).concat());
}

#[test]
fn ports_have_about_as_many_lines() {
    let mut unsafe_blocks = 0;
    for (name, _) in PORTS {
        let (zig, rust) = (code(&format!("{name}.zig")).len(), code(&format!("{name}.rs")));
        let blocks: usize = rust.iter().map(|line| line.matches("unsafe {").count()).sum();
        println!("{name}: {zig} lines of Zig, {} lines of Rust, {blocks} unsafe blocks", rust.len());
        assert!(zig >= 200, "{name}.zig has {zig} lines of code");
        assert!(rust.len() * 100 <= zig * 105, "{name}.rs has {} lines of code for Zig's {zig}", rust.len());
        unsafe_blocks += blocks;
    }
    assert!(unsafe_blocks <= 25, "{unsafe_blocks} unsafe blocks");
}

/// The functions of a source file, in snake case.
fn functions(file: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in code(file) {
        let Some((_, rest)) = line.split_once("fn ") else { continue };
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // A Zig function that returns a type is the type.
        if !name.is_empty() && !name.starts_with(|first: char| first.is_uppercase()) {
            let snake = name
                .chars()
                .flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_lowercase()));
            names.push(snake.collect());
        }
    }
    names
}

/// The functions have the same names and the same order. A port lacks those that a destructor or `Ord` replaces, and
/// has some for Rust's traits.
#[test]
fn ports_have_the_same_functions() {
    const WITHOUT_PORT: [&str; 3] = ["deinit", "release", "less_than"];
    for (name, _) in PORTS {
        let (mut zig, mut rust) = (functions(&format!("{name}.zig")), functions(&format!("{name}.rs")));
        zig.retain(|function| !WITHOUT_PORT.contains(&function.as_str()));
        rust.retain(|function| zig.contains(function));
        assert_eq!(zig, rust, "{name}");
        assert!(zig.len() > 10, "{name}: {zig:?}");
    }
}

#[test]
fn originals_are_formatted() {
    output(zig().command().args(["fmt", "--check", "examples/ports"]));
}

/// Runs the tests in the originals.
#[rstest]
fn originals_pass_their_tests(#[values(0, 1, 2, 3, 4)] port: usize) {
    let source = format!("examples/ports/{}.zig", PORTS[port].0);
    let output = zig().command().args(["test", &source]).output().unwrap();
    assert!(output.status.success(), "zig test {source}:\n{}", String::from_utf8_lossy(&output.stderr));
}

#[rstest]
fn ports_print_the_same(#[values(0, 1, 2, 3, 4)] port: usize) {
    let (name, rust) = PORTS[port];
    let args = ["build-exe", &format!("examples/ports/{name}.zig")];
    let zig =
        zig().build(&args, &format!("port-{name}{EXE_SUFFIX}")).unwrap_or_else(|error| panic!("{error}"));
    let (zig, rust) = (output(&mut Command::new(zig)), output(&mut Command::new(rust)));
    assert!(zig.lines().count() >= 10, "{name} prints little:\n{zig}");
    assert!(zig == rust, "{name}\n---- Zig ----\n{zig}---- Rust ----\n{rust}");
}
