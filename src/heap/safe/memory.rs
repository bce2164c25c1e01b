//! Memory that is neither the child's nor the global heap's.

use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::heap::PAGE_ALLOCATOR;
use crate::heap::debug::PAGES_ARE_THE_SYSTEMS;
use crate::return_address::return_address;

/// Aligned to 8 at least. The length is not zero.
pub(super) fn alloc(len: usize) -> Option<NonNull<u8>> {
    if PAGES_ARE_THE_SYSTEMS {
        // SAFETY: the length is not zero (non-zero).
        return unsafe { PAGE_ALLOCATOR.raw_alloc(len, Alignment::_8, return_address()) };
    }
    system::alloc(len)
}

/// # Safety
/// From [`alloc`] with this length, and not used again.
pub(super) unsafe fn free(memory: NonNull<u8>, len: usize) {
    if PAGES_ARE_THE_SYSTEMS {
        let memory = NonNull::slice_from_raw_parts(memory, len);
        // SAFETY: a live block with its length and alignment, not used again, by our caller.
        return unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, return_address()) };
    }
    // SAFETY: as above.
    unsafe { system::free(memory, len) };
}

/// The C library's heap, for where the page allocator asks the global one.
mod system {
    use core::ptr::NonNull;
    use std::alloc::{GlobalAlloc, Layout, System};

    pub(super) fn alloc(len: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(len, 8).ok()?;
        // SAFETY: the length is not zero.
        NonNull::new(unsafe { System.alloc(layout) })
    }

    /// # Safety
    /// From [`alloc`] with this length, and not used again.
    pub(super) unsafe fn free(memory: NonNull<u8>, len: usize) {
        if let Ok(layout) = Layout::from_size_align(len, 8) {
            // SAFETY: by our caller.
            unsafe { System.dealloc(memory.as_ptr(), layout) };
        }
    }
}
