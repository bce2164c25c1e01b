//! Imports point downward: a module of `src` uses those before it in the list, not those after it.

#![cfg(all(feature = "std", not(miri), not(target_family = "wasm")))]

use std::fs;
use std::path::{Path, PathBuf};

/// From bottom to top. `lib.rs` re-exports from all of them; `guide` has no code.
const LAYERS: &[&str] = &[
    "sync",
    "alignment",
    "error",
    "return_address",
    "symbol",
    "vtable",
    "allocator",
    "slice",
    "interface",
    "mem",
    "os",
    "thread_safe",
    "collections",
    "heap",
    "trace",
    "testing",
    "adapters",
    "capi",
];

/// Returns the files of `src` without tests and `lib.rs`, with the part of `src` that each belongs to.
fn sources() -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut files) = (vec![src.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if !name.ends_with("tests.rs")
                && !["lib.rs", "guide.rs", "test_support.rs"].contains(&name)
            {
                let part = path.strip_prefix(&src).unwrap().iter().next().unwrap().to_str().unwrap();
                files.push((path.clone(), part.trim_end_matches(".rs").to_owned()));
            }
        }
    }
    files
}

/// Returns what follows `crate::` in code: a module, or each of those in braces.
fn used(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let mut depth = 0;
        names.push(word(list));
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => names.push(word(&list[at + 1..])),
                _ => {}
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn imports_point_downward() {
    let layer = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let (mut upward, mut imports) = (Vec::new(), 0);
    for (path, part) in sources() {
        let from = layer(&part).unwrap_or_else(|| panic!("{part} is not in the list"));
        for name in used(&fs::read_to_string(&path).unwrap()) {
            imports += 1;
            // A re-export at the root of the crate may be of any layer, so import from the defining module.
            if layer(&name).is_none_or(|to| to > from) {
                upward.push(format!("{} uses crate::{name}", path.display()));
            }
        }
    }
    assert!(imports > 100, "only {imports} imports were found");
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{vtable::{VTable, state}, slice};\n// crate::heap\nlet x = crate::mem::f(crate::error::E);";
    assert_eq!(used(text), ["vtable", "slice", "mem", "error"]);
    assert_eq!(used("use crate::a;\n\n#[cfg(test)]\nmod tests {\n    use crate::b;\n"), ["a"]);
}
