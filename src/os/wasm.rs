//! Pages from `memory.grow`.

use core::arch::wasm32::memory_grow;
use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use super::big_pages::{BIG_PAGE, BigPages};
use crate::alignment::Alignment;

/// The pages of this program, with a spin lock. Most programs have one thread, and the lock is always free; with
/// threads, it is held for a few instructions, and the main thread of a browser must not sleep anyway.
struct Shared {
    locked: AtomicBool,
    pages: UnsafeCell<BigPages>,
}

// SAFETY: `pages` is used under the lock only, and what it points to is used by nothing else.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared { locked: AtomicBool::new(false), pages: UnsafeCell::new(BigPages::new()) };

fn with_pages<R>(f: impl FnOnce(&mut BigPages) -> R) -> R {
    while SHARED.locked.swap(true, Ordering::Acquire) {
        spin_loop();
    }
    // SAFETY: this thread holds the lock, and `f` does not call this function.
    let result = f(unsafe { &mut *SHARED.pages.get() });
    SHARED.locked.store(false, Ordering::Release);
    result
}

/// This many new pages at the end of the memory.
fn grow(pages: usize) -> Option<NonNull<u8>> {
    let first = memory_grow::<0>(pages);
    // No page may end at the end of the address space: the address after it would be 0.
    if first == usize::MAX || first + pages > usize::MAX / BIG_PAGE {
        return None;
    }
    NonNull::new(ptr::with_exposed_provenance_mut(first * BIG_PAGE))
}

pub(crate) fn map(size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    // SAFETY: `grow` returns new pages of the linear memory, which stay.
    with_pages(|pages| unsafe { pages.map(size, alignment, grow) })
}

/// # Safety
/// All pages of a block, which nothing uses afterwards.
pub(crate) unsafe fn unmap(memory: NonNull<u8>, size: usize) {
    // SAFETY: all pages of a block from `map`, which nothing uses afterwards, by our caller.
    with_pages(|pages| unsafe { pages.unmap(memory, size) });
}

/// # Safety
/// All pages of a block. If the result is `Some`, nothing uses the pages after `new_size`.
pub(crate) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    _may_move: bool,
) -> Option<NonNull<u8>> {
    BigPages::fits(size, new_size).then_some(memory)
}

pub(crate) const NEW_PAGES_ARE_ZERO: bool = false;
pub(crate) const CAN_DISCARD: bool = false;
pub(crate) const DISCARDED_PAGES_ARE_ZERO: bool = false;

/// The memory only grows.
///
/// # Safety
/// Whole pages, whose content is not used afterwards.
pub(crate) unsafe fn discard(_memory: NonNull<u8>, _size: usize) -> bool {
    false
}

/// There are none.
///
/// # Safety
/// Whole pages.
pub(crate) unsafe fn advise_huge_pages(_memory: NonNull<u8>, _size: usize) {}

/// There is no clock: only memory that could be discarded has a time.
pub(crate) fn milliseconds() -> usize {
    0
}
