//! Pages of a memory that only grows, and so must be used again.
//!
//! WebAssembly's memory grows by pages of 64 KiB and never shrinks. Blocks are runs of 1, 2, 4, 8 …
//! pages. A freed run goes to the list of its length, and its first bytes are the link:
//!
//! ```text
//!   free[0] ──▶ ┌──────┬──────┐
//!               │ next │      │   1 page
//!               └──┬───┴──────┘
//!   free[1] ──▶ ┌──│───┬──────┬─────────────┐
//!               │ null │      │             │   2 pages
//!               └──────┴──────┴─────────────┘
//! ```
//!
//! This is the part of Zig's `lib/std/heap/WasmAllocator.zig` (0.15.2) that deals with large blocks. It
//! keeps the link in a block's last word instead and counts that word as part of every request, so
//! that a request of whole pages takes one more.

use core::ptr::NonNull;

use crate::alignment::Alignment;

/// Bytes.
pub(super) const BIG_PAGE: usize = 64 * 1024;

/// One list for each power of two of pages that addresses can count.
const CLASSES: usize = (usize::MAX / BIG_PAGE).ilog2() as usize + 1;

/// The free runs. `free[n]` lists those of 2^n pages.
pub(super) struct BigPages {
    free: [Option<NonNull<FreeRun>>; CLASSES],
}

/// The first bytes of a free run.
struct FreeRun {
    next: Option<NonNull<FreeRun>>,
}

impl BigPages {
    pub(super) const fn new() -> BigPages {
        BigPages { free: [None; CLASSES] }
    }

    /// The length of the runs for blocks of `size` bytes, as the base-2 logarithm of a number of pages.
    fn class(size: usize) -> usize {
        size.div_ceil(BIG_PAGE).next_power_of_two().ilog2() as usize
    }

    /// Whether blocks of `size` and of `new_size` bytes have runs of the same length.
    pub(super) fn fits(size: usize, new_size: usize) -> bool {
        BigPages::class(size) == BigPages::class(new_size)
    }

    /// A run of at least `size` bytes: a free one, or else new pages from `grow`, whose argument is a number of pages.
    ///
    /// # Safety
    /// `grow` returns as many pages of [`BIG_PAGE`] bytes in a row, which nothing else uses and which last as long as
    /// this, or `None`.
    pub(super) unsafe fn map(
        &mut self,
        size: usize,
        alignment: Alignment,
        grow: impl FnOnce(usize) -> Option<NonNull<u8>>,
    ) -> Option<NonNull<u8>> {
        let class = BigPages::class(size);
        if let Some(run) = self.pop(class, alignment) {
            return Some(run);
        }
        // For an alignment stricter than a page, take as many more pages as can be needed before the block. They become
        // free runs.
        let pages = 1 << class;
        let slack = alignment.to_byte_units().div_ceil(BIG_PAGE) - 1;
        let start = grow(pages + slack)?;
        let head = (start.addr().get().wrapping_neg() & alignment.mask()) / BIG_PAGE;
        // SAFETY: `head` is at most `slack`, so the run is inside the new pages.
        let run = unsafe { start.add(head * BIG_PAGE) };
        // SAFETY: the run ends inside the new pages, or at their end.
        let tail = unsafe { run.add(pages * BIG_PAGE) };
        // SAFETY: new pages before the run, which nothing uses.
        unsafe { self.push_pages(start, head) };
        // SAFETY: new pages after the run, which nothing uses.
        unsafe { self.push_pages(tail, slack - head) };
        Some(run)
    }

    /// # Safety
    /// A run that `map` returned for this size, which nothing uses afterwards.
    pub(super) unsafe fn unmap(&mut self, memory: NonNull<u8>, size: usize) {
        // SAFETY: the run has this class, and nothing uses it afterwards, by our caller.
        unsafe { self.push(memory, BigPages::class(size)) };
    }

    /// The first run of the list that is aligned.
    fn pop(&mut self, class: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        let mut link: *mut Option<NonNull<FreeRun>> = &raw mut self.free[class];
        // SAFETY: `link` is an element of `free` or in a free run, which only this list uses.
        while let Some(run) = unsafe { *link } {
            // SAFETY: a free run begins with its link.
            let next = unsafe { &raw mut (*run.as_ptr()).next };
            if alignment.check_ptr(run.as_ptr()) {
                // SAFETY: the link of a free run, which only this list uses.
                let rest = unsafe { *next };
                // SAFETY: an element of `free`, or the link of the free run before.
                unsafe { *link = rest };
                return Some(run.cast());
            }
            link = next;
        }
        None
    }

    /// # Safety
    /// `2^class` pages that nothing else uses.
    unsafe fn push(&mut self, memory: NonNull<u8>, class: usize) {
        let run = memory.cast::<FreeRun>();
        // SAFETY: a page has room for a link, and is aligned for it.
        unsafe { run.write(FreeRun { next: self.free[class] }) };
        self.free[class] = Some(run);
    }

    /// Divides pages into runs, the longest first.
    ///
    /// # Safety
    /// `start` is the address of `pages` pages that nothing else uses.
    unsafe fn push_pages(&mut self, mut start: NonNull<u8>, mut pages: usize) {
        while let Some(class) = pages.checked_ilog2() {
            // SAFETY: `2^class` is at most `pages`, which nothing uses.
            unsafe { self.push(start, class as usize) };
            // SAFETY: `2^class` is at most `pages`, so this is inside the pages or at their end.
            start = unsafe { start.add(BIG_PAGE << class) };
            pages -= 1 << class;
        }
    }
}
