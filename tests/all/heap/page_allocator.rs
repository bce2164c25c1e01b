//! `heap::PAGE_ALLOCATOR`, `heap::PageAllocator` and the page sizes.
//!
//! Where the kernel puts a mapping depends on all other mappings of the process, and tests run in parallel. So tests
//! of addresses, and of how much is mapped, run again in a process of their own.

#![cfg(feature = "std")]

use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::Alignment;
use zigalloc::heap::{self, PAGE_ALLOCATOR, PAGE_SIZE_MAX, PAGE_SIZE_MIN, PageAllocator};
use zigalloc_support::{Sent, alignment_from_c, keeps_contents};

fn page() -> usize {
    heap::page_size()
}

fn alloc(len: usize, alignment: Alignment) -> NonNull<[u8]> {
    // SAFETY: no test requests zero bytes.
    let memory = unsafe { PAGE_ALLOCATOR.raw_alloc(len, alignment, 0) }.expect("there is memory");
    NonNull::slice_from_raw_parts(memory, len)
}

unsafe fn free(memory: NonNull<[u8]>) {
    // SAFETY: a live block, by our caller; the allocator ignores the alignment (PG-09).
    unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_1, 0) };
}

/// PS-03, PS-05
#[test]
fn page_size() {
    assert!(heap::page_size().is_power_of_two());
    assert!((PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&heap::page_size()));
    assert_eq!(heap::page_size(), heap::default_query_page_size());
}

/// PS-04, PS-05: the second call returns the cached value.
#[test]
fn default_query_page_size() {
    let size = heap::default_query_page_size();
    assert!(size.is_power_of_two());
    assert_eq!(heap::default_query_page_size(), size);
}

/// TR-61, PS-01, PS-02: constants, equal to those of Zig's table.
#[test]
fn page_size_range_matches_zig() {
    const LIMITS: (usize, usize) = (PAGE_SIZE_MIN, PAGE_SIZE_MAX);
    let expected = if cfg!(target_arch = "wasm32") {
        (65536, 65536)
    } else if cfg!(all(target_vendor = "apple", target_arch = "aarch64")) {
        (16384, 16384)
    } else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
        (4096, 65536)
    } else if cfg!(any(target_arch = "x86_64", target_arch = "x86")) {
        (4096, 4096)
    } else {
        eprintln!("skipped: the numbers of this target are not written down here");
        return;
    };
    assert_eq!(LIMITS, expected);
}

/// PG-01, PG-03, PG-10: every alignment up to 64 KiB; a block keeps its bytes when it grows and shrinks.
#[rstest]
fn contents_are_kept_with_every_alignment(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)] log2: u8,
) {
    if cfg!(miri) && !matches!(log2, 0 | 12 | 16) {
        eprintln!("skipped: three alignments are enough for Miri");
        return;
    }
    let remapped = keeps_contents(*PAGE_ALLOCATOR, Alignment::from_log2(log2).unwrap());
    assert!(remapped >= 13, "every block can be shortened to a page or less: {remapped}");
    if cfg!(any(target_os = "linux", target_os = "android", miri)) && 1 << log2 <= page() {
        assert_eq!(remapped, 13 * 6, "the kernel moves pages");
    }
}

/// PG-03: alignments far above a page.
#[rstest]
#[cfg_attr(miri, ignore = "it needs too much memory for Miri")]
fn alignments_far_above_a_page_are_served(
    #[values(20, 21, 24, 30)] log2: u8,
    #[values(1, 10, 5000, 100_000)] len: usize,
) {
    if cfg!(target_pointer_width = "32") && log2 == 30 {
        eprintln!("skipped: there are no two such places for two tests");
        return;
    }
    let alignment = Alignment::from_log2(log2).unwrap();
    let memory = alloc(len, alignment);
    assert!(alignment.check(memory.addr().get()));
    // SAFETY: a live block, whose last byte may be written.
    unsafe {
        memory.cast::<u8>().add(len - 1).write(1);
        free(memory);
    }
}

/// PG-02, PG-03, TR-05: requests that cannot be satisfied give null in every build: no sum wraps or panics.
#[rstest]
#[case::longest(usize::MAX, Alignment::_1)]
#[case::within_a_page_of_the_longest(usize::MAX - 4096, Alignment::_1)]
#[case::below_that(usize::MAX - 2 * 4096, Alignment::_1)]
#[case::that_panics_in_zig(usize::MAX - 3 * 4096, Alignment::from_byte_units(1 << 20))]
#[case::longer_than_any_object(isize::MAX as usize + 1, Alignment::_1)]
#[case::longest_object(isize::MAX as usize, Alignment::_1)]
#[cfg_attr(
    target_pointer_width = "64",
    case::longest_object_of_whole_pages(isize::MAX as usize & !4095, Alignment::_1)
)]
#[case::both(isize::MAX as usize & !4095, Alignment::MAX)]
#[cfg_attr(
    target_pointer_width = "32",
    ignore = "with 32 bits, memory at the strictest alignment, 2 GiB, may be free"
)]
#[case::strictest(1, Alignment::MAX)]
#[cfg_attr(
    target_pointer_width = "32",
    ignore = "with 32 bits, memory with an alignment of 1 GiB may be free"
)]
#[case::strict(10, Alignment::from_log2(usize::BITS as u8 - 2).unwrap())]
#[case::not_an_alignment(1, alignment_from_c(usize::BITS as u8))]
#[case::not_at_all_an_alignment(1, alignment_from_c(255))]
fn impossible_requests_are_null(#[case] len: usize, #[case] alignment: Alignment) {
    // SAFETY: the lengths are not zero.
    assert_eq!(unsafe { PAGE_ALLOCATOR.raw_alloc(len, alignment, 0) }, None);
    assert_eq!(PageAllocator::map(len, alignment), None);
}

/// PG-12: a block cannot become that long either, and is unchanged.
#[rstest]
fn impossible_lengths_leave_the_block_unchanged(
    #[values(usize::MAX, usize::MAX - 2 * 4096, isize::MAX as usize + 1, isize::MAX as usize, isize::MAX as usize & !4095)]
    new_len: usize,
) {
    if cfg!(target_pointer_width = "32") && new_len == isize::MAX as usize & !4095 {
        eprintln!("skipped: half of all addresses may be free");
        return;
    }
    let memory = alloc(5, Alignment::_1);
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        memory.cast::<u8>().write(0x42);
        assert!(!PAGE_ALLOCATOR.raw_resize(memory, Alignment::_1, new_len, 0));
        assert_eq!(PAGE_ALLOCATOR.raw_remap(memory, Alignment::_1, new_len, 0), None);
        assert_eq!(memory.cast::<u8>().read(), 0x42);
        free(memory);
    }
}

/// No block has a length of zero, and none can be resized to it.
#[test]
fn zero_bytes_are_refused() {
    assert_eq!(PageAllocator::map(0, Alignment::_1), None);
    let memory = alloc(5, Alignment::_1);
    // SAFETY: a live block, unchanged by the calls that say so.
    unsafe {
        assert_eq!(PageAllocator::realloc(memory, 0, true), None);
        assert_eq!(PageAllocator::realloc(memory, 0, false), None);
        PageAllocator::unmap(memory);
    }
}

/// PG-13: within its pages a block changes its length without a system call, whatever its alignment.
#[rstest]
fn same_page_count_resizes_in_place(#[values(0, 12, 16)] log2: u8) {
    let alignment = Alignment::from_log2(log2).unwrap();
    let memory = alloc(page() + 1, alignment);
    let address = memory.cast::<u8>();
    let block = |len| NonNull::slice_from_raw_parts(address, len);
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        assert!(PAGE_ALLOCATOR.raw_resize(memory, alignment, 2 * page(), 0));
        assert_eq!(PAGE_ALLOCATOR.raw_remap(block(2 * page()), alignment, page() + 5, 0), Some(address));
        assert_eq!(PageAllocator::realloc(block(page() + 5), 2 * page() - 1, false), Some(address));
        assert_eq!(PageAllocator::realloc(block(2 * page() - 1), page() + 1, true), Some(address));
        free(memory);
    }
}

/// PG-10, PG-14: all systems with mappings shrink a block in place.
#[cfg_attr(
    target_arch = "wasm32",
    ignore = "in WebAssembly, blocks have a power of two of pages and are not shortened"
)]
#[test]
fn shrinking_is_in_place() {
    let memory = alloc(300 * page(), Alignment::_1);
    let address = memory.cast::<u8>();
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        address.write(0x42);
        assert!(PAGE_ALLOCATOR.raw_resize(memory, Alignment::_1, 200 * page(), 0));
        let memory = NonNull::slice_from_raw_parts(address, 200 * page());
        let shorter = PAGE_ALLOCATOR.raw_remap(memory, Alignment::_1, 5, 0).unwrap();
        if zigalloc_support::in_emulator("qemu") {
            eprintln!("skipped in part: qemu's mremap may move what the kernel's does not");
        } else {
            assert_eq!(shorter, address);
        }
        assert_eq!(shorter.read(), 0x42);
        free(NonNull::slice_from_raw_parts(shorter, 5));
    }
}

/// PG-11, TR-77: a block keeps an alignment above a page. It grows in place or not at all.
#[test]
fn alignment_above_a_page_is_kept() {
    let alignment = Alignment::from_byte_units(1 << 16);
    for _ in 0..if cfg!(miri) { 2 } else { 50 } {
        let mut memory = alloc(10, alignment);
        for new_len in [20, 5000, 70_000, 1_000_000, 3_000_000] {
            // SAFETY: a live block with matching length and alignment.
            if let Some(new) = unsafe { PAGE_ALLOCATOR.raw_remap(memory, alignment, new_len, 0) } {
                assert_eq!(new, memory.cast());
                memory = NonNull::slice_from_raw_parts(new, new_len);
            }
        }
        // SAFETY: a live block with matching length and alignment, not used afterwards.
        unsafe { free(memory) };
    }
}

/// PG-08: `alloc` does not fill, and the kernel returns zeros.
#[cfg_attr(
    any(miri, target_arch = "wasm32"),
    ignore = "pages are not zero in Miri, nor, when they are reused, in WebAssembly"
)]
#[test]
fn fresh_pages_are_zero() {
    for round in 0..3 {
        let memory = alloc(10 * page(), Alignment::from_byte_units(1 << 15));
        // SAFETY: a live block of zeros, which are initialised bytes; dirty when it is freed, so that the next round
        // would detect its reuse.
        unsafe {
            assert!(memory.as_ref().iter().all(|byte| *byte == 0), "round {round}");
            memory.cast::<u8>().write_bytes(0xA5, memory.len());
            free(memory);
        }
    }
}

/// Blocks are freed by a thread other than the one that allocated them.
#[test]
fn any_thread_may_map_and_unmap() {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 1..=3 {
            let sender = sender.clone();
            scope.spawn(move || {
                for n in 1..=if cfg!(miri) { 3 } else { 200 } {
                    let memory = alloc(thread * n * 100, Alignment::_1);
                    // SAFETY: a live block.
                    unsafe { memory.cast::<u8>().write_bytes(thread as u8, memory.len()) };
                    sender.send(Sent(memory)).unwrap();
                }
            });
        }
        drop(sender);
        for memory in receiver.into_iter().map(Sent::received) {
            // SAFETY: a live block that only this thread has.
            unsafe {
                let byte = memory.cast::<u8>();
                assert_eq!(byte.read(), byte.add(memory.len() - 1).read());
                free(memory);
            }
        }
    });
}

/// PG-17: the Windows behaviour, and the Windows part of Zig's test of the page allocator.
#[cfg(windows)]
#[test]
fn windows_shrinks_in_place_and_grows_back() {
    let memory = PAGE_ALLOCATOR.alloc::<u8>(page() + 1).unwrap();
    // SAFETY: live blocks with matching length and alignment.
    unsafe {
        let memory = PAGE_ALLOCATOR.realloc(memory, 1).unwrap();
        memory.cast::<u8>().write(1);
        PAGE_ALLOCATOR.free(memory);

        let memory = alloc(3 * page(), Alignment::from_byte_units(1 << 20));
        assert!(Alignment::from_byte_units(1 << 20).check(memory.addr().get()));
        let block = |len| NonNull::slice_from_raw_parts(memory.cast::<u8>(), len);
        memory.cast::<u8>().write_bytes(0x42, 3 * page());
        assert!(PAGE_ALLOCATOR.raw_resize(block(3 * page()), Alignment::_1, page() + 1, 0));
        assert!(PAGE_ALLOCATOR.raw_resize(block(page() + 1), Alignment::_1, 2 * page(), 0));
        assert!(!PAGE_ALLOCATOR.raw_resize(block(2 * page()), Alignment::_1, 3 * page(), 0));
        assert_eq!(PAGE_ALLOCATOR.raw_remap(block(2 * page()), Alignment::_1, 3 * page(), 0), None);
        assert_eq!(memory.cast::<u8>().add(2 * page() - 1).read(), 0x42);
        free(block(2 * page()));
    }
}

/// Tests that inspect the process's mappings.
#[cfg(target_os = "linux")]
mod alone {
    use super::*;
    use std::env;

    const VARIABLE: &str = "ZIGALLOC_TEST_ALONE";

    /// Runs `test` in a separate process: this program, started again with the name of that one test, which then
    /// calls this function again.
    fn alone(name: &str, test: fn()) {
        if env::var_os(VARIABLE).is_some() {
            return test();
        }
        // Mappings start at random addresses, and about one process in thirty has one in the way.
        let one_passes = (1..ATTEMPTS).any(|_| attempt(name).is_ok());
        if !one_passes {
            attempt(name).unwrap_or_else(|output| panic!("{ATTEMPTS} attempts: {output}"));
        }
    }

    const ATTEMPTS: usize = 4;

    /// Runs the test in a process of its own; returns its output if it failed.
    fn attempt(name: &str) -> Result<(), String> {
        let name = format!("heap::page_allocator::alone::{name}");
        let output = zigalloc_support::this_program()
            .args([&name, "--exact", "--nocapture", "--test-threads=1"])
            .env(VARIABLE, "1")
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("{stdout}{stderr}"));
        }
        assert!(stdout.contains("1 passed"), "no test is called {name}: {stdout}");
        eprint!("{stderr}");
        Ok(())
    }

    /// Returns how many pages this process has mapped.
    fn mapped() -> usize {
        let mut buffer = [0; 100];
        // With a buffer on the stack, so that reading maps nothing.
        let len = std::io::Read::read(&mut std::fs::File::open("/proc/self/statm").unwrap(), &mut buffer);
        let text = std::str::from_utf8(&buffer[..len.unwrap()]).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    /// Fills all holes between the mappings of this process, so that the kernel, which uses the highest hole, must
    /// continue below all of them. Returns false if this kernel behaves differently.
    #[must_use]
    fn fill_holes() -> bool {
        /// More than the largest hole has pages.
        const ENOUGH: usize = 100_000;
        // Larger than any hole. Not a multiple of 2 MiB, which the kernel would align.
        let lowest = alloc((64 << 20) + page(), Alignment::_1).addr();
        let mut blocks = 0;
        for len in [1 << 20, 1 << 16, page()] {
            while alloc(len, Alignment::_1).addr() > lowest {
                blocks += 1;
                if blocks > ENOUGH {
                    eprintln!("skipped: this kernel does not map downwards");
                    return false;
                }
            }
        }
        true
    }

    fn below(upper: NonNull<[u8]>, lower: NonNull<[u8]>) -> usize {
        upper.addr().get().wrapping_sub(lower.addr().get())
    }

    /// PG-07: each block lies directly below the previous one.
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
    fn consecutive_blocks_are_adjacent() {
        alone("consecutive_blocks_are_adjacent", || {
            if !fill_holes() {
                return;
            }
            let mut last = alloc(1, Alignment::_1);
            for (len, pages) in [(1, 1), (5000, 2), (4096, 1), (1, 1), (100_000, 25), (1, 1)] {
                let next = alloc(len, Alignment::_1);
                if page() == 4096 {
                    assert_eq!(below(last, next), pages * 4096, "{len} bytes");
                }
                last = next;
            }
        });
    }

    /// PG-04, PG-06: the address after the last block is tried first, even if a higher one is free.
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
    fn hint_is_after_the_last_block() {
        alone("hint_is_after_the_last_block", || {
            if !fill_holes() {
                return;
            }
            let [high, _, middle, last] = [(); 4].map(|()| alloc(1, Alignment::_1));
            assert_eq!(below(middle, last), page());
            // SAFETY: live blocks, each freed once.
            unsafe {
                free(high);
                free(middle);
            }
            // `middle` is directly after the last block that was mapped, so it comes first.
            let first = alloc(1, Alignment::_1);
            assert_eq!(first.addr(), middle.addr());
            // The next address is in use, so the kernel uses the highest hole.
            let second = alloc(1, Alignment::_1);
            assert_eq!(second.addr(), high.addr());
        });
    }

    /// PG-14: after shrinking, a block can grow in place into the free addresses after it, up to the next mapping;
    /// `remap` moves it.
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
    fn shrunk_block_grows_in_place_again() {
        alone("shrunk_block_grows_in_place_again", || {
            if !fill_holes() {
                return;
            }
            let memory = alloc(3 * page(), Alignment::_1);
            let block = |pages| NonNull::slice_from_raw_parts(memory.cast::<u8>(), pages * page());
            // SAFETY: a live block with matching length and alignment.
            unsafe {
                assert!(PAGE_ALLOCATOR.raw_resize(block(3), Alignment::_1, page(), 0));
                assert!(PAGE_ALLOCATOR.raw_resize(block(1), Alignment::_1, 3 * page(), 0));
                assert!(!PAGE_ALLOCATOR.raw_resize(block(3), Alignment::_1, 4 * page(), 0));
                memory.cast::<u8>().write(0x42);
                let moved = PAGE_ALLOCATOR.raw_remap(block(3), Alignment::_1, 9 * page(), 0).unwrap();
                assert_ne!(moved, memory.cast());
                assert_eq!(moved.read(), 0x42);
                // Its old place is free now.
                assert_eq!(alloc(3 * page(), Alignment::_1).addr(), memory.addr());
            }
        });
    }

    /// TR-54, PG-11: a block aligned above a page does not move, although there is room elsewhere.
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
    fn block_aligned_above_a_page_does_not_move() {
        alone("block_aligned_above_a_page_does_not_move", || {
            if !fill_holes() {
                return;
            }
            let alignment = Alignment::from_byte_units(1 << 16);
            // A whole run of blocks, so that one has its neighbour directly after it.
            let blocks: Vec<_> = (0..16).map(|_| alloc(1 << 16, alignment)).collect();
            let blocked = blocks.windows(2).find(|pair| below(pair[0], pair[1]) == 1 << 16).unwrap()[1];
            // SAFETY: a live block with matching length and alignment, still live after each call.
            unsafe {
                assert!(!PAGE_ALLOCATOR.raw_resize(blocked, alignment, 1 << 17, 0));
                assert_eq!(PAGE_ALLOCATOR.raw_remap(blocked, alignment, 1 << 17, 0), None);
                // The plain function does not know the alignment, and moves the block.
                assert!(PageAllocator::realloc(blocked, 1 << 17, true).is_some());
            }
        });
    }

    /// TR-54, PG-03, PG-05, PG-09: what is mapped beyond a block to align it is unmapped at once, and the rest when the
    /// block is freed, by its length alone.
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
    fn padding_and_freed_pages_are_unmapped() {
        alone("padding_and_freed_pages_are_unmapped", || {
            let before = mapped();
            for len in [1, page(), page() + 1, 100_000] {
                for log2 in [0, 12, 13, 16, 20, 21, 26] {
                    let memory = alloc(len, Alignment::from_log2(log2).unwrap());
                    assert_eq!(mapped() - before, len.div_ceil(page()), "{len} bytes, 2^{log2}");
                    // SAFETY: a live block, freed once.
                    unsafe { free(memory) };
                    assert_eq!(mapped(), before, "{len} bytes, 2^{log2}");
                }
            }
            // Failing requests leave nothing mapped either, early or late. (With 32 bits, some of these do not fail.)
            let alignments: &[u8] =
                if cfg!(target_pointer_width = "64") { &[0, 20, 46, 47, 62, 63] } else { &[] };
            for &log2 in alignments {
                for len in [isize::MAX as usize / 2, isize::MAX as usize, usize::MAX - 3 * page()] {
                    assert_eq!(PageAllocator::map(len, Alignment::from_log2(log2).unwrap()), None);
                }
            }
            assert_eq!(mapped(), before);
            let memory = alloc(100 * page(), Alignment::_1);
            // SAFETY: a live block with matching length, tracked as it moves.
            unsafe {
                assert!(PAGE_ALLOCATOR.raw_resize(memory, Alignment::_1, page(), 0));
                assert_eq!(mapped(), before + 1, "shrinking unmaps pages");
                let memory = NonNull::slice_from_raw_parts(memory.cast::<u8>(), page());
                let memory = PAGE_ALLOCATOR.raw_remap(memory, Alignment::_1, 7 * page(), 0).unwrap();
                assert_eq!(mapped(), before + 7, "moving unmaps the old pages");
                free(NonNull::slice_from_raw_parts(memory, 7 * page()));
            }
            assert_eq!(mapped(), before);
        });
    }
}
