//! The allocator of an unmanaged container: a slot for a handle, empty unless the container is bound.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use allocator_api2_02::alloc::{AllocError, Layout};

use crate::allocator::Allocator;

/// The slot for a handle in an unmanaged container. While empty, it fails every request and leaks what is freed.
pub struct Slot {
    /// The handle that the map is bound to; its lifetime, which is not `'static`, is that of the binding.
    handle: Cell<Option<Allocator<'static>>>,
}

// SAFETY: a handle is in it only while the map is bound: that is a value that borrows the map exclusively, and is
// itself neither `Send` nor `Sync`. So other users of the map find the slot empty or, if the value was leaked, with a
// handle that no method uses before the next binding replaces it. Only binding writes the slot.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    pub(super) const fn empty() -> Slot {
        Slot { handle: Cell::new(None) }
    }

    /// # Safety
    /// The handle's allocator is valid until [`clear`](Self::clear) or the last use of the slot, which stays on this
    /// thread.
    #[inline]
    pub(super) unsafe fn set(&self, handle: Allocator<'_>) {
        // SAFETY: the same handle; the caller's fact is what the lifetime would say.
        let handle = unsafe { Allocator::from_raw_parts(handle.ptr(), handle.vtable()) };
        self.handle.set(Some(handle));
    }

    #[inline]
    pub(super) fn clear(&self) {
        self.handle.set(None);
    }
}

// SAFETY: bound, it is the handle; empty, it gives no block, and frees none. Blocks that are there when it is bound
// are from the same allocator: that is the contract of `with`.
unsafe impl allocator_api2_02::alloc::Allocator for Slot {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.handle.get().ok_or(AllocError)?.allocate(layout)
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if let Some(handle) = self.handle.get() {
            // SAFETY: a live block of this handle's allocator with its layout, by our caller.
            unsafe { handle.deallocate(ptr, layout) };
        }
    }

    #[inline]
    unsafe fn grow(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let handle = self.handle.get().ok_or(AllocError)?;
        // SAFETY: a live block of this handle's allocator, with `old` and `new` as required, by our caller.
        unsafe { handle.grow(ptr, old, new) }
    }

    #[inline]
    unsafe fn shrink(&self, ptr: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let handle = self.handle.get().ok_or(AllocError)?;
        // SAFETY: a live block of this handle's allocator, with `old` and `new` as required, by our caller.
        unsafe { handle.shrink(ptr, old, new) }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.handle.get().is_some() { "Slot(bound)" } else { "Slot(empty)" })
    }
}
