//! A debug allocator under the `#[global_allocator]`: printing its reports and resolving their lines allocates with
//! the allocator that they are about. Miri is too slow for that.
#![cfg(all(feature = "std", not(miri)))]

use std::alloc::{GlobalAlloc, Layout};
use std::collections::HashMap;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use zigalloc::heap::debug::{Report, ReportKind};
use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
use zigalloc::{Alignment, SyncAllocator};

struct Global(DebugAllocator<SyncAllocator<'static>>);

#[global_allocator]
static GLOBAL: Global = Global(DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG));

const CONFIG: DebugConfig =
    DebugConfig { safety: true, stack_trace_frames: 6, quarantine: 1 << 20, report, ..DebugConfig::DEFAULT };

/// The length in bytes of all reports.
static TEXT: AtomicUsize = AtomicUsize::new(0);

/// How many more reports may be formatted, which is slow, as each of many allocations has a trace.
static TEXTS: AtomicUsize = AtomicUsize::new(3);

/// Allocates for the text, for backtraces, and for a line that the test harness captures.
fn report(report: &Report) {
    let is_text = TEXTS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    if is_text.is_err() {
        drop(Box::new(*report));
        return;
    }
    let text = report.to_string();
    println!("{text}");
    TEXT.fetch_add(text.len(), Ordering::Relaxed);
}

fn memory(ptr: *mut u8, layout: Layout) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(ptr).expect("a block is not null"), layout.size())
}

// SAFETY: the debug allocator keeps the contract of an allocator, which includes that of `GlobalAlloc`. It does not
// unwind, and allocates only from its child.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: `GlobalAlloc`'s callers request more than zero bytes.
        let memory = unsafe { self.0.allocator().raw_alloc(layout.size(), Alignment::from(layout), 0) };
        memory.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: a live block with the layout that it was allocated with, or an error that is detected.
        unsafe { self.0.allocator().raw_free(memory(ptr, layout), Alignment::from(layout), 0) };
    }
}

/// TR-32: traces and reports may allocate from the allocator that they are about. A single test, since everything in
/// this process is part of it.
#[test]
fn reports_of_the_global_allocator() {
    let debug = &GLOBAL.0;
    // Threads allocate and free while leaks are searched for and reported.
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..3 {
            let is_done = &is_done;
            scope.spawn(move || {
                let mut round = 0;
                while !is_done.load(Ordering::Relaxed) || round < 10 {
                    let mut map: HashMap<usize, String> = HashMap::new();
                    for n in 0..100 {
                        map.insert(n, format!("{seed} {n} {}", "long ".repeat(n % 40)));
                    }
                    assert_eq!(map[&99].len(), map[&99].trim_end().len() + 1);
                    round += 1;
                }
            });
        }
        for _ in 0..2 {
            assert!(debug.detect_leaks() > 0, "the harness and the threads have something");
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let text = TEXT.swap(0, Ordering::Relaxed);
    assert!(text > 100, "{text} bytes of reports");
    assert_eq!(debug.count(ReportKind::WrongLength) + debug.count(ReportKind::DoubleFree), 0);
    assert_eq!(debug.count(ReportKind::InvalidFree) + debug.count(ReportKind::Overrun), 0);

    // Misuse, with formatted reports.
    TEXTS.store(2, Ordering::Relaxed);
    let layout = Layout::array::<u8>(100).unwrap();
    // Not through the standard library, whose calls the compiler knows and may omit. The neighbours keep the page, or
    // else the text of the first report could get a new page in its place.
    // SAFETY: the lengths are not zero; errors are detected.
    unsafe {
        let [before, block, after] = std::array::from_fn(|_| GLOBAL.alloc(layout));
        GLOBAL.dealloc(block, Layout::array::<u8>(99).unwrap());
        GLOBAL.dealloc(block, layout);
        GLOBAL.dealloc(before, layout);
        GLOBAL.dealloc(after, layout);
    }
    assert_eq!(debug.count(ReportKind::WrongLength), 1);
    assert_eq!(debug.count(ReportKind::DoubleFree) + debug.count(ReportKind::InvalidFree), 1);
    assert!(TEXT.load(Ordering::Relaxed) > 100);

    // An actual leak.
    let before = debug.count(ReportKind::Leak);
    std::mem::forget(std::hint::black_box(Box::new([0_u8; 12_345])));
    assert!(debug.detect_leaks() > 0 && debug.count(ReportKind::Leak) > before);
}
