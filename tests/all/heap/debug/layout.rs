//! The addresses of small blocks, and the requests to the child.

use std::ptr::NonNull;

use zigalloc::heap::{DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::{Alignment, Allocator, SyncAllocator};
use zigalloc_support::{Bump, Call, Recorder};

use super::*;

const MIB: usize = 1 << 20;

/// Returns the pages among the calls, by address.
fn pages(calls: &[Call], page_size: usize) -> Vec<usize> {
    let page = |call: &Call| match *call {
        Call::Alloc { len, alignment, result, .. } if (len, alignment) == (page_size, align(page_size)) => {
            result
        }
        _ => None,
    };
    calls.iter().filter_map(page).collect()
}

/// TR-27, TR-52, DA-01, DA-02, DA-12, DA-13: the recorded addresses, as page and offset.
#[test]
fn addresses_match_zig() {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let debug = DebugAllocator::with_config(recorder.allocator(), SMALL_PAGES);
    let mut calls = Vec::new();
    for (len, alignment, page, offset) in [
        (1, 1, 'A', 0),
        (2, 1, 'B', 0),
        (3, 1, 'C', 0),
        (4, 1, 'C', 4),
        (1, 8, 'D', 0),
        (5, 8, 'D', 8),
        (1024, 1, 'E', 0),
        (1024, 1, 'E', 1024),
        (1024, 1, 'F', 0),
    ] {
        let memory = alloc(debug.allocator(), len, alignment);
        calls.extend(recorder.take());
        let pages = pages(&calls, 4096);
        let base = pages[page as usize - 'A' as usize];
        assert_eq!(address(memory) - base, offset, "{len} bytes, aligned to {alignment}");
        assert_eq!(pages.len(), 1 + page as usize - 'A' as usize);
    }
    // 1025 bytes, and 8 bytes aligned to 2048, are large.
    for (len, alignment) in [(1025, 1), (8, 2048)] {
        let memory = alloc(debug.allocator(), len, alignment);
        let calls = recorder.take();
        assert!(pages(&calls, 4096).is_empty());
        let block = Call::Alloc {
            len,
            alignment: align(alignment),
            ret_addr: 0xA110C,
            result: Some(address(memory)),
        };
        assert_eq!(calls.last(), Some(&block));
    }
    debug.deinit_without_leak_checks();
    assert_eq!(bump.live(), 0);
}

/// DA-12, DA-15: slots are used in order and never reused, until the last live one is freed. Then the page is freed,
/// whether it has unused slots or not, and the next block is the first of a new page. (By default an empty page is kept.)
#[test]
fn slots_are_never_reused() {
    let bump = Bump::new(0, MIB);
    let recorder = Recorder::new(bump.allocator());
    let config = DebugConfig { keep_empty_pages: false, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(recorder.allocator(), config);
    let first = alloc(debug.allocator(), 16, 1);
    let page = address(first);
    let second = alloc(debug.allocator(), 16, 1);
    free(debug.allocator(), first, 1);
    let third = alloc(debug.allocator(), 16, 1);
    free(debug.allocator(), second, 1);
    let fourth = alloc(debug.allocator(), 16, 1);
    let offsets = [first, second, third, fourth].map(|memory| address(memory) - page);
    assert_eq!(offsets, [0, 16, 32, 48]);

    free(debug.allocator(), fourth, 1);
    recorder.take();
    free(debug.allocator(), third, 1);
    let calls = recorder.take();
    let [Call::Free { address: freed, len: 4096, alignment, .. }] = calls[..] else { panic!("{calls:?}") };
    assert_eq!((freed, alignment), (page, align(4096)));

    let next = alloc(debug.allocator(), 16, 1);
    assert_eq!(pages(&recorder.take(), 4096), [address(next)]);
    assert_ne!(address(next), page);
    free(debug.allocator(), next, 1);
    assert_eq!(reports(), []);
}

/// DA-15: pages leave the list of their class in any order, and no block is lost from it.
#[rstest::rstest]
fn pages_can_be_freed_in_any_order(#[values(false, true)] keep_empty_pages: bool) {
    let orders = [[1, 0, 2], [0, 2, 1], [0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in &orders[..if cfg!(miri) { 2 } else { 6 }] {
        let bump = Bump::new(0, MIB);
        let config = DebugConfig { keep_empty_pages, ..SMALL_PAGES };
        let debug = DebugAllocator::with_config(bump.allocator(), config);
        // Two slots per page.
        let blocks: Vec<_> = (0..6).map(|_| alloc(debug.allocator(), 1024, 1)).collect();
        let mut live = 6;
        for page in order {
            for block in &blocks[2 * *page..][..2] {
                free(debug.allocator(), *block, 1);
                live -= 1;
                assert_eq!(debug.detect_leaks(), live);
            }
            assert_eq!(reports().len(), 1 + 2 * live);
        }
        assert_eq!(bump.live(), 1 + usize::from(keep_empty_pages), "the table of pages");
        let again = alloc(debug.allocator(), 1024, 1);
        free(debug.allocator(), again, 1);
        drop(debug);
        assert_eq!(bump.live(), 0);
    }
}

/// DA-13, DA-11: a page is requested with an address of the allocator's own, a large block with the caller's.
#[test]
fn child_gets_own_or_callers_return_address() {
    let recorder = Recorder::new(PAGE_ALLOCATOR);
    let debug = DebugAllocator::with_config(recorder.allocator(), CONFIG);
    let small = alloc(debug.allocator(), 1, 1);
    let calls = recorder.take();
    assert!(calls.iter().all(|call| matches!(call, Call::Alloc { ret_addr, .. } if *ret_addr != 0xA110C)));
    let large = alloc(debug.allocator(), 40_000, 1);
    let calls = recorder.take();
    assert!(matches!(calls.last(), Some(Call::Alloc { len: 40_000, ret_addr: 0xA110C, .. })), "{calls:?}");
    free(debug.allocator(), large, 1);
    let calls = recorder.take();
    assert!(matches!(calls[..], [Call::Free { len: 40_000, ret_addr: 0xF4EE, .. }]), "{calls:?}");
    free(debug.allocator(), small, 1);
}

/// TR-52, DA-03, DA-04, DA-07, DC-11: the header of a default page with six frames is where Zig's is.
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
#[test]
fn header_offset_matches_zig() {
    let config = DebugConfig { stack_trace_frames: 6, page_size: 128 << 10, canary: 0xC0FFEE, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    for (len, header) in [(8, 9896), (1000, 119_536), (20_000, 130_832)] {
        let memory = alloc(*debug.allocator(), len, 8).cast::<u8>();
        // SAFETY: the block is the first of its page, and the pointer's provenance covers the page: this reads the
        // counts, the links and the canary.
        let (counts, words) = unsafe {
            let header = memory.byte_add(header);
            (header.cast::<[u32; 2]>().read(), header.byte_add(8).cast::<[u64; 3]>().read())
        };
        assert_eq!(counts, [1, 0], "one allocated, none freed");
        assert_eq!(words, [0, 0, 0xC0FFEE]);
    }
    debug.deinit_without_leak_checks();
}

/// DC-09, DA-13: a child's memory may contain anything. Under Miri it is uninitialised.
#[test]
fn memory_of_the_child_need_not_be_zero() {
    let bump = Bump::new(0, MIB);
    if !cfg!(miri) {
        let all = alloc(bump.allocator(), MIB / 2, 1);
        // SAFETY: a block of that length.
        unsafe { all.cast::<u8>().write_bytes(0xFF, MIB / 2) };
        free(bump.allocator(), all, 1);
    }
    // A child that hands out the same bytes again, without clearing them.
    let mut buffer = Box::new_uninit_slice(64 << 10);
    // SAFETY: the buffer has that many bytes.
    unsafe { buffer.as_mut_ptr().write_bytes(0xFF, 64 << 10) };
    let fixed_buffer = zigalloc::heap::FixedBufferAllocator::init(&mut buffer);
    let debug = DebugAllocator::with_config(fixed_buffer.allocator(), SMALL_PAGES);
    let memory = [1, 2, 100, 1000].map(|len| alloc(debug.allocator(), len, 1));
    assert_eq!(debug.detect_leaks(), 4);
    memory.into_iter().for_each(|memory| free(debug.allocator(), memory, 1));
    assert_eq!(debug.detect_leaks(), 0);
    drop(debug);
    let debug = DebugAllocator::with_config(bump.allocator(), SMALL_PAGES);
    let memory = alloc(debug.allocator(), 1, 1);
    assert_eq!(debug.detect_leaks(), 1);
    free(debug.allocator(), memory, 1);
    assert_eq!(reports().len(), 5);
}

/// DA-01: every length and alignment has a class whose slots are aligned.
#[test]
fn every_small_length_is_aligned() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    let step = if cfg!(miri) { 311 } else { 1 };
    for len in (1..=1024).step_by(step) {
        for log2 in 0..=10 {
            let memory = alloc(*debug.allocator(), len, 1 << log2);
            assert_eq!(address(memory) % len.next_power_of_two().max(1 << log2), 0);
            // SAFETY: the block has that many bytes.
            unsafe { memory.cast::<u8>().write_bytes(0x5A, len) };
            free(*debug.allocator(), memory, 1 << log2);
        }
    }
    assert_eq!(reports(), []);
}

/// DA-17: a small block can be resized within its class, at the same address, and not beyond.
#[test]
fn small_block_resizes_within_its_class() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    let a = *debug.allocator();
    let mut memory = alloc(a, 20, 1);
    for (new_len, granted) in
        [(32, true), (33, false), (16, false), (17, true), (1025, false), (usize::MAX, false)]
    {
        assert_eq!(resize(a, memory, 1, new_len), granted, "to {new_len}");
        if granted {
            memory = block(memory.cast(), new_len);
        }
        let remapped = remap(a, memory, 1, new_len);
        assert_eq!(remapped, granted.then_some(memory.cast()), "to {new_len}");
    }
    free(a, memory, 1);
    // The alignment decides.
    let memory = alloc(a, 1, 64);
    assert!(resize(a, memory, 64, 64) && !resize(a, block(memory.cast(), 64), 64, 65));
    free(a, block(memory.cast(), 64), 64);
    assert_eq!(reports(), []);
}

#[test]
fn handles_of_one_state_are_equivalent() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    let (first, second): (SyncAllocator<'_>, Allocator<'_>) =
        (debug.allocator(), zigalloc::AsAllocator::allocator(&debug));
    let memory: NonNull<[u8]> = alloc(*first, 10, 1);
    free(second, memory, 1);
    let memory = alloc(second, 50_000, 1);
    free(*first, memory, Alignment::_1.to_byte_units());
    assert_eq!(reports(), []);
}
