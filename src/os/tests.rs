//! Tests of the back ends, including those that this system does not use.

use std::alloc::Layout;

use super::big_pages::{BIG_PAGE, BigPages};
use core::ptr::NonNull;

use super::page_size::page_size;
use super::{global, system as os};
use crate::alignment::Alignment;

/// The three functions of a back end.
struct BackEnd {
    name: &'static str,
    map: fn(usize, Alignment) -> Option<NonNull<u8>>,
    unmap: unsafe fn(NonNull<u8>, usize),
    remap: unsafe fn(NonNull<u8>, usize, usize, bool) -> Option<NonNull<u8>>,
}

const OS: BackEnd = BackEnd { name: "os", map: os::map, unmap: os::unmap, remap: os::remap };
const GLOBAL: BackEnd =
    BackEnd { name: "global", map: global::map, unmap: global::unmap, remap: global::remap };

/// Writes other numbers to each page, or checks them.
unsafe fn pages(memory: NonNull<u8>, size: usize) -> impl Iterator<Item = (NonNull<usize>, usize)> {
    // SAFETY: the caller's memory is so long.
    (0..size / page_size()).map(move |n| (unsafe { memory.add(n * page_size()) }.cast(), n + 1))
}

unsafe fn fill(memory: NonNull<u8>, size: usize) {
    // SAFETY: the caller's memory is so long, and its pages are aligned.
    unsafe { pages(memory, size).for_each(|(page, n)| page.write(n)) }
}

unsafe fn assert_filled(memory: NonNull<u8>, size: usize) {
    // SAFETY: the caller's memory has this length, and its pages are aligned and initialised.
    unsafe { pages(memory, size).for_each(|(page, n)| assert_eq!(page.read(), n)) }
}

#[test]
fn every_back_end_maps_aligned_pages_and_keeps_what_is_in_them() {
    let page = page_size();
    for BackEnd { name, map, unmap, remap } in [OS, GLOBAL] {
        for log2 in [0, 5, 12, 13, 16, 20] {
            let alignment = Alignment::from_log2(log2).unwrap();
            let may_move = alignment.to_byte_units() <= page;
            // SAFETY: a block is used as long as it is and freed once.
            unsafe {
                let memory = map(3 * page, alignment).unwrap();
                assert!(alignment.check_ptr(memory.as_ptr()), "{name}: {memory:?} for {alignment}");
                assert_eq!(memory.addr().get() % page, 0, "{name}");
                fill(memory, 3 * page);
                let (memory, size) = match remap(memory, 3 * page, 6 * page, may_move) {
                    Some(memory) => (memory, 6 * page),
                    None => (memory, 3 * page),
                };
                assert!(alignment.check_ptr(memory.as_ptr()), "{name}: {memory:?} for {alignment}");
                assert_filled(memory, 3 * page);
                fill(memory, size);
                let (memory, size) = match remap(memory, size, page, may_move) {
                    Some(memory) => (memory, page),
                    None => (memory, size),
                };
                assert_filled(memory, size);
                unmap(memory, size);
            }
        }
    }
}

#[test]
fn the_global_back_end_grows_again_in_place_and_moves_by_copying() {
    let page = page_size();
    // SAFETY: a block is used as long as it is and freed once.
    unsafe {
        let memory = global::map(3 * page, Alignment::_1).unwrap();
        fill(memory, page);
        assert_eq!(global::remap(memory, 3 * page, page, false), Some(memory));
        assert_eq!(global::remap(memory, page, 3 * page, false), Some(memory));
        assert_eq!(global::remap(memory, 3 * page, 4 * page, false), None);
        let moved = global::remap(memory, 3 * page, 4 * page, true).unwrap();
        assert_ne!(moved, memory);
        assert_filled(moved, page);
        global::unmap(moved, 4 * page);
    }
    assert_eq!(global::map(page, Alignment::MAX), None);
    assert_eq!(global::map(isize::MAX as usize & !(page - 1), Alignment::_1), None);
}

/// PG-16: without `mremap`, the last pages are unmapped, and nothing else can be done.
#[cfg(all(unix, not(miri)))]
#[test]
fn pages_are_unmapped_where_they_cannot_be_remapped() {
    let page = page_size();
    // SAFETY: a block is used as long as it is and freed once.
    unsafe {
        let memory = os::map(3 * page, Alignment::_1).unwrap();
        fill(memory, page);
        assert_eq!(os::remap_by_unmapping(memory, 3 * page, page), Some(memory));
        assert_filled(memory, page);
        assert_eq!(os::remap_by_unmapping(memory, page, 3 * page), None);
        os::unmap(memory, page);
    }
}

/// WebAssembly's memory, for a test: a piece of the heap of which more and more is given out.
struct Memory {
    base: NonNull<u8>,
    used: usize,
}

const MEMORY: Layout = match Layout::from_size_align(40 * BIG_PAGE, 8 * BIG_PAGE) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

impl Memory {
    /// Starts one page after an address that is aligned to eight pages.
    fn new() -> Memory {
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { std::alloc::alloc(MEMORY) }).unwrap();
        Memory { base, used: 1 }
    }

    fn grow(&mut self, pages: usize) -> Option<NonNull<u8>> {
        if pages > 40 - self.used {
            return None;
        }
        self.used += pages;
        // SAFETY: at most 40 pages are in use, which is how many there are.
        Some(unsafe { self.base.add((self.used - pages) * BIG_PAGE) })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: `new` has allocated it so.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), MEMORY) };
    }
}

fn map(
    pages: &mut BigPages,
    size: usize,
    alignment: Alignment,
    grow: impl FnOnce(usize) -> Option<NonNull<u8>>,
) -> Option<NonNull<u8>> {
    // SAFETY: the tests pass `Memory::grow`, each with one `BigPages`.
    unsafe { pages.map(size, alignment, grow) }
}

#[test]
fn big_pages_are_used_again() {
    let mut memory = Memory::new();
    let mut pages = BigPages::new();
    let one = map(&mut pages, 1, Alignment::_1, |n| memory.grow(n)).unwrap();
    let three = map(&mut pages, 3 * BIG_PAGE, Alignment::_1, |n| memory.grow(n)).unwrap();
    assert_eq!(memory.used, 1 + 1 + 4, "three pages are a run of four");
    // SAFETY: each run is freed once.
    unsafe {
        pages.unmap(one, 1);
        pages.unmap(three, 3 * BIG_PAGE);
    }
    assert_eq!(map(&mut pages, 4 * BIG_PAGE, Alignment::_1, |_| None), Some(three));
    assert_eq!(map(&mut pages, BIG_PAGE, Alignment::_1, |_| None), Some(one));
    assert_eq!(map(&mut pages, BIG_PAGE, Alignment::_1, |_| None), None);
    assert!(BigPages::fits(3 * BIG_PAGE, 4 * BIG_PAGE) && BigPages::fits(1, BIG_PAGE));
    assert!(!BigPages::fits(4 * BIG_PAGE, 5 * BIG_PAGE) && !BigPages::fits(4 * BIG_PAGE, 2 * BIG_PAGE));
}

#[test]
fn big_pages_keep_alignments_above_a_page_and_lose_nothing() {
    let mut memory = Memory::new();
    let mut pages = BigPages::new();
    let eight = Alignment::from_byte_units(8 * BIG_PAGE);
    let run = map(&mut pages, 2 * BIG_PAGE, eight, |n| memory.grow(n)).unwrap();
    assert!(eight.check_ptr(run.as_ptr()));
    assert_eq!(memory.used, 1 + 2 + 7);
    // The seven pages in front of it are runs of 4, 2 and 1.
    let rest = [4, 2, 1].map(|n| map(&mut pages, n * BIG_PAGE, Alignment::_1, |_| None).unwrap());
    assert_eq!(map(&mut pages, BIG_PAGE, Alignment::_1, |_| None), None);
    // A free run is passed over if it is not aligned, and the list stays whole.
    // SAFETY: each run is freed once.
    unsafe {
        pages.unmap(run, 2 * BIG_PAGE);
        pages.unmap(rest[1], 2 * BIG_PAGE);
    }
    assert_eq!(map(&mut pages, 2 * BIG_PAGE, eight, |_| None), Some(run));
    assert_eq!(map(&mut pages, 2 * BIG_PAGE, eight, |_| None), None);
    assert_eq!(map(&mut pages, 2 * BIG_PAGE, Alignment::_1, |_| None), Some(rest[1]));
}

#[test]
fn big_pages_of_impossible_sizes_are_null() {
    let mut memory = Memory::new();
    let mut pages = BigPages::new();
    let largest = isize::MAX as usize & !(BIG_PAGE - 1);
    assert_eq!(map(&mut pages, largest, Alignment::MAX, |n| memory.grow(n)), None);
    assert_eq!(map(&mut pages, 40 * BIG_PAGE, Alignment::_1, |n| memory.grow(n)), None);
    assert_eq!(memory.used, 1);
}
