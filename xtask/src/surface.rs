//! `cargo xtask surface`: which behaviours of Zig's allocators are shown by a test, and which not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::Result;
use crate::inventory::{Inventory, PATH};
use crate::scan::{TestFn, test_functions};

pub(crate) const USAGE: &str = "\
surface [--group M,AR,…] [--uncovered] [--all] [--require M,AR,…]
      Compares docs/surface.toml with the tests: each id is covered (and by which test), not covered,
      or not applicable; then the tests of Zig's own library and their counterparts; then totals.
      Fails if a test names an id that does not exist or does not apply.
      --group      only these groups, of ids (M) or of Zig's tests (heap)
      --uncovered  only what no test covers
      --all        every test that covers an id, not only the first
      --require    fail if one of these is not covered: a group of ids, a group of Zig's tests, or
                   one test as heap.page_size; `done` stands for all that must be covered by now";

/// What has to be covered: the groups and tests whose code exists. Add a group with its code.
const DONE: &[&str] = &[
    // ids
    "A",
    "AF",
    "M",
    "PG",
    "CA",
    "RC",
    "AR",
    "FB",
    "TS",
    "FA",
    "VA",
    "T",
    "PS",
    "SM",
    "AL",
    "SF",
    "BF",
    "DC",
    "DA",
    "MP",
    "TE",
    "SB",
    // tests of Zig's library
    "heap.page_size",
    "heap.default_query_page_size",
    "heap.c_allocator",
    "heap.raw_c_allocator",
    "heap.page_allocator",
    "heap.arena_allocator",
    "heap.smp_allocator",
    "heap.stack_fallback_allocator",
    "FixedBufferAllocator",
    "ArenaAllocator",
    "DebugAllocator",
    "MemoryPool",
    "BufferFirstAllocator",
    "SbrkAllocator",
    "BrkAllocator",
    "Allocator",
    "mem",
    "testing",
];

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    groups: Vec<String>,
    /// Only what is not covered.
    uncovered: bool,
    /// All tests that cover an id, not only the first.
    all: bool,
    /// No line for each id, only the totals.
    totals: bool,
    require: Vec<String>,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    report(&parse(args)?)
}

/// What `cargo xtask test` runs: the totals, and an error that lists what must be covered and is not.
pub(crate) fn require_done() -> Result<()> {
    let require: Vec<String> = DONE.iter().map(|item| (*item).to_owned()).collect();
    let groups = DONE.iter().map(|item| group_of(item).to_owned()).collect();
    report(&Options { groups, totals: true, require, ..Options::default() })
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut list = || -> Result<Vec<String>> {
            let value = args.next().ok_or_else(|| format!("xtask surface: {arg} needs a list, as M,AR"))?;
            Ok(value.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
        };
        match arg.as_str() {
            "--group" => options.groups.extend(list()?),
            "--require" => {
                for item in list()? {
                    match item.as_str() {
                        "done" => options.require.extend(DONE.iter().map(|item| (*item).to_owned())),
                        _ => options.require.push(item),
                    }
                }
            }
            "--uncovered" => options.uncovered = true,
            "--all" => options.all = true,
            _ => return Err(format!("xtask surface: unknown option {arg:?}\n\n{USAGE}")),
        }
    }
    Ok(options)
}

fn report(options: &Options) -> Result<()> {
    let root = crate::root();
    let text = fs::read_to_string(root.join(PATH)).map_err(|error| format!("{PATH}: {error}"))?;
    let inventory = Inventory::parse(&text)?;
    let tests = tests_of(&root)?;
    let coverage = Coverage::new(&inventory, &tests);

    let known =
        |group: &String| inventory.groups.contains_key(group) || inventory.zig_tests.contains_key(group);
    if let Some(group) = options.groups.iter().find(|group| !known(group)) {
        return Err(format!("{PATH} has no group {group:?}"));
    }
    print!("{}", coverage.table(options));

    let mut errors = coverage.errors.clone();
    errors.extend(coverage.missing(&options.require)?);
    if errors.is_empty() { Ok(()) } else { Err(format!("\n{}", errors.join("\n"))) }
}

/// All test functions under `src/` and `tests/`.
pub(crate) fn tests_of(root: &Path) -> Result<Vec<TestFn>> {
    let mut tests = Vec::new();
    for directory in ["src", "tests"] {
        visit(root, directory, &mut tests)?;
    }
    Ok(tests)
}

fn visit(root: &Path, directory: &str, tests: &mut Vec<TestFn>) -> Result<()> {
    let fail = |path: &str, error: std::io::Error| format!("{path}: {error}");
    let entries = fs::read_dir(root.join(directory)).map_err(|error| fail(directory, error))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| fail(directory, error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    for name in names {
        let path = format!("{directory}/{name}");
        if root.join(&path).is_dir() {
            visit(root, &path, tests)?;
        } else if name.ends_with(".rs") {
            let source = fs::read_to_string(root.join(&path)).map_err(|error| fail(&path, error))?;
            tests.extend(test_functions(&path, &source));
        }
    }
    Ok(())
}

/// `heap` of `heap.page_size`, `M` of `M`.
fn group_of(item: &str) -> &str {
    item.split('.').next().unwrap_or(item)
}

/// The inventory, with the tests that show each line of it.
struct Coverage<'i> {
    inventory: &'i Inventory,
    /// By id.
    ids: BTreeMap<&'i str, Vec<String>>,
    /// By group and name.
    zig_tests: BTreeMap<(&'i str, &'i str), Vec<String>>,
    /// What is wrong with the ids that tests name.
    errors: Vec<String>,
}

impl<'i> Coverage<'i> {
    fn new(inventory: &'i Inventory, tests: &[TestFn]) -> Coverage<'i> {
        let mut coverage =
            Coverage { inventory, ids: BTreeMap::new(), zig_tests: BTreeMap::new(), errors: Vec::new() };
        for test in tests {
            coverage.add(test);
        }
        for (group, zig) in &inventory.zig_tests {
            for name in zig.tests.keys() {
                let is_counterpart = |test: &&TestFn| {
                    test.name == *name && !test.ignored && zig.look_in.iter().any(|place| test.is_in(place))
                };
                let found = tests.iter().filter(is_counterpart).map(TestFn::path).collect();
                coverage.zig_tests.insert((group, name), found);
            }
        }
        coverage
    }

    fn add(&mut self, test: &TestFn) {
        let place = format!("{}:{}: {}", test.file, test.line, test.name);
        for range in &test.ranges {
            self.errors.push(format!("{place}: write out each id instead of {range:?}"));
        }
        for id in test.ids.iter().collect::<BTreeSet<_>>() {
            match self.inventory.entry(id) {
                None => self.errors.push(format!("{place}: {PATH} has no id {id}")),
                Some((_, entry)) if entry.not_applicable.is_some() => {
                    self.errors.push(format!("{place}: {PATH} says that {id} is not applicable"));
                }
                Some(_) if test.ignored => {}
                Some((id, _)) => self.ids.entry(id).or_default().push(test.path()),
            }
        }
    }

    /// What of `require` is not covered, as messages.
    fn missing(&self, require: &[String]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for item in require {
            let group = group_of(item);
            let one = item.split_once('.').map(|(_, name)| name);
            let zig = self.inventory.zig_tests.get(group);
            if let (Some(ids), None) = (self.inventory.groups.get(group), one) {
                for (id, entry) in &ids.entries {
                    if entry.not_applicable.is_none() && !self.ids.contains_key(id.as_str()) {
                        missing.push(format!("{id} has to be covered: {}", entry.text));
                    }
                }
            } else if let Some(zig) = zig.filter(|zig| one.is_none_or(|name| zig.tests.contains_key(name))) {
                for (name, test) in zig.tests.iter().filter(|(name, _)| one.is_none_or(|one| one == *name)) {
                    if test.not_applicable.is_none() && self.zig_tests[&(group, name.as_str())].is_empty() {
                        missing.push(format!("{name} has to exist: the counterpart of {:?}", test.zig));
                    }
                }
            } else {
                return Err(format!("{PATH} has no group or test {item:?}"));
            }
        }
        Ok(missing)
    }

    /// The report: a line for each id and each of Zig's tests, and the totals.
    fn table(&self, options: &Options) -> String {
        let wanted = |group: &String| options.groups.is_empty() || options.groups.contains(group);
        let mut table = Table { options, text: String::new(), heading: None, totals: Vec::new() };
        for (name, group) in self.inventory.groups.iter().filter(|(name, _)| wanted(name)) {
            table.group(name, &group.title);
            for (id, entry) in &group.entries {
                let covering = self.ids.get(id.as_str()).map_or(&[][..], Vec::as_slice);
                table.line(id, covering, entry.not_applicable.as_deref(), &entry.text);
            }
        }
        for (name, group) in self.inventory.zig_tests.iter().filter(|(name, _)| wanted(name)) {
            table.group(name, &format!("tests of {}", group.file));
            for (test_name, test) in &group.tests {
                let covering = &self.zig_tests[&(name.as_str(), test_name.as_str())];
                let what = format!("{:?} of {}", test.zig, test.versions.join(" and "));
                table.line(test_name, covering, test.not_applicable.as_deref(), &what);
            }
        }
        table.finish()
    }
}

struct Table<'o> {
    options: &'o Options,
    text: String,
    /// Of the group, until its first line is printed.
    heading: Option<String>,
    /// Group, covered, not covered, not applicable.
    totals: Vec<(String, [usize; 3])>,
}

impl Table<'_> {
    fn group(&mut self, name: &str, title: &str) {
        self.heading = Some(format!("\n{name}: {title}\n"));
        self.totals.push((name.to_owned(), [0; 3]));
    }

    fn line(&mut self, name: &str, covering: &[String], not_applicable: Option<&str>, what: &str) {
        let (kind, state) = match (covering, not_applicable) {
            ([first, others @ ..], _) => {
                let tests = match others.len() {
                    0 => first.clone(),
                    _ if self.options.all => covering.join(", "),
                    count => format!("{first} and {count} more"),
                };
                (0, format!("covered: {tests}"))
            }
            ([], None) => (1, format!("NOT COVERED: {what}")),
            ([], Some(reason)) => (2, format!("not applicable: {reason}")),
        };
        if let Some((_, totals)) = self.totals.last_mut() {
            totals[kind] += 1;
        }
        if !self.options.totals && (kind == 1 || !self.options.uncovered) {
            self.text.extend(self.heading.take());
            self.text.push_str(&format!("  {name}  {state}\n"));
        }
    }

    /// The text, with a table of the totals behind it.
    fn finish(self) -> String {
        let Table { mut text, totals, .. } = self;
        let [covered, uncovered, not_applicable] = ["covered", "not covered", "not applicable"];
        text.push_str(&format!("\n{:<22} {covered:>8} {uncovered:>12} {not_applicable:>15}\n", "group"));
        let mut sum = [0; 3];
        for (_, counts) in &totals {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        for (name, [covered, uncovered, not_applicable]) in totals.iter().chain([&("total".to_owned(), sum)])
        {
            text.push_str(&format!("{name:<22} {covered:>8} {uncovered:>12} {not_applicable:>15}\n"));
        }
        text
    }
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

    fn coverage_of<T>(file: &str, source: &str, check: impl FnOnce(&Coverage<'_>) -> T) -> T {
        let inventory = Inventory::parse(INVENTORY).unwrap();
        check(&Coverage::new(&inventory, &test_functions(file, source)))
    }

    fn errors(source: &str) -> Vec<String> {
        coverage_of("tests/all/a.rs", source, |coverage| coverage.errors.clone())
    }

    fn missing(file: &str, source: &str, require: &str) -> Vec<String> {
        coverage_of(file, source, |coverage| coverage.missing(&[require.to_owned()]).unwrap())
    }

    #[test]
    fn a_named_id_is_covered() {
        let source = "/// M-01 and M-01 again, T1\n#[test]\nfn a() {}\n";
        assert_eq!(errors(source), [""; 0]);
        coverage_of("tests/all/a.rs", source, |coverage| {
            assert_eq!(coverage.ids["M-01"], ["tests/all/a.rs::a"]);
            let table = coverage.table(&Options::default());
            assert!(table.contains("  M-01  covered: tests/all/a.rs::a\n"), "{table}");
            assert!(table.contains("  M-02  not applicable: Rust has none\n"), "{table}");
            assert!(table.contains("  page_size  NOT COVERED: \"pageSize\" of 0.15.2\n"), "{table}");
            assert!(
                table.ends_with("total                         2            1               2\n"),
                "{table}"
            );
        });
    }

    #[test]
    fn an_unknown_id_is_an_error() {
        assert_eq!(
            errors("/// M-03\n#[test]\nfn a() {}\n"),
            ["tests/all/a.rs:3: a: docs/surface.toml has no id M-03"]
        );
    }

    #[test]
    fn an_id_that_is_not_applicable_is_an_error() {
        assert_eq!(
            errors("/// M-02\n#[rstest]\n#[case(1)]\nfn a(#[case] _n: u8) {}\n"),
            ["tests/all/a.rs:4: a: docs/surface.toml says that M-02 is not applicable"]
        );
    }

    #[test]
    fn a_range_is_an_error() {
        assert_eq!(
            errors("/// M-01..02\n#[test]\nfn a() {}\n"),
            ["tests/all/a.rs:3: a: write out each id instead of \"M-01\""]
        );
    }

    #[test]
    fn an_ignored_test_covers_nothing_but_must_be_right() {
        let source = "/// M-01, M-03\n#[test]\n#[ignore]\nfn a() {}\n";
        assert_eq!(errors(source).len(), 1);
        assert_eq!(missing("tests/all/a.rs", source, "M").len(), 1);
    }

    #[test]
    fn a_required_group_must_be_covered() {
        let covered = "/// M-01\n#[test]\nfn a() {}\n";
        assert_eq!(missing("tests/all/a.rs", covered, "M"), [""; 0]);
        assert_eq!(missing("tests/all/a.rs", covered, "T"), ["T1 has to be covered: everything"]);
    }

    #[test]
    fn a_counterpart_must_be_in_its_place() {
        let source = "#[test]\nfn page_size() {}\n";
        let message = "page_size has to exist: the counterpart of \"pageSize\"";
        assert_eq!(missing("tests/all/pages.rs", source, "heap"), [""; 0]);
        assert_eq!(missing("src/heap/mod.rs", source, "heap.page_size"), [""; 0]);
        assert_eq!(missing("tests/all/other.rs", source, "heap"), [message]);
        assert_eq!(missing("tests/all/pages.rs", "fn page_size() {}\n", "heap.page_size"), [message]);
    }

    #[test]
    fn what_is_required_must_exist() {
        for item in ["X", "heap.new", "M.M-01"] {
            coverage_of("a.rs", "", |coverage| {
                assert!(coverage.missing(&[item.to_owned()]).is_err(), "{item}");
            });
        }
    }

    #[test]
    fn options() {
        let parse = |line: &str| parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let options = parse("--group M,AR --uncovered --require T,done").unwrap();
        assert_eq!(options.groups, ["M", "AR"]);
        assert!(options.uncovered && !options.all);
        assert_eq!(options.require.len(), 1 + DONE.len());
        assert!(parse("--group").unwrap_err().contains("--group needs a list"));
        assert!(parse("--uncoverd").unwrap_err().contains("unknown option \"--uncoverd\""));
    }

    #[test]
    fn the_projects_own_inventory_is_well_formed() {
        let inventory = Inventory::parse(&fs::read_to_string(crate::root().join(PATH)).unwrap()).unwrap();
        let coverage = Coverage::new(&inventory, &[]);
        let done: Vec<String> = DONE.iter().map(|item| (*item).to_owned()).collect();
        assert!(coverage.missing(&done).unwrap().len() > 100);
    }
}
