//! Every error is reported correctly and is harmless.

use std::ptr::null_mut;

use rstest::rstest;
use zigalloc::heap::debug::Operation;
use zigalloc::heap::{PAGE_ALLOCATOR, SafeAllocator};
use zigalloc::testing::LedgerAllocator;
use zigalloc_support::{Bump, alone, assert_aborted, run_alone};

use super::*;

const SMALL: usize = 24;
const LARGE: usize = 50_000;

/// Runs a test over a child that aborts on any misuse, with a block of `len` bytes aligned to 8 between two others.
/// Nothing may leak.
fn with_block(options: SafeOptions, len: usize, test: impl FnOnce(Allocator<'_>, NonNull<[u8]>)) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let safe = SafeAllocator::init(ledger.allocator(), options);
    let a = safe.allocator();
    let (before, memory, after) = (alloc(a, len, 8), alloc(a, len, 8), alloc(a, 40, 1));
    test(a, memory);
    free(a, before, 8);
    free(a, after, 1);
    assert_eq!(safe.deinit(), 0);
    ledger.assert_no_leaks();
    assert_eq!(reports(), []);
}

#[track_caller]
fn one_report() -> Report {
    let reports = reports();
    let [report] = reports[..] else { panic!("{reports:#?}") };
    report
}

/// The first address of a trace. With the feature `backtrace` the rest of the stack follows.
fn traces(report: &Report) -> [Option<usize>; 3] {
    [report.site, report.allocation, report.first_free].map(|trace| trace.addresses().first().copied())
}

/// SA-20, SA-21, TR-72: a double free is reported with its three traces and ignored. The child is one that keeps the
/// memory mapped, where Zig waits for ever on a large block.
#[rstest]
fn double_free_is_reported_and_ignored(#[values(SMALL, LARGE)] len: usize) {
    let bump = Bump::new(0, 1 << 20);
    let safe = SafeAllocator::init(bump.allocator(), TRACED);
    let a = safe.allocator();
    let memory = alloc(a, len, 8);
    // SAFETY: a live block at first, then one that the allocator knows to be freed.
    unsafe {
        a.raw_free(memory, align(8), 0x111);
        a.raw_free(memory, align(8), 0x222);
    }
    let report = one_report();
    assert_eq!((report.kind, report.operation), (ReportKind::DoubleFree, Operation::Free));
    assert_eq!((report.address, report.len, report.alignment), (address(memory), len, align(8)));
    assert_eq!((report.recorded_len, report.recorded_alignment), (Some(len), Some(align(8))));
    assert_eq!(traces(&report), [Some(0x222), Some(0xA110C), Some(0x111)]);
    let text = report.to_string();
    assert!(text.starts_with("SafeAllocator: double free: the ") && text.contains("second free:"), "{text}");
    // Twice more, once with a wrong length and alignment.
    free(a, memory, 8);
    free(a, block(memory.cast(), 3), 1);
    assert_eq!(kinds(), [ReportKind::DoubleFree; 2]);
    assert_eq!((safe.deinit(), bump.live()), (0, 0));
}

/// SA-21: over the system's pages the memory is unmapped by then; it is not touched.
#[test]
fn double_free_of_unmapped_memory_is_reported() {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, TRACED);
    let a = *safe.allocator();
    let large = alloc(a, LARGE, 8);
    free(a, large, 8);
    free(a, large, 8);
    // The last block of a bucket that another block has retired.
    let small = alloc(a, 5000, 8);
    let next = alloc(a, 5000, 8);
    free(a, small, 8);
    free(a, small, 8);
    assert!(!resize(a, small, 8, 5001));
    let reports = reports();
    assert!(reports.iter().all(|report| report.kind == ReportKind::DoubleFree), "{reports:#?}");
    let [_, second, third] = reports[..] else { panic!("{reports:#?}") };
    assert_eq!(traces(&second), [Some(0xF4EE), Some(0xA110C), Some(0xF4EE)]);
    assert_eq!((third.operation, third.recorded_len), (Operation::Resize, Some(5000)));
    free(a, next, 8);
    assert_eq!(safe.deinit(), 0);
}

/// SA-21: a block freed too long ago is not recognised as such.
#[test]
fn old_double_free_is_an_invalid_free() {
    let bump = Bump::new(0, 4 << 20);
    let safe = SafeAllocator::init(bump.allocator(), PLAIN);
    let a = safe.allocator();
    let blocks: Vec<_> = (0..17).map(|n| alloc(a, LARGE + n, 8)).collect();
    blocks.iter().for_each(|memory| free(a, *memory, 8));
    free(a, blocks[0], 8);
    free(a, blocks[1], 8);
    free(a, blocks[16], 8);
    assert_eq!(kinds(), [ReportKind::InvalidFree, ReportKind::DoubleFree, ReportKind::DoubleFree]);
}

/// SA-22: a freed block is not resized.
#[rstest]
fn resize_after_free_is_reported(#[values(SMALL, LARGE)] len: usize) {
    with_block(TRACED, len, |a, memory| {
        free(a, memory, 8);
        assert!(!resize(a, memory, 8, len + 1));
        let report = one_report();
        assert_eq!((report.kind, report.operation), (ReportKind::DoubleFree, Operation::Resize));
        assert_eq!(traces(&report), [Some(0x4E512E), Some(0xA110C), Some(0xF4EE)]);
        assert!(report.to_string().contains("resize after free"), "{report}");
        assert_eq!(remap(a, memory, 8, len - 1), None);
        let report = one_report();
        assert_eq!((report.kind, report.operation), (ReportKind::DoubleFree, Operation::Remap));
    });
}

/// SA-23: the old length after a resize that has moved the footer, while the old footer is there and after it has been
/// overwritten; the block's own length is used.
#[rstest]
fn call_with_the_old_length_is_reported(#[values(true, false)] overwrites: bool) {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, TRACED);
    let a = *safe.allocator();
    let memory = alloc(a, SMALL, 8);
    assert!(resize(a, memory, 8, 60));
    if overwrites {
        // SAFETY: the block has 60 bytes now.
        unsafe { memory.cast::<u8>().write_bytes(1, 60) };
    }
    assert!(resize(a, memory, 8, 100));
    let report = one_report();
    assert_eq!((report.kind, report.len, report.recorded_len), (ReportKind::WrongLength, SMALL, Some(60)));
    assert_eq!(traces(&report)[1], Some(0x4E512E), "the last resize");
    free(a, block(memory.cast(), 60), 8);
    assert_eq!(one_report().recorded_len, Some(100));
    assert_eq!(safe.deinit(), 0);
}

/// SA-15, SA-24, SA-25: a wrong length is reported, whether it leads to the same footer, to another place, or out of
/// the bucket. The block's own length is used.
#[rstest]
fn wrong_length_is_reported(
    #[values(SMALL, LARGE)] len: usize,
    #[values(1, SMALL - 1, SMALL + 7, LARGE - 1, 1 << 20, usize::MAX, usize::MAX - 8)] wrong: usize,
) {
    with_block(TRACED, len, |a, memory| {
        let wrong = block(memory.cast(), wrong);
        // A child may grant the same length.
        let memory = remap(a, wrong, 8, len).unwrap_or(memory);
        assert_eq!(one_report().kind, ReportKind::WrongLength);
        let wrong = block(memory.cast(), wrong.len());
        free(a, wrong, 8);
        let report = one_report();
        assert_eq!((report.kind, report.operation), (ReportKind::WrongLength, Operation::Free));
        assert_eq!((report.len, report.recorded_len), (wrong.len(), Some(len)));
        assert_eq!((traces(&report)[0], traces(&report)[2]), (Some(0xF4EE), None));
    });
}

/// SA-24: a wrong alignment, also one that does not exist.
#[rstest]
fn wrong_alignment_is_reported(
    #[values(SMALL, LARGE)] len: usize,
    #[values(1, 4, 16, 1 << 20)] wrong: usize,
) {
    with_block(TRACED, len, |a, memory| {
        // A child may grant the same length.
        let _ = resize(a, memory, wrong, len);
        assert_eq!(one_report().kind, ReportKind::WrongAlignment);
        free(a, memory, wrong);
        let report = one_report();
        assert_eq!(report.kind, ReportKind::WrongAlignment);
        assert_eq!((report.alignment, report.recorded_alignment), (align(wrong), Some(align(8))));
    });
}

/// SA-24: two errors in one call are two reports.
#[rstest]
fn wrong_length_and_alignment_are_two_reports(#[values(SMALL, LARGE)] len: usize) {
    with_block(PLAIN, len, |a, memory| {
        free(a, block(memory.cast(), len - 1), 4);
        assert_eq!(kinds(), [ReportKind::WrongLength, ReportKind::WrongAlignment]);
    });
}

/// SA-25: an address inside a block, whatever the length.
#[rstest]
fn address_inside_a_block_is_an_invalid_free(#[values(SMALL, LARGE)] len: usize) {
    let is_small = len == SMALL;
    with_block(TRACED, len, |a, memory| {
        for offset in [1, 8, 20] {
            let inside = address(memory) + offset;
            let inside = NonNull::new(memory.cast::<u8>().as_ptr().with_addr(inside)).unwrap();
            for len in [len, len - offset, 8, 3] {
                free(a, block(inside, len), 8);
                let report = one_report();
                assert_eq!((report.kind, report.address), (ReportKind::InvalidFree, address(inside)));
                // Of a large block, only the start is known.
                assert_eq!(report.inside, is_small.then_some(address(memory)));
            }
        }
        free(a, memory, 8);
    });
}

/// SA-25: the report names the block that an address is inside of.
#[test]
fn invalid_free_names_the_block() {
    with_block(TRACED, SMALL, |a, memory| {
        let inside = NonNull::new(memory.cast::<u8>().as_ptr().map_addr(|address| address + 4)).unwrap();
        free(a, block(inside, SMALL - 4), 4);
        let report = one_report();
        assert_eq!((report.kind, report.inside), (ReportKind::InvalidFree, Some(address(memory))));
        assert_eq!((report.recorded_len, traces(&report)[1]), (Some(SMALL), Some(0xA110C)));
        // The distance to the footer is right, which is all that Zig looks at.
        free(a, block(inside, SMALL), 8);
        assert_eq!(one_report().kind, ReportKind::InvalidFree);
        free(a, memory, 8);
    });
}

/// SA-25: pointers that never were blocks are not dereferenced.
#[test]
fn foreign_pointers_are_invalid_frees() {
    with_block(PLAIN, SMALL, |a, memory| {
        let mut on_the_stack = [0_u64; 3];
        let stack = NonNull::from(&mut on_the_stack).cast();
        let nowhere = NonNull::new(std::ptr::without_provenance_mut(8)).unwrap();
        let last = NonNull::new(std::ptr::without_provenance_mut(usize::MAX)).unwrap();
        for foreign in [stack, nowhere, last] {
            free(a, block(foreign, SMALL), 8);
            free(a, block(foreign, LARGE), 8);
            assert!(!resize(a, block(foreign, SMALL), 8, 20));
            assert_eq!(remap(a, block(foreign, LARGE), 8, LARGE + 1), None);
            let reports = reports();
            assert_eq!(reports.len(), 4);
            for report in reports {
                assert_eq!((report.kind, report.address), (ReportKind::InvalidFree, address(foreign)));
                assert!(report.to_string().contains("is no live block of this allocator"), "{report}");
            }
        }
        let (ctx, table) = (a.ptr(), a.vtable());
        // SAFETY: an error, but this allocator looks an address up before it uses it.
        unsafe {
            (table.free)(ctx, null_mut(), 10, align(1), 1);
            assert!(!(table.resize)(ctx, null_mut(), 0, align(1), 11, 1));
            assert!((table.remap)(ctx, null_mut(), LARGE, align(1), 11, 1).is_none());
        }
        assert_eq!(kinds(), [ReportKind::InvalidFree; 3]);
        free(a, memory, 8);
    });
}

/// SA-26: a block of another allocator, whatever its canary is. It stays live there.
#[rstest]
fn block_of_another_allocator_is_an_invalid_free(
    #[values(PLAIN.canary, 7)] canary: u32,
    #[values(SMALL, LARGE)] len: usize,
) {
    with_block(PLAIN, SMALL, |a, memory| {
        let other = SafeAllocator::init(PAGE_ALLOCATOR, SafeOptions { canary, ..PLAIN });
        let foreign = alloc(*other.allocator(), len, 8);
        free(a, foreign, 8);
        assert_eq!(kinds(), [ReportKind::InvalidFree]);
        free(*other.allocator(), foreign, 8);
        free(*other.allocator(), memory, 8);
        assert_eq!(kinds(), [ReportKind::InvalidFree]);
        free(a, memory, 8);
        assert_eq!(other.deinit(), 0);
    });
}

/// SA-27: a write past the end is found when it reaches the footer, and not in the padding before it. The block is
/// not freed, since it is not known how long it is.
#[rstest]
fn write_past_the_end_is_found_in_the_footer(#[values(21, LARGE + 5)] len: usize) {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, PLAIN);
    let a = *safe.allocator();
    let (padded, footer, kept) = (alloc(a, len, 1), alloc(a, len, 1), alloc(a, 8, 1));
    let write = |memory: NonNull<[u8]>, at| {
        // SAFETY: an error, but the pointer may access the rest of the child's block.
        unsafe { memory.cast::<u8>().add(at).write(0xF1) };
    };
    write(padded, len);
    write(padded, len + 2);
    free(a, padded, 1);
    assert_eq!(kinds(), []);
    // SAFETY: within the child's block.
    let place = unsafe { footer.cast::<u8>().add(len + 3) };
    // SAFETY: a byte of the footer.
    let before = unsafe { place.read() };
    write(footer, len + 3);
    free(a, footer, 1);
    let report = one_report();
    assert_eq!((report.kind, report.address), (ReportKind::Corruption, address(footer)));
    assert!(report.to_string().contains("the metadata after the block at 0x"), "{report}");
    assert!(!resize(a, footer, 1, len + 1));
    assert_eq!(one_report().kind, ReportKind::Corruption);
    // Nothing has changed.
    // SAFETY: as above.
    unsafe { place.write(before) };
    free(a, footer, 1);
    free(a, kept, 1);
    assert_eq!((safe.deinit(), kinds()), (0, vec![]));
}

/// SA-28: a footer that was overwritten is found at the end. Its block, whose state is not known, counts as live.
#[test]
fn corrupt_footer_of_a_live_block_is_found_at_the_end() {
    let bump = Bump::new(0, 1 << 20);
    let safe = SafeAllocator::init(bump.allocator(), PLAIN);
    let (first, second) = (alloc(safe.allocator(), 16, 1), alloc(safe.allocator(), 16, 1));
    // SAFETY: an error, but the pointer may access the bucket.
    unsafe { first.cast::<u8>().add(16).write_bytes(0, 8) };
    free(safe.allocator(), second, 1);
    assert_eq!((safe.deinit(), bump.live()), (1, 0));
    assert_eq!(kinds(), [ReportKind::Corruption]);
}

/// SA-28, TR-7A: a footer that was overwritten after the free is found when the bucket is freed, and is named.
#[test]
fn corrupt_footer_of_a_freed_block_is_found() {
    let bump = Bump::new(0, 1 << 20);
    let safe = SafeAllocator::init(bump.allocator(), PLAIN);
    let a = safe.allocator();
    let (first, second, third) = (alloc(a, 2000, 1), alloc(a, 2000, 1), alloc(a, 2000, 1));
    for memory in [first, second, third] {
        free(a, memory, 1);
    }
    // SAFETY: an error, but the pointer may access the bucket.
    unsafe { second.cast::<u8>().add(2001).write(0xF1) };
    let live = bump.live();
    let fourth = alloc(a, 3000, 1);
    assert_eq!(bump.live(), live, "one bucket for another");
    let report = one_report();
    assert_eq!((report.kind, report.operation), (ReportKind::Corruption, Operation::Alloc));
    // What the footer says is not to be trusted: its own address.
    let near = address(second)..address(second) + 2008;
    assert!(near.contains(&report.address) || report.address == address(second) + 2000, "{report:?}");
    free(a, fourth, 1);
    assert_eq!((safe.deinit(), bump.live()), (0, 0));
}

/// SA-30: a write to a freed block is found when its bucket is freed, in the call that does it, or at the end.
#[rstest]
#[case::alloc(1, Operation::Alloc)]
#[case::free(2, Operation::Free)]
#[case::end(3, Operation::DetectLeaks)]
fn write_after_free_is_found(#[case] number: usize, #[case] operation: Operation) {
    let bump = Bump::new(0, 1 << 20);
    let safe = SafeAllocator::init(bump.allocator(), TRACED);
    let a = safe.allocator();
    let (first, second) = (alloc(a, 3001, 1), alloc(a, 100, 1));
    free(a, first, 1);
    // SAFETY: an error, but the pointer may access the bucket.
    unsafe { first.cast::<u8>().add(3000).write(0x54) };
    let mut last = second;
    match number {
        1 => {
            free(a, second, 1);
            last = alloc(a, 5500, 1);
        }
        2 => {
            last = alloc(a, 5500, 1);
            assert_eq!(kinds(), []);
            free(a, second, 1);
        }
        _ => {}
    }
    free(a, last, 1);
    let early = reports();
    assert_eq!((safe.deinit(), bump.live()), (0, 0));
    let report = early.into_iter().chain(reports()).collect::<Vec<_>>();
    let [report] = report[..] else { panic!("{report:#?}") };
    assert_eq!((report.kind, report.operation), (ReportKind::WriteAfterFree, operation));
    assert_eq!(
        (report.address, report.overrun, report.recorded_len),
        (address(first), Some(3000), Some(3001))
    );
    assert_eq!(traces(&report)[1..], [Some(0xA110C), Some(0xF4EE)]);
    assert!(report.to_string().contains("write after free: byte 3000 of the 3001 bytes at 0x"), "{report}");
}

/// SA-30: a mistake of the call itself and one of an earlier call are two reports.
#[test]
fn write_after_free_and_wrong_length_are_two_reports() {
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, PLAIN);
    let a = *safe.allocator();
    let (first, second) = (alloc(a, 3000, 1), alloc(a, 1000, 1));
    let third = alloc(a, 5500, 1);
    free(a, first, 1);
    // SAFETY: an error, but the pointer may access the bucket.
    unsafe { first.cast::<u8>().write(0) };
    free(a, block(second.cast(), 999), 1);
    let reports = reports();
    let [wrong, written] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!((wrong.kind, wrong.address), (ReportKind::WrongLength, address(second)));
    assert_eq!((written.kind, written.address), (ReportKind::WriteAfterFree, address(first)));
    free(a, third, 1);
    assert_eq!(safe.deinit(), 0);
}

/// SA-12, SA-20, SA-24, SA-25, SA-30: what Zig panics about aborts, after the report, unless an option says otherwise.
#[rstest]
#[case::double_free("double free", "SafeAllocator: double free: the ")]
#[case::invalid_free("invalid free", "SafeAllocator: invalid free: ")]
#[case::length("length", "SafeAllocator: wrong length: ")]
#[case::footer("footer", "SafeAllocator: corruption: ")]
#[case::end("end", "SafeAllocator: write after free: ")]
#[case::zero("zero", "SafeAllocator: alloc of 0 bytes")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn misuse_aborts(#[case] what: &str, #[case] message: &str) {
    let numbered = ["double free", "invalid free", "length", "footer", "end", "zero"];
    let number = numbered.iter().position(|name| *name == what).unwrap_or(0) + 1;
    let name = what.replace(' ', "_");
    let test = format!("heap::safe_allocator::misuse::misuse_aborts::case_{number}_{name}");
    if alone().is_none() {
        return assert_aborted(&run_alone(&test, what), message);
    }
    let options = SafeOptions { stack_trace_frames: 0, check_write_after_free: true, ..SafeOptions::DEFAULT };
    let safe = SafeAllocator::init(PAGE_ALLOCATOR, options);
    let a = *safe.allocator();
    let (memory, _kept) = (alloc(a, SMALL, 8), alloc(a, SMALL, 8));
    match what {
        "double free" => (0..2).for_each(|_| free(a, memory, 8)),
        "invalid free" => free(a, NonNull::from(&mut [0_u8; 8]), 1),
        "length" => free(a, block(memory.cast(), SMALL + 1), 8),
        "footer" => {
            // SAFETY: an error, but the pointer may access the bucket.
            unsafe { memory.cast::<u8>().add(SMALL).write_bytes(0x11, 8) };
            free(a, memory, 8);
        }
        "end" => {
            free(a, memory, 8);
            // SAFETY: an error, but the pointer may access the bucket.
            unsafe { memory.cast::<u8>().write(0) };
            drop(safe);
        }
        // SAFETY: an error, which is found.
        _ => _ = unsafe { a.raw_alloc(0, Alignment::_1, 0) },
    }
    unreachable!("it has not aborted");
}
