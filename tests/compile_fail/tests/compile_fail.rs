//! Misuse that must not compile: each file of `cases` is one case, named after it. Its first line states
//! the error that the compiler must report, such as `error[E0505]`.
//!
//! The compiler's messages change from release to release, its error codes do not. So the codes are compared with
//! every toolchain that runs the tests. The messages, which are what a user reads, are compared only with the
//! toolchain that they were recorded with. To record them again: `TRYBUILD=overwrite cargo test --test compile_fail`.

#![cfg(not(miri))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// The toolchain that the `.stderr` files are from.
const RECORDED_WITH: &str = "rustc 1.95.";

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");

fn cargo() -> Command {
    Command::new(env!("CARGO"))
}

fn rustc_version() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".into());
    String::from_utf8(Command::new(rustc).arg("--version").output().unwrap().stdout).unwrap()
}

/// The part of `text` between `before` and `after`.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

/// TR-07, FB-09, SF-04, BF-02: each case is rejected with exactly the error in its first line.
#[test]
fn mistakes_do_not_compile() {
    // One package with a program for each case, so that one call of Cargo checks them all.
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    fs::create_dir_all(&package).unwrap();
    let mut manifest = format!(
        "[package]\nname = \"mistakes\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\nscopeguard = \"1\"\nzigalloc = {{ path = {:?} }}\n",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../..")
    );
    let mut expected = BTreeMap::new();
    for entry in fs::read_dir(CASES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = between(&text, "//! error[", "]").unwrap_or_else(|| panic!("{name} expects no error"));
        manifest += &format!("\n[[bin]]\nname = {name:?}\npath = {path:?}\n");
        expected.insert(name, BTreeSet::from([code.to_owned()]));
    }
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"), package.join("Cargo.lock")).unwrap();

    let output = cargo()
        .args(["check", "--bins", "--keep-going", "--offline", "--quiet", "--message-format=json"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for message in String::from_utf8_lossy(&output.stdout).lines() {
        let Some(target) = between(message, "\"kind\":[\"bin\"]", "\"src_path\"") else { continue };
        let name = between(target, "\"name\":\"", "\"").unwrap();
        let codes = found.entry(name.to_owned()).or_default();
        let code = between(message, "\"code\":{\"code\":\"", "\"");
        codes.extend(code.filter(|_| message.contains("\"level\":\"error\"")).map(str::to_owned));
    }
    assert!(expected.len() >= 20, "there are only {} cases in {CASES}", expected.len());
    assert_eq!(found, expected, "\n{stderr}");
}

/// The messages are those that were recorded.
#[test]
fn mistakes_are_explained() {
    let version = rustc_version();
    // Bypasses output capture, so that the log shows it.
    if !version.starts_with(RECORDED_WITH) {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED mistakes_are_explained: the messages are those of {RECORDED_WITH}x, this is {version}"
        );
        return;
    }
    trybuild::TestCases::new().compile_fail("cases/*.rs");
}

/// The messages that `docs/porting.md` explains (its blocks of `text`) are those of a case. `…` stands for any text.
#[test]
fn porting_page_quotes_the_compiler() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/porting.md")).unwrap();
    let recorded: Vec<String> = fs::read_dir(CASES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let mut quoted = 0;
    for line in
        page.split("```text\n").skip(1).flat_map(|block| block.lines().take_while(|line| *line != "```"))
    {
        quoted += 1;
        let found = recorded.iter().flat_map(|text| text.lines()).any(|recorded| {
            let mut rest = Some(recorded);
            for part in line.split('…') {
                rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
            }
            rest.is_some()
        });
        assert!(found, "no case in {CASES} has the message {line:?}");
    }
    assert!(quoted >= 10, "docs/porting.md has {quoted} messages");
}
