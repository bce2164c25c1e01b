//! Pages from `mmap`.

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::alignment::Alignment;
use crate::heap::page_size;

#[cfg(target_os = "android")]
use android::{MREMAP_MAYMOVE, mremap};
#[cfg(target_os = "linux")]
use libc::{MREMAP_MAYMOVE, mremap};

/// Where the next mapping could go: behind the last one. The kernel is free to ignore it, and does if
/// the addresses are taken. Nothing is ever read or written through this pointer, and any value would
/// do, so there is no order to keep; a thread that loses the race to store drops its guess.
static NEXT_MMAP_ADDR_HINT: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

pub(super) fn map(size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    // What can be lost in front, as `mmap` aligns to a page: 0 if that is enough.
    let slack = alignment.to_byte_units().saturating_sub(page_size());
    let hint = NEXT_MMAP_ADDR_HINT.load(Ordering::Relaxed);
    let mapping = mmap(hint, size.checked_add(slack)?)?;

    let head = mapping.addr().get().wrapping_neg() & alignment.mask();
    let tail = slack - head;
    // SAFETY: `head` is at most `slack`: both are multiples of the page size below the alignment.
    // So `memory` and the `size` bytes from there are inside the mapping.
    let memory = unsafe { mapping.add(head) };
    if head != 0 {
        // SAFETY: pages of the new mapping, of which nobody knows.
        unsafe { unmap(mapping, head) };
    }
    if tail != 0 {
        // SAFETY: as above; they begin behind the block.
        unsafe { unmap(memory.add(size), tail) };
    }
    let next = memory.as_ptr().wrapping_add(size);
    let _ = NEXT_MMAP_ADDR_HINT.compare_exchange(hint, next, Ordering::Relaxed, Ordering::Relaxed);
    Some(memory)
}

fn mmap(hint: *mut u8, size: usize) -> Option<NonNull<u8>> {
    // SAFETY: without MAP_FIXED the kernel takes addresses that nobody uses, whatever the hint.
    let memory = unsafe {
        libc::mmap(
            hint.cast(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    mapped(memory)
}

/// A result of `mmap` or `mremap`.
fn mapped(memory: *mut c_void) -> Option<NonNull<u8>> {
    if memory == libc::MAP_FAILED { None } else { NonNull::new(memory.cast()) }
}

/// Says whether it worked. It fails if the pages lie in the middle of a mapping and the process has as
/// many mappings as it may have; then they stay mapped, and nothing has changed.
///
/// # Safety
/// Whole pages of mappings made here, which nothing uses afterwards.
pub(super) unsafe fn unmap(memory: NonNull<u8>, size: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(memory.as_ptr().cast(), size) == 0 }
}

/// The kernel grows, shrinks and moves mappings by itself, without touching their content.
///
/// # Safety
/// All pages of a block. If the result is `Some`, nothing uses the old pointer.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    may_move: bool,
) -> Option<NonNull<u8>> {
    let flags = if may_move { MREMAP_MAYMOVE } else { 0 };
    // SAFETY: the pages are the block's. The kernel takes no addresses that are in use.
    mapped(unsafe { mremap(memory.as_ptr().cast(), size, new_size, flags) })
}

/// # Safety
/// All pages of a block. If the result is `Some`, nothing uses the pages behind `new_size`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    _may_move: bool,
) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise.
    unsafe { remap_by_unmapping(memory, size, new_size) }
}

/// Where there is no `mremap`, the last pages of a block can be unmapped, and that is all.
///
/// # Safety
/// As [`remap`].
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
pub(super) unsafe fn remap_by_unmapping(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: the pages behind `new_size` are the block's, and nothing uses them afterwards.
    let done = new_size < size && unsafe { unmap(memory.add(new_size), size - new_size) };
    done.then_some(memory)
}

/// What the libc crate has for Linux and forgets for Android.
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
