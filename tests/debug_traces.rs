//! The traces of a debug allocator that is the `#[global_allocator]`: they start with the program's line, although
//! the standard library is between it and the allocator, and resolving the symbols allocates with that allocator.
#![cfg(all(feature = "std", feature = "backtrace", not(miri), target_os = "linux"))]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;

use zigalloc::SyncAllocator;
use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::debug::{Report, ReportKind};
use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};

static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::with_config(
    PAGE_ALLOCATOR,
    DebugConfig {
        safety: true,
        stack_trace_frames: 6,
        leak_limit: usize::MAX,
        report,
        ..DebugConfig::DEFAULT
    },
);

// SAFETY: its lock does not allocate, and its child uses the operating system.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(DEBUG.allocator()) };

/// The lengths that only this test leaks.
const LENGTHS: [usize; 3] = [12_345, 54_321, 77 * 1024];

static TEXTS: Mutex<Vec<(Report, String)>> = Mutex::new(Vec::new());

fn report(report: &Report) {
    let is_ours = |len| LENGTHS.contains(&len) || len == 3 * LENGTHS[0];
    if report.kind == ReportKind::Leak && report.total_len.is_some_and(is_ours) {
        let text = report.to_string();
        TEXTS.lock().unwrap().push((*report, text));
    }
}

#[inline(never)]
fn leaks_vectors() {
    for _ in 0..3 {
        black_box(Vec::<u8>::with_capacity(LENGTHS[0])).leak(); // VECTORS
    }
}

#[inline(never)]
fn leaks_a_string() {
    let mut text = String::new();
    text.extend(std::iter::repeat_n('x', 9));
    text.reserve_exact(LENGTHS[1] - 9); // STRING
    black_box(text).leak();
}

#[inline(never)]
fn leaks_a_map() {
    let mut map: HashMap<u64, Box<[u8]>> = HashMap::new();
    map.insert(1, vec![7; LENGTHS[2]].into_boxed_slice()); // MAP
    std::mem::forget(black_box(map));
}

fn line(mark: &str) -> String {
    let source = include_str!("debug_traces.rs");
    let index = source.lines().position(|line| line.ends_with(&format!("// {mark}"))).unwrap();
    format!("tests/debug_traces.rs:{}", index + 1)
}

/// TR-32: a trace starts at the given address, in the program's own code.
#[test]
fn programs_line_comes_first() {
    leaks_vectors();
    leaks_a_string();
    leaks_a_map();
    let leaks = DEBUG.detect_leaks();
    assert!(leaks >= 5);
    let texts = std::mem::take(&mut *TEXTS.lock().unwrap());
    let first = |function: &str, mark: &str| {
        let place = line(mark);
        let (report, text) = texts
            .iter()
            .find(|(_, text)| text.contains(&place))
            .unwrap_or_else(|| panic!("{place} is not in:\n{texts:#?}"));
        let trace = text.lines().skip_while(|line| !line.starts_with("  alloc")).nth(1).unwrap();
        assert!(trace.contains(function) && trace.ends_with(&place), "{text}");
        for skipped in ["__rust_alloc", " alloc::", " core::", " std::", " zigalloc::", "hashbrown"] {
            assert!(!text.contains(skipped), "{skipped} is in:\n{text}");
        }
        assert!(text.contains("programs_line_comes_first"), "the caller is a frame, too:\n{text}");
        report.count
    };
    assert_eq!(first("leaks_vectors", "VECTORS"), 3, "one place is one report");
    assert_eq!(first("leaks_a_string", "STRING"), 1);
    assert_eq!(first("leaks_a_map", "MAP"), 1);

    // An error detected in a call is reported during it, by code that allocates.
    let (mistakes, layout) =
        (DEBUG.count(ReportKind::WrongLength), std::alloc::Layout::array::<u8>(100).unwrap());
    // SAFETY: the length is wrong, which the allocator detects; not through the standard library, whose calls the
    // compiler knows.
    unsafe {
        let block = std::alloc::GlobalAlloc::alloc(&GLOBAL, layout);
        std::alloc::GlobalAlloc::dealloc(&GLOBAL, block, std::alloc::Layout::array::<u8>(99).unwrap());
    }
    assert_eq!(DEBUG.count(ReportKind::WrongLength), mistakes + 1);
}
