//! Ranges of pages that the system refused to unmap, to be tried again later.
//!
//! Linux limits the number of mappings of a process (`vm.max_map_count`, 65,530 by default). Unmapping pages in the
//! middle of a mapping splits it in two, which is refused at the limit. Their memory can still be released, but their
//! addresses stay mapped, and count as a separate mapping once their neighbours are gone. So they are recorded here,
//! and unmapped when there is room.
//!
//! There is no allocator to take memory from, so the list is inside the ranges. The first page of a range has room for
//! the addresses and lengths of some hundred others, which have no memory:
//!
//! ```text
//!   first ──▶ ┌──────┬──────┬─────┬─────────┬─────────┬──
//!             │ next │ size │ len │ range 0 │ range 1 │ …     the first page of a range: a node
//!             └──┬───┴──────┴─────┴────┬────┴────┬────┴──
//!                ▼                     ▼         ▼
//!             another node             pages without memory
//! ```
//!
//! So of ranges of 4 KiB each, one in 255 keeps its page.
//!
//! The list of the process has a lock that is held for a few instructions, and never during a system call. A thread
//! that cannot acquire it after a few attempts does not record its range, whose addresses are then lost (its memory is
//! not). That happens if the thread with the lock is not scheduled, or in a child process that was forked while the
//! lock was held.

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::page_size::PAGE_SIZE_MIN;

/// Pages that belong to the list.
#[derive(Clone, Copy)]
struct Range {
    memory: NonNull<u8>,
    /// Bytes.
    size: usize,
}

/// The start of a node, before its ranges.
struct Header {
    next: Option<NonNull<Node>>,
    /// The length of the range that starts with the node, in bytes.
    size: usize,
    /// How many ranges are initialised.
    len: usize,
}

/// The most ranges that a node can have.
const CAPACITY: usize = (PAGE_SIZE_MIN - size_of::<Header>()) / size_of::<Range>();

#[repr(C)]
struct Node {
    header: Header,
    ranges: [Range; CAPACITY],
}

const _: () =
    assert!(size_of::<Node>() <= PAGE_SIZE_MIN && align_of::<Node>() <= PAGE_SIZE_MIN && CAPACITY > 1);

/// The list. Its ranges are mapped, writable, and used by nothing else.
pub(super) struct Deferred {
    first: Option<NonNull<Node>>,
    /// Which range of a node to return next. It advances with each, so that a range that cannot be unmapped yet does
    /// not block the others.
    turn: usize,
}

// SAFETY: the list owns its ranges, and pages belong to no thread.
unsafe impl Send for Deferred {}

impl Deferred {
    pub(super) const fn new() -> Deferred {
        Deferred { first: None, turn: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Adds a range. It writes to the first page of one range in [`CAPACITY`] + 1, and to no other.
    ///
    /// # Safety
    /// `memory` is `size` bytes of whole, writable pages, aligned to a page. From now on only the list uses them.
    pub(super) unsafe fn push(&mut self, memory: NonNull<u8>, size: usize) {
        if let Some(node) = self.first {
            // SAFETY: a node of the list.
            let header = unsafe { &mut (*node.as_ptr()).header };
            if header.len < CAPACITY {
                let index = header.len;
                header.len += 1;
                // SAFETY: a node of the list; the index is below the capacity.
                let place = unsafe { range(node, index) };
                // SAFETY: room for a range, which only the list uses.
                unsafe { place.write(Range { memory, size }) };
                return;
            }
        }
        let node = memory.cast::<Node>();
        // A node begins with its header, and only that is written.
        let header = Header { next: self.first, size, len: 0 };
        // SAFETY: a page has room for a node, and is aligned for it.
        unsafe { node.cast::<Header>().write(header) };
        self.first = Some(node);
    }

    /// Removes a range, which the caller then owns. The range of a node is removed after the ranges in it.
    pub(super) fn pop(&mut self) -> Option<(NonNull<u8>, usize)> {
        let node = self.first?;
        // SAFETY: a node of the list.
        let header = unsafe { &mut (*node.as_ptr()).header };
        if header.len == 0 {
            let Header { next, size, .. } = *header;
            self.first = next;
            return Some((node.cast(), size));
        }
        self.turn = self.turn.wrapping_add(1);
        let index = self.turn % header.len;
        header.len -= 1;
        // SAFETY: a node of the list; the index is below its length, so below the capacity.
        let place = unsafe { range(node, index) };
        // SAFETY: a node of the list; its last index is below its length, so below the capacity.
        let last = unsafe { range(node, header.len) };
        // SAFETY: the ranges below the length of a node are initialised.
        let Range { memory, size } = unsafe { place.read() };
        // SAFETY: the ranges below the length of a node are initialised.
        let last = unsafe { last.read() };
        // SAFETY: the last range takes the place of the one that is removed.
        unsafe { place.write(last) };
        Some((memory, size))
    }
}

/// The place of a range.
///
/// # Safety
/// `node` is a node of a list, and `index` is below [`CAPACITY`].
unsafe fn range(node: NonNull<Node>, index: usize) -> NonNull<Range> {
    // SAFETY: a node, by our caller. No reference is made to ranges, which may be uninitialised.
    let ranges = unsafe { &raw mut (*node.as_ptr()).ranges };
    // SAFETY: a field of a node is not at address 0.
    let first = unsafe { NonNull::new_unchecked(ranges.cast::<Range>()) };
    // SAFETY: the index is below the capacity, by our caller.
    unsafe { first.add(index) }
}

/// The list of the process.
pub(super) struct Shared {
    locked: AtomicBool,
    /// Whether the list was empty when it was last unlocked. It may be out of date.
    is_empty: AtomicBool,
    list: UnsafeCell<Deferred>,
}

// SAFETY: the list is used under the lock only, and may be sent.
unsafe impl Sync for Shared {}

/// How often a thread tries to acquire the lock, yielding in between.
const ATTEMPTS: u32 = 16;

impl Shared {
    pub(super) const fn new() -> Shared {
        Shared {
            locked: AtomicBool::new(false),
            is_empty: AtomicBool::new(true),
            list: UnsafeCell::new(Deferred::new()),
        }
    }

    /// Whether the list was empty when it was last unlocked: one load, for the usual case that it was.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty.load(Ordering::Relaxed)
    }

    /// Adds a range, or forgets it if the lock cannot be acquired.
    ///
    /// # Safety
    /// As [`Deferred::push`].
    pub(super) unsafe fn push(&self, memory: NonNull<u8>, size: usize) {
        // SAFETY: whole writable pages, which only the list uses from now on, by our caller.
        self.with(|list| unsafe { list.push(memory, size) });
    }

    /// Removes a range, which the caller then owns. `None` if there is none, or the lock cannot be acquired.
    pub(super) fn pop(&self) -> Option<(NonNull<u8>, usize)> {
        self.with(Deferred::pop)?
    }

    fn with<R>(&self, work: impl FnOnce(&mut Deferred) -> R) -> Option<R> {
        let mut attempts = 0;
        while self.locked.swap(true, Ordering::Acquire) {
            attempts += 1;
            if attempts == ATTEMPTS {
                return None;
            }
            thread::yield_now();
        }
        // SAFETY: this thread has the lock, and `work` does not call this function.
        let list = unsafe { &mut *self.list.get() };
        let result = work(list);
        self.is_empty.store(list.is_empty(), Ordering::Relaxed);
        self.locked.store(false, Ordering::Release);
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc, dealloc};
    use std::collections::BTreeMap;
    use std::vec::Vec;

    use super::*;

    const PAGE: Layout = match Layout::from_size_align(PAGE_SIZE_MIN, PAGE_SIZE_MIN) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    };

    /// Pages of the heap, filled with their number.
    fn pages(count: usize) -> Vec<NonNull<u8>> {
        let page = |n| {
            // SAFETY: the size is not zero; the page is as long as is written.
            unsafe {
                let page = NonNull::new(alloc(PAGE)).unwrap();
                page.write_bytes(n as u8, PAGE_SIZE_MIN);
                page
            }
        };
        (0..count).map(page).collect()
    }

    /// Whether nothing has been written to a page of `pages`.
    fn is_untouched(page: NonNull<u8>, n: usize) -> bool {
        // SAFETY: all of the page is initialised, and nothing writes to it during the comparison.
        unsafe { page.cast::<[u8; PAGE_SIZE_MIN]>().as_ref() == &[n as u8; PAGE_SIZE_MIN] }
    }

    /// The ranges of two and a half nodes (in Miri, one and a half) are returned, each once and with its length, and only
    /// one of each node has been written to.
    #[cfg_attr(target_family = "wasm", ignore = "it needs 1.3 GB where pages have 64 KiB, as in WebAssembly")]
    #[test]
    fn deferred_ranges_come_back_once() {
        let full = if cfg!(miri) { 1 } else { 2 };
        let count = full * (CAPACITY + 1) + CAPACITY / 2;
        let pages = pages(count);
        let mut list = Deferred::new();
        assert!(list.is_empty() && list.pop().is_none());
        for (n, page) in pages.iter().enumerate() {
            // SAFETY: a page of the test, which does not use it afterwards. (The length is only passed through.)
            unsafe { list.push(*page, PAGE_SIZE_MIN * (n + 1)) };
        }
        let nodes = (0..count).filter(|n| n % (CAPACITY + 1) == 0).collect::<Vec<_>>();
        assert_eq!(nodes.len(), full + 1);
        let sample = if cfg!(miri) { 97 } else { 1 };
        for n in (0..count).filter(|n| n % (CAPACITY + 1) != 0).step_by(sample) {
            assert!(is_untouched(pages[n], n), "page {n}");
        }
        let mut expected: BTreeMap<_, _> =
            pages.iter().enumerate().map(|(n, page)| (*page, PAGE_SIZE_MIN * (n + 1))).collect();
        while let Some((page, size)) = list.pop() {
            assert_eq!(expected.remove(&page), Some(size));
        }
        assert!(expected.is_empty() && list.is_empty());
        // SAFETY: pages of the heap, freed once.
        pages.into_iter().for_each(|page| unsafe { dealloc(page.as_ptr(), PAGE) });
    }

    /// No call waits long for a thread that holds the lock; nothing is written to the range then.
    #[test]
    fn deferred_range_is_forgotten_if_the_lock_is_held() {
        let page = pages(1)[0];
        let shared = Shared::new();
        shared.locked.store(true, Ordering::Relaxed);
        // SAFETY: a page of the test, which only reads it.
        unsafe { shared.push(page, PAGE_SIZE_MIN) };
        assert!(shared.is_empty() && shared.pop().is_none());
        assert!(is_untouched(page, 0));
        shared.locked.store(false, Ordering::Relaxed);
        // SAFETY: a page of the test, which does not use it.
        unsafe { shared.push(page, PAGE_SIZE_MIN) };
        assert!(!shared.is_empty());
        assert_eq!(shared.pop(), Some((page, PAGE_SIZE_MIN)));
        assert!(shared.is_empty() && shared.pop().is_none());
        // SAFETY: a page of the heap, freed once.
        unsafe { dealloc(page.as_ptr(), PAGE) };
    }

    /// A range that is put back each time does not keep the others from being taken.
    #[test]
    fn deferred_range_that_stays_is_not_in_the_way() {
        let pages = pages(10);
        let stubborn = pages[9];
        let mut list = Deferred::new();
        // SAFETY: pages of the test, which does not use them afterwards.
        pages.iter().for_each(|page| unsafe { list.push(*page, PAGE_SIZE_MIN) });
        let mut taken = 0;
        for _ in 0..30 {
            match list.pop() {
                // SAFETY: a page of the test that the list has just returned.
                Some((page, size)) if page == stubborn => unsafe { list.push(page, size) },
                Some(_) => taken += 1,
                None => break,
            }
        }
        // The node, which is the first page, comes after all of its ranges.
        assert_eq!(taken, 8);
        // SAFETY: pages of the heap, freed once.
        pages.into_iter().for_each(|page| unsafe { dealloc(page.as_ptr(), PAGE) });
    }
}
