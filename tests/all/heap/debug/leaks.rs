//! The leak search, during whose reports anything may happen.

use std::sync::Mutex;

use zigalloc::SyncAllocator;
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::LedgerAllocator;

use super::*;

const LARGE: usize = 5000;

/// DA-19, DA-38: more leaks than one batch of reports, in several pages and classes and among large blocks: each is
/// reported once, classes in order, the oldest large block first.
#[test]
fn each_leak_is_reported_once() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    let a = *debug.allocator();
    // 30 slots of 128 bytes per page.
    let small: Vec<_> = (0..100).map(|_| alloc(a, 100, 1)).collect();
    let tiny = alloc(a, 1, 1);
    let large: Vec<_> = (0..40).map(|n| alloc(a, LARGE + n, 1)).collect();
    // Some freed ones among them.
    small.iter().step_by(3).for_each(|memory| free(a, *memory, 1));
    large.iter().step_by(4).for_each(|memory| free(a, *memory, 1));
    let mut expected = vec![address(tiny)];
    for first in [90, 60, 30, 0] {
        let slots = first..100.min(first + 30);
        expected.extend(slots.filter(|n| n % 3 != 0).map(|n| address(small[n])));
    }
    expected.extend((0..40).filter(|n| n % 4 != 0).map(|n| address(large[n])));
    assert_eq!(debug.detect_leaks(), expected.len());
    let found: Vec<_> = reports().iter().map(|leak| leak.address).collect();
    assert_eq!(found, expected);
    debug.deinit_without_leak_checks();
}

type Debug = DebugAllocator<SyncAllocator<'static>>;

struct Block(NonNull<[u8]>);
// SAFETY: the allocator is thread-safe, and the block is sent, not shared.
unsafe impl Send for Block {}

/// A block allocated while the search reports is not part of it, whether in a page not yet searched, in a new page,
/// or a large block.
#[test]
fn blocks_allocated_during_the_search_are_not_reported() {
    static DEBUG: Debug = DebugAllocator::with_config(PAGE_ALLOCATOR, DebugConfig { report, ..SMALL_PAGES });
    static ADDED: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    fn report(leak: &Report) {
        assert_eq!(leak.recorded_alignment, Some(align(1)), "an old block");
        remember(leak);
        // Two slots per page, so that every second block is the first of a new one.
        for len in [10, 1000, LARGE] {
            ADDED.lock().unwrap().push(Block(alloc(*DEBUG.allocator(), len, 2)));
        }
    }
    let a = *DEBUG.allocator();
    let old: Vec<_> = [10, 1000, 1000, 1000, LARGE, LARGE].map(|len| alloc(a, len, 1)).into();
    assert_eq!((DEBUG.detect_leaks(), reports().len()), (6, 6));
    old.into_iter().for_each(|memory| free(a, memory, 1));
    ADDED.lock().unwrap().drain(..).for_each(|block| free(a, block.0, 2));
    assert_eq!(DEBUG.detect_leaks(), 0);
}

/// A block freed during the search, even with its page, was live when the search started: it is reported, and its
/// memory is not read.
#[test]
fn blocks_freed_during_the_search_are_reported() {
    static DEBUG: Debug = DebugAllocator::with_config(PAGE_ALLOCATOR, DebugConfig { report, ..SMALL_PAGES });
    static BLOCKS: Mutex<Vec<Block>> = Mutex::new(Vec::new());
    fn report(leak: &Report) {
        remember(leak);
        // The first report frees all blocks.
        let blocks: Vec<_> = BLOCKS.lock().unwrap().drain(..).collect();
        blocks.into_iter().for_each(|block| free(*DEBUG.allocator(), block.0, 1));
    }
    let a = *DEBUG.allocator();
    let lengths = [10, 1000, 1000, 1000, 1000, LARGE, LARGE + 1];
    let count = 7 * if cfg!(miri) { 5 } else { 20 };
    for len in lengths.into_iter().cycle().take(count) {
        BLOCKS.lock().unwrap().push(Block(alloc(a, len, 1)));
    }
    let stays = alloc(a, LARGE, 1);
    assert_eq!(DEBUG.detect_leaks(), count + 1);
    let found = reports();
    assert_eq!((found.len(), found.last().unwrap().address), (count + 1, address(stays)));
    free(a, stays, 1);
    assert_eq!((DEBUG.detect_leaks(), reports().len()), (0, 0));
}

/// TR-24: if the report function panics, the child still gets its memory back.
#[test]
fn report_that_panics_loses_no_memory() {
    let config = DebugConfig { report: |_| std::panic::resume_unwind(Box::new("told")), ..SMALL_PAGES };
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let ends: [fn(DebugAllocator<Allocator<'_>>); 3] = [
        |debug| drop(debug),
        |debug| assert_eq!(debug.deinit(), Check::Leak),
        |debug| assert_eq!(debug.detect_leaks(), 2),
    ];
    for end in ends {
        let debug = DebugAllocator::with_config(ledger.allocator(), config);
        alloc(debug.allocator(), 10, 1);
        alloc(debug.allocator(), LARGE, 1);
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| end(debug))).unwrap_err();
        assert_eq!(*told.downcast::<&str>().unwrap(), "told");
        ledger.assert_no_leaks();
    }
}
