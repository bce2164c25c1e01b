//! An allocator that fails every request.

use core::ptr::NonNull;

use allocator_api2_02::alloc::{AllocError, Allocator, Layout};

/// An allocator that fails every request and leaks what is freed. Unmanaged lists have it while they are not bound.
///
/// Not in Zig, whose functions that do not allocate take no allocator.
///
/// ```
/// # use zigalloc::{Error, collections::{ArrayList, NoAllocator}};
/// let mut list = ArrayList::init(NoAllocator);
/// assert_eq!(list.append(1), Err(Error::OutOfMemory));
/// ```
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
