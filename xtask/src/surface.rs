//! `cargo xtask surface`: which behaviours of Zig's allocators are covered by a test, and which are not.
//!
//! The comment at the top of `docs/surface.toml` explains the file. A test is a function with `#[test]` or `#[rstest]`
//! in `src/` or `tests/`; its documentation comment names the ids that it covers.

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use serde::Deserialize;
use syn::visit::Visit;
use walkdir::WalkDir;

use crate::{Result, root};

pub(crate) const USAGE: &str = "\
surface [--uncovered]
      Compares docs/surface.toml with the tests: each id is covered (and by which tests), not covered,
      or not applicable; then the tests of Zig's own library and their counterparts; then totals.
      Fails if something has to be covered and is not, or a test names an id that does not exist.
      --uncovered  only what no test covers";

const PATH: &str = "docs/surface.toml";

/// Items that need not be covered yet: groups of ids, groups of Zig's tests, and single tests of these.
const PENDING: &[&str] = &[];

/// The releases of Zig that a test may name.
const VERSIONS: &[&str] = &["0.15.2", "0.17.1"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inventory {
    /// By the letters that ids start with.
    groups: BTreeMap<String, Group>,
    zig_tests: BTreeMap<String, ZigTests>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(rename = "title")]
    _title: String,
    /// By id.
    #[serde(flatten)]
    entries: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Entry {
    Text(String),
    NotApplicable { text: String, not_applicable: String },
}

/// The tests of one file of Zig's library.
#[derive(Deserialize)]
struct ZigTests {
    /// Where Zig has them.
    #[serde(rename = "file")]
    _file: String,
    /// Names of the files or directories that may hold the counterparts.
    look_in: Vec<String>,
    /// By the name of the counterpart.
    #[serde(flatten)]
    tests: BTreeMap<String, ZigTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ZigTest {
    zig: String,
    r#in: Vec<String>,
    not_applicable: Option<String>,
}

/// A line of the report.
struct Row<'i> {
    group: &'i str,
    /// The id, or the group and the name of a test.
    name: String,
    what: String,
    not_applicable: Option<&'i str>,
    /// The tests that cover it.
    tests: Vec<String>,
}

impl Row<'_> {
    fn is_pending(&self) -> bool {
        PENDING.contains(&self.group) || PENDING.contains(&self.name.as_str())
    }

    /// Covered, not covered, not applicable.
    fn kind(&self) -> usize {
        if !self.tests.is_empty() { 0 } else { 1 + usize::from(self.not_applicable.is_some()) }
    }
}

#[derive(Debug, Default)]
struct Test {
    /// From the root of the repository, with forward slashes.
    file: String,
    line: usize,
    name: String,
    /// The text of the comment above it.
    comment: String,
    /// Shows nothing then.
    ignored: bool,
}

impl Test {
    /// Whether the file, or the directory it is in, is called `name`.
    fn is_in(&self, name: &str) -> bool {
        let mut parts = self.file.rsplit('/');
        parts.next().and_then(|file| file.strip_suffix(".rs")) == Some(name) || parts.next() == Some(name)
    }
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    if let Some(option) = args.iter().find(|arg| *arg != "--uncovered") {
        return Err(format!("xtask surface: unknown option {option:?}\n\n{USAGE}"));
    }
    let text = std::fs::read_to_string(root().join(PATH)).map_err(|error| format!("{PATH}: {error}"))?;
    let inventory = parse(&text)?;
    let mut tests = Vec::new();
    for entry in ["src", "tests"].iter().flat_map(|dir| WalkDir::new(root().join(dir)).sort_by_file_name()) {
        let entry = entry.map_err(|error| error.to_string())?;
        let path = entry.path().strip_prefix(root()).unwrap_or(entry.path());
        let file = path.to_string_lossy().replace('\\', "/");
        if file.ends_with(".rs") {
            let source = std::fs::read_to_string(entry.path()).map_err(|error| format!("{file}: {error}"))?;
            tests_of(&file, &source, &mut tests)?;
        }
    }
    let (rows, mut errors) = compare(&inventory, &tests);
    errors.extend(missing(&rows));
    print!("{}", report(&rows, !args.is_empty()));
    if errors.is_empty() { Ok(()) } else { Err(format!("\n{}", errors.join("\n"))) }
}

fn parse(text: &str) -> Result<Inventory> {
    let inventory: Inventory = toml::from_str(text).map_err(|error| format!("{PATH}: {error}"))?;
    for (name, group) in &inventory.groups {
        for (id, entry) in &group.entries {
            let number = id.strip_prefix(name.as_str()).unwrap_or_default();
            let (ids, ranges) = ids_in(id);
            if ids != [id.as_str()]
                || !ranges.is_empty()
                || !number.starts_with(['-', '0', '1', '2', '3', '4'])
            {
                return Err(format!("{PATH}: {id} is no id of group {name}"));
            }
            if matches!(entry, Entry::Text(text) if text.is_empty()) {
                return Err(format!("{PATH}: {id}: an empty text"));
            }
        }
    }
    for (name, test) in inventory.zig_tests.values().flat_map(|group| &group.tests) {
        if let Some(version) = test.r#in.iter().find(|version| !VERSIONS.contains(&version.as_str())) {
            return Err(format!("{PATH}: {name}: version {version:?} is not one of {VERSIONS:?}"));
        }
    }
    Ok(inventory)
}

/// Adds the test functions of a file.
fn tests_of(file: &str, source: &str, tests: &mut Vec<Test>) -> Result<()> {
    struct Visitor<'t>(&'t str, &'t mut Vec<Test>);
    impl<'ast> Visit<'ast> for Visitor<'_> {
        fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
            let mut test = Test { file: self.0.to_owned(), ..Test::default() };
            let mut is_test = false;
            for attribute in &function.attrs {
                let last = attribute.path().segments.last().map(|segment| segment.ident.to_string());
                match (last.as_deref(), &attribute.meta) {
                    (Some("test" | "rstest"), _) => is_test = true,
                    (Some("ignore"), _) => test.ignored = true,
                    (
                        Some("doc"),
                        syn::Meta::NameValue(syn::MetaNameValue {
                            value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
                            ..
                        }),
                    ) => test.comment.push_str(&format!("{}\n", text.value())),
                    _ => {}
                }
            }
            if is_test {
                test.name = function.sig.ident.to_string();
                test.line = function.sig.ident.span().start().line;
                self.1.push(test);
            }
            syn::visit::visit_item_fn(self, function);
        }
    }
    let parsed = syn::parse_file(source).map_err(|error| format!("{file}: {error}"))?;
    Visitor(file, tests).visit_file(&parsed);
    Ok(())
}

/// The ids that a comment names, and those that it writes as a range, such as `M-31..33`.
///
/// An id is one or two capitals, a hyphen and two or more digits (the last can be a capital letter);
/// or a capital T and one digit.
fn ids_in(comment: &str) -> (Vec<&str>, Vec<&str>) {
    let id = r"(?:^|[^A-Za-z0-9_-])((?:[A-Z]{1,2}-[0-9]+[0-9A-Z]|T[0-9])\b)";
    let more = r"((?:\.\.=?|–|-|/| to )(?:[A-Z]{1,2}-?)?[0-9][0-9A-Z]*)?";
    let pattern = Regex::new(&format!("{id}{more}")).expect("it is one");
    let (mut ids, mut ranges) = (Vec::new(), Vec::new());
    for found in pattern.captures_iter(comment) {
        let id = found.get(1).map_or("", |id| id.as_str());
        if found.get(2).is_some() { ranges.push(id) } else { ids.push(id) }
    }
    (ids, ranges)
}

/// A row for each id and each of Zig's tests, and what is wrong with the ids that tests name.
fn compare<'i>(inventory: &'i Inventory, tests: &[Test]) -> (Vec<Row<'i>>, Vec<String>) {
    let mut rows = Vec::new();
    for (group, entries) in &inventory.groups {
        for (id, entry) in &entries.entries {
            let (what, not_applicable) = match entry {
                Entry::Text(text) => (text, None),
                Entry::NotApplicable { text, not_applicable } => (text, Some(not_applicable.as_str())),
            };
            let (name, what) = (id.clone(), what.clone());
            rows.push(Row { group, name, what, not_applicable, tests: Vec::new() });
        }
    }
    let mut errors = Vec::new();
    for test in tests {
        let place = format!("{}:{}: {}", test.file, test.line, test.name);
        let (ids, ranges) = ids_in(&test.comment);
        errors.extend(ranges.iter().map(|range| format!("{place}: write out each id instead of {range:?}…")));
        for id in BTreeSet::from_iter(ids) {
            match rows.iter_mut().find(|row| row.name == id) {
                None => errors.push(format!("{place}: {PATH} has no id {id}")),
                Some(row) if row.not_applicable.is_some() => {
                    errors.push(format!("{place}: {PATH} says that {id} is not applicable"));
                }
                Some(row) if !test.ignored => row.tests.push(format!("{}::{}", test.file, test.name)),
                Some(_) => {}
            }
        }
    }
    for (group, zig) in &inventory.zig_tests {
        for (name, test) in &zig.tests {
            let is_counterpart = |test: &&Test| {
                test.name == *name && !test.ignored && zig.look_in.iter().any(|place| test.is_in(place))
            };
            let found = tests.iter().filter(is_counterpart);
            let tests = found.map(|test| format!("{}::{}", test.file, test.name)).collect();
            let what = format!("the counterpart of {:?} of {}", test.zig, test.r#in.join(" and "));
            let (name, not_applicable) = (format!("{group}.{name}"), test.not_applicable.as_deref());
            rows.push(Row { group, name, what, not_applicable, tests });
        }
    }
    (rows, errors)
}

/// The items that must be covered and are not, and the pending ones that do not exist or are covered.
fn missing(rows: &[Row<'_>]) -> Vec<String> {
    let required = rows.iter().filter(|row| row.kind() == 1 && !row.is_pending());
    let mut errors: Vec<String> =
        required.map(|row| format!("{} has to be covered: {}", row.name, row.what)).collect();
    for pending in PENDING {
        let is_it = |row: &&Row<'_>| row.group == *pending || row.name == *pending;
        if !rows.iter().filter(is_it).any(|row| row.kind() == 1) {
            errors.push(format!("{pending} is in PENDING of {}, and is covered or not there", file!()));
        }
    }
    errors
}

/// A line for each row, and a table of totals.
fn report(rows: &[Row<'_>], only_uncovered: bool) -> String {
    let line = |name: &str, [covered, uncovered, not_applicable]: [usize; 3]| {
        format!("{name:<22} {covered:>8} {uncovered:>12} {not_applicable:>15}\n")
    };
    let (mut text, mut totals, mut sum) = (String::new(), String::new(), [0; 3]);
    for group in rows.chunk_by(|a, b| a.group == b.group) {
        let mut counts = [0; 3];
        for row in group {
            counts[row.kind()] += 1;
            sum[row.kind()] += 1;
            let what = match row.kind() {
                0 => format!("covered: {}", row.tests.join(", ")),
                1 => format!("NOT COVERED: {}", row.what),
                _ => format!("not applicable: {}", row.not_applicable.unwrap_or_default()),
            };
            if !only_uncovered || row.kind() == 1 {
                text.push_str(&format!("{}  {what}\n", row.name));
            }
        }
        totals.push_str(&line(group[0].group, counts));
    }
    let head = format!("\n{:<22} {:>8} {:>12} {:>15}\n", "group", "covered", "not covered", "not applicable");
    text + &head + &totals + &line("total", sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTORY: &str = r#"
        [groups.M]
        title = "the interface"
        M-01 = "two words"
        M-02 = { text = "an integer", not_applicable = "Rust has none" }
        [groups.T]
        title = "conformance"
        T1 = "everything"
        [zig_tests.heap]
        file = "std/heap.zig"
        look_in = ["pages", "heap"]
        page_size = { zig = "pageSize", in = ["0.15.2"] }
        old = { zig = "old", in = ["0.15.2"], not_applicable = "gone" }
    "#;

    /// The report, the errors, and what is missing, for one file of tests.
    fn check(file: &str, source: &str) -> (String, Vec<String>, Vec<String>) {
        let inventory = parse(INVENTORY).unwrap();
        let mut tests = Vec::new();
        tests_of(file, source, &mut tests).unwrap();
        let (rows, errors) = compare(&inventory, &tests);
        let missing = missing(&rows).into_iter().filter(|line| line.contains("has to be"));
        (report(&rows, false), errors, missing.collect())
    }

    #[test]
    fn named_id_is_covered() {
        let source = "/// M-01 and M-01 again,\n/// T1\n#[cfg(unix)]\n#[test]\nfn a() {}";
        let (report, errors, missing) = check("tests/all/a.rs", source);
        assert_eq!((errors, missing.len()), (vec![], 1));
        assert!(report.contains("M-01  covered: tests/all/a.rs::a\n"), "{report}");
        assert!(report.contains("M-02  not applicable: Rust has none\n"), "{report}");
        assert!(report.contains("heap.page_size  NOT COVERED: the counterpart of \"pageSize\""), "{report}");
        assert!(
            report.ends_with("total                         2            1               2\n"),
            "{report}"
        );
    }

    #[test]
    fn unknown_and_inapplicable_ids_and_ranges_are_errors() {
        let errors = |source: &str| check("tests/all/a.rs", source).1.concat();
        let file = "tests/all/a.rs:3: a: ";
        let unknown = format!("{file}docs/surface.toml has no id M-03");
        assert_eq!(errors("/// M-03\n#[test]\nfn a() {}"), unknown);
        assert_eq!(errors("/// M-03\n#[test] #[ignore = \"slow\"]\nfn a() {}"), unknown);
        assert!(errors("/// M-02\n#[rstest]\n#[case(1)]\nfn a() {}").contains("M-02 is not applicable"));
        assert!(errors("/// M-01..02\n#[test]\nfn a() {}").contains("each id instead of \"M-01\""));
    }

    #[test]
    fn only_tests_that_run_cover() {
        for source in [
            "/// M-01, T1\n#[test]\n#[ignore]\nfn page_size() {}",
            "/// M-01, T1\nfn page_size() {}",
            "/// M-01, T1\nconst X: u8 = 0;\n#[test]\nfn other() {}",
        ] {
            assert_eq!(check("tests/all/pages.rs", source).2.len(), 3, "{source}");
        }
        let nested = "mod tests { /// M-01, T1\n #[test] fn page_size() {} }";
        assert_eq!(check("src/heap/mod.rs", nested).2.len(), 0);
        assert_eq!(check("src/other/mod.rs", nested).2.len(), 1);
    }

    #[test]
    fn ids_are_told_from_other_words() {
        assert_eq!(ids_in("(AR-01), SA-1A; T4. x").0, ["AR-01", "SA-1A", "T4"]);
        // A wrong number is an id too, so that it is reported as unknown.
        assert_eq!(ids_in("M-311 and Q-99").0, ["M-311", "Q-99"]);
        assert_eq!(ids_in("UTF-16, x86-64, N-1, 2P-20, T, T12, AT1, a-01, M-, M-x").0, [""; 0]);
        for text in ["M-31..33", "M-31..=M-33", "M-31–33", "M-31-33", "M-31/32", "M-31 to M-33", "T1–T4"]
        {
            let (ids, ranges) = ids_in(text);
            assert_eq!((ids.len(), ranges.len()), (0, 1), "{text}: {ids:?}");
        }
        assert_eq!(ids_in("M-31: 33 bytes, M-32 - some, M-33... so").1, [""; 0]);
    }

    #[test]
    fn malformed_files_are_refused() {
        let error = |old: &str, new: &str| parse(&INVENTORY.replace(old, new)).err().unwrap();
        assert!(error("title = \"the interface\"", "").contains("missing field `title`"));
        assert!(error("M-01 =", "A-01 =").contains("A-01 is no id of group M"));
        assert!(error("\"two words\"", "\"\"").contains("M-01: an empty text"));
        assert!(error("M-02 =", "M-01 =").contains("duplicate key"));
        assert!(error("\"Rust has none\"", "\"x\", c = 1").contains("docs/surface.toml"));
        assert!(
            error("\"pageSize\", in = [\"0.15.2\"]", "\"a\", in = [\"0.15\"]").contains("version \"0.15\"")
        );
    }
}
