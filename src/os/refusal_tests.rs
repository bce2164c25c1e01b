//! Tests of the behaviour when the kernel refuses to unmap pages, or to map as much as an alignment needs.
//!
//! They look at which addresses are mapped, so each runs in a separate process.

use std::env;
use std::string::String;
use std::vec::Vec;

use core::ptr::{self, NonNull};

use crate::test_support::this_program;

use super::page_size::{PAGE_SIZE_MIN, page_size};
use super::system as os;
use crate::alignment::Alignment;

/// Runs `test` in a separate process: starts this program with the name of the test as its filter, so that it calls
/// this function again.
#[track_caller]
fn alone(name: &str, test: fn()) {
    const VARIABLE: &str = "ZIGALLOC_TEST_ALONE";
    if env::var_os(VARIABLE).is_some() {
        return test();
    }
    let name = std::format!("os::refusal_tests::{name}");
    let mut command = this_program();
    let output = command.args([&name, "--exact", "--test-threads=1"]).env(VARIABLE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{name}: {text}");
}

/// Calls `work` as if this process had as many mappings as it may have.
fn at_the_limit<R>(work: impl FnOnce() -> R) -> R {
    os::REFUSES_TO_UNMAP.set(true);
    let result = work();
    os::REFUSES_TO_UNMAP.set(false);
    result
}

/// Which of these pages have memory, or `None` if not all of them are mapped.
fn resident(memory: NonNull<u8>, pages: usize) -> Option<Vec<bool>> {
    let mut answer = std::vec![0u8; pages];
    // SAFETY: the answer has a byte for each page. Nothing is read from the pages themselves.
    let result =
        unsafe { libc::mincore(memory.as_ptr().cast(), pages * page_size(), answer.as_mut_ptr().cast()) };
    (result == 0).then(|| answer.iter().map(|byte| byte & 1 == 1).collect())
}

/// How many pages this process has mapped.
fn mapped() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Writes to each page.
///
/// # Safety
/// `memory` is the start of `pages` writable pages.
unsafe fn touch(memory: NonNull<u8>, pages: usize) {
    // SAFETY: `memory` has this many pages, and they are writable, by our caller.
    (0..pages).for_each(|n| unsafe { memory.add(n * page_size()).write(1) });
}

/// Unmaps the pages that were refused, as happens when other blocks are freed.
fn unmap_all_deferred() {
    while os::retry_deferred(100) {}
}

const PAGES: usize = 50;

/// The memory goes back at once, but for a page in which the range may be written down; the addresses follow when
/// something else has been unmapped.
#[test]
fn refused_pages_give_their_memory_back() {
    alone("refused_pages_give_their_memory_back", || {
        let memory = os::map(PAGES * page_size(), Alignment::_1).unwrap();
        // SAFETY: a block is used as long as it is and freed once.
        unsafe {
            touch(memory, PAGES);
            assert_eq!(resident(memory, PAGES), Some(std::vec![true; PAGES]));
            at_the_limit(|| os::unmap(memory, PAGES * page_size()));
            let resident = resident(memory, PAGES).expect("the kernel has refused");
            assert!(resident[1..].iter().all(|page| !page), "{resident:?}");
        }
        unmap_all_deferred();
        assert_eq!(resident(memory, PAGES), None);
    });
}

/// As many pages as take several nodes of the list.
#[test]
fn refused_pages_are_unmapped_with_the_next_ones() {
    alone("refused_pages_are_unmapped_with_the_next_ones", || {
        const COUNT: usize = 600;
        let mut pages = Vec::with_capacity(COUNT);
        let before = mapped();
        pages.extend((0..COUNT).map(|_| os::map(page_size(), Alignment::_1).unwrap()));
        // SAFETY: blocks are used as long as they are and freed once.
        unsafe {
            pages.iter().for_each(|page| touch(*page, 1));
            at_the_limit(|| pages.iter().for_each(|page| os::unmap(*page, page_size())));
            assert_eq!(mapped(), before + COUNT, "the kernel has refused");
            let with_memory = pages.iter().filter(|page| resident(**page, 1).unwrap()[0]).count();
            // A node has room for the addresses and lengths of the others, after three words of its own.
            let per_node = PAGE_SIZE_MIN / (2 * size_of::<usize>()) - 1;
            assert_eq!(with_memory, COUNT.div_ceil(per_node), "one page in {per_node} is a node");
            // Each page that is unmapped makes room to unmap two more.
            for _ in 0..COUNT / 2 {
                let another = os::map(page_size(), Alignment::_1).unwrap();
                os::unmap(another, page_size());
            }
        }
        assert_eq!(mapped(), before);
        assert!(!os::retry_deferred(1), "nothing is left");
    });
}

/// PG-14, PG-16: the memory after a shortened block is released, even if the kernel refuses to unmap the addresses.
#[test]
fn refused_end_of_a_block_gives_its_memory_back() {
    alone("refused_end_of_a_block_gives_its_memory_back", || {
        for remap in [os::remap, |memory, size, new_size, _| {
            // SAFETY: a block of `size` bytes, whose bytes after `new_size` are not used, as for `os::remap`.
            unsafe { os::remap_by_unmapping(memory, size, new_size) }
        }] {
            let memory = os::map(PAGES * page_size(), Alignment::_1).unwrap();
            // SAFETY: a block is used as long as it is and freed once.
            unsafe {
                touch(memory, PAGES);
                // The kernel itself shortens the first one, as it is not at the limit.
                assert_eq!(
                    at_the_limit(|| remap(memory, PAGES * page_size(), page_size(), false)),
                    Some(memory)
                );
                if let Some(resident) = resident(memory, PAGES) {
                    assert!(resident[2..].iter().all(|page| !page), "{resident:?}");
                }
                assert_eq!(memory.read(), 1, "the block is what it was");
                os::unmap(memory, page_size());
            }
            unmap_all_deferred();
            assert_eq!(resident(memory, PAGES), None);
        }
    });
}

/// Pages that were mapped only to align a block, and cannot be unmapped, are unmapped later.
#[test]
fn refused_ends_of_an_aligned_mapping_are_unmapped_later() {
    alone("refused_ends_of_an_aligned_mapping_are_unmapped_later", || {
        let alignment = Alignment::from_byte_units(64 * page_size());
        let before = mapped();
        let memory = at_the_limit(|| os::map(page_size(), alignment)).unwrap();
        assert!(alignment.check_ptr(memory.as_ptr()));
        assert_eq!(mapped(), before + 64, "the kernel has refused");
        // SAFETY: a block is used as long as it is and freed once.
        unsafe {
            touch(memory, 1);
            os::unmap(memory, page_size());
        }
        unmap_all_deferred();
        assert_eq!(mapped(), before);
    });
}

/// The way for alignments that are too large for the other one has its results.
#[test]
fn reserved_blocks_are_aligned_writable_and_alone() {
    alone("reserved_blocks_are_aligned_writable_and_alone", || {
        for log2 in [12, 13, 16, 21, 30] {
            if cfg!(target_pointer_width = "32") && log2 == 30 {
                continue;
            }
            let alignment = Alignment::from_log2(log2).unwrap();
            for pages in [1, 3] {
                let before = mapped();
                let memory = os::map_reserved(ptr::null_mut(), pages * page_size(), alignment).unwrap();
                assert_eq!(mapped(), before + pages);
                assert!(alignment.check_ptr(memory.as_ptr()), "{memory:?} for {alignment}");
                // SAFETY: a block is used as long as it is and freed once.
                unsafe {
                    touch(memory, pages);
                    os::unmap(memory, pages * page_size());
                }
                assert_eq!(mapped(), before);
            }
        }
        let before = mapped();
        let largest = isize::MAX as usize & !(page_size() - 1);
        assert_eq!(os::map_reserved(ptr::null_mut(), largest, Alignment::MAX), None);
        // Half of all addresses below the kernel's: no processor of 64 bits has as many, one of 32 bits may.
        if cfg!(target_pointer_width = "64") {
            assert_eq!(os::map_reserved(ptr::null_mut(), largest / 2, Alignment::_1), None);
        }
        assert_eq!(mapped(), before);
    });
}

/// Pages that cannot be made writable are unmapped. `RLIMIT_DATA` counts writable memory, but not addresses without
/// access.
#[cfg(target_pointer_width = "64")]
#[test]
fn refused_memory_of_a_reservation_leaves_nothing() {
    alone("refused_memory_of_a_reservation_leaves_nothing", || {
        let limit = libc::rlimit { rlim_cur: 256 << 20, rlim_max: 256 << 20 };
        // SAFETY: the argument is a valid limit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &limit) }, 0);
        let alignment = Alignment::from_byte_units(16 << 30);
        let before = mapped();
        for (size, fits) in [(1 << 20, true), (512 << 20, false), (1 << 20, true), (15 << 30, false)] {
            let memory = os::map(size, alignment);
            assert_eq!(memory.is_some(), fits, "{size} bytes");
            if let Some(memory) = memory {
                // SAFETY: a block is used as long as it is and freed once.
                unsafe {
                    touch(memory, size / page_size());
                    os::unmap(memory, size);
                }
            }
            assert_eq!(mapped(), before, "after {size} bytes");
        }
    });
}
