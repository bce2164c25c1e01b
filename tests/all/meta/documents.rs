//! Programs that a document shows without running them are run elsewhere.
//!
//! rustdoc runs the programs of `docs/adapters.md`, except those that need a feature: the attribute that makes
//! rustdoc skip them would be visible to readers of the document.

use std::path::Path;

use rstest::rstest;

/// Returns the first program after `heading`, without the comment markers of Rust's documentation.
fn program<'t>(text: &'t str, heading: &str, begin: &str) -> Vec<&'t str> {
    let after = text.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}")).1;
    let program = after.split_once(begin).unwrap_or_else(|| panic!("no program after {heading:?}")).1;
    let lines = program.lines().skip(1).map(|line| line.strip_prefix("//!").unwrap_or(line).trim());
    lines.take_while(|line| *line != "```").collect()
}

#[rstest]
#[case("## Version 0.4", "src/adapters/allocator_api2_04.rs")]
#[case("## The nightly compiler's trait", "src/adapters/nightly.rs")]
#[cfg_attr(
    any(miri, target_family = "wasm"),
    ignore = "it reads files of the repository, which a program in Miri or WebAssembly cannot"
)]
fn adapters_md_programs_are_run(#[case] heading: &str, #[case] module: &str) {
    let read =
        |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (document, module) = (read("docs/adapters.md"), read(module));
    let shown = program(&document, heading, "```rust,ignore");
    assert!(shown.len() > 5, "{shown:?}");
    assert_eq!(shown, program(&module, "//!", "not(feature = \"std\"), doc = \"```ignore\""));
}

#[test]
#[cfg_attr(
    any(miri, target_family = "wasm"),
    ignore = "it reads files of the repository, which a program in Miri or WebAssembly cannot"
)]
fn readme_program_is_an_example() {
    let read =
        |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (readme, example) = (read("README.md"), read("examples/thread_safe_arena.rs"));
    // The README breaks lines elsewhere, and leaves out what is between the statements.
    let tight = |text: &str| text.split_whitespace().collect::<String>().replace(",)", ")");
    let shown = readme.split_once("```rust\n").unwrap().1.split_once("```").unwrap().0;
    let (mut rest, mut statements) = (tight(&example), 0);
    for statement in tight(shown).split_inclusive(';') {
        rest =
            rest.split_once(statement).unwrap_or_else(|| panic!("{statement:?} is not there")).1.to_owned();
        statements += 1;
    }
    assert_eq!(statements, 5);
}

/// The front page draws the path of one call; its figures are those of the program beside it.
#[test]
#[cfg(all(feature = "std", target_pointer_width = "64"))]
#[cfg_attr(
    any(miri, target_family = "wasm"),
    ignore = "it reads files of the repository, which a program in Miri or WebAssembly cannot"
)]
fn call_path_figures_match_the_program() {
    use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    use zigalloc::{Alignment, ThreadSafeAllocator};

    use zigalloc_support::{Call, Recorder};

    let pages = Recorder::new(*PAGE_ALLOCATOR);
    let arena = ArenaAllocator::init(pages.allocator());
    // SAFETY: one thread, and only the wrapper calls the arena.
    let thread_safe_arena = unsafe { ThreadSafeAllocator::from_child(arena.allocator()) };
    thread_safe_arena.allocator().alloc::<u8>(100).unwrap();
    let calls = pages.take();
    let [Call::Alloc { len, alignment, .. }] = calls[..] else { panic!("{calls:?}") };
    assert_eq!(alignment, Alignment::_8);
    let read =
        |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    assert!(read("src/lib.rs").contains(&format!("PageAllocator's alloc(ctx, {len}, 2^3, …)")), "{len}");
    for file in ["interface/slices.rs", "thread_safe.rs", "heap/arena.rs"] {
        assert!(read("src/lib.rs").contains(file) && !read(&format!("src/{file}")).is_empty());
    }
}
