//! Blocks that are allocated from the child one by one, and the memory limit.

use rstest::rstest;
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::LedgerAllocator;
use zigalloc_support::{Bump, Call, Recorder};

use super::*;

const LARGE: usize = 5000;
const MIB: usize = 1 << 20;

/// TR-55, DA-09, DA-11: the table is the child's memory too. It has room before the block is requested, and doubles
/// when it would be more than 80 percent full.
#[test]
fn table_is_allocated_from_the_child() {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let debug = DebugAllocator::with_config(recorder.allocator(), SMALL_PAGES);
    let mut tables = Vec::new();
    let blocks: Vec<_> = (0..14)
        .map(|n| {
            let memory = alloc(debug.allocator(), LARGE + n, 1);
            let calls = recorder.take();
            let (last, before) = calls.split_last().unwrap();
            assert_eq!(
                *last,
                Call::Alloc {
                    len: LARGE + n,
                    alignment: align(1),
                    ret_addr: 0xA110C,
                    result: Some(address(memory))
                }
            );
            if let Some(Call::Alloc { len, alignment, .. }) = before.first() {
                assert_eq!(*alignment, align(align_of::<usize>()));
                tables.push((n, *len));
            }
            memory
        })
        .collect();
    let first = tables[0].1;
    assert_eq!(tables, [(0, first), (6, 2 * first), (12, 4 * first)]);
    blocks.into_iter().for_each(|memory| free(debug.allocator(), memory, 1));
    drop(debug);
    assert_eq!((bump.live(), reports().len()), (0, 0));
}

/// TR-70, DA-11, DA-10: whatever the child refuses, nothing has changed. (Zig counts the bytes in this case.)
#[rstest]
fn refusal_changes_nothing(#[values(100, LARGE)] len: usize, #[values(0, 1)] refused: usize) {
    let bump = Bump::new(0, MIB);
    let config = DebugConfig { enable_memory_limit: true, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    bump.refused_request.set(Some(refused));
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { debug.allocator().raw_alloc(len, align(1), 0) }, None);
    assert_eq!((bump.live(), debug.total_requested_bytes()), (refused, 0));
    let memory = alloc(debug.allocator(), len, 1);
    assert_eq!(debug.total_requested_bytes(), len);
    free(debug.allocator(), memory, 1);
    assert_eq!((debug.total_requested_bytes(), debug.deinit()), (0, Check::Ok));
    assert_eq!(bump.live(), 0);
}

/// DA-10, DA-17, DA-18: growth is counted and limited, shrinking is never refused, and a total that overflows is
/// refused too.
#[rstest]
fn memory_limit_is_enforced(#[values(true, false)] safety: bool) {
    let config = DebugConfig { enable_memory_limit: true, safety, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let a = *debug.allocator();
    assert_eq!(debug.requested_memory_limit(), usize::MAX);
    let small = alloc(a, 20, 1);
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { a.raw_alloc(usize::MAX, align(1), 0) }, None);
    let large = alloc(a, LARGE, 1);
    debug.set_requested_memory_limit(LARGE + 25);
    for (new_len, granted, total) in [(25, true, LARGE + 25), (26, false, LARGE + 25), (20, true, LARGE + 20)]
    {
        let len = debug.total_requested_bytes() - LARGE;
        assert_eq!(resize(a, block(small.cast(), len), 1, new_len), granted);
        assert_eq!(debug.total_requested_bytes(), total);
    }
    assert_eq!(remap(a, large, 1, LARGE + 6), None);
    let large = block(remap(a, large, 1, LARGE + 5).unwrap(), LARGE + 5);
    assert_eq!(debug.total_requested_bytes(), LARGE + 25);
    debug.set_requested_memory_limit(10);
    assert!(resize(a, large, 1, LARGE + 3), "above the limit, but less than before");
    assert_eq!(debug.total_requested_bytes(), LARGE + 23);
    free(a, block(large.cast(), LARGE + 3), 1);
    free(a, small, 1);
    assert_eq!(debug.total_requested_bytes(), 0);
    assert_eq!(reports(), []);
}

/// DA-18: the child's result is returned, and refusals are not counted.
#[test]
fn large_resizes_are_forwarded_to_the_child() {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let config = DebugConfig { enable_memory_limit: true, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(recorder.allocator(), config);
    let a = debug.allocator();
    let memory = alloc(a, LARGE, 4);
    recorder.take();
    assert!(!resize(a, memory, 4, LARGE + 1));
    assert_eq!(remap(a, memory, 4, LARGE + 1), None);
    assert_eq!(debug.total_requested_bytes(), LARGE);
    bump.grants_growth.set(true);
    assert!(resize(a, memory, 4, LARGE + 1));
    assert_eq!(debug.total_requested_bytes(), LARGE + 1);
    let (address, alignment) = (address(memory), align(4));
    let new_len = LARGE + 1;
    let resized =
        |result| Call::Resize { address, len: LARGE, alignment, new_len, ret_addr: 0x4E512E, result };
    let remapped = Call::Remap { address, len: LARGE, alignment, new_len, ret_addr: 0x4E3A9, result: None };
    assert_eq!(recorder.take(), [resized(false), remapped, resized(true)]);
    // A large block does not become small; the child is not called.
    assert!(!resize(a, block(memory.cast(), LARGE + 1), 4, 1024));
    assert_eq!((remap(a, block(memory.cast(), LARGE + 1), 4, 1), recorder.take()), (None, vec![]));
    free(a, block(memory.cast(), LARGE + 1), 4);
    assert_eq!(reports(), []);
}

/// DA-18: a moved block is known by its new address, and its old one counts as freed.
#[rstest]
fn moved_large_block_is_tracked(#[values(false, true)] retain_metadata: bool) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let moves = Moves(ledger.allocator());
    let config = DebugConfig { retain_metadata, enable_memory_limit: true, ..CONFIG };
    let config = DebugConfig { page_size: 4096, ..config };
    let debug = DebugAllocator::with_config(moves.allocator(), config);
    let a = debug.allocator();
    let old = alloc(a, LARGE, 8);
    // SAFETY: the block has that many bytes.
    unsafe { old.cast::<u8>().write_bytes(7, LARGE) };
    let new = block(remap(a, old, 8, 2 * LARGE).unwrap(), 2 * LARGE);
    assert_ne!(address(old), address(new));
    // SAFETY: that many bytes were copied.
    assert!(unsafe { block(new.cast(), LARGE).as_ref() }.iter().all(|&byte| byte == 7));
    assert_eq!(debug.total_requested_bytes(), 2 * LARGE);
    assert_eq!(debug.detect_leaks(), 1);
    let [leak] = reports()[..] else { panic!() };
    assert_eq!((leak.address, leak.recorded_len), (address(new), Some(2 * LARGE)));
    assert_eq!(leak.allocation.addresses(), [0xA110C], "the allocation, not the remap");

    free(a, old, 8);
    let [double] = reports()[..] else { panic!() };
    assert_eq!((double.kind, double.recorded_len), (ReportKind::DoubleFree, Some(LARGE)));
    assert_eq!(double.first_free.addresses(), [0x4E3A9], "the remap ended it");
    free(a, new, 8);
    assert_eq!((debug.total_requested_bytes(), debug.deinit()), (0, Check::Ok));
    ledger.assert_no_leaks();
}

/// DA-09, DA-16, DA-21, DC-07: freed large blocks are remembered until they are flushed. With `never_unmap` (DC-06),
/// only then does the child get them back.
#[rstest]
fn retained_blocks_are_recognised_until_flushed(#[values(false, true)] never_unmap: bool) {
    const COUNT: usize = if cfg!(miri) { 14 } else { 40 };
    let bump = Bump::new(0, MIB);
    let config = DebugConfig { retain_metadata: true, never_unmap, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let a = debug.allocator();
    let blocks: Vec<_> = (0..COUNT).map(|n| alloc(a, LARGE + n, 1)).collect();
    let small = alloc(a, 10, 1);
    let live = alloc(a, 2 * LARGE, 1);
    free(a, small, 1);
    blocks.iter().for_each(|memory| free(a, *memory, 1));
    // The tables, the live block, the empty page, and everything that is retained.
    assert_eq!(bump.live(), if never_unmap { 4 + COUNT } else { 4 });
    // None is reported as a leak, and all are recognised.
    assert_eq!((debug.detect_leaks(), reports().len()), (1, 1));
    blocks.iter().for_each(|memory| free(a, *memory, 1));
    assert_eq!(kinds(), [ReportKind::DoubleFree; COUNT]);

    debug.flush_retained_metadata();
    assert_eq!(bump.live(), 3);
    blocks.iter().for_each(|memory| free(a, *memory, 1));
    assert_eq!(kinds(), [ReportKind::InvalidFree; COUNT]);
    debug.flush_retained_metadata();
    free(a, live, 1);
    assert_eq!(debug.deinit(), Check::Ok);
    assert_eq!((bump.live(), reports().len()), (0, 0));
}

/// DC-07: a child that reuses addresses of blocks that are remembered.
#[test]
fn reused_address_is_live_although_retained() {
    let mut buffer = Box::new_uninit_slice(64 << 10);
    let fixed_buffer = zigalloc::heap::FixedBufferAllocator::init(&mut buffer);
    let config = DebugConfig { retain_metadata: true, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(fixed_buffer.allocator(), config);
    let a = debug.allocator();
    let first = alloc(a, LARGE, 1);
    free(a, first, 1);
    let second = alloc(a, LARGE + 1, 1);
    assert_eq!(address(first), address(second));
    free(a, second, 1);
    free(a, second, 1);
    assert_eq!(kinds(), [ReportKind::DoubleFree]);
    // The same address as a page of small blocks: what is live counts.
    let small = alloc(a, 1024, 1);
    free(a, small, 1);
    assert_eq!(reports(), []);
}

/// TR-79, DA-20: leaks are reported, and the memory still goes back to the child (Zig keeps it), unless `never_unmap`
/// is set.
#[rstest]
#[case(false, false, 0)]
#[case(false, true, 0)]
#[case(true, true, 0)]
#[case(true, false, 4)]
fn leaked_memory_is_freed_by_deinit(
    #[case] never_unmap: bool,
    #[case] retain_metadata: bool,
    #[case] kept: usize,
) {
    let bump = Bump::new(0, MIB);
    let config = DebugConfig { never_unmap, retain_metadata, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let (small, large) = (alloc(debug.allocator(), 10, 1), alloc(debug.allocator(), LARGE, 8));
    let [freed_small, freed_large] = [20, LARGE].map(|len| alloc(debug.allocator(), len, 1));
    free(debug.allocator(), freed_small, 1);
    free(debug.allocator(), freed_large, 1);
    assert_eq!(debug.deinit(), Check::Leak);
    assert_eq!(bump.live(), kept);
    let leaks = reports().into_iter().map(|leak| (leak.kind, leak.address, leak.recorded_len));
    assert_eq!(
        leaks.collect::<Vec<_>>(),
        [(ReportKind::Leak, address(small), Some(10)), (ReportKind::Leak, address(large), Some(LARGE))]
    );
}
