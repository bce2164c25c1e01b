//! Pages from `VirtualAlloc`.
//!
//! A Windows mapping has two stages: addresses are reserved, and memory is committed to them. A
//! reservation can only be released as a whole, so a block cannot be cut out of a larger range
//! as on Unix, and a shortened block gives back its memory but not its addresses.

use core::ptr::{self, NonNull};

use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, MEM_RESET, PAGE_NOACCESS, PAGE_READWRITE,
    VirtualAlloc, VirtualFree,
};

use crate::alignment::Alignment;

/// How often to try to find an aligned range.
const ATTEMPTS: usize = 16;

pub(crate) fn map(size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    // Reservations begin at multiples of 64 KiB, which is mostly enough.
    let memory = commit(ptr::null_mut(), size)?;
    if alignment.check_ptr(memory.as_ptr()) {
        return Some(memory);
    }
    // SAFETY: a new reservation, which nothing uses.
    unsafe { unmap(memory, size) };

    // Find a range that is long enough to contain an aligned block, release it, and map the block there. Another thread
    // may take the addresses in between.
    let enough = size.checked_add(alignment.mask())?;
    for _ in 0..ATTEMPTS {
        // SAFETY: a null address lets the system choose free addresses, so nothing in use changes.
        let range = unsafe { VirtualAlloc(ptr::null_mut(), enough, MEM_RESERVE, PAGE_NOACCESS) };
        let range = NonNull::new(range.cast::<u8>())?;
        // SAFETY: a new reservation, which nothing uses.
        unsafe { unmap(range, enough) };
        // The range was `mask` bytes longer than the block, so there is an aligned address in it.
        let aligned = (range.addr().get() + alignment.mask()) & !alignment.mask();
        if let Some(memory) = commit(ptr::without_provenance_mut(aligned), size) {
            return Some(memory);
        }
    }
    None
}

/// Reserves and commits pages, at the given address or, if it is null, anywhere.
fn commit(address: *mut u8, size: usize) -> Option<NonNull<u8>> {
    // SAFETY: reserving takes only free addresses, and fails at others.
    let memory = unsafe { VirtualAlloc(address.cast(), size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) };
    NonNull::new(memory.cast())
}

/// # Safety
/// All pages of a reservation made here, which nothing uses afterwards.
pub(crate) unsafe fn unmap(memory: NonNull<u8>, size: usize) {
    // SAFETY: a reservation made here, which nothing uses afterwards, by our caller. A size of 0 means all of it.
    if unsafe { VirtualFree(memory.as_ptr().cast(), 0, MEM_RELEASE) } == 0 {
        // SAFETY: the same pages, which are still reserved.
        unsafe { decommit(memory, size) };
    }
}

/// Releases the memory of pages whose addresses stay reserved. If that is refused too, marks the memory so that the
/// system may take it without saving its content.
///
/// # Safety
/// Committed pages of a reservation made here, at least one, which nothing uses afterwards.
unsafe fn decommit(memory: NonNull<u8>, size: usize) {
    // SAFETY: pages of a reservation made here, which nothing uses afterwards, by our caller.
    if unsafe { VirtualFree(memory.as_ptr().cast(), size, MEM_DECOMMIT) } == 0 {
        // SAFETY: the same pages, which are still committed.
        unsafe { VirtualAlloc(memory.as_ptr().cast(), size, MEM_RESET, PAGE_NOACCESS) };
    }
}

/// # Safety
/// All pages of a block. If the result is `Some`, nothing uses the pages after `new_size`.
pub(crate) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    _may_move: bool,
) -> Option<NonNull<u8>> {
    if new_size > size {
        return None;
    }
    if new_size < size {
        // SAFETY: `new_size` is below the block's size.
        let tail = unsafe { memory.add(new_size) };
        // SAFETY: the pages after `new_size` are the block's, and nothing uses them afterwards.
        unsafe { decommit(tail, size - new_size) };
    }
    Some(memory)
}

pub(crate) const NEW_PAGES_ARE_ZERO: bool = true;
pub(crate) const CAN_DISCARD: bool = false;
pub(crate) const DISCARDED_PAGES_ARE_ZERO: bool = false;

/// Decommitted pages would have to be committed again before they are used.
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
