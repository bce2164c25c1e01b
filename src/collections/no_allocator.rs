//! An allocator that has nothing and takes nothing back.

use core::ptr::NonNull;

use allocator_api2_02::alloc::{AllocError, Allocator, Layout};

/// No allocator: every request fails, and what is given back is leaked. It stands for the allocator that an unmanaged
/// list does not have.
///
/// Not in Zig, whose functions that do not allocate take no allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAllocator;

// SAFETY: it never returns a block. `grow` and `shrink` fail, which leaves a block as it is, and `deallocate` leaks it;
// so blocks of another allocator may be passed too.
unsafe impl Allocator for NoAllocator {
    #[inline]
    fn allocate(&self, _: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Err(AllocError)
    }

    #[inline]
    unsafe fn deallocate(&self, _: NonNull<u8>, _: Layout) {}

    #[inline]
    unsafe fn grow(&self, _: NonNull<u8>, _: Layout, _: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Err(AllocError)
    }

    #[inline]
    unsafe fn shrink(&self, _: NonNull<u8>, _: Layout, _: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Err(AllocError)
    }
}
