//! The operations of Rust's allocator traits as calls of the vtable, shared by all traits.
//!
//! The traits pass a [`Layout`], which may be empty and may change its alignment; the vtable takes a length above zero
//! and a fixed alignment. [`adapters`](super) has a table of the mapping.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
#[cfg(feature = "alloc")]
use crate::allocator::stateless::Stateless;
use crate::allocator::{Allocator, AsAllocator};

/// Allocates a block; for size zero, returns an aligned address without memory.
#[inline]
pub(super) fn allocate(allocator: Allocator<'_>, layout: Layout, ret_addr: usize) -> Option<NonNull<[u8]>> {
    let alignment = Alignment::from(layout);
    if layout.size() == 0 {
        let highest = ptr::without_provenance_mut(alignment.backward(usize::MAX));
        return Some(NonNull::slice_from_raw_parts(NonNull::new(highest)?, 0));
    }
    // SAFETY: the size is not zero. `Allocator` is not `Send`, so this is the thread that may use the handle, or it is
    // thread-safe.
    let memory = unsafe { allocator.raw_alloc(layout.size(), alignment, ret_addr) };
    Some(NonNull::slice_from_raw_parts(memory?, layout.size()))
}

/// [`allocate`] with every byte 0.
#[inline]
pub(super) fn allocate_zeroed(
    allocator: Allocator<'_>,
    layout: Layout,
    ret_addr: usize,
) -> Option<NonNull<[u8]>> {
    let memory = allocate(allocator, layout, ret_addr)?;
    // SAFETY: a new block of this length, or an aligned address and no bytes.
    unsafe { memory.cast::<u8>().write_bytes(0, memory.len()) };
    Some(memory)
}

/// The same for the handle of an allocator with state.
#[inline(always)]
pub(super) fn zeroed_by_handle<A: AsAllocator>(
    allocator: &A,
    layout: Layout,
    ret_addr: usize,
) -> Option<NonNull<[u8]>> {
    allocate_zeroed(allocator.allocator(), layout, ret_addr)
}

/// The same for a type without state, which may know that memory is zero.
#[cfg(feature = "alloc")]
#[inline(always)]
pub(super) fn zeroed_by_type<S: Stateless>(_: &S, layout: Layout, ret_addr: usize) -> Option<NonNull<[u8]>> {
    if layout.size() == 0 {
        return allocate(S::ALLOCATOR.as_allocator(), layout, ret_addr);
    }
    // SAFETY: the size is not zero.
    let memory = unsafe { S::raw_alloc_zeroed(layout.size(), layout.into(), ret_addr) };
    Some(NonNull::slice_from_raw_parts(memory?, layout.size()))
}

/// Frees a block, unless its size is zero.
///
/// # Safety
/// `layout` fits the block at `ptr`, which is from this allocator and is not used afterwards.
#[inline]
pub(super) unsafe fn deallocate(allocator: Allocator<'_>, ptr: NonNull<u8>, layout: Layout, ret_addr: usize) {
    if layout.size() == 0 {
        return;
    }
    let memory = NonNull::slice_from_raw_parts(ptr, layout.size());
    // SAFETY: a live block with matching length and alignment, not used afterwards, by our caller; one thread, as in
    // `allocate`.
    unsafe { allocator.raw_free(memory, layout.into(), ret_addr) };
}

/// Changes the length of a block; on failure the block is unchanged.
///
/// # Safety
/// `old_layout` fits the block at `ptr`, which is from this allocator. After success `ptr` is not used.
#[inline]
pub(super) unsafe fn reallocate(
    allocator: Allocator<'_>,
    ptr: NonNull<u8>,
    old_layout: Layout,
    new_layout: Layout,
    ret_addr: usize,
) -> Option<NonNull<[u8]>> {
    let (old_len, new_len) = (old_layout.size(), new_layout.size());
    if old_layout == new_layout {
        return Some(NonNull::slice_from_raw_parts(ptr, new_len));
    }
    if old_layout.align() == new_layout.align() && old_len != 0 && new_len != 0 {
        let memory = NonNull::slice_from_raw_parts(ptr, old_len);
        // SAFETY: a live block with matching length and alignment, by our caller. Neither length is zero. One thread,
        // as in `allocate`.
        if let Some(memory) = unsafe { allocator.raw_remap(memory, old_layout.into(), new_len, ret_addr) } {
            return Some(NonNull::slice_from_raw_parts(memory, new_len));
        }
    }
    let memory = allocate(allocator, new_layout, ret_addr)?;
    // SAFETY: both blocks are live and at least that long, and disjoint (new-block).
    unsafe { memory.cast::<u8>().copy_from_nonoverlapping(ptr, old_len.min(new_len)) };
    // SAFETY: a live block, by our caller; its content was copied, and it is not used afterwards.
    unsafe { deallocate(allocator, ptr, old_layout, ret_addr) };
    Some(memory)
}

/// Grows a block, with zeros after its old length; on failure the block is unchanged.
///
/// # Safety
/// As [`reallocate`], and the new size is not less than the old one.
#[inline]
pub(super) unsafe fn grow_zeroed(
    allocator: Allocator<'_>,
    ptr: NonNull<u8>,
    old_layout: Layout,
    new_layout: Layout,
    ret_addr: usize,
) -> Option<NonNull<[u8]>> {
    // SAFETY: `ptr` is a live block that `old_layout` fits, not used after a success, by our caller.
    let memory = unsafe { reallocate(allocator, ptr, old_layout, new_layout, ret_addr) }?;
    let old_len = old_layout.size();
    // SAFETY: the block is `new_layout.size()` bytes long, at least the old size.
    let rest = unsafe { memory.cast::<u8>().add(old_len) };
    // SAFETY: the block has this many bytes from `rest` on.
    unsafe { rest.write_bytes(0, memory.len() - old_len) };
    Some(memory)
}
