//! Traces start at the call of the program.

use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator};

use super::*;

/// SO-01, TR-32: the report names this file, for the allocation and for both frees, through the typed interface.
#[test]
#[cfg_attr(
    not(all(feature = "backtrace", not(miri))),
    ignore = "without the feature `backtrace`, and under Miri, there are no symbols"
)]
fn report_names_the_lines_of_the_program() {
    let options = SafeOptions { stack_trace_frames: 4, ..PLAIN };
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
    let a = *safe.allocator();
    let kept = a.alloc::<u8>(10).unwrap();
    let memory = a.alloc::<u8>(10).unwrap();
    // SAFETY: a live block; then one that is known to be freed.
    unsafe {
        a.free(memory);
        a.free(memory);
    }
    let [report] = reports()[..] else { panic!("one report") };
    for trace in [report.site, report.allocation, report.first_free] {
        let text = trace.to_string();
        let first = text.lines().next().unwrap_or_default();
        assert!(first.contains("report_names_the_lines_of_the_program"), "{text}");
    }
    // SAFETY: a live block.
    unsafe { a.free(kept) };
    assert_eq!(safe.deinit(), 0);
}

/// SO-01: without traces, the report says so.
#[test]
fn report_without_traces_names_the_option() {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, PLAIN);
    alloc(*safe.allocator(), 10, 1);
    assert_eq!(safe.deinit(), 1);
    let [leak] = reports()[..] else { panic!("one report") };
    let text = leak.to_string();
    assert!(text.contains("not stored; SafeOptions::stack_trace_frames, which is 0"), "{text}");
}
