//! Pages from `mmap`.

use core::ffi::{c_int, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::deferred::Shared;
use super::page_size::page_size;
use crate::alignment::Alignment;

#[cfg(target_os = "android")]
use android::{MREMAP_MAYMOVE, mremap};
#[cfg(target_os = "linux")]
use libc::{MREMAP_MAYMOVE, mremap};

/// A hint for the address of the next mapping: after the last one. The kernel may ignore it, and does if the addresses
/// are taken. The pointer is never dereferenced and any value works, so relaxed memory orderings suffice, and a thread
/// that loses the race to store drops its hint.
static NEXT_MMAP_ADDR_HINT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The pages that could not be unmapped.
static DEFERRED: Shared = Shared::new();

/// How many deferred ranges to unmap after a successful unmapping. One would suffice, as each mapping that is gone
/// makes room for one; with two, the list gets shorter even if every second one is refused.
const RETRIES: usize = 2;

/// How many to unmap when the kernel refuses to map, which may be due to the number of mappings.
const RETRIES_FOR_ROOM: usize = 64;

pub(crate) fn map(size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let hint = NEXT_MMAP_ADDR_HINT.load(Ordering::Relaxed);
    let map = || {
        map_writable(hint, size, alignment).or_else(|| {
            // The head and tail, which are unmapped at once, need no memory, but the kernel may count them.
            let is_all_used = alignment.to_byte_units() <= page_size();
            if is_all_used { None } else { map_reserved(hint, size, alignment) }
        })
    };
    let memory = map().or_else(|| if retry_deferred(RETRIES_FOR_ROOM) { map() } else { None })?;
    let next = memory.as_ptr().wrapping_add(size);
    let _ = NEXT_MMAP_ADDR_HINT.compare_exchange(hint, next, Ordering::Relaxed, Ordering::Relaxed);
    Some(memory)
}

/// Maps as much as an aligned block can need, and unmaps what is before and after the block, as Zig does.
fn map_writable(hint: *mut u8, size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let (head, memory, tail) = map_around(hint, size, alignment, WRITABLE)?;
    // SAFETY: writable pages of the new mapping before the block, which nothing uses.
    unsafe { unmap_some(head) };
    // SAFETY: writable pages of the new mapping after the block, which nothing uses.
    unsafe { unmap_some(tail) };
    Some(memory)
}

/// The same in two steps, for an alignment so large that the kernel does not grant memory for the whole mapping:
/// reserves addresses, unmaps what is not needed, and makes the block writable. Addresses without access do not count
/// as memory, so `MAP_NORESERVE` is not needed; it would exempt the block too.
pub(super) fn map_reserved(hint: *mut u8, size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let (head, memory, tail) = map_around(hint, size, alignment, libc::PROT_NONE)?;
    for (start, size) in [head, tail] {
        if size != 0 {
            // SAFETY: pages of the new mapping outside the block. If this is refused, addresses without memory stay
            // reserved. (They cannot be deferred, since nothing can be written there.)
            unsafe { munmap(start, size) };
        }
    }
    // SAFETY: pages of the new mapping, which nothing uses.
    let is_writable = unsafe { libc::mprotect(memory.as_ptr().cast(), size, WRITABLE) == 0 };
    if !is_writable {
        // SAFETY: pages of the new mapping, which nothing uses. If this is refused, its addresses stay reserved.
        unsafe { munmap(memory, size) };
        return None;
    }
    Some(memory)
}

const WRITABLE: c_int = libc::PROT_READ | libc::PROT_WRITE;

/// Whole pages: their address, and their length in bytes.
type Pages = (NonNull<u8>, usize);

/// A new mapping that contains `size` aligned bytes: the pages before them, their address, and the pages after them.
fn map_around(
    hint: *mut u8,
    size: usize,
    alignment: Alignment,
    protection: c_int,
) -> Option<(Pages, NonNull<u8>, Pages)> {
    // The most bytes before the block, since `mmap` aligns only to a page: 0 if that is enough.
    let slack = alignment.to_byte_units().saturating_sub(page_size());
    let total = size.checked_add(slack)?;
    // SAFETY: without MAP_FIXED the kernel takes addresses that are free, whatever the hint.
    let mapping = mapped(unsafe {
        libc::mmap(hint.cast(), total, protection, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0)
    })?;
    let head = mapping.addr().get().wrapping_neg() & alignment.mask();
    // SAFETY: `head` is at most `slack`: both are multiples of the page size below the alignment.
    // So `memory` and the `size` bytes from there are inside the mapping.
    let memory = unsafe { mapping.add(head) };
    // SAFETY: `memory` and the `size` bytes from there are inside the mapping, as shown above.
    let tail = unsafe { memory.add(size) };
    Some(((mapping, head), memory, (tail, slack - head)))
}

/// A result of `mmap` or `mremap`.
fn mapped(memory: *mut c_void) -> Option<NonNull<u8>> {
    if memory == libc::MAP_FAILED { None } else { NonNull::new(memory.cast()) }
}

/// Unmaps pages. If the kernel refuses, releases their memory now, and their addresses when there is room.
///
/// # Safety
/// Whole pages of writable mappings made here, which nothing uses afterwards.
pub(crate) unsafe fn unmap(memory: NonNull<u8>, size: usize) {
    // SAFETY: whole pages of a mapping made here, which nothing uses afterwards, by our caller.
    if unsafe { munmap(memory, size) } {
        retry_deferred(RETRIES);
        return;
    }
    // SAFETY: the same pages, which are still mapped.
    let _ = unsafe { discard(memory, size) };
    // SAFETY: the same pages, which are writable, and not used afterwards.
    unsafe { DEFERRED.push(memory, size) };
}

/// [`unmap`], for a length that may be 0.
///
/// # Safety
/// As [`unmap`].
unsafe fn unmap_some((start, size): Pages) {
    if size != 0 {
        // SAFETY: whole writable pages that nothing uses afterwards, by our caller.
        unsafe { unmap(start, size) };
    }
}

/// Tries again to unmap up to `limit` of the ranges that were refused. Returns whether one has been unmapped.
pub(super) fn retry_deferred(limit: usize) -> bool {
    let mut has_unmapped = false;
    if DEFERRED.is_empty() {
        return false;
    }
    for _ in 0..limit {
        let Some((memory, size)) = DEFERRED.pop() else { break };
        // SAFETY: what was deferred is still mapped, and nothing else uses it.
        if unsafe { munmap(memory, size) } {
            has_unmapped = true;
            continue;
        }
        // The first page may have been written to, by the list.
        // SAFETY: the first page of the range, which is still mapped.
        let _ = unsafe { discard(memory, page_size()) };
        // SAFETY: the range is still writable, and only the list uses it from now on.
        unsafe { DEFERRED.push(memory, size) };
    }
    has_unmapped
}

/// Returns whether the pages have been unmapped. This fails if they are in the middle of a mapping and the process has
/// as many mappings as it may have; then nothing has changed.
///
/// # Safety
/// Whole pages of mappings made here, which nothing uses afterwards.
unsafe fn munmap(memory: NonNull<u8>, size: usize) -> bool {
    #[cfg(test)]
    if REFUSES_TO_UNMAP.get() {
        return false;
    }
    // SAFETY: whole pages of a mapping made here, which nothing uses afterwards, by our caller.
    unsafe { libc::munmap(memory.as_ptr().cast(), size) == 0 }
}

#[cfg(test)]
std::thread_local! {
    /// Whether to pretend that there are as many mappings as there may be, in this thread.
    pub(super) static REFUSES_TO_UNMAP: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
}

/// Releases the memory of pages that stay mapped. Their content is lost, at once or later. This splits no mapping, so
/// the limit does not apply. Returns false if the system refuses.
///
/// # Safety
/// Whole pages of mappings made here, whose content is not used afterwards.
pub(crate) unsafe fn discard(memory: NonNull<u8>, size: usize) -> bool {
    let advise = |advice: c_int| {
        // SAFETY: whole pages of a mapping made here, whose content is not used afterwards, by our caller.
        unsafe { libc::madvise(memory.as_ptr().cast(), size, advice) == 0 }
    };
    ADVICE.iter().any(|advice| advise(*advice))
}

/// Asks for huge pages where the system has them for those who ask.
///
/// # Safety
/// Whole pages of a mapping made here.
pub(crate) unsafe fn advise_huge_pages(memory: NonNull<u8>, size: usize) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: whole pages of a mapping made here, by our caller; the advice changes no content. If it is refused, the
    // pages are small.
    let _ = unsafe { libc::madvise(memory.as_ptr().cast(), size, libc::MADV_HUGEPAGE) };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (memory, size);
}

pub(crate) const NEW_PAGES_ARE_ZERO: bool = true;
pub(crate) const CAN_DISCARD: bool = !ADVICE.is_empty();
/// On Linux; `MADV_FREE` lets a page keep its content until the kernel takes it.
pub(crate) const DISCARDED_PAGES_ARE_ZERO: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A clock of milliseconds, which wraps. Linux has one that costs a few nanoseconds and advances every few milliseconds.
pub(crate) fn milliseconds() -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: valid for a write. If it fails, the time stays 0.
    let _ = unsafe { libc::clock_gettime(CLOCK, &raw mut time) };
    (time.tv_sec as usize).wrapping_mul(1000).wrapping_add(time.tv_nsec as usize / 1_000_000)
}

/// The advice that releases the memory of pages, in the order in which it is tried.
///
/// On Linux the memory is released when `madvise` returns. Locked pages (`mlockall`) need a separate advice, which
/// exists since Linux 5.18.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ADVICE: &[c_int] = {
    const MADV_DONTNEED_LOCKED: c_int = 24;
    &[libc::MADV_DONTNEED, MADV_DONTNEED_LOCKED]
};
/// Here `MADV_DONTNEED` keeps the content of the pages. `MADV_FREE` lets the kernel take the memory when it needs some.
#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "solaris",
    target_os = "illumos",
    target_os = "haiku",
))]
const ADVICE: &[c_int] = &[libc::MADV_FREE];
/// This crate knows no such advice here. The memory is released when the pages are unmapped.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "solaris",
    target_os = "illumos",
    target_os = "haiku",
)))]
const ADVICE: &[c_int] = &[];

/// The kernel grows, shrinks and moves mappings by itself, without touching their content.
///
/// # Safety
/// All pages of a block. If the result is `Some`, nothing uses the old pointer.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    may_move: bool,
) -> Option<NonNull<u8>> {
    let flags = if may_move { MREMAP_MAYMOVE } else { 0 };
    // SAFETY: the pages are the block's. The kernel takes no addresses that are in use.
    let remapped = mapped(unsafe { mremap(memory.as_ptr().cast(), size, new_size, flags) });
    if remapped.is_none() && new_size < size {
        // Shortening unmaps pages, and is refused for the same reason.
        // SAFETY: `new_size` is below the block's size.
        let tail = unsafe { memory.add(new_size) };
        // SAFETY: the pages after `new_size` are the block's, and nothing uses them afterwards.
        unsafe { unmap(tail, size - new_size) };
        return Some(memory);
    }
    remapped
}

/// # Safety
/// All pages of a block. If the result is `Some`, nothing uses the pages after `new_size`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    _may_move: bool,
) -> Option<NonNull<u8>> {
    // SAFETY: all pages of a block, and those after `new_size` are not used afterwards, by our caller.
    unsafe { remap_by_unmapping(memory, size, new_size) }
}

/// Where there is no `mremap`, a block can only be shortened, by unmapping its last pages.
///
/// # Safety
/// As [`remap`].
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
pub(super) unsafe fn remap_by_unmapping(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
) -> Option<NonNull<u8>> {
    if new_size >= size {
        return None;
    }
    // SAFETY: `new_size` is below the block's size.
    let tail = unsafe { memory.add(new_size) };
    // SAFETY: the pages after `new_size` are the block's, and nothing uses them afterwards.
    unsafe { unmap(tail, size - new_size) };
    Some(memory)
}

/// Declarations that the libc crate has for Linux and lacks for Android.
#[cfg(target_os = "android")]
mod android {
    use core::ffi::{c_int, c_void};

    pub(super) const MREMAP_MAYMOVE: c_int = 1;

    unsafe extern "C" {
        pub(super) fn mremap(
            memory: *mut c_void,
            size: usize,
            new_size: usize,
            flags: c_int,
            ...
        ) -> *mut c_void;
    }
}
