//! Every error is reported correctly and is harmless.

use rstest::rstest;
use zigalloc::heap::debug::Operation;
use zigalloc::heap::{Check, DebugAllocator, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::LedgerAllocator;
use zigalloc_support::{Bump, alone, assert_aborted, run_alone};

use super::*;

/// A small and a large length.
const SMALL: usize = 24;
const LARGE: usize = 50_000;

/// Runs a test over a child that aborts on any misuse, with a block of `len` bytes aligned to 8, and another one that
/// keeps its page alive. Nothing may leak.
fn with_block(config: DebugConfig, len: usize, test: impl FnOnce(Allocator<'_>, NonNull<[u8]>)) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let debug = DebugAllocator::with_config(ledger.allocator(), config);
    let a = debug.allocator();
    let (neighbour, memory) = (alloc(a, len, 8), alloc(a, len, 8));
    test(a, memory);
    free(a, neighbour, 8);
    assert_eq!(debug.deinit(), Check::Ok);
    ledger.assert_no_leaks();
    assert_eq!(reports(), []);
}

fn one_report() -> Report {
    let reports = reports();
    let [report] = reports[..] else { panic!("{reports:#?}") };
    report
}

/// DA-30, DA-32: a double free is reported with its three traces and ignored. (For large blocks Zig needs
/// `retain_metadata`.)
#[rstest]
fn double_free_is_reported_and_ignored(
    #[values(SMALL, LARGE)] len: usize,
    #[values(true, false)] safety: bool,
    #[values(true, false)] retain_metadata: bool,
) {
    with_block(DebugConfig { safety, retain_metadata, ..CONFIG }, len, |a, memory| {
        // SAFETY: a live block at first, then one that the allocator knows to be freed.
        unsafe {
            a.raw_free(memory, align(8), 0x111);
            a.raw_free(memory, align(8), 0x222);
        }
        let report = one_report();
        assert_eq!((report.kind, report.operation), (ReportKind::DoubleFree, Operation::Free));
        assert_eq!((report.address, report.len, report.alignment), (address(memory), len, align(8)));
        assert_eq!(report.allocation.addresses(), [0xA110C]);
        assert_eq!(report.first_free.addresses(), [0x111]);
        assert_eq!(report.site.addresses(), [0x222]);
        let text = report.to_string();
        assert!(text.contains("double free") && text.contains("second free:"), "{text}");
        // Twice more, and once with a wrong length and alignment.
        free(a, memory, 8);
        free(a, block(memory.cast(), 3), 1);
        assert_eq!(kinds(), [ReportKind::DoubleFree; 2]);
    });
}

/// DA-31: the page has been freed, but is remembered. (Zig's metadata would be gone with it.)
#[rstest]
fn double_free_after_the_page_was_freed_is_reported(#[values(true, false)] never_unmap: bool) {
    let config = DebugConfig { never_unmap, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let a = *debug.allocator();
    let memory = alloc(a, SMALL, 8);
    free(a, memory, 8);
    free(a, memory, 8);
    let report = one_report();
    assert_eq!((report.kind, report.address), (ReportKind::DoubleFree, address(memory)));
    assert_eq!(report.allocation.addresses(), [0xA110C]);
    assert_eq!(report.first_free.addresses(), [0xF4EE]);
    assert_eq!((report.recorded_len, report.recorded_alignment), (Some(SMALL), Some(align(8))));
}

/// DA-31: a block freed too long ago is not recognised as such.
#[test]
fn old_double_free_is_an_invalid_free() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    let a = *debug.allocator();
    // All are live at once, so that no address is reused.
    let blocks: Vec<_> = (0..20).map(|n| alloc(a, LARGE + n, 8)).collect();
    blocks.iter().for_each(|memory| free(a, *memory, 8));
    free(a, blocks[0], 8);
    free(a, blocks[19], 8);
    free(a, blocks[4], 8);
    assert_eq!(kinds(), [ReportKind::InvalidFree, ReportKind::DoubleFree, ReportKind::DoubleFree]);
}

/// DA-17, DA-18, DA-32: a freed block is not resized.
#[rstest]
fn resize_after_free_is_reported(
    #[values(SMALL, LARGE)] len: usize,
    #[values(true, false)] retain_metadata: bool,
) {
    with_block(DebugConfig { retain_metadata, ..CONFIG }, len, |a, memory| {
        free(a, memory, 8);
        assert!(!resize(a, memory, 8, len - 1));
        let report = one_report();
        assert_eq!((report.kind, report.operation), (ReportKind::DoubleFree, Operation::Resize));
        assert_eq!(
            (report.site.addresses(), report.first_free.addresses()),
            (&[0x4E512E][..], &[0xF4EE][..])
        );
        assert!(report.to_string().contains("resize after free"), "{report}");
        assert_eq!(remap(a, memory, 8, len - 1), None);
        assert_eq!((one_report().operation, ReportKind::DoubleFree), (Operation::Remap, report.kind));
    });
}

/// TR-79, DA-33, DA-34, DA-16: a wrong length is reported, and the block's recorded length is used: for the child, for
/// the limit, and for the class. (Zig uses the caller's, and panics in another class.)
#[rstest]
fn wrong_length_on_free_is_reported(
    #[values(SMALL, LARGE)] len: usize,
    #[values(1, SMALL + 1, LARGE - 1, 1 << 20)] wrong: usize,
) {
    let config = DebugConfig { enable_memory_limit: true, ..CONFIG };
    with_block(config, len, |a, memory| {
        free(a, block(memory.cast(), wrong), 8);
        let report = one_report();
        assert_eq!(
            (report.kind, report.len, report.recorded_len),
            (ReportKind::WrongLength, wrong, Some(len))
        );
        assert_eq!((report.site.addresses(), report.allocation.addresses()), (&[0xF4EE][..], &[0xA110C][..]));
    });
}

/// DA-17, DA-18, DA-33: the same for a resize.
#[rstest]
fn wrong_length_on_resize_is_reported(
    #[values(SMALL, LARGE)] len: usize,
    #[values(SMALL - 2, LARGE - 2)] wrong: usize,
) {
    with_block(CONFIG, len, |a, memory| {
        let resized = resize(a, block(memory.cast(), wrong), 8, len - 1);
        assert_eq!(one_report().kind, ReportKind::WrongLength);
        let len = if resized { len - 1 } else { len };
        let remapped = remap(a, block(memory.cast(), wrong), 8, len - 1);
        assert_eq!(one_report().kind, ReportKind::WrongLength);
        let memory = remapped.map_or(block(memory.cast(), len), |memory| block(memory, len - 1));
        free(a, memory, 8);
    });
}

/// DA-35: a wrong alignment, in the same class and in others. Also for large blocks, which Zig does not check.
#[rstest]
fn wrong_alignment_is_reported(#[values(SMALL, LARGE)] len: usize, #[values(4, 16, 1 << 20)] wrong: usize) {
    with_block(CONFIG, len, |a, memory| {
        let resized = resize(a, memory, wrong, len - 1);
        assert_eq!(one_report().kind, ReportKind::WrongAlignment);
        free(a, block(memory.cast(), if resized { len - 1 } else { len }), wrong);
        let report = one_report();
        assert_eq!(report.kind, ReportKind::WrongAlignment);
        assert_eq!((report.alignment, report.recorded_alignment), (align(wrong), Some(align(8))));
    });
}

/// DA-14: two errors in one call are two reports.
#[rstest]
fn wrong_length_and_alignment_are_two_reports(#[values(SMALL, LARGE)] len: usize) {
    with_block(CONFIG, len, |a, memory| {
        free(a, block(memory.cast(), len - 1), 4);
        assert_eq!(kinds(), [ReportKind::WrongLength, ReportKind::WrongAlignment]);
    });
}

/// DA-36: pointers that never were blocks are not dereferenced. (Zig reads at the end of what would be their page.)
#[rstest]
fn foreign_pointers_are_invalid_frees(#[values(true, false)] safety: bool) {
    with_block(DebugConfig { safety, ..CONFIG }, SMALL, |a, memory| {
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
        free(a, memory, 8);
    });
}

/// DA-36: null, which only C can pass, is not a block either.
#[test]
fn null_is_an_invalid_free() {
    with_block(CONFIG, SMALL, |a, memory| {
        let (ctx, table, nothing) = (a.ptr(), a.vtable(), std::ptr::null_mut());
        // SAFETY: an error, but this allocator looks an address up before it uses it.
        unsafe {
            (table.free)(ctx, nothing, 10, align(1), 1);
            (table.free)(ctx, nothing, 0, align(1), 1);
            assert!(!(table.resize)(ctx, nothing, 10, align(1), 11, 1));
            assert!((table.remap)(ctx, nothing, LARGE, align(1), 11, 1).is_none());
        }
        let reports = reports();
        assert_eq!(reports.len(), 4);
        assert!(reports.iter().all(|report| (report.kind, report.address) == (ReportKind::InvalidFree, 0)));
        free(a, memory, 8);
    });
}

/// DA-31: while a page is in quarantine, all its blocks are known, with all their traces.
#[test]
fn double_free_in_quarantine_has_all_traces() {
    let bump = Bump::new(0, 1 << 20);
    let config = DebugConfig { quarantine: 2 * 4096, keep_empty_pages: false, page_size: 4096, ..CONFIG };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let a = debug.allocator();
    // Three pages of a class, the middle one of which is freed first.
    let blocks: Vec<_> = (0..6).map(|_| alloc(a, 1000, 8)).collect();
    for n in [2, 3, 0, 1] {
        free(a, blocks[n], 8);
    }
    for n in [3, 2, 1, 0] {
        free(a, blocks[n], 8);
        let report = one_report();
        assert_eq!((report.kind, report.address), (ReportKind::DoubleFree, address(blocks[n])));
        assert_eq!((report.recorded_len, report.recorded_alignment), (Some(1000), Some(align(8))));
        assert_eq!(report.allocation.addresses(), [0xA110C]);
        assert_eq!(report.first_free.addresses(), [0xF4EE]);
        assert!(!resize(a, blocks[n], 8, 900));
        assert_eq!(one_report().kind, ReportKind::DoubleFree);
    }
    assert_eq!(debug.detect_leaks(), 2);
    assert_eq!(reports().len(), 2);
    // The third page drives out the first, whose last block is remembered.
    free(a, blocks[4], 8);
    free(a, blocks[5], 8);
    free(a, blocks[2], 8);
    free(a, blocks[3], 8);
    free(a, blocks[0], 8);
    assert_eq!(kinds(), [ReportKind::InvalidFree, ReportKind::DoubleFree, ReportKind::DoubleFree]);
    // A new page, beside two that are in quarantine.
    let new = alloc(a, 1000, 8);
    free(a, new, 8);
    assert_eq!(debug.deinit(), Check::Ok);
    assert_eq!((bump.live(), reports().len()), (0, 0));
}

/// DA-18: an error is reported even if there is no memory for what the call would have needed.
#[test]
fn remap_after_free_is_reported_without_memory() {
    let bump = Bump::new(0, 1 << 20);
    let config = DebugConfig { retain_metadata: true, page_size: 4096, ..CONFIG };
    let debug = DebugAllocator::with_config(bump.allocator(), config);
    let a = debug.allocator();
    // As many as the table has room for.
    let blocks: Vec<_> = (0..6).map(|_| alloc(a, LARGE, 8)).collect();
    free(a, blocks[0], 8);
    bump.refused_request.set(Some(bump.requests.get()));
    assert_eq!(remap(a, blocks[0], 8, LARGE + 1), None);
    assert_eq!(kinds(), [ReportKind::DoubleFree]);
    assert_eq!(remap(a, blocks[1], 8, LARGE + 1), None, "no memory for the record");
    blocks[1..].iter().for_each(|memory| free(a, *memory, 8));
    assert_eq!((debug.deinit(), bump.live(), reports().len()), (Check::Ok, 0, 0));
}

/// DA-14: an address inside a block, in the rest of its page, or in the metadata.
#[rstest]
fn addresses_inside_blocks_are_invalid(#[values(SMALL, LARGE)] len: usize) {
    with_block(CONFIG, len, |a, memory| {
        let ptr = memory.cast::<u8>();
        // SAFETY: still in the page, or in the block.
        let inside = unsafe { ptr.add(8) };
        free(a, block(inside, len - 8), 8);
        let report = one_report();
        assert_eq!(report.kind, ReportKind::InvalidFree);
        assert_eq!(report.inside, (len == SMALL).then_some(address(memory)));
        if len == SMALL {
            // Slots that were never handed out, and the last bytes of the page.
            let page = address(memory) & !(CONFIG.page_size - 1);
            for offset in [32 * 10, CONFIG.page_size - 32] {
                free(a, block(ptr.with_addr((page + offset).try_into().unwrap()), SMALL), 8);
                assert_eq!(one_report().kind, ReportKind::InvalidFree);
            }
        }
        free(a, memory, 8);
    });
}

/// DA-37: a block of another instance with the same canary and the same configuration, which Zig cannot distinguish.
#[rstest]
fn block_of_another_instance_is_invalid(#[values(SMALL, LARGE)] len: usize) {
    with_block(CONFIG, len, |a, memory| {
        with_block(CONFIG, len, |other, others| {
            free(a, others, 8);
            assert_eq!(kinds(), [ReportKind::InvalidFree]);
            free(other, memory, 8);
            assert_eq!(kinds(), [ReportKind::InvalidFree]);
            free(other, others, 8);
        });
        free(a, memory, 8);
    });
}

/// Not in Zig: overwritten bytes after a block, up to the end of its slot.
#[rstest]
#[case(17, 17)]
#[case(17, 31)]
#[case(31, 31)]
fn overruns_are_reported(#[case] len: usize, #[case] index: usize) {
    with_block(CONFIG, 24, |a, memory| {
        let short = alloc(a, len, 1);
        // SAFETY: an error, but the slot has 32 bytes, and the pointer may access the page.
        unsafe { short.cast::<u8>().add(index).write(0) };
        assert!(resize(a, short, 1, len), "it goes on");
        let report = one_report();
        assert_eq!((report.kind, report.overrun), (ReportKind::Overrun, Some(index)));
        assert_eq!(report.allocation.addresses(), [0xA110C]);
        free(a, short, 1);
        assert_eq!(reports(), [], "the resize has made it good");
        // Within its length a block may contain anything, and bytes that it gives up are checked from then on.
        // SAFETY: the block has 24 bytes.
        unsafe { memory.cast::<u8>().write_bytes(0, 24) };
        assert!(resize(a, memory, 8, 20));
        // SAFETY: the block has 24 bytes.
        unsafe { memory.cast::<u8>().add(23).write(0) };
        free(a, block(memory.cast(), 20), 8);
        assert_eq!(one_report().overrun, Some(23));
    });
}

/// DA-19, DA-38: leaks are reported one by one, with length and trace, and counted; live blocks only.
#[test]
fn leaks_are_reported_and_counted() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    let a = *debug.allocator();
    let lengths = [1, 1, 1, 30, 20_000, 20_000, 20_000, LARGE, LARGE];
    let blocks = lengths.map(|len| alloc(a, len, 1));
    free(a, blocks[1], 1);
    free(a, blocks[4], 1);
    free(a, blocks[8], 1);
    assert_eq!(debug.detect_leaks(), 6);
    let leaks = reports();
    let mut found: Vec<_> = leaks.iter().map(|leak| (leak.address, leak.recorded_len.unwrap())).collect();
    let mut expected: Vec<_> = [0, 2, 3, 5, 6, 7].map(|i| (address(blocks[i]), blocks[i].len())).into();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for leak in &leaks {
        assert_eq!((leak.kind, leak.operation), (ReportKind::Leak, Operation::DetectLeaks));
        assert_eq!(leak.allocation.addresses(), [0xA110C]);
    }
    assert_eq!(debug.count(ReportKind::Leak), 6);
    assert_eq!(debug.first_report(), Some(leaks[0]));
    assert_eq!(debug.deinit(), Check::Leak);
    assert_eq!(reports().len(), 6);
}

/// DA-19: classes in order, in each the newest page first, and in a page the oldest block.
#[test]
fn leaks_are_reported_in_class_order() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    let [large, b0, b1, b2, tiny] =
        [LARGE, 1024, 1024, 1024, 1].map(|len| address(alloc(*debug.allocator(), len, 1)));
    drop(debug);
    let found: Vec<_> = reports().iter().map(|leak| leak.address).collect();
    assert_eq!(found, [tiny, b2, b0, b1, large]);

    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    alloc(*debug.allocator(), 1, 1);
    debug.deinit_without_leak_checks();
    assert_eq!(reports(), [], "no leak search");
}

/// DA-20, DC-03: without safety, `deinit` does not search for leaks unless asked; lengths and alignments are not
/// compared.
#[test]
fn without_safety_leaks_are_not_searched() {
    let config = DebugConfig { safety: false, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let a = *debug.allocator();
    let (small, large) = (alloc(a, SMALL, 8), alloc(a, LARGE, 8));
    free(a, block(small.cast(), 17), 1);
    free(a, block(large.cast(), LARGE - 1), 1);
    assert_eq!(reports(), []);
    alloc(a, SMALL, 8);
    assert_eq!(debug.detect_leaks(), 1);
    assert_eq!(one_report().recorded_len, None);
    assert_eq!(debug.deinit(), Check::Ok);
    assert_eq!(reports(), []);
}

/// DA-14, DC-11: a page without its canary aborts every operation on it.
#[rstest]
#[case("alloc")]
#[case("resize")]
#[case("free")]
#[case("detect_leaks")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn overwritten_metadata_aborts(#[case] operation: &str) {
    let test = format!(
        "heap::debug::misuse::overwritten_metadata_aborts::{}",
        match operation {
            "alloc" => "case_1",
            "resize" => "case_2",
            "free" => "case_3",
            _ => "case_4",
        }
    );
    match alone() {
        None => assert_aborted(&run_alone(&test, operation), "someone has written over the metadata"),
        Some(operation) => {
            let config = DebugConfig { page_size: 4096, safety: true, ..DebugConfig::DEFAULT };
            let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
            let a = *debug.allocator();
            let memory = alloc(a, SMALL, 8);
            // SAFETY: an error, but the pointer may access the page.
            unsafe { memory.cast::<u8>().write_bytes(0, 4096) };
            match operation.as_str() {
                "alloc" => drop(alloc(a, SMALL, 8)),
                "resize" => drop(resize(a, memory, 8, 20)),
                "free" => free(a, memory, 8),
                _ => drop(debug.detect_leaks()),
            }
        }
    }
}

/// DA-14: a link to an address that is not a page is not followed, and a length that no block of the class can have
/// is not used, even if the counts and the canary are intact.
#[rstest]
#[case("prev", "free")]
#[case("prev", "detect_leaks")]
#[case("next", "free")]
#[case("length", "free")]
#[case("length", "resize")]
#[cfg_attr(all(miri, target_pointer_width = "64"), ignore = "it starts a process, which Miri cannot do")]
#[cfg_attr(
    not(target_pointer_width = "64"),
    ignore = "it overwrites metadata at the offsets of 64-bit systems"
)]
fn overwritten_links_and_lengths_are_detected(#[case] what: &str, #[case] operation: &str) {
    let cases = [("prev", "free"), ("prev", "detect_leaks"), ("next", "free"), ("length", "free")];
    let case = cases.iter().position(|case| *case == (what, operation)).unwrap_or(cases.len()) + 1;
    let test = format!("heap::debug::misuse::overwritten_links_and_lengths_are_detected::case_{case}");
    if alone().is_none() {
        return assert_aborted(&run_alone(&test, what), "someone has written over the metadata");
    }
    // The header's position and the slots of this class are recorded; after it are 20 words of bits.
    let (header, lengths) = (9896, 32 + 20 * 8);
    let config =
        DebugConfig { safety: true, stack_trace_frames: 6, page_size: 128 << 10, ..DebugConfig::DEFAULT };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let a = *debug.allocator();
    let memory = alloc(a, 6, 8);
    let page = memory.cast::<u8>();
    // SAFETY: an error, but the pointer may access the page.
    unsafe {
        match what {
            "prev" => page.add(header + 8).cast::<usize>().write(0xBAD_0000),
            "next" => page.add(header + 16).cast::<usize>().write(0xBAD_0000),
            _ => page.add(header + lengths).cast::<u16>().write(5000),
        }
    }
    match operation {
        "free" => free(a, memory, 8),
        "resize" => drop(resize(a, memory, 8, 7)),
        _ => drop(debug.detect_leaks()),
    }
}

/// Two pages at the same address: a block freed in the former is recognised in the latter, until the slot is handed
/// out again.
#[test]
fn reused_page_remembers_freed_blocks() {
    let mut buffer = Box::new_uninit_slice(32 << 10);
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let debug = DebugAllocator::with_config(fixed_buffer.allocator(), SMALL_PAGES);
    let a = debug.allocator();
    let (first, second) = (alloc(a, 16, 1), alloc(a, 16, 1));
    free(a, first, 1);
    free(a, second, 1);
    let again = alloc(a, 16, 1);
    assert_eq!(address(again), address(first), "the child reuses the page");
    free(a, second, 1);
    assert_eq!(kinds(), [ReportKind::DoubleFree]);
    free(a, again, 1);
    assert_eq!(reports(), []);
}
