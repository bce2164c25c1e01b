//! Programs that a document shows without running them are those that something else runs.
//!
//! The programs of `docs/adapters.md` are run by rustdoc, but for those that need a feature: with what rustdoc has to
//! leave them out, a reader of the document would see it.

use std::path::Path;

use rstest::rstest;

/// The text of the first program behind `heading`, without the comment signs of Rust's documentation.
fn program<'t>(text: &'t str, heading: &str, begin: &str) -> Vec<&'t str> {
    let behind = text.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}")).1;
    let program = behind.split_once(begin).unwrap_or_else(|| panic!("no program behind {heading:?}")).1;
    let lines = program.lines().skip(1).map(|line| line.strip_prefix("//!").unwrap_or(line).trim());
    lines.take_while(|line| *line != "```").collect()
}

#[rstest]
#[case("## Version 0.4", "src/adapters/allocator_api2_04.rs")]
#[case("## The nightly compiler's trait", "src/adapters/nightly.rs")]
#[cfg_attr(any(miri, target_family = "wasm"), ignore = "there are no files here")]
fn what_adapters_md_shows_is_run(#[case] heading: &str, #[case] module: &str) {
    let read =
        |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (document, module) = (read("docs/adapters.md"), read(module));
    let shown = program(&document, heading, "```rust,ignore");
    assert!(shown.len() > 5, "{shown:?}");
    assert_eq!(shown, program(&module, "//!", "not(feature = \"std\"), doc = \"```ignore\""));
}

#[test]
#[cfg_attr(any(miri, target_family = "wasm"), ignore = "there are no files here")]
fn what_the_readme_shows_is_an_example() {
    let read =
        |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (readme, example) = (read("README.md"), read("examples/thread_safe_arena.rs"));
    let example: Vec<_> =
        example.lines().skip_while(|line| line.starts_with("//!") || line.is_empty()).collect();
    let shown = readme.split_once("The whole program").unwrap().1.split_once("```rust\n").unwrap().1;
    let shown: Vec<_> = shown.lines().take_while(|line| *line != "```").collect();
    assert_eq!(shown, example);
}
