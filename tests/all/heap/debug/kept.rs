//! Empty pages that are kept for the next blocks of their class, which Zig does not do.

use rstest::rstest;
use zigalloc::heap::{ArenaAllocator, Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{FailingAllocator, FailingConfig, LedgerAllocator};
use zigalloc::trace::CountingAllocator;
use zigalloc_support::{Bump, Call, Filled, Recorder, alone, assert_aborted, run_alone};

use super::*;

const MIB: usize = 1 << 20;
const LARGE: usize = 5000;

/// The lengths of small blocks, one of each class of small pages.
const LENS: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Allocates a block of each class and frees them.
fn round(a: Allocator<'_>) -> [NonNull<[u8]>; 11] {
    let blocks = LENS.map(|len| alloc(a, len, 1));
    blocks.into_iter().for_each(|block| free(a, block, 1));
    blocks
}

/// After the first round there are no calls, with and without safety, and each block has the same address.
#[rstest]
fn block_that_comes_and_goes_costs_no_call(#[values(false, true)] safety: bool) {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let debug = DebugAllocator::with_config(recorder.allocator(), DebugConfig { safety, ..SMALL_PAGES });
    let first = round(debug.allocator());
    recorder.take();
    for _ in 0..if cfg!(miri) { 2 } else { 100 } {
        assert_eq!(round(debug.allocator()), first);
    }
    assert_eq!(recorder.take(), []);
    assert_eq!(bump.live(), 1 + LENS.len(), "the table and a page of each class");
    drop(debug);
    assert_eq!((bump.live(), reports()), (0, Vec::new()));
}

/// Of several empty pages of a class, one is kept.
#[test]
fn one_page_of_a_class_is_kept() {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let debug = DebugAllocator::with_config(recorder.allocator(), SMALL_PAGES);
    // Two slots per page.
    let blocks: Vec<_> = (0..6).map(|_| alloc(debug.allocator(), 1024, 1)).collect();
    recorder.take();
    blocks.iter().for_each(|block| free(debug.allocator(), *block, 1));
    let calls = recorder.take();
    let pages = [2, 4].map(|index| address(blocks[index]));
    let freed =
        |call: &Call| matches!(*call, Call::Free { address, len: 4096, .. } if pages.contains(&address));
    assert!(calls.len() == 2 && calls.iter().all(freed), "{calls:?}");
    assert_eq!(alloc(debug.allocator(), 1024, 1), blocks[0]);
    debug.deinit_without_leak_checks();
    assert_eq!(bump.live(), 0);
}

/// DA-12, DA-13: a kept page is used again like a new one. Nothing of its former blocks is left: they are not found as
/// leaks, and a call with one of their addresses is not taken for a second free of a block of today.
#[test]
fn kept_page_is_as_a_new_one() {
    let bump = Bump::new(0, MIB);
    let config = DebugConfig { stack_trace_frames: 1, skip_frames: &[], ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let a = debug.allocator();
    let old: Vec<_> = (0..70).map(|_| alloc(a, 8, 8)).collect();
    old.iter().for_each(|block| free(a, *block, 8));

    // SAFETY: the length is not zero.
    let new =
        unsafe { a.raw_alloc(5, align(8), 0xBEEF) }.map(|memory| block(memory, 5)).expect("there is memory");
    assert_eq!(address(new), address(old[0]));
    assert_eq!(debug.detect_leaks(), 1);
    let leak = reports()[0];
    assert_eq!((leak.address, leak.recorded_len), (address(new), Some(5)));
    // The slots that have not been handed out again.
    free(a, old[1], 8);
    assert_eq!(kinds(), [ReportKind::InvalidFree]);
    free(a, old[69], 8);
    assert_eq!(kinds(), [ReportKind::DoubleFree], "the last block of the former page is remembered");
    for old in &old[1..] {
        assert_eq!(address(alloc(a, 8, 8)), address(*old), "in order");
    }
    // SAFETY: in the slot, after the block of 5 bytes.
    unsafe { new.cast::<u8>().add(7).write(0) };
    free(a, new, 8);
    assert_eq!(kinds(), [ReportKind::Overrun]);
    debug.deinit_without_leak_checks();
    assert_eq!(bump.live(), 0);
}

/// While a page is kept, a second free of any of its blocks is a double free, with all traces.
#[rstest]
fn second_free_in_a_kept_page_is_reported(#[values(false, true)] keep_empty_pages: bool) {
    let bump = Bump::new(0, MIB);
    let config = DebugConfig { keep_empty_pages, stack_trace_frames: 1, skip_frames: &[], ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let a = debug.allocator();
    let blocks: Vec<_> = (0..3).map(|_| alloc(a, 8, 8)).collect();
    blocks.iter().for_each(|block| free(a, *block, 8));
    free(a, blocks[0], 8);
    let report = reports().pop().expect("a report");
    if !keep_empty_pages {
        return assert_eq!(report.kind, ReportKind::InvalidFree);
    }
    assert_eq!((report.kind, report.recorded_len), (ReportKind::DoubleFree, Some(8)));
    assert_eq!(report.allocation.addresses(), [0xA110C]);
    assert_eq!(report.first_free.addresses(), [0xF4EE]);
    assert!(!resize(a, blocks[1], 8, 4));
    assert_eq!(kinds(), [ReportKind::DoubleFree]);
}

/// The typed `free` fills memory before the allocator sees the call. In a kept page, that is no segmentation fault.
#[test]
fn typed_second_free_of_the_only_block_is_reported() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    let memory = debug.allocator().create_with(1).unwrap();
    // SAFETY: the second is an error, which this allocator finds.
    unsafe {
        debug.allocator().destroy(memory);
        debug.allocator().destroy(memory);
    }
    assert_eq!(kinds(), [ReportKind::DoubleFree]);
}

/// If the child refuses a page, one that is kept for another class is used.
#[test]
fn refused_page_is_one_of_another_class() {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let debug = DebugAllocator::with_config(recorder.allocator(), SMALL_PAGES);
    let a = debug.allocator();
    let one = alloc(a, 16, 1);
    free(a, one, 1);
    recorder.refuse_alloc.set(true);
    let two = alloc(a, 100, 1);
    assert_eq!(address(two), address(one));
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { a.raw_alloc(16, align(1), 0) }, None, "there is no other page");
    free(a, block(one.cast(), 16), 1);
    assert_eq!(kinds(), [ReportKind::WrongLength], "the address is that of a block of 100 bytes");
    assert_eq!(debug.detect_leaks(), 0);
    // It is kept as a page of its new class.
    assert_eq!(alloc(a, 100, 1), two);
    free(a, two, 1);
    drop(debug);
    assert_eq!((bump.live(), reports()), (0, Vec::new()));
}

/// If the child refuses a large block, the kept pages are freed, and it is asked again.
#[test]
fn kept_pages_are_freed_for_a_large_block() {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let debug = DebugAllocator::with_config(recorder.allocator(), SMALL_PAGES);
    let a = debug.allocator();
    round(a);
    recorder.take();
    bump.refused_request.set(Some(bump.requests.get() + 1));
    let large = alloc(a, LARGE, 1);
    let calls = recorder.take();
    let is_page = |call: &&Call| matches!(call, Call::Free { len: 4096, .. });
    assert_eq!(calls.iter().filter(is_page).count(), LENS.len(), "{calls:?}");
    free(a, large, 1);

    // Without kept pages, it is asked once.
    recorder.take();
    recorder.refuse_alloc.set(true);
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { a.raw_alloc(LARGE, align(1), 0) }, None);
    assert_eq!(recorder.take().len(), 1);
}

/// From each request on, the child refuses all, for good or for one call, in a program whose pages come and go: the
/// blocks are correct, an error loses nothing, and every page and block is freed once.
#[rstest]
fn child_that_refuses_from_any_request_on(
    #[values(0, 10_000)] quarantine: usize,
    #[values(false, true)] for_good: bool,
) {
    let mut errors = 0;
    for refused in (0..).step_by(if cfg!(miri) { 5 } else { 1 }) {
        let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        let failing = FailingAllocator::init(ledger.allocator(), FailingConfig::default());
        let debug =
            DebugAllocator::with_config(failing.allocator(), DebugConfig { quarantine, ..SMALL_PAGES });
        failing.set_fail_index(refused);
        for round in 0..3 {
            for len in [8, 16, 700, LARGE + round, 20 << round] {
                let pair = [0, 1].map(|tag| {
                    // SAFETY: the length is not zero.
                    let memory = unsafe { debug.allocator().raw_alloc(len, Alignment::_1, 1) };
                    if failing.has_induced_failure() && !for_good {
                        failing.set_fail_index(usize::MAX);
                    }
                    // SAFETY: a new block, which only this refers to.
                    memory.map(|memory| unsafe { Filled::new(block(memory, len), Alignment::_1, tag) })
                });
                errors += pair.iter().filter(|memory| memory.is_none()).count();
                for memory in pair.into_iter().flatten() {
                    memory.check();
                    free(debug.allocator(), memory.memory(), 1);
                }
            }
        }
        assert_eq!((debug.deinit(), reports()), (Check::Ok, Vec::new()));
        ledger.assert_no_leaks();
        if !failing.has_induced_failure() {
            // In Miri, few of the requests are refused.
            let least = if cfg!(miri) { 0 } else { 3 };
            assert!(refused > 6 && errors > least, "{refused} requests, {errors} errors");
            break;
        }
    }
}

/// Over an arena, which reuses no memory of pages: 3,000 rounds take two pages, and not two per round.
#[test]
fn memory_over_an_arena_is_bounded() {
    let below = CountingAllocator::init(PAGE_ALLOCATOR);
    let arena = ArenaAllocator::init(below.allocator());
    let debug = DebugAllocator::with_config(arena.allocator(), CONFIG);
    for n in 0..if cfg!(miri) { 20 } else { 3000 } {
        let (short, long) = (alloc(debug.allocator(), 40, 8), alloc(debug.allocator(), 1000, 8));
        free(debug.allocator(), if n % 2 == 0 { short } else { long }, 8);
        free(debug.allocator(), if n % 2 == 0 { long } else { short }, 8);
    }
    let peak = below.snapshot().peak_live_bytes;
    assert!(peak < 4 * MIB, "{peak} bytes");
    assert_eq!(reports(), []);
}

/// The pages are freed on request, without `retain_metadata` too, and used again afterwards.
#[rstest]
fn flush_frees_kept_pages(
    #[values(false, true)] retain_metadata: bool,
    #[values(0, 1 << 20)] quarantine: usize,
) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let config = DebugConfig { retain_metadata, quarantine, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(ledger.allocator(), config);
    for _ in 0..3 {
        round(debug.allocator());
        assert!(ledger.live() >= LENS.len());
        debug.flush_retained_metadata();
        if quarantine == 0 || retain_metadata {
            assert_eq!(ledger.live(), 1, "the table of pages");
        }
    }
    drop(debug);
    ledger.assert_no_leaks();
    assert_eq!(reports(), []);
}

/// `never_unmap` keeps every page for good, and uses none again.
#[rstest]
fn never_unmap_uses_no_page_again(#[values(false, true)] retain_metadata: bool) {
    let bump = Bump::new(0, MIB);
    let config = DebugConfig { never_unmap: true, retain_metadata, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let (first, second) = (round(debug.allocator()), round(debug.allocator()));
    assert!(first.iter().all(|block| !second.contains(block)));
    if retain_metadata {
        debug.flush_retained_metadata();
        assert_eq!(bump.live(), 1, "the table of pages");
    }
}

/// A page is kept after its time in quarantine, so the last pages are not used again before.
#[test]
fn quarantine_comes_first() {
    let bump = Bump::new(0, MIB);
    let config = DebugConfig { quarantine: 3 * 4096, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let once = || {
        let memory = alloc(debug.allocator(), 16, 1);
        free(debug.allocator(), memory, 1);
        memory
    };
    let blocks: [_; 8] = std::array::from_fn(|_| once());
    // Three in quarantine, and one kept.
    assert!((1..4).all(|n| !blocks[..n].contains(&blocks[n])), "{blocks:?}");
    assert_eq!(blocks[4..], blocks[..4], "in turn");
    assert_eq!(bump.live(), 1 + 4);
}

/// The program has written over the metadata of a page whose blocks are freed. That is found when it is used again.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn overwritten_metadata_of_a_kept_page_aborts() {
    let test = "heap::debug::kept::overwritten_metadata_of_a_kept_page_aborts";
    if alone().is_none() {
        return assert_aborted(&run_alone(test, "alloc"), "someone has written over the metadata");
    }
    let debug =
        DebugAllocator::with_config(PAGE_ALLOCATOR, DebugConfig { page_size: 4096, ..DebugConfig::DEFAULT });
    let memory = alloc(*debug.allocator(), 16, 8);
    free(*debug.allocator(), memory, 8);
    // SAFETY: an error, but the pointer may access the page, which is mapped.
    unsafe { memory.cast::<u8>().write_bytes(0, 4096) };
    alloc(*debug.allocator(), 16, 8);
}
