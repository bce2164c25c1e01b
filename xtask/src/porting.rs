//! `cargo xtask porting`: the Zig code of `docs/porting.md` and of the chapters in `guide/`.
//!
//! A row of the page has a block of Zig and one of Rust. rustdoc compiles and runs the Rust blocks; this runs the Zig
//! blocks, and compares what the two sides assert. A chapter's Zig blocks stand alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use xtask_common::zig::{Compiler, PORTED, VERSIONS};
use xtask_common::{Result, root};

pub(crate) const USAGE: &str =
    "porting: runs the Zig code of docs/porting.md and guide/, and compares the former with its Rust side";

const PAGE: &str = "docs/porting.md";
const GUIDE: &str = "guide";

/// The releases that code may ask for in its first line, and that line. Other code is for the ported release.
const OTHERS: [(&str, &str); 3] =
    [("// Zig 0.14", "0.14.1"), ("// Zig 0.16", "0.16.0"), ("// Zig 0.17", "0.17.1")];

#[derive(Debug, PartialEq, Eq)]
struct Row {
    title: String,
    zig: String,
    /// Empty for the code of a chapter.
    rust: String,
}

impl Row {
    fn release(&self) -> &'static str {
        OTHERS.iter().find(|(mark, _)| self.zig.starts_with(mark)).map_or(PORTED, |(_, release)| release)
    }
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(arg) = args.first() {
        return Err(format!("porting: unknown option {arg:?}"));
    }
    let rows = rows(&read(&root().join(PAGE))?)?;
    same_facts(&rows)?;
    let chapters = chapters()?;
    for (source, name, rows) in [(PAGE, "porting", &rows), (GUIDE, "guide", &chapters)] {
        for release in VERSIONS {
            let chosen: Vec<&Row> = rows.iter().filter(|row| row.release() == release).collect();
            if !chosen.is_empty() {
                run_zig(&Compiler::find(release)?, name, &chosen)?;
                println!("{release}: {} programs of {source} pass", chosen.len());
            }
        }
    }
    Ok(())
}

/// The blocks of Zig in the guide, named after their chapter.
fn chapters() -> Result<Vec<Row>> {
    let dir = root().join(GUIDE);
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut files = fs::read_dir(&dir)
        .and_then(|files| files.map(|file| Ok(file?.path())).collect::<std::io::Result<Vec<_>>>())
        .map_err(failed)?;
    files.sort();
    let mut rows = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let chapter = file.file_stem().unwrap_or_default().to_string_lossy();
        rows.extend(chapter_rows(&chapter, &read(file)?)?);
    }
    Ok(rows)
}

/// The blocks of Zig in one chapter. Each asserts something: code that no test calls is not even compiled.
fn chapter_rows(chapter: &str, text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut lines = text.lines();
    while lines.any(|line| line == "```zig") {
        let zig = lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
        let title = format!("{chapter} {}", rows.len() + 1);
        if zig_facts(&zig).is_empty() {
            return Err(format!("{GUIDE}/{chapter}.md: this asserts nothing:\n{zig}"));
        }
        rows.push(Row { title, zig, rust: String::new() });
    }
    Ok(rows)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The rows of the page: each table cell with a title, and the next block of each language.
fn rows(text: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (mut title, mut zig) = (None, None);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("**") {
            title = rest.split_once("**").map(|(title, _)| title);
        }
        if line != "```zig" && line != "```rust" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        let name = title.ok_or_else(|| format!("{PAGE}: a block without a title:\n{block}"))?;
        if line == "```zig" {
            if zig.replace(block).is_some() {
                return Err(format!("{PAGE}: {name}: two blocks of Zig"));
            }
        } else {
            let zig =
                zig.take().ok_or_else(|| format!("{PAGE}: {name}: no block of Zig before that of Rust"))?;
            rows.push(Row { title: name.to_owned(), zig, rust: block });
            title = None;
        }
    }
    if let Some(zig) = zig {
        return Err(format!("{PAGE}: no block of Rust after:\n{zig}"));
    }
    Ok(rows)
}

// ---- the assertions ----

/// The assertions in a block: the literals of each, sorted. (The order of the operands differs between the languages.)
fn facts(block: &str, is_assertion: fn(&str) -> bool) -> Vec<Vec<String>> {
    let mut facts = Vec::new();
    let mut rest = block;
    while let Some(open) = rest.find('(') {
        let before = &rest[..open];
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && !"_!".contains(c)).next().unwrap_or("");
        rest = &rest[open + 1..];
        if is_assertion(word) {
            let (mut literals, len) = literals(rest);
            literals.sort_unstable();
            facts.push(literals);
            rest = &rest[len..];
        }
    }
    facts
}

fn zig_facts(block: &str) -> Vec<Vec<String>> {
    facts(block, |word| word.starts_with("expect"))
}

fn rust_facts(block: &str) -> Vec<Vec<String>> {
    facts(block, |word| word.starts_with("assert") && word.ends_with('!'))
}

/// The literals up to the closing parenthesis, and where that is: numbers, strings and characters. A list of bytes and a
/// string are the same to both languages.
fn literals(text: &str) -> (Vec<String>, usize) {
    let bytes = text.as_bytes();
    let (mut found, mut depth, mut at) = (Vec::new(), 1, 0);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return (found, at);
                }
            }
            quote @ (b'"' | b'\'') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                // Not a lifetime: `'a` has no closing quote nearby.
                if quote == b'"' || at - start <= 3 {
                    found.push(text[start..=at].to_owned());
                } else {
                    at = start;
                }
            }
            b'0'..=b'9' => {
                while bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
                    at += 1;
                }
                found.push(text[start..=at].to_owned());
                // The type of a literal: `250_u8`.
                while bytes.get(at + 1).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_') {
                    at += 1;
                }
            }
            c if c.is_ascii_alphabetic() || c == b'_' => {
                // Digits in a name are none, nor is the `b` of `b"…"` a name.
                while bytes.get(at + 1).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_') {
                    at += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    (found, text.len())
}

/// Each row asserts something, and the same on both sides.
fn same_facts(rows: &[Row]) -> Result<()> {
    let mut wrong = String::new();
    let mut titles = BTreeMap::new();
    for row in rows {
        let (zig, rust) = (zig_facts(&row.zig), rust_facts(&row.rust));
        // A check that both sides call by name is an assertion too.
        let calls_check =
            |block: &str| block.lines().any(|line| line.trim_start_matches("try ").starts_with("check("));
        if zig != rust || (zig.is_empty() && !(calls_check(&row.zig) && calls_check(&row.rust))) {
            wrong += &format!("\n{}: Zig asserts {zig:?}, Rust {rust:?}", row.title);
        }
        if titles.insert(slug(&row.title), &row.title).is_some() {
            wrong += &format!("\n{}: two rows have this title", row.title);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{PAGE}:{wrong}")) }
}

// ---- Zig ----

fn slug(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_lowercase()
}

/// The file of a row. Functions and types stay outside of the test, unless the row has a test of its own.
fn zig_file(row: &Row) -> String {
    let (mut outside, mut inside) = (String::new(), String::new());
    let own_test = row.zig.lines().any(|line| line.starts_with("test "));
    let mut in_item = false;
    for line in row.zig.lines() {
        let is_type =
            ["= struct {", "= extern struct {", "= union(enum) {"].iter().any(|begin| line.contains(begin));
        let opens = line.starts_with("fn ") || (line.starts_with("const ") && is_type);
        let one_line = opens && line.ends_with("};");
        let is_outside =
            own_test || in_item || opens || (line.starts_with("const ") && line.contains("error{"));
        in_item = (in_item || (opens && !one_line)) && !line.starts_with('}');
        let part = if is_outside { &mut outside } else { &mut inside };
        *part += line;
        part.push('\n');
    }
    let mut file = String::from("const std = @import(\"std\");\n");
    for name in ["expect", "expectEqual", "expectEqualStrings", "expectEqualSlices", "expectError"] {
        file += &format!("const {name} = std.testing.{name};\n");
    }
    file += &outside;
    if !own_test {
        let allocator = names_allocator(&inside);
        let prelude = if allocator { "    const allocator = std.testing.allocator;\n" } else { "" };
        file += &format!("test \"{}\" {{\n{prelude}{inside}}}\n", slug(&row.title));
    }
    file
}

/// Whether the name `allocator` is used, and not the method `.allocator()`.
fn names_allocator(code: &str) -> bool {
    code.match_indices("allocator").any(|(at, name)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let part_of_a_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !part_of_a_name(before) && !part_of_a_name(after) && before != Some('.')
    })
}

/// Runs the rows as one program, whose sources are in the directory `name` of what this compiler builds.
fn run_zig(zig: &Compiler, name: &str, rows: &[&Row]) -> Result<()> {
    let dir = root().join("target/zig").join(zig.version).join(name);
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::create_dir_all(&dir).map_err(failed)?;
    let mut all = String::from("test {\n");
    for row in rows {
        let name = format!("{}.zig", slug(&row.title));
        fs::write(dir.join(&name), zig_file(row)).map_err(failed)?;
        all += &format!("    _ = @import(\"{name}\");\n");
    }
    all += "}\n";
    fs::write(dir.join("all.zig"), all).map_err(failed)?;
    let mut command = zig.command();
    command.args(["test", "all.zig"]).current_dir(&dir);
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    // The block of imports is a test, too.
    let passed = format!("All {} tests passed.", rows.len() + 1);
    if output.status.success() && stderr.contains(&passed) {
        return Ok(());
    }
    Err(format!("{command:?} in {}: {}, and not {passed:?}\n{stderr}", dir.display(), output.status))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn row(zig: &str, rust: &str) -> String {
        format!("**A row**: a note.\n\n```zig\n{zig}\n```\n\n</td><td>\n\n```rust\n{rust}\n```\n")
    }

    fn check(zig: &str, rust: &str) -> Result<()> {
        same_facts(&rows(&row(zig, rust))?)
    }

    #[test]
    fn both_sides_of_the_page_assert_the_same() {
        let text = read(&root().join(PAGE)).unwrap();
        let rows = rows(&text).unwrap();
        assert!(rows.len() >= 50, "{} rows", rows.len());
        same_facts(&rows).unwrap();
    }

    #[test]
    fn sides_that_assert_something_else_are_reported() {
        assert_eq!(check("try expectEqual(3, list.pop());", "assert_eq!(list.pop(), Some(3));"), Ok(()));
        assert_eq!(check("try expectEqualStrings(\"a)\", s);", "assert_eq!(*s, *b\"a)\");"), Ok(()));
        assert_eq!(check("try expectEqual(4, a +% 1);", "assert_eq!(a.wrapping_add(1_u8), 4);"), Ok(()));
        check("try expectEqual(3, a);", "assert_eq!(a, 4);").unwrap_err();
        check("try expectEqual('a', a);", "assert_eq!(a, b'b');").unwrap_err();
        check("try expect(a);", "assert!(a); assert!(b);").unwrap_err();
        check("run();", "run();").unwrap_err();
    }

    #[test]
    fn rows_without_two_sides_are_reported() {
        rows("**A row**\n```zig\na\n```\n").unwrap_err();
        rows("**A row**\n```rust\na\n```\n").unwrap_err();
        rows("```zig\na\n```\n```rust\na\n```\n").unwrap_err();
    }

    #[test]
    fn chapters_have_zig_that_asserts() {
        assert!(!chapters().unwrap().is_empty());
        let text = "a\n```zig\ntry expect(true);\n```\n```zig\n// Zig 0.17\ntry expect(true);\n```\n";
        let rows = chapter_rows("ch01", text).unwrap();
        assert_eq!(rows.iter().map(Row::release).collect::<Vec<_>>(), [PORTED, "0.17.1"]);
        assert_eq!(rows[1].title, "ch01 2");
        chapter_rows("ch01", "```zig\nconst x = 1;\n```\n").unwrap_err();
    }

    #[test]
    fn functions_are_outside_of_the_test() {
        let text = row("fn f() void {\n    g();\n}\nconst a = allocator;\nf();", "");
        let file = zig_file(&rows(&text).unwrap()[0]);
        let test = file.split_once("test \"a_row\" {\n").unwrap();
        assert!(test.0.ends_with("fn f() void {\n    g();\n}\n"), "{file}");
        assert_eq!(test.1, "    const allocator = std.testing.allocator;\nconst a = allocator;\nf();\n}\n");
    }

    /// A Zig row that is wrong fails.
    #[test]
    fn wrong_zig_row_is_reported() {
        let Ok(zig) = Compiler::find(PORTED) else {
            // Bypasses output capture, so that the log shows it.
            let skipped = "SKIPPED wrong_zig_row_is_reported: no Zig in target/ziglang";
            let _ = writeln!(std::io::stderr(), "{skipped}");
            return;
        };
        let right =
            Row { title: "right_row".into(), zig: "try expectEqual(2, 1 + 1);".into(), rust: String::new() };
        let wrong =
            Row { title: "wrong_row".into(), zig: "try expectEqual(3, 1 + 1);".into(), rust: String::new() };
        run_zig(&zig, "porting-wrong", &[&right]).unwrap();
        assert!(run_zig(&zig, "porting-wrong", &[&right, &wrong]).unwrap_err().contains("wrong_row"));
    }
}
